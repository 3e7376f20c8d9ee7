/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The threads that are terminals or wait to replace one: how they are made, woken, watched and given up. What they
 * say is terminal.c's; who is told to do what is decided by core/arbiter.c.
 */
#ifndef PINFOLD_GUARD_THREADS_H
#define PINFOLD_GUARD_THREADS_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/wait.h>

#include "core/arbiter.h"
#include "core/session.h"

/* Orders to a thread. */
#define THREADS_SERVE 0x1u  /* begin a dialogue as t->terminal on t->channel */
#define THREADS_SHOW  0x2u  /* print the prompt again */
#define THREADS_LEAVE 0x4u  /* end the dialogue */
#define THREADS_INPUT 0x8u  /* bytes came */
#define THREADS_END   0x10u /* return from the thread's function, leaving everything as it is */

/*
 * One thread. It outlives its place: a thread that hangs in a command keeps this, its dialogue and its reference to
 * the module until it returns. Fields without remark belong to the thread itself, or don't change.
 */
struct thread {
	struct list_head all; /* under the threads' lock, as everything down to the blank line */
	u8 place;	      /* in the arbiter; ARBITER_NONE: given up, or dead */
	u8 terminal, channel; /* ARBITER_NONE */
	u32 orders;
	bool is_in_command, is_given_up, is_dead;
	const char *source; /* what woke it */

	bool has_module; /* holds a reference to the module, as long as a dialogue lasts */
	bool is_fifo;	 /* was refused SCHED_DEADLINE */
	struct task_struct *task;
	struct pid *pid;
	struct wait_queue_entry death;
	struct hrtimer deadline;
	struct session session;
	char out[SESSION_OUT_BYTES];
};

/** Whether the parameters make sense. @return 0; -EINVAL */
int threads_check(void);

/** Make all threads, and the one that makes more. @return 0, or why not: nothing is left then */
int threads_init(void);

/** End all threads, and wait until the last has left the module. Nobody may wake one any more. */
void threads_exit(void);

/**
 * Wait for orders, or until @p until_ns (boot_ns; ~0: for ever, and without a timer). Runs on the control core when it
 * returns. Thread context, of @p t itself.
 * @return THREADS_...; 0: it is later than until_ns
 */
u32 threads_wait(struct thread *t, u64 until_ns);

/** A command begins, and ends. @return false: the thread was given up meanwhile, and must return */
void threads_begin_command(struct thread *t);
bool threads_end_command(struct thread *t);

/** Whether the thread still is a terminal's. Any context. */
bool threads_is_current(const struct thread *t);

/** Whether the thread is the one that talks on its channel: another may have taken over. */
bool threads_serves(const struct thread *t);

/** The dialogue is over. */
void threads_slept(struct thread *t);

/** Numbers for PINFOLD_GUARD_STATE and "status". Any context. */
void threads_state(struct pinfold_guard_state *ret);

/** How many threads had to do with SCHED_FIFO. */
u32 threads_fifo(void);

/* terminal.c: the dialogue that a thread was ordered to. Returns when it is over, or when the thread was given up. */
void terminal_talk(struct thread *t);
/* What a thread that died in its dialogue could not do. */
void terminal_close(u8 channel);

#endif
