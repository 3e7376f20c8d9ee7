/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The birth of a VM process:
 *
 *   parent                              child (only async-signal-safe functions)
 *   clone3 with new namespaces  ------> waits for its order
 *   id maps, cgroups
 *   order (uid, gid, capabilities) ---> own session, descriptors 0-3, ids, exec
 *     as first packet of the socket
 *
 * The child has 0 and 1 on /dev/null, 2 on a pipe to the parent, 3 the socket, and nothing else;
 * no environment; SIGPIPE ignored and all other signals at their default. It holds the two
 * capabilities that the jail needs (in its own user namespace where there is one), until the jail
 * closes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/fd.h"
#include "host/priv.h"
#include "host/proc.h"
#include "host/sock.h"
#include "launch/launch_internal.h"

#define NAMESPACES                                                                            \
	((uint64_t)CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | \
	 CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Mounting the empty root; emptying the bounding set. */
#define JAIL_CAPS (BIT(CAP_SYS_ADMIN) | BIT(CAP_SETPCAP))

/* Where the child keeps the program until it executes it. */
#define PROGRAM_FD (PROTO_FD + 1)

/* Descriptors that the child gets are made at or above this number, clear of their places. */
#define FIRST_FREE_FD 10

/* What the parent decides once it knows the child's pid. */
struct order {
	uint32_t uid, gid;
	uint32_t has_ids;  /* switch to them */
	uint32_t has_caps; /* keep JAIL_CAPS over exec */
	uint32_t outlives; /* the controller */
};

/* Everything the child needs, opened before the clone. */
struct child_fds {
	int program;
	int socket;
	int null;
	int err;
};

_Noreturn static void child_fail(const char *what, int r)
{
	const char *why = strerrordesc_np(-r);
	const char *const parts[] = { what, ": ", why ? why : "unknown error", "\n" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		host_fd_write_full(STDERR_FILENO, parts[i], strlen(parts[i]));
	}
	_exit(127);
}

static void child_signals(void)
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

_Noreturn static void child_main(const struct child_fds *fds)
{
	struct order order;
	struct iovec iov = { &order, sizeof(order) };
	int r;

	if (dup2(fds->null, 0) < 0 || dup2(fds->null, 1) < 0 || dup2(fds->err, 2) < 0 ||
	    dup2(fds->socket, PROTO_FD) < 0 || dup3(fds->program, PROGRAM_FD, O_CLOEXEC) < 0) {
		_exit(127);
	}
	/* Only the parent may hold the other ends, this child's and those of other VMs that are
	 * being made, or its death goes unnoticed: two children would wait for each other. */
	r = host_proc_close_from(PROGRAM_FD + 1);
	if (r < 0) {
		child_fail("close_range", r);
	}
	/* The end of the file: the parent gave up, or is dead. */
	if (host_sock_recv(PROTO_FD, &iov, 1, NULL, 0, NULL, false) != sizeof(order)) {
		_exit(127);
	}
	/* Ctrl-C at the controller's terminal is for the controller. */
	setsid();
	child_signals();
	if (order.has_ids) {
		r = host_priv_set_ids_keep_caps(order.uid, order.gid);
		if (r < 0) {
			child_fail("can't take an id of its own", r);
		}
	}
	r = host_priv_keep_caps(order.has_caps ? JAIL_CAPS : 0);
	if (r < 0) {
		child_fail("can't set capabilities", r);
	}
	/* The end of its socket tells a VM that its controller is gone, but one that was taken over
	 * need not care. If the controller died before this, READY finds nobody and the VM ends. */
	r = order.outlives ? 0 : host_proc_die_with_parent();
	if (r < 0) {
		child_fail("can't bind its life to the controller's", r);
	}
	r = host_proc_exec_fd(PROGRAM_FD, "pinfold-vm");
	child_fail("can't execute pinfold-vm", r);
}

/* Out of the way of 0 to 3; and in a handle, 0 is none. */
static int lift_all(struct child_fds *fds)
{
	int *const all[] = { &fds->program, &fds->socket, &fds->null, &fds->err };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
		r = host_fd_lift(all[i], FIRST_FREE_FD);
	}
	return r;
}

static void child_fds_done(struct child_fds *fds)
{
	const int all[] = { fds->program, fds->socket, fds->null, fds->err };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i] >= 0) {
			close(all[i]);
		}
	}
}

static int open_fds(int program_fd, struct launch_vm *vm, struct child_fds *fds)
{
	int pair[2];
	int r;

	r = host_sock_pair_packet(pair);
	if (r < 0) {
		return r;
	}
	vm->socket_fd = pair[0];
	fds->socket = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0) {
		return -errno;
	}
	vm->stderr_fd = pair[0];
	fds->err = pair[1];
	fds->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fds->null < 0) {
		return -errno;
	}
	fds->program = fcntl(program_fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
	if (fds->program < 0) {
		return -errno;
	}
	r = lift_all(fds);
	r = r < 0 ? r : host_fd_lift(&vm->socket_fd, FIRST_FREE_FD);
	r = r < 0 ? r : host_fd_lift(&vm->stderr_fd, FIRST_FREE_FD);
	return r < 0 ? r : host_fd_set_nonblock(vm->stderr_fd);
}

/* All namespaces at once; if that is refused, those that the host gives one by one. */
static pid_t clone_child(int cgroup_fd, int *ret_pidfd, uint64_t *ret_ns)
{
	uint64_t ns = NAMESPACES;
	sigset_t all;
	sigset_t old;
	pid_t pid;

	/* The parent's signal handlers must not run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = host_proc_clone_into(ns, cgroup_fd, ret_pidfd);
	if (pid < 0) {
		ns = isolation_namespaces(ns);
		pid = host_proc_clone_into(ns, cgroup_fd, ret_pidfd);
	}
	if (pid != 0) {
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	*ret_ns = ns;
	return pid;
}

static bool has_jail_caps(void)
{
	return host_priv_has_cap(CAP_SYS_ADMIN) && host_priv_has_cap(CAP_SETPCAP);
}

/* What the child is to become, and its id maps. */
static int give_ids(struct launch_vm *vm, uint64_t ns, struct proto_config *cfg,
		    struct order *order)
{
	bool is_own = isolation_own_id(vm->pid, &cfg->uid);

	cfg->gid = cfg->uid;
	if (!is_own) {
		cfg->uid = geteuid();
		cfg->gid = getegid();
	}
	cfg->jail = (cfg->jail & PROTO_JAIL_OUTLIVE) | isolation_jail_flags(ns);
	cfg->jail |= is_own ? PROTO_JAIL_SETUID : 0;
	cfg->jail |= isolation_has_seccomp() ? PROTO_JAIL_SECCOMP : 0;
	*order = (struct order){
		.uid = cfg->uid,
		.gid = cfg->gid,
		.has_ids = is_own,
		.has_caps = (ns & CLONE_NEWUSER) || has_jail_caps(),
		.outlives = cfg->jail & PROTO_JAIL_OUTLIVE ? 1 : 0,
	};
	if (!(ns & CLONE_NEWUSER)) {
		return 0;
	}
	return host_proc_map_ids(vm->pid, cfg->uid, cfg->uid, cfg->gid, cfg->gid);
}

int launch_spawn(int program_fd, int cgroup_fd, struct launch_vm *vm, struct proto_config *cfg,
		 struct errmsg *e)
{
	struct child_fds fds = { -1, -1, -1, -1 };
	struct order order;
	struct iovec iov = { &order, sizeof(order) };
	uint64_t ns = 0;
	pid_t pid;
	int r;

	r = open_fds(program_fd, vm, &fds);
	if (r < 0) {
		child_fds_done(&fds);
		return errmsg_set(e, r, "no descriptors for a VM process: %s", strerror(-r));
	}
	pid = clone_child(cgroup_fd, &vm->pidfd, &ns);
	if (pid == 0) {
		child_main(&fds);
	}
	child_fds_done(&fds);
	if (pid < 0) {
		return errmsg_set(e, pid, "can't make a VM process: %s", strerror(-pid));
	}
	vm->pid = pid;
	r = host_fd_lift(&vm->pidfd, FIRST_FREE_FD);
	r = r < 0 ? r : give_ids(vm, ns, cfg, &order);
	if (r < 0) {
		return errmsg_set(e, r, "can't set up the user namespace of a VM: %s",
				  strerror(-r));
	}
	launch_cgroup_enter(pid, cfg->limits.mem_bytes, vm->cgroup_memory, vm->cgroup_pids);
	r = host_sock_send(vm->socket_fd, &iov, 1, NULL, 0, true);
	return r < 0 ? launch_gone(vm, e) : 0;
}
