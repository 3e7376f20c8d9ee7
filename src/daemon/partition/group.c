/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroups of either version; see partition_internal.h. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "base/fnv.h"
#include "daemon/partition/partition_internal.h"
#include "host/proc.h"
#include "host/text.h"

/* How often a group is read again that fills while it is emptied. */
#define EMPTY_TRIES 8
#define LIST_BYTES  (256 << 10)

void partition_group_name(const char *run_dir, char ret[PARTITION_NAME_BYTES])
{
	uint64_t hash = fnv64_text(FNV64_START, run_dir);

	snprintf(ret, PARTITION_NAME_BYTES, "pinfold-pool-%08x", (unsigned int)(hash ^ hash >> 32));
}

void partition_group_path(const char *parent, const char *name, char ret[PARTITION_PATH_BYTES])
{
	int n = snprintf(ret, PARTITION_PATH_BYTES, "%s/%s", parent, name);

	BUG_ON(n >= PARTITION_PATH_BYTES);
}

int partition_group_make(const char *dir)
{
	return mkdir(dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int partition_group_move(const char *dir, const char *file, pid_t id)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", id);
	return host_text_write(text, "%s/%s", dir, file);
}

/* One pass; returns how many could be moved. */
static unsigned int empty_once(const char *dir, const char *to, const char *file, char *list)
{
	unsigned int n = 0;
	char *state = NULL;

	if (host_text_read(list, LIST_BYTES, "%s/%s", dir, file) <= 0) {
		return 0;
	}
	for (char *l = strtok_r(list, "\n", &state); l; l = strtok_r(NULL, "\n", &state)) {
		n += host_text_write(l, "%s/%s", to, file) == 0;
	}
	return n;
}

void partition_group_empty(const char *dir, const char *to, const char *file)
{
	_cleanup_free_ char *list = malloc(LIST_BYTES);

	for (int i = 0; list && i < EMPTY_TRIES; i++) {
		if (empty_once(dir, to, file, list) == 0) {
			return;
		}
	}
}

bool partition_group_is_used(const char *dir, const char *file)
{
	char text[64];
	ssize_t n = host_text_read(text, sizeof(text), "%s/%s", dir, file);

	return n > 0 || n == -EFBIG;
}

static int try_child(struct partition *p, pid_t pid, struct errmsg *e)
{
	struct sched_param param = { .sched_priority = p->probe.fifo_prio };
	uint16_t core = p->roles.pool[p->roles.n_pool - 1];
	cpu_set_t set;
	char freeze_dir[256] = "";
	int r = partition_admit(p, pid, pid, freeze_dir, e);

	if (r < 0) {
		return r;
	}
	r = partition_place(p, pid, core);
	if (r < 0) {
		return errmsg_set(e, r, "a process can't be moved to core %u: %s", core,
				  strerror(-r));
	}
	CPU_ZERO(&set);
	if (sched_getaffinity(pid, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1 ||
	    !CPU_ISSET(core, &set)) {
		return errmsg_set(e, -ENOTSUP, "a process that was moved is not on core %u", core);
	}
	if (sched_setscheduler(pid, SCHED_FIFO, &param) < 0) {
		r = -errno;
		return errmsg_set(e, r, "no real-time priority inside the group: %s", strerror(-r));
	}
	return 0;
}

int partition_group_try(struct partition *p, struct errmsg *e)
{
	_cleanup_close_ int pidfd = -1;
	pid_t pid = host_proc_clone(0, &pidfd);
	int status;
	int r;

	if (pid < 0) {
		return errmsg_set(e, pid, "no process can be made: %s", strerror(-pid));
	}
	if (pid == 0) {
		host_proc_die_with_parent();
		for (;;) {
			pause();
		}
	}
	r = try_child(p, pid, e);
	/* On the pool it could wait for ever to die, behind a VM of an earlier daemon. */
	partition_place(p, pid, p->roles.housekeeping);
	host_proc_kill(pidfd, SIGKILL);
	host_proc_wait(pidfd, pid, -1, &status, NULL);
	return r;
}
