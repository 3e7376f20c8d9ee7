/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Board `bare` for RISC-V: the memory map of QEMU's `virt`, polled.
 *
 *   0x00001000  device tree, read-only (a1 points to it)
 *   0x00100000  SiFive test finisher
 *   0x02000000  CLINT: mtime
 *   0x10000000  16550
 *   0x80000000  RAM
 */
#include <errno.h>

#include "board.h"
#include "dev/clint.h"
#include "dev/htif.h"
#include "dev/sifive_test.h"
#include "dev/uart16550.h"

#define MROM_GPA       0x1000ULL
#define MROM_BYTES     0xf000ULL
#define FINISHER_GPA   0x100000ULL
#define FINISHER_BYTES 0x1000ULL
#define CLINT_GPA      0x2000000ULL
#define UART_GPA       0x10000000ULL
#define UART_BYTES     0x100ULL
#define RAM_GPA	       0x80000000ULL
#define RAM_BYTES_MAX  (64 * BIT(30))

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

static int make(struct machine *m, struct errmsg *e)
{
	struct uart16550_config uart = { .chr = m->cfg.console };
	int r;

	board_want(m, RAM_GPA, m->cfg.ram_bytes, MEM_RWX, true, "ram");
	board_want(m, MROM_GPA, MROM_BYTES, MEM_R | MEM_X, false, "mrom");
	m->fdt_gpa = MROM_GPA;
	r = board_attach(m, &m->mmio, UART_GPA, UART_BYTES, &uart16550_ops, uart16550_new(&uart),
			 e);
	if (r == 0) {
		r = board_attach(m, &m->mmio, FINISHER_GPA, FINISHER_BYTES, &sifive_test_ops,
				 sifive_test_new(&m->host), e);
	}
	if (r == 0) {
		m->clint = clint_new(&m->cfg.clock, 1);
		r = board_attach(m, &m->mmio, CLINT_GPA, CLINT_RANGE_BYTES, &clint_ops, m->clint,
				 e);
	}
	return r;
}

/* An ELF with the symbol `tohost` talks to its host through that word in RAM. */
static int make_htif(struct machine *m, struct errmsg *e)
{
	const struct image_plan *image = m->cfg.image;
	struct htif_config hc = {
		.mem = m->mem,
		.chr = m->cfg.console,
		.host = m->host,
	};
	int r;

	if (!image || !image->has_tohost) {
		return 0;
	}
	hc.tohost_gpa = image->tohost_gpa;
	hc.fromhost_gpa = image->fromhost_gpa;
	hc.has_fromhost = image->has_fromhost;
	m->htif = htif_new(&hc);
	r = board_own(m, &htif_ops, m->htif, e);
	if (r < 0) {
		m->htif = NULL;
	}
	return r;
}

static int setup(struct machine *m, struct cpu_state *s, struct errmsg *e)
{
	uint8_t fdt[BOARD_FDT_BYTES];
	int r;

	m->cfg.arch->set_sp(s, RAM_GPA + m->cfg.ram_bytes);
	r = board_fdt_make(m, fdt, sizeof(fdt), e);
	if (r < 0) {
		return r;
	}
	r = board_firmware_write(m, MROM_GPA, fdt, (size_t)r, e);
	if (r < 0) {
		return r;
	}
	m->cfg.arch->set_boot_args(s, 0, MROM_GPA);
	return make_htif(m, e);
}

const struct board_ops bare_riscv_ops = {
	.has_semihosting = true,
	.map = map,
	.make = make,
	.setup = setup,
};
