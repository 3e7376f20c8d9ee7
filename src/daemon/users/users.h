/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users: roles, quotas, bans. Known by uid, as the kernel tells it. The superuser and the daemon's own
 * user are administrators and can't be banned. A user nobody has added gets the default quota with
 * the first request (or is refused, if the configuration says so). Changes are durable when a call returns.
 */
#ifndef PINFOLD_DAEMON_USERS_H
#define PINFOLD_DAEMON_USERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"
#include "daemon/dispatch/dispatch.h"
#include "daemon/store/store.h"

/** What a user may have at a time; STORE_NONE: no limit. */
struct users_quota {
	uint64_t running_vms, vcpus, memory_bytes, exclusive_cores;
	uint64_t slice_share_permille; /**< of all shared cores: becomes sched_quota.slice_sum_ns */
	uint64_t definitions, images_bytes;
	uint64_t max_prio, max_slice_ns; /**< that he may ask for, for each of his VMs */
};

/** What an ordinary user gets unless an administrator gives more: half of the priorities. */
#define USERS_PRIO_MAX	   4u
#define USERS_SLICE_MAX_NS (20 * NS_PER_MS)

/** Who bans a user at one of the guard's terminals. */
#define USERS_BY_GUARD ((uid_t)-1)

/** One user, as shown. */
struct users_info {
	uid_t uid;
	char name[65];
	bool is_admin, is_banned, is_known;
	char ban_reason[200];
	uid_t banned_by; /**< with is_banned */
	struct users_quota quota;
	uint64_t running_vms, memory_bytes; /**< now */
	struct sched_user_info sched;
};

struct users;

struct users_options {
	struct users_quota default_quota;
	bool refuses_unknown;
	uint32_t max_users;
	struct store *store;
	struct dispatch *dispatch;
};

/** 64 VMs, 4 GiB, one exclusive core, priority 4, 20 ms; 1024 users. */
void users_options_defaults(struct users_options *o);

/** Load all from the store and tell the scheduler. */
int users_open(const struct users_options *o, struct users **ret, struct errmsg *e);
/** Accepts NULL. */
void users_close(struct users *u);

/** The number of a user in sched.h; registers one nobody knew. @return 0; -EPERM; -ENOSPC */
int users_number(struct users *u, uid_t uid, uint32_t *ret, struct errmsg *e);

/** Whether it may do everything. */
bool users_is_admin(struct users *u, uid_t uid);
/** Whether its requests are refused. */
bool users_is_banned(struct users *u, uid_t uid);
/**
 * Whether this user must be added first: the configuration says so, or it is no user of its own (a VM
 * process, a user namespace of somebody else).
 */
bool users_is_refused(struct users *u, uid_t uid);

/**
 * Whether an id belongs to no person: of a VM process, or subordinate to another user (subuid(5)), who would
 * have 65536 quotas with it.
 */
bool users_is_borrowed(uid_t uid);

/** Another quota for users who are taken in from now on. @param q as checked by the configuration */
void users_default_quota_set(struct users *u, const struct users_quota *q);

/** The highest priority and the longest slice of a user's VMs; all there is for an administrator. */
void users_ceiling_get(struct users *u, uid_t uid, uint8_t *ret_prio, ns_t *ret_slice_ns);

/**
 * Whether a VM of this user may have this priority and this slice.
 * @param prio     0: not asked for, as the slice
 * @return 0; -EDQUOT with what is allowed
 */
int users_ceiling_check(struct users *u, uid_t uid, uint8_t prio, ns_t slice_ns, struct errmsg *e);

/** Take memory and a running VM out of a quota. @return 0; -EDQUOT with what was used and allowed */
int users_charge(struct users *u, uid_t uid, uint64_t memory_bytes, struct errmsg *e);
/** After a restart: what runs already is charged whatever the quota says. */
void users_charge_again(struct users *u, uid_t uid, uint64_t memory_bytes);
/** Takes back one users_charge(). */
void users_release(struct users *u, uid_t uid, uint64_t memory_bytes);

/** @param q NULL: the default. @return 0; -EEXIST; -EINVAL; -ENOSPC; errors of the store */
int users_add(struct users *u, uid_t uid, bool is_admin, const struct users_quota *q,
	      struct errmsg *e);
/** Also for a user nobody has added yet: it is known from then on. */
int users_set_quota(struct users *u, uid_t uid, const struct users_quota *q, struct errmsg *e);
/** Back to what an unknown user has. @return 0; -ENOENT never added; -EBUSY runs VMs */
int users_remove(struct users *u, uid_t uid, struct errmsg *e);
/** The caller ends the VMs (vms_kill_user()). */
int users_ban(struct users *u, uid_t uid, uid_t by, const char *reason, struct errmsg *e);
/** @return 0; -ENOENT not banned; errors of the store */
int users_unban(struct users *u, uid_t uid, struct errmsg *e);

/** One user, also one nobody has heard of. @return 0 */
int users_get(struct users *u, uid_t uid, struct users_info *ret);
/** The same without what the scheduler counts: nobody else is asked. */
void users_get_own(struct users *u, uid_t uid, struct users_info *ret);
/** Visit all who are known or were seen. Not 0 from @p visit ends the walk and is returned. */
int users_each(struct users *u, int (*visit)(void *arg, const struct users_info *i), void *arg);

/** A name or a number as people write it. @return 0; -ENOENT */
int users_parse(const char *text, uid_t *ret, struct errmsg *e);

#endif
