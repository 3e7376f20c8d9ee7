/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where `pinfold top` gets its facts: the API of the daemon, behind one function, so that tests put
 * recorded or made-up answers in its place.
 */
#ifndef PINFOLD_CLI_TOP_SOURCE_H
#define PINFOLD_CLI_TOP_SOURCE_H

#include <jansson.h>

#include "base/errmsg.h"

/** The API of a daemon. */
struct top_source {
	/**
	 * One request; waits for its answer, for a bounded time.
	 * @param body borrowed; NULL: none
	 * @param ret  the answer, a new reference; NULL when it has no body; untouched on failure
	 * @return 0; negative errno with a sentence for a person
	 * Thread: one at a time, not always the same.
	 */
	int (*request)(void *ctx, const char *method, const char *path, json_t *body, json_t **ret,
		       struct errmsg *e);
	void *ctx;
};

#endif
