/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Engine `trap`, for the table of engines. */
#ifndef PINFOLD_ENGINE_TRAP_TRAP_ENGINE_H
#define PINFOLD_ENGINE_TRAP_TRAP_ENGINE_H

#include "engine/engine.h"

extern const struct engine_ops trap_engine_ops;

/** What a host may lack; only tests say that they can do without. */
#define TRAP_WITHOUT_FILTER \
	BIT(0) /* no seccomp, as under qemu-riscv64: one of two walls is missing */
#define TRAP_VISIBLE_PATCHES \
	BIT(1) /* pages that can't be hidden from reads are patched all the same */

/**
 * For tests, before the first probe: what to do without.
 * @param what TRAP_*
 */
void trap_do_without(uint32_t what);

/** What the engine did so far; for tests and for finding out where time goes. */
struct trap_counts {
	uint64_t entries;     /* of guest code */
	uint64_t interpreted; /* instructions */
	uint64_t fills;	      /* pages that were mapped for a guest */
	uint64_t patched;     /* of these: copies */
};

/** @param eng one of ours */
struct trap_counts trap_engine_counts(const struct engine *eng);

#endif
