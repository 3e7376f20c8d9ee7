/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point: which way arithmetic goes, and what needs none: comparison and classes. */
#include "cpu/riscv/rv_float.h"

#include "cpu/riscv/rv_float_format.h"
#include "cpu/riscv/rv_float_host.h"

/* The host has NaNs of its own. */
static uint64_t canonical(enum rv_width w, uint64_t a)
{
	return rv_is_nan(w, a) ? rv_nan(w) : a;
}

uint64_t rv_float_add(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags)
{
	if (!host_can(rm)) {
		return rv_float_soft_add(w, a, b, rm, flags);
	}
	return canonical(w, host_add(w, a, b, rm, flags));
}

uint64_t rv_float_sub(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags)
{
	return rv_float_add(w, a, b ^ rv_sign_bit(w), rm, flags);
}

uint64_t rv_float_mul(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags)
{
	if (!host_can(rm)) {
		return rv_float_soft_mul(w, a, b, rm, flags);
	}
	return canonical(w, host_mul(w, a, b, rm, flags));
}

uint64_t rv_float_div(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags)
{
	if (!host_can(rm)) {
		return rv_float_soft_div(w, a, b, rm, flags);
	}
	return canonical(w, host_div(w, a, b, rm, flags));
}

uint64_t rv_float_sqrt(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags)
{
	if (!host_can(rm)) {
		return rv_float_soft_sqrt(w, a, rm, flags);
	}
	return canonical(w, host_sqrt(w, a, a, rm, flags));
}

uint64_t rv_float_fma(enum rv_width w, const struct rv_fma *in, enum rv_round rm, uint32_t *flags)
{
	/* With a quiet NaN to add, x86 does not look whether the product is infinity times zero. */
	if (!host_can_fma(rm) || rv_is_nan(w, in->c)) {
		return rv_float_soft_fma(w, in, rm, flags);
	}
	return canonical(w, host_fma(w, in, rm, flags));
}

/* Sign and magnitude to two's complement: the order of numbers that are no NaN, but -0 < +0. */
static int64_t ordered(enum rv_width w, uint64_t a)
{
	int64_t magnitude = (int64_t)rv_magnitude(w, a);

	return rv_is_negative(w, a) ? -1 - magnitude : magnitude;
}

static bool are_zeros(enum rv_width w, uint64_t a, uint64_t b)
{
	return rv_magnitude(w, a | b) == 0;
}

/* What min and max do about NaNs. @return false: both are numbers */
static bool picks_number(enum rv_width w, uint64_t a, uint64_t b, uint64_t *ret, uint32_t *flags)
{
	if (rv_is_signalling(w, a) || rv_is_signalling(w, b)) {
		*flags |= RV_FLAG_NV;
	}
	if (rv_is_nan(w, a)) {
		*ret = canonical(w, b);
		return true;
	}
	*ret = a;
	return rv_is_nan(w, b);
}

uint64_t rv_float_min(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	uint64_t v;

	if (picks_number(w, a, b, &v, flags)) {
		return v;
	}
	return ordered(w, a) < ordered(w, b) ? a : b;
}

uint64_t rv_float_max(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	uint64_t v;

	if (picks_number(w, a, b, &v, flags)) {
		return v;
	}
	return ordered(w, a) > ordered(w, b) ? a : b;
}

bool rv_float_eq(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	if (rv_is_nan(w, a) || rv_is_nan(w, b)) {
		if (rv_is_signalling(w, a) || rv_is_signalling(w, b)) {
			*flags |= RV_FLAG_NV;
		}
		return false;
	}
	return a == b || are_zeros(w, a, b);
}

static bool is_unordered(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	if (rv_is_nan(w, a) || rv_is_nan(w, b)) {
		*flags |= RV_FLAG_NV;
		return true;
	}
	return false;
}

bool rv_float_lt(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	return !is_unordered(w, a, b, flags) && !are_zeros(w, a, b) &&
	       ordered(w, a) < ordered(w, b);
}

bool rv_float_le(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags)
{
	return !is_unordered(w, a, b, flags) &&
	       (are_zeros(w, a, b) || ordered(w, a) <= ordered(w, b));
}

uint64_t rv_float_class(enum rv_width w, uint64_t a)
{
	bool is_negative = rv_is_negative(w, a);
	uint64_t magnitude = rv_magnitude(w, a);

	if (rv_is_nan(w, a)) {
		return rv_is_signalling(w, a) ? BIT(8) : BIT(9);
	}
	if (magnitude == rv_infinity(w)) {
		return is_negative ? BIT(0) : BIT(7);
	}
	if (magnitude >> rv_frac_bits(w)) {
		return is_negative ? BIT(1) : BIT(6);
	}
	if (magnitude) {
		return is_negative ? BIT(2) : BIT(5);
	}
	return is_negative ? BIT(3) : BIT(4);
}
