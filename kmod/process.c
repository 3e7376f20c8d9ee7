// SPDX-License-Identifier: GPL-2.0
/*
 * Identity of processes, and what makes one go first. Called in process context without locks; process_is_over() in any
 * context. Only process_prefer() waits, for locks of cpusets.
 */
#include <linux/math64.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/time64.h>
#include <uapi/linux/sched/types.h>

#include "process.h"

#define RUNTIME_NS (5 * NSEC_PER_MSEC) /* what a preferred thread may use of its core ... */
#define PERIOD_NS \
	(50 * NSEC_PER_MSEC) /* ... in this time, and more when no other deadline task needs it */

/* The unit of /proc/PID/stat. */
static u64 start_ticks_of(const struct task_struct *leader)
{
	return div_u64(leader->start_boottime, NSEC_PER_SEC / USER_HZ);
}

/* Under RCU. A thread that leads no process is none of ours, and neither is init or the kernel. */
static struct pid *find(s32 nr, u64 start_ticks)
{
	struct pid *pid = nr > 1 ? find_pid_ns(nr, &init_pid_ns) : NULL;
	struct task_struct *leader = pid ? pid_task(pid, PIDTYPE_TGID) : NULL;

	if (!leader || leader->flags & PF_KTHREAD || start_ticks_of(leader) != start_ticks)
		return NULL;
	return pid;
}

struct pid *process_find(s32 nr, u64 start_ticks)
{
	struct pid *pid;

	rcu_read_lock();
	pid = get_pid(find(nr, start_ticks));
	rcu_read_unlock();
	return pid;
}

struct pid *process_of(const struct registry_vm *vm)
{
	struct pid *pid = process_find(vm->pid, vm->start_ticks);

	if (pid == vm->process)
		return pid;
	put_pid(pid);
	return NULL;
}

bool process_is_over(struct pid *pid)
{
	struct task_struct *leader;
	bool is_over;

	rcu_read_lock();
	leader = pid_task(pid, PIDTYPE_TGID);
	is_over = !leader || (READ_ONCE(leader->exit_state) && thread_group_empty(leader));
	rcu_read_unlock();
	return is_over;
}

int process_prefer(struct task_struct *task)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_DEADLINE,
		.sched_flags = SCHED_FLAG_RECLAIM,
		.sched_runtime = RUNTIME_NS,
		.sched_deadline = PERIOD_NS,
		.sched_period = PERIOD_NS,
	};
	int r = sched_setattr_nocheck(task, &attr);

	if (!r)
		return 0;
	attr = (struct sched_attr){
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = MAX_RT_PRIO - 1,
	};
	r = sched_setattr_nocheck(task, &attr);
	return r ? r : -EBUSY;
}
