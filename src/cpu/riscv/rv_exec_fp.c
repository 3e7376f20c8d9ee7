/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interpreter: floating point. Here are registers, NaN boxing, rounding modes and what makes an
 * instruction illegal; rv_float.h computes.
 *
 * mstatus.FS becomes Dirty when an f register is written or a flag is raised.
 */
#include "cpu/riscv/rv_exec_internal.h"
#include "cpu/riscv/rv_float.h"

#define FRM_AT	    5
#define RM_DYNAMIC  7
#define SIGN_BIT(w) ((w) == RV_F64 ? BIT(63) : BIT(31))

/* The value of an f register; a single that is not boxed counts as the canonical NaN. */
static inline uint64_t get(const struct rv_exec *x, enum rv_width w, unsigned int r)
{
	uint64_t v = x->hart->s.f[r];

	if (w == RV_F64) {
		return v;
	}
	return v >= RV_BOX_F32 ? (uint32_t)v : RV_NAN_F32;
}

static inline void raise_flags(struct rv_exec *x, uint32_t flags)
{
	if (flags) {
		x->hart->s.fcsr |= flags;
		rv_exec_float_changed(x);
	}
}

static inline enum rv_done to_f(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				uint64_t value, uint32_t flags)
{
	x->hart->s.fcsr |= flags;
	rv_exec_set_float(x, i->rd, w == RV_F64 ? value : value | RV_BOX_F32);
	return rv_exec_next(x, i);
}

static inline enum rv_done to_x(struct rv_exec *x, const struct rv_insn *i, uint64_t value,
				uint32_t flags)
{
	raise_flags(x, flags);
	return rv_exec_result(x, i, value);
}

/* The rounding mode. @return false: the instruction is illegal, for this reason or because FS is off */
static inline bool rounding(const struct rv_exec *x, const struct rv_insn *i, enum rv_round *ret)
{
	uint32_t rm = i->rm == RM_DYNAMIC ? x->hart->s.fcsr >> FRM_AT & 7 : i->rm;

	*ret = (enum rv_round)rm;
	return rv_exec_has_float(x) && rm <= RV_RMM;
}

/** Both widths of a family: fn is called with RV_F32 and RV_F64. */
#define BOTH(op, fn, ...)                             \
	RV_EXEC(op##_S)                               \
	{                                             \
		return fn(x, i, RV_F32, __VA_ARGS__); \
	}                                             \
	RV_EXEC(op##_D)                               \
	{                                             \
		return fn(x, i, RV_F64, __VA_ARGS__); \
	}

typedef uint64_t binary_fn(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags);

static inline enum rv_done binary(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				  binary_fn *fn)
{
	enum rv_round rm;
	uint32_t flags = 0;
	uint64_t v;

	if (!rounding(x, i, &rm)) {
		return rv_exec_illegal(x, i);
	}
	v = fn(w, get(x, w, i->rs1), get(x, w, i->rs2), rm, &flags);
	return to_f(x, i, w, v, flags);
}

BOTH(FADD, binary, rv_float_add)
BOTH(FSUB, binary, rv_float_sub)
BOTH(FMUL, binary, rv_float_mul)
BOTH(FDIV, binary, rv_float_div)

typedef uint64_t unary_fn(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags);

static inline enum rv_done unary(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				 unary_fn *fn)
{
	enum rv_round rm;
	uint32_t flags = 0;
	uint64_t v;

	if (!rounding(x, i, &rm)) {
		return rv_exec_illegal(x, i);
	}
	v = fn(w, get(x, w, i->rs1), rm, &flags);
	return to_f(x, i, w, v, flags);
}

BOTH(FSQRT, unary, rv_float_sqrt)

/* The signs of product and addend are turned before: they decide about exact zeros too. */
static inline enum rv_done fused(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				 bool is_minus_product, bool is_minus_addend)
{
	struct rv_fma in;
	enum rv_round rm;
	uint32_t flags = 0;
	uint64_t v;

	if (!rounding(x, i, &rm)) {
		return rv_exec_illegal(x, i);
	}
	in.a = get(x, w, i->rs1) ^ (is_minus_product ? SIGN_BIT(w) : 0);
	in.b = get(x, w, i->rs2);
	in.c = get(x, w, i->rs3) ^ (is_minus_addend ? SIGN_BIT(w) : 0);
	v = rv_float_fma(w, &in, rm, &flags);
	return to_f(x, i, w, v, flags);
}

BOTH(FMADD, fused, false, false)
BOTH(FMSUB, fused, false, true)
BOTH(FNMSUB, fused, true, false)
BOTH(FNMADD, fused, true, true)

/* ---- signs ---- */

enum sign_from { SIGN_COPY, SIGN_NOT, SIGN_XOR };

static inline enum rv_done with_sign(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				     enum sign_from from)
{
	uint64_t a = get(x, w, i->rs1);
	uint64_t sign = get(x, w, i->rs2);

	if (!rv_exec_has_float(x)) {
		return rv_exec_illegal(x, i);
	}
	if (from == SIGN_NOT) {
		sign = ~sign;
	} else if (from == SIGN_XOR) {
		sign ^= a;
	}
	return to_f(x, i, w, (a & (SIGN_BIT(w) - 1)) | (sign & SIGN_BIT(w)), 0);
}

BOTH(FSGNJ, with_sign, SIGN_COPY)
BOTH(FSGNJN, with_sign, SIGN_NOT)
BOTH(FSGNJX, with_sign, SIGN_XOR)

/* ---- comparison ---- */

typedef uint64_t choose_fn(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);

static inline enum rv_done choose(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				  choose_fn *fn)
{
	uint32_t flags = 0;
	uint64_t v;

	if (!rv_exec_has_float(x)) {
		return rv_exec_illegal(x, i);
	}
	v = fn(w, get(x, w, i->rs1), get(x, w, i->rs2), &flags);
	return to_f(x, i, w, v, flags);
}

BOTH(FMIN, choose, rv_float_min)
BOTH(FMAX, choose, rv_float_max)

typedef bool compare_fn(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);

static inline enum rv_done compare(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				   compare_fn *fn)
{
	uint32_t flags = 0;
	bool is_true;

	if (!rv_exec_has_float(x)) {
		return rv_exec_illegal(x, i);
	}
	is_true = fn(w, get(x, w, i->rs1), get(x, w, i->rs2), &flags);
	return to_x(x, i, is_true, flags);
}

BOTH(FEQ, compare, rv_float_eq)
BOTH(FLT, compare, rv_float_lt)
BOTH(FLE, compare, rv_float_le)

static inline enum rv_done classify(struct rv_exec *x, const struct rv_insn *i, enum rv_width w)
{
	if (!rv_exec_has_float(x)) {
		return rv_exec_illegal(x, i);
	}
	return rv_exec_result(x, i, rv_float_class(w, get(x, w, i->rs1)));
}

RV_EXEC(FCLASS_S)
{
	return classify(x, i, RV_F32);
}

RV_EXEC(FCLASS_D)
{
	return classify(x, i, RV_F64);
}

/* ---- conversions ---- */

static inline enum rv_done convert(struct rv_exec *x, const struct rv_insn *i, enum rv_width from)
{
	enum rv_round rm;
	uint32_t flags = 0;
	uint64_t v;

	if (!rounding(x, i, &rm)) {
		return rv_exec_illegal(x, i);
	}
	v = rv_float_convert(from, get(x, from, i->rs1), rm, &flags);
	return to_f(x, i, from == RV_F64 ? RV_F32 : RV_F64, v, flags);
}

RV_EXEC(FCVT_S_D)
{
	return convert(x, i, RV_F64);
}

RV_EXEC(FCVT_D_S)
{
	return convert(x, i, RV_F32);
}

static inline enum rv_done to_int(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				  enum rv_int_kind kind)
{
	enum rv_round rm;
	uint32_t flags = 0;
	uint64_t v;

	if (!rounding(x, i, &rm)) {
		return rv_exec_illegal(x, i);
	}
	v = rv_float_to_int(w, get(x, w, i->rs1), kind, rm, &flags);
	return to_x(x, i, v, flags);
}

static inline enum rv_done from_int(struct rv_exec *x, const struct rv_insn *i, enum rv_width w,
				    enum rv_int_kind kind)
{
	enum rv_round rm;
	uint32_t flags = 0;
	uint64_t v;

	if (!rounding(x, i, &rm)) {
		return rv_exec_illegal(x, i);
	}
	v = rv_float_from_int(w, x->hart->s.x[i->rs1], kind, rm, &flags);
	return to_f(x, i, w, v, flags);
}

/** fcvt.T.{s,d} and fcvt.{s,d}.T of an integer type T. */
#define FCVT_INT(t)                                        \
	BOTH(FCVT_##t, to_int, RV_INT_##t)                 \
	RV_EXEC(FCVT_S_##t)                                \
	{                                                  \
		return from_int(x, i, RV_F32, RV_INT_##t); \
	}                                                  \
	RV_EXEC(FCVT_D_##t)                                \
	{                                                  \
		return from_int(x, i, RV_F64, RV_INT_##t); \
	}

FCVT_INT(W)
FCVT_INT(WU)
FCVT_INT(L)
FCVT_INT(LU)

/* ---- bits between x and f: boxes are made, but not asked for ---- */

static inline enum rv_done move_to_x(struct rv_exec *x, const struct rv_insn *i, uint64_t value)
{
	return rv_exec_has_float(x) ? rv_exec_result(x, i, value) : rv_exec_illegal(x, i);
}

static inline enum rv_done move_to_f(struct rv_exec *x, const struct rv_insn *i, enum rv_width w)
{
	uint64_t v = x->hart->s.x[i->rs1];

	return rv_exec_has_float(x) ? to_f(x, i, w, v, 0) : rv_exec_illegal(x, i);
}

RV_EXEC(FMV_X_W)
{
	return move_to_x(x, i, rv_sext_32(x->hart->s.f[i->rs1]));
}

RV_EXEC(FMV_X_D)
{
	return move_to_x(x, i, x->hart->s.f[i->rs1]);
}

RV_EXEC(FMV_W_X)
{
	return move_to_f(x, i, RV_F32);
}

RV_EXEC(FMV_D_X)
{
	return move_to_f(x, i, RV_F64);
}
