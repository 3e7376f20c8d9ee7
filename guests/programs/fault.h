/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fault programs share. Each announces the program counter and the
 * address that its fault must be reported with, then faults at `fault_pc`.
 * FAULT_* are single instructions; %0 is the address where there is one.
 */
#ifndef FAULT_H
#define FAULT_H

#include "guest.h"

/* Outside RAM and devices on this board and on QEMU's machine `virt`. */
#if defined(__x86_64__) || defined(__i386__)
#define FAULT_HOLE    0xd0000000u
#define FAULT_ILLEGAL "ud2"
#define FAULT_LOAD    "movl (%0), %%eax"
#define FAULT_STORE   "movl %%eax, (%0)"
#ifdef __x86_64__
#define FAULT_SYSREG "mov %%rax, %%cr5"
#else
#define FAULT_SYSREG "mov %%eax, %%cr5"
#endif
#define FAULT_CLOBBERS "eax", "memory"
#elif defined(__aarch64__)
#define FAULT_HOLE	0x0f000000u
#define FAULT_ILLEGAL	"udf #0"
#define FAULT_LOAD	"ldr w2, [%0]"
#define FAULT_STORE	"str w2, [%0]"
#define FAULT_SYSREG	"mrs x2, S3_7_C15_C15_7"
#define FAULT_UNALIGNED "ldxr w2, [%0]"
#define FAULT_CLOBBERS	"x2", "memory"
#elif defined(__riscv)
#define FAULT_HOLE	0x06000000u
#define FAULT_ILLEGAL	".4byte 0"
#define FAULT_LOAD	"lw t2, 0(%0)"
#define FAULT_STORE	"sw t2, 0(%0)"
#define FAULT_SYSREG	"csrr t2, 0x8ff"
#define FAULT_UNALIGNED "amoadd.w t2, t2, (%0)"
#define FAULT_CLOBBERS	"t2", "memory"
#else
#define FAULT_HOLE	0x0f000000u
#define FAULT_ILLEGAL	"udf #0"
#define FAULT_LOAD	"ldr r2, [%0]"
#define FAULT_STORE	"str r2, [%0]"
#define FAULT_SYSREG	"mrc p15, 0, r2, c9, c0, 0"
#define FAULT_UNALIGNED "ldrex r2, [%0]"
#define FAULT_CLOBBERS	"r2", "memory"
#endif

/* Execute INSN, whose address becomes the symbol fault_pc. Once per program, in main(). */
#define FAULT_AT(insn, address)                                \
	__asm__ volatile(".globl fault_pc\nfault_pc:\n\t" insn \
			 :                                     \
			 : "r"((uintptr_t)(address))           \
			 : FAULT_CLOBBERS)

extern const char fault_pc[];

/** Print "fault pc P" and, when @p has_address, " address A". */
static inline void fault_announce(uintptr_t pc, int has_address, uintptr_t address)
{
	guest_puts("fault pc ");
	guest_puthex(pc, 2 * sizeof(pc));
	if (has_address) {
		guest_puts(" address ");
		guest_puthex(address, 2 * sizeof(address));
	}
	guest_putc('\n');
}

/** Say that nothing happened. @return what main() returns then */
static inline int fault_missed(void)
{
	guest_puts("no fault\n");
	return 1;
}

#endif
