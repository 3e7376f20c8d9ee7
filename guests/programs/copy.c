/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: word loads and stores over 64 KiB: two arrays, turned by one word per round.
 * Known answers: params.h.
 */
#include "guest.h"
#include "params.h"

enum { WORDS = 8192 };

static uint32_t left[WORDS];
static uint32_t right[WORDS];

static __attribute__((noipa)) void words_copy(uint32_t *to, const uint32_t *from, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		to[i] = from[i];
		__asm__ volatile("" : : : "memory"); /* word by word */
	}
}

int main(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < WORDS; i++) {
		left[i] = i * 2654435761u;
	}
	for (int round = 0; round < COPY_ROUNDS; round++) {
		words_copy(right, left + 1, WORDS - 1);
		right[WORDS - 1] = left[0];
		words_copy(left, right, WORDS);
	}
	for (uint32_t i = 0; i < WORDS; i++) {
		sum = sum * 31 + left[i];
	}
	guest_line_hex("copy", sum, 8);
	return guest_verdict(sum == COPY_ANSWER);
}
