/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One guest on two engines, compared; the first instruction after which they differ. */
#ifndef PINFOLD_CLI_LOCKSTEP_H
#define PINFOLD_CLI_LOCKSTEP_H

#include "cli/run_options.h"

/**
 * Run the guest of @p o on both engines of o->engines and print the outcome.
 * @return 0 when they agree to the end; 1 when they differ; 124 when a limit ended the comparison;
 *         125 when it could not be made, with one sentence in @p e
 */
int lockstep_run(const struct run_options *o, struct errmsg *e);

#endif
