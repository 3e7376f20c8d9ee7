// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What STEP_IF leaves to the interpreter: results that are NaNs, comparisons with them, and results next to the least normal
 * number. Source: Arm ARM, shared/functions/float: FPProcessNaNs, FPRound.
 */
#include "../../unit/test_dbt_ir_value.h"
#include "engine/dbt/emit/emit_fp.h"
#include "tiny.h"

#define FPCR_DN	 BIT(25)
#define FPSR_IOC BIT(0)

/* A format's bits. */
struct format {
	enum ir_type type;
	uint64_t all, quiet, infinity, fallback; /* fallback: the NaN of no operand */
};

static const struct format formats[] = {
	{ IR_F32, UINT32_MAX, BIT(22), 0x7f800000, 0x7fc00000 },
	{ IR_F64, UINT64_MAX, BIT(51), 0x7ff0000000000000, 0x7ff8000000000000 },
};

static bool is_nan(const struct format *f, uint64_t v)
{
	return (v & (f->all >> 1)) > f->infinity;
}

static bool is_signalling(const struct format *f, uint64_t v)
{
	return is_nan(f, v) && !(v & f->quiet);
}

/* The NaN that comes of two operands: a signalling one first. */
static uint64_t nan_of(const struct tiny_cpu *c, const struct format *f, uint64_t a, uint64_t b)
{
	if (c->s.fpcr & FPCR_DN) {
		return f->fallback;
	}
	if (is_signalling(f, a)) {
		return a | f->quiet;
	}
	if (is_signalling(f, b)) {
		return b | f->quiet;
	}
	return is_nan(f, a) ? a : is_nan(f, b) ? b : f->fallback;
}

static double f64(uint64_t v)
{
	double d;

	memcpy(&d, &v, 8);
	return d;
}

static double f32(uint64_t v)
{
	uint32_t w = (uint32_t)v;
	float f;

	memcpy(&f, &w, 4);
	return (double)f;
}

/* Whether the result was below the least normal number before it was rounded. Numbers of 113 bits hold it well enough. */
static bool is_tiny(const struct ir_insn *i, uint64_t a, uint64_t b)
{
	bool is_wide = i->type == IR_F64 || i->op == IR_FCVT_FF;
	__float128 x = is_wide ? f64(a) : f32(a);
	__float128 y = is_wide ? f64(b) : f32(b);
	__float128 v = i->op == IR_FMUL ? x * y : i->op == IR_FDIV ? x / y : x;

	v = v < 0 ? -v : v;
	return v < (i->type == IR_F64 ? (__float128)0x1p-1022 : (__float128)0x1p-126);
}

/* One operation with the guest's rounding; its exceptions accrue. */
static uint64_t compute(struct tiny_cpu *c, const struct ir_insn *i, uint64_t a, uint64_t b)
{
	uint32_t control = emit_fp_control((enum emit_round)tiny_front_ops.fp_round(c));
	uint64_t v = ir_value_fp(&control, i, a, b, 0);
	uint8_t raised = emit_fp_flags(control);

	if ((raised & EMIT_FP_INEXACT) && i->op >= IR_FMUL && i->op != IR_FSQRT &&
	    is_tiny(i, a, b)) {
		raised |= EMIT_FP_UNDERFLOW;
	}
	tiny_front_ops.fp_accrue(c, raised);
	return v;
}

static uint64_t low_half(const struct tiny_cpu *c, uint32_t n)
{
	return load_le(c->s.v[n], 8);
}

static void set_scalar(struct tiny_cpu *c, uint32_t n, uint64_t v)
{
	store_le(c->s.v[n], v, 8);
	store_le(c->s.v[n] + 8, 0, 8);
}

static void two_sources(struct tiny_cpu *c, const struct tiny_ir *t, const struct format *f)
{
	static const uint8_t ops[] = {
		[0] = IR_FMUL, [1] = IR_FDIV, [2] = IR_FADD, [3] = IR_FSUB, [8] = IR_FMUL
	};
	const struct ir_insn i = { .op = ops[tiny_bits(t, 15, 12)], .type = (uint8_t)f->type };
	uint64_t a = low_half(c, tiny_rn(t)) & f->all;
	uint64_t b = low_half(c, tiny_rm(t)) & f->all;
	uint64_t v = compute(c, &i, a, b);

	v = is_nan(f, v) ? nan_of(c, f, a, b) : v;
	set_scalar(c, tiny_rd(t), tiny_bits(t, 15, 12) == 8 ? v ^ (f->all ^ f->all >> 1) : v);
}

/* FSQRT; FCVT, where a NaN keeps the top of its fraction. */
static void one_source(struct tiny_cpu *c, const struct tiny_ir *t, const struct format *f)
{
	bool is_sqrt = tiny_bits(t, 20, 15) == 3;
	const struct format *to = is_sqrt ? f : &formats[f->type == IR_F32];
	const struct ir_insn i = { .op = is_sqrt ? IR_FSQRT : IR_FCVT_FF,
				   .type = (uint8_t)to->type };
	uint64_t a = low_half(c, tiny_rn(t)) & f->all;
	uint64_t v = compute(c, &i, a, 0);
	uint64_t sign;
	uint64_t nan;

	if (is_nan(to, v)) {
		nan = nan_of(c, f, a, a);
		sign = nan > f->all >> 1 ? to->all ^ to->all >> 1 : 0;
		v = to == f ? nan
			    : sign | to->infinity |
				      ((to->type == IR_F64 ? nan << 29 : nan >> 29) &
				       (to->quiet * 2 - 1));
	}
	set_scalar(c, tiny_rd(t), v);
}

static void compare(struct tiny_cpu *c, const struct tiny_ir *t, const struct format *f)
{
	uint64_t a = low_half(c, tiny_rn(t)) & f->all;
	uint64_t b = tiny_bits(t, 3, 3) ? 0 : low_half(c, tiny_rm(t)) & f->all;
	bool is_strict = tiny_bits(t, 4, 4);

	c->n = c->z = 0;
	c->c = c->v = 1;
	if (is_strict || is_signalling(f, a) || is_signalling(f, b)) {
		c->s.fpsr |= FPSR_IOC;
	}
}

bool tiny_fp_exact(struct tiny_cpu *c, uint32_t w)
{
	const struct tiny_ir t = { .w = w };
	const struct format *f = &formats[tiny_bits(&t, 22, 22)];

	if ((w & 0xff200c00) == 0x1e200800) {
		two_sources(c, &t, f);
	} else if ((w & 0xff207c00) == 0x1e204000) {
		one_source(c, &t, f);
	} else if ((w & 0xff20fc07) == 0x1e202000) {
		compare(c, &t, f);
	} else {
		return false;
	}
	return true;
}
