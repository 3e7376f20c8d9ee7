/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users: what they may do and have. A change is made durable first, then takes effect in memory, then
 * with the scheduler, so that a crash in between leaves what was acknowledged.
 */
#include "daemon/users/users.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/users/users_internal.h"

void users_options_defaults(struct users_options *o)
{
	memset(o, 0, sizeof(*o));
	o->default_quota = (struct users_quota){
		.running_vms = 64,
		.vcpus = 64,
		.memory_bytes = 4ull << 30,
		.exclusive_cores = 1,
		.slice_share_permille = STORE_NONE,
		.definitions = 256,
		.images_bytes = 4ull << 30,
		.max_prio = USERS_PRIO_MAX,
		.max_slice_ns = USERS_SLICE_MAX_NS,
	};
	o->max_users = 1024;
}

int users_open(const struct users_options *o, struct users **ret, struct errmsg *e)
{
	struct dispatch_core_info core;
	struct users *u;
	int r = users_quota_check(&o->default_quota, e);

	if (r < 0) {
		return r;
	}
	u = calloc(1, sizeof(*u));
	if (!u) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	u->options = *o;
	u->self = geteuid();
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->change_lock, NULL);
	u->uids = calloc(o->max_users, sizeof(*u->uids));
	u->user = calloc(o->max_users, sizeof(*u->user));
	while (u->n_cores < SCHED_CORES_MAX &&
	       dispatch_core_get(o->dispatch, (uint16_t)u->n_cores, &core) == 0) {
		u->n_cores++;
	}
	r = u->uids && u->user ? users_load(u, e) : errmsg_set(e, -ENOMEM, "out of memory");
	if (r < 0) {
		users_close(u);
		return r;
	}
	*ret = u;
	return 0;
}

void users_close(struct users *u)
{
	if (!u) {
		return;
	}
	pthread_mutex_destroy(&u->lock);
	pthread_mutex_destroy(&u->change_lock);
	free(u->uids);
	free(u->user);
	free(u);
}

void users_default_quota_set(struct users *u, const struct users_quota *q)
{
	pthread_mutex_lock(&u->lock);
	u->options.default_quota = *q;
	pthread_mutex_unlock(&u->lock);
}

/* A copy of a user as it is, or as it would be taken in. */
static void copy(struct users *u, uid_t uid, struct user *ret, uint32_t *ret_number)
{
	int64_t i;

	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	if (i >= 0) {
		*ret = u->user[i];
		*ret_number = (uint32_t)i;
		pthread_mutex_unlock(&u->lock);
		return;
	}
	memset(ret, 0, sizeof(*ret));
	ret->quota = u->options.default_quota;
	pthread_mutex_unlock(&u->lock);
	*ret_number = SCHED_NONE;
	ret->is_admin = users_is_super(u, uid);
	users_name_of(uid, ret->name);
}

int users_number(struct users *u, uid_t uid, uint32_t *ret, struct errmsg *e)
{
	struct user user;
	uint32_t number;

	copy(u, uid, &user, &number);
	if (user.is_banned) {
		return errmsg_set(e, -EPERM, "user %s is banned: %s", user.name, user.ban_reason);
	}
	if (users_is_refused(u, uid)) {
		return errmsg_set(e, -EPERM,
				  "user %s is not known here: an administrator must add it",
				  user.name);
	}
	return users_enter(u, uid, ret, e);
}

bool users_is_admin(struct users *u, uid_t uid)
{
	bool is_admin = users_is_super(u, uid);
	int64_t i;

	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	is_admin = is_admin || (i >= 0 && u->user[i].is_admin);
	pthread_mutex_unlock(&u->lock);
	return is_admin;
}

bool users_is_banned(struct users *u, uid_t uid)
{
	bool is_banned;
	int64_t i;

	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	is_banned = i >= 0 && u->user[i].is_banned;
	pthread_mutex_unlock(&u->lock);
	return is_banned;
}

bool users_is_refused(struct users *u, uid_t uid)
{
	bool is_known;
	int64_t i;

	if (users_is_super(u, uid)) {
		return false;
	}
	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	is_known = i >= 0 && u->user[i].is_known;
	pthread_mutex_unlock(&u->lock);
	return !is_known && (u->options.refuses_unknown || users_is_borrowed(uid));
}

static int charge_locked(struct user *user, uint64_t memory_bytes, struct errmsg *e)
{
	uint64_t sum;

	if (user->is_banned) {
		return errmsg_set(e, -EPERM, "user %s is banned: %s", user->name, user->ban_reason);
	}
	if (user->running_vms >= user->quota.running_vms) {
		return errmsg_set(e, -EDQUOT,
				  "user %s runs %" PRIu64 " VMs of %" PRIu64 " that are allowed",
				  user->name, user->running_vms, user->quota.running_vms);
	}
	if (__builtin_add_overflow(user->memory_bytes, memory_bytes, &sum) ||
	    (user->quota.memory_bytes != STORE_NONE && sum > user->quota.memory_bytes)) {
		return errmsg_set(e, -EDQUOT,
				  "user %s has %" PRIu64 " MiB in use of %" PRIu64
				  " MiB that are allowed; this VM wants %" PRIu64 " MiB",
				  user->name, user->memory_bytes >> 20,
				  user->quota.memory_bytes >> 20, memory_bytes >> 20);
	}
	user->running_vms++;
	user->memory_bytes = sum;
	return 0;
}

void users_ceiling_get(struct users *u, uid_t uid, uint8_t *ret_prio, ns_t *ret_slice_ns)
{
	struct user user;
	uint32_t number;

	copy(u, uid, &user, &number);
	*ret_prio = user.is_admin || user.quota.max_prio >= SCHED_LEVELS
			    ? SCHED_LEVELS - 1
			    : (uint8_t)user.quota.max_prio;
	*ret_slice_ns = user.is_admin || user.quota.max_slice_ns > SCHED_SLICE_MAX_NS
				? SCHED_SLICE_MAX_NS
				: user.quota.max_slice_ns;
}

int users_ceiling_check(struct users *u, uid_t uid, uint8_t prio, ns_t slice_ns, struct errmsg *e)
{
	char name[USERS_NAME_BYTES];
	ns_t max_slice_ns;
	uint8_t max_prio;

	users_ceiling_get(u, uid, &max_prio, &max_slice_ns);
	if (prio <= max_prio && slice_ns <= max_slice_ns) {
		return 0;
	}
	users_name_of(uid, name);
	if (prio > max_prio) {
		return errmsg_set(e, -EDQUOT,
				  "user %s may give his VMs priority %u at most, not %u", name,
				  max_prio, prio);
	}
	return errmsg_set(e, -EDQUOT,
			  "user %s may give his VMs slices of %" PRIu64
			  " us at most, not of %" PRIu64 " us",
			  name, max_slice_ns / 1000, slice_ns / 1000);
}

int users_charge(struct users *u, uid_t uid, uint64_t memory_bytes, struct errmsg *e)
{
	uint32_t i;
	int r = users_number(u, uid, &i, e);

	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&u->lock);
	r = charge_locked(&u->user[i], memory_bytes, e);
	pthread_mutex_unlock(&u->lock);
	return r;
}

void users_charge_again(struct users *u, uid_t uid, uint64_t memory_bytes)
{
	uint32_t i;

	if (users_enter(u, uid, &i, NULL) < 0) {
		return; /* no room for one more user: it can't start anything either */
	}
	pthread_mutex_lock(&u->lock);
	u->user[i].running_vms++;
	u->user[i].memory_bytes += memory_bytes;
	pthread_mutex_unlock(&u->lock);
}

void users_release(struct users *u, uid_t uid, uint64_t memory_bytes)
{
	int64_t i;

	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	if (i >= 0) {
		BUG_ON(u->user[i].running_vms == 0 || u->user[i].memory_bytes < memory_bytes);
		u->user[i].running_vms--;
		u->user[i].memory_bytes -= memory_bytes;
	}
	pthread_mutex_unlock(&u->lock);
}

/* A user's rows; the name stays with the caller. */
static void changes_of(enum store_op op, uid_t uid, const struct user *user,
		       struct store_change ret[2])
{
	const struct users_quota *q = &user->quota;

	ret[0] = (struct store_change){ .op = op, .row = { .kind = STORE_USER } };
	ret[0].row.user = (struct store_user){
		.uid = uid,
		.name = user->name,
		.role = user->is_admin ? STORE_ROLE_ADMIN : STORE_ROLE_USER,
		.max_running_vms = q->running_vms,
		.max_vcpus = q->vcpus,
		.max_memory_bytes = q->memory_bytes,
		.max_exclusive_cores = q->exclusive_cores,
		.max_slice_share_permille = q->slice_share_permille,
		.max_definitions = q->definitions,
		.max_images_bytes = q->images_bytes,
	};
	/* A user of an older database has none of these. */
	ret[1] = (struct store_change){ .op = op == STORE_DELETE ? STORE_FORGET : STORE_PUT,
					.row = { .kind = STORE_CEILING } };
	ret[1].row.ceiling = (struct store_ceiling){ .uid = uid,
						     .max_prio = q->max_prio,
						     .max_slice_ns = q->max_slice_ns };
}

/* Let a change that is durable take effect. */
static int take_effect(struct users *u, uint32_t number, const struct user *to, struct errmsg *e)
{
	struct sched_event ev = { .type = SCHED_EV_USER_QUOTA, .user = number };
	struct user *user = &u->user[number];

	ev.quota = users_sched_quota(u, &to->quota);
	pthread_mutex_lock(&u->lock);
	user->is_known = to->is_known;
	user->is_admin = to->is_admin;
	user->quota = to->quota;
	pthread_mutex_unlock(&u->lock);
	return dispatch_event(u->options.dispatch, &ev, e);
}

/* Under change_lock: make @p to durable and real. */
static int change(struct users *u, uid_t uid, enum store_op op, struct user *to, struct errmsg *e)
{
	struct store_change c[2];
	uint32_t number;
	int r = users_enter(u, uid, &number, e);

	changes_of(op, uid, to, c);
	if (r == 0) {
		r = store_apply(u->options.store, c, ARRAY_SIZE(c), e);
	}
	return r == 0 ? take_effect(u, number, to, e) : r;
}

int users_add(struct users *u, uid_t uid, bool is_admin, const struct users_quota *q,
	      struct errmsg *e)
{
	struct user to;
	uint32_t number;
	int r = q ? users_quota_check(q, e) : 0;

	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&u->change_lock);
	copy(u, uid, &to, &number);
	if (to.is_known) {
		r = errmsg_set(e, -EEXIST, "user %s is known already", to.name);
	} else {
		to.is_known = true;
		to.is_admin = is_admin || users_is_super(u, uid);
		to.quota = q ? *q : to.quota;
		r = change(u, uid, STORE_CREATE, &to, e);
	}
	pthread_mutex_unlock(&u->change_lock);
	return r;
}

int users_set_quota(struct users *u, uid_t uid, const struct users_quota *q, struct errmsg *e)
{
	struct user to;
	uint32_t number;
	int r = users_quota_check(q, e);

	if (r < 0) {
		return r;
	}
	pthread_mutex_lock(&u->change_lock);
	copy(u, uid, &to, &number);
	to.is_known = true;
	to.quota = *q;
	r = change(u, uid, STORE_PUT, &to, e);
	pthread_mutex_unlock(&u->change_lock);
	return r;
}

/* Under change_lock. */
static int remove_known(struct users *u, uid_t uid, uint32_t number, struct user *to,
			struct errmsg *e)
{
	struct store_change c[2];
	int r;

	changes_of(STORE_DELETE, uid, to, c);
	if (to->running_vms > 0) {
		return errmsg_set(e, -EBUSY, "user %s runs %" PRIu64 " VMs: end them first",
				  to->name, to->running_vms);
	}
	r = store_apply(u->options.store, c, ARRAY_SIZE(c), e);
	if (r < 0) {
		return r;
	}
	to->is_known = false;
	to->is_admin = users_is_super(u, uid);
	if (!to->is_admin) {
		pthread_mutex_lock(&u->lock);
		to->quota = u->options.default_quota;
		pthread_mutex_unlock(&u->lock);
	}
	return take_effect(u, number, to, e);
}

int users_remove(struct users *u, uid_t uid, struct errmsg *e)
{
	struct user to;
	uint32_t number;
	int r;

	pthread_mutex_lock(&u->change_lock);
	copy(u, uid, &to, &number);
	r = to.is_known ? remove_known(u, uid, number, &to, e)
			: errmsg_set(e, -ENOENT, "user %s was never added", to.name);
	pthread_mutex_unlock(&u->change_lock);
	return r;
}

/* Under change_lock: after the store. */
static int ban_take_effect(struct users *u, uint32_t number, bool is_banned, uid_t by,
			   const char *reason, struct errmsg *e)
{
	struct sched_event ev = { .type = is_banned ? SCHED_EV_USER_BAN : SCHED_EV_USER_UNBAN,
				  .user = number };
	struct user *user = &u->user[number];
	int r;

	pthread_mutex_lock(&u->lock);
	user->is_banned = is_banned;
	user->banned_by = by;
	snprintf(user->ban_reason, sizeof(user->ban_reason), "%s", reason);
	pthread_mutex_unlock(&u->lock);
	r = dispatch_event(u->options.dispatch, &ev, e);
	return r == -EALREADY ? 0 : r;
}

int users_ban(struct users *u, uid_t uid, uid_t by, const char *reason, struct errmsg *e)
{
	struct store_change c = { STORE_PUT, { .kind = STORE_BAN } };
	struct timespec now;
	uint32_t number;
	int r;

	if (users_is_super(u, uid)) {
		return errmsg_set(e, -EPERM,
				  "the superuser and the daemon's own user can't be banned");
	}
	if (strlen(reason) >= USERS_REASON_BYTES) {
		return errmsg_set(e, -EINVAL, "the reason has more than %d bytes",
				  USERS_REASON_BYTES - 1);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	c.row.ban = (struct store_ban){ .uid = uid,
					.by_uid = by,
					.since_ns = (uint64_t)now.tv_sec * NS_PER_S +
						    (uint64_t)now.tv_nsec,
					.reason = reason };
	pthread_mutex_lock(&u->change_lock);
	r = users_enter(u, uid, &number, e);
	if (r == 0) {
		r = store_apply(u->options.store, &c, 1, e);
	}
	if (r == 0) {
		r = ban_take_effect(u, number, true, by, reason, e);
	}
	pthread_mutex_unlock(&u->change_lock);
	return r;
}

int users_unban(struct users *u, uid_t uid, struct errmsg *e)
{
	struct store_change c = { STORE_DELETE, { .kind = STORE_BAN } };
	struct user user;
	uint32_t number;
	int r;

	c.row.ban = (struct store_ban){ .uid = uid, .reason = "" };
	pthread_mutex_lock(&u->change_lock);
	copy(u, uid, &user, &number);
	if (!user.is_banned) {
		r = errmsg_set(e, -ENOENT, "user %s is not banned", user.name);
	} else {
		r = store_apply(u->options.store, &c, 1, e);
	}
	if (r == 0) {
		r = ban_take_effect(u, number, false, 0, "", e);
	}
	pthread_mutex_unlock(&u->change_lock);
	return r;
}

static void own_of(uid_t uid, const struct user *user, struct users_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->uid = uid;
	memcpy(ret->name, user->name, sizeof(ret->name));
	ret->is_admin = user->is_admin;
	ret->is_banned = user->is_banned;
	ret->banned_by = user->banned_by;
	ret->is_known = user->is_known;
	memcpy(ret->ban_reason, user->ban_reason, sizeof(ret->ban_reason));
	ret->quota = user->quota;
	ret->running_vms = user->running_vms;
	ret->memory_bytes = user->memory_bytes;
}

static void info_of(struct users *u, uid_t uid, const struct user *user, uint32_t number,
		    struct users_info *ret)
{
	own_of(uid, user, ret);
	if (number != SCHED_NONE) {
		/* A number that the table gave is known to the scheduler. */
		BUG_ON(dispatch_user_get(u->options.dispatch, number, &ret->sched) < 0);
	}
}

int users_get(struct users *u, uid_t uid, struct users_info *ret)
{
	struct user user;
	uint32_t number;

	copy(u, uid, &user, &number);
	info_of(u, uid, &user, number, ret);
	return 0;
}

void users_get_own(struct users *u, uid_t uid, struct users_info *ret)
{
	struct user user;
	uint32_t number;

	copy(u, uid, &user, &number);
	own_of(uid, &user, ret);
}

int users_each(struct users *u, int (*visit)(void *arg, const struct users_info *i), void *arg)
{
	struct users_info info;
	struct user user;
	uid_t uid;
	int r = 0;

	/* Numbers stay, and the table only grows. */
	for (uint32_t i = 0; r == 0; i++) {
		pthread_mutex_lock(&u->lock);
		if (i >= u->n) {
			pthread_mutex_unlock(&u->lock);
			break;
		}
		uid = u->uids[i];
		user = u->user[i];
		pthread_mutex_unlock(&u->lock);
		info_of(u, uid, &user, i, &info);
		r = visit(arg, &info);
	}
	return r;
}
