/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry and system calls as a Linux program, RISC-V. */
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
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
	call	main
	call	guest_exit
	sys_call sys_read, 63
	sys_call sys_write, 64
	sys_call sys_exit_group, 94

	.globl	guest_sync_code
guest_sync_code:
	fence.i
	ret
	.section .note.GNU-stack, "", @progbits
