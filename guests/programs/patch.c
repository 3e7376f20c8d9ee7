/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: instructions that were rewritten run after the next fence, however they were written: by a store to a page that
 * nobody has written for many fences, by an atomic, and when only the part of an instruction that lies in the next page is
 * rewritten. Known answer: 40 + 41 + ... for each of them.
 */
#include "guest.h"

#define ROUNDS	     40u
#define IDLE_FENCES  64u
#define IMM_SHIFT    20u
#define ADDI_A0_ZERO 0x00000513u

/* One in the middle of its page; one whose upper half, with the immediate, lies in the next. */
__asm__(".section .wx, \"awx\"\n\t"
	".option push\n\t"
	".option norvc\n\t"
	".balign 4096\n"
	"inner:\n\t"
	"addi a0, zero, 0\n\t"
	"ret\n\t"
	".option rvc\n\t"
	".zero 4096 - 8 - 2\n"
	"outer:\n\t"
	".half 0x0513\n\t" /* addi a0, zero, ... */
	".half 0\n\t"
	"ret\n\t"
	".option pop\n\t"
	".text");

uint32_t inner(void);
uint32_t outer(void);

static void fence(void)
{
	__asm__ volatile("fence.i" ::: "memory");
}

static void idle_fences(void)
{
	for (unsigned int i = 0; i < IDLE_FENCES; i++) {
		fence();
	}
}

static uint32_t by_store(uint32_t n)
{
	*(volatile uint32_t *)(uintptr_t)inner = ADDI_A0_ZERO | n << IMM_SHIFT;
	fence();
	return inner();
}

static uint32_t by_atomic(uint32_t n)
{
	__atomic_exchange_n((uint32_t *)(uintptr_t)inner, ADDI_A0_ZERO | n << IMM_SHIFT,
			    __ATOMIC_SEQ_CST);
	fence();
	return inner();
}

static uint32_t by_tail(uint32_t n)
{
	((volatile uint16_t *)(uintptr_t)outer)[1] = (uint16_t)(n << (IMM_SHIFT - 16));
	fence();
	return outer();
}

int main(void)
{
	uint32_t wrong = 0;

	for (uint32_t n = 0; n < ROUNDS; n++) {
		idle_fences();
		wrong += by_store(n) != n;
		wrong += inner() != n;
		idle_fences();
		wrong += by_atomic(n + ROUNDS) != n + ROUNDS;
		wrong += by_tail(n) != n;
		wrong += outer() != n;
	}
	guest_line_dec("patched wrong", wrong);
	return guest_verdict(wrong == 0);
}
