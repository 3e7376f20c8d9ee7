/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry on board `bare`, x64: long mode, ring 0, identity paging, rsp = top of RAM.
 * With GUEST_RING3 the program leaves for ring 3 at once, with IOPL 3 so that it
 * can still reach the console and debug-exit ports. Accessed bits are preset in
 * the descriptors: the table is read-only.
 */
	.section .text.start, "ax"
	.globl	_start
_start:
#ifdef GUEST_RING3
	lgdt	gdt_pointer(%rip)
	mov	%rsp, %rax
	lea	guest_start(%rip), %rcx
	push	$0x13			/* ss: user data */
	push	%rax
	push	$0x3002			/* rflags: IOPL 3, interrupts off */
	push	$0x0b			/* cs: user code */
	push	%rcx
	iretq

	.section .rodata
	.balign	8
gdt:
	.quad	0
	.quad	0x00affb000000ffff	/* 0x08: 64-bit code, DPL 3 */
	.quad	0x00cff3000000ffff	/* 0x10: data, DPL 3 */
gdt_pointer:
	.word	. - gdt - 1
	.quad	gdt
	.text
guest_start:
#endif
	cld
	mov	$guest_bss_start, %edi
	mov	$guest_bss_end, %ecx
	sub	%edi, %ecx
	xor	%eax, %eax
	rep stosb
	and	$-16, %rsp
	call	main
	mov	%eax, %edi
	call	guest_exit
	.section .note.GNU-stack, "", @progbits
