/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One writer thread behind a bounded queue (docs/store.md, "The writer"). */
#include "daemon/store/store_queue.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bug.h"
#include "host/timer.h"

/*
 * Making a group durable costs the same for one item as for many. When more than a few have waited at once
 * lately, others will come: each group is given this time to become large, or until it has so many. A few
 * who wait would wait for nobody.
 */
#define GATHER_FEW    4
#define GATHER_NS     (4 * NS_PER_MS)
#define GATHER_ENOUGH 12
#define GATHER_GROUPS 256 /* so long is lately */

/* Items in order of arrival. */
struct chain {
	struct store_work *head, **tail;
};

struct store_queue {
	struct store_queue_options o;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t arrived; /* something waits, or the end is near */
	pthread_cond_t drained; /* room again */
	/* below: under the lock */
	struct chain waiting;
	size_t n_items, n_bytes;
	size_t n_waiting;
	bool is_gathering;
	bool is_ending;
};

static void chain_init(struct chain *c)
{
	c->head = NULL;
	c->tail = &c->head;
}

static void chain_add(struct chain *c, struct store_work *w)
{
	w->next = NULL;
	*c->tail = w;
	c->tail = &w->next;
}

/* Take the first @max items off a chain. */
static struct store_work *chain_take(struct chain *c, size_t max)
{
	struct store_work *first = c->head, **p = &c->head;

	for (size_t i = 0; i < max && *p; i++) {
		p = &(*p)->next;
	}
	c->head = *p;
	*p = NULL;
	if (!c->head) {
		c->tail = &c->head;
	}
	return first;
}

/* Give the room of an item back before its owner hears of it, so that he may submit at once. */
static void complete_one(struct store_queue *q, struct store_work *w)
{
	store_done_fn *done = w->done;
	void *arg = w->arg;
	int result = w->result;

	pthread_mutex_lock(&q->lock);
	q->n_items--;
	q->n_bytes -= w->cost_bytes;
	pthread_cond_signal(&q->drained);
	pthread_mutex_unlock(&q->lock);
	if (w->release) {
		w->release(w);
	}
	if (done) {
		done(arg, result);
	}
}

static void finish(struct store_queue *q, struct store_work *list)
{
	while (list) {
		struct store_work *w = list;

		list = w->next;
		complete_one(q, w);
	}
}

static void gather_locked(struct store_queue *q)
{
	struct timespec until = host_deadline(GATHER_NS);
	int r = 0;

	q->is_gathering = true;
	while (r == 0 && q->n_waiting < GATHER_ENOUGH && !q->is_ending) {
		r = pthread_cond_clockwait(&q->arrived, &q->lock, CLOCK_MONOTONIC, &until);
	}
	q->is_gathering = false;
}

/* The next group; NULL: the end. */
static struct store_work *await_group(struct store_queue *q, bool is_crowded)
{
	struct store_work *group;

	pthread_mutex_lock(&q->lock);
	while (!q->waiting.head && !q->is_ending) {
		pthread_cond_wait(&q->arrived, &q->lock);
	}
	if (is_crowded) {
		gather_locked(q);
	}
	group = chain_take(&q->waiting, q->o.max_group);
	for (const struct store_work *w = group; w; w = w->next) {
		q->n_waiting--;
	}
	pthread_mutex_unlock(&q->lock);
	return group;
}

/* Who waits in store_queue_call(). */
static unsigned int count_callers(const struct store_work *group)
{
	unsigned int n = 0;

	for (; group; group = group->next) {
		n += group->is_call;
	}
	return n;
}

static void *writer_main(void *arg)
{
	struct store_queue *q = arg;
	unsigned int crowded = 0; /* groups that gather yet */

	for (;;) {
		struct store_work *group = await_group(q, crowded > 0);

		if (!group) {
			return NULL;
		}
		crowded -= crowded > 0;
		if (count_callers(group) > GATHER_FEW) {
			crowded = GATHER_GROUPS;
		}
		q->o.run(q->o.ctx, group);
		finish(q, group);
	}
}

static int writer_start(struct store_queue *q)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&q->thread, NULL, writer_main, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0) {
		pthread_setname_np(q->thread, q->o.name);
	}
	return r;
}

static void queue_destroy(struct store_queue *q)
{
	pthread_cond_destroy(&q->drained);
	pthread_cond_destroy(&q->arrived);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

int store_queue_new(const struct store_queue_options *o, struct store_queue **ret, struct errmsg *e)
{
	struct store_queue *q = calloc(1, sizeof(*q));
	pthread_mutexattr_t attr;
	int r;

	if (!q) {
		return errmsg_set(e, -ENOMEM, "%s: out of memory", o->name);
	}
	q->o = *o;
	chain_init(&q->waiting);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&q->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_cond_init(&q->arrived, NULL);
	pthread_cond_init(&q->drained, NULL);
	r = writer_start(q);
	if (r < 0) {
		queue_destroy(q);
		return errmsg_set(e, r, "%s: no thread: %s", o->name, strerror(-r));
	}
	*ret = q;
	return 0;
}

void store_queue_free(struct store_queue *q)
{
	if (!q) {
		return;
	}
	BUG_ON(pthread_equal(pthread_self(), q->thread));
	pthread_mutex_lock(&q->lock);
	q->is_ending = true;
	pthread_cond_signal(&q->arrived);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	BUG_ON(q->n_items != 0);
	queue_destroy(q);
}

static bool has_room_locked(const struct store_queue *q, const struct store_work *w)
{
	return q->n_items < q->o.max_items && w->cost_bytes <= q->o.max_bytes - q->n_bytes;
}

/* @return whether the writer must be told */
static bool submit_locked(struct store_queue *q, struct store_work *w)
{
	BUG_ON(q->is_ending);
	chain_add(&q->waiting, w);
	q->n_items++;
	q->n_bytes += w->cost_bytes;
	q->n_waiting++;
	return !q->is_gathering || q->n_waiting >= GATHER_ENOUGH;
}

/* Without the lock, which it would wait for. */
static void tell_writer(struct store_queue *q, bool is_needed)
{
	if (is_needed) {
		pthread_cond_signal(&q->arrived);
	}
}

int store_queue_submit(struct store_queue *q, struct store_work *w)
{
	bool is_needed = false;
	int r = -EAGAIN;

	if (w->cost_bytes > q->o.max_bytes) {
		return -E2BIG;
	}
	pthread_mutex_lock(&q->lock);
	if (has_room_locked(q, w)) {
		is_needed = submit_locked(q, w);
		r = 0;
	}
	pthread_mutex_unlock(&q->lock);
	tell_writer(q, is_needed);
	return r;
}

/* Somebody who waits in store_queue_call(). */
struct waiter {
	sem_t done;
	int result;
};

static void waiter_done(void *arg, int result)
{
	struct waiter *w = arg;

	w->result = result;
	sem_post(&w->done); /* w is gone after this */
}

int store_queue_call(struct store_queue *q, struct store_work *w)
{
	struct waiter me = { .result = 0 };
	bool is_needed;

	BUG_ON(pthread_equal(pthread_self(), q->thread) || w->release);
	if (w->cost_bytes > q->o.max_bytes) {
		return -E2BIG;
	}
	sem_init(&me.done, 0, 0);
	w->done = waiter_done;
	w->arg = &me;
	w->is_call = true;
	pthread_mutex_lock(&q->lock);
	while (!has_room_locked(q, w)) {
		pthread_cond_wait(&q->drained, &q->lock);
	}
	is_needed = submit_locked(q, w);
	/* One signal may have been meant for several; pass it on. */
	pthread_cond_signal(&q->drained);
	pthread_mutex_unlock(&q->lock);
	tell_writer(q, is_needed);
	while (sem_wait(&me.done) < 0) {
		BUG_ON(errno != EINTR);
	}
	sem_destroy(&me.done);
	return me.result;
}

size_t store_queue_depth(struct store_queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->n_items;
	pthread_mutex_unlock(&q->lock);
	return n;
}
