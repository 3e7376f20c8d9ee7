/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_sync_code(start, bytes) on AArch64; these instructions also work in a Linux program. */
	.text
	.globl	guest_sync_code
guest_sync_code:
	add	x1, x0, x1
1:	dc	cvau, x0
	dsb	ish
	ic	ivau, x0
	add	x0, x0, #4
	cmp	x0, x1
	b.lo	1b
	dsb	ish
	isb
	ret
	.section .note.GNU-stack, "", %progbits
