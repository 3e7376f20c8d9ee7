/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring of the last events and their listeners. The ring holds finished text; a listener copies
 * one event at a time, so a slow one holds nothing but its own place.
 */
#include "daemon/http/events.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "base/bug.h"
#include "host/timer.h"

#define EVENT_TEXT_MAX 8192u /* larger ones lose everything but time and type */
#define EVENT_TYPE_MAX 32u
#define WAIT_MS	       500
#define HEARTBEAT_MS   15000

/* One event. The text is JSON without its opening brace and without "seq". */
struct event {
	uint64_t seq;
	uid_t owner;
	char type[EVENT_TYPE_MAX];
	char *text;
};

struct events {
	pthread_mutex_t lock;
	pthread_cond_t news;
	uint64_t last_seq; /* the first one is 1 */
	uint32_t n, heartbeat_ms;
	struct event ring[];
};

/* One listener; only its own connection's thread uses it. */
struct listener {
	struct events *ev;
	bool sees_all, has_begun;
	uid_t owner;
	uint64_t next_seq;
	uint64_t said_ms;
	size_t n, at;
	char text[EVENT_TEXT_MAX + EVENT_TYPE_MAX + 96];
};

/* The control core's real-time thread may publish: it must not wait for a lock whose owner waits
 * for a core. */
struct events *events_new(uint32_t n)
{
	struct events *ev;
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;

	BUG_ON(n == 0 || (n & (n - 1)));
	ev = calloc(1, sizeof(*ev) + n * sizeof(ev->ring[0]));
	if (!ev) {
		return NULL;
	}
	ev->n = n;
	ev->heartbeat_ms = HEARTBEAT_MS;
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setprotocol(&mutex, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&ev->lock, &mutex);
	pthread_mutexattr_destroy(&mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&ev->news, &cond);
	pthread_condattr_destroy(&cond);
	return ev;
}

void events_heartbeat_set(struct events *ev, uint32_t every_ms)
{
	ev->heartbeat_ms = every_ms;
}

void events_free(struct events *ev)
{
	if (!ev) {
		return;
	}
	for (uint32_t i = 0; i < ev->n; i++) {
		free(ev->ring[i].text);
	}
	pthread_cond_destroy(&ev->news);
	pthread_mutex_destroy(&ev->lock);
	free(ev);
}

static void time_text(char *ret, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(ret, size, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(ret + n, size - n, ".%06ldZ", ts.tv_nsec / 1000);
}

/* The event's JSON on the heap, small enough for the ring; NULL: out of memory. */
static char *event_text(const char *type, json_t *object)
{
	char time[40], *text;
	json_t *all;

	time_text(time, sizeof(time));
	all = json_pack("{ss ss}", "time", time, "type", type);
	if (all && object) {
		json_object_update_missing(all, object);
	}
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	if (text && strlen(text) > EVENT_TEXT_MAX) {
		free(text);
		all = json_pack("{ss ss sb}", "time", time, "type", type, "is_cut", 1);
		text = all ? json_dumps(all, JSON_COMPACT) : NULL;
		json_decref(all);
	}
	return text;
}

void events_publish(struct events *ev, uid_t owner, const char *type, json_t *object)
{
	char *text = event_text(type, object), *old;
	struct event *x;

	json_decref(object);
	pthread_mutex_lock(&ev->lock);
	x = &ev->ring[++ev->last_seq & (ev->n - 1)];
	old = x->text;
	x->seq = ev->last_seq;
	x->owner = owner;
	(void)snprintf(x->type, sizeof(x->type), "%s", type);
	x->text = text; /* NULL: a gap, which listeners are told of */
	pthread_cond_broadcast(&ev->news);
	pthread_mutex_unlock(&ev->lock);
	free(old);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

static void say(struct listener *l, int n)
{
	BUG_ON(n < 0 || (size_t)n >= sizeof(l->text));
	l->n = (size_t)n;
	l->at = 0;
	l->said_ms = now_ms();
}

static void say_missed(struct listener *l, uint64_t n)
{
	say(l,
	    snprintf(l->text, sizeof(l->text),
		     "event: missed\ndata: {\"type\":\"missed\",\"missed\":%" PRIu64 "}\n\n", n));
}

/* Say the next thing that concerns this listener. @return whether there was one */
static bool say_next_locked(struct listener *l)
{
	const struct events *ev = l->ev;
	uint64_t oldest = ev->last_seq >= ev->n ? ev->last_seq - ev->n + 1 : 1;

	if (l->next_seq < oldest) {
		say_missed(l, oldest - l->next_seq);
		l->next_seq = oldest;
		return true;
	}
	while (l->next_seq <= ev->last_seq) {
		const struct event *x = &ev->ring[l->next_seq++ & (ev->n - 1)];

		if (!l->sees_all && (x->owner == EVENTS_NOBODY || x->owner != l->owner)) {
			continue;
		}
		if (!x->text) {
			say_missed(l, 1);
			return true;
		}
		say(l, snprintf(l->text, sizeof(l->text),
				"id: %" PRIu64 "\nevent: %s\ndata: {\"seq\":%" PRIu64 ",%s\n\n",
				x->seq, x->type, x->seq, x->text + 1));
		return true;
	}
	return false;
}

static void news_wait_locked(struct events *ev)
{
	struct timespec until = host_deadline(WAIT_MS * NS_PER_MS);

	(void)pthread_cond_timedwait(&ev->news, &ev->lock, &until);
}

static void say_something(struct listener *l)
{
	struct events *ev = l->ev;
	bool has_news;

	if (!l->has_begun) {
		l->has_begun = true;
		say(l,
		    snprintf(l->text, sizeof(l->text), ": next is %" PRIu64 "\n\n", l->next_seq));
		return;
	}
	pthread_mutex_lock(&ev->lock);
	has_news = say_next_locked(l);
	if (!has_news) {
		news_wait_locked(ev);
		has_news = say_next_locked(l);
	}
	pthread_mutex_unlock(&ev->lock);
	if (!has_news && now_ms() - l->said_ms >= l->ev->heartbeat_ms) {
		say(l, snprintf(l->text, sizeof(l->text), ":\n\n"));
	}
}

static ssize_t listener_read(void *arg, uint8_t *buf, size_t max)
{
	struct listener *l = arg;
	size_t n;

	if (l->at == l->n) {
		say_something(l);
	}
	n = l->n - l->at < max ? l->n - l->at : max;
	memcpy(buf, l->text + l->at, n);
	l->at += n;
	return (ssize_t)n;
}

int events_stream(struct events *ev, bool sees_all, uid_t owner, uint64_t from_seq,
		  struct http_reply *rp)
{
	struct listener *l = malloc(sizeof(*l));

	if (!l) {
		return -ENOMEM;
	}
	*l = (struct listener){ .ev = ev, .sees_all = sees_all, .owner = owner };
	pthread_mutex_lock(&ev->lock);
	/* A number from before a restart is as good as none. */
	l->next_seq = from_seq && from_seq <= ev->last_seq ? from_seq : ev->last_seq + 1;
	pthread_mutex_unlock(&ev->lock);
	rp->type = "text/event-stream";
	rp->stream = (struct http_stream){ listener_read, free, l };
	return 0;
}
