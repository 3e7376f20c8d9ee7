/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All the code that a carrier has besides the guest's: the handler of its signals. One page, copied to where the
 * carrier's area begins; behind it lies struct trap_mailbox. It trusts nothing that the guest can write, because it decides nothing:
 * it stops the process, then makes the system calls that the monitor left in the mailbox, the last of which goes back to
 * the guest. Those that it can make at all are the filter's business (trap_seal.c).
 *
 *   struct trap_mailbox: 0 signal, 8 siginfo, 16 ucontext, 24 about to stop, 56 result of the stop, 64 calls
 *   struct trap_call:    0 number, 8 arguments (6), 56 result
 */
	.section .rodata
	.option	norelax
	.balign	4096
	.globl	trap_stub, trap_stub_enter, trap_stub_call, trap_stub_handler
trap_stub:

	/* The first time: nothing to be told yet. */
trap_stub_enter:
	lla	t0, trap_stub
	lui	t1, 1
	add	t0, t0, t1
	addi	t1, t0, 64
	j	next

	/* A signal: a0 its number, a1 siginfo, a2 ucontext, sp the frame. */
trap_stub_handler:
	lla	t0, trap_stub
	lui	t1, 1
	add	t0, t0, t1
	sd	a0, 0(t0)
	sd	a1, 8(t0)
	sd	a2, 16(t0)
stop:
	lla	t0, trap_stub
	lui	t1, 1
	add	t0, t0, t1
	sd	t1, 24(t0)	/* not 0 */
	ld	a0, -8(t0)	/* the process's number: the last word of this page */
	addi	t1, t0, 64
	li	a1, 19		/* SIGSTOP */
	li	a7, 129		/* kill */
trap_stub_call:
	ecall
	sd	a0, -8(t1)
	fence.i			/* what the monitor changed may be code */
next:
	ld	a7, 0(t1)
	beqz	a7, stop
	ld	a0, 8(t1)
	ld	a1, 16(t1)
	ld	a2, 24(t1)
	ld	a3, 32(t1)
	ld	a4, 40(t1)
	ld	a5, 48(t1)
	addi	t1, t1, 64
	j	trap_stub_call

	.balign	4096
	.section .note.GNU-stack, "", @progbits
