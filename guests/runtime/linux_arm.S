/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry and system calls as a Linux program, ARM (A32 or T32, either byte order). */
	.syntax	unified
	.macro	sys_call name, number
	.globl	\name
	.type	\name, %function
\name:
	push	{r7, lr}
	ldr	r7, =\number
	svc	0
	pop	{r7, pc}
	.endm

	.section .text.start, "ax"
	.globl	_start
	.type	_start, %function
_start:
	bl	main
	bl	guest_exit
	sys_call sys_read, 3
	sys_call sys_write, 4
	sys_call sys_exit_group, 248

	.globl	guest_sync_code
	.type	guest_sync_code, %function
guest_sync_code:				@ cacheflush(start, end, 0)
	push	{r7, lr}
	add	r1, r0, r1
	movs	r2, #0
	ldr	r7, =0xf0002
	svc	0
	pop	{r7, pc}
	.section .note.GNU-stack, "", %progbits
