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

#endif
