/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc, affinity, priorities, freezer; see task.h. */
#include "host/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/timer.h"

/* Between looks whether a process has stopped. */
#define STOP_LOOK_NS (200 * NS_PER_US)

/* Fields of /proc/PID/stat after the name, counted from 0; see proc(5), which counts from 3. */
#define STAT_STATE   0
#define STAT_THREADS 17
#define STAT_CORE    36

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

int host_task_init(struct host_task *ret, pid_t pid, pid_t tid, struct host_task_look *ret_look)
{
	char path[64];
	int stat_fd;
	int times_fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	stat_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (stat_fd < 0) {
		return errno == ENOENT ? -ESRCH : -errno;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	times_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (times_fd < 0) {
		int r = errno == ENOENT ? -ESRCH : -errno;

		close(stat_fd);
		return r;
	}
	*ret = (struct host_task){
		.pid = pid, .tid = tid, .stat_fd = stat_fd, .times_fd = times_fd
	};
	ret->end_fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
	if (host_task_look(ret, ret_look) < 0) {
		/* It ended meanwhile: the number may be another's. */
		host_task_done(ret);
		return -ESRCH;
	}
	return 0;
}

void host_task_done(struct host_task *t)
{
	close(t->stat_fd);
	close(t->times_fd);
	if (t->end_fd >= 0) {
		close(t->end_fd);
	}
	t->stat_fd = t->times_fd = t->end_fd = -1;
}

/* Whole small file into a string. */
static int read_text(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	if (n <= 0) {
		return n == 0 ? -ESRCH : -errno;
	}
	buf[n] = '\0';
	return 0;
}

int host_task_look(const struct host_task *t, struct host_task_look *ret)
{
	char buf[1024];
	char *p;
	int r;

	r = read_text(t->stat_fd, buf, sizeof(buf));
	if (r < 0) {
		return r;
	}
	p = strrchr(buf, ')'); /* the name may hold anything */
	if (!p || strlen(p) < 4) {
		return -EPROTO;
	}
	p += 2;
	ret->state = *p;
	ret->threads = ret->core = 0;
	for (int field = STAT_STATE; field <= STAT_CORE; field++) {
		if (field == STAT_THREADS) {
			ret->threads = (uint32_t)strtoul(p, NULL, 10);
		} else if (field == STAT_CORE) {
			ret->core = (uint32_t)strtoul(p, NULL, 10);
		}
		p = strchr(p, ' ');
		if (!p) {
			return -EPROTO;
		}
		p++;
	}
	return 0;
}

int host_task_times(const struct host_task *t, struct host_task_times *ret)
{
	char buf[128];
	char *end;
	int r;

	r = read_text(t->times_fd, buf, sizeof(buf));
	if (r < 0) {
		return r;
	}
	ret->run_ns = strtoull(buf, &end, 10);
	ret->delay_ns = strtoull(end, NULL, 10);
	return 0;
}

void host_task_refresh(const struct host_task *t, int prio)
{
	/* Going up it is alone on its level, coming back it goes to the head of its own. */
	if (host_task_set_fifo(t->tid, prio + 1) == 0) {
		host_task_set_fifo(t->tid, prio);
	}
}

/* Of entries that were read at once, those with a number. */
static void take_numbers(const char *buf, size_t n_bytes, pid_t *ret, size_t max, size_t *n)
{
	for (size_t at = 0; at < n_bytes;) {
		const struct dirent64 *entry = (const void *)(buf + at);

		at += entry->d_reclen;
		if (entry->d_name[0] == '.') {
			continue;
		}
		if (*n < max) {
			ret[*n] = (pid_t)strtol(entry->d_name, NULL, 10);
		}
		++*n;
	}
}

/* Not by opendir(), which takes much memory for so few. */
int host_task_list(pid_t pid, pid_t *ret, size_t max)
{
	_Alignas(struct dirent64) char buf[1024];
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t got;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? -ESRCH : -errno;
	}
	while ((got = getdents64(fd, buf, sizeof(buf))) > 0) {
		take_numbers(buf, (size_t)got, ret, max, &n);
	}
	return n ? (int)n : -ESRCH;
}

static bool has_name(pid_t pid, pid_t tid, const char *name)
{
	char path[64];
	char text[64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read_text(fd, text, sizeof(text)) < 0) {
		return false;
	}
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, name) == 0;
}

int host_task_find_in(pid_t pid, const pid_t *tids, size_t n, const char *name, pid_t *ret)
{
	pid_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (tids[i] == pid || !has_name(pid, tids[i], name)) {
			continue;
		}
		if (found) {
			return -ENOTUNIQ;
		}
		found = tids[i];
	}
	if (!found) {
		return -ENOENT;
	}
	*ret = found;
	return 0;
}

int host_task_find(pid_t pid, const char *name, pid_t *ret)
{
	pid_t tids[64];
	int n = host_task_list(pid, tids, ARRAY_SIZE(tids));

	if (n < 0) {
		return n;
	}
	n = n < (int)ARRAY_SIZE(tids) ? n : (int)ARRAY_SIZE(tids);
	return host_task_find_in(pid, tids, (size_t)n, name, ret);
}

int host_task_pin(pid_t tid, uint32_t core)
{
	cpu_set_t set;

	if (core >= CPU_SETSIZE) {
		return -EINVAL;
	}
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	return sched_setaffinity(tid, sizeof(set), &set) < 0 ? -errno : 0;
}

bool host_task_is_pinned(pid_t tid, uint32_t core)
{
	cpu_set_t set;

	return sched_getaffinity(tid, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1 &&
	       core < CPU_SETSIZE && CPU_ISSET(core, &set);
}

int32_t host_task_core(pid_t tid)
{
	cpu_set_t set;
	int32_t core = -1;

	if (sched_getaffinity(tid, sizeof(set), &set) < 0 || CPU_COUNT(&set) != 1) {
		return -1;
	}
	for (int i = 0; i < CPU_SETSIZE && core < 0; i++) {
		core = CPU_ISSET((size_t)i, &set) ? i : -1;
	}
	return core;
}

bool host_task_is_fifo(pid_t tid)
{
	return (sched_getscheduler(tid) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO;
}

int host_task_set_fifo(pid_t tid, int prio)
{
	struct sched_param p = { .sched_priority = prio };
	int policy = prio ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER;

	return sched_setscheduler(tid, policy, &p) < 0 ? -errno : 0;
}

int host_task_signal(pid_t pid, pid_t tid, int signo)
{
	return tgkill(pid, tid, signo) < 0 ? -errno : 0;
}

void host_futex_wake(const _Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

bool host_process_is_stopped(pid_t pid)
{
	pid_t tids[64];
	int n = host_task_list(pid, tids, ARRAY_SIZE(tids));

	if (n < 0 || n > (int)ARRAY_SIZE(tids)) {
		return false;
	}
	for (int i = 0; i < n; i++) {
		struct host_task_look look = { .state = 'X' };
		struct host_task t;

		if (host_task_init(&t, pid, tids[i], &look) < 0) {
			continue; /* gone meanwhile */
		}
		host_task_done(&t);
		if (!strchr("TtZX", look.state)) {
			return false;
		}
	}
	return true;
}

int host_process_await_stop(pid_t pid, unsigned int timeout_ms)
{
	const struct timespec pause = host_timespec(STOP_LOOK_NS);
	ns_t until_ns = host_clock_monotonic_ns() + timeout_ms * NS_PER_MS;

	while (!host_process_is_stopped(pid)) {
		if (kill(pid, 0) < 0 && errno == ESRCH) {
			return -ESRCH;
		}
		if (host_clock_monotonic_ns() > until_ns) {
			return -ETIMEDOUT;
		}
		nanosleep(&pause, NULL);
	}
	return 0;
}
