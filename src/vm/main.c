/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pinfold-vm: one VM in one process. Started by pinfold or pinfoldd with a socket as descriptor 3;
 * it takes its configuration from there, builds the VM, gives up all rights, and serves. With
 * --probe it prints what its engines can do here, for `pinfold doctor`; with --zygote or --zygote-lean it forks VMs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/sock.h"
#include "proto/zygote.h"
#include "vm/control.h"
#include "vm/jail.h"
#include "vm/probe.h"
#include "vm/vm.h"
#include "vm/zygote.h"

/* Address space in which an engine maps guest memory as the guest sees it: reserved, not used. */
#define WINDOW_BYTES (64 * BIT(40))

/* Everything that came with CONFIG. */
struct start {
	struct proto_msg msg;
	const struct proto_config *cfg; /* in msg */
	struct vm_fds fds;
	int console_fd;
	int listen_fd;
	int grant_fd, ack_fd, notify_fd; /* of the scheduler, or -1 */
};

static int receive_config(struct start *s, struct errmsg *e)
{
	struct iovec iov[2] = { { &s->msg.hdr, sizeof(s->msg.hdr) },
				{ s->msg.body, sizeof(s->msg.body) } };
	size_t n_fds = 0;
	ssize_t n;
	int r;

	n = host_sock_recv(PROTO_FD, iov, 2, s->msg.fds, PROTO_FD_COUNT, &n_fds, false);
	if (n <= 0) {
		return errmsg_set(e, n < 0 ? (int)n : -EPIPE,
				  "pinfold-vm is started by pinfold, not by hand");
	}
	s->msg.n_fds = (uint32_t)n_fds;
	r = proto_check(&s->msg, (size_t)n, e);
	if (r < 0) {
		return r;
	}
	if (s->msg.hdr.type != PROTO_CONFIG) {
		return errmsg_set(e, -EPROTO, "the first message must be the configuration");
	}
	s->cfg = (const void *)s->msg.body;
	return 0;
}

/* The descriptors come in the order of their bits. */
static void sort_fds(struct start *s)
{
	int *const slots[PROTO_FD_COUNT] = {
		&s->fds.image,	     &s->console_fd,	  &s->fds.kvm,	       &s->fds.trace,
		&s->fds.plugin,	     &s->fds.context,	  &s->listen_fd,       &s->fds.kernel,
		&s->fds.initrd,	     &s->fds.net,	  &s->fds.disks[0],    &s->fds.disks[1],
		&s->fds.disks[2],    &s->fds.disks[3],	  &s->fds.overlays[0], &s->fds.overlays[1],
		&s->fds.overlays[2], &s->fds.overlays[3], &s->grant_fd,	       &s->ack_fd,
		&s->notify_fd,	     &s->fds.code,
	};
	size_t next = 0;

	for (size_t i = 0; i < PROTO_FD_COUNT; i++) {
		*slots[i] = s->cfg->fds & (1u << i) ? s->msg.fds[next++] : -1;
	}
}

static struct jail_options jail_options_of(const struct start *s)
{
	return (struct jail_options){
		.flags = s->cfg->jail,
		.uid = s->cfg->uid,
		.gid = s->cfg->gid,
		.kvm_fd = -1,
	};
}

static int enter_jail(const struct start *s, const struct vm *vm, const struct proto_ready *ready,
		      uint32_t *ret_flags, struct errmsg *e)
{
	struct jail_options o = jail_options_of(s);

	o.mem_bytes = ready->ram_bytes;
	o.disk_bytes = vm_disk_bytes(vm);
	o.window_bytes = ready->caps & ENGINE_CAP_SHARED_RAM ? WINDOW_BYTES : 0;
	o.kvm_fd = strcmp(ready->engine, "kvm") == 0 ? s->fds.kvm : -1;
	return jail_enter(&o, ret_flags, e);
}

/* The scheduler is in charge before there is a thread that could run the guest. */
static int attach(struct start *s, struct control *c, struct errmsg *e)
{
	int r;

	if (s->grant_fd < 0) {
		return 0;
	}
	r = vm_attach_scheduler(c->vm, s->grant_fd, s->ack_fd, s->notify_fd, e);
	close(s->grant_fd);
	close(s->ack_fd);
	c->notify_fd = s->notify_fd;
	return r;
}

/* Build, start the vCPU thread, lock the door. */
static int prepare(struct start *s, struct control *c, struct proto_ready *ready, struct errmsg *e)
{
	struct vm_callbacks callbacks;
	struct jail_options o;
	int r;

	r = control_init(c, PROTO_FD, s->console_fd, s->listen_fd, e);
	if (r < 0) {
		return r;
	}
	o = jail_options_of(s);
	r = jail_begin(&o, e);
	callbacks = control_callbacks(c);
	r = r < 0 ? r : vm_new(s->cfg, &s->fds, &callbacks, &c->vm, ready, e);
	r = r < 0 ? r : attach(s, c, e);
	r = r < 0 ? r : vm_thread_start(c->vm, e);
	r = r < 0 ? r : enter_jail(s, c->vm, ready, &ready->jail, e);
	return r < 0 || !(s->cfg->flags & PROTO_CFG_START) ? r : vm_start(c->vm, e);
}

static int fail(int r, const struct errmsg *e)
{
	struct proto_failed failed = { .err = r };

	snprintf(failed.text, sizeof(failed.text), "%s", e->text);
	if (control_send(PROTO_FD, PROTO_FAILED, 0, &failed, sizeof(failed), NULL, 0) < 0) {
		log_err("%s", e->text);
	}
	return EXIT_FAILURE;
}

/* A VM from its configuration to its end. @return exit status */
static int run(void)
{
	static struct start s; /* large */
	static struct control c;
	struct proto_ready ready = { 0 };
	struct errmsg e = { 0 };
	int r = receive_config(&s, &e);

	if (r < 0) {
		log_err("%s", e.text);
		return EXIT_FAILURE;
	}
	sort_fds(&s);
	r = prepare(&s, &c, &ready, &e);
	if (r < 0) {
		return fail(r, &e);
	}
	c.ready = ready;
	if (control_send(PROTO_FD, PROTO_READY, 0, &ready, sizeof(ready), NULL, 0) < 0) {
		return EXIT_FAILURE;
	}
	r = control_loop(&c);
	/* The kernel frees everything faster than we could, and the guest can't hold it up. */
	_exit(r);
}

int main(int argc, char **argv)
{
	bool is_lean;
	int r;

	log_setup("pinfold-vm", LOG_LEVEL_WARN);
	if (argc == 2 && strcmp(argv[1], "--probe") == 0) {
		return probe_print() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	is_lean = argc == 2 && strcmp(argv[1], ZYGOTE_LEAN_OPTION) == 0;
	if (is_lean || (argc == 2 && strcmp(argv[1], ZYGOTE_OPTION) == 0)) {
		r = zygote_serve(is_lean);
		if (r <= 0) {
			return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
		}
		memset(argv[1], 0, strlen(argv[1])); /* a VM, for whoever lists processes */
	}
	return run();
}
