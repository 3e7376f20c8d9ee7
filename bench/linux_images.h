/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debian's RISC-V kernel with a small initramfs, for benchmarks that boot it. */
#ifndef PINFOLD_BENCH_LINUX_IMAGES_H
#define PINFOLD_BENCH_LINUX_IMAGES_H

#include "bench/bench.h"

/** What the shell prints. */
#define LINUX_READY "pinfold: shell ready"

/** What is booted. */
struct linux_images {
	char kernel[BENCH_PATH + 16];
	char initrd[64];
};

/** An initramfs that says when its shell could run, and powers off; the caller removes it. @return false: there is no kernel */
bool linux_images_make(struct linux_images *im);

#endif
