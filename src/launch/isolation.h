/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host lets the caller use to isolate a VM, found by trying. For launch and doctor. */
#ifndef PINFOLD_LAUNCH_ISOLATION_H
#define PINFOLD_LAUNCH_ISOLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/proto.h"

/** One means of isolation. */
struct isolation_item {
	const char *name;   /* "user namespace" */
	uint32_t jail_flag; /* enum proto_jail_flag, or 0 */
	bool is_available;
	char detail[160]; /* how, or why not */
	const char *cost; /* what is lost without it */
};

#define ISOLATION_ITEMS_MAX 16

/** Probe everything, in the order in which doctor prints it; returns the number of items. */
int isolation_probe(struct isolation_item items[ISOLATION_ITEMS_MAX]);

#endif
