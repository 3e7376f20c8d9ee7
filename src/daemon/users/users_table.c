/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of users in memory: lookup, taking in, loading. Numbers are given once and stay. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "base/vm_ids.h"
#include "daemon/users/users_internal.h"

#define PASSWD_BYTES 4096
#define SUBUID_FILE  "/etc/subuid"

bool users_is_super(const struct users *u, uid_t uid)
{
	return uid == 0 || uid == u->self;
}

int64_t users_find_locked(const struct users *u, uid_t uid)
{
	for (uint32_t i = 0; i < u->n; i++) {
		if (u->uids[i] == uid) {
			return i;
		}
	}
	return -1;
}

void users_name_of(uid_t uid, char ret[USERS_NAME_BYTES])
{
	char buf[PASSWD_BYTES];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found &&
	    strlen(found->pw_name) < USERS_NAME_BYTES) {
		snprintf(ret, USERS_NAME_BYTES, "%s", found->pw_name);
	} else {
		snprintf(ret, USERS_NAME_BYTES, "%u", uid);
	}
}

/* NAME:FIRST:COUNT */
static bool is_in_range(const char *line, uid_t uid)
{
	unsigned long long first, count;
	const char *colon = strchr(line, ':');

	/* NOLINTNEXTLINE(cert-err34-c): what is too large is in no range */
	return colon && sscanf(colon, ":%llu:%llu", &first, &count) == 2 && uid >= first &&
	       uid - first < count;
}

bool users_is_borrowed(uid_t uid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char line[512];

	if (uid >= VM_ID_BASE && uid - VM_ID_BASE < VM_ID_COUNT) {
		return true;
	}
	f = fopen(SUBUID_FILE, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (is_in_range(line, uid)) {
			return true;
		}
	}
	return false;
}

int users_parse(const char *text, uid_t *ret, struct errmsg *e)
{
	char buf[PASSWD_BYTES];
	struct passwd pw, *found = NULL;
	uint64_t v;

	if (strlen(text) >= USERS_NAME_BYTES) {
		return errmsg_set(e, -ENOENT, "no user has a name that long");
	}
	if (parse_u64(text, &v, NULL) == 0) {
		if (v >= UINT32_MAX) {
			return errmsg_set(e, -ENOENT, "%s is no user number", text);
		}
		*ret = (uid_t)v;
		return 0;
	}
	if (getpwnam_r(text, &pw, buf, sizeof(buf), &found) != 0 || !found) {
		return errmsg_set(e, -ENOENT, "this host knows no user \"%s\"", text);
	}
	*ret = found->pw_uid;
	return 0;
}

static uint32_t clamp32(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

struct sched_quota users_sched_quota(const struct users *u, const struct users_quota *q)
{
	struct sched_quota s = { .vcpus = clamp32(q->vcpus),
				 .excl = clamp32(q->exclusive_cores),
				 .slice_sum_ns = STORE_NONE };

	if (q->slice_share_permille != STORE_NONE) {
		/* At most 1000 permille of 1024 cores: it fits. */
		s.slice_sum_ns = q->slice_share_permille * u->n_cores * (USERS_ROUND_NS / 1000);
	}
	return s;
}

int users_quota_check(const struct users_quota *q, struct errmsg *e)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{ "running_vms", q->running_vms },   { "vcpus", q->vcpus },
		{ "memory_bytes", q->memory_bytes }, { "exclusive_cores", q->exclusive_cores },
		{ "definitions", q->definitions },   { "images_bytes", q->images_bytes },
		{ "max_prio", q->max_prio },	     { "max_slice_ns", q->max_slice_ns },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].value > STORE_NONE) {
			return errmsg_set(e, -EINVAL, "quota %s is too large", all[i].name);
		}
	}
	if (q->slice_share_permille > 1000 && q->slice_share_permille != STORE_NONE) {
		return errmsg_set(e, -EINVAL, "quota slice_share_permille is at most 1000");
	}
	if (q->max_prio >= SCHED_LEVELS && q->max_prio != STORE_NONE) {
		return errmsg_set(e, -EINVAL, "quota max_prio is from 0 to %d", SCHED_LEVELS - 1);
	}
	if (q->max_slice_ns != STORE_NONE &&
	    (q->max_slice_ns < SCHED_SLICE_MIN_NS || q->max_slice_ns > SCHED_SLICE_MAX_NS)) {
		return errmsg_set(e, -EINVAL, "quota max_slice_ns is from 500000 to 100000000");
	}
	return 0;
}

int users_register_locked(struct users *u, uid_t uid, const char *name, uint32_t *ret,
			  struct errmsg *e)
{
	struct users_quota quota = u->options.default_quota;
	struct sched_event ev = { .type = SCHED_EV_USER_ADD, .user = u->n };
	struct user *user;
	int r;

	if (u->n == u->options.max_users) {
		return errmsg_set(e, -ENOSPC, "there are already %u users, the most that fit",
				  u->n);
	}
	if (users_is_super(u, uid)) {
		quota = (struct users_quota){ STORE_NONE, STORE_NONE, STORE_NONE,
					      STORE_NONE, STORE_NONE, STORE_NONE,
					      STORE_NONE, STORE_NONE, STORE_NONE };
	}
	ev.quota = users_sched_quota(u, &quota);
	r = dispatch_event(u->options.dispatch, &ev, e);
	if (r < 0) {
		return r;
	}
	user = &u->user[u->n];
	memset(user, 0, sizeof(*user));
	snprintf(user->name, sizeof(user->name), "%s", name);
	user->quota = quota;
	user->is_admin = users_is_super(u, uid);
	u->uids[u->n] = uid;
	*ret = u->n++;
	return 0;
}

int users_enter(struct users *u, uid_t uid, uint32_t *ret, struct errmsg *e)
{
	char name[USERS_NAME_BYTES];
	int64_t i;
	int r = 0;

	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	pthread_mutex_unlock(&u->lock);
	if (i >= 0) {
		*ret = (uint32_t)i;
		return 0;
	}
	users_name_of(uid, name);
	pthread_mutex_lock(&u->lock);
	i = users_find_locked(u, uid);
	if (i >= 0) {
		*ret = (uint32_t)i;
	} else {
		r = users_register_locked(u, uid, name, ret, e);
	}
	pthread_mutex_unlock(&u->lock);
	return r;
}

/* Rows are copied while the store's writer visits them, and used afterwards. */
struct load {
	struct users *u;
	uint32_t n, max;
	struct loaded {
		enum store_kind kind;
		uid_t uid;
		struct user user;
	} * rows;
};

static struct loaded *load_next(struct load *l)
{
	struct loaded *rows;

	if (l->n == l->max) {
		rows = realloc(l->rows, (l->max * 2 + 16) * sizeof(*rows));
		if (!rows) {
			return NULL;
		}
		l->rows = rows;
		l->max = l->max * 2 + 16;
	}
	memset(&l->rows[l->n], 0, sizeof(*l->rows));
	return &l->rows[l->n++];
}

static int load_row(void *arg, const struct store_row *row)
{
	struct load *l = arg;
	struct loaded *x = load_next(l);
	struct user *user;

	if (!x) {
		return -ENOMEM;
	}
	user = &x->user;
	x->kind = row->kind;
	if (row->kind == STORE_CEILING) {
		x->uid = (uid_t)row->ceiling.uid;
		user->quota.max_prio = row->ceiling.max_prio;
		user->quota.max_slice_ns = row->ceiling.max_slice_ns;
		return 0;
	}
	if (row->kind == STORE_BAN) {
		x->uid = (uid_t)row->ban.uid;
		user->is_banned = true;
		user->banned_by = (uid_t)row->ban.by_uid;
		snprintf(user->ban_reason, sizeof(user->ban_reason), "%s", row->ban.reason);
		return 0;
	}
	x->uid = (uid_t)row->user.uid;
	user->is_known = true;
	user->is_admin = row->user.role == STORE_ROLE_ADMIN;
	snprintf(user->name, sizeof(user->name), "%s", row->user.name);
	user->quota = (struct users_quota){
		.running_vms = row->user.max_running_vms,
		.vcpus = row->user.max_vcpus,
		.memory_bytes = row->user.max_memory_bytes,
		.exclusive_cores = row->user.max_exclusive_cores,
		.slice_share_permille = row->user.max_slice_share_permille,
		.definitions = row->user.max_definitions,
		.images_bytes = row->user.max_images_bytes,
		/* Until the ceiling's own row is read; an older database has none. */
		.max_prio = l->u->options.default_quota.max_prio,
		.max_slice_ns = l->u->options.default_quota.max_slice_ns,
	};
	return 0;
}

static int load_apply(struct users *u, const struct loaded *x, struct errmsg *e)
{
	struct sched_event ev;
	struct user *user;
	uint32_t i;
	int r = users_enter(u, x->uid, &i, e);

	if (r < 0) {
		return r;
	}
	user = &u->user[i];
	if (x->kind == STORE_CEILING) {
		user->quota.max_prio = x->user.quota.max_prio;
		user->quota.max_slice_ns = x->user.quota.max_slice_ns;
		return 0;
	}
	ev = (struct sched_event){ .type = SCHED_EV_USER_BAN, .user = i };
	if (x->kind == STORE_BAN) {
		user->is_banned = true;
		user->banned_by = x->user.banned_by;
		memcpy(user->ban_reason, x->user.ban_reason, sizeof(user->ban_reason));
	} else {
		user->is_known = true;
		user->is_admin = x->user.is_admin || users_is_super(u, x->uid);
		memcpy(user->name, x->user.name, sizeof(user->name));
		user->quota = x->user.quota;
		ev.type = SCHED_EV_USER_QUOTA;
		ev.quota = users_sched_quota(u, &user->quota);
	}
	r = dispatch_event(u->options.dispatch, &ev, e);
	return r == -EALREADY ? 0 : r;
}

int users_load(struct users *u, struct errmsg *e)
{
	struct load l = { .u = u };
	int r = store_each(u->options.store, STORE_USER, load_row, &l, e);

	if (r == 0) {
		r = store_each(u->options.store, STORE_CEILING, load_row, &l, e);
	}
	if (r == 0) {
		r = store_each(u->options.store, STORE_BAN, load_row, &l, e);
	}
	for (uint32_t i = 0; r == 0 && i < l.n; i++) {
		r = load_apply(u, &l.rows[i], e);
	}
	free(l.rows);
	return r;
}
