/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process of the operating system in this folder: entry and what guest.h promises, by system calls. */
#include "sv39.h"

	.macro	sys_call name, number
	.globl	\name
\name:
	li	a7, \number
	ecall
	ret
	.endm

	.section .text.start, "ax"
	.globl	_start
_start:
	j	1f
	.balign	8
	.quad	guest_text_end		/* at byte 8: where code ends */
1:	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
	call	main
	call	guest_exit

	sys_call guest_putc, SYS_PUTC
	sys_call guest_getc, SYS_GETC
	sys_call guest_exit, SYS_EXIT
	sys_call guest_sync_code, SYS_FENCEI
	sys_call sv39_self, SYS_SELF
	sys_call sv39_yield, SYS_YIELD
	sys_call sv39_fork, SYS_FORK
	sys_call sv39_unmap, SYS_UNMAP
	.section .note.GNU-stack, "", @progbits
