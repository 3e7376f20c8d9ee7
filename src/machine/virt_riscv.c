/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Board `virt` for RISC-V: the memory map of QEMU's, with interrupts.
 *
 *   0x00100000  SiFive test finisher         0x10000000  16550                 source 10
 *   0x00101000  Goldfish RTC    source 11    0x10001000  virtio-mmio, 8 slots  sources 1 to 8
 *   0x02000000  CLINT                        0x80000000  RAM: [firmware] [kernel] ... [initrd] [device tree]
 *   0x0c000000  PLIC
 *
 * It starts in one of two ways. With a kernel and no image, harts start in S-mode, hart 0 at the kernel's entry and the
 * others when they are asked for, and the board answers SBI calls. With an image (firmware), all harts
 * start in M-mode at its entry. In both a0 is the hart's number and a1 the device tree's address.
 */
#include "machine/virt_riscv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bug.h"
#include "cpu/riscv/riscv.h"
#include "dev/sifive_test.h"

#define RAM_BYTES_MAX	  (64 * BIT(30))
#define RAM_BYTES_DEFAULT (256 * BIT(20))
#define FDT_BYTES_MAX	  0x10000u
#define FDT_ALIGN	  0x200000ULL
/* Rounds of virtio work per poll; what is left is done at the next one. */
#define POLL_ROUNDS 4

#define MIP_MSI BIT(3)
#define MIP_MTI BIT(7)
#define MIP_SEI BIT(9)
#define MIP_MEI BIT(11)

static struct machine_map map(const struct cpu_mode *mode, bool has_sbi)
{
	(void)mode;
	return (struct machine_map){
		.ram_base_gpa = VIRT_RAM_GPA,
		.ram_default_bytes = RAM_BYTES_DEFAULT,
		.ram_max_bytes = RAM_BYTES_MAX,
		.load_default_gpa = VIRT_RAM_GPA,
		.cpus_max = MACHINE_HARTS_MAX,
		.is_system = true,
		.va_bits = 39, /* what engines can reach through windows (docs/engine-dbt.md) */
		.exit_vectors = has_sbi ? BIT(RV_ECALL_S) : 0,
	};
}

static void set_line(void *opaque, bool level)
{
	const struct virt_line *l = opaque;
	const struct machine_cpus *cpus = &l->m->cfg.cpus;

	cpus->set_lines(cpus->opaque, l->hart, l->bit, level ? l->bit : 0);
}

static struct irq_line line_of(struct machine *m, uint32_t hart, uint64_t bit)
{
	static const uint64_t bits[VIRT_LINES_PER_HART] = { MIP_MSI, MIP_MTI, MIP_SEI, MIP_MEI };
	uint32_t kind = 0;
	struct virt_line *l;

	while (bits[kind] != bit) {
		kind++;
		BUG_ON(kind == VIRT_LINES_PER_HART);
	}
	l = &m->virt->lines[hart * VIRT_LINES_PER_HART + kind];
	*l = (struct virt_line){ m, hart, bit };
	return (struct irq_line){ l, set_line };
}

static int make_interrupts(struct machine *m, struct errmsg *e)
{
	struct virt_riscv *v = m->virt;
	int r;

	m->clint = clint_new(&m->cfg.clock, m->cfg.n_cpus);
	r = board_attach(m, &m->mmio, VIRT_CLINT_GPA, CLINT_RANGE_BYTES, &clint_ops, m->clint, e);
	if (r < 0) {
		return r;
	}
	v->plic = plic_new(m->cfg.n_cpus);
	r = board_attach(m, &m->mmio, VIRT_PLIC_GPA, PLIC_RANGE_BYTES, &plic_ops, v->plic, e);
	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < m->cfg.n_cpus; i++) {
		struct irq_line msi = line_of(m, i, MIP_MSI);
		struct irq_line mti = line_of(m, i, MIP_MTI);
		struct irq_line mei = line_of(m, i, MIP_MEI);
		struct irq_line sei = line_of(m, i, MIP_SEI);

		clint_wire(m->clint, i, &msi, &mti);
		plic_wire(v->plic, 2 * i, &mei);
		plic_wire(v->plic, 2 * i + 1, &sei);
	}
	return 0;
}

static int no_get(void *opaque)
{
	(void)opaque;
	return -1;
}

static bool no_has(void *opaque)
{
	(void)opaque;
	return false;
}

/* Only one console reads. */
static struct chr_backend firmware_chr(const struct machine *m)
{
	struct chr_backend chr = m->cfg.console;

	if (m->cfg.has_virtio_console) {
		chr.get = no_get;
		chr.has = no_has;
		chr.is_eof = NULL;
	}
	return chr;
}

static int make_simple(struct machine *m, struct errmsg *e)
{
	struct virt_riscv *v = m->virt;
	struct uart16550_config uart = { .chr = v->firmware_chr,
					 .irq = plic_source(v->plic, VIRT_UART_IRQ) };
	struct irq_line rtc = plic_source(v->plic, VIRT_RTC_IRQ);
	int r;

	v->uart = uart16550_new(&uart);
	r = board_attach(m, &m->mmio, VIRT_UART_GPA, VIRT_UART_BYTES, &uart16550_ops, v->uart, e);
	if (r == 0) {
		v->rtc = goldfish_rtc_new(&m->cfg.clock, &rtc);
		r = board_attach(m, &m->mmio, VIRT_RTC_GPA, GOLDFISH_RTC_RANGE_BYTES,
				 &goldfish_rtc_ops, v->rtc, e);
	}
	if (r == 0) {
		r = board_attach(m, &m->mmio, VIRT_FINISHER_GPA, SIFIVE_TEST_RANGE_BYTES,
				 &sifive_test_ops, sifive_test_new(&m->host), e);
	}
	return r;
}

/* The next slot gets a device, or, with NULL, stays empty. */
static int fill_slot(struct machine *m, size_t slot, struct virtio *device, struct errmsg *e)
{
	struct irq_line irq = plic_source(m->virt->plic, VIRT_VIRTIO_IRQ + (unsigned int)slot);

	if (device) {
		m->virt->virtio[m->virt->n_virtio++] = device;
	}
	return board_attach(m, &m->mmio, VIRT_VIRTIO_GPA + slot * VIRTIO_MMIO_RANGE_BYTES,
			    VIRTIO_MMIO_RANGE_BYTES, &virtio_mmio_ops,
			    virtio_mmio_new(device, &irq), e);
}

static int make_disks(struct machine *m, size_t *slot, struct errmsg *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->cfg.n_disks; i++) {
		struct virtio_blk *b = virtio_blk_new(&m->cfg.disks[i]);

		if (!b) {
			return errmsg_set(e, -ENOMEM, "out of memory for a disk");
		}
		m->virt->disks[i] = b;
		r = fill_slot(m, (*slot)++, virtio_blk_virtio(b), e);
	}
	return r;
}

static int make_virtio(struct machine *m, struct errmsg *e)
{
	struct virt_riscv *v = m->virt;
	struct virtio_console *console;
	struct virtio_rng *rng;
	size_t slot = 0;
	int r;

	r = make_disks(m, &slot, e);
	if (r == 0 && m->cfg.has_net) {
		v->net = virtio_net_new(&m->cfg.net, m->cfg.mac);
		r = v->net ? fill_slot(m, slot++, virtio_net_virtio(v->net), e)
			   : errmsg_set(e, -ENOMEM, "out of memory for the network card");
	}
	if (r == 0 && m->cfg.entropy.fill) {
		rng = virtio_rng_new(&m->cfg.entropy);
		r = rng ? fill_slot(m, slot++, virtio_rng_virtio(rng), e)
			: errmsg_set(e, -ENOMEM, "out of memory for the entropy source");
	}
	if (r == 0 && m->cfg.has_virtio_console) {
		console = virtio_console_new(&m->cfg.console);
		r = console ? fill_slot(m, slot++, virtio_console_virtio(console), e)
			    : errmsg_set(e, -ENOMEM, "out of memory for the console");
	}
	if (r == 0) {
		v->button = virtio_input_new();
		r = v->button ? fill_slot(m, slot++, virtio_input_virtio(v->button), e)
			      : errmsg_set(e, -ENOMEM, "out of memory for the power button");
	}
	while (r == 0 && slot < VIRT_VIRTIO_SLOTS) {
		r = fill_slot(m, slot++, NULL, e);
	}
	return r;
}

static gpa_t kernel_end(const struct machine *m)
{
	const struct image_plan *k = m->cfg.kernel;
	gpa_t end = VIRT_RAM_GPA;

	for (size_t i = 0; k && i < k->n_segs; i++) {
		gpa_t seg_end = k->segs[i].gpa + k->segs[i].mem_bytes;

		end = seg_end > end ? seg_end : end;
	}
	return end;
}

/* The device tree at the end of RAM, the initial RAM disk right below it. */
static int place(struct machine *m, struct errmsg *e)
{
	gpa_t ram_end = VIRT_RAM_GPA + m->cfg.ram_bytes;
	gpa_t free_from = kernel_end(m);

	if (m->cfg.ram_bytes < 2 * FDT_ALIGN) {
		return errmsg_set(e, -EINVAL,
				  "board virt needs 4 MiB of RAM at least; use a larger --mem");
	}
	m->fdt_gpa = align_down(ram_end - FDT_BYTES_MAX, FDT_ALIGN);
	if (free_from > m->fdt_gpa || m->cfg.initrd_bytes > m->fdt_gpa - free_from) {
		return errmsg_set(e, -EINVAL,
				  "kernel and initrd don't fit into %" PRIu64
				  " MiB of RAM; use a larger --mem",
				  m->cfg.ram_bytes >> 20);
	}
	if (m->cfg.initrd_bytes) {
		m->initrd_gpa = align_down(m->fdt_gpa - m->cfg.initrd_bytes, PAGE_BYTES);
	}
	return 0;
}

static int make(struct machine *m, struct errmsg *e)
{
	int r;

	m->virt = calloc(1, sizeof(*m->virt));
	if (!m->virt) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	m->virt->firmware_chr = firmware_chr(m);
	board_want(m, VIRT_RAM_GPA, m->cfg.ram_bytes, MEM_RWX, true, "ram");
	r = place(m, e);
	r = r < 0 ? r : make_interrupts(m, e);
	r = r < 0 ? r : make_simple(m, e);
	return r < 0 ? r : make_virtio(m, e);
}

static int setup(struct machine *m, struct cpu_state *s, struct errmsg *e)
{
	uint8_t fdt[FDT_BYTES_MAX];
	int r;

	for (size_t i = 0; i < m->virt->n_virtio; i++) {
		virtio_mem_set(m->virt->virtio[i], m->mem);
	}
	r = virt_riscv_fdt_make(m, fdt, sizeof(fdt), e);
	if (r < 0) {
		return r;
	}
	r = board_firmware_write(m, m->fdt_gpa, fdt, (size_t)r, e);
	if (r < 0) {
		return r;
	}
	if (m->cfg.has_sbi) {
		virt_riscv_enter_supervisor(s, 0);
		r = virt_riscv_sbi_make(m, e);
	}
	m->cfg.arch->set_boot_args(s, 0, m->fdt_gpa);
	return r;
}

static bool setup_other(const struct machine *m, uint32_t cpu_idx, const struct cpu_state *first,
			struct cpu_state *ret)
{
	*ret = *first;
	rv_state(ret)->mhartid = cpu_idx;
	m->cfg.arch->set_boot_args(ret, cpu_idx, m->fdt_gpa);
	return !m->virt->sbi; /* the SBI starts them when it is asked to */
}

static void poll(struct machine *m)
{
	struct virt_riscv *v = m->virt;

	clint_poll(m->clint);
	goldfish_rtc_poll(v->rtc);
	uart16550_poll(v->uart);
	for (size_t i = 0; i < v->n_virtio; i++) {
		for (int round = 0; round < POLL_ROUNDS && virtio_poll(v->virtio[i]); round++) {
		}
		if (!virtio_why_broken(v->virtio[i])) {
			v->told_stopped &= (uint8_t)~BIT(i);
		}
	}
}

static bool stopped_device(struct machine *m, char *ret, size_t size)
{
	struct virt_riscv *v = m->virt;
	uint8_t was_told = v->told_stopped;

	for (size_t i = 0; i < v->n_virtio; i++) {
		const struct virtio *device = v->virtio[i];
		const char *why = virtio_why_broken(device);

		if (!why || v->told_stopped & BIT(i)) {
			continue;
		}
		if (v->told_stopped == was_told) {
			snprintf(ret, size,
				 "%s in slot %zu has stopped until the guest resets it: %s",
				 device->ops->name, i, why);
		}
		v->told_stopped |= (uint8_t)BIT(i);
	}
	return v->told_stopped != was_told;
}

static ns_t due_ns(const struct machine *m)
{
	const struct virt_riscv *v = m->virt;
	ns_t clint = machine_tick_time_ns(m, clint_due_ticks(m->clint));
	ns_t rtc = goldfish_rtc_due_ns(v->rtc);

	for (size_t i = 0; i < v->n_virtio; i++) {
		if (virtio_is_waiting(v->virtio[i])) { /* what a notify left over */
			return m->cfg.clock.now_ns(m->cfg.clock.opaque);
		}
	}
	return clint < rtc ? clint : rtc;
}

static void done(struct machine *m)
{
	if (m->virt) {
		sbi_free(m->virt->sbi);
		free(m->virt);
	}
}

void machine_disk_complete(struct machine *m, size_t disk, struct blk_request *r, int result)
{
	BUG_ON(disk >= m->cfg.n_disks);
	virtio_blk_complete(m->virt->disks[disk], r, result);
}

bool machine_power_press(struct machine *m)
{
	return m->virt && m->virt->button && virtio_input_press(m->virt->button);
}

bool machine_net_receive(struct machine *m, const uint8_t *frame, size_t len)
{
	return virtio_net_receive(m->virt->net, frame, len);
}

const struct board_ops virt_riscv_ops = {
	.map = map,
	.make = make,
	.setup = setup,
	.setup_other = setup_other,
	.call = virt_riscv_call,
	.poll = poll,
	.due_ns = due_ns,
	.stopped_device = stopped_device,
	.done = done,
};
