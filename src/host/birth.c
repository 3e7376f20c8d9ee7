/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/birth.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/fd.h"
#include "host/priv.h"
#include "host/proc.h"
#include "host/sock.h"

#define PROGRAM_FD (HOST_BIRTH_SOCKET + 1)

_Noreturn void host_birth_fail(const char *what, int r)
{
	const char *why = strerrordesc_np(-r);
	const char *const parts[] = { what, ": ", why ? why : "unknown error", "\n" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		host_fd_write_full(STDERR_FILENO, parts[i], strlen(parts[i]));
	}
	_exit(127);
}

void host_birth_signals_reset(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++) {
		sigaction(i, &sa, NULL);
	}
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The thread itself writes "0" to "tasks": a single thread that moves itself needs no lock of all
 * forks and exits on the machine, for which another process would wait 10 ms (kernel/cgroup/cgroup.c,
 * cgroup_procs_write_start()). What fails is seen, and mended, by the parent. A newcomer in a cpuset
 * may be let run on all cores of it: it stays on those that it was born on.
 */
static void join(const int *fds, size_t n)
{
	cpu_set_t cpus;
	bool has_cpus = sched_getaffinity(0, sizeof(cpus), &cpus) == 0;

	for (size_t i = 0; i < n; i++) {
		host_fd_write_full(fds[i], "0", 1);
		close(fds[i]);
	}
	if (n && has_cpus) {
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
}

static void take_places(const struct host_birth_fds *fds)
{
	int r;

	if ((fds->null >= 0 && (dup2(fds->null, 0) < 0 || dup2(fds->null, 1) < 0)) ||
	    dup2(fds->err, 2) < 0 || dup2(fds->socket, HOST_BIRTH_SOCKET) < 0 ||
	    (fds->program >= 0 && dup3(fds->program, PROGRAM_FD, O_CLOEXEC) < 0)) {
		_exit(127);
	}
	/* Only the parent may hold the other ends, this child's and those of other VMs that are
	 * being made, or its death goes unnoticed: two children would wait for each other. */
	r = host_proc_close_from(fds->program >= 0 ? PROGRAM_FD + 1 : PROGRAM_FD);
	if (r < 0) {
		host_birth_fail("close_range", r);
	}
}

int host_birth(const struct host_birth_fds *fds)
{
	struct host_birth_order order;
	struct iovec iov = { &order, sizeof(order) };
	int joins[HOST_BIRTH_JOINS];
	size_t n_joins = 0;
	int r;

	take_places(fds);
	/* The end of the file: the parent gave up, or is dead. */
	if (host_sock_recv(HOST_BIRTH_SOCKET, &iov, 1, joins, HOST_BIRTH_JOINS, &n_joins, false) !=
	    sizeof(order)) {
		_exit(127);
	}
	join(joins, n_joins);
	/* Ctrl-C at the controller's terminal is for the controller. And the kernel shares a core between sessions:
	 * one VM's threads take nothing from those of another. */
	setsid();
	if (fds->program >= 0) {
		host_birth_signals_reset(); /* a zygote's are as they should be */
	}
	if (order.has_ids) {
		r = host_priv_set_ids_keep_caps(order.uid, order.gid);
		if (r < 0) {
			host_birth_fail("can't take an id of its own", r);
		}
	}
	/* Ambient ones are for a program that is executed. */
	r = fds->program >= 0 ? host_priv_keep_caps(order.caps) : host_priv_set_caps(order.caps);
	if (r < 0) {
		host_birth_fail("can't set capabilities", r);
	}
	/* The end of its socket tells a VM that its controller is gone, but one that was taken over
	 * need not care. If the controller died before this, READY finds nobody and the VM ends. */
	r = order.outlives ? 0 : host_proc_die_with_parent();
	if (r < 0) {
		host_birth_fail("can't bind its life to the controller's", r);
	}
	return fds->program >= 0 ? PROGRAM_FD : -1;
}
