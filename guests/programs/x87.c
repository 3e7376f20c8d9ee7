/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: the x87 unit with its 80-bit numbers (x86, x64), printed as bit patterns.
 * Known answers: 1/3 and the square root of 2 in extended precision, 3ffd aaaaaaaaaaaaaaab and
 * 3fff b504f333f9de6484, and 1e300 squared; x = 2 - x * x / 4 repeated is for the referee.
 */
#include "guest.h"

struct extended {
	uint64_t fraction;
	uint16_t exponent;
};

static struct extended extended_bits(long double value)
{
	union {
		long double f;
		struct extended u;
	} pun = { .f = 0 };

	pun.f = value;
	return pun.u;
}

static int show(const char *label, long double value, uint16_t exponent, uint64_t fraction)
{
	struct extended bits = extended_bits(value);

	guest_puts(label);
	guest_putc(' ');
	guest_puthex(bits.exponent, 4);
	guest_putc(' ');
	guest_puthex(bits.fraction, 16);
	guest_putc('\n');
	return bits.exponent == exponent && bits.fraction == fraction;
}

static long double square_root(long double value)
{
	__asm__("fsqrt" : "+t"(value));
	return value;
}

int main(void)
{
	volatile long double one = 1.0L;
	volatile long double least = 0x1p-16445L;
	volatile long double x = 0.3L;
	int is_right = show("1/3", one / 3, 0x3ffd, 0xaaaaaaaaaaaaaaab);

	is_right &= show("sqrt 2", square_root(one + one), 0x3fff, 0xb504f333f9de6484);
	is_right &= show("least*3", least * 3, 0x0000, 3);
	is_right &= show("1e300 squared", 1e300L * (1e300L * one), 0x47c8, 0x8eb39714297efb28);
	for (int i = 0; i < 50; i++) {
		x = 2 - x * x / 4;
	}
	show("iterated", x, 0, 0);
	guest_line_hex("to integer", (uint32_t)(int32_t)(one * -1234.75L), 8);
	return guest_verdict(is_right);
}
