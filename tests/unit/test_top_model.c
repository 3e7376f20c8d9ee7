/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `pinfold top` makes of answers: rates from two looks, counters that go back, VMs that come and
 * go, lanes with gaps, order and filter, keys; and the thread that asks, before a daemon that dies.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "cli/top/top_fetch.h"
#include "cli/top/top_format.h"
#include "test.h"

#define SAMPLE_NS (100 * NS_PER_MS)

static struct top_model m;
static struct top_view v;

static json_t *vm(const char *id, const char *name, uint64_t cpu_ns, uint64_t slices, uint64_t runs)
{
	return json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "id", id, "name", name, "state",
			 "running", "cpu_ns", (json_int_t)cpu_ns, "wait_ns", (json_int_t)cpu_ns * 2,
			 "slices", (json_int_t)slices, "runs", (json_int_t)runs);
}

/* Takes the reference. */
static void take_vms(json_t *list, ns_t now_ns)
{
	struct errmsg e = { 0 };

	CHECK_INT(top_model_take_vms(&m, list, now_ns, &e), 0);
	json_decref(list);
	CHECK_INT(top_view_arrange(&v, &m), 0);
}

static void take_core(uint32_t number, const char *holder_id, uint64_t foreign_ns, ns_t now_ns)
{
	json_t *list = json_pack("[{s:i,s:[s],s:b,s:s?,s:s?,s:I}]", "host_core", (int)number,
				 "roles", "pool", "is_pool", 1, "holder", holder_id, "holder_id",
				 holder_id, "foreign_ns", (json_int_t)foreign_ns);

	CHECK(list);
	CHECK_INT(top_model_take_cores(&m, list, now_ns, NULL), 0);
	json_decref(list);
}

static void begin(void)
{
	top_model_init(&m, SAMPLE_NS);
	top_view_init(&v);
}

static void end(void)
{
	top_view_done(&v);
	top_model_done(&m);
}

/* ---- Rates ---------------------------------------------------------------------------------- */

static void test_rates_from_two_looks(void)
{
	const struct top_vm *a;

	begin();
	take_vms(json_pack("[o]", vm("a", "one", 1000000000, 10, 1)), 5 * NS_PER_S);
	a = top_model_vm(&m, "a");
	CHECK(a && !a->has_rate);
	take_vms(json_pack("[o]", vm("a", "one", 1500000000, 60, 1)), 7 * NS_PER_S);
	a = top_model_vm(&m, "a");
	CHECK(a && a->has_rate);
	CHECK_INT(a->cpu_permille, 250);
	CHECK_INT(a->wait_permille, 500);
	CHECK_INT(a->slices_per_10s, 250);
	end();
}

static void test_counters_go_back(void)
{
	begin();
	take_vms(json_pack("[o,o]", vm("a", "one", 1000000000, 10, 1),
			   vm("b", "two", 1000000000, 10, 1)),
		 NS_PER_S);
	/* Another daemon counts from 0; another run counts from 0 and may have overtaken already. */
	take_vms(json_pack("[o,o]", vm("a", "one", 1000, 1, 1), vm("b", "two", 2000000000, 20, 2)),
		 2 * NS_PER_S);
	CHECK(!top_model_vm(&m, "a")->has_rate);
	CHECK(!top_model_vm(&m, "b")->has_rate);
	take_vms(json_pack("[o,o]", vm("a", "one", 500001000, 2, 1),
			   vm("b", "two", 2000000000, 20, 2)),
		 3 * NS_PER_S);
	CHECK_INT(top_model_vm(&m, "a")->cpu_permille, 500);
	CHECK(top_model_vm(&m, "b")->has_rate);
	CHECK_INT(top_model_vm(&m, "b")->cpu_permille, 0);
	end();
}

/* A wish makes top look again at once: that must not blot out the rates. */
static void test_two_looks_close_together(void)
{
	begin();
	take_vms(json_pack("[o]", vm("a", "one", 0, 0, 1)), NS_PER_S);
	take_vms(json_pack("[o]", vm("a", "one", 1, 1, 1)), NS_PER_S);
	CHECK(!top_model_vm(&m, "a")->has_rate);
	take_vms(json_pack("[o]", vm("a", "one", 500000000, 2, 1)), 2 * NS_PER_S);
	take_vms(json_pack("[o]", vm("a", "one", 510000000, 2, 1)), 2 * NS_PER_S + 10000000);
	CHECK_INT(top_model_vm(&m, "a")->cpu_permille, 500);
	/* The rate after it covers all the time since the one that counted. */
	take_vms(json_pack("[o]", vm("a", "one", 1500000000, 2, 1)), 3 * NS_PER_S);
	CHECK_INT(top_model_vm(&m, "a")->cpu_permille, 1000);
	/* A clock that goes back, which a monotonic one never does. */
	take_vms(json_pack("[o]", vm("a", "one", 1500000001, 2, 1)), NS_PER_S);
	CHECK(!top_model_vm(&m, "a")->has_rate);
	end();
}

static void test_vms_come_and_go(void)
{
	begin();
	take_vms(json_pack("[o,o,o]", vm("c", "three", 1, 1, 1), vm("a", "one", 1, 1, 1),
			   vm("b", "two", 1, 1, 1)),
		 NS_PER_S);
	CHECK_INT(m.n_vms, 3);
	take_vms(json_pack("[o,o]", vm("c", "three", 2, 1, 1), vm("d", "four", 2, 1, 1)),
		 2 * NS_PER_S);
	CHECK_INT(m.n_vms, 2);
	CHECK(!top_model_vm(&m, "a"));
	CHECK(top_model_vm(&m, "c")->has_rate);
	CHECK(!top_model_vm(&m, "d")->has_rate);
	take_vms(json_array(), 3 * NS_PER_S);
	CHECK_INT(m.n_vms, 0);
	CHECK(!top_model_vm(&m, "c"));
	CHECK(!top_view_selected(&v, &m));
	end();
}

static void test_answers_that_are_none(void)
{
	struct errmsg e = { 0 };
	json_t *o = json_pack("{s:i}", "vms", 3);
	const struct {
		const char *name;
		int r;
	} got[] = {
		{ "vms", top_model_take_vms(&m, o, 1, &e) },
		{ "cores", top_model_take_cores(&m, o, 1, &e) },
		{ "users", top_model_take_users(&m, NULL, &e) },
		{ "log", top_model_take_log(&m, o, &e) },
		{ "status", top_model_take_status(&m, NULL, &e) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(got); i++) {
		CHECK_INT(got[i].r, -EPROTO);
	}
	begin();
	take_vms(json_pack("[o]", vm("a", "one", 1, 1, 1)), NS_PER_S);
	CHECK_INT(top_model_take_vms(&m, o, 2 * NS_PER_S, &e), -EPROTO);
	CHECK_INT(m.n_vms, 1); /* untouched */
	json_decref(o);
	/* The same id twice is one VM; texts are cut at the end of a character. */
	o = json_pack("[o,o]", vm("a", "one", 1, 1, 1),
		      vm("a",
			 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa9",
			 1, 1, 1));
	take_vms(o, 2 * NS_PER_S);
	CHECK_INT(m.n_vms, 1);
	CHECK(strlen(m.vms[0].name) == 3 || strlen(m.vms[0].name) == 62);
	end();
}

/* ---- Lanes ---------------------------------------------------------------------------------- */

static void test_lane_and_idle(void)
{
	uint32_t idle;

	begin();
	for (uint32_t i = 0; i < TOP_LANE + 10; i++) {
		take_core(4, i % 4 ? "a" : NULL, 0, (i + 1) * SAMPLE_NS);
	}
	CHECK_INT(m.cores[0].lane_n, TOP_LANE);
	CHECK(top_core_idle_permille(&m.cores[0], 100, &idle));
	CHECK_INT(idle, 250);
	CHECK_INT(top_core_moment(&m.cores[0], 0).use, TOP_USE_SHARED);
	CHECK_INT(top_core_moment(&m.cores[0], 0).key, top_key("a"));
	CHECK_INT(top_core_moment(&m.cores[0], 1).use, TOP_USE_IDLE);
	CHECK_INT(top_core_moment(&m.cores[0], TOP_LANE).use, TOP_USE_UNKNOWN);
	end();
}

static void test_lane_has_gaps(void)
{
	begin();
	take_core(0, "a", 0, NS_PER_S);
	/* Late by a little: no gap. Three samples late: two are missing. */
	take_core(0, "a", 0, NS_PER_S + SAMPLE_NS + SAMPLE_NS / 3);
	CHECK_INT(m.cores[0].lane_n, 2);
	take_core(0, "b", 0, NS_PER_S + SAMPLE_NS / 3 + 4 * SAMPLE_NS);
	CHECK_INT(m.cores[0].lane_n, 5);
	CHECK_INT(top_core_moment(&m.cores[0], 0).key, top_key("b"));
	CHECK_INT(top_core_moment(&m.cores[0], 1).use, TOP_USE_UNKNOWN);
	CHECK_INT(top_core_moment(&m.cores[0], 2).use, TOP_USE_UNKNOWN);
	CHECK_INT(top_core_moment(&m.cores[0], 3).key, top_key("a"));
	/* Hours are a gap of bounded length. */
	take_core(0, "b", 0, 100000 * NS_PER_S);
	CHECK(m.cores[0].lane_n < 100);
	/* Another core has a lane of its own. */
	take_core(9, "b", 0, 100001 * NS_PER_S);
	CHECK_INT(m.n_cores, 1);
	CHECK_INT(m.cores[0].lane_n, 1);
	end();
}

static void test_foreign_time(void)
{
	begin();
	for (uint32_t i = 0; i <= 10; i++) {
		take_core(0, "a", i < 6 ? 1000 : 1000 + 50 * NS_PER_MS, NS_PER_S + i * SAMPLE_NS);
		CHECK(m.cores[0].has_foreign_rate == (i == 10));
	}
	CHECK_INT(m.cores[0].foreign_permille, 50);
	/* Another daemon counts from 0. */
	take_core(0, "a", 0, 3 * NS_PER_S);
	CHECK(!m.cores[0].has_foreign_rate);
	end();
}

static void test_marks_stay(void)
{
	begin();
	for (uint32_t i = 0; i < 300; i++) {
		CHECK_INT(top_model_mark(&m, i * 7 + 1), i);
	}
	CHECK_INT(top_model_mark(&m, 8), 1);
	CHECK(top_key("") != 0);
	end();
}

/* ---- Order, filter, keys -------------------------------------------------------------------- */

static const char *row(uint32_t i)
{
	return i < v.n_order ? m.vms[v.order[i]].name : "";
}

static void three_vms(void)
{
	begin();
	take_vms(json_pack("[o,o,o]", vm("a", "one", 0, 0, 1), vm("b", "two", 0, 0, 1),
			   vm("c", "three", 0, 0, 1)),
		 NS_PER_S);
	take_vms(json_pack("[o,o,o]", vm("a", "one", 100000000, 9, 1),
			   vm("b", "two", 300000000, 5, 1), vm("c", "three", 200000000, 7, 1)),
		 2 * NS_PER_S);
}

static enum top_wish press(int key)
{
	enum top_wish wish = top_view_key(&v, &m, key);

	CHECK_INT(top_view_arrange(&v, &m), 0);
	return wish;
}

static void test_sorting(void)
{
	three_vms();
	CHECK_STR(row(0), "two");
	CHECK_STR(row(2), "one");
	press('r');
	CHECK_STR(row(0), "one");
	press('N');
	CHECK_STR(row(0), "one");
	CHECK_STR(row(1), "three");
	press('C');
	press('>');
	press('>');
	CHECK_INT(v.sort, TOP_COL_SLICES);
	CHECK_STR(row(0), "one");
	for (int i = 0; i < TOP_COL_N; i++) {
		press('<');
		CHECK_INT(v.n_order, 3);
	}
	CHECK_INT(v.sort, TOP_COL_SLICES);
	end();
}

static void test_choice_stays_with_the_vm(void)
{
	three_vms();
	press(TOP_KEY_DOWN);
	CHECK_STR(v.selected, "c");
	press('N'); /* one three two */
	CHECK_STR(v.selected, "c");
	CHECK_INT(v.selected_row, 1);
	press(TOP_KEY_END);
	CHECK_STR(v.selected, "b");
	press(TOP_KEY_DOWN);
	CHECK_STR(v.selected, "b");
	press(TOP_KEY_PAGE_UP);
	CHECK_STR(v.selected, "a");
	/* It goes away: whoever is in its row is chosen. */
	press(TOP_KEY_DOWN);
	take_vms(json_pack("[o,o]", vm("a", "one", 1, 9, 1), vm("b", "two", 3, 5, 1)),
		 3 * NS_PER_S);
	CHECK_STR(v.selected, "b");
	end();
}

static void test_filter(void)
{
	three_vms();
	press('/');
	press('T');
	press('q'); /* a letter, not the key */
	CHECK_INT(v.n_order, 0);
	press(TOP_KEY_BACKSPACE);
	CHECK_INT(v.n_order, 2);
	CHECK_INT(press(TOP_KEY_ENTER), TOP_WISH_NONE);
	CHECK_INT(v.n_order, 2);
	press('/');
	for (int i = 0; i < 200; i++) {
		press('x');
	}
	CHECK(strlen(v.filter) == TOP_FILTER - 1);
	press(TOP_KEY_ESCAPE);
	CHECK_STR(v.filter, "T");
	press(TOP_KEY_ESCAPE);
	CHECK_INT(v.n_order, 3);
	end();
}

static void test_kill_asks(void)
{
	three_vms();
	CHECK_INT(press('k'), TOP_WISH_NONE);
	CHECK_INT(v.prompt, TOP_PROMPT_KILL);
	CHECK_INT(press('q'), TOP_WISH_NONE);
	CHECK_INT(v.prompt, TOP_PROMPT_NONE);
	press('k');
	/* The list turns round meanwhile: the VM that was asked about is meant. */
	v.is_reversed = true;
	CHECK_INT(top_view_arrange(&v, &m), 0);
	CHECK_INT(press('y'), TOP_WISH_KILL);
	CHECK_STR(v.target, "b");
	CHECK_STR(v.target_name, "two");
	end();
	begin();
	CHECK_INT(press('k'), TOP_WISH_NONE);
	CHECK_INT(v.prompt, TOP_PROMPT_NONE);
	CHECK_STR(v.message, "no VM is chosen");
	CHECK_INT(press('q'), TOP_WISH_QUIT);
	end();
}

static void test_wishes(void)
{
	three_vms();
	CHECK_INT(press('p'), TOP_WISH_PAUSE);
	CHECK_INT(press('n'), TOP_WISH_PIN);
	CHECK_INT(press('u'), TOP_WISH_UNPIN);
	CHECK_STR(v.target, "b");
	strcpy(m.vms[1].state, "paused");
	CHECK_INT(press('p'), TOP_WISH_RESUME);
	CHECK_INT(press(TOP_KEY_ENTER), TOP_WISH_REFRESH);
	CHECK_INT(v.panel_kind, TOP_PANEL_VM);
	CHECK_INT(press('q'), TOP_WISH_NONE); /* closes the panel only */
	CHECK_INT(v.panel_kind, TOP_PANEL_NONE);
	CHECK_INT(press('f'), TOP_WISH_REFRESH);
	CHECK_INT(v.panel_kind, TOP_PANEL_FAULTS);
	CHECK_INT(press(TOP_KEY_ESCAPE), TOP_WISH_NONE);
	CHECK_INT(press('z'), TOP_WISH_REFRESH);
	CHECK(v.is_zoomed);
	end();
}

static void test_formats(void)
{
	static const struct {
		ns_t ns;
		const char *want;
	} times[] = {
		{ 0, "0" },
		{ 999, "0us" },
		{ 850 * NS_PER_US, "850us" },
		{ 340 * NS_PER_MS, "340ms" },
		{ 12345 * NS_PER_MS, "12.3s" },
		{ 307 * NS_PER_S, "5m07s" },
		{ (3600 * 3 + 720) * NS_PER_S, "3h12m" },
		{ 86400 * 41 * NS_PER_S, "41d" },
	};
	static const struct {
		uint64_t bytes;
		const char *want;
	} sizes[] = {
		{ 0, "0" },	     { 1023, "1023" },	     { 1024, "1.0K" },
		{ 12582912, "12M" }, { 1610612736, "1.5G" }, { UINT64_MAX, "15E" },
	};
	char text[TOP_FORMAT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		top_format_duration(times[i].ns, text);
		CHECK_STR(text, times[i].want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		top_format_size(sizes[i].bytes, text);
		CHECK_STR(text, sizes[i].want);
	}
	top_format_permille(995, text);
	CHECK_STR(text, "99.5");
	top_format_permille(1004, text);
	CHECK_STR(text, "100");
}

/* ---- Asking --------------------------------------------------------------------------------- */

/* A daemon that dies and comes back, refuses everyone=1, and remembers what was asked. */
struct fake {
	atomic_bool is_dead;
	atomic_int n_cores, n_wishes, n_everyone;
	char wish[64]; /* written by the asking thread before n_wishes changes */
};

static int fake_request(void *ctx, const char *method, const char *path, json_t *body, json_t **ret,
			struct errmsg *e)
{
	struct fake *f = ctx;

	if (atomic_load(&f->is_dead)) {
		return errmsg_set(e, -ENOTCONN, "the daemon is not running");
	}
	if (strcmp(method, "GET") != 0) {
		snprintf(f->wish, sizeof(f->wish), "%s %s%s", method, path, body ? " body" : "");
		atomic_fetch_add(&f->n_wishes, 1);
		return errmsg_set(e, -EBUSY, "it is busy");
	}
	if (strstr(path, "everyone=1")) {
		atomic_fetch_add(&f->n_everyone, 1);
		return errmsg_set(e, -EPERM, "only administrators");
	}
	if (strcmp(path, "/v1/status") == 0) {
		*ret = json_object();
	} else if (strcmp(path, "/v1/cores") == 0) {
		atomic_fetch_add(&f->n_cores, 1);
		*ret = json_pack("[{s:i}]", "host_core", 0);
	} else if (strcmp(path, "/v1/sched/log?last=1000") == 0) {
		return errmsg_set(e, -EACCES, "only administrators");
	} else if (strncmp(path, "/v1/vms", 7) == 0) {
		*ret = json_pack("[o]", vm("a", strstr(path, "all=1") ? "ended" : "one", 1, 1, 1));
	} else {
		*ret = json_array();
	}
	return 0;
}

/* Apply answers until something holds; at most half a minute. */
static bool wait_for(struct top_fetch *f, bool (*holds)(const struct fake *),
		     const struct fake *fake)
{
	ns_t end_ns = top_now_ns() + 30 * NS_PER_S;

	while (!holds(fake)) {
		struct pollfd p = { .fd = top_fetch_fd(f), .events = POLLIN };
		struct top_answer a;

		if (top_now_ns() > end_ns) {
			return false;
		}
		poll(&p, 1, 100);
		while (top_fetch_take(f, &a)) {
			top_apply(&m, &v, &a);
		}
	}
	return true;
}

static bool has_all(const struct fake *f)
{
	return atomic_load(&f->n_cores) >= 3 && m.n_vms == 1 && m.n_cores == 1 && m.status.is_known;
}

static bool is_lost(const struct fake *f)
{
	(void)f;
	return v.is_stale;
}

static bool is_back(const struct fake *f)
{
	return !is_lost(f);
}

static bool has_failed(const struct fake *f)
{
	return atomic_load(&f->n_wishes) == 1 && strstr(v.message, "busy");
}

static bool shows_ended(const struct fake *f)
{
	(void)f;
	return m.n_vms == 1 && strcmp(m.vms[0].name, "ended") == 0 && !v.is_zoomed;
}

static void test_asking(void)
{
	struct fake fake = { 0 };
	struct top_source source = { fake_request, &fake };
	struct top_wants w = { 0 };
	struct top_fetch *f = NULL;

	begin();
	CHECK_INT(top_fetch_start(&source, 10 * NS_PER_MS, 20 * NS_PER_MS, &f, NULL), 0);
	CHECK(wait_for(f, has_all, &fake));
	CHECK_INT(atomic_load(&fake.n_everyone), 1); /* found out once */
	w.wish = TOP_WISH_PIN;
	strcpy(w.id, "a");
	strcpy(w.name, "one");
	CHECK(top_fetch_wish(f, &w));
	CHECK(wait_for(f, has_failed, &fake));
	CHECK_STR(fake.wish, "PUT /v1/vms/a/pin body");
	CHECK_STR(v.message, "one: it is busy");
	CHECK(v.is_error);
	atomic_store(&fake.is_dead, true);
	CHECK(wait_for(f, is_lost, &fake));
	CHECK_STR(v.message, "trying again: the daemon is not running");
	CHECK_INT(m.n_vms, 1); /* what was known is still shown */
	atomic_store(&fake.is_dead, false);
	CHECK(wait_for(f, is_back, &fake));
	/* Other wants; the log is refused, and said to be. */
	v.shows_ended = v.is_zoomed = true;
	top_view_wants(&v, &w);
	top_fetch_want(f, &w);
	CHECK(wait_for(f, shows_ended, &fake));
	CHECK(top_fetch_stop(f));
	end();
}

/* Nobody takes the answers: the thread must end all the same, and nothing may leak. */
static void test_asking_with_a_full_queue(void)
{
	struct fake fake = { 0 };
	struct top_source source = { fake_request, &fake };
	struct top_fetch *f = NULL;
	ns_t end_ns = top_now_ns() + 30 * NS_PER_S;
	int before;

	CHECK_INT(top_fetch_start(&source, NS_PER_MS, NS_PER_MS, &f, NULL), 0);
	do {
		before = atomic_load(&fake.n_cores);
		poll(NULL, 0, 50);
	} while ((before == 0 || atomic_load(&fake.n_cores) != before) && top_now_ns() < end_ns);
	CHECK(before > 0 && before <= 16);
	CHECK(top_fetch_stop(f));
	CHECK(top_fetch_stop(NULL));
}

static const struct test_case cases[] = {
	{ "rates_from_two_looks", test_rates_from_two_looks },
	{ "counters_go_back", test_counters_go_back },
	{ "two_looks_close_together", test_two_looks_close_together },
	{ "vms_come_and_go", test_vms_come_and_go },
	{ "answers_that_are_none", test_answers_that_are_none },
	{ "lane_and_idle", test_lane_and_idle },
	{ "lane_has_gaps", test_lane_has_gaps },
	{ "foreign_time", test_foreign_time },
	{ "marks_stay", test_marks_stay },
	{ "sorting", test_sorting },
	{ "choice_stays_with_the_vm", test_choice_stays_with_the_vm },
	{ "filter", test_filter },
	{ "kill_asks", test_kill_asks },
	{ "wishes", test_wishes },
	{ "formats", test_formats },
	{ "asking", test_asking },
	{ "asking_with_a_full_queue", test_asking_with_a_full_queue },
};

TEST_MAIN(cases)
