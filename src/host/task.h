/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads of other processes, as a scheduler needs them: what the kernel says about them (asleep?
 * how much CPU time?), where they may run, with which priority; and whether all stand still.
 *
 * Nothing here waits, but for what the kernel itself does at once, and where the name says so.
 */
#ifndef PINFOLD_HOST_TASK_H
#define PINFOLD_HOST_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bits.h"
#include "base/errmsg.h"

/** A thread under watch. Its number may be used again after its end; this never speaks of another. */
struct host_task {
	pid_t pid, tid;
	int stat_fd, times_fd;
	int end_fd; /**< readable when the thread has ended; -1: before Linux 6.9 */
};

/** What the kernel says about a thread at one moment. */
struct host_task_look {
	char state;	  /**< R runs or could; S asleep; T stopped by a signal; Z, X dead; ... */
	uint32_t core;	  /**< host core where it ran last */
	uint32_t threads; /**< of its process */
};

/** How its time went by. */
struct host_task_times {
	ns_t run_ns;   /**< CPU time; up to a tick old while it runs, exact when it does not */
	ns_t delay_ns; /**< it could have run, but others did */
};

/**
 * Watch a thread.
 * @param ret      host_task_done() ends it; has no descriptors on failure
 * @param ret_look how it is now
 * @return 0; -ESRCH; -EMFILE; negative errno
 */
int host_task_init(struct host_task *ret, pid_t pid, pid_t tid, struct host_task_look *ret_look);

/** Close. */
void host_task_done(struct host_task *t);

/** Look at a thread. @return 0; -ESRCH when it is gone; -EPROTO */
int host_task_look(const struct host_task *t, struct host_task_look *ret);

/** Read its times. @return as host_task_look() */
int host_task_times(const struct host_task *t, struct host_task_times *ret);

/**
 * Make the kernel bring the CPU time of a running real-time thread up to date: its priority goes
 * up by one and back, which moves it on no queue. One that waits for its core would be put before the one that runs.
 * @param prio its priority
 */
void host_task_refresh(const struct host_task *t, int prio);

/**
 * List the threads of a process.
 * @param max entries of @p ret; more than that are not written, but counted
 * @return how many there are; -ESRCH; negative errno
 */
int host_task_list(pid_t pid, pid_t *ret, size_t max);

/**
 * Find the only thread of a process with a name, beside its first thread.
 * @return 0; -ENOENT; -ENOTUNIQ; -ESRCH
 */
int host_task_find(pid_t pid, const char *name, pid_t *ret);

/** As host_task_find(), among @p n threads of the process. */
int host_task_find_in(pid_t pid, const pid_t *tids, size_t n, const char *name, pid_t *ret);

/** Let a thread run on one host core only. When it returns, it runs on no other. @return 0; -errno */
int host_task_pin(pid_t tid, uint32_t core);

/** Whether a thread may run on one host core only, and on which. */
bool host_task_is_pinned(pid_t tid, uint32_t core);

/** The only host core on which a thread may run. @return -1: it may run on several, or is gone */
int32_t host_task_core(pid_t tid);

/** Whether a thread has a real-time priority. */
bool host_task_is_fifo(pid_t tid);

/** SCHED_FIFO with a priority, not handed on to threads that the kernel makes for it; 0: ordinary. @return 0; -errno */
int host_task_set_fifo(pid_t tid, int prio);

/** Send a signal to a thread. @return 0; -errno */
int host_task_signal(pid_t pid, pid_t tid, int signo);

/** Wake everybody who sleeps on a word in shared memory. */
void host_futex_wake(const _Atomic uint32_t *word);

/** Whether every thread of a process is stopped by a signal, or dead. */
bool host_process_is_stopped(pid_t pid);

/** Look until it is so: the kernel tells nobody but its parent. @return 0; -ESRCH; -ETIMEDOUT */
int host_process_await_stop(pid_t pid, unsigned int timeout_ms);

#endif
