/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: byte stores and loads over a large array. Known answers: 1229 primes
 * below 10,000 and 148,933 below 2,000,000.
 */
#include "guest.h"
#include "params.h"

static uint8_t is_composite[SIEVE_LIMIT];

int main(void)
{
	uint32_t count = 0;

	for (uint32_t i = 2; i < SIEVE_LIMIT; i++) {
		if (is_composite[i]) {
			continue;
		}
		count++;
		for (uint32_t j = 2 * i; j < SIEVE_LIMIT; j += i) {
			is_composite[j] = 1;
		}
	}
	guest_line_dec("primes", count);
	return guest_verdict(count == SIEVE_ANSWER);
}
