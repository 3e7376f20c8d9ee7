// SPDX-License-Identifier: GPL-2.0
/*
 * What a terminal does to processes: signals, affinities, scheduling classes. Each function acts on the process
 * that an entry of the registry was made for, or on none.
 *
 * Called in terminal threads and, actions_kill(), by whoever registers a VM of a banned user; without locks. They can
 * wait for what other tasks hold (setting a scheduling class or an affinity takes locks of cpusets): therefore the
 * signal comes first, and a thread that waits too long is given up by threads.c.
 */
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/wait.h>

#include "channel.h"
#include "main.h"
#include "process.h"

#define WAIT_NS	     (100 * NSEC_PER_MSEC) /* for an effect */
#define LOOK_NS	     NSEC_PER_MSEC	   /* between two looks at something that tells nobody */
#define THREADS_ONCE 32			   /* of a process, referenced at once */

/* References to the threads of a process after the first skip ones. Returns how many. */
static u32 take_threads(struct pid *pid, u32 skip, struct task_struct *ret[THREADS_ONCE])
{
	struct task_struct *leader, *thread;
	u32 i = 0, count = 0;

	rcu_read_lock();
	leader = pid_task(pid, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, thread) {
			if (i++ >= skip && count < THREADS_ONCE)
				ret[count++] = get_task_struct(thread);
		}
	}
	rcu_read_unlock();
	return count;
}

/* Do something that may wait to each thread of a process. Returns the last error, or 0. */
static int each_thread(struct pid *pid, int (*act)(struct task_struct *t, const void *arg),
		       const void *arg)
{
	struct task_struct *threads[THREADS_ONCE];
	u32 skip = 0, count;
	int r, error = 0;

	do {
		count = take_threads(pid, skip, threads);
		for (u32 i = 0; i < count; i++) {
			r = act(threads[i], arg);
			if (r && !threads[i]->exit_state)
				error = r;
			put_task_struct(threads[i]);
		}
		skip += count;
	} while (count == THREADS_ONCE);
	return error;
}

/*
 * Let a thread that is to die run before anything else, wherever it can. One that is dead is left alone: the kernel would give it
 * the bandwidth of a deadline task, which is given back when a task stops running, and this one never runs again.
 */
static int hurry(struct task_struct *t, const void *unused)
{
	set_cpus_allowed_ptr(t, cpu_possible_mask);
	return READ_ONCE(t->exit_state) ? 0 : process_prefer(t);
}

static u64 us_since(u64 begun_ns)
{
	return div_u64(ktime_get_boottime_ns() - begun_ns, NSEC_PER_USEC);
}

static void nap(void)
{
	ktime_t length = ns_to_ktime(LOOK_NS);

	set_current_state(TASK_IDLE);
	schedule_hrtimeout(&length, HRTIMER_MODE_REL);
}

/* Wait until a process is over, which its pid tells; WAIT_NS at most. */
static bool await_end(struct pid *pid)
{
	ktime_t until = ktime_add_ns(ktime_get(), WAIT_NS);
	bool is_over, is_late = false;
	DEFINE_WAIT(wait);

	for (;;) {
		prepare_to_wait(&pid->wait_pidfd, &wait, TASK_IDLE);
		is_over = process_is_over(pid);
		if (is_over || is_late)
			break;
		is_late = !schedule_hrtimeout(&until, HRTIMER_MODE_ABS);
	}
	finish_wait(&pid->wait_pidfd, &wait);
	return is_over;
}

int actions_kill(const struct registry_vm *vm, u64 *ret_us)
{
	u64 begun_ns = ktime_get_boottime_ns();
	struct pid *pid = process_of(vm);
	bool is_over;
	int r;

	if (!pid)
		return -ESRCH;
	r = kill_pid(pid, SIGKILL, 1);
	if (!r) {
		each_thread(pid, hurry, NULL);
		is_over = await_end(pid);
		*ret_us = us_since(begun_ns);
		r = is_over ? 0 : -EINPROGRESS;
	}
	put_pid(pid);
	return r;
}

/* Whether a process is stopped, all of it. */
static bool is_stopped(struct pid *pid)
{
	struct task_struct *leader;
	bool stopped;

	rcu_read_lock();
	leader = pid_task(pid, PIDTYPE_TGID);
	stopped = leader && READ_ONCE(leader->signal->flags) & SIGNAL_STOP_STOPPED;
	rcu_read_unlock();
	return stopped;
}

bool actions_is_stopped(const struct registry_vm *vm)
{
	struct pid *pid = process_of(vm);
	bool stopped = pid && is_stopped(pid);

	put_pid(pid);
	return stopped;
}

static int stop_or_go(const struct registry_vm *vm, int signal, u64 *ret_us)
{
	u64 begun_ns = ktime_get_boottime_ns();
	struct pid *pid = process_of(vm);
	bool wanted = signal == SIGSTOP;
	int r;

	if (!pid)
		return -ESRCH;
	r = kill_pid(pid, signal, 1);
	if (!r) {
		while (is_stopped(pid) != wanted && us_since(begun_ns) * NSEC_PER_USEC < WAIT_NS)
			nap();
		*ret_us = us_since(begun_ns);
		r = is_stopped(pid) == wanted ? 0 : -EINPROGRESS;
	}
	put_pid(pid);
	return r;
}

int actions_freeze(const struct registry_vm *vm, u64 *ret_us)
{
	return stop_or_go(vm, SIGSTOP, ret_us);
}

int actions_thaw(const struct registry_vm *vm, u64 *ret_us)
{
	return stop_or_go(vm, SIGCONT, ret_us);
}

/*
 * As an ordinary task: whoever scheduled it may be dead, and a real-time thread among others lets none of them run, not even a
 * new daemon. One that is to die keeps what hurry() gave it. (What the flags are in lives as long as the thread's reference.)
 */
static int banish(struct task_struct *t, const void *mask)
{
	if (!(READ_ONCE(t->signal->flags) & SIGNAL_GROUP_EXIT))
		sched_set_normal(t, 0);
	return set_cpus_allowed_ptr(t, mask);
}

/* Without cores that are taken, unless that leaves none. */
static void keep_off(struct cpumask *mask, const u64 *taken)
{
	bool is_left = false;
	unsigned int core;

	for_each_cpu(core, mask)
		is_left |= !registry_has_core(taken, core);
	if (!is_left)
		return;
	for_each_cpu(core, mask) {
		if (registry_has_core(taken, core))
			cpumask_clear_cpu(core, mask);
	}
}

int actions_move(const struct registry_vm *vm, u32 core, const u64 *taken)
{
	struct cpumask mask; /* 1 KiB of a stack of 16; nothing is allocated here */
	struct pid *pid;
	int r;

	cpumask_copy(&mask, cpu_online_mask);
	cpumask_clear_cpu(terminal_core(), &mask);
	cpumask_clear_cpu(core, &mask);
	if (cpumask_empty(&mask))
		return -ENOSPC;
	keep_off(&mask, taken);
	pid = process_of(vm);
	if (!pid)
		return -ESRCH;
	/* Once more for threads that were made meanwhile by one that had not been moved yet. */
	r = each_thread(pid, banish, &mask);
	if (!r)
		r = each_thread(pid, banish, &mask);
	put_pid(pid);
	return r;
}

static bool is_bound_to(const struct task_struct *t, u32 core)
{
	return (READ_ONCE(t->on_cpu) && task_cpu(t) == core) ||
	       cpumask_equal(t->cpus_ptr, cpumask_of(core));
}

bool actions_is_on_core(const struct registry_vm *vm, u32 core)
{
	struct pid *pid = process_of(vm);
	struct task_struct *leader, *thread;
	bool is_on = false;

	if (!pid || core >= nr_cpu_ids) {
		put_pid(pid);
		return false;
	}
	rcu_read_lock();
	leader = pid_task(pid, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, thread)
			is_on |= is_bound_to(thread, core);
	}
	rcu_read_unlock();
	put_pid(pid);
	return is_on;
}

u64 actions_cpu_ns(const struct registry_vm *vm)
{
	struct pid *pid = process_of(vm);
	struct task_struct *leader, *thread;
	u64 ns = 0;

	rcu_read_lock();
	leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;
	if (leader) {
		ns = READ_ONCE(leader->signal->sum_sched_runtime); /* of threads that have ended */
		for_each_thread(leader, thread)
			ns += READ_ONCE(thread->se.sum_exec_runtime);
	}
	rcu_read_unlock();
	put_pid(pid);
	return ns;
}

static char policy_of(const struct task_struct *t)
{
	if (t->flags & PF_KTHREAD)
		return 'k';
	switch (t->policy) {
	case SCHED_FIFO:
		return 'f';
	case SCHED_RR:
		return 'r';
	case SCHED_DEADLINE:
		return 'd';
	default:
		return 'o';
	}
}

void actions_see_core(u32 core, struct guard_core *ret)
{
	struct task_struct *process, *t;

	*ret = (struct guard_core){ .core = core, .policy = 'o' };
	ret->is_online = core < nr_cpu_ids && cpu_online(core);
	if (!ret->is_online)
		return;
	rcu_read_lock();
	for_each_process_thread(process, t) {
		if (!READ_ONCE(t->on_cpu) || task_cpu(t) != core)
			continue;
		ret->pid = t->tgid;
		ret->policy = policy_of(t);
		ret->priority = rt_task(t) ? (u8)t->rt_priority : 0;
		get_task_comm(ret->task, t);
	}
	rcu_read_unlock();
}
