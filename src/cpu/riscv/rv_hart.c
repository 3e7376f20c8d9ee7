/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making harts, their wires, and foreign states legal; see rv_hart.h. */
#include "cpu/riscv/rv_internal.h"

#include <string.h>

void rv_hart_init(struct rv_hart *h, const struct rv_hart_config *cfg)
{
	*h = (struct rv_hart){ .cfg = *cfg };
	rv_state_reset(&h->s);
	h->s.mhartid = cfg->hartid;
}

void rv_hart_wires_set(struct rv_hart *h, uint64_t mask, uint64_t level)
{
	mask &= RV_MIP_WIRES;
	/* Release: who sees the wire sees what the device did before. */
	atomic_fetch_or_explicit(&h->wires, mask & level, memory_order_release);
	atomic_fetch_and_explicit(&h->wires, ~(mask & ~level), memory_order_release);
}

static void legalise_pmp(struct rv_state *s)
{
	for (unsigned int i = 0; i < RV_PMP_COUNT; i++) {
		uint64_t cfg = rv_pmp_cfg_legal(rv_pmp_cfg(s, i));

		s->pmpcfg[i / 8] &= ~(0xffULL << i % 8 * 8);
		s->pmpcfg[i / 8] |= cfg << i % 8 * 8;
		s->pmpaddr[i] &= RV_PMPADDR_MAX;
	}
}

static uint64_t legal_envcfg(uint64_t v, uint64_t mask)
{
	return v & mask & ((v & RV_ENVCFG_CBIE) == BIT(5) ? ~RV_ENVCFG_CBIE : UINT64_MAX);
}

void rv_state_legalise(struct rv_state *s)
{
	bool is_mpp_legal = (s->mstatus & RV_MSTATUS_MPP) != BIT(12);

	s->x[0] = 0;
	s->pc &= ~1ULL;
	s->fcsr &= 0xff;
	s->priv = s->priv == RV_PRIV_U || s->priv == RV_PRIV_S ? s->priv : RV_PRIV_M;
	s->mstatus &= is_mpp_legal ? RV_MSTATUS_MASK : RV_MSTATUS_MASK & ~RV_MSTATUS_MPP;
	s->mstatus |= RV_MSTATUS_UXL | RV_MSTATUS_SXL;
	s->misa = RV_MISA;
	s->mie &= RV_MIE_MASK;
	s->mip &= RV_MIP_SOFT;
	s->medeleg &= RV_MEDELEG_MASK;
	s->mideleg &= RV_MIDELEG_MASK;
	s->mtvec &= ~BIT(1);
	s->stvec &= ~BIT(1);
	s->mepc &= ~1ULL;
	s->sepc &= ~1ULL;
	s->mcounteren &= UINT32_MAX;
	s->scounteren &= UINT32_MAX;
	s->mcountinhibit &= RV_COUNTINHIBIT_MASK;
	s->menvcfg = legal_envcfg(s->menvcfg, RV_MENVCFG_MASK);
	s->senvcfg = legal_envcfg(s->senvcfg, RV_SENVCFG_MASK);
	s->satp = rv_satp_is_legal(s->satp) ? s->satp : 0;
	legalise_pmp(s);
}

bool rv_state_translates_alike(const struct rv_state *a, const struct rv_state *b)
{
	return a->menvcfg == b->menvcfg && memcmp(a->pmpcfg, b->pmpcfg, sizeof(a->pmpcfg)) == 0 &&
	       memcmp(a->pmpaddr, b->pmpaddr, sizeof(a->pmpaddr)) == 0;
}

void rv_insns_count(struct rv_state *s, uint64_t n)
{
	s->mcycle += s->mcountinhibit & BIT(0) ? 0 : n;
	s->minstret += s->mcountinhibit & BIT(2) ? 0 : n;
}
