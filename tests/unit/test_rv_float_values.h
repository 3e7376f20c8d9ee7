/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers, and floating-point patterns that are weighted towards the corners. */
#ifndef PINFOLD_TESTS_UNIT_TEST_RV_FLOAT_VALUES_H
#define PINFOLD_TESTS_UNIT_TEST_RV_FLOAT_VALUES_H

#include "cpu/riscv/rv_float.h"

/** splitmix64 */
static inline uint64_t rv_rand(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/** 0 .. n - 1 */
static inline uint32_t rv_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((rv_rand(state) >> 33) % n);
}

/* A fraction: few bits at either end, few bits anywhere, all ones but few, or any. */
static inline uint64_t rv_rand_frac(uint64_t *state, unsigned int frac_bits)
{
	uint64_t mask = (1ULL << frac_bits) - 1;
	uint64_t v = rv_rand(state);

	switch (rv_below(state, 8)) {
	case 0:
		return 0;
	case 1:
		return mask;
	case 2:
		return v & 7;
	case 3:
		return mask - (v & 7);
	case 4:
		return mask & ~(mask >> (v & 7));
	case 5:
		return 1ULL << v % frac_bits;
	case 6: /* half of the bits: products and sums that are exact or ties */
		return v & mask & ~(mask >> frac_bits / 2);
	default:
		return v & mask;
	}
}

/** A pattern of a width: the low half only for singles. */
static inline uint64_t rv_rand_float(uint64_t *state, enum rv_width w)
{
	unsigned int frac_bits = w == RV_F64 ? 52 : 23;
	uint64_t e_max = w == RV_F64 ? 0x7ff : 0xff;
	uint64_t v = rv_rand(state);
	uint64_t sign = (v & 1) << (w == RV_F64 ? 63 : 31);
	uint64_t frac = rv_rand_frac(state, frac_bits);
	uint64_t e;

	switch (rv_below(state, 16)) {
	case 0: /* zero, subnormal */
		e = 0;
		frac = v & 2 ? 0 : frac;
		break;
	case 1:
		e = 0;
		break;
	case 2: /* infinity, NaN */
		e = e_max;
		frac = v & 2 ? 0 : frac;
		break;
	case 3:
		e = e_max - (v >> 1 & 3);
		break;
	case 4:
		e = 1 + (v >> 1 & 3);
		break;
	case 5: /* where fractions of a product or quotient become subnormal */
	case 6:
		e = e_max / 4 + rv_below(state, 64);
		break;
	case 7:
		e = (v >> 8) % (e_max + 1);
		break;
	case 8: /* around what integers hold */
		e = e_max / 2 + rv_below(state, 68);
		break;
	default: /* near 1: operands that meet */
		e = e_max / 2 - 4 + rv_below(state, 8);
		break;
	}
	return sign | e << frac_bits | frac;
}

#endif
