/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates of changes and counted refusals, with a clock that stands where the test puts it. */
#include "daemon/api/rate.h"
#include "daemon/api/refusals.h"
#include "test.h"

/* How many tokens there are at once. */
static uint32_t take_all(struct api_rate *r, uid_t uid, ns_t now_ns)
{
	uint32_t n = 0;

	while (n < 1000000 && api_rate_take(r, uid, now_ns)) {
		n++;
	}
	return n;
}

static void test_bucket_empties_and_fills(void)
{
	struct api_rate *r = api_rate_new(10, 25);
	ns_t now_ns = 1000 * NS_PER_S;

	CHECK_INT(take_all(r, 1000, now_ns), 25);
	CHECK_INT(take_all(r, 1000, now_ns + 99 * NS_PER_MS), 0);
	CHECK_INT(take_all(r, 1000, now_ns + 100 * NS_PER_MS), 1);
	CHECK_INT(take_all(r, 1000, now_ns + NS_PER_S), 9);
	CHECK_INT(take_all(r, 1000, now_ns + 100 * NS_PER_S), 25); /* no more than full */
	api_rate_free(r);
}

static void test_users_do_not_share(void)
{
	struct api_rate *r = api_rate_new(1, 3);

	CHECK_INT(take_all(r, 1000, NS_PER_S), 3);
	CHECK_INT(take_all(r, 1001, NS_PER_S), 3);
	CHECK_INT(take_all(r, 1000, 2 * NS_PER_S), 1);
	api_rate_free(r);
}

static void test_no_bound_and_another_one(void)
{
	struct api_rate *r = api_rate_new(0, 1);

	CHECK_INT(take_all(r, 1000, 0), 1000000);
	api_rate_set(r, 2, 4);
	CHECK_INT(take_all(r, 1000, NS_PER_S), 4);
	CHECK_INT(take_all(r, 1000, 2 * NS_PER_S), 2);
	api_rate_free(r);
}

/* Those beyond the table share one bucket; when the others' are full again there is room. */
static void test_table_is_bounded(void)
{
	struct api_rate *r = api_rate_new(1, 2);

	for (uint32_t i = 0; i < API_RATE_USERS; i++) {
		CHECK_INT(take_all(r, i, 0), 2);
	}
	CHECK_INT(take_all(r, 100000, 0), 2);
	CHECK_INT(take_all(r, 100001, 0), 0);
	CHECK_INT(take_all(r, 100001, 10 * NS_PER_S), 2);
	CHECK_INT(take_all(r, 100002, 10 * NS_PER_S), 2);
	api_rate_free(r);
}

static void test_first_refusal_is_recorded_the_rest_counted(void)
{
	struct api_refusals *r = api_refusals_new();
	struct api_refused x;

	CHECK(api_refusals_note(r, 1000, API_REFUSED_BANNED, "vm.list", 0));
	CHECK(!api_refusals_note(r, 1000, API_REFUSED_BANNED, "vm.create", NS_PER_S));
	CHECK(!api_refusals_note(r, 1000, API_REFUSED_BANNED, "vm.get", 2 * NS_PER_S));
	CHECK(api_refusals_note(r, 1000, API_REFUSED_RIGHT, "shutdown", 2 * NS_PER_S));
	CHECK(api_refusals_note(r, 1001, API_REFUSED_BANNED, "vm.list", 2 * NS_PER_S));
	CHECK(!api_refusals_take(r, API_REFUSALS_EVERY_NS - 1, &x));
	CHECK(api_refusals_take(r, API_REFUSALS_EVERY_NS, &x));
	CHECK_INT(x.uid, 1000);
	CHECK_INT(x.why, API_REFUSED_BANNED);
	CHECK_INT(x.n, 2);
	CHECK_STR(x.operation, "vm.get");
	CHECK(!api_refusals_take(r, UINT64_MAX, &x)); /* the others came once: told already */
	CHECK(api_refusals_note(r, 1000, API_REFUSED_BANNED, "vm.list", 0));
	api_refusals_free(r);
}

/* However many users are refused how often: so many records a minute, and none is forgotten. */
static void test_refusals_cannot_flood(void)
{
	struct api_refusals *r = api_refusals_new();
	uint64_t records = 0, counted = 0;
	struct api_refused x;

	for (uint32_t i = 0; i < 100000; i++) {
		records += api_refusals_note(r, i % 5000, (enum api_refusal)(i % 3), "vm.list", i);
	}
	CHECK(records <= API_REFUSALS_MAX + 3);
	while (api_refusals_take(r, 2 * API_REFUSALS_EVERY_NS, &x)) {
		counted += x.n;
	}
	CHECK_INT(records + counted, 100000);
	api_refusals_free(r);
}

static void test_names(void)
{
	for (int i = 0; i < API_REFUSED_COUNT; i++) {
		CHECK(strcmp(api_refusal_name((enum api_refusal)i), "?") != 0);
	}
}

static const struct test_case cases[] = {
	{ "a bucket empties and fills", test_bucket_empties_and_fills },
	{ "users do not share a bucket", test_users_do_not_share },
	{ "no bound, then another one", test_no_bound_and_another_one },
	{ "the table of buckets is bounded", test_table_is_bounded },
	{ "the first refusal is recorded, the rest counted",
	  test_first_refusal_is_recorded_the_rest_counted },
	{ "refusals cannot flood", test_refusals_cannot_flood },
	{ "every reason has a name", test_names },
};

TEST_MAIN(cases)
