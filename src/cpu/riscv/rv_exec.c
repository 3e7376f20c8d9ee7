/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter: dispatch, jumps, fences, CSRs and what is privileged.
 *
 * A handler per instruction, in files by family: rv_exec_int.c computes, rv_exec_mem.c accesses
 * memory, rv_exec_fp.c is floating point. A handler that raises an exception has changed nothing.
 */
#include "cpu/riscv/rv_exec_internal.h"

#include "base/bug.h"

static enum rv_done illegal(struct rv_exec *x, const struct rv_insn *i)
{
	return rv_exec_illegal(x, i);
}

static rv_exec_fn *const handlers[RV_OP_COUNT] = {
	[RV_OP_ILLEGAL] = illegal,
#define RV_INSN(op, name, format, match, mask) [RV_OP_##op] = rv_exec_##op,
#include "cpu/riscv/rv_insns.def"
#undef RV_INSN
};

enum rv_done rv_exec(struct rv_exec *x, const struct rv_insn *insn)
{
	BUG_ON(insn->op >= RV_OP_COUNT);
	return handlers[insn->op](x, insn);
}

/* ---- jumps: with C, every even address may be jumped to ---- */

RV_EXEC(JAL)
{
	struct rv_state *s = &x->hart->s;
	uint64_t next = s->pc + i->bytes;

	s->pc += (uint64_t)(int64_t)i->imm;
	s->x[i->rd] = next;
	s->x[0] = 0;
	return RV_DONE;
}

RV_EXEC(JALR)
{
	struct rv_state *s = &x->hart->s;
	uint64_t next = s->pc + i->bytes;

	s->pc = (s->x[i->rs1] + (uint64_t)(int64_t)i->imm) & ~1ULL;
	s->x[i->rd] = next;
	s->x[0] = 0;
	return RV_DONE;
}

/** Branch if a condition of a = rs1 and b = rs2 holds. */
#define BRANCH(op, type, condition)                                                    \
	RV_EXEC(op)                                                                    \
	{                                                                              \
		struct rv_state *s = &x->hart->s;                                      \
		const type a = (type)s->x[i->rs1];                                     \
		const type b = (type)s->x[i->rs2];                                     \
                                                                                       \
		s->pc += (condition) ? (uint64_t)(int64_t)i->imm : (uint64_t)i->bytes; \
		return RV_DONE;                                                        \
	}

BRANCH(BEQ, uint64_t, a == b)
BRANCH(BNE, uint64_t, a != b)
BRANCH(BLT, int64_t, a < b)
BRANCH(BGE, int64_t, a >= b)
BRANCH(BLTU, uint64_t, a < b)
BRANCH(BGEU, uint64_t, a >= b)

/* ---- fences ---- */

/* Harts of one VM take turns on one thread, and devices act between instructions: nothing is out of order. */
RV_EXEC(FENCE)
{
	return rv_exec_next(x, i);
}

RV_EXEC(FENCE_I)
{
	x->effects |= RV_EFFECT_FENCE_I;
	return rv_exec_next(x, i);
}

/* ---- CSRs ---- */

/*
 * csrrs and csrrc with the number 0 for their operand, as opposed to the value 0, don't write. csrrw to x0 doesn't read.
 */
static enum rv_done csr(struct rv_exec *x, const struct rv_insn *i, enum rv_csr_op op,
			uint64_t operand)
{
	bool is_read = op != RV_CSR_WRITE || i->rd != 0;
	uint64_t old = 0;

	if (op != RV_CSR_WRITE && i->rs1 == 0) {
		op = RV_CSR_READ;
	}
	if (!rv_csr_access(x->hart, (uint32_t)i->imm, op, operand, is_read ? &old : NULL,
			   &x->effects)) {
		return rv_exec_illegal(x, i);
	}
	return rv_exec_result(x, i, old);
}

RV_EXEC(CSRRW)
{
	return csr(x, i, RV_CSR_WRITE, x->hart->s.x[i->rs1]);
}

RV_EXEC(CSRRS)
{
	return csr(x, i, RV_CSR_SET, x->hart->s.x[i->rs1]);
}

RV_EXEC(CSRRC)
{
	return csr(x, i, RV_CSR_CLEAR, x->hart->s.x[i->rs1]);
}

RV_EXEC(CSRRWI)
{
	return csr(x, i, RV_CSR_WRITE, i->rs1);
}

RV_EXEC(CSRRSI)
{
	return csr(x, i, RV_CSR_SET, i->rs1);
}

RV_EXEC(CSRRCI)
{
	return csr(x, i, RV_CSR_CLEAR, i->rs1);
}

/* ---- traps and what is privileged ---- */

RV_EXEC(ECALL)
{
	(void)i;
	return rv_exec_raise(x, (enum rv_cause)(RV_ECALL_U + x->hart->s.priv), 0);
}

RV_EXEC(EBREAK)
{
	(void)i;
	return rv_exec_raise(x, RV_BREAKPOINT, x->hart->s.pc);
}

/* MRET and SRET: the new pc is theirs. */
static enum rv_done trap_return(struct rv_exec *x, const struct rv_insn *i, enum rv_priv_insn which)
{
	return rv_priv_insn(x->hart, which, &x->effects) ? RV_DONE : rv_exec_illegal(x, i);
}

RV_EXEC(MRET)
{
	return trap_return(x, i, RV_MRET);
}

RV_EXEC(SRET)
{
	return trap_return(x, i, RV_SRET);
}

static enum rv_done privileged(struct rv_exec *x, const struct rv_insn *i, enum rv_priv_insn which)
{
	if (!rv_priv_insn(x->hart, which, &x->effects)) {
		return rv_exec_illegal(x, i);
	}
	return rv_exec_next(x, i);
}

RV_EXEC(WFI)
{
	enum rv_done r = privileged(x, i, RV_WFI);

	return r == RV_DONE ? RV_DONE_WFI : r;
}

RV_EXEC(SFENCE_VMA)
{
	return privileged(x, i, RV_SFENCE_VMA);
}

RV_EXEC(SINVAL_VMA)
{
	return privileged(x, i, RV_SINVAL_VMA);
}

RV_EXEC(SFENCE_W_INVAL)
{
	return privileged(x, i, RV_SFENCE_W_INVAL);
}

RV_EXEC(SFENCE_INVAL_IR)
{
	return privileged(x, i, RV_SFENCE_INVAL_IR);
}
