/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sampler: some VMs each tenth of a second, in turn. It finds what no notice tells: a vCPU that
 * runs without a grant, a thread that left the core where it belongs.
 *
 * Cost: no wake-up while there is no VM; else ten a second, each of two reads (3.5 us together on
 * the reference machine) and a few cheap system calls for at most WATCH_SLOTS VMs. A VM that sleeps
 * is not woken by it.
 */
#include "daemon/dispatch/dispatch_internal.h"

void dispatch_watch_arm(struct dispatch *d)
{
	if (d->watch_ns == SCHED_NEVER && d->n_vms) {
		d->watch_ns = host_clock_monotonic_ns() + WATCH_EVERY_NS;
	}
}

static void tell_stray(struct dispatch *d, struct slot *sl, uint32_t host_core)
{
	uint16_t core = SCHED_CORE_NONE;

	for (uint32_t i = 0; i < d->cfg.limits.cores; i++) {
		core = d->cores[i].host_core == host_core ? (uint16_t)i : core;
	}
	sl->strays++;
	dispatch_notice_slot(d, DISPATCH_STRAY, SCHED_REASON_NONE, sl, core);
}

/* What a thread without a grant may have used: it is woken now and then, and a hypervisor's pauses count as its time. */
static ns_t rogue_max_ns(const struct dispatch *d)
{
	ns_t max_ns = ROGUE_MAX_NS;

	if (!d->fifo_prio) {
		return ROGUE_SHARED_NS;
	}
	if (d->patience > ROGUE_PATIENCE) {
		max_ns = max_ns * d->patience / ROGUE_PATIENCE;
		max_ns = max_ns < ROGUE_PATIENT_NS ? max_ns : ROGUE_PATIENT_NS;
	}
	return max_ns;
}

/* Time that nobody granted. */
static void watch_time(struct dispatch *d, struct slot *sl)
{
	struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_ROGUE);
	struct host_task_times now;
	ns_t now_ns = host_clock_monotonic_ns();
	ns_t max_ns = rogue_max_ns(d);
	ns_t limit_ns, used_ns;
	bool is_idle = sl->core == SCHED_CORE_NONE && !sl->is_frozen && !sl->is_killed;

	if (host_task_times(&sl->task, &now) < 0) {
		dispatch_death_check(d, sl);
		return;
	}
	limit_ns = ROGUE_NS * d->patience;
	if (limit_ns > max_ns || now_ns - sl->seen_ns > 2 * WATCH_EVERY_NS) {
		limit_ns = max_ns;
	}
	used_ns = now.run_ns - sl->seen_run_ns;
	if (is_idle && used_ns <= limit_ns && now_ns - sl->seen_ns < ROGUE_WINDOW_NS) {
		return; /* it may have little of its core: what it uses adds up */
	}
	sl->seen_run_ns = now.run_ns;
	sl->seen_ns = now_ns;
	if (is_idle && used_ns > limit_ns) {
		dispatch_post(d, &ev);
	}
}

/*
 * To where it belongs, with its priority: the guard takes that, too. When its core is offline the kernel lets it run anywhere:
 * with the priority it would be in everybody's way there.
 */
static void bring_back(struct dispatch *d, struct slot *sl)
{
	if (dispatch_pin(d, sl->task.tid, sl->host_core) < 0) {
		(void)dispatch_pin(d, sl->task.tid, d->housekeeping);
		sl->host_core = d->housekeeping;
		sl->prio = 0;
	}
	(void)host_task_set_fifo(sl->task.tid, sl->prio);
}

/* Threads where they belong. */
static void watch_places(struct dispatch *d, struct slot *sl)
{
	struct host_task_look look;
	bool is_away;

	if (host_task_look(&sl->task, &look) < 0) {
		return;
	}
	is_away = sl->host_core != CORE_NONE && !host_task_is_pinned(sl->task.tid, sl->host_core);
	/* One that was moved since, by a grant, is where it belongs, and may lack its priority still. */
	if (is_away || (sl->prio && !host_task_is_fifo(sl->task.tid))) {
		bring_back(d, sl);
	}
	if (is_away) {
		tell_stray(d, sl, look.core);
	}
	for (uint32_t i = 0; i < sl->n_others; i++) {
		if (host_task_is_pinned(sl->others[i], d->housekeeping)) {
			continue;
		}
		if (dispatch_pin(d, sl->others[i], d->housekeeping) == 0) {
			tell_stray(d, sl, CORE_NONE);
		}
	}
	if (look.threads != sl->n_threads) {
		dispatch_slot_keep_off(d, sl); /* a new one may sit where its maker sat */
	}
}

void dispatch_watch(struct dispatch *d, ns_t now_ns)
{
	uint32_t left = WATCH_SLOTS;

	if (now_ns < d->watch_ns) {
		return;
	}
	for (uint32_t i = 0; i < d->top && left; i++) {
		struct slot *sl;

		d->watch_at = d->watch_at + 1 < d->top ? d->watch_at + 1 : 0;
		sl = &d->slots[d->watch_at];
		if (sl->state != SLOT_VM || sl->is_dead) {
			continue;
		}
		left--;
		watch_time(d, sl);
		if (!sl->is_killed && !sl->is_dead) {
			watch_places(d, sl);
		}
	}
	d->watch_ns = SCHED_NEVER;
	dispatch_watch_arm(d);
}
