/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry and system calls as a Linux program, x64. */
	.section .text.start, "ax"
	.globl	_start, sys_read, sys_write, sys_exit_group, guest_sync_code
_start:
	and	$-16, %rsp
	call	main
	mov	%eax, %edi
	call	guest_exit
sys_read:
	mov	$0, %eax
	syscall
	ret
sys_write:
	mov	$1, %eax
	syscall
	ret
sys_exit_group:
	mov	$231, %eax
	syscall
guest_sync_code:
	ret
	.section .note.GNU-stack, "", @progbits
