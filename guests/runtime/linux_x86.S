/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry and system calls as a Linux program, x86. */
	.section .text.start, "ax"
	.globl	_start, sys_read, sys_write, sys_exit_group, guest_sync_code
_start:
	and	$-16, %esp
	call	main
	sub	$12, %esp
	push	%eax
	call	guest_exit
sys_read:
	mov	$3, %eax
	jmp	sys_call
sys_write:
	mov	$4, %eax
	jmp	sys_call
sys_exit_group:
	mov	$252, %eax
sys_call:
	push	%ebx
	mov	8(%esp), %ebx
	mov	12(%esp), %ecx
	mov	16(%esp), %edx
	int	$0x80
	pop	%ebx
guest_sync_code:
	ret
	.section .note.GNU-stack, "", @progbits
