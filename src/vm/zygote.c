/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Executing pinfold-vm and loading its libraries costs a VM more than all else at its start. A
 * zygote does that once. It has the rights of the daemon, so it does little: it is one thread,
 * reads fixed packets from the daemon alone, and keeps nothing between requests: a child inherits
 * code, relocated data and what the engines found out about the host, and no secret.
 */
#include "vm/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/engine.h"
#include "host/birth.h"
#include "host/proc.h"
#include "host/sock.h"
#include "proto/proto.h"
#include "proto/zygote.h"

/* The thread sanitizer runs a thread of its own: what it held at a fork stays locked in the child. */
#ifdef __SANITIZE_THREAD__
#define IS_THREADED true
#else
#define IS_THREADED false
#endif

static void prepare_engines(void)
{
	_cleanup_close_ int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const struct engine_host host = { .kvm_fd = kvm_fd };

	for (size_t i = 0; i < engine_count; i++) {
		for (size_t k = 0; k < cpu_arch_count; k++) {
			engine_table[i]->prepare(cpu_arch_table[k], &host);
		}
	}
}

/* @return 1 in the new process; else 0, and *ret_pid with the answer */
static int make(const struct zygote_request *rq, const int *fds, pid_t *ret_pid, int *ret_pidfd)
{
	const struct host_birth_fds birth = {
		.program = -1, .socket = fds[0], .null = fds[1], .err = fds[2]
	};

	*ret_pid = host_proc_clone_brother(rq->ns_flags, rq->has_cgroup ? fds[3] : -1, ret_pidfd);
	if (*ret_pid != 0) {
		return 0;
	}
	prctl(PR_SET_NAME, "pinfold-vm");
	(void)host_birth(&birth);
	return 1;
}

/* @return as zygote_serve(), but 0: go on */
static int serve_one(const struct zygote_request *rq, const int *fds, size_t n_fds)
{
	struct zygote_answer answer = { .pid = -EINVAL };
	struct iovec iov = { &answer, sizeof(answer) };
	_cleanup_close_ int pidfd = -1;
	pid_t pid;

	if (n_fds == (rq->has_cgroup ? ZYGOTE_FDS : ZYGOTE_FDS - 1)) {
		if (make(rq, fds, &pid, &pidfd) == 1) {
			return 1;
		}
		answer.pid = pid;
	}
	return host_sock_send(PROTO_FD, &iov, 1, &pidfd, pidfd >= 0, false);
}

static int say_hello(void)
{
	struct zygote_answer hello = { .pid = 0 };
	struct iovec iov = { &hello, sizeof(hello) };

	return host_sock_send(PROTO_FD, &iov, 1, NULL, 0, false);
}

int zygote_serve(void)
{
	struct zygote_request rq;
	struct iovec iov = { &rq, sizeof(rq) };

	if (IS_THREADED) {
		return -ENOTSUP;
	}
	prctl(PR_SET_NAME, ZYGOTE_NAME);
	if (say_hello() < 0) {
		return 0;
	}
	prepare_engines();
	for (;;) {
		int fds[ZYGOTE_FDS];
		size_t n_fds = 0;
		ssize_t n = host_sock_recv(PROTO_FD, &iov, 1, fds, ZYGOTE_FDS, &n_fds, false);
		int r = n == (ssize_t)sizeof(rq) ? serve_one(&rq, fds, n_fds) : -EPROTO;

		if (r == 1) {
			return 1; /* its descriptors are where they belong, all others closed */
		}
		for (size_t i = 0; i < n_fds; i++) {
			close(fds[i]);
		}
		if (n == 0 || r == -EPIPE) {
			return 0;
		}
		if (r < 0) {
			return r;
		}
	}
}
