/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Semihosting calls: ARM (A32 and T32), AArch64 and RISC-V share numbers and parameter blocks. */
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stdint.h>

enum semihost_call {
	SYS_OPEN = 0x01,
	SYS_CLOSE = 0x02,
	SYS_WRITEC = 0x03,
	SYS_WRITE0 = 0x04,
	SYS_WRITE = 0x05,
	SYS_READC = 0x07,
	SYS_CLOCK = 0x10,
	SYS_TIME = 0x11,
	SYS_ERRNO = 0x13,
	SYS_GET_CMDLINE = 0x15,
	SYS_HEAPINFO = 0x16,
	SYS_EXIT = 0x18,
	SYS_EXIT_EXTENDED = 0x20,
	SEMIHOST_APPLICATION_EXIT = 0x20026,
};

/** Make call @p op with @p arg, a value or the address of a parameter block. @return its result. */
static inline intptr_t semihost(enum semihost_call op, uintptr_t arg)
{
#if defined(__aarch64__)
	register uintptr_t r_op __asm__("x0") = op;
	register uintptr_t r_arg __asm__("x1") = arg;

	__asm__ volatile("hlt #0xf000" : "+r"(r_op) : "r"(r_arg) : "memory");
#elif defined(__riscv)
	register uintptr_t r_op __asm__("a0") = op;
	register uintptr_t r_arg __asm__("a1") = arg;

	/* Three uncompressed instructions that must lie in one page. */
	__asm__ volatile(".balign 16\n\t"
			 ".option push\n\t"
			 ".option norvc\n\t"
			 "slli zero, zero, 0x1f\n\t"
			 "ebreak\n\t"
			 "srai zero, zero, 7\n\t"
			 ".option pop"
			 : "+r"(r_op)
			 : "r"(r_arg)
			 : "memory");
#elif defined(__thumb__)
	register uintptr_t r_op __asm__("r0") = op;
	register uintptr_t r_arg __asm__("r1") = arg;

	__asm__ volatile("svc 0xab" : "+r"(r_op) : "r"(r_arg) : "memory", "lr");
#else
	register uintptr_t r_op __asm__("r0") = op;
	register uintptr_t r_arg __asm__("r1") = arg;

	__asm__ volatile("svc 0x123456" : "+r"(r_op) : "r"(r_arg) : "memory", "lr");
#endif
	return (intptr_t)r_op;
}

/** End the run with @p code. */
_Noreturn static inline void semihost_exit(int code)
{
	uintptr_t block[2] = { SEMIHOST_APPLICATION_EXIT, (uintptr_t)code };

	for (;;) {
		semihost(SYS_EXIT_EXTENDED, (uintptr_t)block);
	}
}

#endif
