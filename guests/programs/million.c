/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a VM that does a little work, for measuring what making and ending one costs. With BENCH
 * defined it executes a million instructions: the loop is three of them on every architecture.
 */
#include "guest.h"

#ifdef BENCH
#define ROUNDS 340000
#else
#define ROUNDS 340
#endif

int main(void)
{
	uint32_t left = ROUNDS;
	uint32_t sum = 0;

	do {
		sum += 3;
		__asm__ volatile("" : "+r"(sum)); /* keep the loop */
		left--;
		__asm__ volatile("" : "+r"(left));
	} while (left);
	guest_line_dec("million", sum);
	return guest_verdict(sum == 3 * ROUNDS);
}
