/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside users/: the table in memory. */
#ifndef PINFOLD_DAEMON_USERS_INTERNAL_H
#define PINFOLD_DAEMON_USERS_INTERNAL_H

#include <pthread.h>

#include "daemon/users/users.h"

#define USERS_NAME_BYTES   65
#define USERS_REASON_BYTES 200
/** Slices of a user per shared core and round at a share of 1000 permille. */
#define USERS_ROUND_NS NS_PER_S

/** One user; its index in the table is its number in sched.h, for as long as the daemon runs. */
struct user {
	char name[USERS_NAME_BYTES];
	char ban_reason[USERS_REASON_BYTES];
	bool is_admin, is_known, is_banned;
	uid_t banned_by;
	struct users_quota quota;
	uint64_t running_vms, memory_bytes;
};

struct users {
	struct users_options options;
	uid_t self;
	uint32_t n_cores;	     /* pool cores, for the slice share */
	pthread_mutex_t change_lock; /* one change at a time; held while the disk works */
	pthread_mutex_t lock;	     /* the table; never held while the disk works */
	uint32_t n;
	uid_t *uids;
	struct user *user;
};

/** Whether a user is an administrator whatever the table says. */
bool users_is_super(const struct users *u, uid_t uid);

/** @return index, or -1 */
int64_t users_find_locked(const struct users *u, uid_t uid);

/**
 * Take a user in that is not there yet, and tell the scheduler.
 * @param name from users_name_of()
 * @return 0; -ENOSPC; what dispatch_event() says
 */
int users_register_locked(struct users *u, uid_t uid, const char *name, uint32_t *ret,
			  struct errmsg *e);

/** Find or take in; may ask the host for the name, so without the lock. */
int users_enter(struct users *u, uid_t uid, uint32_t *ret, struct errmsg *e);

/** The name that the host knows, or the number. */
void users_name_of(uid_t uid, char ret[USERS_NAME_BYTES]);

/** What the scheduler is told of a quota. */
struct sched_quota users_sched_quota(const struct users *u, const struct users_quota *q);

/** @return 0; -EINVAL with the name of the bad number */
int users_quota_check(const struct users_quota *q, struct errmsg *e);

/** Load users and bans from the store. */
int users_load(struct users *u, struct errmsg *e);

#endif
