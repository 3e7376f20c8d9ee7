/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engines of the VM program can do on this host: asked from `pinfold-vm --probe`. */
#ifndef PINFOLD_CLI_ENGINES_H
#define PINFOLD_CLI_ENGINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

#define ENGINES_MAX 64

/** One engine with one architecture. */
struct engine_pair {
	char arch[16];
	char engine[16];
	bool is_usable;
	uint32_t slowdown; /* expected, against native code; if usable */
	char caps[128];	   /* words separated by blanks */
	char detail[192];  /* version or kind; or why not */
};

/** All pairs, architecture by architecture. */
struct engines {
	size_t n;
	struct engine_pair pair[ENGINES_MAX];
};

/**
 * Run the probe.
 * @return 0; negative errno with one sentence: no pinfold-vm, it failed, or it took too long
 */
int engines_probe(struct engines *ret, struct errmsg *e);

#endif
