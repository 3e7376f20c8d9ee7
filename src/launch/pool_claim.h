/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which daemon schedules which pool core. Two on one core know nothing of each other: their guests
 * starve in turn, and each thinks that the host robs it. So every daemon locks a file per core, in a
 * folder that only its user can write: /run/pinfold-pool for root, else pinfold-pool in
 * $XDG_RUNTIME_DIR, or /tmp/pinfold-pool-UID. Daemons of different users don't meet here; they are
 * seen on the core (daemon/main/loop.c).
 *
 * The locks are those of a process (fcntl), so they end with it and are not inherited.
 */
#ifndef PINFOLD_LAUNCH_POOL_CLAIM_H
#define PINFOLD_LAUNCH_POOL_CLAIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"

#define POOL_CLAIM_WHO_BYTES 256

/** Who has a core. */
struct pool_rival {
	uint16_t core;
	pid_t pid;			/**< 0: in another pid namespace */
	char who[POOL_CLAIM_WHO_BYTES]; /**< its run folder, or "" */
};

struct pool_claim;

/**
 * Claim cores. A process has at most one claim.
 * @param dir   NULL: as above
 * @param cores host core numbers
 * @param who   told to others that want the same
 * @param ret   holds those that nobody else has; pool_claim_free()
 * @param ret_rival the first core that another has
 * @return number of cores that others have; -EPERM the folder is not ours alone; negative errno
 */
int pool_claim_take(const char *dir, const uint16_t *cores, uint32_t n, const char *who,
		    struct pool_claim **ret, struct pool_rival *ret_rival, struct errmsg *e);

/** Give all back. NULL is allowed. */
void pool_claim_free(struct pool_claim *c);

/** Whether a daemon whose locks the caller can see has a core. Not for who has a claim. */
bool pool_claim_is_held(const char *dir, uint16_t core, struct pool_rival *ret);

#endif
