/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry on board `bare`, x86: 32-bit flat protected mode, esp = top of RAM. */
	.section .text.start, "ax"
	.globl	_start
_start:
	cld
	mov	$guest_bss_start, %edi
	mov	$guest_bss_end, %ecx
	sub	%edi, %ecx
	xor	%eax, %eax
	rep stosb
	and	$-16, %esp
	call	main
	sub	$12, %esp
	push	%eax
	call	guest_exit
	.section .note.GNU-stack, "", @progbits
