/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clone3, id maps, pidfds. */
#include "host/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/fd.h"
#include "host/sock.h"

pid_t host_proc_clone(uint64_t ns_flags, int *ret_pidfd)
{
	return host_proc_clone_into(ns_flags, -1, ret_pidfd);
}

static pid_t clone_process(uint64_t flags, uint64_t exit_signal, int cgroup_fd, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args a = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = exit_signal,
	};
	long pid;

	if (cgroup_fd >= 0) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (unsigned int)cgroup_fd;
	}
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid < 0) {
		return -errno;
	}
	if (pid > 0) {
		if (ret_pidfd) {
			*ret_pidfd = pidfd;
		} else {
			close(pidfd);
		}
	}
	return (pid_t)pid;
}

pid_t host_proc_clone_into(uint64_t ns_flags, int cgroup_fd, int *ret_pidfd)
{
	return clone_process(ns_flags, SIGCHLD, cgroup_fd, ret_pidfd);
}

pid_t host_proc_clone_brother(uint64_t ns_flags, int cgroup_fd, int *ret_pidfd)
{
	/* Its exit signal is the caller's own: clone3(2). */
	return clone_process(ns_flags | CLONE_PARENT, 0, cgroup_fd, ret_pidfd);
}

static int proc_write(pid_t pid, const char *name, const char *text)
{
	char path[64];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	/* One write: the kernel takes a map only as a whole. */
	return host_fd_write_full(fd, text, strlen(text));
}

int host_proc_map_ids(pid_t pid, uid_t uid_in, uid_t uid_out, gid_t gid_in, gid_t gid_out)
{
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%u %u 1\n", uid_in, uid_out);
	r = proc_write(pid, "uid_map", text);
	if (r < 0) {
		return r;
	}
	snprintf(text, sizeof(text), "%u %u 1\n", gid_in, gid_out);
	r = proc_write(pid, "gid_map", text);
	if (r != -EPERM) {
		return r;
	}
	/* An ordinary user must first promise that the child won't leave groups that deny it
	 * access: user_namespaces(7). */
	r = proc_write(pid, "setgroups", "deny");
	return r < 0 ? r : proc_write(pid, "gid_map", text);
}

int host_proc_kill(int pidfd, int signo)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

int host_proc_wait(int pidfd, pid_t pid, int timeout_ms, int *ret_status, struct rusage *ret_usage)
{
	struct rusage usage;
	int status;
	pid_t got;
	int r;

	if (timeout_ms >= 0) {
		r = host_sock_wait_readable(pidfd, timeout_ms);
		if (r < 0) {
			return r;
		}
	}
	do {
		got = wait4(pid, &status, 0, &usage);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return -errno;
	}
	*ret_status = status;
	if (ret_usage) {
		*ret_usage = usage;
	}
	return 0;
}

int host_proc_close_from(unsigned int first)
{
	return syscall(SYS_close_range, first, ~0U, 0) < 0 ? -errno : 0;
}

int host_proc_die_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
}

int host_proc_exec_fd(int fd, const char *name, const char *arg, const char *env)
{
	union {
		const char *in;
		char *out;
	} u[3] = { { .in = name }, { .in = arg }, { .in = env } };
	char *argv[] = { u[0].out, u[1].out, NULL };
	char *envp[] = { u[2].out, NULL };

	syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}
