/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users: quota arithmetic, bans, what a restart brings back. The dispatcher is a fake that notes what it is told. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "daemon/users/users.h"
#include "temp_dir.h"
#include "test.h"

#define USERS 8u

static char dir[256];
static struct store *st;
static struct users *us;
static struct users_options options;
static struct errmsg em;

/* The fake: what sched.h would know. */
static struct sched_user_info fake_user[USERS];
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;

static int fake_event(const struct sched_event *ev)
{
	struct sched_user_info *u;

	if (ev->user >= USERS) {
		return -ERANGE;
	}
	u = &fake_user[ev->user];
	switch (ev->type) {
	case SCHED_EV_USER_ADD:
		if (u->exists) {
			return -EEXIST;
		}
		u->exists = true;
		u->quota = ev->quota;
		return 0;
	case SCHED_EV_USER_QUOTA:
		u->quota = ev->quota;
		return u->exists ? 0 : -ENOENT;
	case SCHED_EV_USER_BAN:
	case SCHED_EV_USER_UNBAN:
		if (u->is_banned == (ev->type == SCHED_EV_USER_BAN)) {
			return -EALREADY;
		}
		u->is_banned = !u->is_banned;
		return 0;
	default:
		return -EINVAL;
	}
}

int dispatch_event(struct dispatch *d, const struct sched_event *ev, struct errmsg *e)
{
	int r;

	(void)d;
	pthread_mutex_lock(&fake_lock);
	r = fake_event(ev);
	pthread_mutex_unlock(&fake_lock);
	return r < 0 ? errmsg_set(e, r, "fake dispatcher: %s", strerror(-r)) : 0;
}

int dispatch_core_get(struct dispatch *d, uint16_t core, struct dispatch_core_info *ret)
{
	(void)d;
	(void)ret;
	return core < 4 ? 0 : -ERANGE;
}

int dispatch_user_get(struct dispatch *d, uint32_t user, struct sched_user_info *ret)
{
	(void)d;
	if (user >= USERS) {
		return -ERANGE;
	}
	*ret = fake_user[user];
	return 0;
}

static void open_all(void)
{
	struct store_options so;

	memset(fake_user, 0, sizeof(fake_user));
	store_options_defaults(&so);
	so.state_dir = dir;
	CHECK_INT(store_open(&so, &st, NULL, &em), 0);
	options.store = st;
	CHECK_INT(users_open(&options, &us, &em), 0);
}

static void close_all(void)
{
	users_close(us);
	store_close(st);
	us = NULL;
	st = NULL;
}

static void begin(void)
{
	users_options_defaults(&options);
	options.max_users = USERS;
	temp_dir_make(dir, sizeof(dir));
	em.text[0] = '\0';
	open_all();
}

static void end(void)
{
	close_all();
	temp_dir_remove(dir);
}

static void restart(void)
{
	close_all();
	open_all();
}

static struct users_info info_of(uid_t uid)
{
	struct users_info i;

	CHECK_INT(users_get(us, uid, &i), 0);
	return i;
}

static void test_superuser(void)
{
	uint32_t number;

	begin();
	CHECK(users_is_admin(us, 0));
	CHECK(users_is_admin(us, geteuid()));
	CHECK(!users_is_admin(us, 4000));
	CHECK_INT(users_number(us, 0, &number, &em), 0);
	CHECK(info_of(0).quota.running_vms == STORE_NONE);
	CHECK_INT(users_ban(us, 0, 0, "no", &em), -EPERM);
	CHECK(!users_is_banned(us, 0));
	CHECK_STR(info_of(0).name, "root");
	CHECK_STR(info_of(4000000).name, "4000000");
	end();
}

static void test_numbers(void)
{
	uint32_t a, b, again, n;

	begin();
	CHECK_INT(users_number(us, 4000, &a, &em), 0);
	CHECK_INT(users_number(us, 4001, &b, &em), 0);
	CHECK_INT(users_number(us, 4000, &again, &em), 0);
	CHECK(a != b && a == again && a < USERS && b < USERS);
	for (uid_t uid = 5000; uid < 5000 + USERS - 2; uid++) {
		CHECK_INT(users_number(us, uid, &n, &em), 0);
	}
	n = 77;
	CHECK_INT(users_number(us, 6000, &n, &em), -ENOSPC);
	CHECK_INT(n, 77);
	CHECK_STR(em.text, "there are already 8 users, the most that fit");
	end();
}

static void test_quota_arithmetic(void)
{
	struct users_quota q = { 2, 9, 1000, 1, 250, 3, 4, 5, SCHED_SLICE_NS };
	uint32_t n;

	begin();
	CHECK_INT(users_add(us, 4000, false, &q, &em), 0);
	CHECK_INT(users_number(us, 4000, &n, &em), 0);
	CHECK_INT(fake_user[n].quota.vcpus, 9);
	CHECK_INT(fake_user[n].quota.excl, 1);
	/* A quarter of four cores for a round of one second. */
	CHECK_INT(fake_user[n].quota.slice_sum_ns, NS_PER_S);
	CHECK_INT(users_charge(us, 4000, 600, &em), 0);
	CHECK_INT(users_charge(us, 4000, 401, &em), -EDQUOT);
	CHECK_INT(users_charge(us, 4000, UINT64_MAX, &em), -EDQUOT);
	CHECK_INT(info_of(4000).memory_bytes, 600);
	CHECK_INT(info_of(4000).running_vms, 1);
	CHECK_INT(users_charge(us, 4000, 400, &em), 0);
	CHECK_INT(users_charge(us, 4000, 0, &em), -EDQUOT);
	CHECK_STR(em.text, "user 4000 runs 2 VMs of 2 that are allowed");
	users_release(us, 4000, 600);
	CHECK_INT(users_charge(us, 4000, 601, &em), -EDQUOT);
	CHECK_INT(users_charge(us, 4000, 600, &em), 0);
	/* Lowered below what is in use: nothing is taken away, nothing more is given. */
	q.running_vms = 1;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), 0);
	users_release(us, 4000, 600);
	CHECK_INT(users_charge(us, 4000, 0, &em), -EDQUOT);
	users_charge_again(us, 4000, 5000);
	CHECK_INT(info_of(4000).memory_bytes, 5400);
	end();
}

static void test_no_limit(void)
{
	struct users_quota q = { STORE_NONE, STORE_NONE, STORE_NONE, STORE_NONE, STORE_NONE,
				 STORE_NONE, STORE_NONE, STORE_NONE, STORE_NONE };
	uint32_t n;

	begin();
	CHECK_INT(users_add(us, 4000, false, &q, &em), 0);
	CHECK_INT(users_number(us, 4000, &n, &em), 0);
	CHECK(fake_user[n].quota.vcpus == UINT32_MAX);
	CHECK(fake_user[n].quota.slice_sum_ns == STORE_NONE);
	CHECK_INT(users_charge(us, 4000, 1ull << 62, &em), 0);
	CHECK_INT(users_charge(us, 4000, 1ull << 62, &em), 0);
	CHECK_INT(users_charge(us, 4000, 1ull << 63, &em), -EDQUOT); /* the sum does not fit */
	q.slice_share_permille = 1001;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), -EINVAL);
	q.slice_share_permille = 5;
	q.vcpus = STORE_NONE + 1;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), -EINVAL);
	CHECK_STR(em.text, "quota vcpus is too large");
	CHECK(info_of(4000).quota.slice_share_permille == STORE_NONE);
	end();
}

static void test_ban(void)
{
	uint32_t n;

	begin();
	CHECK_INT(users_number(us, 4000, &n, &em), 0);
	CHECK_INT(users_ban(us, 4000, 0, "mining", &em), 0);
	CHECK(users_is_banned(us, 4000) && fake_user[n].is_banned);
	CHECK_STR(info_of(4000).ban_reason, "mining");
	CHECK_INT(users_charge(us, 4000, 1, &em), -EPERM);
	CHECK_STR(em.text, "user 4000 is banned: mining");
	CHECK_INT(users_ban(us, 4000, 0, "mining again", &em), 0);
	restart();
	CHECK(users_is_banned(us, 4000) && fake_user[0].is_banned);
	CHECK_STR(info_of(4000).ban_reason, "mining again");
	CHECK(!info_of(4000).is_known);
	CHECK_INT(users_unban(us, 4000, &em), 0);
	CHECK_INT(users_unban(us, 4000, &em), -ENOENT);
	CHECK(!fake_user[0].is_banned);
	restart();
	CHECK(!users_is_banned(us, 4000));
	CHECK_INT(users_charge(us, 4000, 1, &em), 0);
	end();
}

static void test_restart(void)
{
	struct users_quota q = { 1, 2, 3, 4, 5, 6, 7, 2, SCHED_SLICE_NS };
	struct users_info i;
	uint32_t n;

	begin();
	CHECK_INT(users_add(us, 4000, true, &q, &em), 0);
	CHECK_INT(users_add(us, 4000, true, &q, &em), -EEXIST);
	CHECK_INT(users_add(us, 4001, false, NULL, &em), 0);
	CHECK_INT(users_ban(us, 4001, 4000, "x", &em), 0);
	CHECK_INT(users_number(us, 4002, &n, &em), 0);
	restart();
	i = info_of(4000);
	CHECK(i.is_admin && i.is_known && users_is_admin(us, 4000));
	CHECK(memcmp(&i.quota, &q, sizeof(q)) == 0);
	CHECK_INT(fake_user[0].quota.vcpus, 2);
	i = info_of(4001);
	CHECK(!i.is_admin && i.is_known && i.is_banned);
	CHECK_INT(i.quota.running_vms, options.default_quota.running_vms);
	CHECK(!info_of(4002).is_known);
	end();
}

static void test_remove(void)
{
	struct users_quota q = { 1, 2, 3, 4, 5, 6, 7, 2, SCHED_SLICE_NS };

	begin();
	CHECK_INT(users_remove(us, 4000, &em), -ENOENT);
	CHECK_INT(users_add(us, 4000, true, &q, &em), 0);
	CHECK_INT(users_charge(us, 4000, 1, &em), 0);
	CHECK_INT(users_remove(us, 4000, &em), -EBUSY);
	users_release(us, 4000, 1);
	CHECK_INT(users_remove(us, 4000, &em), 0);
	CHECK(!users_is_admin(us, 4000));
	CHECK_INT(info_of(4000).quota.vcpus, options.default_quota.vcpus);
	restart();
	CHECK(!info_of(4000).is_known);
	end();
}

static void test_ceilings(void)
{
	struct users_quota q;
	uint8_t prio = 0;
	ns_t slice_ns = 0;

	begin();
	/* Nobody has added him. */
	CHECK_INT(users_ceiling_check(us, 4000, 4, 20 * NS_PER_MS, &em), 0);
	CHECK_INT(users_ceiling_check(us, 4000, 5, 0, &em), -EDQUOT);
	CHECK_STR(em.text, "user 4000 may give his VMs priority 4 at most, not 5");
	CHECK_INT(users_ceiling_check(us, 4000, 0, 20 * NS_PER_MS + 1000, &em), -EDQUOT);
	CHECK_STR(em.text,
		  "user 4000 may give his VMs slices of 20000 us at most, not of 20001 us");
	CHECK_INT(users_ceiling_check(us, 0, 7, 100 * NS_PER_MS, &em), 0);
	q = info_of(4000).quota;
	q.max_prio = 6;
	q.max_slice_ns = 5 * NS_PER_MS;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), 0);
	restart();
	users_ceiling_get(us, 4000, &prio, &slice_ns);
	CHECK_INT(prio, 6);
	CHECK_INT(slice_ns, 5 * NS_PER_MS);
	CHECK_INT(users_ceiling_check(us, 4000, 6, 5 * NS_PER_MS, &em), 0);
	CHECK_INT(users_ceiling_check(us, 4000, 7, 0, &em), -EDQUOT);
	q.max_prio = STORE_NONE;
	q.max_slice_ns = STORE_NONE;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), 0);
	users_ceiling_get(us, 4000, &prio, &slice_ns);
	CHECK_INT(prio, SCHED_LEVELS - 1);
	CHECK_INT(slice_ns, SCHED_SLICE_MAX_NS);
	q.max_prio = SCHED_LEVELS;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), -EINVAL);
	q.max_prio = 0;
	q.max_slice_ns = SCHED_SLICE_MIN_NS - 1;
	CHECK_INT(users_set_quota(us, 4000, &q, &em), -EINVAL);
	CHECK_INT(users_remove(us, 4000, &em), 0);
	CHECK_INT(info_of(4000).quota.max_prio, USERS_PRIO_MAX);
	end();
}

/* Users of an older database have no row for it. */
static void test_ceilings_of_an_older_database(void)
{
	struct store_change c = { STORE_DELETE, { STORE_CEILING, .ceiling = { .uid = 4000 } } };
	struct users_quota q = { 1, 2, 3, 4, 5, 6, 7, 7, SCHED_SLICE_MAX_NS };

	begin();
	CHECK_INT(users_add(us, 4000, false, &q, &em), 0);
	CHECK_INT(store_apply(st, &c, 1, &em), 0);
	restart();
	CHECK_INT(info_of(4000).quota.vcpus, 2);
	CHECK_INT(info_of(4000).quota.max_prio, USERS_PRIO_MAX);
	CHECK_INT(users_ceiling_check(us, 4000, 7, 0, &em), -EDQUOT);
	end();
}

static void test_refuse_unknown(void)
{
	uint32_t n;

	begin();
	options.refuses_unknown = true;
	restart();
	CHECK_INT(users_number(us, 4000, &n, &em), -EPERM);
	CHECK_STR(em.text, "user 4000 is not known here: an administrator must add it");
	CHECK(users_is_refused(us, 4000) && !users_is_refused(us, 0));
	CHECK_INT(users_number(us, 0, &n, &em), 0);
	CHECK_INT(users_add(us, 4000, false, NULL, &em), 0);
	CHECK_INT(users_number(us, 4000, &n, &em), 0);
	CHECK(!users_is_refused(us, 4000));
	end();
}

static void test_parse(void)
{
	uid_t uid = 9;

	CHECK_INT(users_parse("root", &uid, &em), 0);
	CHECK_INT(uid, 0);
	CHECK_INT(users_parse("1234", &uid, &em), 0);
	CHECK_INT(uid, 1234);
	CHECK_INT(users_parse("4294967295", &uid, &em), -ENOENT); /* (uid_t)-1 is nobody */
	CHECK_INT(users_parse("-1", &uid, &em), -ENOENT);
	CHECK_INT(users_parse("no-such-user", &uid, &em), -ENOENT);
	CHECK_INT(users_parse("", &uid, &em), -ENOENT);
	CHECK_INT(uid, 1234);
}

static void *charge_and_release(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		if (users_charge(us, 4000, 10, NULL) == 0) {
			users_release(us, 4000, 10);
		}
	}
	return NULL;
}

static void test_concurrent(void)
{
	struct users_quota q = { 2, 9, 20, 1, 250, 3, 4, 5, SCHED_SLICE_NS };
	pthread_t t[4];

	begin();
	CHECK_INT(users_add(us, 4000, false, &q, &em), 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_INT(pthread_create(&t[i], NULL, charge_and_release, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		pthread_join(t[i], NULL);
	}
	CHECK_INT(info_of(4000).running_vms, 0);
	CHECK_INT(info_of(4000).memory_bytes, 0);
	end();
}

static const struct test_case cases[] = {
	{ "the superuser is an administrator and can't be banned", test_superuser },
	{ "numbers are given once and run out with a sentence", test_numbers },
	{ "quotas add up, refuse without a trace, and come back", test_quota_arithmetic },
	{ "no limit is no limit, and bad quotas are refused", test_no_limit },
	{ "a ban holds at once and after a restart", test_ban },
	{ "roles, quotas and bans are there after a restart", test_restart },
	{ "a removed user is an unknown one", test_remove },
	{ "priorities and slices have a ceiling", test_ceilings },
	{ "users of an older database get the default ceiling",
	  test_ceilings_of_an_older_database },
	{ "unknown users are refused where the configuration says so", test_refuse_unknown },
	{ "names and numbers of users", test_parse },
	{ "four threads charge and release", test_concurrent },
};

TEST_MAIN(cases)
