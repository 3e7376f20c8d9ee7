/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who ran on the pool and is not ours. Every task is looked at, but only for those whose last core
 * is a pool core the run time is read and remembered. A task counts with all it ran since it was
 * last seen there: one that wandered counts too high, one that came and went between two looks not at
 * all. A sum per core from the kernel does not exist.
 *
 * A look takes at most TASKS_MAX tasks; a host with more is looked at in several goes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "daemon/partition/partition_internal.h"
#include "host/text.h"

#define TASKS_MAX  20000u
#define STAT_BYTES 1024

/* One call of partition_scan(). */
struct look {
	struct partition *p;
	bool (*is_ours)(void *arg, pid_t pid);
	void *arg;
	struct partition_foreign *found;
	ns_t *ns_per_core;
	uint32_t n_found, n_tasks;
	int proc_fd;
};

static struct partition_seen *slot_of(struct partition *p, uint32_t tid)
{
	uint32_t i = (tid * 2654435761u) & (PARTITION_SEEN_MAX - 1);

	while (p->seen[i].tid && p->seen[i].tid != tid) {
		i = (i + 1) & (PARTITION_SEEN_MAX - 1);
	}
	return &p->seen[i];
}

/* Remember how long a task ran; returns how much more that is than last time, 0 at first sight. */
static ns_t remember(struct partition *p, const struct partition_stat *s, ns_t run_ns)
{
	struct partition_seen *e = slot_of(p, (uint32_t)s->tid);
	ns_t grown = 0;

	if (!e->tid) {
		if (p->n_seen >= PARTITION_SEEN_MAX / 4 * 3) {
			return 0;
		}
		p->n_seen++;
		e->tid = (uint32_t)s->tid;
	} else if (e->start == s->start && run_ns > e->run_ns) {
		grown = run_ns - e->run_ns;
	}
	e->start = s->start;
	e->run_ns = run_ns;
	e->round = p->round;
	return grown;
}

/* When all tasks of the host were looked at: forget those that were not there. */
static void forget_gone(struct partition *p)
{
	struct partition_seen *old = p->seen;
	struct partition_seen *fresh = calloc(PARTITION_SEEN_MAX, sizeof(*fresh));

	if (!fresh) {
		return; /* next time */
	}
	p->seen = fresh;
	p->n_seen = 0;
	for (uint32_t i = 0; i < PARTITION_SEEN_MAX; i++) {
		if (old[i].tid && old[i].round == p->round) {
			*slot_of(p, old[i].tid) = old[i];
			p->n_seen++;
		}
	}
	free(old);
	p->round++;
}

/* Keep the busiest, in order. */
static void keep(struct look *l, const struct partition_foreign *f)
{
	uint32_t i = l->n_found;

	if (i == PARTITION_FOREIGN_MAX) {
		if (l->found[i - 1].run_ns >= f->run_ns) {
			return;
		}
		i--;
	} else {
		l->n_found++;
	}
	for (; i > 0 && l->found[i - 1].run_ns < f->run_ns; i--) {
		l->found[i] = l->found[i - 1];
	}
	l->found[i] = *f;
}

static int pool_idx(const struct partition *p, uint32_t core)
{
	for (uint32_t i = 0; i < p->roles.n_pool; i++) {
		if (p->roles.pool[i] == core) {
			return (int)i;
		}
	}
	return -1;
}

/* In nanoseconds where the kernel counts them so, else in ticks. */
static ns_t read_run_ns(int proc_fd, const char *dir, const struct partition_stat *s)
{
	char path[64];
	char text[128];
	unsigned long long ns;

	snprintf(path, sizeof(path), "%s/schedstat", dir);
	if (host_text_read_at(proc_fd, path, text, sizeof(text)) > 0 &&
	    sscanf(text, "%llu ", &ns) == 1) {
		return ns;
	}
	return s->ticks * (NS_PER_S / (ns_t)sysconf(_SC_CLK_TCK));
}

static bool read_stat(int proc_fd, const char *dir, struct partition_stat *ret)
{
	char path[64];
	char text[STAT_BYTES];

	snprintf(path, sizeof(path), "%s/stat", dir);
	return host_text_read_at(proc_fd, path, text, sizeof(text)) > 0 &&
	       partition_stat_parse(text, ret) == 0;
}

static void look_at_task(struct look *l, pid_t pid, const char *dir, const struct partition_stat *s)
{
	struct partition_foreign f = { .pid = pid, .tid = s->tid };
	int idx = pool_idx(l->p, s->core);

	if (idx < 0) {
		return;
	}
	f.run_ns = remember(l->p, s, read_run_ns(l->proc_fd, dir, s));
	if (f.run_ns == 0) {
		return;
	}
	l->ns_per_core[idx] += f.run_ns;
	f.host_core = (uint16_t)s->core;
	f.is_kernel = partition_stat_is_kernel(s);
	memcpy(f.name, s->name, sizeof(f.name));
	keep(l, &f);
}

static pid_t number_of(const char *name)
{
	char *end;
	long v = name[0] >= '1' && name[0] <= '9' ? strtol(name, &end, 10) : 0;

	return v > 0 && v < (long)PARTITION_TIDS_MAX && *end == '\0' ? (pid_t)v : 0;
}

static void look_at_threads(struct look *l, pid_t pid)
{
	char dir[48];
	DIR *d;
	const struct dirent *ent;
	int fd;

	snprintf(dir, sizeof(dir), "%d/task", pid);
	fd = openat(l->proc_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d && fd >= 0) {
		close(fd);
	}
	while (d && (ent = readdir(d)) != NULL && l->n_tasks < TASKS_MAX) {
		struct partition_stat s;
		pid_t tid = number_of(ent->d_name);

		snprintf(dir, sizeof(dir), "%d/task/%d", pid, tid);
		if (tid && read_stat(l->proc_fd, dir, &s)) {
			l->n_tasks++;
			look_at_task(l, pid, dir, &s);
		}
	}
	if (d) {
		closedir(d);
	}
}

static void look_at_process(struct look *l, pid_t pid)
{
	struct partition_stat s;
	char dir[16];

	snprintf(dir, sizeof(dir), "%d", pid);
	l->n_tasks++;
	if (!read_stat(l->proc_fd, dir, &s)) {
		return; /* gone */
	}
	if (s.n_threads > 1) {
		look_at_threads(l, pid);
	} else {
		look_at_task(l, pid, dir, &s);
	}
}

/* Processes in ascending order, as /proc lists them, from where the last call stopped. */
static void look_at_all(struct look *l, DIR *d)
{
	struct partition *p = l->p;
	const struct dirent *ent;
	pid_t own = getpid();

	while ((ent = readdir(d)) != NULL) {
		pid_t pid = number_of(ent->d_name);

		if (pid < 1 || pid < p->next_pid || pid == own || l->is_ours(l->arg, pid)) {
			continue;
		}
		if (l->n_tasks >= TASKS_MAX) {
			p->next_pid = pid;
			return;
		}
		look_at_process(l, pid);
	}
	p->next_pid = 0;
	forget_gone(p);
}

/* cpuset: numbers of threads that are gone may be given to others. */
static void forget_moved(struct partition *p)
{
	for (uint32_t i = 0; p->moved && i < PARTITION_TIDS_MAX / 64; i++) {
		uint64_t bits = atomic_load(&p->moved[i]);

		while (bits) {
			uint32_t bit = (uint32_t)__builtin_ctzll(bits);
			char path[32];

			bits &= bits - 1;
			snprintf(path, sizeof(path), "/proc/%u", i * 64 + bit);
			if (access(path, F_OK) < 0) {
				atomic_fetch_and(&p->moved[i], ~BIT(bit));
			}
		}
	}
}

uint32_t partition_scan(struct partition *p, bool (*is_ours)(void *arg, pid_t pid), void *arg,
			struct partition_foreign ret[PARTITION_FOREIGN_MAX], ns_t *ret_ns_per_core)
{
	struct look l = {
		.p = p,
		.is_ours = is_ours,
		.arg = arg,
		.found = ret,
		.ns_per_core = ret_ns_per_core,
	};
	char path[PARTITION_PATH_BYTES + 8];
	DIR *d;

	memset(ret_ns_per_core, 0, p->roles.n_pool * sizeof(*ret_ns_per_core));
	snprintf(path, sizeof(path), "%s/proc", p->root);
	d = opendir(path);
	if (!d) {
		return 0;
	}
	l.proc_fd = dirfd(d);
	look_at_all(&l, d);
	closedir(d);
	if (p->backend == PARTITION_ISOLATED) {
		partition_isolated_sweep(p);
	}
	forget_moved(p);
	return l.n_found;
}
