/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the interpreter share: a handler per instruction, and the ends of handlers. */
#ifndef PINFOLD_CPU_RISCV_RV_EXEC_INTERNAL_H
#define PINFOLD_CPU_RISCV_RV_EXEC_INTERNAL_H

#include "cpu/riscv/rv_exec.h"

/** Executes one instruction: operands from @p i, on the hart of @p x. */
typedef enum rv_done rv_exec_fn(struct rv_exec *x, const struct rv_insn *i);

#define RV_INSN(op, name, format, match, mask) rv_exec_fn rv_exec_##op;
#include "cpu/riscv/rv_insns.def"
#undef RV_INSN

/** Define the handler of an instruction. */
#define RV_EXEC(op) enum rv_done rv_exec_##op(struct rv_exec *x, const struct rv_insn *i)

/** Go on behind the instruction. */
static inline enum rv_done rv_exec_next(struct rv_exec *x, const struct rv_insn *i)
{
	x->hart->s.pc += i->bytes;
	return RV_DONE;
}

/** Write rd and go on. */
static inline enum rv_done rv_exec_result(struct rv_exec *x, const struct rv_insn *i,
					  uint64_t value)
{
	struct rv_state *s = &x->hart->s;

	s->x[i->rd] = value;
	s->x[0] = 0;
	return rv_exec_next(x, i);
}

/** Raise an exception; the caller has not changed anything. */
static inline enum rv_done rv_exec_raise(struct rv_exec *x, enum rv_cause cause, uint64_t tval)
{
	x->cause = cause;
	x->tval = tval;
	return RV_DONE_EXCEPTION;
}

static inline enum rv_done rv_exec_illegal(struct rv_exec *x, const struct rv_insn *i)
{
	return rv_exec_raise(x, RV_ILLEGAL, i->raw);
}

/** How an instruction ends whose access to memory ended with RV_MEM_OK or RV_MEM_STOP. */
static inline enum rv_done rv_exec_accessed(struct rv_exec *x, const struct rv_insn *i,
					    enum rv_mem_result r)
{
	x->hart->s.pc += i->bytes;
	return r == RV_MEM_STOP ? RV_DONE_STOP : RV_DONE;
}

static inline uint64_t rv_sext_32(uint64_t v)
{
	return (uint64_t)(int64_t)(int32_t)v;
}

static inline bool rv_exec_has_float(const struct rv_exec *x)
{
	return x->hart->s.mstatus & RV_MSTATUS_FS;
}

/** FS becomes Dirty; SD is derived when mstatus is read. */
static inline void rv_exec_float_changed(struct rv_exec *x)
{
	if ((x->hart->s.mstatus & RV_MSTATUS_FS) != RV_MSTATUS_FS) {
		x->hart->s.mstatus |= RV_MSTATUS_FS;
		x->effects |= RV_EFFECT_MODE;
	}
}

/** Write an f register. */
static inline void rv_exec_set_float(struct rv_exec *x, unsigned int rd, uint64_t value)
{
	x->hart->s.f[rd] = value;
	rv_exec_float_changed(x);
}

#define RV_BOX_F32 0xffffffff00000000ULL

#endif
