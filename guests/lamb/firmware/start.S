/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All harts start here, in M-mode: a0 is the hart's number, a1 the physical address of the device tree. */
#define STACK_BYTES 2048
#define HARTS_MAX   8
/* What a trap saves: registers x1 to x31 at 8 * their number. A C function keeps the rest of the state by itself. */
#define FRAME_BYTES (32 * 8)
#define EACH_REGISTER 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, \
	28, 29, 30, 31

	.section .text.start, "ax"
	.globl	_start
_start:
	csrr	a0, mhartid
	li	t0, HARTS_MAX
	bgeu	a0, t0, nobody		/* no stack for it */
	lla	sp, stacks + STACK_BYTES
	slli	t0, a0, 11		/* times STACK_BYTES */
	add	sp, sp, t0
	csrw	mscratch, sp		/* its stack in a trap: empty whenever S- or U-mode runs */
	lla	t0, trap
	csrw	mtvec, t0
	call	firmware_main		/* does not return */
nobody:
	wfi
	j	nobody

	.text
	.balign	4
trap:
	csrrw	sp, mscratch, sp
	addi	sp, sp, -FRAME_BYTES
	.irp	n, EACH_REGISTER
	sd	x\n, 8 * \n(sp)
	.endr
	csrr	t0, mscratch		/* sp of the one that was interrupted */
	sd	t0, 8 * 2(sp)
	addi	t0, sp, FRAME_BYTES
	csrw	mscratch, t0
	mv	a0, sp
	call	firmware_trap
	.irp	n, EACH_REGISTER
	ld	x\n, 8 * \n(sp)
	.endr
	ld	sp, 8 * 2(sp)
	mret

/* void enter_supervisor(uint64_t a0, uint64_t a1, uint64_t pc): mstatus.MPP is S */
	.globl	enter_supervisor
enter_supervisor:
	csrw	mepc, a2
	mret

	.data
	.balign	16
stacks:
	.zero	STACK_BYTES * HARTS_MAX

	.section .note.GNU-stack, "", @progbits
