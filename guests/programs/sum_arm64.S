/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a flat image. 1 + ... + 100: leaves 5050 (0x13ba) in x0 and halts by WFI, from
 * which nothing on this board can wake it. (Semihosting exits would need x0.)
 */
	.globl	_start
_start:
	mov	x0, #0
	mov	x1, #100
1:	add	x0, x0, x1
	subs	x1, x1, #1
	b.ne	1b
2:	wfi
	b	2b
