/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: what IEEE 754 leaves to the architecture is that architecture's own: the sign of
 * a new NaN, which payload survives, what becomes of a conversion out of range. Printed as
 * bit patterns for comparison with the referee; the only answer that all share is that a
 * signalling NaN comes out quiet.
 */
#include "guest.h"

static uint64_t double_bits(double value)
{
	union {
		double f;
		uint64_t u;
	} pun = { .f = value };

	return pun.u;
}

static uint32_t single_bits(float value)
{
	union {
		float f;
		uint32_t u;
	} pun = { .f = value };

	return pun.u;
}

int main(void)
{
	volatile double zero = 0.0;
	volatile double minus_one = -1.0;
	volatile double nan_a = __builtin_nan("0x123");
	volatile double nan_b = __builtin_nan("0x456");
	volatile double nan_signals = __builtin_nans("0x789");
	volatile double large = 1e20;
	uint64_t quieted = double_bits(nan_signals - minus_one);
	uint32_t is_quiet = (quieted >> 51) & 1;

	guest_line_hex("own 0/0", double_bits(zero / zero), 16);
	guest_line_hex("own sqrt -1", double_bits(__builtin_sqrt(minus_one)), 16);
	guest_line_hex("own nan+nan", double_bits(nan_a + nan_b), 16);
	guest_line_hex("own nan*1", double_bits(nan_a * -minus_one), 16);
	guest_line_hex("own snan+1", quieted, 16);
	guest_line_hex("own nan to single", single_bits((float)nan_a), 8);
	guest_line_hex("own 1e20 to s32", (uint32_t)(int32_t)large, 8);
	guest_line_hex("own -1e20 to s32", (uint32_t)(int32_t)-large, 8);
	guest_line_hex("own nan to s32", (uint32_t)(int32_t)nan_a, 8);
	guest_line_dec("own quiet", is_quiet);
	return guest_verdict(is_quiet == 1);
}
