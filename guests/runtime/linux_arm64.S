/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry and system calls as a Linux program, AArch64. */
	.macro	sys_call name, number
	.globl	\name
\name:
	mov	x8, #\number
	svc	#0
	ret
	.endm

	.section .text.start, "ax"
	.globl	_start
_start:
	bl	main
	bl	guest_exit
	sys_call sys_read, 63
	sys_call sys_write, 64
	sys_call sys_exit_group, 94
	.section .note.GNU-stack, "", %progbits
