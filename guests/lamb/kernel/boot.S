/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first instructions of the kernel. Firmware jumps here in S-mode, with paging off and
 *
 *   a0  the number of this hart
 *   a1  the physical address of the device tree
 *
 * The kernel is linked high up (DIRECT + where it lies), but runs low at first. So paging is turned on with tables that
 * have the memory in both places, and then a jump leads up.
 */
#include "riscv.h"

#define STACK_BYTES 4096

	.section .text.start, "ax"
	.globl	_start
_start:
	/* No variable is used yet: all that was not initialised becomes 0. */
	lla	t0, bss_start
	lla	t1, bss_end
1:	sd	zero, 0(t0)
	addi	t0, t0, 8
	bltu	t0, t1, 1b

	lla	sp, boot_stack + STACK_BYTES
	lla	t2, kernel_main
	j	go_up

	/* Another hart: a1 is the physical address of its struct hart. */
	.globl	hart_start
hart_start:
	ld	sp, 0(a1)		/* stack_top, already a high address */
	li	t0, DIRECT
	sub	sp, sp, t0
	add	tp, a1, t0
	lla	t2, hart_main

	/* To the function whose low address is in t2, and never back. a0, a1 and tp stay. */
go_up:
	lla	t0, boot_pages
	srli	t0, t0, PAGE_SHIFT
	li	t1, SATP_SV39
	or	t0, t0, t1
	sfence.vma
	csrw	satp, t0		/* the next instruction is found low, as before */
	sfence.vma
	li	t0, DIRECT
	add	sp, sp, t0
	add	t2, t2, t0
	li	s0, 0			/* the end of the chain of stack frames */
	li	ra, 0
	jr	t2

/*
 * Page tables of one level: each entry maps 1 GiB. Flags: 0xef is valid, read, write, execute, global, accessed, dirty.
 * Entries 256 to 511 are the upper half: DIRECT. The low one is only for the jump: it is the GiB that RAM begins in.
 */
	.data
	.balign	PAGE_BYTES
boot_pages:
	.set	gib, 0
	.rept	256
	.if	gib == 2
	.quad	(gib << 28) | 0xef
	.else
	.quad	0
	.endif
	.set	gib, gib + 1
	.endr
	/* From here on also the tables that stay: root_pages is what every address space gets a copy of. */
	.globl	root_pages
root_pages:
	.set	gib, 0
	.rept	256
	.quad	(gib << 28) | 0xef
	.set	gib, gib + 1
	.endr

	.bss
	.balign	16
	.globl	boot_stack
boot_stack:
	.zero	STACK_BYTES

	.section .note.GNU-stack, "", @progbits
