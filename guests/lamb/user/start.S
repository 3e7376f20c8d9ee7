/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a program starts, and its system calls: the number goes to a7, the rest is where C has put it. */
	.text
	.globl	_start
_start:
	li	s0, 0
	call	main
	call	exit

	.macro	entry name, number
	.globl	\name
\name:
	li	a7, \number
	ecall
	ret
	.endm

	/* In the order of abi.h. */
	.set	number, 1
	.irp	name, exit, fork, wait, exec, kill, getpid, getcpu, grow, sleep, uptime, open, close, read, write, \
		seek, dup, pipe, stat, list, mkdir, unlink, chdir, process, memory, poweroff
	entry	\name, number
	.set	number, number + 1
	.endr

	/* Any number: it is the last argument. */
	.globl	system_call
system_call:
	mv	a7, a3
	ecall
	ret

	.section .note.GNU-stack, "", @progbits
