/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entry on board `bare`, RISC-V: M-mode, sp = top of RAM. Switches the FPU on (mstatus.FS). */
	.section .text.start, "ax"
	.globl	_start
_start:
	.option	push
	.option	norelax
	la	gp, __global_pointer$
	.option	pop
	li	t0, 0x6000
	csrs	mstatus, t0
	fscsr	zero
	la	t0, guest_bss_start
	la	t1, guest_bss_end
1:	beq	t0, t1, 2f
	sd	zero, 0(t0)
	addi	t0, t0, 8
	j	1b
2:	call	main
	call	guest_exit

	/* guest_sync_code(start, bytes) */
	.globl	guest_sync_code
guest_sync_code:
	fence.i
	ret
	.section .note.GNU-stack, "", @progbits
