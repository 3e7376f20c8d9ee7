/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry on board `bare`, ARM: SVC mode, sp = top of RAM. Also the Thumb and the
 * big-endian (BE8) form. The FPU is switched on here as well, because other
 * monitors with this memory map start with it off.
 */
	.syntax	unified
	.section .text.start, "ax"
	.globl	_start
	.type	_start, %function
_start:
#ifdef __ARMEB__
	setend	be
#endif
	mrc	p15, 0, r0, c1, c0, 2		@ CPACR
	orr	r0, r0, #0x00f00000
	mcr	p15, 0, r0, c1, c0, 2
	isb
	mov	r0, #0x40000000			@ FPEXC.EN
	vmsr	fpexc, r0
	ldr	r0, =guest_bss_start
	ldr	r1, =guest_bss_end
	movs	r2, #0
1:	cmp	r0, r1
	beq	2f
	str	r2, [r0], #4
	b	1b
2:	bl	main
	bl	guest_exit

	/* guest_sync_code(start, bytes) */
	.text
	.globl	guest_sync_code
	.type	guest_sync_code, %function
guest_sync_code:
	add	r1, r0, r1
1:	mcr	p15, 0, r0, c7, c11, 1		@ DCCMVAU: clean the data line
	dsb
	mcr	p15, 0, r0, c7, c5, 1		@ ICIMVAU: drop the instruction line
	adds	r0, r0, #4
	cmp	r0, r1
	blo	1b
	mcr	p15, 0, r0, c7, c5, 6		@ BPIALL: forget branch predictions
	dsb
	isb
	bx	lr
	.section .note.GNU-stack, "", %progbits
