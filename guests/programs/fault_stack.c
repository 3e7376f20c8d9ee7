/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a stack that runs off the low end of memory is a fault of access "write".
 * The stack is first moved to the first 32 KiB of RAM, which the program does not use
 * otherwise, so that it runs off soon and hits nothing else.
 */
#include "fault.h"

#if defined(__x86_64__)
#define STACK_MOVE "mov %0, %%rsp\n\tcall stack_run_off"
#define RAM_START  0u
#elif defined(__i386__)
#define STACK_MOVE "mov %0, %%esp\n\tcall stack_run_off"
#define RAM_START  0u
#elif defined(__riscv)
#define STACK_MOVE "mv sp, %0\n\tcall stack_run_off"
#define RAM_START  0x80000000u
#else
#define STACK_MOVE "mov sp, %0\n\tbl stack_run_off"
#define RAM_START  0x40000000u
#endif

uint32_t stack_run_off(uint32_t depth);

__attribute__((noipa, used)) uint32_t stack_run_off(uint32_t depth)
{
	volatile uint32_t kept = depth; /* needed after the call: no tail call */

	return depth == UINT32_MAX ? 0 : stack_run_off(depth + 1) + kept;
}

int main(void)
{
	guest_puts("running off the stack\n");
	__asm__ volatile(STACK_MOVE : : "r"((uintptr_t)RAM_START + 0x8000) : "memory");
	return fault_missed();
}
