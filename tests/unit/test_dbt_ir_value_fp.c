// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The evaluator's floating point: the C library's view of the same IEEE 754, through fenv. Compiled with -frounding-math
 * and without contraction; operands and results are volatile, so that nothing moves across the flags.
 */
#include <fenv.h>
#include <math.h>
#include <string.h>

#include "test_dbt_ir_value.h"

static const int rounds[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };

static double f64(uint64_t v)
{
	double d;

	memcpy(&d, &v, 8);
	return d;
}

static uint64_t bits64(double d)
{
	uint64_t v;

	memcpy(&v, &d, 8);
	return v;
}

static float f32(uint64_t v)
{
	uint32_t w = (uint32_t)v;
	float f;

	memcpy(&f, &w, 4);
	return f;
}

static uint64_t bits32(float f)
{
	uint32_t w;

	memcpy(&w, &f, 4);
	return w;
}

static uint64_t arithmetic64(const struct ir_insn *i, uint64_t ra, uint64_t rb, uint64_t rc)
{
	volatile double a = f64(ra);
	volatile double b = f64(rb);
	volatile double c = f64(rc);
	volatile double d = 0;

	switch (i->op) {
	case IR_FADD:
		d = a + b;
		break;
	case IR_FSUB:
		d = a - b;
		break;
	case IR_FMUL:
		d = a * b;
		break;
	case IR_FDIV:
		d = a / b;
		break;
	case IR_FSQRT:
		d = sqrt(a);
		break;
	case IR_FMADD:
		d = fma(a, b, c);
		break;
	case IR_FMSUB:
		c = -c;
		d = fma(a, b, c);
		break;
	case IR_FNMADD:
		a = -a;
		c = -c;
		d = fma(a, b, c);
		break;
	default:
		a = -a;
		d = fma(a, b, c);
	}
	return bits64(d);
}

static uint64_t arithmetic32(const struct ir_insn *i, uint64_t ra, uint64_t rb, uint64_t rc)
{
	volatile float a = f32(ra);
	volatile float b = f32(rb);
	volatile float c = f32(rc);
	volatile float d = 0;

	switch (i->op) {
	case IR_FADD:
		d = a + b;
		break;
	case IR_FSUB:
		d = a - b;
		break;
	case IR_FMUL:
		d = a * b;
		break;
	case IR_FDIV:
		d = a / b;
		break;
	case IR_FSQRT:
		d = sqrtf(a);
		break;
	case IR_FMADD:
		d = fmaf(a, b, c);
		break;
	case IR_FMSUB:
		c = -c;
		d = fmaf(a, b, c);
		break;
	case IR_FNMADD:
		a = -a;
		c = -c;
		d = fmaf(a, b, c);
		break;
	default:
		a = -a;
		d = fmaf(a, b, c);
	}
	return bits32(d);
}

static uint64_t arithmetic(const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c)
{
	bool is_fma = i->op >= IR_FMADD && i->op <= IR_FNMSUB;
	double x = i->type == IR_F32 ? (double)f32(a) : f64(a);
	double y = i->type == IR_F32 ? (double)f32(b) : f64(b);
	int saved = fetestexcept(FE_ALL_EXCEPT);
	bool is_inf_by_0 = (isinf(x) && y == 0) || (x == 0 && isinf(y));

	/* widening a signalling NaN raised something that is not of this operation */
	feclearexcept(FE_ALL_EXCEPT);
	feraiseexcept(saved);
	if (is_fma && is_inf_by_0) {
		feraiseexcept(FE_INVALID);
	}
	return i->type == IR_F32 ? arithmetic32(i, a, b, c) : arithmetic64(i, a, b, c);
}

static uint64_t sign_op(const struct ir_insn *i, uint64_t a, uint64_t b)
{
	uint64_t sign = i->type == IR_F32 ? 1ULL << 31 : 1ULL << 63;

	switch (i->op) {
	case IR_FNEG:
		return a ^ sign;
	case IR_FABS:
		return a & ~sign;
	case IR_FCOPYSIGN:
		return (a & ~sign) | (b & sign);
	default:
		return a ^ (b & sign);
	}
}

static uint64_t canonical(const struct ir_insn *i, uint64_t a)
{
	if (i->type == IR_F64) {
		return (a & INT64_MAX) > 0x7ff0000000000000ULL ? 0x7ff8000000000000ULL : a;
	}
	return (a & INT32_MAX) > 0x7f800000u ? 0x7fc00000u : a;
}

static uint64_t compare(const struct ir_insn *i, uint64_t a, uint64_t b)
{
	volatile double x;
	volatile double y;
	bool is_signalling;
	uint64_t quiet = i->type == IR_F32 ? 1u << 22 : 1ULL << 51;

	if (i->type == IR_F32) {
		is_signalling = (isnan(f32(a)) && !(a & quiet)) || (isnan(f32(b)) && !(b & quiet));
		feclearexcept(0);
		x = isnan(f32(a)) ? (double)NAN : (double)f32(a);
		y = isnan(f32(b)) ? (double)NAN : (double)f32(b);
	} else {
		is_signalling = (isnan(f64(a)) && !(a & quiet)) || (isnan(f64(b)) && !(b & quiet));
		x = f64(a);
		y = f64(b);
	}
	if (is_signalling || (i->cond != IR_EQ && (isnan(x) || isnan(y)))) {
		feraiseexcept(FE_INVALID);
	}
	if (isnan(x) || isnan(y)) {
		return 0;
	}
	return i->cond == IR_EQ ? x == y : i->cond == IR_LT ? x < y : x <= y;
}

static uint64_t from_integer(const struct ir_insn *i, uint64_t a)
{
	volatile double d = 0;
	volatile float f = 0;
	volatile int64_t s = (int64_t)a;
	volatile uint64_t u = a;

	if (i->cond == IR_INT_S32) {
		s = (int32_t)a;
	} else if (i->cond == IR_INT_U32) {
		s = (int64_t)(uint32_t)a;
	}
	if (i->cond != IR_INT_U64) {
		d = (double)s;
		if (i->type == IR_F64) {
			return bits64(d);
		}
		feclearexcept(FE_INEXACT);
		f = (float)s;
		return bits32(f);
	}
	/* exactly as two halves, each of which is exact: one rounding */
	if (i->type == IR_F64) {
		volatile double high = (double)(u >> 32) * 0x1p32;
		volatile double low = (double)(u & UINT32_MAX);

		d = high + low;
		return bits64(d);
	}
	{
		/* rounded to odd in 62 bits first, then once */
		volatile int64_t half = (int64_t)(u >> 2 | ((u & 3) != 0));

		f = (float)half;
		f *= 4;
		if (u < 1ULL << 62) {
			feclearexcept(FE_INEXACT);
			s = (int64_t)u;
			f = (float)s;
		}
	}
	return bits32(f);
}

static uint64_t to_integer(const struct ir_insn *i, uint64_t a)
{
	static const double least[] = { -0x1p31, 0, -0x1p63, 0 };
	static const double beyond[] = { 0x1p31, 0x1p32, 0x1p63, 0x1p64 };
	static const uint64_t lowest[] = { 1ULL << 31, 0, 1ULL << 63, 0 };
	static const uint64_t highest[] = { INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };
	uint64_t v;
	double x;
	double t;

	if (i->type == IR_F32 && isnan(f32(a))) {
		feraiseexcept(FE_INVALID);
		return highest[i->cond];
	}
	x = i->type == IR_F32 ? (double)f32(a) : f64(a);
	if (isnan(x)) {
		feraiseexcept(FE_INVALID);
		return highest[i->cond];
	}
	if (isinf(x)) {
		feraiseexcept(FE_INVALID);
		return x > 0 ? highest[i->cond] : lowest[i->cond];
	}
	/* trunc() by hand: it must raise nothing */
	if (fabs(x) >= 0x1p53) {
		t = x;
	} else {
		int saved = fetestexcept(FE_ALL_EXCEPT);
		volatile int64_t whole = (int64_t)x;

		t = (double)whole;
		feclearexcept(FE_ALL_EXCEPT);
		feraiseexcept(saved);
	}
	if (t < least[i->cond] || t >= beyond[i->cond]) {
		feraiseexcept(FE_INVALID);
		return x > 0 ? highest[i->cond] : lowest[i->cond];
	}
	if (t != x) {
		feraiseexcept(FE_INEXACT);
	}
	if (t >= 0x1p63) {
		v = (uint64_t)(t - 0x1p63) + (1ULL << 63);
	} else {
		v = (uint64_t)(int64_t)t;
	}
	if (i->cond == IR_INT_S32 || i->cond == IR_INT_U32) {
		v &= UINT32_MAX;
	}
	return v;
}

static uint64_t other_format(const struct ir_insn *i, uint64_t a)
{
	volatile double d = 0;
	volatile float f = 0;

	if (i->type == IR_F32) {
		d = f64(a);
		f = (float)d;
		return bits32(f);
	}
	f = f32(a);
	d = (double)f;
	return bits64(d);
}

static uint64_t operate(const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c)
{
	switch (i->op) {
	case IR_FNEG:
	case IR_FABS:
	case IR_FCOPYSIGN:
	case IR_FXORSIGN:
		return sign_op(i, a, b);
	case IR_FUNBOX:
		return a >> 32 == UINT32_MAX ? a : 0xffffffff7fc00000ULL;
	case IR_FCANON:
		return canonical(i, i->type == IR_F32 ? (uint32_t)a : a);
	case IR_FSET_IF:
		return compare(i, a, b);
	case IR_FCVT_FF:
		return other_format(i, a);
	case IR_FCVT_FI:
		return from_integer(i, a);
	case IR_FCVT_IF:
		return to_integer(i, a);
	default:
		return arithmetic(i, a, b, c);
	}
}

uint64_t ir_value_fp(uint32_t *fp, const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c)
{
	static const struct {
		int except;
		uint32_t bit;
	} bits[] = { { FE_INVALID, 1 },
		     { FE_DIVBYZERO, 4 },
		     { FE_OVERFLOW, 8 },
		     { FE_UNDERFLOW, 16 },
		     { FE_INEXACT, 32 } };
	uint64_t v;
	int raised;

	fesetround(rounds[*fp >> 13 & 3]);
	feclearexcept(FE_ALL_EXCEPT);
	v = operate(i, a, b, c);
	raised = fetestexcept(FE_ALL_EXCEPT);
	fesetround(FE_TONEAREST);
	for (size_t k = 0; k < sizeof(bits) / sizeof(bits[0]); k++) {
		*fp |= (raised & bits[k].except) ? bits[k].bit : 0;
	}
	if (i->op == IR_FCVT_IF) {
		bool is_32 = i->cond == IR_INT_S32 || i->cond == IR_INT_U32;

		return is_32 && (i->flags & IR_SX) ? (uint64_t)(int32_t)v : v;
	}
	if (i->type == IR_F32 && i->op != IR_FSET_IF && i->op != IR_FUNBOX) {
		v = (uint32_t)v | ((i->flags & IR_SX) ? 0xffffffffULL << 32 : 0);
	}
	return v;
}
