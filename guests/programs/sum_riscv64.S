/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: a flat image. 1 + ... + 100: leaves 5050 (0x13ba) in a0, then the test finisher. */
	.globl	_start
_start:
	li	a0, 0
	li	a1, 100
1:	add	a0, a0, a1
	addi	a1, a1, -1
	bnez	a1, 1b
	li	t0, 0x100000
	li	t1, 0x5555
	sw	t1, 0(t0)
2:	j	2b
