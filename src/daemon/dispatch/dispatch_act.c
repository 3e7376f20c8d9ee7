/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the scheduler decided, carried out in its order: the lock first, then where the thread may
 * run, then the grant page, then the wake-up.
 *
 * A thread is woken only when that can't disturb: one that has parked a moment ago must not be made
 * runnable behind its successor. So a grant that keeps its epoch (ROBBED; HANDOFF of one that was
 * woken before) and a revoke change the page and wake nobody.
 */
#include "daemon/dispatch/dispatch_internal.h"

/* After a deadline; before the scheduler asks for a sample. */
#define LOOK_AFTER_NS (60 * NS_PER_US)

int dispatch_pin(struct dispatch *d, pid_t tid, uint16_t host_core)
{
	return d->place ? d->place(d->place_arg, tid, host_core) : host_task_pin(tid, host_core);
}

/* Put the vCPU thread on a host core, with the priority for it, and without it anywhere else; it sleeps. */
void dispatch_settle_on(struct dispatch *d, struct slot *sl, uint16_t host_core)
{
	int prio;

	if (sl->host_core != host_core) {
		sl->host_core =
			dispatch_pin(d, sl->task.tid, host_core) < 0 ? CORE_NONE : host_core;
	}
	prio = sl->host_core == CORE_NONE ? 0 : d->fifo_prio;
	if (sl->prio != prio && host_task_set_fifo(sl->task.tid, prio) == 0) {
		sl->prio = prio;
	}
}

void dispatch_publish(struct slot *sl, uint64_t epoch, ns_t budget_ns, ns_t deadline_ns)
{
	struct grant_page *p = sl->grant;

	atomic_store(&p->core, sl->host_core);
	atomic_store(&p->budget_ns, budget_ns);
	atomic_store(&p->base_ns, sl->base.run_ns);
	atomic_store(&p->deadline_ns, deadline_ns);
	atomic_store(&p->look_ns, 0);
	atomic_store(&p->epoch, epoch);
	atomic_fetch_add(&sl->ack->wake, 1);
}

/* It owns a core now, or is next on it. It sleeps, so its times are exact. */
static void take_core(struct dispatch *d, struct slot *sl, uint16_t core)
{
	dispatch_settle_on(d, sl, d->cores[core].host_core);
	sl->core = core;
	sl->is_blocked = false;
	sl->since_ns = host_clock_monotonic_ns();
	sl->woken_ns = sl->arrived_ns = 0;
	if (host_task_times(&sl->task, &sl->base) < 0) {
		sl->base = (struct host_task_times){ 0 };
	}
	sl->grants++;
}

/*
 * On the page the budget counts from when the core was taken. The slice of one that was exclusive
 * until now begins now.
 */
static ns_t before_ns(struct dispatch *d, const struct slot *sl, const struct sched_action *a)
{
	struct host_task_times now;

	if (a->reason != SCHED_REASON_RELEASED || dispatch_fresh_times(d, sl, &now) < 0) {
		return 0;
	}
	return now.run_ns - sl->base.run_ns;
}

/* What an action says, on the page. */
static void write_page(struct dispatch *d, struct slot *sl, const struct sched_action *a)
{
	if (sl->epoch != a->epoch) {
		sl->claim_ns = 0;
		dispatch_todo_clear(d, sl, TODO_LOOK);
	}
	sl->epoch = a->epoch;
	sl->deadline_ns = a->b;
	if (a->b == SCHED_NEVER) {
		dispatch_publish(sl, a->epoch, GRANT_NO_END, GRANT_NO_END);
	} else {
		/*
		 * A slice is CPU time: who was robbed finishes it, unless the ladder finds that it was not. One behind the
		 * owner waits as long as that is robbed: its deadline comes with HANDOFF.
		 */
		dispatch_publish(sl, a->epoch, a->a + before_ns(d, sl, a),
				 a->type == SCHED_ACT_PREWAKE ? GRANT_NO_END : a->b + a->a);
	}
}

/* The one before has stopped. It may not have the core yet: who sleeps by the kernel's account can still be on its way off it. */
static void begin_hold(struct slot *sl)
{
	ns_t arrived_ns = dispatch_arrived_ns(sl);

	sl->since_ns = arrived_ns ? arrived_ns : host_clock_monotonic_ns();
}

/* It is where it may run: one that stood still by force goes on only here. */
static void wake(struct dispatch *d, struct slot *sl)
{
	if (sl->is_thaw_due) {
		dispatch_thaw(d, sl);
	}
	host_futex_wake(&sl->ack->wake);
}

static void act_grant(struct dispatch *d, const struct sched_action *a)
{
	struct slot *sl = dispatch_slot(d, a->vcpu);
	bool is_same = sl->epoch == a->epoch && !sl->is_held_back;

	if (sl->core == SCHED_CORE_NONE) {
		take_core(d, sl, a->core);
	} else {
		dispatch_settle_on(d, sl, d->cores[a->core].host_core);
		if (a->reason == SCHED_REASON_HANDOFF) {
			begin_hold(sl);
		}
	}
	if (sl->host_core == CORE_NONE) {
		sl->epoch = a->epoch; /* it can't be placed: it stays asleep, and is found hung */
		return;
	}
	sl->is_held_back = false;
	write_page(d, sl, a);
	if (!is_same) {
		wake(d, sl);
	}
	if (sl->is_thread_gone) {
		dispatch_thread_gone(d, sl); /* it has no use for the core */
	}
}

/*
 * With a successor behind it, the owner parks at its deadline and nobody has to hurry: it need not
 * wake us from its core, we come by ourselves.
 */
static void look_at_owner(struct dispatch *d, uint16_t core)
{
	struct sched_core_info info;
	struct slot *sl;
	ns_t look_ns;

	if (sched_core_get(d->s, core, &info) < 0 ||
	    sched_lock_unpack(info.lock).owner == SCHED_NONE) {
		return;
	}
	sl = dispatch_slot(d, sched_lock_unpack(info.lock).owner);
	look_ns = sl->deadline_ns + LOOK_AFTER_NS;
	if ((sl->todo & TODO_LOOK) || sl->core != core || sl->deadline_ns == SCHED_NEVER ||
	    look_ns < host_clock_monotonic_ns() + LOOK_AFTER_NS) {
		return;
	}
	dispatch_todo(d, sl, TODO_LOOK, look_ns);
	atomic_store(&sl->grant->look_ns, look_ns);
}

/*
 * The owner of a core, by its lock, has not come onto it: somebody who parked there is not quite asleep. Were that one woken now, it
 * would run on, before the owner.
 */
static bool is_owner_behind(struct dispatch *d, uint16_t core)
{
	struct sched_core_info info;
	uint32_t owner;

	if (sched_core_get(d->s, core, &info) < 0) {
		return false;
	}
	owner = sched_lock_unpack(info.lock).owner;
	return owner != SCHED_NONE && dispatch_is_behind(dispatch_slot(d, owner));
}

static void act_prewake(struct dispatch *d, const struct sched_action *a)
{
	struct slot *sl = dispatch_slot(d, a->vcpu);

	take_core(d, sl, a->core);
	/* Without real-time priorities the kernel keeps no order between owner and successor. */
	sl->is_held_back = d->fifo_prio == 0 || sl->prio != d->fifo_prio || d->is_one_core ||
			   sl->host_core == CORE_NONE || is_owner_behind(d, a->core);
	if (sl->is_held_back) {
		sl->epoch = a->epoch;
		return;
	}
	write_page(d, sl, a);
	sl->woken_ns = host_clock_monotonic_ns();
	wake(d, sl);
	look_at_owner(d, a->core);
}

static void act_revoke(struct dispatch *d, const struct sched_action *a)
{
	struct slot *sl = dispatch_slot(d, a->vcpu);

	if (sl->core == SCHED_CORE_NONE) {
		return;
	}
	if (sl->is_held_back) {
		struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_STOPPED);

		sl->is_held_back = false;
		sl->core = SCHED_CORE_NONE;
		dispatch_post(d, &ev); /* it never heard of this grant */
		return;
	}
	atomic_store(&sl->grant->revoked, sl->epoch);
	atomic_fetch_add(&sl->ack->wake, 1);
}

static void act_signal(struct dispatch *d, const struct sched_action *a)
{
	struct slot *sl = dispatch_slot(d, a->vcpu);

	if (sl->core == SCHED_CORE_NONE || dispatch_stopped(d, sl)) {
		return;
	}
	sl->signals++;
	sl->signaled = sl->base;
	(void)dispatch_fresh_times(d, sl, &sl->signaled);
	sl->signaled_ns = host_clock_monotonic_ns();
	(void)host_task_signal(sl->task.pid, sl->task.tid, GRANT_SIGNAL); /* gone: pidfd tells */
}

static void tell_vm(struct dispatch *d, enum dispatch_notice_type type,
		    const struct sched_action *a)
{
	dispatch_notice_slot(d, type, (enum sched_reason)a->reason, dispatch_slot(d, a->vm),
			     SCHED_CORE_NONE);
}

static void act_report(struct dispatch *d, const struct sched_action *a)
{
	struct dispatch_notice n = { .type = a->type == SCHED_ACT_CORE_OFF ? DISPATCH_CORE_OFF
									   : DISPATCH_REPORT,
				     .reason = (enum sched_reason)a->reason,
				     .slot = a->vm,
				     .core = a->core };

	if (a->vm != SCHED_NONE && a->vm < d->cfg.limits.vms) {
		n.gen = d->slots[a->vm].gen;
	}
	dispatch_notice_put(d, &n);
}

void dispatch_carry_out(struct dispatch *d, const struct sched_action *a)
{
	switch ((enum sched_action_type)a->type) {
	case SCHED_ACT_LOCK:
		dispatch_lock_change(d, a);
		break;
	case SCHED_ACT_GRANT:
		act_grant(d, a);
		break;
	case SCHED_ACT_PREWAKE:
		act_prewake(d, a);
		break;
	case SCHED_ACT_REVOKE:
		act_revoke(d, a);
		break;
	case SCHED_ACT_SIGNAL:
		act_signal(d, a);
		break;
	case SCHED_ACT_SAMPLE:
		dispatch_sample(d, dispatch_slot(d, a->vcpu), (enum sched_reason)a->reason);
		break;
	case SCHED_ACT_FREEZE:
		dispatch_freeze(d, dispatch_slot(d, a->vm));
		break;
	case SCHED_ACT_THAW:
		dispatch_slot(d, a->vm)->is_thaw_due = true;
		break;
	case SCHED_ACT_KILL:
		dispatch_kill(d, dispatch_slot(d, a->vm));
		break;
	case SCHED_ACT_AUDIT:
		dispatch_death_check(d, dispatch_slot(d, a->vm));
		break;
	case SCHED_ACT_FAULT:
		tell_vm(d, DISPATCH_FAULT, a);
		break;
	case SCHED_ACT_CORE_OFF:
	case SCHED_ACT_REPORT:
		act_report(d, a);
		break;
	case SCHED_ACT_COUNT:
		BUG_ON(true);
	}
}
