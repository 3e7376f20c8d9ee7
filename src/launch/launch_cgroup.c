/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroups of a VM process: memory and pids, version 1 or 2, as far as the caller may. They bound
 * what a VM process that was taken over can use of the host; everything here is best effort and a
 * refusal is not an error.
 *
 *   v1   MOUNT(controller)/OWN-GROUP/pinfold/vm-PID        (else MOUNT/pinfold/vm-PID)
 *   v2   MOUNT/OWN-GROUP/pinfold/vm-PID                    (else MOUNT/pinfold/vm-PID)
 *
 * Making and removing a group costs more than all else about it, most of it later, in kernel threads. A
 * controller that makes many VMs keeps some empty groups of version 1 for the next ones, as
 * vm-PID-NUMBER with the pid of the controller.
 *
 * Only these two controllers: in a fresh v1 cpu group real-time scheduling is refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "host/cgroup.h"
#include "host/text.h"
#include "launch/launch_internal.h"

#define PATH_BYTES HOST_CGROUP_PATH_BYTES
/* Beyond guest RAM: the code buffer of Unicorn (1 GiB) and the process itself. */
#define OVERHEAD_BYTES (1280ULL << 20)
/* Two threads, and room for kernel threads that count as the VM's. */
#define TASKS_MAX 16
/* Empty groups that are kept, of each controller. */
#define SPARES_MAX 32
/* The base may go with the last VM while the next is made. */
#define BASE_TRIES 8

struct group_file {
	const char *v1, *v2;
};

/* One limit of one controller. */
struct limit {
	const char *controller;
	struct group_file file;
	struct base *base;
};

/* An empty group of version 1. */
struct spare {
	char path[PATH_BYTES];
	int tasks_fd; /* by which the next process joins it */
};

/* Where the groups of VMs are made: looked for once per process. */
struct base {
	bool is_known;
	int version;
	char path[PATH_BYTES];
	unsigned int n_made; /* by one that makes many */
	unsigned int n_spares;
	struct spare spares[SPARES_MAX];
	unsigned long long max
		[SPARES_MAX]; /* the limit of group n, if it is among the last that were made, at n % SPARES_MAX ... */
	unsigned int max_of[SPARES_MAX]; /* ... plus 1 */
};

static pthread_mutex_t base_lock = PTHREAD_MUTEX_INITIALIZER;
static struct base memory_base, pids_base; /* base_lock */

static const struct limit memory_limit = { "memory",
					   { "memory.limit_in_bytes", "memory.max" },
					   &memory_base };
static const struct limit pids_limit = { "pids", { "pids.max", "pids.max" }, &pids_base };

static int write_number(const char *dir, const char *file, unsigned long long v)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", v);
	return host_text_write(text, "%s/%s", dir, file);
}

/* Make DIR/pinfold so that groups in it have the controller. */
static bool make_base(const char *dir, const struct limit *l, int version, char *ret)
{
	char base[PATH_BYTES];
	char file[PATH_BYTES + 64];
	char enable[32];

	if (snprintf(base, sizeof(base), "%s/pinfold", dir) >= (int)sizeof(base) - 32 ||
	    (mkdir(base, 0755) < 0 && errno != EEXIST)) {
		return false;
	}
	if (version == 2) {
		snprintf(enable, sizeof(enable), "+%s", l->controller);
		host_text_write(enable, "%s/cgroup.subtree_control", base);
	}
	snprintf(file, sizeof(file), "%s/%s", base, version == 1 ? l->file.v1 : l->file.v2);
	if (access(file, W_OK) < 0) {
		rmdir(base);
		return false;
	}
	memcpy(ret, base, sizeof(base));
	return true;
}

/* Returns the version, or 0; the folder is there afterwards. */
static int find_base(const struct limit *l, char *ret)
{
	char mount[PATH_BYTES];
	char own[PATH_BYTES];
	char dir[2 * PATH_BYTES];
	int version = host_cgroup_mount("", 1, l->controller, mount)   ? 1
		      : host_cgroup_mount("", 2, l->controller, mount) ? 2
								       : 0;

	if (!version) {
		return 0;
	}
	if (!host_cgroup_own("", version, l->controller, own)) {
		own[0] = '\0';
	}
	snprintf(dir, sizeof(dir), "%s%s", mount, own);
	return make_base(dir, l, version, ret) || make_base(mount, l, version, ret) ? version : 0;
}

/* rmdir() leaves groups with a living process alone; a process that is being started has no group
 * yet, or its pid is alive. */
static void remove_stale(const char *base)
{
	DIR *d = opendir(base);
	const struct dirent *ent;

	while (d && (ent = readdir(d)) != NULL) {
		int pid;

		if (sscanf(ent->d_name, "vm-%d", &pid) == 1 && pid > 0 && kill(pid, 0) < 0 &&
		    errno == ESRCH) {
			unlinkat(dirfd(d), ent->d_name, AT_REMOVEDIR);
		}
	}
	if (d) {
		closedir(d);
	}
}

/* The base of this process, which may have to be made again: it goes with the last VM. */
static int get_base(const struct limit *l, bool is_lost, bool is_many, char *ret)
{
	bool is_first;
	int version;

	pthread_mutex_lock(&base_lock);
	is_first = !l->base->is_known;
	if (is_first || is_lost) {
		l->base->version = find_base(l, l->base->path);
		l->base->is_known = true;
	}
	/* Who makes many has removed its own, and would look at many. */
	if (l->base->version && (is_first || !is_many)) {
		remove_stale(l->base->path);
	}
	version = l->base->version;
	memcpy(ret, l->base->path, PATH_BYTES);
	pthread_mutex_unlock(&base_lock);
	return version;
}

static bool take_spare(struct base *b, struct spare *ret)
{
	bool has = false;

	pthread_mutex_lock(&base_lock);
	if (b->n_spares > 0) {
		*ret = b->spares[--b->n_spares];
		has = true;
	}
	pthread_mutex_unlock(&base_lock);
	return has;
}

/* Whether it is a group that this process made as one of many. */
static bool is_own(const char *path, unsigned int *ret_n)
{
	const char *name = strrchr(path, '/');
	int pid;

	return name && sscanf(name, "/vm-%d-%u", &pid, ret_n) == 2 && pid == getpid();
}

/* Its limit, as this process set it last; 0: not known */
static unsigned long long max_get(struct base *b, const char *path)
{
	unsigned long long max = 0;
	unsigned int n;

	pthread_mutex_lock(&base_lock);
	if (is_own(path, &n) && b->max_of[n % SPARES_MAX] == n + 1) {
		max = b->max[n % SPARES_MAX];
	}
	pthread_mutex_unlock(&base_lock);
	return max;
}

static void max_set(struct base *b, const char *path, unsigned long long max)
{
	unsigned int n;

	pthread_mutex_lock(&base_lock);
	if (is_own(path, &n)) {
		b->max_of[n % SPARES_MAX] = n + 1;
		b->max[n % SPARES_MAX] = max;
	}
	pthread_mutex_unlock(&base_lock);
}

/* @return whether it is kept for another VM */
static bool keep_spare(struct base *b, const char *path)
{
	struct spare spare;
	char file[PATH_BYTES + 64];
	unsigned int n;
	char c;

	if (!is_own(path, &n)) {
		return false;
	}
	snprintf(spare.path, sizeof(spare.path), "%s", path);
	snprintf(file, sizeof(file), "%s/tasks", path);
	spare.tasks_fd = open(file, O_RDWR | O_CLOEXEC);
	/* Somebody is in it who should be dead: not for another VM. */
	if (spare.tasks_fd >= 0 && read(spare.tasks_fd, &c, 1) == 0) {
		pthread_mutex_lock(&base_lock);
		if (b->n_spares < SPARES_MAX) {
			b->spares[b->n_spares++] = spare;
			spare.tasks_fd = -1;
			path = NULL;
		}
		pthread_mutex_unlock(&base_lock);
	}
	if (spare.tasks_fd >= 0) {
		close(spare.tasks_fd);
	}
	return !path;
}

static bool name_group(struct base *b, const char *base, pid_t pid, bool is_many,
		       char path[PATH_BYTES])
{
	unsigned int n;

	if (!is_many) {
		return snprintf(path, PATH_BYTES, "%s/vm-%d", base, pid) < PATH_BYTES;
	}
	pthread_mutex_lock(&base_lock);
	n = b->n_made++;
	pthread_mutex_unlock(&base_lock);
	return snprintf(path, PATH_BYTES, "%s/vm-%d-%u", base, getpid(), n) < PATH_BYTES;
}

/* @return version, with the path; 0: there is none */
static int make_group(const struct limit *l, pid_t pid, bool is_many, char path[PATH_BYTES])
{
	char base[PATH_BYTES];
	int version = get_base(l, false, is_many, base);

	for (int i = 0; version && i < BASE_TRIES; i++) {
		/* Version 2 has one hierarchy: both limits are of one group. */
		if (!name_group(l->base, base, pid, is_many && version == 1, path)) {
			return 0;
		}
		if (mkdir(path, 0755) == 0 || errno == EEXIST) {
			return version;
		}
		if (errno != ENOENT) {
			return 0;
		}
		version = get_base(l, true, true, base);
	}
	return 0;
}

static int open_tasks(const char *path)
{
	char file[PATH_BYTES + 64];

	snprintf(file, sizeof(file), "%s/tasks", path);
	return open(file, O_WRONLY | O_CLOEXEC);
}

/*
 * A group with the limit, an old one or a new one.
 * @param ret_fd of version 1: to join it; or -1
 * @return as make_group()
 */
static int get_group(const struct limit *l, pid_t pid, bool is_many, unsigned long long max,
		     char path[PATH_BYTES], int *ret_fd)
{
	struct spare spare;
	int version;

	while (is_many && take_spare(l->base, &spare)) {
		/* It fails when more is charged to the last VM than this one may have, or it is gone. */
		if (max_get(l->base, spare.path) == max
			    ? access(spare.path, F_OK) == 0
			    : write_number(spare.path, l->file.v1, max) == 0) {
			max_set(l->base, spare.path, max);
			memcpy(path, spare.path, PATH_BYTES);
			*ret_fd = spare.tasks_fd;
			return 1;
		}
		close(spare.tasks_fd);
		rmdir(spare.path);
	}
	version = make_group(l, pid, is_many, path);
	if (version && write_number(path, version == 1 ? l->file.v1 : l->file.v2, max) < 0) {
		rmdir(path);
		return 0;
	}
	max_set(l->base, path, max);
	*ret_fd = version == 1 ? open_tasks(path) : -1;
	return version;
}

/* Version 1: the process joins it itself, by the descriptor. Version 2: it is moved. */
static void make(const struct limit *l, pid_t pid, bool is_many, unsigned long long max, char *ret,
		 int *joins, size_t *n_joins)
{
	char path[PATH_BYTES];
	int fd = -1;
	int version = get_group(l, pid, is_many, max, path, &fd);

	ret[0] = '\0';
	if (!version) {
		return;
	}
	if (fd >= 0) {
		joins[(*n_joins)++] = fd;
	}
	if (version == 2 && write_number(path, "cgroup.procs", (unsigned long long)pid) < 0) {
		rmdir(path);
		return;
	}
	memcpy(ret, path, sizeof(path));
}

void launch_cgroup_make(pid_t pid, bool is_many, uint64_t mem_bytes, char *memory, char *pids,
			int *joins, size_t *n_joins)
{
	uint64_t max_bytes;
	cpu_set_t cpus;
	cpu_set_t now;
	bool has_cpus = sched_getaffinity(0, sizeof(cpus), &cpus) == 0;

	memory[0] = '\0';
	if (mem_bytes && !__builtin_add_overflow(mem_bytes, OVERHEAD_BYTES, &max_bytes)) {
		make(&memory_limit, pid, is_many, max_bytes, memory, joins, n_joins);
	}
	make(&pids_limit, pid, is_many, TASKS_MAX, pids, joins, n_joins);
	/* Where cpusets are on, Linux before 6.2 lets a newcomer run on all cores of its group. It is born where
	 * its maker may run, and stays there. */
	if (has_cpus &&
	    (sched_getaffinity(pid, sizeof(now), &now) < 0 || !CPU_EQUAL(&cpus, &now))) {
		sched_setaffinity(pid, sizeof(cpus), &cpus);
	}
}

/* A line of /proc/PID/cgroup ends with the group's path, whose last part nobody else has. */
static bool is_in(const char *groups, const char *path)
{
	const char *name = strrchr(path, '/');
	size_t bytes = name ? strlen(name) : 0;

	for (const char *p = groups; bytes && (p = strstr(p, name)) != NULL; p += bytes) {
		if (p[bytes] == '\n' || p[bytes] == '\0') {
			return true;
		}
	}
	return false;
}

static void settle(pid_t pid, const char *groups, char *path)
{
	if (!path[0] || is_in(groups, path) ||
	    write_number(path, "cgroup.procs", (unsigned long long)pid) == 0) {
		return;
	}
	rmdir(path);
	path[0] = '\0';
}

void launch_cgroup_settle(pid_t pid, char *memory, char *pids)
{
	char groups[4096];

	if (host_text_read(groups, sizeof(groups), "/proc/%d/cgroup", pid) < 0) {
		groups[0] = '\0';
	}
	settle(pid, groups, memory);
	settle(pid, groups, pids);
}

static void remove_group(char *path)
{
	char *slash;

	rmdir(path);
	/* The folder goes with the last VM. */
	slash = strrchr(path, '/');
	if (slash) {
		*slash = '\0';
		rmdir(path);
	}
}

static void give_back(const struct limit *l, char *path)
{
	if (path[0] && !keep_spare(l->base, path)) {
		remove_group(path);
	}
	path[0] = '\0';
}

void launch_cgroup_remove(char *memory, char *pids)
{
	/* On v2 both may be the same group. */
	give_back(&memory_limit, memory);
	give_back(&pids_limit, pids);
}

void launch_cgroup_remove_spares(void)
{
	struct base *const bases[] = { &memory_base, &pids_base };

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		struct spare spare;

		while (take_spare(bases[i], &spare)) {
			close(spare.tasks_fd);
			remove_group(spare.path);
		}
	}
}

int launch_cgroup_probe(const char *controller, char *ret_path)
{
	bool is_memory = strcmp(controller, memory_limit.controller) == 0;
	char base[PATH_BYTES];
	int version = find_base(is_memory ? &memory_limit : &pids_limit, base);

	if (version) {
		memcpy(ret_path, base, sizeof(base));
		rmdir(base); /* unless VMs are in it */
	}
	return version;
}
