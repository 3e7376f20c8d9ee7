/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine mode for a moment, traps, and the image of the first process. */
#define FRAME_SEPC 256
#define FRAME_FP   264		/* f0 to f31, fcsr */
#define FS_DIRTY   0x6000

	.section .text.start, "ax"
	.globl	_start
_start:
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
	la	sp, stack_end
	la	t0, guest_bss_start
	la	t1, guest_bss_end
1:	bgeu	t0, t1, 2f
	sd	zero, 0(t0)
	addi	t0, t0, 8
	j	1b
2:	li	t0, -1			/* all memory for the lower modes */
	csrw	pmpaddr0, t0
	li	t0, 0x1f
	csrw	pmpcfg0, t0
	li	t0, -1
	csrw	medeleg, t0
	csrw	mideleg, t0
	csrw	mcounteren, t0
	slli	t0, t0, 63		/* menvcfg.STCE: S-mode has a timer */
	csrw	0x30a, t0
	li	t0, 0x1880
	csrc	mstatus, t0
	li	t0, 0x6800		/* MPP = S, FS = dirty */
	csrs	mstatus, t0
	la	t0, sv39_main
	csrw	mepc, t0
	mret

	/* sscratch holds the frame of the process that runs; 0 in the kernel. */
	.macro	each_register op, base
	\op	x1, 8(\base)
	\op	x2, 16(\base)
	\op	x3, 24(\base)
	\op	x4, 32(\base)
	\op	x5, 40(\base)
	\op	x6, 48(\base)
	\op	x7, 56(\base)
	\op	x8, 64(\base)
	\op	x9, 72(\base)
	\op	x11, 88(\base)
	\op	x12, 96(\base)
	\op	x13, 104(\base)
	\op	x14, 112(\base)
	\op	x15, 120(\base)
	\op	x16, 128(\base)
	\op	x17, 136(\base)
	\op	x18, 144(\base)
	\op	x19, 152(\base)
	\op	x20, 160(\base)
	\op	x21, 168(\base)
	\op	x22, 176(\base)
	\op	x23, 184(\base)
	\op	x24, 192(\base)
	\op	x25, 200(\base)
	\op	x26, 208(\base)
	\op	x27, 216(\base)
	\op	x28, 224(\base)
	\op	x29, 232(\base)
	\op	x30, 240(\base)
	\op	x31, 248(\base)
	.endm

	.balign 4
	.globl	sv39_trap
sv39_trap:
	csrrw	a0, sscratch, a0
	each_register sd, a0
	csrr	t0, sepc
	sd	t0, FRAME_SEPC(a0)
	csrrw	t0, sscratch, zero
	sd	t0, 80(a0)
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
	la	sp, stack_end
	csrr	a1, scause
	csrr	a2, stval
	call	sv39_handle		/* (frame, cause, value) -> frame */

	/* sv39_return(frame): run a process */
	.globl	sv39_return
sv39_return:
	csrw	sscratch, a0
	ld	t0, FRAME_SEPC(a0)
	csrw	sepc, t0
	each_register ld, a0
	ld	a0, 80(a0)
	sret

	.macro	each_float op, base
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	f\n, FRAME_FP + 8 * \n(\base)
	.endr
	.endm

	/* sv39_fp_save(frame), sv39_fp_load(frame) */
	.globl	sv39_fp_save
sv39_fp_save:
	each_float fsd, a0
	frcsr	t0
	sd	t0, FRAME_FP + 256(a0)
	ret
	.globl	sv39_fp_load
sv39_fp_load:
	each_float fld, a0
	ld	t0, FRAME_FP + 256(a0)
	fscsr	t0
	ret

	.section .rodata
	.balign	4096
	.globl	sv39_image
	.globl	sv39_image_end
sv39_image:
	.incbin	SV39_IMAGE
	.balign	4096
sv39_image_end:

	.bss
	.balign	16
	.zero	16384
stack_end:
	.section .note.GNU-stack, "", @progbits
