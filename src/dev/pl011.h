/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arm PrimeCell UART (PL011): the console of the ARM and AArch64 boards. */
#ifndef PINFOLD_DEV_PL011_H
#define PINFOLD_DEV_PL011_H

#include "dev/device.h"

#define PL011_RANGE_BYTES 0x1000u

struct pl011;

extern const struct dev_ops pl011_ops;

/** @return a UART after reset; NULL when out of memory. Free it with pl011_ops.destroy. */
struct pl011 *pl011_new(const struct chr_backend *chr);

#endif
