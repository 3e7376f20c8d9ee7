/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translations of a guest, made by a VM process that nobody else has anything to do with (docs/engine-dbt.md).
 *
 * Whoever runs the same guest executes what comes out, so nothing of it may come from a VM that has seen more than the guest: what a VM is
 * given by its user, its network or its disks may have taken it over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/fd.h"
#include "host/timer.h"
#include "launch/launch_internal.h"

/* A kernel is up with that, and nobody is charged for it. */
#define TRAIN_RAM_BYTES_MAX (512ULL << 20)
/* A VM that does not end itself at its limits. */
#define GRACE_NS (2 * NS_PER_S)
#define SEALS	 (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static struct launch_options options_of(const struct launch_options *o,
					const struct launch_train *t)
{
	struct launch_options own = *o;
	struct launch_options none;

	launch_options_defaults(&none);
	own.context_path = own.plugin_path = own.net = NULL;
	own.context_fd = own.code_fd = own.listen_fd = -1;
	own.grant_fd = own.ack_fd = own.notify_fd = -1;
	for (size_t i = 0; i < PROTO_DISKS_MAX; i++) {
		own.disks[i] = none.disks[i];
	}
	own.is_traced = own.is_unlimited = false;
	own.config.limits.cpu_ns = t->cpu_ns;
	own.config.limits.wall_ns = t->wall_ns;
	own.config.limits.insns = 0;
	if (own.config.limits.mem_bytes > TRAIN_RAM_BYTES_MAX) {
		own.config.limits.mem_bytes = TRAIN_RAM_BYTES_MAX;
	}
	own.config.n_cpus = 1; /* translations are the first one's */
	own.config.flags &= ~(uint32_t)PROTO_CFG_START;
	own.config.jail = 0;
	own.cancel_fd = t->cancel_fd;
	return own;
}

/* A guest whose output nobody takes stands still. @return whether there may be more, ever */
static bool console_drop(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool is_end(const struct proto_stopped *s)
{
	return s->reason >= PROTO_STOP_HALT;
}

static int watch(struct launch_vm *vm, const struct launch_train *t, struct errmsg *e)
{
	ns_t end_ns = host_clock_monotonic_ns() + t->wall_ns + GRACE_NS;
	struct pollfd p[] = { { vm->socket_fd, POLLIN, 0 },
			      { vm->console_fd, POLLIN, 0 },
			      { t->cancel_fd ? t->cancel_fd : -1, POLLIN, 0 } };
	struct proto_stopped stopped;

	for (;;) {
		ns_t now_ns = host_clock_monotonic_ns();
		int r;

		if (now_ns >= end_ns) {
			return errmsg_set(e, -ETIMEDOUT, "the VM does not end at its limit");
		}
		r = poll(p, ARRAY_SIZE(p), (int)((end_ns - now_ns) / NS_PER_MS) + 1);
		if (r < 0 && errno != EINTR) {
			return errmsg_set(e, -errno, "poll: %s", strerror(errno));
		}
		if (p[2].revents) {
			return errmsg_set(e, -ECANCELED, "it was given up");
		}
		if (p[1].revents && !console_drop(vm->console_fd)) {
			p[1].fd = -1;
		}
		r = launch_vm_event(vm, &stopped, e);
		if (r < 0 || (r > 0 && is_end(&stopped))) {
			return r < 0 ? r : 0;
		}
	}
}

static int run(struct launch_vm *vm, const struct launch_train *t, int fd, struct errmsg *e)
{
	int r = launch_vm_request(vm, PROTO_START, NULL, 0, -1, NULL, 0, NULL, e);

	r = r < 0 ? r : watch(vm, t, e);
	return r < 0 ? r : launch_vm_request(vm, PROTO_SAVE_CODE, NULL, 0, fd, NULL, 0, NULL, e);
}

/* The process is dead: nobody else has the file. */
static int seal(int fd, struct errmsg *e)
{
	struct stat st;

	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "translations can't be sealed: %s", strerror(errno));
	}
	if (st.st_size < (off_t)LAUNCH_CODE_BYTES_MIN ||
	    st.st_size > (off_t)LAUNCH_CODE_BYTES_MAX) {
		return errmsg_set(e, -ENODATA, "there are too %s translations to keep them",
				  st.st_size < (off_t)LAUNCH_CODE_BYTES_MIN ? "few" : "many");
	}
	return 0;
}

int launch_train(const struct launch_options *o, const struct launch_train *t, int *ret_fd,
		 struct errmsg *e)
{
	_cleanup_close_ int fd =
		memfd_create("pinfold-translations", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct launch_options own = options_of(o, t);
	struct launch_vm vm = LAUNCH_VM_NONE;
	int r = host_fd_lift(&fd, 3);

	if (r < 0) {
		return errmsg_set(e, r, "no memory file: %s", strerror(-r));
	}
	r = launch_vm(&own, &vm, e);
	if (r < 0) {
		return r;
	}
	r = run(&vm, t, fd, e);
	launch_vm_done(&vm);
	r = r < 0 ? r : seal(fd, e);
	if (r == 0) {
		*ret_fd = steal_fd(&fd);
	}
	return r;
}
