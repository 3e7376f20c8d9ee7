// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a thread, a struct thread: made by life_maintain() or at load, freed by life_maintain() or at unload once
 * the thread is dead, its wait-queue entry is off the queue (so threads_on_death() has returned) and its timer is
 * cancelled (so threads_on_deadline() has). A thread that ends has left the module's text when threads_on_death() is
 * called: it returned from its function, or died in the kernel's exit path.
 *
 * Contexts: process context without locks. life_maintain() is an ordinary thread, which starves while the cores are
 * hogged; once it runs, it alone makes threads and frees what dead ones leave.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "channel.h"
#include "life.h"
#include "main.h"
#include "process.h"

void life_bind(struct task_struct *task)
{
	const struct cpumask *core = cpumask_of(terminal_core());

	if (!cpumask_equal(task->cpus_ptr, core))
		set_cpus_allowed_ptr(task, core); /* fails while the core is offline */
}

static int run(void *arg)
{
	struct thread *t = arg;
	u32 orders;

	threads_ready(t);
	do {
		orders = threads_wait(t, ~0ull);
		if (orders & THREADS_LEAVE) /* taken over before it began */
			threads_slept(t);
		else if (orders & THREADS_SERVE)
			terminal_talk(t);
		if (!threads_is_current(t)) {
			t->has_module = false;
			module_put_and_kthread_exit(0);
		}
	} while (!(orders & THREADS_END));
	return 0;
}

/* Before the thread runs. */
static void prefer(struct thread *t)
{
	int r = process_prefer(t->task);

	t->is_fifo = r == -EBUSY;
	if (r)
		pr_warn("thread %d was refused SCHED_DEADLINE (%d): it waits behind hogs of "
			"priority 99\n",
			task_pid_nr(t->task), r);
}

int life_make(u8 place)
{
	struct thread *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct task_struct *task;

	if (!t)
		return -ENOMEM;
	task = kthread_create(run, t, "pinfold_guard/%u", place);
	if (IS_ERR(task)) {
		kfree(t);
		return PTR_ERR(task);
	}
	t->task = get_task_struct(task);
	t->pid = get_task_pid(task, PIDTYPE_PID);
	t->place = place;
	t->terminal = ARBITER_NONE;
	t->channel = ARBITER_NONE;
	prefer(t);
	life_bind(task);
	hrtimer_init(&t->deadline, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	t->deadline.function = threads_on_deadline;
	init_waitqueue_func_entry(&t->death, threads_on_death);
	add_wait_queue(&t->pid->wait_pidfd, &t->death);

	threads_enter(t);
	wake_up_process(task);
	return 0;
}

void life_discard(struct thread *t)
{
	remove_wait_queue(&t->pid->wait_pidfd, &t->death);
	hrtimer_cancel(&t->deadline);
	put_pid(t->pid);
	put_task_struct(t->task);
	kfree_sensitive(t);
}

static void bury(struct thread *t)
{
	pr_warn("thread %d of terminal %c has ended\n", task_pid_nr(t->task),
		t->terminal == ARBITER_NONE ? '-' : 'A' + t->terminal);
	if (t->has_module) { /* died in a dialogue */
		terminal_close(t->channel);
		module_put(THIS_MODULE);
	}
	life_discard(t);
}

int life_maintain(void *unused)
{
	while (!kthread_should_stop()) {
		struct thread *dead;
		u8 place;

		set_current_state(TASK_IDLE); /* before looking: what comes later wakes it */
		dead = threads_take_dead();
		place = threads_take_wanted();
		if (!dead && place == ARBITER_NONE && !kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
		if (dead)
			bury(dead);
		if (place != ARBITER_NONE && life_make(place))
			threads_want_later(place);
	}
	return 0;
}
