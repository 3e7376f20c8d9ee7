/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vCPU thread has used by the kernel's account, for tests that are its scheduler. */
#ifndef PINFOLD_TESTS_UNIT_VCPU_TIME_H
#define PINFOLD_TESTS_UNIT_VCPU_TIME_H

#include "host/task.h"
#include "proto/grant.h"

/** CPU time of the one vCPU thread of a process, exact while it sleeps; 0: there is none. */
static inline ns_t vcpu_time_ns(pid_t pid)
{
	struct host_task_times now = { 0 };
	struct host_task_look look;
	struct host_task task;
	pid_t tid;

	if (host_task_find(pid, GRANT_THREAD_NAME, &tid) < 0 ||
	    host_task_init(&task, pid, tid, &look) < 0) {
		return 0;
	}
	(void)host_task_times(&task, &now);
	host_task_done(&task);
	return now.run_ns;
}

#endif
