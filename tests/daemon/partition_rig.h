/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the partition on a real host share. */
#ifndef PINFOLD_TESTS_DAEMON_PARTITION_RIG_H
#define PINFOLD_TESTS_DAEMON_PARTITION_RIG_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/partition/partition_internal.h"
#include "test.h"

/** Of the daemon that the test plays. */
static char run_dir[64];

/** The partition, or NULL after saying why not. @param backend -1: the best */
static inline struct partition *open_backend(int backend, const char *cores)
{
	struct partition_options o = { .backend = backend, .cores = cores, .run_dir = run_dir };
	struct partition *p = NULL;
	struct errmsg e = { 0 };
	int r = partition_open(&o, &p, &e);

	if (r < 0) {
		printf("  partition_open: %s (%s)\n", e.text, strerror(-r));
	}
	return p;
}

/** A process that does nothing, or computes. */
static inline pid_t make_process(bool is_busy)
{
	pid_t pid = fork();

	if (pid == 0) {
		volatile unsigned int n = 0;

		alarm(50); /* never outlives the test for long */
		for (;;) {
			if (is_busy) {
				n = n + 1;
			} else {
				pause();
			}
		}
	}
	return pid;
}

/** It is gone afterwards. */
static inline void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/** For partition_scan(): the process whose number @p arg points at is ours. */
static inline bool is_pid(void *arg, pid_t pid)
{
	return arg && pid == *(pid_t *)arg;
}

#endif
