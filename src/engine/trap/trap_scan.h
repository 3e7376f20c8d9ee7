/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to be changed in a page of guest code before the host's CPU may execute it in user mode: whatever would enter
 * the host's kernel or show the host's own state instead of trapping.
 *
 * RISC-V code can be entered at every halfword, so every halfword is taken for the beginning of an instruction. A
 * patched page traps wherever the original would have entered the host, and at every other place behaves as the
 * original: whoever traps looks at the original and does what it says.
 *
 *      original    | 0073 | 0000 |            ecall
 *      patched     | 0073 | 9002 |            0x90020073: no instruction of user mode, traps
 *
 * The halfword behind is the one that changes. Entered there, the original would have executed 0x0000, and the copy
 * executes c.ebreak: a trap again. An instruction that ends in the halfword 0073 keeps its bytes. The same works for
 * every CSR instruction, since CSR 0x900 belongs to S-mode.
 *
 * Pure: no OS call, no heap; runs and is tested on every host.
 */
#ifndef PINFOLD_ENGINE_TRAP_TRAP_SCAN_H
#define PINFOLD_ENGINE_TRAP_TRAP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

#define TRAP_HALVES (PAGE_BYTES / 2)

/** What a page of code is like. */
enum trap_scan_result {
	TRAP_SCAN_CLEAN,      /* may be executed as it is */
	TRAP_SCAN_PATCHED,    /* the copy may be executed instead */
	TRAP_SCAN_UNSUITABLE, /* no copy behaves as the original at every place: interpret it */
};

/**
 * Look at a page and make the copy that may be executed.
 * @param code          the original
 * @param is_fp_trapped floating point has to trap too, because the guest switched it off or wants to know of its use. It is found by
 *                      following the code from both possible beginnings; what lies hidden inside of other
 *                      instructions is not found
 * @param ret           the copy; filled for TRAP_SCAN_PATCHED
 */
enum trap_scan_result trap_scan(const uint16_t code[TRAP_HALVES], bool is_fp_trapped,
				uint16_t ret[TRAP_HALVES]);

#endif
