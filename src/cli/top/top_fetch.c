/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that asks; see top_fetch.h. One mutex guards everything; it is not held during a request.
 * The queue is short: when nobody takes answers (a stopped terminal), nothing more is asked.
 */
#include "cli/top/top_fetch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/timer.h"

#define QUEUE_MAX 16u

/* Between two tries when nobody answers. */
#define RETRY_NS (500 * NS_PER_MS)

/* How long leaving may wait for a request under way. */
#define STOP_NS (300 * NS_PER_MS)

struct top_fetch {
	const struct top_source *source;
	ns_t period_ns[TOP_ASK_N];
	int fd; /* eventfd */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_stopping, has_ended;
	ns_t due_ns[TOP_ASK_N];
	ns_t interval_ns; /* the sample of the cores belongs to the interval from here on */
	uint64_t random;
	struct top_wants wants, wish;
	bool has_wish;
	struct top_answer queue[QUEUE_MAX];
	uint32_t first, n;
};

static bool is_wanted(const struct top_fetch *f, enum top_ask ask)
{
	switch (ask) {
	case TOP_ASK_LOG:
		return f->wants.is_zoomed;
	case TOP_ASK_PANEL:
		return f->wants.panel == TOP_PANEL_VM || f->wants.panel == TOP_PANEL_FAULTS;
	case TOP_ASK_WISH:
		return f->has_wish;
	default:
		return true;
	}
}

/* What to ask next; TOP_ASK_N: nothing before *ret_ns. A wish goes before everything. */
static enum top_ask next_locked(const struct top_fetch *f, ns_t now_ns, ns_t *ret_ns)
{
	enum top_ask best = TOP_ASK_N;

	*ret_ns = UINT64_MAX;
	if (f->has_wish) {
		return TOP_ASK_WISH;
	}
	for (unsigned int i = 0; i < TOP_ASK_N; i++) {
		if (is_wanted(f, i) && f->due_ns[i] < *ret_ns) {
			*ret_ns = f->due_ns[i];
			best = i;
		}
	}
	return *ret_ns <= now_ns ? best : TOP_ASK_N;
}

static void wait_locked(struct top_fetch *f, ns_t until_ns)
{
	struct timespec t = host_timespec(until_ns);

	pthread_cond_clockwait(&f->changed, &f->lock, CLOCK_MONOTONIC, &t);
}

/* The next sample, at some moment of the next interval that is not over. */
static void plan_sample_locked(struct top_fetch *f, ns_t now_ns)
{
	ns_t period_ns = f->period_ns[TOP_ASK_CORES];

	f->interval_ns += period_ns;
	if (f->interval_ns + period_ns < now_ns) {
		f->interval_ns = now_ns;
	}
	f->due_ns[TOP_ASK_CORES] = f->interval_ns + top_jitter_ns(&f->random, period_ns);
}

/* When the same is asked again. After a failure that is the daemon's, everything waits a little. */
static void plan_locked(struct top_fetch *f, const struct top_answer *a)
{
	bool is_lost = a->result < 0 && (a->ask == TOP_ASK_CORES || a->ask == TOP_ASK_VMS);
	ns_t next_ns = f->due_ns[a->ask] + f->period_ns[a->ask];

	/* No hurry to catch up. */
	f->due_ns[a->ask] = next_ns > a->at_ns ? next_ns : a->at_ns + f->period_ns[a->ask];
	if (a->ask == TOP_ASK_CORES) {
		plan_sample_locked(f, a->at_ns);
	}
	for (unsigned int i = 0; i < TOP_ASK_N && is_lost; i++) {
		f->due_ns[i] = a->at_ns + RETRY_NS;
	}
	if (a->ask == TOP_ASK_WISH) {
		f->has_wish = false;
		f->due_ns[TOP_ASK_VMS] = a->at_ns;
	}
	f->wants.is_own_only = f->wants.is_own_only || a->wants.is_own_only;
}

static void queue_locked(struct top_fetch *f, const struct top_answer *a)
{
	f->queue[(f->first + f->n) % QUEUE_MAX] = *a;
	f->n++;
	eventfd_write(f->fd, 1);
}

static void *run(void *arg)
{
	struct top_fetch *f = arg;

	pthread_mutex_lock(&f->lock);
	while (!f->is_stopping) {
		struct top_answer a;
		struct top_wants w;
		ns_t due_ns;
		enum top_ask ask = next_locked(f, top_now_ns(), &due_ns);

		if (f->n == QUEUE_MAX) {
			pthread_cond_wait(&f->changed, &f->lock);
			continue;
		}
		if (ask == TOP_ASK_N) {
			wait_locked(f, due_ns);
			continue;
		}
		w = ask == TOP_ASK_WISH ? f->wish : f->wants;
		pthread_mutex_unlock(&f->lock);
		top_ask(f->source, ask, &w, &a);
		pthread_mutex_lock(&f->lock);
		plan_locked(f, &a);
		queue_locked(f, &a);
	}
	f->has_ended = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* Signals are for the thread that owns the terminal. */
static int start_thread(struct top_fetch *f)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&f->thread, NULL, run, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static void release(struct top_fetch *f)
{
	struct top_answer a;

	while (top_fetch_take(f, &a)) {
		json_decref(a.json);
	}
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	cleanup_close_p(&f->fd);
	free(f);
}

int top_fetch_start(const struct top_source *s, ns_t sample_ns, ns_t refresh_ns,
		    struct top_fetch **ret, struct errmsg *e)
{
	struct top_fetch *f = calloc(1, sizeof(*f));
	int r;

	if (!f) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	f->source = s;
	for (unsigned int i = 0; i < TOP_ASK_N; i++) {
		f->period_ns[i] = i == TOP_ASK_CORES || i == TOP_ASK_LOG ? sample_ns : refresh_ns;
		f->due_ns[i] = top_now_ns();
	}
	f->random = f->interval_ns = top_now_ns();
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = f->fd < 0 ? -errno : start_thread(f);
	if (r < 0) {
		release(f);
		return errmsg_set(e, r, "can't start asking the daemon: error %d", -r);
	}
	*ret = f;
	return 0;
}

void top_fetch_want(struct top_fetch *f, const struct top_wants *w)
{
	pthread_mutex_lock(&f->lock);
	bool is_own_only = f->wants.is_own_only;

	f->wants = *w;
	f->wants.is_own_only = is_own_only;
	f->due_ns[TOP_ASK_VMS] = f->due_ns[TOP_ASK_PANEL] = f->due_ns[TOP_ASK_LOG] = top_now_ns();
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

bool top_fetch_wish(struct top_fetch *f, const struct top_wants *w)
{
	bool is_free;

	pthread_mutex_lock(&f->lock);
	is_free = !f->has_wish;
	if (is_free) {
		f->wish = *w;
		f->has_wish = true;
		pthread_cond_signal(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return is_free;
}

int top_fetch_fd(const struct top_fetch *f)
{
	return f->fd;
}

bool top_fetch_take(struct top_fetch *f, struct top_answer *ret)
{
	eventfd_t count;
	bool has_one;

	pthread_mutex_lock(&f->lock);
	has_one = f->n > 0;
	if (has_one) {
		*ret = f->queue[f->first];
		f->first = (f->first + 1) % QUEUE_MAX;
		f->n--;
		pthread_cond_signal(&f->changed);
	} else {
		eventfd_read(f->fd, &count);
	}
	pthread_mutex_unlock(&f->lock);
	return has_one;
}

bool top_fetch_stop(struct top_fetch *f)
{
	ns_t until_ns = top_now_ns() + STOP_NS;
	bool has_ended;

	if (!f) {
		return true;
	}
	pthread_mutex_lock(&f->lock);
	f->is_stopping = true;
	pthread_cond_signal(&f->changed);
	while (!f->has_ended && top_now_ns() < until_ns) {
		wait_locked(f, until_ns);
	}
	has_ended = f->has_ended;
	pthread_mutex_unlock(&f->lock);
	if (!has_ended) {
		/* It will come to its end with the program; what it uses stays. */
		return false;
	}
	pthread_join(f->thread, NULL);
	release(f);
	return true;
}
