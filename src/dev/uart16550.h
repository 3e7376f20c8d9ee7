/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A 16550A serial port: COM1 of the PC boards, the console of RISC-V's. */
#ifndef PINFOLD_DEV_UART16550_H
#define PINFOLD_DEV_UART16550_H

#include "dev/device.h"

struct uart16550;

/** How the port is wired. */
struct uart16550_config {
	struct chr_backend chr;
	uint8_t reg_shift; /* registers lie 1 << reg_shift bytes apart: 0 to 2 */
	/* A wide access: false: its low byte goes to the register addressed (MMIO); true: every byte
	 * goes to a register of its own, as on an ISA bus. */
	bool is_isa;
	struct irq_line irq; /* on an ISA bus MCR.OUT2 gates it, elsewhere nothing does */
};

extern const struct dev_ops uart16550_ops;

/** @return a port after reset; NULL when out of memory. Free it with uart16550_ops.destroy. */
struct uart16550 *uart16550_new(const struct uart16550_config *config);

/** Drive the interrupt line anew: the back-end may have characters that it had not before. */
void uart16550_poll(struct uart16550 *u);

#endif
