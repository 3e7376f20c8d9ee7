/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry where nobody gives a stack: qemu's board `virt` without firmware. Then as on board `bare`. */
	.text
	.globl	guest_virt_start
guest_virt_start:
	.option	push
	.option	norelax		/* gp is not set yet */
	la	sp, stack_end
	.option	pop
	j	_start
	.bss
	.balign	16
	.zero	8192
stack_end:
	.section .note.GNU-stack, "", @progbits
