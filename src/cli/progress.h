/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A progress bar on standard error, if that is a terminal. */
#ifndef PINFOLD_CLI_PROGRESS_H
#define PINFOLD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** One bar. */
struct progress {
	bool is_shown; /* standard error is a terminal and nobody wants quiet */
	bool is_drawn; /* there is something to wipe away */
	uint64_t last_ns;
	char what[80];
};

/** Begin; nothing is drawn yet: short transfers show nothing. */
void progress_begin(struct progress *p, const char *verb, const char *name, bool is_quiet);

/** A client_progress_fn; @p arg is the struct progress. Draws at most ten times a second. */
void progress_step(void *arg, uint64_t done, uint64_t total);

/** Wipe it away. */
void progress_end(struct progress *p);

#endif
