/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clocks, and a timer that signals one thread. The timer is monotonic (22 us late; thread CPU-time
 * timers are late by a tick), so a caller who means CPU time reads the thread's CPU clock when it
 * fires and arms it again for the remainder.
 */
#ifndef PINFOLD_HOST_TIMER_H
#define PINFOLD_HOST_TIMER_H

#include <stdbool.h>
#include <time.h>

#include "base/bits.h"
#include "base/errmsg.h"

/** Monotonic time. Async-signal-safe. */
ns_t host_clock_monotonic_ns(void);

/** CPU time that the calling thread has used. Async-signal-safe. */
ns_t host_clock_thread_cpu_ns(void);

/** A time, or a length of time, as system calls take it. */
struct timespec host_timespec(ns_t ns);

/** When so much monotonic time will have passed, for those that wait until then. */
struct timespec host_deadline(ns_t ns);

/** A timer for the thread that made it. Zero-initialise. */
struct host_timer {
	timer_t id;
	bool is_made;
};

/**
 * Make a disarmed timer that sends @p signo to the calling thread. The handler is the caller's.
 * Before the jail is entered (timer_create is not allowed in it).
 * @return 0; negative errno
 */
int host_timer_init(struct host_timer *t, int signo, struct errmsg *e);

/**
 * Fire once after @p first_ns and then, if @p repeat_ns is not 0, again and again until it is
 * disarmed: a signal that came at a bad moment is not lost for good. Async-signal-safe.
 * @param first_ns from now; 0 is taken as 1
 */
void host_timer_arm(struct host_timer *t, ns_t first_ns, ns_t repeat_ns);

/** No more signals, except one that is already pending. Async-signal-safe. */
void host_timer_disarm(struct host_timer *t);

/** Delete it. Accepts a zeroed or done timer. */
void host_timer_done(struct host_timer *t);

#endif
