/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Board `bare` for x86 and x64: RAM at 0, ports only, firmware tables below 4 GiB.
 *
 *   0x00000000  RAM (in 16-bit mode with a hole at 0xff000 for the firmware's stubs)
 *   0xffe00000  firmware, see x86_firmware.h
 *   port 0x3f8  COM1        port 0xf4  debug exit
 */
#include <errno.h>

#include "board.h"
#include "dev/debug_exit.h"
#include "dev/uart16550.h"
#include "machine/x86_firmware.h"

#define COM1_PORT	0x3f8
#define COM1_BYTES	8
#define DEBUG_EXIT_PORT 0xf4
#define RAM_BYTES_MAX	(3 * BIT(30))
#define STUBS_GPA	0xff000ULL /* 16-bit firmware interrupts RAM here */
#define BOOT_GPA	0x7c00ULL
#define SEGMENT_BYTES	0x10000ULL
#define INT_TABLE_BYTES 0x400ULL

static struct machine_map map(const struct cpu_mode *mode, bool has_sbi)
{
	(void)has_sbi;
	return (struct machine_map){
		.ram_base_gpa = 0,
		.ram_default_bytes = 128 * BIT(20),
		.ram_max_bytes = RAM_BYTES_MAX,
		.load_default_gpa = mode->is_16bit ? BOOT_GPA : 0,
		.cpus_max = 1,
	};
}

static void want_ram(struct machine *m)
{
	uint64_t bytes = m->cfg.ram_bytes;
	gpa_t behind = STUBS_GPA + PAGE_BYTES;

	if (!m->cfg.mode.is_16bit || bytes <= STUBS_GPA) {
		board_want(m, 0, bytes, MEM_RWX, true, "ram");
		return;
	}
	board_want(m, 0, STUBS_GPA, MEM_RWX, true, "ram");
	if (bytes > behind) {
		board_want(m, behind, bytes - behind, MEM_RWX, true, "ram");
	}
}

static int make(struct machine *m, struct errmsg *e)
{
	struct x86_firmware_region regions[X86_FIRMWARE_REGIONS_MAX];
	struct uart16550_config uart = { .chr = m->cfg.console, .is_isa = true };
	size_t n;
	int r;

	want_ram(m);
	n = x86_firmware_regions(m->cfg.arch, &m->cfg.mode, regions);
	for (size_t i = 0; i < n; i++) {
		board_want(m, regions[i].base_gpa, regions[i].size_bytes, regions[i].perm, false,
			   regions[i].name);
	}
	r = board_attach(m, &m->ports, COM1_PORT, COM1_BYTES, &uart16550_ops, uart16550_new(&uart),
			 e);
	if (r == 0) {
		r = board_attach(m, &m->ports, DEBUG_EXIT_PORT, DEBUG_EXIT_RANGE_BYTES,
				 &debug_exit_ops, debug_exit_new(&m->host), e);
	}
	return r;
}

/* A real-mode guest has 16 bits of stack pointer: below the image, or at the end of RAM. */
static uint64_t stack_top(const struct machine *m)
{
	if (!m->cfg.mode.is_16bit) {
		return m->cfg.ram_bytes;
	}
	if (m->cfg.image && m->cfg.image->n_segs && m->cfg.image->segs[0].gpa < SEGMENT_BYTES &&
	    m->cfg.image->segs[0].gpa > INT_TABLE_BYTES) {
		return m->cfg.image->segs[0].gpa;
	}
	return m->cfg.ram_bytes < SEGMENT_BYTES ? m->cfg.ram_bytes : 0;
}

static int setup(struct machine *m, struct cpu_state *s, struct errmsg *e)
{
	struct engine_mmio_range mmio[MACHINE_MMIO_MAX];
	struct x86_firmware_config fc = {
		.arch = m->cfg.arch,
		.mode = m->cfg.mode,
		.keep_page0 = m->cfg.mode.is_16bit && board_image_overlaps(m, 0, INT_TABLE_BYTES),
		.mmio = mmio,
		.n_mmio = machine_mmio_ranges(m, mmio),
	};
	int r;

	r = x86_firmware_setup(&fc, m->mem, x86_state(s), e);
	if (r < 0) {
		return r;
	}
	if (!(m->engine_caps & ENGINE_CAP_EXACT_SHUTDOWN) &&
	    (m->engine_caps & ENGINE_CAP_OWN_EXCEPTIONS)) {
		x86_firmware_idt_enable(x86_state(s));
	}
	m->cfg.arch->set_sp(s, stack_top(m));
	return 0;
}

static void refine(const struct machine *m, const struct cpu_state *s, struct cpu_fault *f)
{
	x86_firmware_refine_fault(m->mem, x86_state_const(s), f);
}

static bool halt_is_exception(const struct machine *m, struct cpu_state *s, struct cpu_fault *ret_f)
{
	if (!x86_firmware_caught(m->mem, x86_state(s), ret_f)) {
		return false;
	}
	x86_firmware_refine_fault(m->mem, x86_state_const(s), ret_f);
	return true;
}

static bool is_unhandled(const struct machine *m, const struct cpu_state *s,
			 const struct cpu_fault *f)
{
	return x86_firmware_takes(m->mem, x86_state_const(s), f->vector);
}

const struct board_ops bare_x86_ops = {
	.map = map,
	.make = make,
	.setup = setup,
	.refine = refine,
	.halt_is_exception = halt_is_exception,
	.is_unhandled = is_unhandled,
};
