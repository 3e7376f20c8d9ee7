/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a flat image. 1 + ... + 100: leaves 5050 (0x13ba) in eax, or rax in 64-bit mode,
 * and halts.
 */
	.globl	_start
_start:
	xor	%eax, %eax
	mov	$100, %ecx
1:	add	%ecx, %eax
	sub	$1, %ecx
	jnz	1b
	hlt
