/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device tree of a polled `bare` board: CPU, memory, serial port, and on RISC-V mtime and the
 * test finisher. Node names and compatibles are those of QEMU's `virt`, for which firmware is
 * built. Source: Devicetree Specification 0.4.
 */
#include <libfdt.h>

#include "board.h"
#include "machine/fdt_write.h"

#define PHANDLE_CLOCK 1u
#define PHANDLE_INTC  2u

static void riscv_nodes(struct fdt_writer *w)
{
	fdt32_t timer_irqs[4] = { cpu_to_fdt32(PHANDLE_INTC), cpu_to_fdt32(3),
				  cpu_to_fdt32(PHANDLE_INTC), cpu_to_fdt32(7) };

	fdt_node(w, "cpus");
	fdt_u32(w, "#address-cells", 1);
	fdt_u32(w, "#size-cells", 0);
	fdt_u32(w, "timebase-frequency", 10000000);
	fdt_node(w, "cpu@0");
	fdt_str(w, "device_type", "cpu");
	fdt_u32(w, "reg", 0);
	fdt_str(w, "status", "okay");
	fdt_str(w, "compatible", "riscv");
	fdt_str(w, "riscv,isa", "rv64imafdc");
	fdt_str(w, "mmu-type", "riscv,sv48");
	fdt_node(w, "interrupt-controller");
	fdt_u32(w, "#interrupt-cells", 1);
	fdt_flag(w, "interrupt-controller");
	fdt_str(w, "compatible", "riscv,cpu-intc");
	fdt_u32(w, "phandle", PHANDLE_INTC);
	fdt_end(w);
	fdt_end(w);
	fdt_end(w);

	fdt_node(w, "soc");
	fdt_u32(w, "#address-cells", 2);
	fdt_u32(w, "#size-cells", 2);
	fdt_str(w, "compatible", "simple-bus");
	fdt_flag(w, "ranges");
	fdt_node(w, "serial@10000000");
	fdt_str(w, "compatible", "ns16550a");
	fdt_reg(w, 0x10000000, 0x100);
	fdt_u32(w, "clock-frequency", 3686400);
	fdt_end(w);
	fdt_node(w, "clint@2000000");
	fdt_str(w, "compatible", "riscv,clint0");
	fdt_reg(w, 0x2000000, 0x10000);
	fdt_bytes(w, "interrupts-extended", timer_irqs, sizeof(timer_irqs));
	fdt_end(w);
	fdt_node(w, "test@100000");
	fdt_bytes(w, "compatible", "sifive,test1\0sifive,test0\0syscon", 32);
	fdt_reg(w, 0x100000, 0x1000);
	fdt_u32(w, "phandle", PHANDLE_CLOCK);
	fdt_end(w);
	fdt_end(w);

	fdt_node(w, "poweroff");
	fdt_str(w, "compatible", "syscon-poweroff");
	fdt_u32(w, "regmap", PHANDLE_CLOCK);
	fdt_u32(w, "offset", 0);
	fdt_u32(w, "value", 0x5555);
	fdt_end(w);
	fdt_node(w, "chosen");
	fdt_str(w, "stdout-path", "/soc/serial@10000000");
	fdt_end(w);
}

static void arm_nodes(struct fdt_writer *w, bool is_64bit)
{
	fdt32_t clocks[2] = { cpu_to_fdt32(PHANDLE_CLOCK), cpu_to_fdt32(PHANDLE_CLOCK) };

	fdt_node(w, "cpus");
	fdt_u32(w, "#address-cells", 1);
	fdt_u32(w, "#size-cells", 0);
	fdt_node(w, "cpu@0");
	fdt_str(w, "device_type", "cpu");
	fdt_u32(w, "reg", 0);
	fdt_str(w, "compatible", is_64bit ? "arm,cortex-a57" : "arm,cortex-a15");
	fdt_end(w);
	fdt_end(w);
	fdt_node(w, "timer");
	fdt_str(w, "compatible", is_64bit ? "arm,armv8-timer" : "arm,armv7-timer");
	fdt_flag(w, "always-on");
	fdt_end(w);
	fdt_node(w, "apb-pclk");
	fdt_str(w, "compatible", "fixed-clock");
	fdt_u32(w, "#clock-cells", 0);
	fdt_u32(w, "clock-frequency", 24000000);
	fdt_u32(w, "phandle", PHANDLE_CLOCK);
	fdt_end(w);
	fdt_node(w, "pl011@9000000");
	fdt_bytes(w, "compatible", "arm,pl011\0arm,primecell", 24);
	fdt_reg(w, 0x9000000, 0x1000);
	fdt_bytes(w, "clocks", clocks, sizeof(clocks));
	fdt_bytes(w, "clock-names", "uartclk\0apb_pclk", 17);
	fdt_end(w);
	fdt_node(w, "chosen");
	fdt_str(w, "stdout-path", "/pl011@9000000");
	fdt_end(w);
}

int board_fdt_make(const struct machine *m, uint8_t *buf, size_t size, struct errmsg *e)
{
	struct fdt_writer w;

	fdt_write_begin(&w, buf, size);
	fdt_u32(&w, "#address-cells", 2);
	fdt_u32(&w, "#size-cells", 2);
	fdt_str(&w, "compatible",
		m->cfg.arch->id == CPU_ARCH_RV64 ? "riscv-virtio" : "linux,dummy-virt");
	fdt_str(&w, "model", "pinfold,bare");
	fdt_memory(&w, m->wants[0].base_gpa, m->wants[0].size_bytes);
	if (m->cfg.arch->id == CPU_ARCH_RV64) {
		riscv_nodes(&w);
	} else {
		arm_nodes(&w, m->cfg.arch->id == CPU_ARCH_A64);
	}
	return fdt_write_finish(&w, e);
}
