/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RISC-V platform-level interrupt controller as on QEMU's `virt`: 95 sources, two contexts a hart. */
#ifndef PINFOLD_DEV_PLIC_H
#define PINFOLD_DEV_PLIC_H

#include "dev/device.h"

#define PLIC_RANGE_BYTES  0x600000u
#define PLIC_SOURCES	  95u /* numbered from 1 */
#define PLIC_PRIORITY_MAX 7u
#define PLIC_HARTS_MAX	  8u

/** Contexts of a hart h: 2h for M-mode, 2h + 1 for S-mode. */
#define PLIC_CONTEXTS_MAX (2 * PLIC_HARTS_MAX)

struct plic;

extern const struct dev_ops plic_ops;

/**
 * @param n_harts 1 to PLIC_HARTS_MAX
 * @return the device; NULL when out of memory. Free it with plic_ops.destroy.
 */
struct plic *plic_new(unsigned int n_harts);

/**
 * Wire a context's external interrupt; the line is driven at once.
 * @param context below 2 * n_harts
 */
void plic_wire(struct plic *p, unsigned int context, const struct irq_line *line);

/**
 * @param source 1 to PLIC_SOURCES
 * @return the line that a device drives to raise this source; valid as long as @p p is
 */
struct irq_line plic_source(struct plic *p, unsigned int source);

#endif
