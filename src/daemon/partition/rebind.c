/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs live on a partition and its cores change: a daemon comes back that has other cores. The kernel gives every
 * thread of a group whose list changes all of the group's cores, and forgets what it was bound to (update_tasks_cpumask()
 * up to Linux 6.1). So the VMs stand still meanwhile, and are bound again before they go on.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "daemon/partition/partition_internal.h"
#include "host/task.h"

#define BOUND_MAX 65536
/* For a process to come to a stop. */
#define STOP_MS 2000

static void hold_one(const char *group, pid_t tid, void *arg)
{
	struct partition *p = arg;

	/* An empty group's number may be somebody else's by now. */
	if (p->n_bound == BOUND_MAX || !partition_group_is_used(group, "cgroup.threads")) {
		return;
	}
	p->bound[p->n_bound++] = (struct partition_bound){
		.tid = tid, .core = host_task_core(tid), .was_stopped = host_process_is_stopped(tid)
	};
	kill(tid, SIGSTOP); /* its process */
}

void partition_hold(struct partition *p)
{
	if (p->root[0]) {
		return; /* a made-up tree names no threads */
	}
	p->bound = calloc(BOUND_MAX, sizeof(*p->bound));
	if (!p->bound) {
		log_warn("out of memory: VMs are not stopped while their cores change");
		return;
	}
	partition_isolated_each(p->made.dir, hold_one, p);
	for (uint32_t i = 0; i < p->n_bound; i++) {
		if (host_process_await_stop(p->bound[i].tid, STOP_MS) == -ETIMEDOUT) {
			log_warn("a VM does not stand still while its cores change tid=%d",
				 p->bound[i].tid);
		}
	}
}

static void bind_again(struct partition *p, const struct partition_bound *b)
{
	bool is_in_pool = b->core >= 0 && host_cpus_has(&p->pool, (uint32_t)b->core);
	uint16_t core = is_in_pool ? (uint16_t)b->core : p->roles.housekeeping;

	/* The root group's list has changed, too. */
	(void)partition_keep_off(p, b->tid, b->tid);
	if (!is_in_pool) {
		(void)host_task_set_fifo(b->tid, 0); /* else it would be in everybody's way there */
	}
	if (partition_place(p, b->tid, core) < 0) {
		log_warn("a VM's thread can't be bound again tid=%d core=%u", b->tid, core);
	}
}

void partition_go_on(struct partition *p)
{
	for (uint32_t i = 0; i < p->n_bound; i++) {
		bind_again(p, &p->bound[i]);
		if (!p->bound[i].was_stopped) {
			kill(p->bound[i].tid, SIGCONT);
		}
	}
	free(p->bound);
	p->bound = NULL;
	p->n_bound = 0;
}
