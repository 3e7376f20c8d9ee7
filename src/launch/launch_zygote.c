/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The controller's end of a zygote: pinfold-vm --zygote (vm/zygote.c), which makes one process per
 * request. What it makes are our children, which wait for an order and a configuration like those
 * that we make ourselves. It gets no other request and nothing that a user said. One that fails is
 * replaced after a while; meanwhile VMs are made without it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/fd.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/timer.h"
#include "launch/launch_internal.h"
#include "proto/zygote.h"

/* It only clones; loading libraries comes between its hello and its first answer. */
#define ANSWER_MS 5000
/* From a failure to the next try. */
#define RETRY_NS (10 * NS_PER_S)

struct launch_zygote {
	pthread_mutex_t lock; /* one request at a time */
	enum launch_zygote_kind kind;
	int program_fd;
	pid_t pid; /* 0: none */
	int pidfd, socket_fd;
	ns_t broken_ns;
	atomic_bool is_broken;
	atomic_uint likely; /* as in its request */
};

_Noreturn static void zygote_child(const char *option, int program_fd, int socket_fd, int null_fd)
{
	sigset_t none;

	if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0 ||
	    dup2(socket_fd, PROTO_FD) < 0 || dup3(program_fd, PROTO_FD + 1, O_CLOEXEC) < 0 ||
	    host_proc_close_from(PROTO_FD + 2) < 0) {
		_exit(127);
	}
	/* Ctrl-C is for the controller; a zygote ends with its socket. */
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What is not looked up here is looked up by each VM. */
	host_proc_exec_fd(PROTO_FD + 1, "pinfold-vm", option, "LD_BIND_NOW=1");
	_exit(127);
}

static pid_t zygote_fork(enum launch_zygote_kind kind, int program_fd, int socket_fd, int null_fd,
			 int *ret_pidfd)
{
	static const char *const options[LAUNCH_ZYGOTES] = {
		[LAUNCH_ZYGOTE_FULL] = ZYGOTE_OPTION,
		[LAUNCH_ZYGOTE_LEAN] = ZYGOTE_LEAN_OPTION,
	};
	sigset_t all;
	sigset_t old;
	pid_t pid;

	/* The parent's signal handlers must not run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = host_proc_clone(0, ret_pidfd);
	if (pid == 0) {
		zygote_child(options[kind], program_fd, socket_fd, null_fd);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

/* One answer. @return pid, or negative errno: of the clone, or -EPROTO */
static pid_t take_answer(struct launch_zygote *z, int *ret_pidfd)
{
	struct zygote_answer answer;
	struct iovec iov = { &answer, sizeof(answer) };
	size_t n_fds = 0;
	int fd = -1;
	ssize_t n;

	if (host_sock_wait_readable(z->socket_fd, ANSWER_MS) < 0) {
		return -EPROTO;
	}
	n = host_sock_recv(z->socket_fd, &iov, 1, &fd, 1, &n_fds, true);
	if (n == (ssize_t)sizeof(answer) && answer.pid > 0 && n_fds == 1) {
		*ret_pidfd = fd;
		return answer.pid;
	}
	if (n_fds) {
		close(fd);
	}
	return n == (ssize_t)sizeof(answer) && answer.pid < 0 ? answer.pid : -EPROTO;
}

static int take_hello(struct launch_zygote *z)
{
	struct zygote_answer hello;
	struct iovec iov = { &hello, sizeof(hello) };
	int r = host_sock_wait_readable(z->socket_fd, ANSWER_MS);

	if (r < 0) {
		return r;
	}
	return host_sock_recv(z->socket_fd, &iov, 1, NULL, 0, NULL, true) ==
				       (ssize_t)sizeof(hello) &&
			       hello.pid == 0
		       ? 0
		       : -EPROTO;
}

/* Descriptors that the child duplicates to 0..4 must lie above them. */
static int lift_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, PROTO_FD + 2);

	return copy < 0 ? -errno : copy;
}

static int start(struct launch_zygote *z)
{
	_cleanup_close_ int null_fd = -1;
	_cleanup_close_ int child_fd = -1;
	_cleanup_close_ int copy_fd = lift_copy(z->program_fd);
	int pair[2];
	int r = host_sock_pair_packet(pair);

	if (r < 0) {
		return r;
	}
	z->socket_fd = pair[0];
	child_fd = lift_copy(pair[1]);
	close(pair[1]);
	r = open("/dev/null", O_RDWR | O_CLOEXEC);
	null_fd = r < 0 ? r : lift_copy(r);
	if (r >= 0) {
		close(r);
	}
	if (null_fd < 0 || child_fd < 0 || copy_fd < 0) {
		return -EMFILE;
	}
	z->pid = zygote_fork(z->kind, copy_fd, child_fd, null_fd, &z->pidfd);
	if (z->pid < 0) {
		return z->pid;
	}
	close(child_fd);
	child_fd = -1; /* or its end would not be seen */
	return take_hello(z);
}

int launch_zygote_start(const char *vm_program, enum launch_zygote_kind kind,
			struct launch_zygote **ret, struct errmsg *e)
{
	struct launch_zygote *z = calloc(1, sizeof(*z));
	int r;

	if (!z) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	z->kind = kind;
	z->program_fd = z->pidfd = z->socket_fd = -1;
	pthread_mutex_init(&z->lock, NULL);
	r = launch_open_program(vm_program, &z->program_fd, e);
	if (r == 0) {
		r = start(z);
		r = r < 0 ? errmsg_set(e, r, "no zygote can be made: %s", strerror(-r)) : 0;
	}
	if (r < 0) {
		launch_zygote_free(z);
		return r;
	}
	*ret = z;
	return 0;
}

enum launch_zygote_kind launch_zygote_kind_of(const char *engine)
{
	return strcmp(engine, "unicorn") == 0 || strcmp(engine, "auto") == 0 ? LAUNCH_ZYGOTE_FULL
									     : LAUNCH_ZYGOTE_LEAN;
}

bool launch_zygote_is_broken(const struct launch_zygote *z)
{
	return atomic_load(&z->is_broken);
}

void launch_zygote_learn(struct launch_zygote *z, const struct proto_ready *ready)
{
	if (strcmp(ready->engine, "unicorn") == 0 && ready->arch <= PROTO_ARCH_RV64) {
		atomic_store(&z->likely, ready->arch);
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

/* Nobody knows what a broken one still makes: that sees the end of its socket, and ends. */
static void stop(struct launch_zygote *z)
{
	int status;

	if (z->pid > 0) {
		host_proc_kill(z->pidfd, SIGKILL);
		host_proc_wait(z->pidfd, z->pid, -1, &status, NULL);
	}
	z->pid = 0;
	close_fd(&z->pidfd);
	close_fd(&z->socket_fd);
}

void launch_zygote_free(struct launch_zygote *z)
{
	if (!z) {
		return;
	}
	stop(z);
	launch_cgroup_remove_spares();
	close_fd(&z->program_fd);
	pthread_mutex_destroy(&z->lock);
	free(z);
}

static void give_up(struct launch_zygote *z)
{
	stop(z);
	z->broken_ns = host_clock_monotonic_ns();
	atomic_store(&z->is_broken, true);
}

static bool is_usable(struct launch_zygote *z)
{
	if (!launch_zygote_is_broken(z)) {
		return true;
	}
	if (host_clock_monotonic_ns() - z->broken_ns < RETRY_NS) {
		return false;
	}
	if (start(z) < 0) {
		give_up(z);
		return false;
	}
	atomic_store(&z->is_broken, false);
	return true;
}

pid_t launch_zygote_clone(struct launch_zygote *z, uint64_t ns_flags, int cgroup_fd,
			  const struct host_birth_fds *fds, int *ret_pidfd)
{
	struct zygote_request rq = { .ns_flags = ns_flags,
				     .has_cgroup = cgroup_fd >= 0,
				     .likely = atomic_load(&z->likely) };
	int pass[ZYGOTE_FDS] = { fds->socket, fds->err, cgroup_fd };
	struct iovec iov = { &rq, sizeof(rq) };
	pid_t pid = -EPIPE;

	pthread_mutex_lock(&z->lock);
	if (is_usable(z)) {
		pid = host_sock_send(z->socket_fd, &iov, 1, pass,
				     rq.has_cgroup ? ZYGOTE_FDS : ZYGOTE_FDS - 1, true);
		pid = pid < 0 ? -EPROTO : take_answer(z, ret_pidfd);
		if (pid == -EPROTO) {
			give_up(z);
		}
	}
	pthread_mutex_unlock(&z->lock);
	return pid;
}
