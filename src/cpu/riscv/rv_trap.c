/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traps, returns from them, interrupts, and the instructions that only privileged code may use.
 * Source: privileged architecture 1.12, sections 3.1.6 to 3.1.9, 3.3, 4.1 and 4.2; chapter 7
 * (Svinval); Sstc 1.0; cache management 1.0, section 3.
 */
#include "cpu/riscv/rv_internal.h"

#define MODE_VECTORED 1

static bool is_delegated(const struct rv_state *s, uint64_t cause)
{
	uint64_t number = cause & ~RV_CAUSE_IRQ;
	uint64_t deleg = cause & RV_CAUSE_IRQ ? s->mideleg : s->medeleg;

	return s->priv != RV_PRIV_M && number < 64 && (deleg & BIT(number));
}

/* Where a trap goes; only interrupts look at the vector's mode. */
static gva_t vector(uint64_t tvec, uint64_t cause)
{
	gva_t base = tvec & ~3ULL;

	if ((tvec & 3) == MODE_VECTORED && (cause & RV_CAUSE_IRQ)) {
		base += 4 * (cause & ~RV_CAUSE_IRQ);
	}
	return base;
}

static void enter_s(struct rv_state *s, uint64_t cause, uint64_t tval)
{
	uint64_t status = s->mstatus & ~(RV_MSTATUS_SIE | RV_MSTATUS_SPIE | RV_MSTATUS_SPP);

	s->sepc = s->pc;
	s->scause = cause;
	s->stval = tval;
	status |= s->mstatus & RV_MSTATUS_SIE ? RV_MSTATUS_SPIE : 0;
	status |= s->priv == RV_PRIV_S ? RV_MSTATUS_SPP : 0;
	s->mstatus = status;
	s->priv = RV_PRIV_S;
	s->pc = vector(s->stvec, cause);
}

static void enter_m(struct rv_state *s, uint64_t cause, uint64_t tval)
{
	uint64_t status = s->mstatus & ~(RV_MSTATUS_MIE | RV_MSTATUS_MPIE | RV_MSTATUS_MPP);

	s->mepc = s->pc;
	s->mcause = cause;
	s->mtval = tval;
	status |= s->mstatus & RV_MSTATUS_MIE ? RV_MSTATUS_MPIE : 0;
	status |= (uint64_t)s->priv << RV_MPP_SHIFT;
	s->mstatus = status;
	s->priv = RV_PRIV_M;
	s->pc = vector(s->mtvec, cause);
}

void rv_trap_enter(struct rv_state *s, uint64_t cause, uint64_t tval)
{
	if (is_delegated(s, cause)) {
		enter_s(s, cause, tval);
	} else {
		enter_m(s, cause, tval);
	}
}

uint32_t rv_trap(struct rv_hart *h, uint64_t cause, uint64_t tval)
{
	uint32_t data_priv = rv_data_priv(h);

	rv_trap_enter(&h->s, cause, tval);
	/* A trap into M-mode whose MPRV is set: data accesses are as before, by way of MPP. */
	return RV_EFFECT_MODE | RV_EFFECT_IRQ |
	       ((h->s.mstatus & RV_MSTATUS_MPRV) && rv_data_priv(h) != data_priv ? RV_EFFECT_SPACE
										 : 0);
}

/* ---- interrupts ---- */

/* STIP, where it is the comparator's and somebody wants to know: asking a clock costs time. */
static uint64_t timer_pending(const struct rv_hart *h)
{
	return h->cfg.clock.ticks(h->cfg.clock.opaque) >= h->s.stimecmp ? BIT(RV_IRQ_STI) : 0;
}

/* The bits of mip in mask. */
static uint64_t pending(const struct rv_hart *h, uint64_t mask)
{
	uint64_t mip = h->s.mip | atomic_load_explicit(&h->wires, memory_order_acquire);

	if (h->s.menvcfg & RV_ENVCFG_STCE) {
		mip &= ~BIT(RV_IRQ_STI);
		mip |= mask & BIT(RV_IRQ_STI) ? timer_pending(h) : 0;
	}
	return mip & mask;
}

uint64_t rv_mip(const struct rv_hart *h)
{
	return pending(h, UINT64_MAX);
}

/* The most urgent of some interrupts. */
static uint64_t first_of(uint64_t irqs)
{
	static const uint8_t order[] = {
		RV_IRQ_MEI, RV_IRQ_MSI, RV_IRQ_MTI, RV_IRQ_SEI, RV_IRQ_SSI, RV_IRQ_STI,
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (irqs & BIT(order[i])) {
			return RV_CAUSE_IRQ | order[i];
		}
	}
	return 0;
}

uint64_t rv_irq_due(const struct rv_hart *h)
{
	const struct rv_state *s = &h->s;
	bool is_m_on = s->priv != RV_PRIV_M || (s->mstatus & RV_MSTATUS_MIE);
	bool is_s_on =
		s->priv == RV_PRIV_U || (s->priv == RV_PRIV_S && (s->mstatus & RV_MSTATUS_SIE));
	uint64_t enabled =
		(is_m_on ? s->mie & ~s->mideleg : 0) | (is_s_on ? s->mie & s->mideleg : 0);
	uint64_t irqs = enabled ? pending(h, enabled) : 0;
	uint64_t cause;

	if (!irqs) {
		return 0;
	}
	cause = first_of(irqs & ~s->mideleg); /* M-mode's come first */
	return cause ? cause : first_of(irqs);
}

bool rv_irq_wakes(const struct rv_hart *h)
{
	return pending(h, h->s.mie) != 0;
}

uint64_t rv_timer_due(const struct rv_hart *h)
{
	return h->s.menvcfg & RV_ENVCFG_STCE ? h->s.stimecmp : UINT64_MAX;
}

/* ---- instructions ---- */

static uint32_t go_on(struct rv_state *s, uint32_t priv, gva_t pc)
{
	uint32_t effects = RV_EFFECT_MODE | RV_EFFECT_IRQ;

	if (priv != RV_PRIV_M && (s->mstatus & RV_MSTATUS_MPRV)) {
		s->mstatus &= ~RV_MSTATUS_MPRV;
		effects |= RV_EFFECT_SPACE;
	}
	s->priv = priv;
	s->pc = pc;
	return effects;
}

static bool mret(struct rv_state *s, uint32_t *effects)
{
	uint32_t priv = (uint32_t)(s->mstatus >> RV_MPP_SHIFT & 3);
	uint64_t status = s->mstatus & ~(RV_MSTATUS_MIE | RV_MSTATUS_MPP);

	if (s->priv != RV_PRIV_M) {
		return false;
	}
	status |= RV_MSTATUS_MPIE | (s->mstatus & RV_MSTATUS_MPIE ? RV_MSTATUS_MIE : 0);
	s->mstatus = status;
	*effects |= go_on(s, priv, s->mepc);
	return true;
}

static bool sret(struct rv_state *s, uint32_t *effects)
{
	uint32_t priv = s->mstatus & RV_MSTATUS_SPP ? RV_PRIV_S : RV_PRIV_U;
	uint64_t status = s->mstatus & ~(RV_MSTATUS_SIE | RV_MSTATUS_SPP);

	if (s->priv == RV_PRIV_U || (s->priv == RV_PRIV_S && (s->mstatus & RV_MSTATUS_TSR))) {
		return false;
	}
	status |= RV_MSTATUS_SPIE | (s->mstatus & RV_MSTATUS_SPIE ? RV_MSTATUS_SIE : 0);
	s->mstatus = status;
	*effects |= go_on(s, priv, s->sepc);
	return true;
}

/* The time limit of TW, and of WFI in U-mode, is 0. */
static bool is_wfi_allowed(const struct rv_state *s)
{
	return s->priv == RV_PRIV_M || (s->priv == RV_PRIV_S && !(s->mstatus & RV_MSTATUS_TW));
}

static bool is_fence_allowed(const struct rv_state *s)
{
	return s->priv == RV_PRIV_M || (s->priv == RV_PRIV_S && !(s->mstatus & RV_MSTATUS_TVM));
}

bool rv_priv_insn(struct rv_hart *h, enum rv_priv_insn insn, uint32_t *effects)
{
	switch (insn) {
	case RV_MRET:
		return mret(&h->s, effects);
	case RV_SRET:
		return sret(&h->s, effects);
	case RV_WFI:
		return is_wfi_allowed(&h->s);
	case RV_SFENCE_VMA:
	case RV_SINVAL_VMA:
		if (!is_fence_allowed(&h->s)) {
			return false;
		}
		*effects |= RV_EFFECT_TRANSLATION;
		return true;
	case RV_SFENCE_W_INVAL:
	case RV_SFENCE_INVAL_IR:
		/* They only order what SINVAL.VMA did at once; TVM does not concern them. */
		return h->s.priv != RV_PRIV_U;
	}
	return false;
}

bool rv_cbo_is_allowed(const struct rv_hart *h, enum rv_cbo op)
{
	uint64_t needed = op == RV_CBO_INVAL  ? RV_ENVCFG_CBIE
			  : op == RV_CBO_ZERO ? RV_ENVCFG_CBZE
					      : RV_ENVCFG_CBCFE;

	if (h->s.priv != RV_PRIV_M && !(h->s.menvcfg & needed)) {
		return false;
	}
	return h->s.priv != RV_PRIV_U || (h->s.senvcfg & needed);
}
