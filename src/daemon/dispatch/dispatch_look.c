/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a vCPU asleep? What it says on its ack page is a hint that starts the look; what the kernel
 * says about the thread is the proof. The ack page is hostile memory: each word of it is read once
 * per look, and no figure in it is used.
 *
 * One that claims to have parked and is still runnable may be on its way into its sleep, or may have
 * been woken once more behind its successor: as long as it does not consume time it is waited for,
 * on the core where it is. If it does, the park was forged.
 */
#include <sys/epoll.h>
#include <time.h>

#include "daemon/dispatch/dispatch_internal.h"

/* How long a running thread is watched to see its time grow. */
#define WATCH_NS (10 * NS_PER_US)
/* What one that waits for its core needs to park, once it has it: more than the ladder's steps. */
#define PARK_NS (300 * NS_PER_US)

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Whether it says that it has parked from the grant in force, and why. */
static bool claims_park(const struct slot *sl, enum sched_why *ret_why)
{
	uint64_t epoch = atomic_load(&sl->ack->epoch);
	uint32_t state = atomic_load(&sl->ack->state);

	if (epoch != sl->epoch || (state != ACK_PARKED && state != ACK_BLOCKED)) {
		return false;
	}
	*ret_why = state == ACK_BLOCKED ? SCHED_WHY_BLOCKED : SCHED_WHY_SLICE;
	return true;
}

enum stand { STAND_RUNS, STAND_SLEEPS, STAND_HALTED, STAND_GONE };

static enum stand how_it_stands(const struct slot *sl)
{
	struct host_task_look look;

	if (host_task_look(&sl->task, &look) < 0) {
		return STAND_GONE;
	}
	switch (look.state) {
	case 'T':
	case 't':
		return STAND_HALTED;
	case 'S':
		return STAND_SLEEPS;
	case 'Z':
	case 'X':
		return STAND_GONE;
	default:
		return STAND_RUNS;
	}
}

/* One that has stopped for lack of work may want to run again. */
static void hear_wish(struct dispatch *d, struct slot *sl)
{
	struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_WOKEN);

	if (sl->is_blocked && !sl->is_thread_gone && atomic_load(&sl->ack->state) == ACK_PARKED) {
		sl->is_blocked = false;
		dispatch_post(d, &ev);
	}
}

/* Whether a vCPU that was woken behind another has been on their core. A wait that is not over is in no account. */
static bool has_come(const struct slot *sl, const struct host_task_times *now)
{
	return now->delay_ns > sl->base.delay_ns;
}

ns_t dispatch_arrived_ns(struct slot *sl)
{
	ns_t now_ns = host_clock_monotonic_ns();
	struct host_task_times now;
	ns_t waited_ns;

	if (sl->arrived_ns || !sl->woken_ns || host_task_times(&sl->task, &now) < 0 ||
	    !has_come(sl, &now)) {
		return sl->arrived_ns;
	}
	waited_ns = now.delay_ns - sl->base.delay_ns;
	sl->arrived_ns = sl->woken_ns + waited_ns < now_ns ? sl->woken_ns + waited_ns : now_ns;
	/* What the host takes from now on is stolen from it. */
	sl->base.delay_ns = now.delay_ns;
	sl->woken_ns = 0;
	return sl->arrived_ns;
}

/* When an owner that sleeps gave its core to the one that was woken behind it; 0: not known. */
static ns_t passed_ns(struct dispatch *d, const struct slot *owner)
{
	struct sched_core_info info;
	struct sched_lock lock;

	if (sched_core_get(d->s, owner->core, &info) < 0) {
		return 0;
	}
	lock = sched_lock_unpack(info.lock);
	if (lock.owner != owner->number || lock.successor == SCHED_NONE) {
		return 0;
	}
	return dispatch_arrived_ns(dispatch_slot(d, lock.successor));
}

static void tell_stopped(struct dispatch *d, struct slot *sl, enum sched_why why)
{
	struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_STOPPED);
	struct host_task_times now;

	ev.now_ns = passed_ns(d, sl);
	if (host_task_times(&sl->task, &now) == 0) {
		ev.cpu_ns = now.run_ns - sl->base.run_ns;
		ev.stolen_ns = now.delay_ns - sl->base.delay_ns;
		sl->seen_run_ns = now.run_ns;
	}
	ev.why = (uint8_t)why;
	sl->preemptions += why == SCHED_WHY_SLICE;
	sl->is_blocked = why == SCHED_WHY_BLOCKED;
	sl->core = SCHED_CORE_NONE;
	sl->claim_ns = 0;
	sl->is_held_back = false;
	dispatch_todo_clear(d, sl, TODO_LOOK);
	/* From here on it notifies; what it said before it saw that is read after. */
	atomic_store(&sl->grant->look_ns, 0);
	dispatch_post(d, &ev);
}

/*
 * Somebody else has stopped it by a signal, as the guard does at a terminal: it does not run, and can't obey. It
 * loses its core, and wants it back when it is let go: it finds its grant revoked then, and says that it parks.
 */
static bool is_halted(struct dispatch *d, struct slot *sl)
{
	if (sl->is_frozen || sl->is_killed || how_it_stands(sl) != STAND_HALTED) {
		return false;
	}
	atomic_store(&sl->grant->revoked, sl->epoch);
	atomic_fetch_add(&sl->ack->wake, 1);
	(void)host_task_signal(sl->task.pid, sl->task.tid,
			       GRANT_SIGNAL); /* before its next instruction */
	tell_stopped(d, sl, SCHED_WHY_BLOCKED);
	return true;
}

bool dispatch_stopped(struct dispatch *d, struct slot *sl)
{
	enum sched_why why;
	enum stand stand;

	if (!claims_park(sl, &why)) {
		return is_halted(d, sl);
	}
	stand = how_it_stands(sl);
	if (stand == STAND_RUNS) {
		return false;
	}
	/* A thread that has ended wants nothing; its process follows, or is a VM without a vCPU. */
	tell_stopped(d, sl, stand == STAND_GONE ? SCHED_WHY_BLOCKED : why);
	hear_wish(d, sl);
	return true;
}

/*
 * The vCPU thread has ended: it has stopped for good, and its core is free. Its process may be
 * dying for long, on a busy housekeeping core; that is told by the pidfd.
 */
void dispatch_thread_gone(struct dispatch *d, struct slot *sl)
{
	if (sl->state != SLOT_VM || sl->is_dead) {
		return;
	}
	if (!sl->is_thread_gone) {
		sl->is_thread_gone = true;
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->task.end_fd, NULL);
	}
	if (sl->core != SCHED_CORE_NONE) {
		tell_stopped(d, sl, SCHED_WHY_BLOCKED);
	}
}

bool dispatch_is_behind(const struct slot *sl)
{
	struct host_task_times now;

	return sl->woken_ns && host_task_times(&sl->task, &now) == 0 && !has_come(sl, &now);
}

/*
 * Whether it is known to stand in line on its core: behind one that has not left; or an owner that slept without
 * having parked, for a page or for its monitor's lock, whose successor the kernel let run.
 */
static bool is_in_line(struct dispatch *d, const struct slot *sl)
{
	struct sched_core_info info;
	struct sched_lock lock;
	const struct slot *next;

	if (sl->core == SCHED_CORE_NONE || sched_core_get(d->s, sl->core, &info) < 0) {
		return false;
	}
	if (dispatch_is_behind(sl)) {
		return true;
	}
	lock = sched_lock_unpack(info.lock);
	if (lock.owner != sl->number || lock.successor == SCHED_NONE) {
		return false;
	}
	next = dispatch_slot(d, lock.successor);
	return (next->woken_ns || next->arrived_ns) && !dispatch_is_behind(next) &&
	       how_it_stands(next) == STAND_RUNS;
}

int dispatch_fresh_times(struct dispatch *d, const struct slot *sl, struct host_task_times *ret)
{
	/* One in line would be put before the one that runs; its times are exact as they are. */
	if (sl->prio && !is_in_line(d, sl)) {
		host_task_refresh(&sl->task, sl->prio);
	}
	return host_task_times(&sl->task, ret);
}

/* The time of a running thread may be so old; twice, for before and after. */
static ns_t staleness_ns(const struct slot *sl)
{
	struct timespec tick;

	if (sl->prio) {
		return 0;
	}
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return 2 * (ns_t)tick.tv_nsec;
}

/* It says that it parked, but could run. */
static void judge_claim(struct dispatch *d, struct slot *sl)
{
	ns_t now_ns = host_clock_monotonic_ns();
	struct host_task_times t;
	ns_t used_ns;

	if (dispatch_fresh_times(d, sl, &t) < 0) {
		return; /* it is gone: the pidfd tells */
	}
	if (sl->claim_run_ns == SCHED_NEVER) {
		sl->claim_run_ns = t.run_ns;
	}
	used_ns = t.run_ns - sl->claim_run_ns;
	if (used_ns > FORGED_NS * d->patience + staleness_ns(sl)) {
		struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_FORGED);

		sl->forged++;
		sl->claim_ns = 0;
		dispatch_post(d, &ev);
		return;
	}
	dispatch_todo(d, sl, TODO_LOOK, now_ns + AGAIN_NS);
}

/* A moment is given for the way into the sleep. */
static bool stops_soon(struct dispatch *d, struct slot *sl)
{
	ns_t until_ns = host_clock_monotonic_ns() + SPIN_NS;

	while (!dispatch_stopped(d, sl)) {
		if (d->is_one_core || host_clock_monotonic_ns() >= until_ns) {
			return false;
		}
		pause_cpu();
	}
	return true;
}

void dispatch_look(struct dispatch *d, struct slot *sl)
{
	enum sched_why why;

	if (sl->state != SLOT_VM || sl->core == SCHED_CORE_NONE || sl->is_held_back) {
		return;
	}
	if (!claims_park(sl, &why)) {
		sl->claim_ns = 0;
		return;
	}
	if (sl->claim_ns == 0) {
		sl->claim_ns = host_clock_monotonic_ns();
		sl->claim_run_ns = SCHED_NEVER;
		if (stops_soon(d, sl)) {
			return;
		}
	} else if (dispatch_stopped(d, sl)) {
		return;
	}
	judge_claim(d, sl);
}

/* Whether a VM that writes its eventfd without end was silenced. */
static bool is_too_noisy(struct dispatch *d, struct slot *sl)
{
	ns_t now_ns = host_clock_monotonic_ns();

	if (now_ns - sl->noise_since_ns > NOISE_WINDOW_NS) {
		sl->noise_since_ns = now_ns;
		sl->noise = 0;
	}
	if (++sl->noise < NOISE_MAX) {
		return false;
	}
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->notify_fd, NULL);
	sl->is_muted = true;
	dispatch_todo(d, sl, TODO_UNMUTE, now_ns + MUTE_NS);
	return true;
}

static void hear(struct dispatch *d, struct slot *sl)
{
	if (sl->core != SCHED_CORE_NONE) {
		dispatch_look(d, sl);
	} else {
		hear_wish(d, sl);
	}
}

void dispatch_heard(struct dispatch *d, struct slot *sl)
{
	if (sl->state == SLOT_VM && !sl->is_muted && !is_too_noisy(d, sl)) {
		hear(d, sl);
	}
}

void dispatch_unmute(struct dispatch *d, struct slot *sl)
{
	if (sl->state != SLOT_VM || !sl->is_muted) {
		return;
	}
	sl->is_muted = false;
	if (dispatch_epoll_add(d, sl->notify_fd, SOURCE_NOTIFY, sl->number, EPOLLIN | EPOLLET) <
	    0) {
		dispatch_todo(d, sl, TODO_UNMUTE, host_clock_monotonic_ns() + MUTE_NS);
		sl->is_muted = true;
	}
	hear(d, sl); /* what it had to say meanwhile */
}

/*
 * Whether a runnable thread is kept off its core by the host at this moment: its time does not grow.
 * Without real-time priority that can't be told from outside in so short a time.
 */
static bool is_waiting(struct dispatch *d, const struct slot *sl, struct host_task_times *ret_now)
{
	struct host_task_times first = sl->base;
	ns_t until_ns;

	*ret_now = sl->base;
	if (dispatch_fresh_times(d, sl, &first) < 0) {
		return false;
	}
	*ret_now = first;
	if (!sl->prio) {
		return false;
	}
	until_ns = host_clock_monotonic_ns() + WATCH_NS;
	while (host_clock_monotonic_ns() < until_ns) {
		pause_cpu();
	}
	return dispatch_fresh_times(d, sl, ret_now) == 0 && ret_now->run_ns == first.run_ns;
}

/* For how long has it been kept waiting since then? */
static ns_t stolen_of(struct dispatch *d, const struct slot *sl, ns_t since_ns,
		      const struct host_task_times *since, struct host_task_times *ret_now)
{
	bool waits = is_waiting(d, sl, ret_now);
	ns_t passed_ns = host_clock_monotonic_ns() - since_ns;
	ns_t cpu_ns = ret_now->run_ns - since->run_ns;
	ns_t delay_ns = ret_now->delay_ns - since->delay_ns;
	ns_t missing_ns = passed_ns > cpu_ns ? passed_ns - cpu_ns : 0;

	/* A wait that lasts is in no account yet: it is what is missing, and what is to come. */
	if (waits) {
		return missing_ns + PARK_NS;
	}
	return missing_ns > delay_ns + staleness_ns(sl) && !sl->prio ? missing_ns : delay_ns;
}

void dispatch_sample(struct dispatch *d, struct slot *sl, enum sched_reason reason)
{
	bool is_accused = reason == SCHED_REASON_HUNG;
	struct sched_event ev;
	struct host_task_times now;
	enum sched_why why;

	if (sl->core == SCHED_CORE_NONE || is_halted(d, sl) ||
	    (claims_park(sl, &why) && stops_soon(d, sl))) {
		return;
	}
	ev = dispatch_vcpu_event(sl, SCHED_EV_SAMPLE);
	if (how_it_stands(sl) == STAND_RUNS) {
		ev.stolen_ns = stolen_of(d, sl, is_accused ? sl->signaled_ns : sl->since_ns,
					 is_accused ? &sl->signaled : &sl->base, &now);
		ev.cpu_ns = now.run_ns - sl->base.run_ns;
	}
	dispatch_post(d, &ev);
}

bool dispatch_is_kept_off(struct dispatch *d, const struct slot *sl)
{
	struct host_task_times now;

	return how_it_stands(sl) == STAND_RUNS && is_waiting(d, sl, &now);
}
