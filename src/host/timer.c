/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks and per-thread timers. */
#include "host/timer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static ns_t clock_ns(clockid_t id)
{
	struct timespec t;

	BUG_ON(clock_gettime(id, &t) < 0);
	return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

ns_t host_clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

ns_t host_clock_thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

struct timespec host_timespec(ns_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S),
				  .tv_nsec = (long)(ns % NS_PER_S) };
}

struct timespec host_deadline(ns_t ns)
{
	return host_timespec(host_clock_monotonic_ns() + ns);
}

int host_timer_init(struct host_timer *t, int signo, struct errmsg *e)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signo };

	ev.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &ev, &t->id) < 0) {
		return errmsg_set(e, -errno, "can't make a timer: %s", strerror(errno));
	}
	t->is_made = true;
	return 0;
}

void host_timer_arm(struct host_timer *t, ns_t first_ns, ns_t repeat_ns)
{
	struct itimerspec its = {
		.it_value = host_timespec(first_ns ? first_ns : 1),
		.it_interval = host_timespec(repeat_ns),
	};

	BUG_ON(!t->is_made || timer_settime(t->id, 0, &its, NULL) < 0);
}

void host_timer_disarm(struct host_timer *t)
{
	struct itimerspec its = { 0 };

	BUG_ON(!t->is_made || timer_settime(t->id, 0, &its, NULL) < 0);
}

void host_timer_done(struct host_timer *t)
{
	if (t->is_made) {
		timer_delete(t->id);
		t->is_made = false;
	}
}
