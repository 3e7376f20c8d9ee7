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
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "engine/engine.h"
#include "host/birth.h"
#include "host/priv.h"
#include "host/proc.h"
#include "host/sock.h"
#include "proto/proto.h"
#include "proto/zygote.h"
#include "vm/jail.h"

/* The thread sanitizer runs a thread of its own: what it held at a fork stays locked in the child. */
#ifdef __SANITIZE_THREAD__
#define IS_THREADED true
#else
#define IS_THREADED false
#endif

/* Blocks from this size on are pages from the kernel. By itself malloc() would raise that with the first one freed. */
#define FRESH_BYTES (32 * 1024)
/* What malloc() takes from the kernel beyond what it needs. */
#define TOP_PAD_BYTES (8 * 1024)
/* The smallest pieces of its heap that a zygote keeps from its children. */
#define RETIRED_BYTES_MIN 16

static void prepare_engines(bool is_lean)
{
	_cleanup_close_ int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const struct engine_host host = { .kvm_fd = kvm_fd };

	for (size_t i = 0; i < engine_count; i++) {
		const struct engine_ops *ops = engine_table[i];

		if (!ops->prepare || (is_lean && ops->is_bulky)) {
			continue;
		}
		for (size_t k = 0; k < cpu_arch_count; k++) {
			ops->prepare(cpu_arch_table[k], &host);
		}
	}
}

/*
 * VMs of this architecture are being made: they take a CPU over that is open already. Only then, because
 * each makes every child a little larger.
 */
static void open_likely(uint32_t likely, int maps_fd)
{
	const struct cpu_arch *arch = likely ? cpu_arch_by_id((enum cpu_arch_id)likely) : NULL;

	for (size_t i = 0; arch && i < engine_count; i++) {
		if (engine_table[i]->open_ahead) {
			engine_table[i]->open_ahead(arch, maps_fd);
		}
	}
}

/*
 * Taken once for all VMs, while the zygote has no rights over what it took: an empty root, of which each
 * gets a copy in a mount namespace of its own, and a network namespace without any device that works.
 * That one is the zygote's and belongs to no user namespace of a VM, so none has a right in it.
 * Making and unmaking a network namespace costs more than all other namespaces together.
 * @return the namespaces that need not be made for each VM
 */
static uint64_t take_shared(void)
{
	if (unshare(CLONE_NEWNS) == 0) {
		(void)host_priv_empty_root(NULL); /* else each tries by itself */
	}
	return unshare(CLONE_NEWNET) == 0 ? CLONE_NEWNET : 0;
}

/* Whether malloc() had nothing of that size left: it took the block from the kernel, and gave it back. */
static bool is_retired(size_t bytes, void ***ret)
{
	struct mallinfo2 before = mallinfo2();
	struct mallinfo2 after;

	*ret = malloc(bytes);
	after = mallinfo2();
	if (after.hblks == before.hblks && after.arena == before.arena && after.arena) {
		return false;
	}
	free(*ret); /* or it is another malloc() */
	return true;
}

/*
 * What preparing left behind is given to nobody: what comes from a used heap lies scattered, on pages
 * that a child has to copy, and has to be cleared, what comes from the kernel is clear. By the way, malloc() sorts what is
 * free, or each child would.
 */
static void retire_heap(void)
{
	static void **retired; /* each with the one before in it */

	(void)malloc_trim(0); /* each page that it has is one more to copy */
	for (size_t bytes = FRESH_BYTES; bytes >= RETIRED_BYTES_MIN; bytes /= 2) {
		void **p;

		while (!is_retired(bytes, &p)) {
			*p = (void *)retired;
			retired = p;
		}
	}
	(void)malloc_trim(0);
}

/* @return 1 in the new process; else 0, and *ret_pid with the answer */
static int make(const struct zygote_request *rq, uint64_t shared, const int *fds, pid_t *ret_pid,
		int *ret_pidfd)
{
	const struct host_birth_fds birth = {
		.program = -1, .null = -1, .socket = fds[0], .err = fds[1]
	};

	*ret_pid = host_proc_clone_brother(rq->ns_flags & ~shared, rq->has_cgroup ? fds[2] : -1,
					   ret_pidfd);
	if (*ret_pid != 0) {
		return 0;
	}
	prctl(PR_SET_NAME, "pinfold-vm");
	(void)host_birth(&birth);
	return 1;
}

/* @return as zygote_serve(), but 0: go on */
static int serve_one(const struct zygote_request *rq, uint64_t shared, const int *fds, size_t n_fds)
{
	struct zygote_answer answer = { .pid = -EINVAL };
	struct iovec iov = { &answer, sizeof(answer) };
	_cleanup_close_ int pidfd = -1;
	pid_t pid;

	if (n_fds == (rq->has_cgroup ? ZYGOTE_FDS : ZYGOTE_FDS - 1)) {
		if (make(rq, shared, fds, &pid, &pidfd) == 1) {
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

int zygote_serve(bool is_lean)
{
	struct zygote_request rq;
	struct iovec iov = { &rq, sizeof(rq) };
	_cleanup_close_ int maps_fd = -1;
	uint64_t shared;

	if (IS_THREADED) {
		return -ENOTSUP;
	}
	prctl(PR_SET_NAME, ZYGOTE_NAME);
	host_birth_signals_reset();
	(void)mallopt(M_MMAP_THRESHOLD, FRESH_BYTES);
	/* Or it would take such blocks out of what it has in reserve, and clear each page of them. */
	(void)mallopt(M_TOP_PAD, TOP_PAD_BYTES);
	if (say_hello() < 0) {
		return 0;
	}
	prepare_engines(is_lean);
	jail_prepare();
	retire_heap();
	maps_fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC); /* seen no more after this */
	shared = take_shared();
	for (;;) {
		int fds[ZYGOTE_FDS];
		size_t n_fds = 0;
		ssize_t n = host_sock_recv(PROTO_FD, &iov, 1, fds, ZYGOTE_FDS, &n_fds, false);
		int r = -EPROTO;

		if (n == (ssize_t)sizeof(rq)) {
			open_likely(rq.likely, maps_fd);
			r = serve_one(&rq, shared, fds, n_fds);
		}
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
