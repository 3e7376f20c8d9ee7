/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of the guard's log, from a copy or from the module itself. */
#ifndef PINFOLD_CLI_GUARD_SOURCE_H
#define PINFOLD_CLI_GUARD_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "uapi/pinfold_guard.h"

/** The live log. */
#define GUARD_LOG_PATH "/dev/pinfold-guard-log"

/** Records read at a time. */
#define GUARD_SOURCE_RECORDS 64u

struct guard_source {
	int fd;
	bool is_live;
	uint64_t offset; /**< of the next record in the copy */
	size_t n, at;	 /**< in buf */
	size_t rest;	 /**< bytes behind them that are no whole record */
	struct pinfold_guard_record buf[GUARD_SOURCE_RECORDS];
};

/**
 * Open a copy, or what behaves like the live log: a device or a FIFO.
 * @return 0; negative errno with a sentence
 */
int guard_source_open(struct guard_source *s, const char *path, struct errmsg *e);

/** Close. Accepts what was zeroed with fd -1. */
void guard_source_close(struct guard_source *s);

/**
 * The next record, unchecked.
 * @return 1; 0 the end, or of a live log nothing new; -EBADMSG the copy ends within it; negative errno
 */
int guard_source_next(struct guard_source *s, struct pinfold_guard_record *ret);

/** Wait until the live log has more. @return 0; negative errno */
int guard_source_wait(const struct guard_source *s);

/** A checked record for programs. @return a new reference; NULL: out of memory */
json_t *guard_record_json(const struct pinfold_guard_record *r);

#endif
