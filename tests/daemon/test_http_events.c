/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: order, who sees which, what a late or slow listener is told, where a stream ends. */
#include <pthread.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "http_rig.h"
#include "test.h"

#define N_RING 8 /* of the rig */

static struct rig_conn c;
static struct rig_answer a;

/* One server-sent event, or a comment. */
struct said {
	char id[32], event[64], data[16384], comment[256];
};

/* @return false: the stream ended */
static bool listen_next(struct rig_conn *conn, struct said *s)
{
	static char line[16500];
	bool has_any = false;

	memset(s, 0, sizeof(*s));
	for (;;) {
		if (!rig_line(conn, line, sizeof(line))) {
			return false;
		}
		if (strncmp(line, "id: ", 4) == 0) {
			snprintf(s->id, sizeof(s->id), "%.30s", line + 4);
		} else if (strncmp(line, "event: ", 7) == 0) {
			snprintf(s->event, sizeof(s->event), "%.60s", line + 7);
		} else if (strncmp(line, "data: ", 6) == 0) {
			snprintf(s->data, sizeof(s->data), "%.16000s", line + 6);
		} else if (line[0] == ':') {
			snprintf(s->comment, sizeof(s->comment), "%.250s", line);
		} else if (line[0] == '\0' && has_any) {
			return true;
		}
		/* Sizes and ends of chunks are lines of their own: no field has their form. */
		has_any = s->event[0] || s->comment[0];
	}
}

static void follow(struct rig_conn *conn, const char *query)
{
	static struct said s;

	rig_open(conn);
	rig_say(conn, "GET /v1/events%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
	CHECK(rig_head(conn, &a));
	CHECK_INT(a.status, 200);
	CHECK(strstr(a.head, "Content-Type: text/event-stream\r\n") != NULL);
	CHECK(listen_next(conn, &s) && s.comment[0] == ':'); /* from now on it listens */
}

static void publish(uid_t owner, const char *type, int n)
{
	events_publish(rig.ev, owner, type, json_pack("{si}", "n", n));
}

/* The next event must be this one. */
static void expect(struct rig_conn *conn, uint64_t seq, const char *type, int n)
{
	static struct said s;
	json_t *data;
	char id[32];

	CHECK(listen_next(conn, &s));
	snprintf(id, sizeof(id), "%" PRIu64, seq);
	CHECK_STR(s.id, id);
	CHECK_STR(s.event, type);
	data = json_loads(s.data, JSON_REJECT_DUPLICATES, NULL);
	CHECK(data != NULL);
	CHECK_INT(json_integer_value(json_object_get(data, "seq")), (long long)seq);
	CHECK_INT(json_integer_value(json_object_get(data, "n")), n);
	CHECK(json_string_length(json_object_get(data, "time")) == 27);
	json_decref(data);
}

static void expect_missed(struct rig_conn *conn, int n)
{
	static struct said s;
	char data[64];

	CHECK(listen_next(conn, &s));
	CHECK_STR(s.event, "missed");
	CHECK_STR(s.id, "");
	snprintf(data, sizeof(data), "{\"type\":\"missed\",\"missed\":%d}", n);
	CHECK_STR(s.data, data);
}

static void listeners_hear_in_order(void)
{
	rig_init();
	rig_start();
	publish(EVENTS_NOBODY, "daemon.started", 0);
	follow(&c, "");
	for (int i = 1; i <= 100; i++) {
		publish((uid_t)i, i & 1 ? "vm.started" : "vm.stopped", i);
		expect(&c, (uint64_t)i + 1, i & 1 ? "vm.started" : "vm.stopped", i);
	}
	rig_close(&c);
	rig_stop();
}

static void users_hear_what_is_theirs(void)
{
	static struct rig_conn other;

	rig_init();
	rig_start();
	follow(&c, "?as=1000");
	follow(&other, "?as=4294967295"); /* nobody's number is nobody's event */
	publish(1001, "vm.started", 1);
	publish(EVENTS_NOBODY, "core.reclaimed", 2);
	publish(1000, "vm.started", 3);
	expect(&c, 3, "vm.started", 3);
	publish(0, "vm.killed", 4);
	publish(1000, "vm.killed", 5);
	expect(&c, 5, "vm.killed", 5);
	http_stop(rig.h);
	CHECK(!listen_next(&other, &(struct said){ { 0 } }));
	rig_close(&c);
	rig_close(&other);
	rig.h = NULL;
	rig_stop();
}

static void late_listeners_catch_up(void)
{
	rig_init();
	rig_start();
	for (int i = 1; i <= 5; i++) {
		publish(1, "vm.started", i);
	}
	follow(&c, "?from=3");
	for (int i = 3; i <= 5; i++) {
		expect(&c, (uint64_t)i, "vm.started", i);
	}
	rig_close(&c);
	for (int i = 6; i <= 20; i++) {
		publish(1, "vm.started", i);
	}
	follow(&c, "?from=6");
	expect_missed(&c, 20 - N_RING + 1 - 6);
	for (int i = 20 - N_RING + 1; i <= 20; i++) {
		expect(&c, (uint64_t)i, "vm.started", i);
	}
	rig_close(&c);
	follow(&c, "?from=21"); /* exactly up to date */
	publish(1, "vm.started", 21);
	expect(&c, 21, "vm.started", 21);
	rig_close(&c);
	follow(&c, "?from=5000"); /* a number of an earlier life */
	publish(1, "vm.started", 22);
	expect(&c, 22, "vm.started", 22);
	rig_close(&c);
	rig_stop();
}

/* How many events a "missed" event speaks of; 0: it is an ordinary one. */
static uint64_t missed_by(const struct said *s)
{
	json_t *data = json_loads(s->data, 0, NULL);
	json_int_t n = json_integer_value(json_object_get(data, "missed"));

	json_decref(data);
	return strcmp(s->event, "missed") == 0 ? (uint64_t)n : 0;
}

/* One that does not read: publishing goes on, it is told how many it missed, then hears again. */
static void slow_listeners_miss_some(void)
{
	static struct said s;
	static char big[8000];
	uint64_t n_heard = 0, n_missed = 0, n;
	bool is_in_order = true;

	rig_init();
	rig_start();
	memset(big, 'x', sizeof(big) - 1);
	follow(&c, "");
	for (int i = 0; i < 2000; i++) {
		events_publish(rig.ev, 1, "vm.started", json_pack("{ss}", "text", big));
	}
	events_publish(rig.ev, 1, "vm.removed", NULL);
	while (strcmp(s.event, "vm.removed") != 0 && listen_next(&c, &s)) {
		n = missed_by(&s);
		n_missed += n;
		n_heard += n == 0;
		is_in_order &= n || strtoull(s.id, NULL, 10) == n_heard + n_missed;
	}
	CHECK(is_in_order);
	CHECK(n_missed > 0);
	CHECK_INT(n_heard + n_missed, 2001);
	rig_close(&c);
	rig_stop();
}

static void huge_events_are_cut(void)
{
	static struct said s;
	static char big[100000];

	rig_init();
	rig_start();
	memset(big, 'x', sizeof(big) - 1);
	follow(&c, "");
	events_publish(rig.ev, 1, "vm.faulted", json_pack("{ss}", "text", big));
	CHECK(listen_next(&c, &s));
	CHECK_STR(s.event, "vm.faulted");
	CHECK(strstr(s.data, "\"is_cut\":true") != NULL);
	events_publish(rig.ev, 1, "vm.faulted",
		       json_pack("{ss ss}", "type", "forged", "a", "\n\r"));
	CHECK(listen_next(&c, &s));
	CHECK(strstr(s.data, "forged") == NULL);
	CHECK(strstr(s.data, "\"a\":\"\\n\\r\"") != NULL);
	rig_close(&c);
	rig_stop();
}

static void silent_streams_have_a_heartbeat(void)
{
	static struct said s;

	rig_init();
	events_heartbeat_set(rig.ev, 100);
	rig_start();
	follow(&c, "?as=1");
	publish(2, "vm.started", 1); /* not for this one */
	for (int i = 0; i < 2; i++) {
		CHECK(listen_next(&c, &s));
		CHECK_STR(s.comment, ":");
	}
	rig_close(&c);
	CHECK(rig_wait_open(0));
	rig_stop();
}

/* Whether nothing but the last chunk comes: an end, not a break. */
static bool ends_properly(struct rig_conn *conn)
{
	char line[8];

	while (rig_line(conn, line, sizeof(line)) && line[0] == '\0') {
	}
	return strcmp(line, "0") == 0;
}

static void stop_ends_listeners(void)
{
	static struct rig_conn many[20];

	rig_init();
	rig_start();
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		follow(&many[i], "");
	}
	http_stop(rig.h);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		CHECK(ends_properly(&many[i]));
		rig_close(&many[i]);
	}
	rig.h = NULL;
	rig_stop();
}

#define N_EACH 300u

static void *publisher(void *arg)
{
	for (unsigned int i = 0; i < N_EACH; i++) {
		events_publish(rig.ev, 1, arg, json_pack("{si}", "n", (int)i));
	}
	return NULL;
}

/* Several publish at once: numbers have no gap and rise. */
static void publishers_share_the_ring(void)
{
	static char name[3][16] = { "vm.a", "vm.b", "vm.c" };
	static struct said s;
	pthread_t t[3];
	uint64_t next = 1;

	rig_init();
	events_free(rig.ev);
	rig.ev = events_new(1024);
	BUG_ON(!rig.ev);
	rig_start();
	follow(&c, "");
	for (size_t i = 0; i < 3; i++) {
		BUG_ON(pthread_create(&t[i], NULL, publisher, name[i]) != 0);
	}
	while (next <= UINT64_C(3) * N_EACH && !test_failures) {
		CHECK(listen_next(&c, &s));
		CHECK_INT(strtoull(s.id, NULL, 10), next);
		next++;
	}
	for (size_t i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
	}
	rig_close(&c);
	rig_stop();
}

static const struct test_case cases[] = {
	{ "listeners_hear_in_order", listeners_hear_in_order },
	{ "users_hear_what_is_theirs", users_hear_what_is_theirs },
	{ "late_listeners_catch_up", late_listeners_catch_up },
	{ "slow_listeners_miss_some", slow_listeners_miss_some },
	{ "huge_events_are_cut", huge_events_are_cut },
	{ "silent_streams_have_a_heartbeat", silent_streams_have_a_heartbeat },
	{ "stop_ends_listeners", stop_ends_listeners },
	{ "publishers_share_the_ring", publishers_share_the_ring },
};

TEST_MAIN(cases)
