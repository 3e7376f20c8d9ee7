/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints and watchpoints of a debugger. Those that the engine has are given to it; all else is
 * found by single steps: a breakpoint by its address before the step, a write by comparing the
 * watched bytes after it. Reads need an engine with watchpoints.
 */
#ifndef PINFOLD_VM_POINTS_H
#define PINFOLD_VM_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/errmsg.h"
#include "engine/engine.h"
#include "proto/proto.h"

#define POINTS_MAX	   128
#define POINTS_WATCH_BYTES 64

/** One point; for watchpoints that are found by comparing, with the bytes last seen. */
struct vm_point {
	struct proto_point p;
	uint8_t seen[POINTS_WATCH_BYTES];
};

/** Zero-initialise. */
struct vm_points {
	size_t n;
	struct vm_point point[POINTS_MAX];
};

/**
 * Add or remove.
 * @return 0; -ENOSPC; -ENOENT nothing to remove; -EINVAL a range of 0 or over POINTS_WATCH_BYTES
 *         bytes or one that wraps; -EEXIST
 */
int points_set(struct vm_points *ps, const struct proto_point *p, struct errmsg *e);

/** Whether a breakpoint is at @p pc. */
bool points_has_break(const struct vm_points *ps, gva_t pc);

/** Whether there is any breakpoint. */
bool points_has_any_break(const struct vm_points *ps);

/** Whether there is any watchpoint. */
bool points_has_watch(const struct vm_points *ps);

/** Addresses of all breakpoints; returns how many. */
size_t points_breaks(const struct vm_points *ps, gva_t addrs[POINTS_MAX]);

/** All watched ranges; returns how many. */
size_t points_watches(const struct vm_points *ps, struct engine_watch watches[POINTS_MAX]);

/** The watchpoint that an access hit; NULL if it is not there any more. */
const struct vm_point *points_hit(const struct vm_points *ps, const struct engine_watch *hit);

#endif
