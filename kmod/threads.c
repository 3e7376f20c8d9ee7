// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of the terminals: who is told what, and who is given up. How one is made and ends is in life.c. docs/guard.md,
 * "Threads".
 *
 * Contexts
 *  - terminal_wake(), terminal_input(), terminal_is_served(): any, also hard interrupts with a driver's lock held.
 *  - threads_on_death(): in the exit of a thread, under tasklist_lock and the lock of pid->wait_pidfd, interrupts off.
 *  - threads_on_deadline(): hard interrupt of a timer.
 *  - threads_enter(), threads_take_dead(), threads_take_wanted(), threads_want_later(): who makes and frees threads.
 *  - everything else: process context without locks.
 *
 * Locks: the one lock here is a raw one, taken last but for those of the scheduler (wake_up_process()) and of the log
 * (main_log_lost(), before a replacement can begin a command of its own); nothing waits under it, and no channel is
 * called.
 *
 * The control core may go offline: the kernel then moves the threads elsewhere, and each goes on there; when the core is
 * back, they return to it at their next wake-up.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "channel.h"
#include "life.h"
#include "main.h"
#include "process.h"
#include "threads.h"

#define GIVEN_UP_MAX 32 /* hanging threads that are replaced */

static uint control_core;
module_param(control_core, uint, 0444);
MODULE_PARM_DESC(control_core, "core that the terminals run on (default 0)");

static uint command_ms = 2000;
module_param(command_ms, uint, 0444);
MODULE_PARM_DESC(command_ms,
		 "a command that takes longer is given up with its thread (default 2000)");

static DEFINE_RAW_SPINLOCK(lock);
/* All under the lock. */
static struct arbiter arbiter;
static struct thread *places[ARBITER_THREADS];
static LIST_HEAD(all);
static unsigned long wanted; /* places that need a thread */
static u32 given_up;
static bool is_down = true; /* events mean nothing: not yet, or no longer */

static struct task_struct *maintainer;

bool threads_is_current(const struct thread *t)
{
	return !READ_ONCE(t->is_given_up);
}

u32 terminal_core(void)
{
	return control_core;
}

static void order_locked(struct thread *t, u32 order)
{
	t->orders |= order;
	wake_up_process(t->task);
}

static void maintain_locked(void)
{
	if (maintainer && !is_down)
		wake_up_process(maintainer);
}

static void give_up_locked(struct thread *t)
{
	WRITE_ONCE(t->is_given_up, true);
	places[t->place] = NULL;
	t->place = ARBITER_NONE;
	given_up++;
}

static void do_locked(const struct arbiter_action *a, const char *source)
{
	struct thread *t = places[a->thread];

	switch (a->what) {
	case ARBITER_SERVE:
		t->terminal = a->terminal;
		t->channel = a->channel;
		t->source = source;
		order_locked(t, THREADS_SERVE);
		break;
	case ARBITER_BECOME:
		t->terminal = a->terminal;
		break;
	case ARBITER_SHOW:
		t->source = source;
		order_locked(t, THREADS_SHOW);
		break;
	case ARBITER_LEAVE:
		order_locked(t, THREADS_LEAVE);
		break;
	case ARBITER_ABANDON:
		give_up_locked(t);
		break;
	case ARBITER_SPAWN:
		__set_bit(a->thread, &wanted);
		maintain_locked();
		break;
	}
}

static void do_all_locked(const struct arbiter_actions *todo, const char *source)
{
	for (u32 i = 0; i < todo->count; i++)
		do_locked(&todo->list[i], source);
}

void terminal_wake(enum arbiter_channel channel, const char *source)
{
	struct arbiter_actions todo;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (!is_down) {
		arbiter_wake(&arbiter, channel, &todo);
		do_all_locked(&todo, source);
	}
	raw_spin_unlock_irqrestore(&lock, flags);
}

/* The thread that serves a channel; under the lock. */
static struct thread *server_of_locked(enum arbiter_channel channel)
{
	u8 terminal = arbiter.terminal_of[channel];
	u8 place = terminal == ARBITER_NONE ? ARBITER_NONE : arbiter.thread_of[terminal];

	return is_down || place == ARBITER_NONE ? NULL : places[place];
}

void terminal_input(enum arbiter_channel channel)
{
	struct thread *t;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	t = server_of_locked(channel);
	if (t)
		order_locked(t, THREADS_INPUT);
	raw_spin_unlock_irqrestore(&lock, flags);
}

bool terminal_is_served(enum arbiter_channel channel)
{
	unsigned long flags;
	bool is_served;

	raw_spin_lock_irqsave(&lock, flags);
	is_served = !is_down && arbiter.terminal_of[channel] != ARBITER_NONE;
	raw_spin_unlock_irqrestore(&lock, flags);
	return is_served;
}

bool threads_serves(const struct thread *t)
{
	unsigned long flags;
	bool serves;

	raw_spin_lock_irqsave(&lock, flags);
	serves = t == server_of_locked(t->channel);
	raw_spin_unlock_irqrestore(&lock, flags);
	return serves;
}

void threads_ready(struct thread *t)
{
	struct arbiter_actions todo;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (!is_down && t->place != ARBITER_NONE) {
		arbiter_ready(&arbiter, t->place, &todo);
		do_all_locked(&todo, "replacement");
	}
	raw_spin_unlock_irqrestore(&lock, flags);
}

void threads_slept(struct thread *t)
{
	struct arbiter_actions todo;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (!is_down && t->place != ARBITER_NONE) {
		bool is_asked = (t->orders & (THREADS_SHOW | THREADS_LEAVE)) == THREADS_SHOW;
		const char *source = t->source;
		u8 channel = t->channel;

		t->orders &=
			THREADS_END; /* others were about this dialogue; the next SERVE comes later */
		arbiter_slept(&arbiter, t->place, &todo);
		do_all_locked(&todo, "replacement");
		/* Somebody asked for the prompt in this very moment. */
		if (is_asked) {
			arbiter_wake(&arbiter, channel, &todo);
			do_all_locked(&todo, source);
		}
	}
	raw_spin_unlock_irqrestore(&lock, flags);
}

int threads_on_death(struct wait_queue_entry *entry, unsigned int mode, int sync, void *key)
{
	struct thread *t = container_of(entry, struct thread, death);
	struct arbiter_actions todo;
	unsigned long flags;
	bool is_news;

	raw_spin_lock_irqsave(&lock, flags);
	is_news = !t->is_dead && !is_down;
	t->is_dead = true;
	if (is_news && t->place != ARBITER_NONE) {
		u8 place = t->place;

		places[place] = NULL;
		t->place = ARBITER_NONE;
		main_log_lost(t->terminal, -EOWNERDEAD);
		arbiter_died(&arbiter, place, &todo);
		do_all_locked(&todo, "replacement");
	}
	if (is_news)
		maintain_locked();
	raw_spin_unlock_irqrestore(&lock, flags);
	if (!is_news)
		return 0;
	if (t->is_given_up) {
		main_log(PINFOLD_GUARD_LOG_TERMINAL, t->terminal, 0,
			 "a thread that was given up has ended");
		return 0;
	}
	main_log(PINFOLD_GUARD_LOG_TERMINAL, t->terminal, 0, "its thread died");
	return 0;
}

enum hrtimer_restart threads_on_deadline(struct hrtimer *timer)
{
	struct thread *t = container_of(timer, struct thread, deadline);
	struct arbiter_actions todo;
	unsigned long flags;
	bool overran;

	raw_spin_lock_irqsave(&lock, flags);
	overran = !is_down && t->is_in_command && t->place != ARBITER_NONE;
	if (overran) {
		arbiter_overran(&arbiter, t->place, &todo);
		do_all_locked(&todo, "replacement");
		main_log_lost(t->terminal, -ETIMEDOUT);
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	if (overran) {
		main_log(PINFOLD_GUARD_LOG_TERMINAL, t->terminal, -ETIMEDOUT,
			 "its thread hangs in a command and is given up");
		pr_warn("terminal %c: thread %d hangs in a command and is given up; the module "
			"can't be unloaded before it ends\n",
			'A' + t->terminal, task_pid_nr(t->task));
	}
	return HRTIMER_NORESTART;
}

void threads_begin_command(struct thread *t)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	t->is_in_command = true;
	raw_spin_unlock_irqrestore(&lock, flags);
	hrtimer_start(&t->deadline, ms_to_ktime(command_ms), HRTIMER_MODE_REL_HARD);
}

bool threads_end_command(struct thread *t)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	t->is_in_command = false;
	raw_spin_unlock_irqrestore(&lock, flags);
	/* Also waits for a threads_on_deadline() that runs: it must not meet the next command. */
	hrtimer_cancel(&t->deadline);
	return threads_is_current(t);
}

u32 threads_wait(struct thread *t, u64 until_ns)
{
	unsigned long flags;
	u32 orders;

	for (;;) {
		u64 now_ns = ktime_get_boottime_ns();
		ktime_t left = ns_to_ktime(until_ns - now_ns);

		set_current_state(TASK_IDLE);
		raw_spin_lock_irqsave(&lock, flags);
		orders = t->orders;
		t->orders &= THREADS_END;
		raw_spin_unlock_irqrestore(&lock, flags);
		if (kthread_should_stop())
			orders |= THREADS_END;
		if (orders || now_ns >= until_ns)
			break;
		if (until_ns == ~0ull)
			schedule();
		else
			schedule_hrtimeout(&left, HRTIMER_MODE_REL);
	}
	__set_current_state(TASK_RUNNING);
	life_bind(current);
	return orders;
}

void threads_enter(struct thread *t)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	places[t->place] = t;
	list_add(&t->all, &all);
	raw_spin_unlock_irqrestore(&lock, flags);
}

struct thread *threads_take_dead(void)
{
	struct thread *t, *dead = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	list_for_each_entry(t, &all, all) {
		if (!t->is_dead)
			continue;
		list_del(&t->all);
		given_up -= t->is_given_up;
		dead = t;
		break;
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	return dead;
}

u8 threads_take_wanted(void)
{
	unsigned long flags;
	u8 place = ARBITER_NONE;

	raw_spin_lock_irqsave(&lock, flags);
	if (wanted && given_up < GIVEN_UP_MAX) {
		place = __ffs(wanted);
		__clear_bit(place, &wanted);
	}
	raw_spin_unlock_irqrestore(&lock, flags);
	return place;
}

void threads_want_later(u8 place)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	__set_bit(place, &wanted);
	raw_spin_unlock_irqrestore(&lock, flags);
	schedule_timeout_idle(HZ);
}

int threads_check(void)
{
	if (control_core >= nr_cpu_ids || !cpu_online(control_core)) {
		pr_err("control_core=%u: there is no such core, or it is offline\n", control_core);
		return -EINVAL;
	}
	if (command_ms < 100) {
		pr_err("command_ms=%u: at least 100\n", command_ms);
		return -EINVAL;
	}
	return 0;
}

int threads_init(void)
{
	struct arbiter_actions todo;
	struct task_struct *task;
	int r = 0;

	arbiter_init(&arbiter, &todo);
	is_down =
		false; /* nobody else is here yet but interrupts, which find no terminal to wake */
	for (u32 i = 0; i < todo.count && !r; i++)
		r = life_make(todo.list[i].thread);
	if (r)
		goto no_threads;
	task = kthread_create(life_maintain, NULL, "pinfold_guard/m");
	if (IS_ERR(task)) {
		r = PTR_ERR(task);
		goto no_threads;
	}
	WRITE_ONCE(maintainer, get_task_struct(task));
	wake_up_process(task);
	return 0;
no_threads:
	threads_exit();
	return r;
}

void threads_exit(void)
{
	struct thread *t, *next;
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	is_down = true;
	raw_spin_unlock_irqrestore(&lock, flags);
	if (maintainer) {
		kthread_stop(maintainer);
		put_task_struct(maintainer);
	}
	list_for_each_entry_safe(t, next, &all, all) {
		kthread_stop(t->task);
		life_discard(t);
	}
}

static u32 state_of_locked(const struct thread *t)
{
	if (!t)
		return PINFOLD_GUARD_GONE;
	if (t->is_in_command)
		return PINFOLD_GUARD_BUSY;
	return arbiter.threads[t->place].state == ARBITER_ASLEEP ? PINFOLD_GUARD_ASLEEP
								 : PINFOLD_GUARD_AWAKE;
}

void threads_state(struct pinfold_guard_state *ret)
{
	unsigned long flags;

	ret->control_core = control_core;
	raw_spin_lock_irqsave(&lock, flags);
	ret->abandoned = given_up;
	for (u32 i = 0; i < ARBITER_THREADS; i++)
		ret->spares += arbiter.threads[i].state == ARBITER_SPARE;
	for (u32 i = 0; i < ARBITER_TERMINALS; i++) {
		u8 place = arbiter.thread_of[i];
		const struct thread *t = place == ARBITER_NONE ? NULL : places[place];

		ret->terminals[i].pid = t ? (u32)task_pid_nr(t->task) : 0;
		ret->terminals[i].state = state_of_locked(t);
		ret->terminals[i].deaths = arbiter.deaths[i];
		ret->terminals[i].wakeups = arbiter.wakeups[i];
	}
	raw_spin_unlock_irqrestore(&lock, flags);
}

u32 threads_fifo(void)
{
	struct thread *t;
	unsigned long flags;
	u32 count = 0;

	raw_spin_lock_irqsave(&lock, flags);
	list_for_each_entry(t, &all, all)
		count += t->is_fifo;
	raw_spin_unlock_irqrestore(&lock, flags);
	return count;
}
