/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a VM: open everything it may have, start its process (launch_spawn.c), send the
 * configuration with the descriptors, and wait until it is ready.
 */
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "host/fd.h"
#include "host/proc.h"
#include "host/sock.h"
#include "launch/launch_internal.h"

#define IMAGE_BYTES_MAX	  (2ULL << 30)
#define CONTEXT_BYTES_MAX (64ULL << 30)
/* RAM of the boards where nobody asked for an amount. Said here and not left to the VM process, because
 * its cgroup must bound it before it runs. A context brings its own amount. */
#define RAM_DEFAULT_BYTES (128ULL << 20)
#define PROGRAM_NAME	  "pinfold-vm"
#define PROGRAM_NAME_MAX  32
#define PATH_BYTES	  4096

/* Locally administered; alone on its network, every VM may have the same. */
static const uint8_t mac_default[6] = { 0x52, 0x50, 0x46, 0x00, 0x00, 0x01 };

/* What goes to the VM, in the order of enum proto_config_fd; -1: not there. */
struct gifts {
	int fds[PROTO_FD_COUNT];
	uint32_t lent; /* bit n: fds[n] is the caller's */
};

enum gift {
	GIFT_IMAGE,
	GIFT_CONSOLE,
	GIFT_KVM,
	GIFT_TRACE,
	GIFT_PLUGIN,
	GIFT_CONTEXT,
	GIFT_LISTEN,
	GIFT_KERNEL,
	GIFT_INITRD,
	GIFT_NET,
	GIFT_DISK0,
	GIFT_OVERLAY0 = GIFT_DISK0 + PROTO_DISKS_MAX,
	GIFT_GRANT = GIFT_OVERLAY0 + PROTO_DISKS_MAX,
	GIFT_ACK,
	GIFT_NOTIFY,
	GIFT_CODE,
};

/* Give what stays with the caller, if it is there. */
static void lend(struct gifts *g, enum gift which, int fd)
{
	g->fds[which] = fd;
	g->lent |= (uint32_t)BIT(which);
}

static void gifts_done(struct gifts *g)
{
	for (size_t i = 0; i < PROTO_FD_COUNT; i++) {
		if (g->fds[i] >= 0 && !(g->lent & BIT(i))) {
			close(g->fds[i]);
		}
	}
}

void launch_options_defaults(struct launch_options *o)
{
	memset(o, 0, sizeof(*o));
	snprintf(o->config.engine, sizeof(o->config.engine), "auto");
	snprintf(o->config.board, sizeof(o->config.board), "bare");
	o->config.n_cpus = 1;
	o->config.slice_ns = 10 * NS_PER_MS;
	o->is_kvm_allowed = true;
	o->listen_fd = -1;
	o->image_fd = o->kernel_fd = o->initrd_fd = -1;
	for (size_t i = 0; i < PROTO_DISKS_MAX; i++) {
		o->disks[i].fd = o->disks[i].overlay_fd = -1;
	}
	o->context_fd = -1;
	o->code_fd = -1;
	o->cgroup_fd = -1;
	o->join_fd = -1;
	o->grant_fd = o->ack_fd = o->notify_fd = -1;
	o->reply_ms = LAUNCH_REPLY_MS;
}

/* A regular file that the caller may read. */
static int open_regular(const char *path, const char *what, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s %s: %s", what, path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode)) {
		return errmsg_set(e, -EINVAL, "%s %s is not a regular file", what, path);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int launch_open_beside(const char *program, const char *name)
{
	char path[PATH_BYTES];
	size_t max = sizeof(path) - PROGRAM_NAME_MAX;
	ssize_t n = program ? snprintf(path, max, "%s", program)
			    : readlink("/proc/self/exe", path, max);
	char *slash;

	if (n <= 0 || (size_t)n >= max) {
		errno = ENOENT;
		return -1;
	}
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Never for root: who calls it may have chosen $PATH, and the program chosen so is not jailed yet. */
static int open_in_path(void)
{
	const char *dirs = geteuid() != 0 ? secure_getenv("PATH") : NULL;
	char path[PATH_BYTES];

	while (dirs && *dirs) {
		int len = (int)strcspn(dirs, ":");
		int n = snprintf(path, sizeof(path), "%.*s/%s", len, dirs, PROGRAM_NAME);
		int fd = -1;

		/* An empty entry means the working directory: no place for a program of ours. */
		if (len > 0 && n < (int)sizeof(path)) {
			fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		if (fd >= 0) {
			return fd;
		}
		dirs += len + (dirs[len] == ':');
	}
	return -1;
}

int launch_open_program(const char *option, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	uint32_t id;

	if (option) {
		int r = open_regular(option, "VM program", &fd, e);

		if (r < 0) {
			return r;
		}
	} else {
		fd = launch_open_beside(NULL, PROGRAM_NAME);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			return errmsg_set(e, -errno, "no descriptor is left for %s: %s",
					  PROGRAM_NAME, strerror(errno));
		}
		fd = fd >= 0 ? fd : open_in_path();
	}
	if (fd < 0) {
		return errmsg_set(e, -ENOENT, "%s is not beside this program%s", PROGRAM_NAME,
				  geteuid() != 0 ? ", nor in $PATH" : "");
	}
	if (fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", PROGRAM_NAME, strerror(errno));
	}
	if (!(st.st_mode & S_IXOTH) && isolation_own_id(0, &id)) {
		return errmsg_set(e, -EACCES,
				  "%s must be executable by every user, because a VM runs under "
				  "an id of its own; use chmod a+rx",
				  option ? option : PROGRAM_NAME);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int make_console(struct launch_vm *vm, struct gifts *g, struct errmsg *e)
{
	int pair[2];
	int r = host_sock_pair_stream(pair);

	if (r < 0) {
		return errmsg_set(e, r, "can't make a console: %s", strerror(-r));
	}
	vm->console_fd = pair[0];
	g->fds[GIFT_CONSOLE] = pair[1];
	r = host_fd_lift(&vm->console_fd, 1);
	r = r < 0 ? r : host_fd_set_nonblock(vm->console_fd);
	return r < 0 ? errmsg_set(e, r, "can't make a console: %s", strerror(-r)) : 0;
}

static int make_trace(struct launch_vm *vm, struct gifts *g, struct errmsg *e)
{
	int pair[2];
	int r;

	if (pipe2(pair, O_CLOEXEC) < 0) {
		return errmsg_set(e, -errno, "can't make a trace pipe: %s", strerror(errno));
	}
	vm->trace_fd = pair[0];
	g->fds[GIFT_TRACE] = pair[1];
	r = host_fd_lift(&vm->trace_fd, 1);
	return r < 0 ? errmsg_set(e, r, "can't make a trace pipe: %s", strerror(-r)) : 0;
}

/* The descriptor that is registered stays here; the VM gets a copy. */
static int open_image(const char *path, struct launch_vm *vm, struct gifts *g, struct errmsg *e)
{
	int r = image_store_get(path, IMAGE_BYTES_MAX, &vm->image_fd, vm->image_entry, e);

	if (r < 0) {
		return r;
	}
	g->fds[GIFT_IMAGE] = fcntl(vm->image_fd, F_DUPFD_CLOEXEC, 1);
	return g->fds[GIFT_IMAGE] < 0
		       ? errmsg_set(e, -errno, "can't pass the image on: %s", strerror(errno))
		       : 0;
}

static bool has_context(const struct launch_options *o)
{
	return o->context_fd >= 0 || o->context_path;
}

static int seal_or_give(const char *path, int fd, int *ret, struct errmsg *e)
{
	if (fd >= 0) {
		return launch_give_fd(fd, ret, e);
	}
	return path ? host_fd_seal_file(path, IMAGE_BYTES_MAX, ret, NULL, e) : 0;
}

/* What boards with a kernel have besides. */
static int open_boot_gifts(const struct launch_options *o, struct launch_vm *vm, struct gifts *g,
			   struct errmsg *e)
{
	int r;

	r = seal_or_give(o->kernel_path, o->kernel_fd, &g->fds[GIFT_KERNEL], e);
	r = r < 0 ? r : seal_or_give(o->initrd_path, o->initrd_fd, &g->fds[GIFT_INITRD], e);
	for (size_t i = 0; r == 0 && i < PROTO_DISKS_MAX; i++) {
		r = launch_disk_open(&o->disks[i], o->config.disks_ro & BIT(i),
				     &g->fds[GIFT_DISK0 + i], &g->fds[GIFT_OVERLAY0 + i], e);
	}
	/* The last: a process that would have to end again. */
	return r < 0 || !o->net ? r : launch_net_start(o, vm, &g->fds[GIFT_NET], e);
}

static bool may_be_kvm(const struct launch_options *o)
{
	return strcmp(o->config.engine, "kvm") == 0 || strcmp(o->config.engine, "auto") == 0;
}

static int open_gifts(const struct launch_options *o, struct launch_vm *vm, struct gifts *g,
		      struct errmsg *e)
{
	int r = 0;

	if (!o->image_path && o->image_fd < 0 && !o->kernel_path && o->kernel_fd < 0 &&
	    !has_context(o)) {
		return errmsg_set(e, -EINVAL, "a VM needs an image, a kernel or a context");
	}
	if (o->image_fd >= 0) {
		lend(g, GIFT_IMAGE, o->image_fd);
	} else if (o->image_path) {
		r = open_image(o->image_path, vm, g, e);
	}
	r = r < 0 ? r : make_console(vm, g, e);
	if (r == 0 && o->is_kvm_allowed && may_be_kvm(o)) {
		g->fds[GIFT_KVM] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	}
	if (r == 0 && o->is_traced) {
		r = make_trace(vm, g, e);
	}
	if (r == 0 && o->plugin_path) {
		r = open_regular(o->plugin_path, "plug-in", &g->fds[GIFT_PLUGIN], e);
	}
	lend(g, GIFT_LISTEN, o->listen_fd);
	lend(g, GIFT_GRANT, o->grant_fd);
	lend(g, GIFT_ACK, o->ack_fd);
	lend(g, GIFT_NOTIFY, o->notify_fd);
	lend(g, GIFT_CODE, o->code_fd);
	if (r == 0 && o->context_fd >= 0) {
		r = launch_give_fd(o->context_fd, &g->fds[GIFT_CONTEXT], e);
	} else if (r == 0 && o->context_path) {
		r = host_fd_seal_file(o->context_path, CONTEXT_BYTES_MAX, &g->fds[GIFT_CONTEXT],
				      NULL, e);
	}
	return r < 0 ? r : open_boot_gifts(o, vm, g, e);
}

static int send_config(struct launch_vm *vm, struct proto_config *cfg, const struct gifts *g,
		       struct errmsg *e)
{
	struct proto_hdr hdr;
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { cfg, sizeof(*cfg) } };
	int fds[PROTO_FD_COUNT];
	size_t n = 0;
	int r;

	cfg->fds = 0;
	for (unsigned int i = 0; i < PROTO_FD_COUNT; i++) {
		if (g->fds[i] >= 0) {
			cfg->fds |= 1u << i;
			fds[n++] = g->fds[i];
		}
	}
	proto_hdr_init(&hdr, PROTO_CONFIG, ++vm->seq, sizeof(*cfg));
	r = host_sock_send(vm->socket_fd, iov, 2, fds, n, true);
	if (r == -EPIPE) {
		return launch_gone(vm, e);
	}
	return r < 0 ? errmsg_set(e, r, "can't configure the VM: %s", strerror(-r)) : 0;
}

static int await_ready(struct launch_vm *vm, struct errmsg *e)
{
	const struct proto_failed *failed;
	struct proto_msg m;
	int r = launch_wait_first(vm, &m, e);

	if (r < 0) {
		return r;
	}
	switch (m.hdr.type) {
	case PROTO_READY:
		memcpy(&vm->ready, m.body, sizeof(vm->ready));
		return 0;
	case PROTO_FAILED:
		failed = (const void *)m.body;
		return errmsg_set(e, failed->err, "%s",
				  failed->text[0] ? failed->text : strerror(-failed->err));
	default:
		return errmsg_set(e, -EPROTO,
				  "the VM process sent message type %u before it was "
				  "ready",
				  m.hdr.type);
	}
}

static int launch_with(const struct launch_options *o, int program_fd, struct gifts *g,
		       struct launch_vm *vm, struct errmsg *e)
{
	static const uint8_t no_mac[sizeof(o->config.mac)];
	struct proto_config cfg = o->config;
	int r;

	if (memcmp(cfg.mac, no_mac, sizeof(no_mac)) == 0) {
		memcpy(cfg.mac, mac_default, sizeof(cfg.mac));
	}
	r = open_gifts(o, vm, g, e);
	if (cfg.limits.mem_bytes == 0 && !has_context(o)) {
		cfg.limits.mem_bytes = RAM_DEFAULT_BYTES;
	}
	r = r < 0 ? r : launch_spawn(o, program_fd, vm, &cfg, e);
	r = r < 0 ? r : send_config(vm, &cfg, g, e);
	/* The VM's own copies are the only ones from here on: it must see the end of its console. */
	gifts_done(g);
	r = r < 0 ? r : await_ready(vm, e);
	if (r == 0) {
		launch_cgroup_settle(vm->pid, vm->cgroup_memory, vm->cgroup_pids);
	}
	if (r == 0 && o->zygote) {
		launch_zygote_learn(o->zygote, &vm->ready);
	}
	return r;
}

int launch_vm(const struct launch_options *o, struct launch_vm *ret, struct errmsg *e)
{
	struct gifts g = { .lent = 0 };
	struct launch_vm vm = {
		.trace_fd = -1, .image_fd = -1, .reply_ms = o->reply_ms, .cancel_fd = o->cancel_fd
	};
	_cleanup_close_ int program_fd = -1;
	int r = 0;

	memset(g.fds, 0xff, sizeof(g.fds)); /* -1: not there */
	/* A zygote has it. */
	if (!o->zygote) {
		r = launch_open_program(o->vm_program, &program_fd, e);
	}
	if (r < 0) {
		return r;
	}
	r = launch_with(o, program_fd, &g, &vm, e);
	if (r < 0) {
		launch_vm_done(&vm);
		return r;
	}
	*ret = vm;
	return 0;
}

static void close_fd(int *fd)
{
	/* 0 is a descriptor that was never opened: launch_spawn.c keeps ours above it. */
	if (*fd > 0) {
		close(*fd);
	}
	*fd = -1;
}

void launch_vm_done(struct launch_vm *vm)
{
	int status;

	if (vm->pid > 0) {
		launch_vm_force_stop(vm);
		launch_vm_wait(vm, &status, NULL);
	}
	launch_net_end(vm);
	launch_cgroup_remove(vm->cgroup_memory, vm->cgroup_pids);
	image_store_drop(vm->image_entry, vm->image_fd);
	vm->image_entry[0] = '\0';
	close_fd(&vm->image_fd);
	close_fd(&vm->pidfd);
	close_fd(&vm->socket_fd);
	close_fd(&vm->console_fd);
	close_fd(&vm->trace_fd);
	close_fd(&vm->stderr_fd);
	vm->has_event = false;
}
