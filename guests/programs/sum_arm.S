/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: a flat image. 1 + ... + 100: leaves 5050 (0x13ba) in r0 and halts by WFI, from
 * which nothing on this board can wake it. (Semihosting exits would need r0.)
 */
	.syntax	unified
	.globl	_start
	.type	_start, %function
_start:
	movs	r0, #0
	movs	r1, #100
1:	adds	r0, r0, r1
	subs	r1, r1, #1
	bne	1b
2:	wfi
	b	2b
