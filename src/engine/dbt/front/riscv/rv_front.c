/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RV64GC for engine `dbt`: the table of the front end, and its interpreter. */
#include "engine/dbt/front/riscv/rv_front.h"

#include <errno.h>

#include "base/bug.h"
#include "engine/dbt/emit/emit_fp.h"
#include "engine/dbt/front/riscv/rv_cpu.h"
#include "engine/dbt/front/riscv/rv_helper.h"
#include "engine/dbt/front/riscv/rv_ir.h"

#define FRM_SHIFT 5
#define FRM_MASK  7u
#define FS_SHIFT  13
#define FS_DIRTY  3u

/* Of front_ops.mode: privilege in bits 0 and 1. */
#define MODE_FP	       BIT(2)
#define MODE_FRM_SHIFT 3
#define MODE_LOCKED    BIT(6) /* M-mode, bound by PMP */

/* Of front_ops.space, above ASID and PPN. */
#define SPACE_PRIV_SHIFT   62
#define SPACE_MODE_SHIFT   60
#define SATP_MODE_SHIFT	   60
#define SATP_MODE_SV39	   8u
#define SPACE_SUM	   2u
#define SPACE_ASID_SHIFT   44
#define SPACE_PPN_TOO_HIGH (0xfULL << 40) /* tables that far up lie in no RAM of ours */
#define SPACE_ASID_MASK	   (0xffffULL << SPACE_ASID_SHIFT)

#define X(n, abi, r) [n] = { abi, IR_CLASS_INT, r, offsetof(struct rv_cpu, hart.s.x) + (n)*8 }
#define F(n, abi, r) [32 + (n)] = { abi, IR_CLASS_FP, r, offsetof(struct rv_cpu, hart.s.f) + (n)*8 }

/* Ranks: what compilers use most; sp and ra pay most in calls. */
const struct ir_reg rv_ir_regs[RV_IR_REGS] = {
	[0] = { "zero", IR_CLASS_ZERO, 0, offsetof(struct rv_cpu, hart.s.x) },
	X(1, "ra", 2),
	X(2, "sp", 1),
	X(3, "gp", 24),
	X(4, "tp", 25),
	X(5, "t0", 15),
	X(6, "t1", 13),
	X(7, "t2", 16),
	X(8, "s0", 8),
	X(9, "s1", 10),
	X(10, "a0", 3),
	X(11, "a1", 6),
	X(12, "a2", 7),
	X(13, "a3", 9),
	X(14, "a4", 5),
	X(15, "a5", 4),
	X(16, "a6", 11),
	X(17, "a7", 12),
	X(18, "s2", 17),
	X(19, "s3", 18),
	X(20, "s4", 19),
	X(21, "s5", 20),
	X(22, "s6", 21),
	X(23, "s7", 22),
	X(24, "s8", 23),
	X(25, "s9", 26),
	X(26, "s10", 27),
	X(27, "s11", 28),
	X(28, "t3", 14),
	X(29, "t4", 29),
	X(30, "t5", 30),
	X(31, "t6", 31),
	F(0, "ft0", 9),
	F(1, "ft1", 10),
	F(2, "ft2", 11),
	F(3, "ft3", 12),
	F(4, "ft4", 13),
	F(5, "ft5", 14),
	F(6, "ft6", 15),
	F(7, "ft7", 16),
	F(8, "fs0", 17),
	F(9, "fs1", 18),
	F(10, "fa0", 1),
	F(11, "fa1", 2),
	F(12, "fa2", 3),
	F(13, "fa3", 4),
	F(14, "fa4", 5),
	F(15, "fa5", 6),
	F(16, "fa6", 7),
	F(17, "fa7", 8),
	F(18, "fs2", 19),
	F(19, "fs3", 20),
	F(20, "fs4", 21),
	F(21, "fs5", 22),
	F(22, "fs6", 23),
	F(23, "fs7", 24),
	F(24, "fs8", 25),
	F(25, "fs9", 26),
	F(26, "fs10", 27),
	F(27, "fs11", 28),
	F(28, "ft8", 29),
	F(29, "ft9", 30),
	F(30, "ft10", 31),
	F(31, "ft11", 32),
	[RV_IR_SSCRATCH] = { "sscratch", IR_CLASS_INT, 0,
			     offsetof(struct rv_cpu, hart.s.sscratch) },
	[RV_IR_SEPC] = { "sepc", IR_CLASS_INT, 0, offsetof(struct rv_cpu, hart.s.sepc) },
	[RV_IR_SCAUSE] = { "scause", IR_CLASS_INT, 0, offsetof(struct rv_cpu, hart.s.scause) },
	[RV_IR_STVAL] = { "stval", IR_CLASS_INT, 0, offsetof(struct rv_cpu, hart.s.stval) },
	[RV_IR_MSTATUS] = { "mstatus", IR_CLASS_INT, 0, offsetof(struct rv_cpu, hart.s.mstatus) },
};

static void init(void *cpu, const struct front_config *cfg)
{
	struct rv_cpu *c = cpu;
	struct rv_hart_config hc = {
		.hartid = cfg->engine->cpu_idx,
		.mem = cfg->engine->mem,
		.va_bits = cfg->engine->va_bits,
		.clock = { cfg->engine->clock.opaque, cfg->engine->clock.ticks },
	};

	rv_hart_init(&c->hart, &hc);
	c->memory = cfg->memory;
	rv_access_init(&c->access, &c->hart, &rv_cpu_access_ops, c);
	c->is_system = cfg->engine->is_system;
	c->exit_vectors = cfg->engine->exit_vectors;
	rv_cpu_tlb_flush(c);
}

static void get_state(const void *cpu, struct cpu_state *ret)
{
	const struct rv_cpu *c = cpu;

	*ret = (struct cpu_state){ .arch = CPU_ARCH_RV64 };
	*rv_state(ret) = c->hart.s;
}

/* A board's call (SBI) changes a register or two: that must not cost all translations. */
static int set_state(void *cpu, const struct cpu_state *s, struct front_effects *effects,
		     struct errmsg *e)
{
	struct rv_cpu *c = cpu;
	struct rv_state next;

	if (s->arch != CPU_ARCH_RV64) {
		return errmsg_set(e, -EINVAL, "the state is not a RISC-V hart's");
	}
	next = *rv_state_const(s);
	rv_state_legalise(&next);
	if (next.satp != c->hart.s.satp || !rv_state_translates_alike(&next, &c->hart.s)) {
		rv_cpu_tlb_flush(c);
		effects->what |= FRONT_FLUSH_TRANSLATIONS;
	}
	effects->what |= FRONT_MODE;
	c->hart.s = next;
	c->hart.has_reservation = false;
	return 0;
}

static uint64_t get_pc(const void *cpu)
{
	return ((const struct rv_cpu *)cpu)->hart.s.pc;
}

static void set_pc(void *cpu, uint64_t pc)
{
	((struct rv_cpu *)cpu)->hart.s.pc = pc;
}

static uint8_t frm_of(const struct rv_state *s)
{
	return (uint8_t)(s->fcsr >> FRM_SHIFT & FRM_MASK);
}

static bool has_fp(const struct rv_state *s)
{
	return (s->mstatus >> FS_SHIFT & 3) == FS_DIRTY;
}

/* What is linked in M-mode while PMP does not bind it must not be used when it does: that is another mode. */
static uint32_t mode(const void *cpu)
{
	const struct rv_state *s = &((const struct rv_cpu *)cpu)->hart.s;

	return s->priv |
	       (has_fp(s) ? (uint32_t)(MODE_FP | (uint32_t)frm_of(s) << MODE_FRM_SHIFT) : 0) |
	       (s->priv == RV_PRIV_M && rv_pmp_is_locked(s) ? (uint32_t)MODE_LOCKED : 0);
}

/*
 * ASID and PPN fill satp's low 60 bits; what is left says mode and who is looking. The kernel, when it does not look at
 * its users' pages, has one space for all page tables: that of the global pages.
 */
static uint64_t space(const void *cpu)
{
	const struct rv_cpu *c = cpu;
	const struct rv_state *s = &c->hart.s;
	uint64_t satp_mode = s->satp >> SATP_MODE_SHIFT;
	uint64_t who = rv_data_priv(&c->hart);
	uint64_t tables = s->satp & (BIT(SATP_MODE_SHIFT) - 1);

	if (who == RV_PRIV_M || satp_mode == 0) {
		return who << SPACE_PRIV_SHIFT; /* physical */
	}
	if ((s->mstatus & RV_MSTATUS_MXR) || (tables & SPACE_PPN_TOO_HIGH)) {
		return FRONT_SPACE_NONE;
	}
	if (who == RV_PRIV_S) {
		who = s->mstatus & RV_MSTATUS_SUM ? SPACE_SUM : RV_PRIV_S;
		tables = s->mstatus & RV_MSTATUS_SUM ? tables : FRONT_SPACE_GLOBAL;
	}
	return tables | (satp_mode - SATP_MODE_SV39 + 1) << SPACE_MODE_SHIFT |
	       who << SPACE_PRIV_SHIFT;
}

static uint64_t tables(const void *cpu)
{
	return ((const struct rv_cpu *)cpu)->hart.s.satp;
}

static bool is_physical(const void *cpu)
{
	const struct rv_state *s = &((const struct rv_cpu *)cpu)->hart.s;

	return s->priv == RV_PRIV_M && !rv_pmp_is_locked(s);
}

static bool translate_address(void *cpu, gva_t gva, uint32_t access, struct front_page *ret,
			      struct cpu_fault *ret_fault)
{
	struct rv_cpu *c = cpu;
	uint32_t priv = access == MEM_X ? c->hart.s.priv : rv_data_priv(&c->hart);
	struct rv_translation t;
	uint64_t cause;

	if (!rv_translate(&c->hart, gva, priv, access, &t, &cause)) {
		*ret_fault = rv_fault_from_cause(cause, c->hart.s.pc, gva);
		return false;
	}
	*ret = (struct front_page){ t.gpa, t.bytes, t.perm, t.is_global, t.leaf_bytes };
	return true;
}

static bool decode(const void *cpu, const uint8_t *code, size_t n, struct ir_block *ret)
{
	const struct rv_cpu *c = cpu;
	const struct rv_state *s = &c->hart.s;
	struct rv_ir_mode m = { .has_fp = has_fp(s), .frm = frm_of(s), .priv = (uint8_t)s->priv };

	return rv_ir_decode(&m, s->pc, code, n, ret);
}

/* Add what a privileged operation changed to the effects. */
static void add_effects(struct rv_cpu *c, uint32_t changed, struct front_effects *effects)
{
	if (changed & RV_EFFECT_TRANSLATION) {
		rv_cpu_tlb_flush(c);
		effects->what |= FRONT_FLUSH_TRANSLATIONS;
	}
	effects->what |= changed & RV_EFFECT_FENCE_I ? FRONT_FLUSH_CODE : 0;
	effects->what |= changed & (RV_EFFECT_MODE | RV_EFFECT_SPACE) ? FRONT_MODE : 0;
	effects->what |= changed & RV_EFFECT_TIMER ? FRONT_TIMER : 0;
}

/* A fence with operands voids less; x0 stands for all. */
static void narrow_fence(const struct rv_cpu *c, const struct rv_insn *i,
			 struct front_effects *effects)
{
	if (i->op != RV_OP_SFENCE_VMA && i->op != RV_OP_SINVAL_VMA) {
		return;
	}
	if (i->rs1) {
		effects->is_page = true;
		effects->gva = c->hart.s.x[i->rs1];
	}
	if (i->rs2) {
		effects->space_mask = SPACE_ASID_MASK;
		effects->space_value = c->hart.s.x[i->rs2] << SPACE_ASID_SHIFT & SPACE_ASID_MASK;
	}
}

static void count(void *cpu, uint64_t n)
{
	rv_insns_count(&((struct rv_cpu *)cpu)->hart.s, n);
}

/* Give an exception to the guest, or tell the caller of it. */
static enum front_step give_exception(struct rv_cpu *c, struct front_effects *effects,
				      struct cpu_fault *ret_fault)
{
	const struct rv_exec *x = &c->access.exec;

	if (c->is_system && !(c->exit_vectors & BIT(x->cause))) {
		add_effects(c, rv_trap(&c->hart, x->cause, x->tval) | RV_EFFECT_MODE, effects);
		return FRONT_TRAPPED;
	}
	return rv_access_fault(&c->access, c->is_system, ret_fault) ? FRONT_FAULT : FRONT_EXCEPTION;
}

static enum front_step step(void *cpu, struct front_effects *effects, struct cpu_fault *ret_fault)
{
	struct rv_cpu *c = cpu;
	struct rv_exec *x = &c->access.exec;
	struct rv_insn insn;
	enum rv_done done;

	if (!rv_access_fetch(&c->access, &insn)) {
		return give_exception(c, effects, ret_fault);
	}
	done = rv_exec(x, &insn);
	add_effects(c, x->effects, effects);
	narrow_fence(c, &insn, effects);
	if (done == RV_DONE_EXCEPTION) {
		return give_exception(c, effects, ret_fault);
	}
	if (!(x->effects & RV_EFFECT_COUNTERS)) {
		count(c, 1); /* a write of a counter takes effect behind its own instruction */
	}
	return done == RV_DONE_WFI ? FRONT_HALT : done == RV_DONE_STOP ? FRONT_STOP : FRONT_NEXT;
}

static bool interrupt(void *cpu, struct front_effects *effects)
{
	struct rv_cpu *c = cpu;
	uint64_t cause = rv_irq_due(&c->hart);

	if (!cause) {
		return false;
	}
	add_effects(c, rv_trap(&c->hart, cause, 0) | RV_EFFECT_MODE, effects);
	return true;
}

static void set_lines(void *cpu, uint64_t mask, uint64_t level)
{
	rv_hart_wires_set(&((struct rv_cpu *)cpu)->hart, mask, level);
}

static uint64_t timer_due(const void *cpu)
{
	return rv_timer_due(&((const struct rv_cpu *)cpu)->hart);
}

static bool wakes(const void *cpu)
{
	return rv_irq_wakes(&((const struct rv_cpu *)cpu)->hart);
}

static void flush_translations(void *cpu)
{
	rv_cpu_tlb_flush(cpu);
}

static void drop_reservation(void *cpu)
{
	((struct rv_cpu *)cpu)->hart.has_reservation = false;
}

static uint32_t fp_round(const void *cpu)
{
	/* The same numbers; in a mode that the host lacks no operation depends on it. */
	uint8_t frm = frm_of(&((const struct rv_cpu *)cpu)->hart.s);

	return frm <= EMIT_ROUND_UP ? frm : EMIT_ROUND_NEAREST;
}

static void fp_accrue(void *cpu, uint8_t flags)
{
	((struct rv_cpu *)cpu)->hart.s.fcsr |= flags; /* the same bits */
}

static bool helper_left(void *cpu, struct front_effects *effects, bool *ret_trapped)
{
	struct rv_cpu *c = cpu;

	if (!c->has_left) {
		return false;
	}
	c->has_left = false;
	*ret_trapped = c->has_trapped;
	c->has_trapped = false;
	add_effects(c, c->left_effects, effects);
	return true;
}

const struct front_ops rv_front_ops = {
	.arch = CPU_ARCH_RV64,
	.regs = rv_ir_regs,
	.n_regs = RV_IR_REGS,
	.cpu_bytes = sizeof(struct rv_cpu),
	.init = init,
	.get_state = get_state,
	.set_state = set_state,
	.get_pc = get_pc,
	.set_pc = set_pc,
	.mode = mode,
	.space = space,
	.tables = tables,
	.is_physical = is_physical,
	.translate_address = translate_address,
	.decode = decode,
	.step = step,
	.interrupt = interrupt,
	.set_lines = set_lines,
	.timer_due = timer_due,
	.wakes = wakes,
	.count = count,
	.flush_translations = flush_translations,
	.drop_reservation = drop_reservation,
	.fp_round = fp_round,
	.fp_accrue = fp_accrue,
	.helpers = rv_helpers,
	.helper_left = helper_left,
};
