/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What x86 needs in memory before its first instruction on board `bare`: descriptor tables, a TSS,
 * for 64-bit mode page tables, and a way to catch exceptions that the guest does not handle.
 *
 *   64 bit  0xffe00000  page tables: identity, exactly the mapped memory with its permissions   RW
 *           0xfffef000  stack of the exception stubs                                            RW
 *           0xffff0000  GDT, IDT, stubs, TSS with an I/O bitmap that allows every port          R-X
 *   32 bit  0xfffef000  stack of the exception stubs (for exceptions in rings 1 to 3)           RW
 *           0xffff0000  the same without page tables                                            R-X
 *   16 bit  0x000ff000  stubs; the interrupt table at 0 in RAM points to them                   R-X
 *
 * A stub is a HLT. The exit loop asks x86_firmware_caught() whether a halt is one; it then has the
 * registers from before the exception back. Page tables lie in writable guest memory because
 * processors may treat every table walk as a write, but the tables themselves map it read-only.
 *
 * In 32-bit mode the IDT is there but switched off (limit 0), as an exception's frame would
 * overwrite 12 to 20 bytes below the guest's ESP. x86_firmware_idt_enable() switches it on for
 * engines that lose the registers when an exception has no handler (no ENGINE_CAP_EXACT_SHUTDOWN).
 */
#ifndef PINFOLD_MACHINE_X86_FIRMWARE_H
#define PINFOLD_MACHINE_X86_FIRMWARE_H

#include "cpu/x86/x86.h"
#include "engine/engine.h"
#include "mem/mem.h"

#define X86_FIRMWARE_BASE_GPA	 0xffe00000ULL
#define X86_FIRMWARE_REGIONS_MAX 2

/** Selectors of the board's GDT. 0x08 fits the mode that the CPU starts in. */
enum x86_firmware_selector {
	X86_FW_SEL_CODE = 0x08,
	X86_FW_SEL_DATA = 0x10,
	X86_FW_SEL_CODE32 = 0x18,
	X86_FW_SEL_USER_CODE32 = 0x23,
	X86_FW_SEL_USER_DATA = 0x2b,
	X86_FW_SEL_USER_CODE64 = 0x33,
	X86_FW_SEL_TSS = 0x40,
	X86_FW_SEL_MONITOR = 0x50, /* the stubs' own, beyond the end of small tables of a guest */
};

/** Memory that the firmware wants; the machine has it mapped before x86_firmware_setup(). */
struct x86_firmware_region {
	gpa_t base_gpa;
	uint64_t size_bytes;
	uint32_t perm;
	const char *name;
};

/** What the firmware is made for. */
struct x86_firmware_config {
	const struct cpu_arch *arch; /* x86 or x64 */
	struct cpu_mode mode;
	bool keep_page0; /* 16-bit: the image is loaded over the interrupt table */
	const struct engine_mmio_range *mmio; /* mapped for 64-bit mode too */
	size_t n_mmio;
};

/**
 * The memory that x86_firmware_setup() will fill.
 * @return number of entries
 */
size_t x86_firmware_regions(const struct cpu_arch *arch, const struct cpu_mode *mode,
			    struct x86_firmware_region ret[X86_FIRMWARE_REGIONS_MAX]);

/**
 * Fill the firmware's memory and make the CPU use it.
 * @param m all memory of the guest, with final permissions
 * @param x the architecture's reset state; gets segments, tables, control registers
 * @return 0; -EFAULT when a firmware region is missing; -ENOSPC when the memory map is too ragged
 *         for the space of the page tables; @p x is untouched then
 */
int x86_firmware_setup(const struct x86_firmware_config *cfg, const struct mem *m,
		       struct x86_state *x, struct errmsg *e);

/** Switch the 32-bit IDT on if the state still has the board's; no effect in the other modes. */
void x86_firmware_idt_enable(struct x86_state *x);

/**
 * Whether a halt is one of the stubs.
 * @param x  the state at the halt; on true the state before the exception
 * @param ret_fault the exception; untouched on false
 */
bool x86_firmware_caught(const struct mem *m, struct x86_state *x, struct cpu_fault *ret_fault);

/**
 * Whether an exception of that vector would end in a stub now: then nobody in the guest handles it.
 */
bool x86_firmware_takes(const struct mem *m, const struct x86_state *x, uint32_t vector);

/**
 * A page fault in the board's own tables is an access outside memory, or one that memory's
 * permission forbids: say so. Other faults stay as they are.
 */
void x86_firmware_refine_fault(const struct mem *m, const struct x86_state *x, struct cpu_fault *f);

#endif
