/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RISC-V core-local interruptor as on QEMU's `virt`: msip, mtimecmp, mtime. */
#ifndef PINFOLD_DEV_CLINT_H
#define PINFOLD_DEV_CLINT_H

#include "dev/device.h"

#define CLINT_RANGE_BYTES 0x10000u
#define CLINT_MTIME_HZ	  10000000u
#define CLINT_HARTS_MAX	  8u

struct clint;

extern const struct dev_ops clint_ops;

/**
 * @param clock   mtime counts its time
 * @param n_harts 1 to CLINT_HARTS_MAX
 * @return the device; NULL when out of memory. Free it with clint_ops.destroy.
 */
struct clint *clint_new(const struct clock_backend *clock, unsigned int n_harts);

/**
 * Wire a hart's machine software and timer interrupts; both lines are driven at once.
 * @param hart below the number of harts
 */
void clint_wire(struct clint *c, unsigned int hart, const struct irq_line *msi,
		const struct irq_line *mti);

/** @return mtime now: what the `time` counter of every hart shows, in units of 1/CLINT_MTIME_HZ s */
uint64_t clint_ticks(const struct clint *c);

/** Drive the timer interrupts as time has passed. Call when clint_due_ticks() is reached. */
void clint_poll(struct clint *c);

/**
 * When clint_poll() has something to do.
 * @return the earliest mtimecmp that mtime has not reached; UINT64_MAX when there is none
 */
uint64_t clint_due_ticks(const struct clint *c);

#endif
