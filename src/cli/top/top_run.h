/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two ways of looking: a screen that lives, and snapshots as text. */
#ifndef PINFOLD_CLI_TOP_RUN_H
#define PINFOLD_CLI_TOP_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cli/top/top_source.h"
#include "cli/top/top_view.h"

/** How to look. */
struct top_run_options {
	ns_t sample_ns;	 /**< between two samples of the cores */
	ns_t refresh_ns; /**< between two looks at the rest */
	enum top_column sort;
	bool shows_ended;
	uint32_t batch; /**< snapshots */
	uint32_t width; /**< columns of a snapshot; 0: as the terminal, or 100 */
};

/** Ten samples a second, the rest once a second, sorted by CPU use. */
void top_run_options_defaults(struct top_run_options *o);

/**
 * Until the person leaves, or a signal that ends programs comes.
 * @param source      stays borrowed when *ret_is_busy
 * @param ret_is_busy the last request was not answered: the source is still in use
 * @return 0; the number of the signal; negative errno
 */
int top_run_screen(const struct top_source *source, const struct top_run_options *o,
		   bool *ret_is_busy, struct errmsg *e);

/** Print snapshots. @return 0; negative errno of the first request that failed */
int top_run_batch(const struct top_source *source, const struct top_run_options *o, FILE *out,
		  struct errmsg *e);

#endif
