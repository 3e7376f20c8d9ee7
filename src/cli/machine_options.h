/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of boards that run operating systems: the same for `pinfold run` and for `pinfold create`. */
#ifndef PINFOLD_CLI_MACHINE_OPTIONS_H
#define PINFOLD_CLI_MACHINE_OPTIONS_H

#include <argp.h>
#include <jansson.h>

#include "base/errmsg.h"
#include "cli/client.h"
#include "launch/launch.h"

/** For argp, in group 1 of vm_options.h; ends with { 0 }. Keys: 400 to 449. */
extern const struct argp_option machine_options_table[];

/**
 * Take one option; it may be cut.
 * @return 0; ARGP_ERR_UNKNOWN when it is none of the table; -EINVAL with a sentence that names it
 */
int machine_options_take(int key, char *arg, struct launch_options *o, struct errmsg *e);

/** What the options ask for together. @return 0; -EINVAL with a sentence */
int machine_options_check(const struct launch_options *o, struct errmsg *e);

/**
 * The same as members of a VmSpec; the files are uploaded, unless the daemon has them.
 * @return 0; negative errno with a sentence
 */
int machine_options_to_spec(struct client *c, const struct launch_options *o, bool is_quiet,
			    json_t *spec, struct errmsg *e);

#endif
