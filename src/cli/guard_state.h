/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guard's state as the module itself tells it, for root. */
#ifndef PINFOLD_CLI_GUARD_STATE_H
#define PINFOLD_CLI_GUARD_STATE_H

#include <jansson.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "uapi/pinfold_guard.h"

/** The module's device. */
#define GUARD_DEVICE_PATH "/dev/pinfold-guard"

/**
 * Ask the module.
 * @param ret_bans may be NULL
 * @return 0; -ENOENT it is not loaded; -EACCES not root; -EPROTO of another revision; negative errno
 */
int guard_state_read(struct pinfold_guard_state *ret, struct pinfold_guard_bans *ret_bans,
		     struct errmsg *e);

/** The same members that the daemon's GET /v1/guard has. @return a new reference; NULL: out of memory */
json_t *guard_state_json(const struct pinfold_guard_state *s, const struct pinfold_guard_bans *b);

/** Print it for people. @param o of the daemon or of guard_state_json() */
void guard_state_print(const json_t *o);

#endif
