/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bans that were made at a terminal. In the daemon such a ban is one by USERS_BY_GUARD, and its reason names the
 * instance of the guard: only the same instance lifts it. A reboot does not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/guard/guard_internal.h"

#define REASON_FORMAT "guard, instance %016" PRIx64

static void reason_make(uint64_t instance, char *buf, size_t size)
{
	snprintf(buf, size, REASON_FORMAT, instance);
}

static bool has_uid(const struct pinfold_guard_bans *bans, uid_t uid)
{
	for (uint32_t i = 0; i < bans->count; i++) {
		if (bans->uids[i] == uid) {
			return true;
		}
	}
	return false;
}

static int ban(struct guard *g, uid_t uid, uint64_t instance, struct errmsg *e)
{
	struct users_info user;
	char reason[64];
	int r;

	users_get_own(g->o.users, uid, &user);
	reason_make(instance, reason, sizeof(reason));
	if (user.is_banned &&
	    (user.banned_by != USERS_BY_GUARD || strcmp(user.ban_reason, reason) == 0)) {
		return 0; /* an administrator's stays his */
	}
	r = users_ban(g->o.users, uid, USERS_BY_GUARD, reason, e);
	if (r < 0) {
		errmsg_prefix(e, "the guard's ban of user %u is not written down: ", uid);
	}
	/* They die whether or not it could be written down. */
	if (g->vms) {
		g->vms->kill_user(g->vms_arg, uid);
	}
	if (r == 0 && !user.is_banned) {
		guard_tell(g, "guard.ban", uid, json_pack("{sI}", "uid", (json_int_t)uid));
	}
	return r;
}

/* Those that the guard does not ban any more, or never did. */
struct lift {
	struct guard *g;
	const struct pinfold_guard_bans *bans;
	char reason[64];
	uint32_t n, n_max, n_old;
	uid_t *uids;
};

static int lift_visit(void *arg, const struct users_info *i)
{
	struct lift *l = arg;

	if (!i->is_banned || i->banned_by != USERS_BY_GUARD || has_uid(l->bans, i->uid)) {
		return 0;
	}
	if (strcmp(i->ban_reason, l->reason) != 0) {
		l->n_old++;
		return 0;
	}
	if (l->n == l->n_max) {
		uid_t *more = realloc(l->uids, (l->n_max + 64) * sizeof(*more));

		if (!more) {
			return -ENOMEM;
		}
		l->uids = more;
		l->n_max += 64;
	}
	l->uids[l->n++] = i->uid;
	return 0;
}

static int unban(struct guard *g, uid_t uid, struct errmsg *e)
{
	int r = users_unban(g->o.users, uid, e);

	if (r < 0) {
		errmsg_prefix(e, "user %u stays banned, whom the guard let go: ", uid);
		return r;
	}
	guard_tell(g, "guard.unban", uid, json_pack("{sI}", "uid", (json_int_t)uid));
	return 0;
}

/* Said when it changes. */
static void note_old(struct guard *g, uint32_t n)
{
	uint32_t before;

	pthread_mutex_lock(&g->lock);
	before = g->info.n_old_bans;
	g->info.n_old_bans = n;
	pthread_mutex_unlock(&g->lock);
	if (n > before) {
		log_warn("users stay banned whom the guard banned before it was loaded anew: "
			 "pinfold "
			 "user unban lifts that n=%u",
			 n);
	}
}

int guard_bans_apply(struct guard *g, uint64_t instance, const struct pinfold_guard_bans *bans,
		     struct errmsg *e)
{
	struct lift l = { .g = g, .bans = bans };
	int r = 0;
	int s;

	for (uint32_t i = 0; i < bans->count; i++) {
		s = ban(g, bans->uids[i], instance, e);
		r = s < 0 ? s : r;
	}
	reason_make(instance, l.reason, sizeof(l.reason));
	s = users_each(g->o.users, lift_visit, &l);
	r = s < 0 ? s : r;
	for (uint32_t i = 0; i < l.n; i++) {
		s = unban(g, l.uids[i], e);
		r = s < 0 ? s : r;
	}
	free(l.uids);
	note_old(g, l.n_old);
	return r;
}
