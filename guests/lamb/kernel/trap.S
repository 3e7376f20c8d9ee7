/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In and out of the kernel, and from one thread of the kernel to another.
 *
 * While a process runs in user mode, sscratch holds the address of its frame, which is the end of its kernel stack. While
 * the kernel runs, sscratch is 0: so a trap can tell where it came from.
 */
#include "riscv.h"

/* Registers that a frame holds, but for sp. */
#define EACH_REGISTER 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, \
	28, 29, 30, 31
/* Registers that a function keeps for its caller: s0 to s11. */
#define EACH_SAVED 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
#define EACH_FLOAT 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, \
	27, 28, 29, 30, 31

	.text
	.balign	4
	.globl	trap_entry
trap_entry:
	csrrw	sp, sscratch, sp
	beqz	sp, from_kernel
	.irp	n, EACH_REGISTER
	sd	x\n, 8 * \n(sp)
	.endr
	csrrw	t0, sscratch, zero	/* the user's sp */
	csrr	t1, sepc
	csrr	t2, sstatus
	sd	t0, 8 * 2(sp)
	sd	t1, FRAME_PC(sp)
	sd	t2, FRAME_STATUS(sp)
	ld	tp, FRAME_HART(sp)
	mv	a0, sp
	li	s0, 0
	call	trap_user

trap_return:
	sd	tp, FRAME_HART(sp)
	csrw	sscratch, sp
	ld	t1, FRAME_PC(sp)
	ld	t2, FRAME_STATUS(sp)
	csrw	sepc, t1
	csrw	sstatus, t2
	.irp	n, EACH_REGISTER
	ld	x\n, 8 * \n(sp)
	.endr
	ld	sp, 8 * 2(sp)
	sret

	/* A bug of ours. sscratch holds sp; another fault now would come here again with sp lost, but not sepc. */
from_kernel:
	csrrw	sp, sscratch, zero
	call	trap_kernel

	/* A new process begins here, on a stack with nothing but its frame, and with the kernel lock. */
	.globl	trap_first
trap_first:
	call	kernel_unlock
	j	trap_return

/* void context_switch(struct context *from, const struct context *to) */
	.globl	context_switch
context_switch:
	sd	ra, 0(a0)
	sd	sp, 8(a0)
	.set	at, 16
	.irp	n, EACH_SAVED
	sd	x\n, at(a0)
	.set	at, at + 8
	.endr
	ld	ra, 0(a1)
	ld	sp, 8(a1)
	.set	at, 16
	.irp	n, EACH_SAVED
	ld	x\n, at(a1)
	.set	at, at + 8
	.endr
	ret

/* The kernel is compiled without floating point, so a process' registers stay where they are until another one runs. */
	.option	push
	.option	arch, +d

/* void floats_save(struct floats *f) */
	.globl	floats_save
floats_save:
	li	t0, STATUS_FS
	csrs	sstatus, t0
	.irp	n, EACH_FLOAT
	fsd	f\n, 8 * \n(a0)
	.endr
	frcsr	t0
	sd	t0, 8 * 32(a0)
	ret

/* void floats_load(const struct floats *f) */
	.globl	floats_load
floats_load:
	li	t0, STATUS_FS
	csrs	sstatus, t0
	.irp	n, EACH_FLOAT
	fld	f\n, 8 * \n(a0)
	.endr
	ld	t0, 8 * 32(a0)
	fscsr	t0
	ret
	.option	pop

	.section .note.GNU-stack, "", @progbits
