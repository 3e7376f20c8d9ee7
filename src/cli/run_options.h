/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `pinfold run` was asked to do. */
#ifndef PINFOLD_CLI_RUN_OPTIONS_H
#define PINFOLD_CLI_RUN_OPTIONS_H

#include <stdbool.h>

#include "base/errmsg.h"
#include "launch/launch.h"

/** The options, checked. Pointers lead into argv. */
struct run_options {
	struct launch_options launch;
	const char *image;	/* NULL with --load-context alone */
	const char *trace_path; /* "-": standard error; or NULL */
	const char *gdb_where;	/* "unix:PATH" or a port; or NULL */
	const char *save_path;	/* for the context at the end; or NULL */
	char engines[2][16];	/* --lockstep; empty if not asked for */
	bool has_regs;
	bool is_json;
	bool is_verbose;
};

/**
 * Parse the command line; --help and --usage print to standard output.
 * @param ret is_json is right on failure too
 * @return 1; 0 when help was printed and nothing is left to do; -EINVAL with one sentence
 */
int run_options_parse(int argc, char **argv, struct run_options *ret, struct errmsg *e);

#endif
