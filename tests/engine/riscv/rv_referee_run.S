/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's start, and all registers to and from a struct rv_wire_state. */
#define X(n) (8 * (n))
#define F(n) (256 + 8 * (n))
#define FCSR 512
#define FRAME 208

	.macro each_f insn, base
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\insn	f\n, F(\n)(\base)
	.endr
	.endm

	/* What a function must keep, and gp and tp, which cases use. */
	.macro each_kept insn
	\insn	ra, 0(sp)
	\insn	gp, 8(sp)
	\insn	tp, 16(sp)
	\insn	s0, 24(sp)
	\insn	s1, 32(sp)
	\insn	s2, 40(sp)
	\insn	s3, 48(sp)
	\insn	s4, 56(sp)
	\insn	s5, 64(sp)
	\insn	s6, 72(sp)
	\insn	s7, 80(sp)
	\insn	s8, 88(sp)
	\insn	s9, 96(sp)
	\insn	s10, 104(sp)
	\insn	s11, 112(sp)
	.endm

	.text
	.globl _start
_start:
	andi	sp, sp, -16
	j	rv_referee_main

	.globl rv_referee_run
rv_referee_run:
	addi	sp, sp, -FRAME
	each_kept sd
	la	t0, stack_kept
	sd	sp, 0(t0)
	/* No reservation is left from the case before. */
	addi	t0, sp, 120
	lr.d	t1, (t0)
	sc.d	t1, t1, (t0)
	mv	x31, a0
	ld	t0, FCSR(x31)
	fscsr	t0
	each_f	fld, x31
	.irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	ld	x\n, X(\n)(x31)
	.endr
	ld	x31, X(31)(x31)
	jr	x1

	.globl rv_referee_back
rv_referee_back:
	la	x31, rv_referee_state
	ld	x31, 0(x31)
	.irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30
	sd	x\n, X(\n)(x31)
	.endr
	each_f	fsd, x31
	frcsr	t0
	sd	t0, FCSR(x31)
	fscsr	zero
	la	t0, stack_kept
	ld	sp, 0(t0)
	each_kept ld
	addi	sp, sp, FRAME
	ret

	.bss
	.balign 8
stack_kept:
	.space 8
	.section .note.GNU-stack, "", @progbits
