/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are linked in: the archive with all programs and, for a machine without firmware, ours. */
	.section .rodata
	.balign	8
	.globl	archive_start, archive_end
archive_start:
	.incbin	"archive.tar"
archive_end:

#ifdef WITH_FIRMWARE
	.section .firmware, "awx"	/* it has its variables in it */
	.incbin	"firmware.bin"
#endif

	.section .note.GNU-stack, "", @progbits
