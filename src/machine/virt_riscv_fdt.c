/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device tree of board `virt` for RISC-V. Source: Devicetree Specification 0.4; the bindings in Linux 6.12's
 * Documentation/devicetree/bindings: riscv/cpus, riscv/extensions, interrupt-controller/sifive,plic, timer/sifive,clint,
 * virtio/mmio, rtc/google,goldfish-rtc.
 */
#include <stdio.h>
#include <string.h>

#include "machine/fdt_write.h"
#include "machine/virt_riscv.h"

#define PHANDLE_INTC 1u /* of hart 0; the others follow */
#define PHANDLE_PLIC (PHANDLE_INTC + MACHINE_HARTS_MAX)
#define PHANDLE_TEST (PHANDLE_PLIC + 1)

#define RNG_SEED_BYTES 32

/* One list of what the harts have, for both properties. */
static const char *const extensions[] = {
	"i",	  "m",	    "a",       "f",	   "d",	     "c",      "zicbom", "zicboz",
	"zicntr", "zicond", "zicsr",   "zifencei", "zihpm",  "zba",    "zbb",	 "zbs",
	"sstc",	  "svade",  "svinval", "svnapot",  "svpbmt", "svvptc",
};

static void isa(struct fdt_writer *w)
{
	char list[256];
	char line[256] = "rv64";
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++) {
		size_t len = strlen(extensions[i]) + 1;

		memcpy(list + n, extensions[i], len);
		n += len;
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s",
			 len > 2 ? "_" : "", extensions[i]);
	}
	fdt_str(w, "riscv,isa", line);
	fdt_str(w, "riscv,isa-base", "rv64i");
	fdt_bytes(w, "riscv,isa-extensions", list, n);
}

static void cpu_node(struct fdt_writer *w, uint32_t hart)
{
	fdt_node_at(w, "cpu", hart);
	fdt_str(w, "device_type", "cpu");
	fdt_u32(w, "reg", hart);
	fdt_str(w, "status", "okay");
	fdt_str(w, "compatible", "riscv");
	isa(w);
	fdt_str(w, "mmu-type", "riscv,sv39");
	fdt_u32(w, "riscv,cbom-block-size", 64);
	fdt_u32(w, "riscv,cboz-block-size", 64);
	fdt_node(w, "interrupt-controller");
	fdt_u32(w, "#interrupt-cells", 1);
	fdt_flag(w, "interrupt-controller");
	fdt_str(w, "compatible", "riscv,cpu-intc");
	fdt_u32(w, "phandle", PHANDLE_INTC + hart);
	fdt_end(w);
	fdt_end(w);
}

static void cpus_node(struct fdt_writer *w, const struct machine *m)
{
	fdt_node(w, "cpus");
	fdt_u32(w, "#address-cells", 1);
	fdt_u32(w, "#size-cells", 0);
	fdt_u32(w, "timebase-frequency", CLINT_MTIME_HZ);
	for (uint32_t i = 0; i < m->cfg.n_cpus; i++) {
		cpu_node(w, i);
	}
	fdt_end(w);
}

/* For every hart two interrupts of its own controller. */
static void wires(struct fdt_writer *w, const struct machine *m, uint32_t first, uint32_t second)
{
	uint32_t cells[MACHINE_HARTS_MAX * 4];
	size_t n = 0;

	for (uint32_t i = 0; i < m->cfg.n_cpus; i++) {
		cells[n++] = PHANDLE_INTC + i;
		cells[n++] = first;
		cells[n++] = PHANDLE_INTC + i;
		cells[n++] = second;
	}
	fdt_cells(w, "interrupts-extended", cells, n);
}

static void interrupt_nodes(struct fdt_writer *w, const struct machine *m)
{
	static const char clint[] = "sifive,clint0\0riscv,clint0";
	static const char plic[] = "sifive,plic-1.0.0\0riscv,plic0";

	fdt_node_at(w, "clint", VIRT_CLINT_GPA);
	fdt_bytes(w, "compatible", clint, sizeof(clint));
	fdt_reg(w, VIRT_CLINT_GPA, CLINT_RANGE_BYTES);
	wires(w, m, 3, 7);
	fdt_end(w);
	fdt_node_at(w, "plic", VIRT_PLIC_GPA);
	fdt_bytes(w, "compatible", plic, sizeof(plic));
	fdt_reg(w, VIRT_PLIC_GPA, PLIC_RANGE_BYTES);
	fdt_u32(w, "#address-cells", 0);
	fdt_u32(w, "#interrupt-cells", 1);
	fdt_flag(w, "interrupt-controller");
	fdt_u32(w, "riscv,ndev", PLIC_SOURCES);
	fdt_u32(w, "phandle", PHANDLE_PLIC);
	wires(w, m, 11, 9);
	fdt_end(w);
}

static void irq(struct fdt_writer *w, uint32_t source)
{
	fdt_u32(w, "interrupts", source);
	fdt_u32(w, "interrupt-parent", PHANDLE_PLIC);
}

static void device_nodes(struct fdt_writer *w)
{
	static const char test[] = "sifive,test1\0sifive,test0\0syscon";

	fdt_node_at(w, "serial", VIRT_UART_GPA);
	fdt_str(w, "compatible", "ns16550a");
	fdt_reg(w, VIRT_UART_GPA, VIRT_UART_BYTES);
	fdt_u32(w, "clock-frequency", 3686400);
	irq(w, VIRT_UART_IRQ);
	fdt_end(w);
	fdt_node_at(w, "rtc", VIRT_RTC_GPA);
	fdt_str(w, "compatible", "google,goldfish-rtc");
	fdt_reg(w, VIRT_RTC_GPA, GOLDFISH_RTC_RANGE_BYTES);
	irq(w, VIRT_RTC_IRQ);
	fdt_end(w);
	fdt_node_at(w, "test", VIRT_FINISHER_GPA);
	fdt_bytes(w, "compatible", test, sizeof(test));
	fdt_reg(w, VIRT_FINISHER_GPA, 0x1000);
	fdt_u32(w, "phandle", PHANDLE_TEST);
	fdt_end(w);
	for (uint32_t i = 0; i < VIRT_VIRTIO_SLOTS; i++) {
		uint64_t at = VIRT_VIRTIO_GPA + i * VIRTIO_MMIO_RANGE_BYTES;

		fdt_node_at(w, "virtio_mmio", at);
		fdt_str(w, "compatible", "virtio,mmio");
		fdt_reg(w, at, VIRTIO_MMIO_RANGE_BYTES);
		irq(w, VIRT_VIRTIO_IRQ + i);
		fdt_end(w);
	}
}

static void syscon(struct fdt_writer *w, const char *name, const char *compatible, uint32_t value)
{
	fdt_node(w, name);
	fdt_str(w, "compatible", compatible);
	fdt_u32(w, "regmap", PHANDLE_TEST);
	fdt_u32(w, "offset", 0);
	fdt_u32(w, "value", value);
	fdt_end(w);
}

static void chosen_node(struct fdt_writer *w, const struct machine *m)
{
	uint8_t seed[RNG_SEED_BYTES];

	fdt_node(w, "chosen");
	fdt_str(w, "stdout-path", "/soc/serial@10000000");
	if (m->cfg.args) {
		fdt_str(w, "bootargs", m->cfg.args);
	}
	if (m->initrd_gpa) {
		fdt_u64(w, "linux,initrd-start", m->initrd_gpa);
		fdt_u64(w, "linux,initrd-end", m->initrd_gpa + m->cfg.initrd_bytes);
	}
	if (m->cfg.entropy.fill) {
		m->cfg.entropy.fill(m->cfg.entropy.opaque, seed, sizeof(seed));
		fdt_bytes(w, "rng-seed", seed, sizeof(seed));
	}
	fdt_end(w);
}

int virt_riscv_fdt_make(const struct machine *m, uint8_t *buf, size_t size, struct errmsg *e)
{
	struct fdt_writer w;

	fdt_write_begin(&w, buf, size);
	fdt_u32(&w, "#address-cells", 2);
	fdt_u32(&w, "#size-cells", 2);
	fdt_str(&w, "compatible", "riscv-virtio");
	fdt_str(&w, "model", "pinfold,virt");
	fdt_memory(&w, VIRT_RAM_GPA, m->cfg.ram_bytes);
	cpus_node(&w, m);
	fdt_node(&w, "soc");
	fdt_u32(&w, "#address-cells", 2);
	fdt_u32(&w, "#size-cells", 2);
	fdt_str(&w, "compatible", "simple-bus");
	fdt_flag(&w, "ranges");
	interrupt_nodes(&w, m);
	device_nodes(&w);
	fdt_end(&w);
	syscon(&w, "poweroff", "syscon-poweroff", 0x5555);
	syscon(&w, "reboot", "syscon-reboot", 0x7777);
	chosen_node(&w, m);
	return fdt_write_finish(&w, e);
}
