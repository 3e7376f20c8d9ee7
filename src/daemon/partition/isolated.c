/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The back-end "isolated": one cgroup v2 cpuset partition of type "isolated" holds the pool cores,
 * directly below the root (docs/partition.md).
 *
 *   MOUNT                      root: control, housekeeping and all other cores; VM processes
 *   MOUNT/pinfold-pool-XXXXXXXX     threaded, isolated: pool cores
 *   MOUNT/pinfold-pool-XXXXXXXX/t-TID   threaded: one vCPU thread, so that it can be frozen alone
 *
 * A partition takes its cores away from everyone else, the VM's other threads included: only a
 * threaded group can hold one thread of a process, and only if the process itself is in the group's
 * domain, which is the root. So an admitted VM process is no longer in the groups that launch/ made.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/partition/partition_internal.h"
#include "host/task.h"
#include "host/text.h"

/* For a process to come to a stop: it is new and waits, but the housekeeping core may be busy. */
#define STOP_MS 10000
/* "t-TID" fits behind any recorded path. */
#define GROUP_BYTES (PARTITION_PATH_BYTES + 16)

/* The root of the hierarchy, from the pool's folder in it. */
static void root_of(const char *dir, char ret[PARTITION_PATH_BYTES])
{
	snprintf(ret, PARTITION_PATH_BYTES, "%s", dir);
	*strrchr(ret, '/') = '\0';
}

static bool has_cpuset(const char *mount)
{
	char text[1024];

	if (host_text_read(text, sizeof(text), "%s/cgroup.subtree_control", mount) < 0) {
		return false;
	}
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " ")) {
		if (strcmp(w, "cpuset") == 0) {
			return true;
		}
	}
	return false;
}

/* Makes a group whose members are threads; one that is there is one of ours and is kept. */
static int make_threaded(const char *dir)
{
	char text[64];
	int r = partition_group_make(dir);

	if (r < 0) {
		return r;
	}
	if (host_text_read(text, sizeof(text), "%s/cgroup.type", dir) > 0 &&
	    strcmp(text, "threaded") == 0) {
		return 0;
	}
	return host_text_write("threaded", "%s/cgroup.type", dir);
}

/* The kernel takes the word and may add why it does not hold: "isolated invalid (...)". */
static int make_partition(const struct partition *p, const char *dir, struct errmsg *e)
{
	char cpus[HOST_CPUS_TEXT];
	char text[HOST_CPUS_TEXT];
	int r;

	host_cpus_format(&p->pool, cpus);
	r = host_text_write(cpus, "%s/cpuset.cpus", dir);
	if (r == 0) {
		r = host_text_write("isolated", "%s/cpuset.cpus.partition", dir);
	}
	if (r < 0) {
		return errmsg_set(e, r, "no partition of the cores %.64s: %s", cpus, strerror(-r));
	}
	if (host_text_read(text, sizeof(text), "%s/cpuset.cpus.partition", dir) < 0 ||
	    strcmp(text, "isolated") != 0) {
		return errmsg_set(e, -ENOTSUP, "the partition says: %.96s", text);
	}
	if (host_text_read(text, sizeof(text), "%s/cpuset.cpus.effective", dir) < 0 ||
	    strcmp(text, cpus) != 0) {
		return errmsg_set(e, -ENOTSUP, "the partition got the cores '%.64s', not %.64s",
				  text, cpus);
	}
	return 0;
}

/* Best effort; written down before it is done. */
static int favor_moves(struct partition *p, struct errmsg *e)
{
	bool had = p->made.has_dynmods;
	int r;

	p->made.has_dynmods = true;
	r = partition_record_save(p, e);
	if (r < 0) {
		return r;
	}
	r = partition_dynmods_set(p->probe.v2_dir, true);
	if (r != 1 && !had) {
		p->made.has_dynmods = false;
		return partition_record_save(p, e);
	}
	return 0;
}

int partition_isolated_setup(struct partition *p, struct errmsg *e)
{
	const char *mount = p->probe.v2_dir;
	int r;

	if (!p->made.dir[0]) {
		partition_group_path(mount, p->name, p->made.dir);
		p->made.has_enabled = !has_cpuset(mount);
	}
	p->made.backend = PARTITION_ISOLATED;
	r = partition_record_save(p, e);
	if (r < 0) {
		return r;
	}
	r = has_cpuset(mount) ? 0 : host_text_write("+cpuset", "%s/cgroup.subtree_control", mount);
	if (r < 0) {
		return errmsg_set(e, r, "cpusets can't be switched on: %s", strerror(-r));
	}
	r = make_threaded(p->made.dir);
	if (r < 0) {
		return errmsg_set(e, r, "no threaded group %.96s: %s", p->made.dir, strerror(-r));
	}
	r = make_partition(p, p->made.dir, e);
	return r < 0 ? r : favor_moves(p, e);
}

bool partition_isolated_is_kept(const struct partition_record *made, struct host_cpus *ret)
{
	char text[HOST_CPUS_TEXT];

	return made->backend == PARTITION_ISOLATED &&
	       host_text_read(text, sizeof(text), "%s/cpuset.cpus.partition", made->dir) > 0 &&
	       strcmp(text, "isolated") == 0 &&
	       host_text_read(text, sizeof(text), "%s/cpuset.cpus.effective", made->dir) > 0 &&
	       host_cpus_parse(text, ret) == 0;
}

static void thread_group(const struct partition *p, pid_t tid, char ret[GROUP_BYTES])
{
	snprintf(ret, GROUP_BYTES, "%s/t-%d", p->made.dir, tid);
}

/*
 * Linux before 6.2 forgets where threads are bound when their process is moved: it stands still until all of them are
 * bound again, or one could run on the control core for a moment. One that does not stop in time is
 * moved all the same.
 */
static int move_process(struct partition *p, pid_t pid)
{
	int r;

	kill(pid, SIGSTOP);
	(void)host_process_await_stop(pid, STOP_MS);
	r = partition_group_move(p->probe.v2_dir, "cgroup.procs", pid);
	r = r < 0 ? r : partition_keep_off(p, pid, 0);
	kill(pid, SIGCONT);
	return r;
}

int partition_isolated_admit(struct partition *p, pid_t pid, pid_t vcpu_tid, char freeze_dir[256])
{
	char dir[GROUP_BYTES];
	int r;

	thread_group(p, vcpu_tid, dir);
	if (strlen(dir) >= 256) {
		return -ENAMETOOLONG;
	}
	/* After a restart it is there already. Moving the process would take its thread along. */
	if (!partition_group_is_used(dir, "cgroup.threads")) {
		r = move_process(p, pid);
		if (r < 0) {
			return r;
		}
	}
	memcpy(freeze_dir, dir, strlen(dir) + 1);
	return 0;
}

/* A process that was not admitted is in another domain: EOPNOTSUPP. */
static int move_in(const struct partition *p, pid_t tid)
{
	char dir[GROUP_BYTES];
	int r;

	thread_group(p, tid, dir);
	r = make_threaded(dir);
	if (r == 0) {
		r = partition_group_move(dir, "cgroup.threads", tid);
	}
	if (r < 0) {
		rmdir(dir);
	}
	return r;
}

/* An empty group that is left would pass for a frozen thread. */
static int move_out(const struct partition *p, pid_t tid)
{
	char dir[GROUP_BYTES];
	int r = partition_group_move(p->probe.v2_dir, "cgroup.threads", tid);

	thread_group(p, tid, dir);
	if (r == 0) {
		rmdir(dir);
	}
	return r;
}

int partition_isolated_place(struct partition *p, pid_t tid, uint16_t core)
{
	int r = host_task_pin(tid, core);

	/* EINVAL: not a core of the group that it is in. */
	if (r != -EINVAL) {
		return r;
	}
	r = host_cpus_has(&p->pool, core) ? move_in(p, tid) : move_out(p, tid);
	return r < 0 ? r : host_task_pin(tid, core);
}

void partition_isolated_each(const char *dir, void (*fn)(const char *group, pid_t tid, void *arg),
			     void *arg)
{
	DIR *d = opendir(dir);
	const struct dirent *ent;

	while (d && (ent = readdir(d)) != NULL) {
		char path[GROUP_BYTES];
		int tid;

		if (sscanf(ent->d_name, "t-%d", &tid) == 1 && tid > 0) {
			snprintf(path, sizeof(path), "%s/t-%d", dir, tid);
			fn(path, tid, arg);
		}
	}
	if (d) {
		closedir(d);
	}
}

static void sweep_one(const char *group, pid_t tid, void *arg)
{
	char path[32];

	(void)arg;
	snprintf(path, sizeof(path), "/proc/%d", tid);
	/* One that lives may be on its way in. */
	if (access(path, F_OK) < 0) {
		rmdir(group);
	}
}

void partition_isolated_sweep(const struct partition *p)
{
	partition_isolated_each(p->made.dir, sweep_one, NULL);
}

/* @param arg the root group */
static void empty_one(const char *group, pid_t tid, void *arg)
{
	(void)tid;
	partition_group_empty(group, arg, "cgroup.threads");
	rmdir(group);
}

/* The root keeps the controller if someone else uses it by now. */
static void disable_cpuset(const char *mount)
{
	char text[64];
	DIR *d = opendir(mount);
	const struct dirent *ent;
	bool is_used = !d;

	while (d && (ent = readdir(d)) != NULL) {
		is_used |= ent->d_name[0] != '.' &&
			   host_text_read(text, sizeof(text), "%s/%s/cpuset.cpus", mount,
					  ent->d_name) > 0;
	}
	if (d) {
		closedir(d);
	}
	if (!is_used) {
		host_text_write("-cpuset", "%s/cgroup.subtree_control", mount);
	}
}

void partition_isolated_undo(struct partition_record *made, bool is_kept_if_used)
{
	char mount[PARTITION_PATH_BYTES];

	root_of(made->dir, mount);
	/* First the cores go back to everyone; threads stay on theirs. */
	host_text_write("member", "%s/cpuset.cpus.partition", made->dir);
	partition_isolated_each(made->dir, is_kept_if_used ? sweep_one : empty_one, mount);
	if (!is_kept_if_used) {
		partition_group_empty(made->dir, mount, "cgroup.threads");
	}
	if (rmdir(made->dir) < 0 && errno != ENOENT) {
		return;
	}
	if (made->has_enabled) {
		disable_cpuset(mount);
	}
	if (made->has_dynmods) {
		partition_dynmods_set(mount, false);
	}
	memset(made, 0, sizeof(*made));
	made->backend = PARTITION_ORDINARY;
}
