/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands that show something, page by page. Between pages only a position is kept, and no lock: what
 * comes and goes meanwhile may or may not be seen.
 */
#ifndef PINFOLD_GUARD_LISTING_H
#define PINFOLD_GUARD_LISTING_H

#include "command.h"
#include "guard.h"

#define LISTING_COLUMNS	   80
#define LISTING_PAGE_LINES 22

struct listing {
	struct command command;
	u64 at;	    /* what comes next: an id, a number, an index */
	u64 end;    /* where "log" ends */
	u32 offset; /* within an entry that takes several lines */
	bool has_next;
	char next[LISTING_COLUMNS + 1]; /* the line that comes next, if it is known to exist */
};

/** Begin at the beginning. */
void listing_begin(struct listing *l, const struct guard_actor *who, const struct command *c);

/** Write the next page. @return whether there is another one */
bool listing_page(struct listing *l, const struct guard_actor *who, struct text *out);

#endif
