/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that the interpreter executes in the middle of translated code: atomics, most CSR accesses, cache blocks,
 * system calls and returns from traps. What they refuse, what ends the run, and what changes more than registers and
 * memory leaves translated code.
 */
#include "engine/dbt/front/riscv/rv_helper.h"

#include "engine/dbt/emit/emit.h"
#include "engine/dbt/front/riscv/rv_cpu.h"

/* An instruction in one number: op, bytes, rd, rs1, rs2 from bit 0 on; immediate in the upper half. */
#define OP_BITS	    12
#define BYTES_SHIFT 12
#define RD_SHIFT    16
#define RS1_SHIFT   21
#define RS2_SHIFT   26
#define REG_MASK    31u
#define IMM_SHIFT   32

/* CSRs that translated code keeps elsewhere: fcsr in the host's control register, counters in the budget. */
static bool is_kept_elsewhere(uint32_t csr)
{
	bool is_float = csr >= 0x001 && csr <= 0x003;
	bool is_counter = csr == 0xc00 || csr == 0xc02 || (csr & 0xf00) == 0xb00;

	return is_float || is_counter || csr == 0x320;
}

bool rv_helper_has(const struct rv_insn *i)
{
	switch (rv_op_format((enum rv_op)i->op)) {
	case RV_FMT_AMO:
		return true;
	case RV_FMT_CSR:
		return !is_kept_elsewhere((uint32_t)i->imm);
	default:
		return rv_helper_ends(i) || i->op == RV_OP_CBO_ZERO || i->op == RV_OP_CBO_INVAL ||
		       i->op == RV_OP_CBO_CLEAN || i->op == RV_OP_CBO_FLUSH;
	}
}

bool rv_helper_ends(const struct rv_insn *i)
{
	return i->op == RV_OP_ECALL || i->op == RV_OP_SRET || i->op == RV_OP_MRET;
}

uint64_t rv_helper_pack(const struct rv_insn *i)
{
	return i->op | (uint64_t)i->bytes << BYTES_SHIFT | (uint64_t)i->rd << RD_SHIFT |
	       (uint64_t)i->rs1 << RS1_SHIFT | (uint64_t)i->rs2 << RS2_SHIFT |
	       (uint64_t)(uint32_t)i->imm << IMM_SHIFT;
}

static struct rv_insn unpack(uint64_t v)
{
	return (struct rv_insn){
		.op = (uint16_t)(v & (BIT(OP_BITS) - 1)),
		.bytes = (uint8_t)(v >> BYTES_SHIFT & 0xf),
		.rd = (uint8_t)(v >> RD_SHIFT & REG_MASK),
		.rs1 = (uint8_t)(v >> RS1_SHIFT & REG_MASK),
		.rs2 = (uint8_t)(v >> RS2_SHIFT & REG_MASK),
		.imm = (int32_t)(uint32_t)(v >> IMM_SHIFT),
	};
}

/* Whether nothing but registers and memory changed: an interrupt may have become due, or only looked for. */
static bool may_go_on(const struct rv_cpu *c)
{
	uint32_t effects = c->access.exec.effects;

	if (effects & ~(uint32_t)RV_EFFECT_IRQ) {
		return false;
	}
	return !effects || !c->is_system || !rv_irq_due(&c->hart);
}

/* A system call: the guest's, or the caller's business. Other exceptions are raised by interpreting the instruction again. */
static enum emit_helper_result ecall(struct rv_cpu *c, struct emit_env *env)
{
	const struct rv_exec *x = &c->access.exec;

	if (c->is_system && !(c->exit_vectors & BIT(x->cause))) {
		c->left_effects = rv_trap(&c->hart, x->cause, x->tval) | RV_EFFECT_MODE;
		c->has_left = c->has_trapped = true;
		env->pc = c->hart.s.pc;
	}
	return EMIT_HELPER_UNDO; /* it does not count as executed */
}

static enum emit_helper_result exec(struct emit_env *env, uint64_t packed, uint64_t unused,
				    uint64_t *ret)
{
	struct rv_cpu *c = (struct rv_cpu *)(void *)(env + 1);
	struct rv_insn insn = unpack(packed);

	(void)unused;
	*ret = 0;
	c->hart.s.pc = env->pc;
	c->access.exec.effects = 0;
	if (rv_exec(&c->access.exec, &insn) != RV_DONE) {
		return insn.op == RV_OP_ECALL ? ecall(c, env) : EMIT_HELPER_UNDO;
	}
	if (may_go_on(c)) {
		return EMIT_HELPER_NEXT;
	}
	c->left_effects = c->access.exec.effects;
	c->has_left = true;
	env->pc = c->hart.s.pc;
	return EMIT_HELPER_LEAVE;
}

const emit_helper_fn rv_helpers[] = { [RV_HELPER_EXEC] = exec };
