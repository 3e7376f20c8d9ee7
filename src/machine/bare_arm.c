/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Board `bare` for ARM and AArch64: the memory map of QEMU's `virt`, polled.
 *
 *   0x00000000  both banks of flash, only if the image is loaded there (firmware)   R-X
 *   0x09000000  PL011
 *   0x40000000  RAM; a flattened device tree at its start if the image leaves room
 */
#include <errno.h>

#include "board.h"
#include "dev/pl011.h"

#define FLASH_BYTES	 0x08000000ULL
#define PL011_GPA	 0x09000000ULL
#define PL011_BYTES	 0x1000ULL
#define RAM_GPA		 0x40000000ULL
#define RAM_BYTES_MAX	 (64 * BIT(30))
#define RAM_BYTES_MAX_32 (3 * BIT(30))
#define FDT_BYTES	 0x10000ULL

static struct machine_map map(const struct cpu_mode *mode, bool has_sbi)
{
	(void)mode;
	(void)has_sbi;
	return (struct machine_map){
		.ram_base_gpa = RAM_GPA,
		.ram_default_bytes = 128 * BIT(20),
		.ram_max_bytes = RAM_BYTES_MAX,
		.load_default_gpa = RAM_GPA,
		.cpus_max = 1,
	};
}

/*
 * Firmware images are linked for the flash at 0 and look for their settings in its second bank:
 * they get all of it. It reads as zeros behind the image, and costs nothing until it is touched.
 */
static void want_flash(struct machine *m)
{
	for (size_t i = 0; m->cfg.image && i < m->cfg.image->n_segs; i++) {
		const struct image_seg *s = &m->cfg.image->segs[i];

		if (range_within(s->gpa, s->mem_bytes, 0, FLASH_BYTES)) {
			board_want(m, 0, FLASH_BYTES, MEM_R | MEM_X, false, "flash");
			return;
		}
	}
}

static int make(struct machine *m, struct errmsg *e)
{
	if (m->cfg.arch->word_bytes == 4 && m->cfg.ram_bytes > RAM_BYTES_MAX_32) {
		return errmsg_set(e, -EINVAL, "--mem is too much: ARM reaches 3G of RAM");
	}
	board_want(m, RAM_GPA, m->cfg.ram_bytes, MEM_RWX, true, "ram");
	want_flash(m);
	if (m->cfg.ram_bytes >= 2 * FDT_BYTES && !board_image_overlaps(m, RAM_GPA, FDT_BYTES)) {
		m->fdt_gpa = RAM_GPA;
	}
	return board_attach(m, &m->mmio, PL011_GPA, PL011_BYTES, &pl011_ops,
			    pl011_new(&m->cfg.console), e);
}

static int setup(struct machine *m, struct cpu_state *s, struct errmsg *e)
{
	uint8_t fdt[BOARD_FDT_BYTES];
	int r;

	m->cfg.arch->set_sp(s, RAM_GPA + m->cfg.ram_bytes);
	if (!m->fdt_gpa) {
		return 0;
	}
	r = board_fdt_make(m, fdt, sizeof(fdt), e);
	if (r < 0) {
		return r;
	}
	if (!mem_write(m->mem, m->fdt_gpa, fdt, (size_t)r, NULL)) {
		return errmsg_set(e, -EFAULT, "no memory for the device tree");
	}
	m->cfg.arch->set_boot_args(s, 0, m->fdt_gpa);
	return 0;
}

const struct board_ops bare_arm_ops = {
	.has_semihosting = true,
	.map = map,
	.make = make,
	.setup = setup,
};
