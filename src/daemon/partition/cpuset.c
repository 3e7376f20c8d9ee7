/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The back-end "cpuset": cgroup v1 cpusets of our own below the group that we were started in. They
 * keep our threads and the VMs' on their cores; others they don't bind.
 *
 *   OWN/pinfold-pool-XXXXXXXX           all cores that we use
 *   OWN/pinfold-pool-XXXXXXXX/daemon    control and housekeeping: this process
 *   OWN/pinfold-pool-XXXXXXXX/vms       housekeeping and pool: VM processes, whole
 *
 * Moving a process waits for RCU (10 ms): a VM process joins "vms" itself, at its birth
 * (host/birth.c), or is moved once; after that affinity decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "daemon/partition/partition_internal.h"
#include "host/task.h"
#include "host/text.h"

/* "daemon" and "vms" fit behind any recorded path. */
#define SUB_BYTES (PARTITION_PATH_BYTES + 16)

static void sub(const char *dir, const char *name, char ret[SUB_BYTES])
{
	snprintf(ret, SUB_BYTES, "%s/%s", dir, name);
}

/* A group without memory nodes takes no task: it gets its parent's. */
static int make_group(const char *dir, const char *parent, const struct host_cpus *cpus)
{
	char text[HOST_CPUS_TEXT];
	ssize_t n = host_text_read(text, sizeof(text), "%s/cpuset.effective_mems", parent);
	int r = n < 0 ? (int)n : partition_group_make(dir);

	if (r == 0) {
		r = host_text_write(text, "%s/cpuset.mems", dir);
	}
	if (r == 0) {
		host_cpus_format(cpus, text);
		r = host_text_write(text, "%s/cpuset.cpus", dir);
	}
	return r;
}

int partition_cpuset_setup(struct partition *p, struct errmsg *e)
{
	struct host_cpus vms = p->pool;
	char dir[SUB_BYTES];
	int r;

	if (!p->made.dir[0]) {
		partition_group_path(p->probe.v1_dir, p->name, p->made.dir);
	}
	snprintf(p->made.home, sizeof(p->made.home), "%s", p->probe.v1_dir);
	p->made.backend = PARTITION_CPUSET;
	r = partition_record_save(p, e);
	if (r < 0) {
		return r;
	}
	p->moved = calloc(PARTITION_TIDS_MAX / 64, sizeof(*p->moved));
	if (!p->moved) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	host_cpus_add(&vms, p->roles.housekeeping);
	r = make_group(p->made.dir, p->made.home, &p->usable);
	if (r == 0) {
		sub(p->made.dir, "vms", dir);
		r = make_group(dir, p->made.dir, &vms);
	}
	if (r == 0) {
		sub(p->made.dir, "daemon", dir);
		r = make_group(dir, p->made.dir, &p->own);
	}
	if (r == 0) {
		r = partition_group_move(dir, "cgroup.procs", getpid());
	}
	if (r == 0) {
		/* Without it they are moved. */
		snprintf(dir, sizeof(dir), "%s/vms/tasks", p->made.dir);
		p->join_fd = open(dir, O_WRONLY | O_CLOEXEC);
	}
	return r < 0 ? errmsg_set(e, r, "no cpuset below %.96s: %s", p->made.home, strerror(-r))
		     : 0;
}

static void mark(struct partition *p, uint32_t tid)
{
	if (tid < PARTITION_TIDS_MAX) {
		atomic_fetch_or(&p->moved[tid / 64], BIT(tid % 64));
	}
}

/* Whether it joined at its birth. */
static bool is_inside(const struct partition *p, pid_t pid)
{
	const char *name = strrchr(p->made.dir, '/');
	char is[PARTITION_PATH_BYTES];
	char want[SUB_BYTES];
	ssize_t n = host_text_read(is, sizeof(is), "/proc/%d/cpuset", pid);
	size_t len = (size_t)snprintf(want, sizeof(want), "%s/vms", name ? name : "");

	return n >= (ssize_t)len && strcmp(is + (size_t)n - len, want) == 0;
}

/* The whole process is inside then; of its threads, those are known to be that are named here. */
int partition_cpuset_admit(struct partition *p, pid_t pid, pid_t tid)
{
	char dir[SUB_BYTES];
	int r = 0;

	sub(p->made.dir, "vms", dir);
	/* The kernel takes any thread's number for the whole process. */
	if (!is_inside(p, pid)) {
		r = partition_group_move(dir, "cgroup.procs", pid);
	}
	if (r == 0) {
		mark(p, (uint32_t)pid);
		mark(p, (uint32_t)tid);
	}
	return r;
}

int partition_cpuset_place(struct partition *p, pid_t tid, uint16_t core)
{
	bool is_moved = (uint32_t)tid < PARTITION_TIDS_MAX &&
			(atomic_load(&p->moved[tid / 64]) >> (tid % 64) & 1);
	bool is_own = !is_moved && syscall(SYS_tgkill, getpid(), tid, 0) == 0;
	int r = is_moved || is_own ? 0 : partition_cpuset_admit(p, tid, tid);

	return r < 0 ? r : host_task_pin(tid, core);
}

void partition_cpuset_undo(struct partition_record *made, bool is_kept_if_used)
{
	static const char *const names[] = { "daemon", "vms" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char dir[SUB_BYTES];

		/* The first is for the living daemon only: who is left there is not at home. */
		sub(made->dir, names[i], dir);
		if (i == 0 || !is_kept_if_used) {
			partition_group_empty(dir, made->home, "cgroup.procs");
		}
		rmdir(dir);
	}
	if (rmdir(made->dir) < 0 && errno != ENOENT) {
		return;
	}
	memset(made, 0, sizeof(*made));
	made->backend = PARTITION_ORDINARY;
}
