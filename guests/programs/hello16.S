/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: 16-bit real mode. Writes "Hello, world!\n" byte by byte to port 0x3f8, then
 * halts: the classic first program of KVM tutorials, written out again. It uses no
 * data and no stack, so that it runs wherever it is loaded.
 */
	.code16
	.macro	put char
	mov	$\char, %al
	out	%al, (%dx)
	.endm

	.globl	_start
_start:
	mov	$0x3f8, %dx
	put	'H'
	put	'e'
	put	'l'
	put	'l'
	put	'o'
	put	0x2c
	put	0x20
	put	'w'
	put	'o'
	put	'r'
	put	'l'
	put	'd'
	put	'!'
	put	'\n'
	hlt
