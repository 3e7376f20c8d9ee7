/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standing still by force: freeze, thaw, kill. The kernel confirms a freeze a little later: it is
 * asked again and again, at growing distances, and nothing waits for it.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include "daemon/dispatch/dispatch_internal.h"
#include "host/cgroup.h"

#define FIRST_NS   (30 * NS_PER_US)
#define LONGEST_NS (10 * NS_PER_MS)
/* A death is told by the pidfd: this is only for one that isn't. */
#define DEATH_NS (2 * NS_PER_MS)

static ns_t longer(ns_t step_ns)
{
	return step_ns * 2 < LONGEST_NS ? step_ns * 2 : LONGEST_NS;
}

static bool has_folder(const struct slot *sl)
{
	return sl->freeze_dir[0] != '\0';
}

/*
 * The threads beside the vCPU have to run for a moment to come to a stop, or to die. Told so before: with this priority they
 * must not execute an instruction of their own program. 0: no more hurry.
 */
static void hurry(struct dispatch *d, struct slot *sl, int prio)
{
	for (uint32_t i = 0; d->fifo_prio && i < sl->n_others; i++) {
		(void)host_task_set_fifo(sl->others[i], prio);
	}
}

void dispatch_freeze(struct dispatch *d, struct slot *sl)
{
	sl->freezes++;
	sl->is_frozen = true;
	sl->is_thaw_due = false;
	/* Always: the folder may hold the vCPU thread alone. Dead: the pidfd tells. */
	(void)host_proc_kill(sl->pidfd, SIGSTOP);
	hurry(d, sl, PRIO_STOP);
	if (has_folder(sl)) {
		(void)host_cgroup_freeze(sl->freeze_dir, true);
	}
	sl->freeze_step_ns = FIRST_NS;
	dispatch_todo(d, sl, TODO_FREEZE, host_clock_monotonic_ns() + sl->freeze_step_ns);
}

static bool is_frozen(const struct slot *sl)
{
	return (has_folder(sl) && host_cgroup_is_frozen(sl->freeze_dir)) ||
	       host_process_is_stopped(sl->task.pid);
}

/*
 * A thread comes to a stop where it runs; this one may be queued behind another. Stopped by a signal
 * that it has before it is moved, and no longer by a folder that it leaves, it gets to its stop on the
 * housekeeping core without an instruction of its own program.
 */
static void let_stop(struct dispatch *d, struct slot *sl)
{
	if (sl->host_core == d->housekeeping || !dispatch_is_kept_off(d, sl)) {
		return;
	}
	/* First off the core: at a lower priority another would overtake it there. */
	if (dispatch_pin(d, sl->task.tid, d->housekeeping) == 0) {
		sl->host_core = d->housekeeping;
	}
	if (d->fifo_prio && host_task_set_fifo(sl->task.tid, PRIO_STOP) == 0) {
		sl->prio = PRIO_STOP;
	}
}

/* Whoever thaws it, a later daemon perhaps, must not find real-time threads on the core where he runs himself. */
static void calm(struct dispatch *d, struct slot *sl)
{
	hurry(d, sl, 0);
	if (sl->host_core == d->housekeeping && sl->prio &&
	    host_task_set_fifo(sl->task.tid, 0) == 0) {
		sl->prio = 0;
	}
}

void dispatch_freeze_check(struct dispatch *d, struct slot *sl)
{
	struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_VM_FROZEN);
	struct host_task_times now;

	if (!sl->is_frozen || sl->is_killed || sl->is_dead) {
		return;
	}
	if (!is_frozen(sl)) {
		let_stop(d, sl);
		sl->freeze_step_ns = longer(sl->freeze_step_ns);
		dispatch_todo(d, sl, TODO_FREEZE, host_clock_monotonic_ns() + sl->freeze_step_ns);
		return;
	}
	sl->core = SCHED_CORE_NONE;
	sl->is_held_back = false;
	sl->claim_ns = 0;
	sl->is_blocked = false;
	calm(d, sl);
	dispatch_todo_clear(d, sl, TODO_LOOK);
	if (host_task_times(&sl->task, &now) == 0) {
		sl->seen_run_ns = now.run_ns;
	}
	dispatch_post(d, &ev);
}

void dispatch_thaw(struct dispatch *d, struct slot *sl)
{
	hurry(d, sl, 0);
	sl->is_frozen = sl->is_thaw_due = false;
	if (has_folder(sl)) {
		(void)host_cgroup_freeze(sl->freeze_dir, false);
	}
	(void)host_proc_kill(sl->pidfd, SIGCONT);
}

/* Whether its process is dead; then everybody who has to know is told. */
void dispatch_death_check(struct dispatch *d, struct slot *sl)
{
	struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_VM_DIED);
	struct pollfd p = { .fd = sl->pidfd, .events = POLLIN };

	if (sl->state != SLOT_VM || sl->is_dead) {
		return;
	}
	if (poll(&p, 1, 0) != 1) {
		if (sl->is_killed) {
			sl->death_step_ns = longer(sl->death_step_ns);
			dispatch_todo(d, sl, TODO_DEATH,
				      host_clock_monotonic_ns() + sl->death_step_ns);
		}
		return;
	}
	sl->is_dead = true;
	sl->core = SCHED_CORE_NONE;
	sl->is_held_back = false;
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->pidfd, NULL);
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->task.end_fd, NULL);
	if (!sl->is_muted) {
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->notify_fd, NULL);
	}
	sl->is_muted = true;
	dispatch_todo_clear(d, sl, TODO_LOOK);
	dispatch_todo_clear(d, sl, TODO_FREEZE);
	dispatch_todo_clear(d, sl, TODO_UNMUTE);
	dispatch_todo_clear(d, sl, TODO_DEATH);
	dispatch_post(d, &ev);
	dispatch_notice_slot(d, DISPATCH_DIED, SCHED_REASON_NONE, sl, SCHED_CORE_NONE);
}

/*
 * Off the pool first: the tear-down of a large VM must not happen there. When its vCPU thread has
 * been moved and killed, it never executes on the pool core again: the core is free before the
 * process is gone.
 */
void dispatch_kill(struct dispatch *d, struct slot *sl)
{
	struct sched_event ev = dispatch_vcpu_event(sl, SCHED_EV_STOPPED);
	struct host_task_times now = sl->base;
	bool is_off, is_told;

	/* On the way it executes nothing more of its own: it has a signal to obey first. */
	(void)host_proc_kill(sl->pidfd, SIGSTOP);
	hurry(d, sl, PRIO_DIE);
	if (d->fifo_prio && host_task_set_fifo(sl->task.tid, PRIO_DIE) == 0) {
		sl->prio = PRIO_DIE;
	}
	/* A thread that can't be moved has ended; its process is killed all the same. */
	is_off = dispatch_pin(d, sl->task.tid, d->housekeeping) == 0;
	is_told = host_proc_kill(sl->pidfd, SIGKILL) == 0;
	sl->is_killed = true;
	sl->host_core = d->housekeeping;
	sl->death_step_ns = DEATH_NS;
	dispatch_todo_clear(d, sl, TODO_FREEZE);
	dispatch_todo(d, sl, TODO_DEATH, host_clock_monotonic_ns() + sl->death_step_ns);
	if (!is_off || !is_told || sl->core == SCHED_CORE_NONE ||
	    d->cores[sl->core].host_core == d->housekeeping) {
		return;
	}
	(void)host_task_times(&sl->task, &now);
	ev.cpu_ns = now.run_ns - sl->base.run_ns;
	sl->core = SCHED_CORE_NONE;
	sl->is_held_back = false;
	dispatch_todo_clear(d, sl, TODO_LOOK);
	dispatch_post(d, &ev);
}
