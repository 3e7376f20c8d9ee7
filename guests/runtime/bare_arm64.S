/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry on board `bare`, AArch64: EL1, MMU off, sp = top of RAM. */
	.section .text.start, "ax"
	.globl	_start
_start:
	mov	x0, #(3 << 20)			/* CPACR_EL1.FPEN */
	msr	cpacr_el1, x0
	isb
	ldr	x0, =guest_bss_start
	ldr	x1, =guest_bss_end
1:	cmp	x0, x1
	b.eq	2f
	str	xzr, [x0], #8
	b	1b
2:	bl	main
	bl	guest_exit
	.section .note.GNU-stack, "", %progbits
