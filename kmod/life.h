/* SPDX-License-Identifier: GPL-2.0 */
/* Between threads.c and life.c: one thread's life, and what is noted of it under the threads' lock. */
#ifndef PINFOLD_GUARD_LIFE_H
#define PINFOLD_GUARD_LIFE_H

#include "threads.h"

/* life.c */

/** Make the thread for a place, and wake it. @return 0, or why not */
int life_make(u8 place);

/** Free a thread that is dead, or was stopped; it is on no list any more. */
void life_discard(struct thread *t);

/** The function of the thread that makes threads for wanted places, and buries dead ones. */
int life_maintain(void *unused);

/** Bring a task to the control core, if that is online. */
void life_bind(struct task_struct *task);

/* threads.c */

/** A thread that was made takes its place. */
void threads_enter(struct thread *t);

/** It runs, and may be given a dialogue. */
void threads_ready(struct thread *t);

/** Its entry in the queue of those who wait for its death. */
int threads_on_death(struct wait_queue_entry *entry, unsigned int mode, int sync, void *key);

/** Its timer, set as long as it is in a command. */
enum hrtimer_restart threads_on_deadline(struct hrtimer *timer);

/** A dead one, taken off the list, or NULL. */
struct thread *threads_take_dead(void);

/** A place that needs a thread and may have one; ARBITER_NONE. */
u8 threads_take_wanted(void);

/** A thread could not be made: there is no memory. Waits for a second. */
void threads_want_later(u8 place);

#endif
