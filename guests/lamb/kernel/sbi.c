/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of the firmware, which runs in M-mode. Source: RISC-V SBI 2.0. */
#include "kernel.h"

enum {
	EXTENSION_TIME = 0x54494d45,
	EXTENSION_IPI = 0x735049,
	EXTENSION_HSM = 0x48534d,
	EXTENSION_RESET = 0x53525354
};

/* a7 and a6 say what, a0 to a2 with which arguments; back come a0, an error, and a1, a value that we never need. */
static long call(uint64_t extension, uint64_t function, uint64_t x, uint64_t y, uint64_t z)
{
	register uint64_t a0 __asm__("a0") = x;
	register uint64_t a1 __asm__("a1") = y;
	register uint64_t a2 __asm__("a2") = z;
	register uint64_t a6 __asm__("a6") = function;
	register uint64_t a7 __asm__("a7") = extension;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	return (long)a0;
}

void sbi_set_timer(uint64_t time)
{
	call(EXTENSION_TIME, 0, time, 0, 0);
}

void sbi_send_ipi(uint64_t hart_id)
{
	call(EXTENSION_IPI, 0, 1, hart_id, 0); /* a mask of one hart, beginning at hart_id */
}

long sbi_hart_start(uint64_t hart_id, uint64_t pc_pa, uint64_t argument)
{
	return call(EXTENSION_HSM, 0, hart_id, pc_pa, argument);
}

void sbi_poweroff(bool is_failure)
{
	call(EXTENSION_RESET, 0, 0, is_failure, 0);
	for (;;) {
	}
}
