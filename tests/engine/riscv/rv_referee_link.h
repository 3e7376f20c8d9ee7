/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's process. */
#ifndef TESTS_ENGINE_RISCV_RV_REFEREE_LINK_H
#define TESTS_ENGINE_RISCV_RV_REFEREE_LINK_H

#include "rv_diff.h"

/** Pipes to and from the referee. */
struct rv_referee {
	int to, from;
	int pid;
};

/**
 * Start qemu-riscv64 with the extensions that sequences use.
 * @param program the referee's path
 * @return 0; negative errno: -ENOENT without qemu
 */
int rv_referee_open(const char *program, struct rv_referee *ret);

/** End it and wait for it. */
void rv_referee_close(struct rv_referee *r);

/** Hand over @p n cases; slots in their order. @return 0; negative errno when the referee is gone */
int rv_referee_send(struct rv_referee *r, const struct rv_case *cases, uint32_t n);

/** Their states at the end. @return 0; negative errno when the referee is gone */
int rv_referee_receive(struct rv_referee *r, struct rv_wire_state *ret, uint32_t n);

#endif
