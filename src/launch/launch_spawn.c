/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The birth of a VM process:
 *
 *   parent                              child (only async-signal-safe functions)
 *   clone3 with new namespaces  ------> descriptors 0-3, waits for its order
 *     (or the zygote's clone3)
 *   id maps, cgroups
 *   order (uid, gid, capabilities, ---> joins cgroups, own session, ids;
 *     cgroups to join) as first         exec (a child of the zygote: nothing to execute)
 *     packet of the socket
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
#include "host/birth.h"
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

/* Descriptors that the child gets are made at or above this number, clear of their places. */
#define FIRST_FREE_FD 10

_Noreturn static void child_main(const struct host_birth_fds *fds)
{
	int program_fd = host_birth(fds);

	host_birth_fail("can't execute pinfold-vm",
			host_proc_exec_fd(program_fd, "pinfold-vm", NULL, NULL));
}

/* Out of the way of 0 to 3; and in a handle, 0 is none. */
static int lift_all(struct host_birth_fds *fds)
{
	int *const all[] = { &fds->program, &fds->socket, &fds->null, &fds->err };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(all); i++) {
		r = *all[i] < 0 ? 0 : host_fd_lift(all[i], FIRST_FREE_FD);
	}
	return r;
}

static void birth_fds_done(struct host_birth_fds *fds)
{
	const int all[] = { fds->program, fds->socket, fds->null, fds->err };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i] >= 0) {
			close(all[i]);
		}
	}
}

static int open_fds(int program_fd, struct launch_vm *vm, struct host_birth_fds *fds)
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
	if (program_fd >= 0) {
		fds->program = fcntl(program_fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (fds->program < 0) {
			return -errno;
		}
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
		    struct host_birth_order *order)
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
	*order = (struct host_birth_order){
		.caps = (ns & CLONE_NEWUSER) || has_jail_caps() ? JAIL_CAPS : 0,
		.uid = cfg->uid,
		.gid = cfg->gid,
		.has_ids = is_own,
		.outlives = cfg->jail & PROTO_JAIL_OUTLIVE ? 1 : 0,
	};
	if (!(ns & CLONE_NEWUSER)) {
		return 0;
	}
	return host_proc_map_ids(vm->pid, cfg->uid, cfg->uid, cfg->gid, cfg->gid);
}

/* What a child of this process needs besides; one of a zygote has it from there. */
static int open_own_fds(const struct launch_options *o, struct host_birth_fds *fds,
			struct errmsg *e)
{
	int r = 0;

	if (fds->program < 0) {
		r = launch_open_program(o->vm_program, &fds->program, e);
		r = r < 0 ? r : host_fd_lift(&fds->program, FIRST_FREE_FD);
	}
	if (r < 0) {
		return r;
	}
	fds->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	r = fds->null < 0 ? -errno : host_fd_lift(&fds->null, FIRST_FREE_FD);
	return r < 0 ? errmsg_set(e, r, "no /dev/null for a VM process: %s", strerror(-r)) : 0;
}

/* From this process. */
static pid_t make_own_child(const struct launch_options *o, struct host_birth_fds *fds,
			    struct launch_vm *vm, uint64_t *ret_ns, struct errmsg *e)
{
	pid_t pid;
	int r = open_own_fds(o, fds, e);

	if (r < 0) {
		return r;
	}
	pid = clone_child(o->cgroup_fd, &vm->pidfd, ret_ns);
	if (pid == 0) {
		child_main(fds);
	}
	return pid < 0 ? errmsg_set(e, pid, "can't make a VM process: %s", strerror(-pid)) : pid;
}

/* By the zygote, if there is one that can. */
static pid_t make_child(const struct launch_options *o, struct host_birth_fds *fds,
			struct launch_vm *vm, uint64_t *ret_ns, struct errmsg *e)
{
	pid_t pid = -ENOSYS;

	*ret_ns = NAMESPACES;
	/* What it makes has an empty root from the start: no plug-in can be loaded there. */
	if (o->zygote && !o->plugin_path) {
		pid = launch_zygote_clone(o->zygote, NAMESPACES, o->cgroup_fd, fds, &vm->pidfd);
	}
	return pid < 0 ? make_own_child(o, fds, vm, ret_ns, e) : pid;
}

/* Its limits, and the order that it waits for. */
static int send_order(const struct launch_options *o, const struct proto_config *cfg,
		      struct launch_vm *vm, struct host_birth_order *order, struct errmsg *e)
{
	struct iovec iov = { order, sizeof(*order) };
	int joins[HOST_BIRTH_JOINS];
	size_t n = 0;
	int r;

	if (!o->is_unlimited) {
		launch_cgroup_make(vm->pid, o->zygote != NULL, cfg->limits.mem_bytes,
				   vm->cgroup_memory, vm->cgroup_pids, joins, &n);
	}
	if (o->join_fd >= 0) {
		joins[n++] = o->join_fd;
	}
	r = host_sock_send(vm->socket_fd, &iov, 1, joins, n, true);
	while (n > 0) {
		n--;
		if (joins[n] != o->join_fd) {
			close(joins[n]);
		}
	}
	return r < 0 ? launch_gone(vm, e) : 0;
}

int launch_spawn(const struct launch_options *o, int program_fd, struct launch_vm *vm,
		 struct proto_config *cfg, struct errmsg *e)
{
	struct host_birth_fds fds = { -1, -1, -1, -1 };
	struct host_birth_order order;
	uint64_t ns = 0;
	pid_t pid;
	int r;

	r = open_fds(program_fd, vm, &fds);
	if (r < 0) {
		birth_fds_done(&fds);
		return errmsg_set(e, r, "no descriptors for a VM process: %s", strerror(-r));
	}
	pid = make_child(o, &fds, vm, &ns, e);
	birth_fds_done(&fds);
	if (pid < 0) {
		return pid;
	}
	vm->pid = pid;
	r = host_fd_lift(&vm->pidfd, FIRST_FREE_FD);
	r = r < 0 ? r : give_ids(vm, ns, cfg, &order);
	if (r < 0) {
		return errmsg_set(e, r, "can't set up the user namespace of a VM: %s",
				  strerror(-r));
	}
	return send_order(o, cfg, vm, &order, e);
}
