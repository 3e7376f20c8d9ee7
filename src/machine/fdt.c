/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device tree of a polled `bare` board: CPU, memory, serial port, and on RISC-V mtime and the
 * test finisher. Node names and compatibles are those of QEMU's `virt`, for which firmware is
 * built. Source: Devicetree Specification 0.4.
 */
#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "board.h"

#define PHANDLE_CLOCK 1u
#define PHANDLE_INTC  2u

/* libfdt's sequential writer keeps failing after the first error: one check at the end is enough. */
struct writer {
	void *fdt;
	int err;
};

#define W(w, call)                         \
	do {                               \
		if ((w)->err == 0) {       \
			(w)->err = (call); \
		}                          \
	} while (0)

static void node(struct writer *w, const char *name)
{
	W(w, fdt_begin_node(w->fdt, name));
}

static void end(struct writer *w)
{
	W(w, fdt_end_node(w->fdt));
}

static void raw(struct writer *w, const char *name, const void *bytes, size_t n)
{
	W(w, fdt_property(w->fdt, name, bytes, (int)n));
}

static void str(struct writer *w, const char *name, const char *value)
{
	raw(w, name, value, strlen(value) + 1);
}

static void u32(struct writer *w, const char *name, uint32_t value)
{
	W(w, fdt_property_u32(w->fdt, name, value));
}

static void reg(struct writer *w, uint64_t base, uint64_t size)
{
	fdt64_t cells[2] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };

	raw(w, "reg", cells, sizeof(cells));
}

static void memory_node(struct writer *w, const struct machine *m)
{
	char name[40];

	snprintf(name, sizeof(name), "memory@%" PRIx64, m->wants[0].base_gpa);
	node(w, name);
	str(w, "device_type", "memory");
	reg(w, m->wants[0].base_gpa, m->wants[0].size_bytes);
	end(w);
}

static void riscv_nodes(struct writer *w)
{
	fdt32_t timer_irqs[4] = { cpu_to_fdt32(PHANDLE_INTC), cpu_to_fdt32(3),
				  cpu_to_fdt32(PHANDLE_INTC), cpu_to_fdt32(7) };

	node(w, "cpus");
	u32(w, "#address-cells", 1);
	u32(w, "#size-cells", 0);
	u32(w, "timebase-frequency", 10000000);
	node(w, "cpu@0");
	str(w, "device_type", "cpu");
	u32(w, "reg", 0);
	str(w, "status", "okay");
	str(w, "compatible", "riscv");
	str(w, "riscv,isa", "rv64imafdc");
	str(w, "mmu-type", "riscv,sv48");
	node(w, "interrupt-controller");
	u32(w, "#interrupt-cells", 1);
	raw(w, "interrupt-controller", NULL, 0);
	str(w, "compatible", "riscv,cpu-intc");
	u32(w, "phandle", PHANDLE_INTC);
	end(w);
	end(w);
	end(w);

	node(w, "soc");
	u32(w, "#address-cells", 2);
	u32(w, "#size-cells", 2);
	str(w, "compatible", "simple-bus");
	raw(w, "ranges", NULL, 0);
	node(w, "serial@10000000");
	str(w, "compatible", "ns16550a");
	reg(w, 0x10000000, 0x100);
	u32(w, "clock-frequency", 3686400);
	end(w);
	node(w, "clint@2000000");
	str(w, "compatible", "riscv,clint0");
	reg(w, 0x2000000, 0x10000);
	raw(w, "interrupts-extended", timer_irqs, sizeof(timer_irqs));
	end(w);
	node(w, "test@100000");
	raw(w, "compatible", "sifive,test1\0sifive,test0\0syscon", 32);
	reg(w, 0x100000, 0x1000);
	u32(w, "phandle", PHANDLE_CLOCK);
	end(w);
	end(w);

	node(w, "poweroff");
	str(w, "compatible", "syscon-poweroff");
	u32(w, "regmap", PHANDLE_CLOCK);
	u32(w, "offset", 0);
	u32(w, "value", 0x5555);
	end(w);
	node(w, "chosen");
	str(w, "stdout-path", "/soc/serial@10000000");
	end(w);
}

static void arm_nodes(struct writer *w, bool is_64bit)
{
	fdt32_t clocks[2] = { cpu_to_fdt32(PHANDLE_CLOCK), cpu_to_fdt32(PHANDLE_CLOCK) };

	node(w, "cpus");
	u32(w, "#address-cells", 1);
	u32(w, "#size-cells", 0);
	node(w, "cpu@0");
	str(w, "device_type", "cpu");
	u32(w, "reg", 0);
	str(w, "compatible", is_64bit ? "arm,cortex-a57" : "arm,cortex-a15");
	end(w);
	end(w);
	node(w, "timer");
	str(w, "compatible", is_64bit ? "arm,armv8-timer" : "arm,armv7-timer");
	raw(w, "always-on", NULL, 0);
	end(w);
	node(w, "apb-pclk");
	str(w, "compatible", "fixed-clock");
	u32(w, "#clock-cells", 0);
	u32(w, "clock-frequency", 24000000);
	u32(w, "phandle", PHANDLE_CLOCK);
	end(w);
	node(w, "pl011@9000000");
	raw(w, "compatible", "arm,pl011\0arm,primecell", 24);
	reg(w, 0x9000000, 0x1000);
	raw(w, "clocks", clocks, sizeof(clocks));
	raw(w, "clock-names", "uartclk\0apb_pclk", 17);
	end(w);
	node(w, "chosen");
	str(w, "stdout-path", "/pl011@9000000");
	end(w);
}

int board_fdt_make(const struct machine *m, uint8_t *buf, size_t size, struct errmsg *e)
{
	struct writer w = { .fdt = buf };

	W(&w, fdt_create(buf, (int)size));
	W(&w, fdt_finish_reservemap(buf));
	node(&w, "");
	u32(&w, "#address-cells", 2);
	u32(&w, "#size-cells", 2);
	str(&w, "compatible",
	    m->cfg.arch->id == CPU_ARCH_RV64 ? "riscv-virtio" : "linux,dummy-virt");
	str(&w, "model", "pinfold,bare");
	memory_node(&w, m);
	if (m->cfg.arch->id == CPU_ARCH_RV64) {
		riscv_nodes(&w);
	} else {
		arm_nodes(&w, m->cfg.arch->id == CPU_ARCH_A64);
	}
	end(&w);
	W(&w, fdt_finish(buf));
	if (w.err) {
		return errmsg_set(e, -ENOSPC, "the device tree can't be made: %s",
				  fdt_strerror(w.err));
	}
	return (int)fdt_totalsize(buf);
}
