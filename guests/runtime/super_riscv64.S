/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry in S-mode, and traps of a small kernel that calls its users, and its own risky code, like functions.
 *
 *   super_try(code, a0, a1)  calls code in S-mode.      0: it returned; 1: it trapped, the CSRs say how
 *   super_enter(frame)       goes on in U-mode with the frame's registers, until there is a trap, which is in the CSRs
 *
 * sscratch is the frame of the user that runs, 0 in the kernel.
 */
	.section .text.first, "ax"	/* firmware may start a kernel at its beginning, whatever its entry is */
	.globl	super_start
super_start:
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	la	sp, super_stack_end
	.option	pop
	la	t0, guest_bss_start
	la	t1, guest_bss_end
1:	beq	t0, t1, 2f
	sd	zero, 0(t0)
	addi	t0, t0, 8
	j	1b
2:	la	t0, super_vector
	csrw	stvec, t0
	csrw	sscratch, zero
	csrw	sie, zero
	call	main
	call	guest_exit

	.text
	.macro	all_saved op, to
	\op	ra, 0(\to)
	\op	sp, 8(\to)
	\op	gp, 16(\to)
	\op	tp, 24(\to)
	\op	s0, 32(\to)
	\op	s1, 40(\to)
	\op	s2, 48(\to)
	\op	s3, 56(\to)
	\op	s4, 64(\to)
	\op	s5, 72(\to)
	\op	s6, 80(\to)
	\op	s7, 88(\to)
	\op	s8, 96(\to)
	\op	s9, 104(\to)
	\op	s10, 112(\to)
	\op	s11, 120(\to)
	.endm
	/* All but x0 and x5, which is the frame's address. */
	.macro	all_user op
	.irp	n, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	\op	x\n, 8 * \n(t0)
	.endr
	.endm

	.globl	super_try
super_try:
	la	t0, super_saved
	all_saved sd, t0
	mv	t1, a0
	mv	a0, a1
	mv	a1, a2
	jalr	t1
	la	t0, super_saved
	ld	ra, 0(t0)
	li	a0, 0
	ret

	.globl	super_enter
super_enter:
	la	t0, super_saved
	all_saved sd, t0
	csrw	sscratch, a0
	mv	t0, a0
	ld	t1, 0(t0)
	csrw	sepc, t1
	all_user ld
	ld	t0, 40(t0)
	sret

	.balign	4
super_vector:
	csrrw	t0, sscratch, t0
	beqz	t0, 1f
	all_user sd
	csrr	t1, sepc
	sd	t1, 0(t0)
	csrr	t1, sscratch
	sd	t1, 40(t0)
1:	csrw	sscratch, zero
	la	t0, super_saved
	all_saved ld, t0
	li	a0, 1
	ret

	.bss
	.balign	16
super_saved:
	.zero	128
	.zero	16384
super_stack_end:
	.section .note.GNU-stack, "", @progbits
