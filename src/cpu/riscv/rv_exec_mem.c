/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter: loads, stores, atomics, cache blocks. Everything goes through x->memory, which
 * puts the cause of a refusal into x->cause. x->tval is the address of the access by then; an
 * access that crosses pages may move it.
 */
#include "cpu/riscv/rv_exec_internal.h"

static gva_t address(struct rv_exec *x, const struct rv_insn *i)
{
	gva_t gva = x->hart->s.x[i->rs1] + (uint64_t)(int64_t)i->imm;

	x->tval = gva;
	return gva;
}

static inline enum rv_mem_result load(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes,
				      uint64_t *value)
{
	const struct rv_memory *m = x->memory;

	return m->access(m->opaque, x, address(x, i), bytes, MEM_R, value);
}

static inline enum rv_done store(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes,
				 uint64_t value)
{
	const struct rv_memory *m = x->memory;
	enum rv_mem_result r = m->access(m->opaque, x, address(x, i), bytes, MEM_W, &value);

	return r == RV_MEM_FAULT ? RV_DONE_EXCEPTION : rv_exec_accessed(x, i, r);
}

/** rd = value, an expression of v, the bytes that were loaded. */
#define LOAD(op, bytes, value)                                    \
	RV_EXEC(op)                                               \
	{                                                         \
		uint64_t v = 0;                                   \
		enum rv_mem_result r = load(x, i, bytes, &v);     \
                                                                  \
		if (r == RV_MEM_FAULT) {                          \
			return RV_DONE_EXCEPTION;                 \
		}                                                 \
		rv_exec_result(x, i, (value));                    \
		return r == RV_MEM_STOP ? RV_DONE_STOP : RV_DONE; \
	}

LOAD(LB, 1, (uint64_t)(int64_t)(int8_t)v)
LOAD(LH, 2, (uint64_t)(int64_t)(int16_t)v)
LOAD(LW, 4, rv_sext_32(v))
LOAD(LD, 8, v)
LOAD(LBU, 1, v)
LOAD(LHU, 2, v)
LOAD(LWU, 4, v)

#define STORE(op, bytes)                                        \
	RV_EXEC(op)                                             \
	{                                                       \
		uint64_t v = x->hart->s.x[i->rs2];              \
                                                                \
		return store(x, i, bytes, low_bytes(v, bytes)); \
	}

STORE(SB, 1)
STORE(SH, 2)
STORE(SW, 4)
STORE(SD, 8)

/* ---- F and D ---- */

static enum rv_done load_float(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes,
			       uint64_t box)
{
	enum rv_mem_result r;
	uint64_t v = 0;

	if (!rv_exec_has_float(x)) {
		return rv_exec_illegal(x, i);
	}
	r = load(x, i, bytes, &v);
	if (r == RV_MEM_FAULT) {
		return RV_DONE_EXCEPTION;
	}
	rv_exec_set_float(x, i->rd, v | box);
	return rv_exec_accessed(x, i, r);
}

static enum rv_done store_float(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes)
{
	if (!rv_exec_has_float(x)) {
		return rv_exec_illegal(x, i);
	}
	return store(x, i, bytes, low_bytes(x->hart->s.f[i->rs2], bytes));
}

RV_EXEC(FLW)
{
	return load_float(x, i, 4, RV_BOX_F32);
}

RV_EXEC(FLD)
{
	return load_float(x, i, 8, 0);
}

RV_EXEC(FSW)
{
	return store_float(x, i, 4);
}

RV_EXEC(FSD)
{
	return store_float(x, i, 8);
}

/* ---- A: addresses must be aligned ---- */

/* The address of an atomic access has no offset. */
static inline gva_t atomic_address(struct rv_exec *x, const struct rv_insn *i)
{
	x->tval = x->hart->s.x[i->rs1];
	return x->tval;
}

static inline uint64_t extended(uint64_t v, uint8_t bytes)
{
	return bytes == 4 ? rv_sext_32(v) : v;
}

static enum rv_done load_reserved(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes)
{
	const struct rv_memory *m = x->memory;
	gva_t gva = atomic_address(x, i);
	enum rv_mem_result r;
	uint64_t v = 0;

	if (gva & (bytes - 1u)) {
		return rv_exec_raise(x, RV_LOAD_MISALIGNED, gva);
	}
	r = m->reserve(m->opaque, x, gva, bytes, &v);
	if (r == RV_MEM_FAULT) {
		return RV_DONE_EXCEPTION;
	}
	rv_exec_result(x, i, extended(v, bytes));
	return r == RV_MEM_STOP ? RV_DONE_STOP : RV_DONE;
}

static enum rv_done store_conditional(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes)
{
	const struct rv_memory *m = x->memory;
	uint64_t v = low_bytes(x->hart->s.x[i->rs2], bytes);
	gva_t gva = atomic_address(x, i);
	bool is_stored = false;
	enum rv_mem_result r;

	if (gva & (bytes - 1u)) {
		return rv_exec_raise(x, RV_STORE_MISALIGNED, gva);
	}
	r = m->store_conditional(m->opaque, x, gva, bytes, v, &is_stored);
	if (r == RV_MEM_FAULT) {
		return RV_DONE_EXCEPTION;
	}
	rv_exec_result(x, i, !is_stored);
	return r == RV_MEM_STOP ? RV_DONE_STOP : RV_DONE;
}

RV_EXEC(LR_W)
{
	return load_reserved(x, i, 4);
}

RV_EXEC(LR_D)
{
	return load_reserved(x, i, 8);
}

RV_EXEC(SC_W)
{
	return store_conditional(x, i, 4);
}

RV_EXEC(SC_D)
{
	return store_conditional(x, i, 8);
}

static enum rv_done modify(struct rv_exec *x, const struct rv_insn *i, uint8_t bytes,
			   uint64_t (*update)(void *arg, uint64_t old))
{
	const struct rv_memory *m = x->memory;
	uint64_t operand = low_bytes(x->hart->s.x[i->rs2], bytes);
	gva_t gva = atomic_address(x, i);
	enum rv_mem_result r;
	uint64_t old = 0;

	if (gva & (bytes - 1u)) {
		return rv_exec_raise(x, RV_STORE_MISALIGNED, gva);
	}
	r = m->modify(m->opaque, x, gva, bytes, update, &operand, &old);
	if (r == RV_MEM_FAULT) {
		return RV_DONE_EXCEPTION;
	}
	rv_exec_result(x, i, extended(old, bytes));
	return r == RV_MEM_STOP ? RV_DONE_STOP : RV_DONE;
}

/** What to store, an expression of a = the old value and b = the operand; of type @p type. */
#define AMO(op, fn, type, value)                                   \
	static uint64_t fn(void *arg, uint64_t old)                \
	{                                                          \
		const type a = (type)old;                          \
		const type b = (type) * (uint64_t *)arg;           \
                                                                   \
		return low_bytes((uint64_t)(value), sizeof(type)); \
	}                                                          \
                                                                   \
	RV_EXEC(op)                                                \
	{                                                          \
		return modify(x, i, sizeof(type), fn);             \
	}

/** Words and doubles of an operation. */
#define AMO_BOTH(op, fn, type_w, type_d, value) \
	AMO(op##_W, fn##_w, type_w, value)      \
	AMO(op##_D, fn##_d, type_d, value)

static uint64_t second(void *arg, uint64_t old)
{
	(void)old;
	return *(uint64_t *)arg;
}

RV_EXEC(AMOSWAP_W)
{
	return modify(x, i, 4, second);
}

RV_EXEC(AMOSWAP_D)
{
	return modify(x, i, 8, second);
}

AMO_BOTH(AMOADD, amo_add, uint32_t, uint64_t, a + b)
AMO_BOTH(AMOXOR, amo_xor, uint32_t, uint64_t, a ^ b)
AMO_BOTH(AMOAND, amo_and, uint32_t, uint64_t, (a & b))
AMO_BOTH(AMOOR, amo_or, uint32_t, uint64_t, a | b)
AMO_BOTH(AMOMIN, amo_min, int32_t, int64_t, a < b ? a : b)
AMO_BOTH(AMOMAX, amo_max, int32_t, int64_t, a > b ? a : b)
AMO_BOTH(AMOMINU, amo_minu, uint32_t, uint64_t, a < b ? a : b)
AMO_BOTH(AMOMAXU, amo_maxu, uint32_t, uint64_t, a > b ? a : b)

/* ---- Zicbom, Zicboz ---- */

static enum rv_done block(struct rv_exec *x, const struct rv_insn *i, enum rv_cbo op)
{
	const struct rv_memory *m = x->memory;
	enum rv_mem_result r;

	if (!rv_cbo_is_allowed(x->hart, op)) {
		return rv_exec_illegal(x, i);
	}
	r = m->block(m->opaque, x, atomic_address(x, i), op == RV_CBO_ZERO);
	return r == RV_MEM_FAULT ? RV_DONE_EXCEPTION : rv_exec_accessed(x, i, r);
}

RV_EXEC(CBO_INVAL)
{
	return block(x, i, RV_CBO_INVAL);
}

RV_EXEC(CBO_CLEAN)
{
	return block(x, i, RV_CBO_CLEAN);
}

RV_EXEC(CBO_FLUSH)
{
	return block(x, i, RV_CBO_FLUSH);
}

RV_EXEC(CBO_ZERO)
{
	return block(x, i, RV_CBO_ZERO);
}
