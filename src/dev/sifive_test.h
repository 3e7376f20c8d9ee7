/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SiFive test finisher as QEMU's RISC-V `virt` has it: pass, fail with a code, reset. */
#ifndef PINFOLD_DEV_SIFIVE_TEST_H
#define PINFOLD_DEV_SIFIVE_TEST_H

#include "dev/device.h"

#define SIFIVE_TEST_RANGE_BYTES 0x1000u

struct sifive_test;

extern const struct dev_ops sifive_test_ops;

/** @return the device; NULL when out of memory. Free it with sifive_test_ops.destroy. */
struct sifive_test *sifive_test_new(const struct dev_host *host);

#endif
