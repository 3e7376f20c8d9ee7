/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spec_go(): into another mode, and back by a trap. Offsets are those of struct spec_run. */
	.option	norelax
	.text
	.globl	spec_go
spec_go:
	la	t0, saved
	sd	ra, 0(t0)
	sd	sp, 8(t0)
	sd	s7, 16(t0)
	sd	s8, 24(t0)
	sd	s9, 32(t0)
	sd	s10, 40(t0)
	sd	s11, 48(t0)
	csrw	mscratch, a0
	ld	t1, 8(a0)
	csrw	mepc, t1
	ld	t2, 152(a0)
	la	t1, machine_vectors
	or	t1, t1, t2
	csrw	mtvec, t1
	la	t1, supervisor_vectors
	or	t1, t1, t2
	csrw	stvec, t1
	ld	t1, 0(a0)
	csrw	mstatus, t1
	ld	t1, 160(a0)
	csrw	mie, t1
	li	s7, 0
	ld	a1, 24(a0)
	ld	a2, 32(a0)
	ld	a3, 40(a0)
	ld	a4, 48(a0)
	ld	a5, 56(a0)
	ld	a6, 64(a0)
	ld	a7, 72(a0)
	ld	a0, 16(a0)
	fence.i
	mret

	.option	push
	.option	norvc
	.balign	256
machine_vectors:
	.rept	16
	jal	t6, machine_trap
	.endr
	.balign	256
supervisor_vectors:
	.rept	16
	jal	t5, supervisor_trap
	.endr
	.option	pop

supervisor_trap:
	li	s7, 1
	csrr	s8, scause
	csrr	s9, sepc
	csrr	s10, stval
	csrr	s11, sstatus
	ecall

machine_trap:
	li	t1, 0x20000		/* MPRV */
	csrrc	t1, mstatus, t1
	csrr	t0, mscratch
	sd	t1, 104(t0)
	sd	a0, 16(t0)
	sd	a1, 24(t0)
	sd	a2, 32(t0)
	sd	a3, 40(t0)
	sd	a4, 48(t0)
	sd	a5, 56(t0)
	sd	a6, 64(t0)
	sd	a7, 72(t0)
	csrr	t1, mcause
	sd	t1, 80(t0)
	csrr	t1, mepc
	sd	t1, 88(t0)
	csrr	t1, mtval
	sd	t1, 96(t0)
	sd	s8, 112(t0)
	sd	s9, 120(t0)
	sd	s10, 128(t0)
	sd	s11, 136(t0)
	sd	s7, 144(t0)
	csrw	mie, zero
	la	t1, machine_vectors
	sub	t6, t6, t1
	addi	t6, t6, -4
	srli	t6, t6, 2
	sd	t6, 168(t0)
	la	t1, supervisor_vectors
	sub	t5, t5, t1
	addi	t5, t5, -4
	srli	t5, t5, 2
	sd	t5, 176(t0)
	la	t0, saved
	ld	ra, 0(t0)
	ld	sp, 8(t0)
	ld	s7, 16(t0)
	ld	s8, 24(t0)
	ld	s9, 32(t0)
	ld	s10, 40(t0)
	ld	s11, 48(t0)
	ret

	.bss
	.balign	8
saved:	.zero	56

	.section .wx, "awx"
	.balign	64
	.globl	spec_code
spec_code:
	.zero	64
	.section .note.GNU-stack, "", @progbits
