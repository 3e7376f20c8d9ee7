/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floating point in exact integer arithmetic, for all five rounding modes.
 *
 * A finite number is sign, exponent and 64-bit significand with the top bit set: m * 2^(exp - 63).
 * Every operation computes its exact result to at least 64 bits; what lies below is folded into the
 * lowest one ("sticky": 1 if anything was lost). A double keeps 53 of the 64 bits, so the fold
 * never reaches the bit that decides about half-way cases, and pack() rounds exactly once.
 */
#include "cpu/riscv/rv_float_format.h"

typedef unsigned __int128 u128;

#define TOP_EXP 63

/** A finite number other than zero. */
struct real {
	bool is_negative;
	int exp;
	uint64_t m;
};

/** The same with 128 bits: m * 2^(exp - 126), bit 127 is for carries. */
struct wide {
	bool is_negative;
	int exp;
	u128 m;
};

static int bias(enum rv_width w)
{
	return w == RV_F64 ? 1023 : 127;
}

static bool is_infinite(enum rv_width w, uint64_t a)
{
	return rv_magnitude(w, a) == rv_infinity(w);
}

static bool is_zero(enum rv_width w, uint64_t a)
{
	return rv_magnitude(w, a) == 0;
}

static uint64_t zero(enum rv_width w, bool is_negative)
{
	return is_negative ? rv_sign_bit(w) : 0;
}

static uint64_t infinity(enum rv_width w, bool is_negative)
{
	return rv_infinity(w) | zero(w, is_negative);
}

static uint64_t invalid(enum rv_width w, uint32_t *flags)
{
	*flags |= RV_FLAG_NV;
	return rv_nan(w);
}

static void normalise(struct real *r)
{
	int n = __builtin_clzll(r->m);

	r->m <<= n;
	r->exp -= n;
}

/* @p a is finite and not zero. */
static struct real unpack(enum rv_width w, uint64_t a)
{
	unsigned int frac_bits = rv_frac_bits(w);
	uint64_t frac = a & (BIT(frac_bits) - 1);
	int e = (int)(rv_magnitude(w, a) >> frac_bits);
	struct real r = { .is_negative = rv_is_negative(w, a) };

	r.m = e ? frac | BIT(frac_bits) : frac;
	r.exp = (e ? e : 1) - bias(w) + TOP_EXP - (int)frac_bits;
	normalise(&r);
	return r;
}

/* Shift right; what falls out is folded into the lowest bit. */
static uint64_t shift_fold(uint64_t m, int n)
{
	if (n <= 0) {
		return m;
	}
	return n > 63 ? m != 0 : m >> n | ((m & (BIT(n) - 1)) != 0);
}

static u128 shift_fold_wide(u128 m, int n)
{
	if (n <= 0) {
		return m;
	}
	return n > 127 ? m != 0 : m >> n | ((m & (((u128)1 << n) - 1)) != 0);
}

/* Whether a magnitude goes up. @param rest what is cut off, in units of which @p half is half of the last place */
static bool rounds_up(uint64_t rest, uint64_t half, bool is_odd, bool is_negative, enum rv_round rm)
{
	switch (rm) {
	case RV_RNE:
		return rest > half || (rest == half && is_odd);
	case RV_RDN:
		return rest && is_negative;
	case RV_RUP:
		return rest && !is_negative;
	case RV_RMM:
		return rest >= half;
	case RV_RTZ:
		break;
	}
	return false;
}

static uint64_t overflow(enum rv_width w, bool is_negative, enum rv_round rm, uint32_t *flags)
{
	bool is_to_infinity = rm == RV_RNE || rm == RV_RMM || rm == (is_negative ? RV_RDN : RV_RUP);

	*flags |= RV_FLAG_OF | RV_FLAG_NX;
	return infinity(w, is_negative) - !is_to_infinity; /* or the largest finite number */
}

/* Round to the format. */
static uint64_t pack(enum rv_width w, const struct real *r, enum rv_round rm, uint32_t *flags)
{
	unsigned int frac_bits = rv_frac_bits(w);
	unsigned int cut = TOP_EXP - frac_bits;
	uint64_t mask = BIT(cut) - 1;
	uint64_t half = BIT(cut - 1);
	int e = r->exp + bias(w);
	bool is_tiny = false;
	uint64_t m = r->m;
	uint64_t v;

	if (e <= 0) {
		/* Tiny unless rounding, with as many bits as ever, carries it to the smallest normal number. */
		bool is_up = rounds_up(m & mask, half, m >> cut & 1, r->is_negative, rm);

		is_tiny = e < 0 || !is_up || m >> cut != UINT64_MAX >> cut;
		m = shift_fold(m, 1 - e);
		e = 1;
	}
	v = m >> cut;
	if (m & mask) {
		*flags |= RV_FLAG_NX | (is_tiny ? RV_FLAG_UF : 0);
	}
	v += rounds_up(m & mask, half, v & 1, r->is_negative, rm);
	/* v has the implicit bit, which adds 1 to the exponent, unless it is subnormal. A carry adds another. */
	if (e > 2 * bias(w)) {
		return overflow(w, r->is_negative, rm, flags);
	}
	v += (uint64_t)(e - 1) << frac_bits;
	if (v >= rv_infinity(w)) {
		return overflow(w, r->is_negative, rm, flags);
	}
	return v | zero(w, r->is_negative);
}

static uint64_t pack_wide(enum rv_width w, const struct wide *x, enum rv_round rm, uint32_t *flags)
{
	uint64_t high = (uint64_t)(x->m >> 64);
	int n = high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)x->m);
	u128 m = x->m << n;
	struct real r = {
		.is_negative = x->is_negative,
		.exp = x->exp + 1 - n,
		.m = (uint64_t)(m >> 64) | ((uint64_t)m != 0),
	};

	return pack(w, &r, rm, flags);
}

/*
 * The exact sum. When the smaller operand is shifted by two places or more, at most one bit cancels: what was folded
 * stays far below 64 bits. By fewer, nothing is lost, since the lowest 20 bits of both are zero.
 */
static uint64_t sum(enum rv_width w, struct wide x, struct wide y, enum rv_round rm,
		    uint32_t *flags)
{
	struct wide t = x;

	if (x.exp < y.exp || (x.exp == y.exp && x.m < y.m)) {
		x = y;
		y = t;
	}
	y.m = shift_fold_wide(y.m, x.exp - y.exp);
	if (x.is_negative == y.is_negative) {
		x.m += y.m;
	} else if (x.m >= y.m) {
		x.m -= y.m;
	} else { /* a product of 126 bits need not have its top bit set */
		x.m = y.m - x.m;
		x.is_negative = y.is_negative;
	}
	if (!x.m) {
		return zero(w, rm == RV_RDN);
	}
	return pack_wide(w, &x, rm, flags);
}

static struct wide widen(const struct real *r)
{
	return (struct wide){ r->is_negative, r->exp, (u128)r->m << 63 };
}

/* m < 2^127, with bit 126 or 125 set. */
static struct wide product(const struct real *a, const struct real *b)
{
	return (struct wide){ a->is_negative != b->is_negative, a->exp + b->exp + 1,
			      (u128)a->m * b->m >> 1 };
}

/* The result when an operand is a NaN. */
static uint64_t nan_of(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	if (rv_is_signalling(w, a) || rv_is_signalling(w, b)) {
		*flags |= RV_FLAG_NV;
	}
	return rv_nan(w);
}

uint64_t rv_float_soft_add(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags)
{
	bool is_negative = rv_is_negative(w, a);
	bool is_same_sign = is_negative == rv_is_negative(w, b);
	struct real x;
	struct real y;

	if (rv_is_nan(w, a) || rv_is_nan(w, b)) {
		return nan_of(w, a, b, flags);
	}
	if (is_infinite(w, a)) {
		return is_infinite(w, b) && !is_same_sign ? invalid(w, flags) : a;
	}
	if (is_infinite(w, b)) {
		return b;
	}
	if (is_zero(w, a) && is_zero(w, b)) {
		return is_same_sign ? a : zero(w, rm == RV_RDN);
	}
	if (is_zero(w, a) || is_zero(w, b)) {
		return is_zero(w, a) ? b : a;
	}
	x = unpack(w, a);
	y = unpack(w, b);
	return sum(w, widen(&x), widen(&y), rm, flags);
}

uint64_t rv_float_soft_mul(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags)
{
	bool is_negative = rv_is_negative(w, a) != rv_is_negative(w, b);
	struct real x;
	struct real y;
	struct wide z;

	if (rv_is_nan(w, a) || rv_is_nan(w, b)) {
		return nan_of(w, a, b, flags);
	}
	if (is_infinite(w, a) || is_infinite(w, b)) {
		return is_zero(w, a) || is_zero(w, b) ? invalid(w, flags)
						      : infinity(w, is_negative);
	}
	if (is_zero(w, a) || is_zero(w, b)) {
		return zero(w, is_negative);
	}
	x = unpack(w, a);
	y = unpack(w, b);
	z = product(&x, &y);
	return pack_wide(w, &z, rm, flags);
}

static uint64_t quotient(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags)
{
	struct real x = unpack(w, a);
	struct real y = unpack(w, b);
	u128 n = (u128)x.m << TOP_EXP; /* < 2 * y.m * 2^63 */
	struct real q = {
		.is_negative = x.is_negative != y.is_negative,
		.exp = x.exp - y.exp,
		.m = (uint64_t)(n / y.m),
	};

	q.m |= n % y.m != 0;
	normalise(&q); /* by one place at most */
	return pack(w, &q, rm, flags);
}

uint64_t rv_float_soft_div(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags)
{
	bool is_negative = rv_is_negative(w, a) != rv_is_negative(w, b);

	if (rv_is_nan(w, a) || rv_is_nan(w, b)) {
		return nan_of(w, a, b, flags);
	}
	if (is_infinite(w, a)) {
		return is_infinite(w, b) ? invalid(w, flags) : infinity(w, is_negative);
	}
	if (is_zero(w, a)) {
		return is_zero(w, b) ? invalid(w, flags) : zero(w, is_negative);
	}
	if (is_infinite(w, b)) {
		return zero(w, is_negative);
	}
	if (is_zero(w, b)) {
		*flags |= RV_FLAG_DZ;
		return infinity(w, is_negative);
	}
	return quotient(w, a, b, rm, flags);
}

/* The largest r with r * r <= n, one bit at a time; the lowest bit is set if r * r < n. */
static uint64_t root_fold(u128 n)
{
	uint64_t r = 0;

	for (int i = TOP_EXP; i >= 0; i--) {
		uint64_t t = r | BIT(i);

		if ((u128)t * t <= n) {
			r = t;
		}
	}
	return r | ((u128)r * r != n);
}

uint64_t rv_float_soft_sqrt(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags)
{
	struct real r;

	if (rv_is_nan(w, a)) {
		return nan_of(w, a, a, flags);
	}
	if (is_zero(w, a)) {
		return a;
	}
	if (rv_is_negative(w, a)) {
		return invalid(w, flags);
	}
	if (is_infinite(w, a)) {
		return a;
	}
	r = unpack(w, a);
	/* sqrt(m * 2^(exp - 63)) with an even exponent in front of the root */
	r.m = root_fold((u128)r.m << (r.exp & 1 ? 64 : 63));
	r.exp = r.exp >> 1;
	return pack(w, &r, rm, flags);
}

static uint64_t fma_of_nans(enum rv_width w, const struct rv_fma *in, bool is_inf_zero,
			    uint32_t *flags)
{
	if (is_inf_zero) {
		return invalid(w, flags);
	}
	nan_of(w, in->a, in->b, flags);
	return nan_of(w, in->c, in->c, flags);
}

uint64_t rv_float_soft_fma(enum rv_width w, const struct rv_fma *in, enum rv_round rm,
			   uint32_t *flags)
{
	bool is_negative = rv_is_negative(w, in->a) != rv_is_negative(w, in->b);
	bool is_zero_product = is_zero(w, in->a) || is_zero(w, in->b);
	bool is_inf_product = is_infinite(w, in->a) || is_infinite(w, in->b);
	struct real x[3];

	if (rv_is_nan(w, in->a) || rv_is_nan(w, in->b) || rv_is_nan(w, in->c)) {
		return fma_of_nans(w, in, is_zero_product && is_inf_product, flags);
	}
	if (is_inf_product) {
		bool is_cancelled =
			is_infinite(w, in->c) && rv_is_negative(w, in->c) != is_negative;

		return is_zero_product || is_cancelled ? invalid(w, flags)
						       : infinity(w, is_negative);
	}
	if (is_zero_product || is_infinite(w, in->c)) {
		return rv_float_soft_add(w, zero(w, is_negative), in->c, rm, flags);
	}
	x[0] = unpack(w, in->a);
	x[1] = unpack(w, in->b);
	if (is_zero(w, in->c)) {
		struct wide p = product(&x[0], &x[1]);

		return pack_wide(w, &p, rm, flags);
	}
	x[2] = unpack(w, in->c);
	return sum(w, product(&x[0], &x[1]), widen(&x[2]), rm, flags);
}

uint64_t rv_float_convert(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags)
{
	enum rv_width to = w == RV_F64 ? RV_F32 : RV_F64;
	bool is_negative = rv_is_negative(w, a);
	struct real r;

	if (rv_is_nan(w, a)) {
		nan_of(w, a, a, flags);
		return rv_nan(to);
	}
	if (is_infinite(w, a)) {
		return infinity(to, is_negative);
	}
	if (is_zero(w, a)) {
		return zero(to, is_negative);
	}
	r = unpack(w, a);
	return pack(to, &r, rm, flags);
}

/** What an integer type holds: magnitudes up to these. */
struct int_limits {
	uint64_t positive, negative;
	bool is_word;
};

static const struct int_limits limits[] = {
	[RV_INT_W] = { INT32_MAX, BIT(31), true },
	[RV_INT_WU] = { UINT32_MAX, 0, true },
	[RV_INT_L] = { INT64_MAX, BIT(63), false },
	[RV_INT_LU] = { UINT64_MAX, 0, false },
};

static uint64_t extend(const struct int_limits *l, uint64_t v)
{
	return l->is_word ? (uint64_t)(int64_t)(int32_t)v : v;
}

static uint64_t saturated(const struct int_limits *l, bool is_negative, uint32_t *flags)
{
	*flags |= RV_FLAG_NV;
	return extend(l, is_negative ? -l->negative : l->positive);
}

uint64_t rv_float_to_int(enum rv_width w, uint64_t a, enum rv_int_kind kind, enum rv_round rm,
			 uint32_t *flags)
{
	const struct int_limits *l = &limits[kind];
	struct real r;
	uint64_t rest;
	uint64_t v;
	u128 m;

	if (is_zero(w, a)) {
		return 0;
	}
	if (rv_is_nan(w, a) || is_infinite(w, a)) {
		return saturated(l, !rv_is_nan(w, a) && rv_is_negative(w, a), flags);
	}
	r = unpack(w, a);
	if (r.exp > TOP_EXP) {
		return saturated(l, r.is_negative, flags);
	}
	m = shift_fold_wide((u128)r.m << 64, TOP_EXP - r.exp);
	rest = (uint64_t)m;
	v = (uint64_t)(m >> 64);
	/* No carry out: with 64 bits before the point there are none behind it. */
	v += rounds_up(rest, BIT(63), v & 1, r.is_negative, rm);
	if (v > (r.is_negative ? l->negative : l->positive)) {
		return saturated(l, r.is_negative, flags);
	}
	*flags |= rest ? RV_FLAG_NX : 0;
	return extend(l, r.is_negative ? -v : v);
}

uint64_t rv_float_from_int(enum rv_width w, uint64_t v, enum rv_int_kind kind, enum rv_round rm,
			   uint32_t *flags)
{
	bool is_signed = kind == RV_INT_W || kind == RV_INT_L;
	struct real r = { .exp = TOP_EXP };

	if (limits[kind].is_word) {
		v = is_signed ? (uint64_t)(int64_t)(int32_t)v : (uint32_t)v;
	}
	if (!v) {
		return 0;
	}
	r.is_negative = is_signed && v >> 63;
	r.m = r.is_negative ? -v : v;
	normalise(&r);
	return pack(w, &r, rm, flags);
}
