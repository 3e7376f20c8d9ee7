/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: arithmetic, a loop, console and exit work. Known answer: 1 + ... + 100 = 5050. */
#include "guest.h"
#include "params.h"

int main(void)
{
	uint32_t sum = 0;

	for (int round = 0; round < SUM_ROUNDS; round++) {
		sum = 0;
		for (uint32_t i = 1; i <= 100; i++) {
			sum += i;
			__asm__ volatile("" : "+r"(sum)); /* keep the loop */
		}
	}
	guest_line_dec("sum 1..100", sum);
	return guest_verdict(sum == 5050);
}
