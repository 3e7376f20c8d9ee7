/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's isa-debug-exit: a write of v ends the run with status (v << 1) | 1. */
#ifndef PINFOLD_DEV_DEBUG_EXIT_H
#define PINFOLD_DEV_DEBUG_EXIT_H

#include "dev/device.h"

#define DEBUG_EXIT_RANGE_BYTES 4u

struct debug_exit;

extern const struct dev_ops debug_exit_ops;

/** @return the device; NULL when out of memory. Free it with debug_exit_ops.destroy. */
struct debug_exit *debug_exit_new(const struct dev_host *host);

#endif
