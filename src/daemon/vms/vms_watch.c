/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watcher: one thread over the sockets, consoles and stderr pipes of all VMs and the notices
 * of the dispatcher. It never waits for a VM. A socket is armed for one event at a time; who talks to
 * the VM meanwhile takes the event and arms it again (vms_talk_end()).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/log.h"
#include "daemon/vms/vms_internal.h"

#define EVENTS_MAX 64
/* Stop events that are taken at a time: a VM that floods us has to wait its turn. */
#define STOPS_MAX 16

/* Which descriptor of which use of which slot. Slots fit in 24 bits (sched/lock.h: 20). */
static uint64_t key_of(enum vms_watch what, uint32_t slot, uint32_t gen)
{
	return (uint64_t)what << 56 | (uint64_t)slot << 32 | gen;
}

static int watch(struct vms *v, int op, int fd, uint32_t events, uint64_t key)
{
	struct epoll_event ev = { .events = events, .data.u64 = key };

	return epoll_ctl(v->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

static uint32_t events_of(enum vms_watch what)
{
	return what == VMS_WATCH_SOCKET ? EPOLLIN | EPOLLONESHOT : EPOLLIN;
}

int vms_watch_add(struct vms *v, struct vms_vm *vm, struct errmsg *e)
{
	const struct {
		enum vms_watch what;
		int fd;
	} fds[] = {
		{ VMS_WATCH_SOCKET, vm->lv.socket_fd },
		{ VMS_WATCH_CONSOLE, vm->lv.console_fd },
		{ VMS_WATCH_STDERR, vm->lv.stderr_fd },
	};
	int r = 0;

	vms_console_begin(v, vm, vm->lv.console_from);
	pthread_mutex_lock(&vm->out_lock);
	vm->console_fd = vm->lv.console_fd;
	vm->stderr_fd = vm->lv.stderr_fd;
	vm->out.is_over = false;
	pthread_mutex_unlock(&vm->out_lock);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fds); i++) {
		if (fds[i].fd > 0) {
			r = watch(v, EPOLL_CTL_ADD, fds[i].fd, events_of(fds[i].what),
				  key_of(fds[i].what, vm->slot, vm->gen));
		}
	}
	return r < 0 ? errmsg_set(e, r, "the VM can't be watched: %s", strerror(-r)) : 0;
}

void vms_watch_remove(struct vms *v, struct vms_vm *vm)
{
	const int fds[] = { vm->lv.socket_fd, vm->lv.console_fd, vm->lv.stderr_fd };

	/* Not left to close(): a child on its way to exec may hold a copy. */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] > 0) {
			watch(v, EPOLL_CTL_DEL, fds[i], 0, 0);
		}
	}
}

/* Whether the other end is closed. A VM that closes its socket and lives is of no use any more. */
static bool is_hung_up(const struct vms_vm *vm)
{
	char c;

	return recv(vm->lv.socket_fd, &c, sizeof(c), MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void lose(struct vms *v, struct vms_vm *vm, int r, const char *why)
{
	/* One that died at this very moment does no wrong. */
	if (r != -EPIPE && vms_may_log(v)) {
		log_warn("a VM process misbehaves id=%s error=\"%s\"", vm->id, why);
	}
	vms_end_begin(v, vm, VMS_KILLED, NULL, why);
}

static void take_resets(struct vms *v, struct vms_vm *vm)
{
	uint32_t resets = vm->lv.resets;

	pthread_mutex_lock(&v->lock);
	if (vm->resets == resets) {
		resets = 0;
	} else {
		vm->resets = resets;
	}
	pthread_mutex_unlock(&v->lock);
	if (resets > 0) {
		vms_publish(v, vm, "vm.reset", NULL);
	}
}

static void take_device_note(struct vms *v, struct vms_vm *vm)
{
	char *note = vm->lv.device_note;

	if (!note[0]) {
		return;
	}
	vms_publish(v, vm, "vm.device", note);
	if (vms_may_log(v)) {
		log_warn("a device of a VM has stopped id=%s why=\"%s\"", vm->id, note);
	}
	note[0] = '\0';
}

void vms_events_take(struct vms *v, struct vms_vm *vm)
{
	struct proto_stopped stop;
	struct errmsg e = { 0 };
	int r = 1;

	if (vm->lv.pid <= 0 || vm->lv.socket_fd <= 0) {
		return;
	}
	for (int i = 0; r == 1 && i < STOPS_MAX; i++) {
		if (!vm->lv.has_event && is_hung_up(vm)) {
			return; /* see on_fd() */
		}
		r = launch_vm_event(&vm->lv, &stop, &e);
		if (r == 1) {
			vms_on_stop(v, vm, &stop);
		}
	}
	take_resets(v, vm);
	take_device_note(v, vm);
	if (r < 0) {
		lose(v, vm, r, e.text);
		return;
	}
	watch(v, EPOLL_CTL_MOD, vm->lv.socket_fd, events_of(VMS_WATCH_SOCKET),
	      key_of(VMS_WATCH_SOCKET, vm->slot, vm->gen));
}

void vms_on_stop(struct vms *v, struct vms_vm *vm, const struct proto_stopped *stop)
{
	switch ((enum proto_stop)stop->reason) {
	case PROTO_STOP_HALT:
	case PROTO_STOP_EXIT:
	case PROTO_STOP_REQUESTED:
	case PROTO_STOP_LIMIT:
		vms_end_begin(v, vm, VMS_STOPPED, stop, stop->text);
		break;
	case PROTO_STOP_FAULT:
	case PROTO_STOP_ERROR:
		vms_fault_guest(v, vm, stop);
		break;
	default:
		break; /* it stands because we asked it to */
	}
}

static void on_socket(struct vms *v, struct vms_vm *vm)
{
	if (pthread_mutex_trylock(&vm->talk) == 0) {
		vms_talk_end(v, vm);
		return;
	}
	pthread_mutex_lock(&v->lock);
	vm->has_event = true;
	pthread_mutex_unlock(&v->lock);
	/* Whoever had the lock may have looked just before that. */
	if (pthread_mutex_trylock(&vm->talk) == 0) {
		vms_talk_end(v, vm);
	}
}

static void on_output(struct vms *v, struct vms_vm *vm, enum vms_watch what)
{
	bool is_open;
	int fd;

	is_open = what == VMS_WATCH_CONSOLE ? vms_console_pump(v, vm) : vms_words_pump(vm);
	if (is_open) {
		return;
	}
	pthread_mutex_lock(&vm->out_lock);
	fd = what == VMS_WATCH_CONSOLE ? vm->console_fd : vm->stderr_fd;
	if (fd >= 0) {
		watch(v, EPOLL_CTL_DEL, fd, 0, 0);
	}
	pthread_mutex_unlock(&vm->out_lock);
}

/* Whoever ends it has told the scheduler, or is about to. */
static bool is_ended_already(struct vms *v, const struct vms_vm *vm)
{
	bool is_ending;

	pthread_mutex_lock(&v->lock);
	is_ending = vm->is_ending;
	pthread_mutex_unlock(&v->lock);
	return is_ending;
}

static void on_fd(struct vms *v, const struct epoll_event *ev)
{
	enum vms_watch what = (enum vms_watch)(ev->data.u64 >> 56);
	uint32_t slot = (uint32_t)(ev->data.u64 >> 32) & 0xffffff;
	struct vms_vm *vm = vms_ref_slot(v, slot, (uint32_t)ev->data.u64);

	if (!vm) {
		return; /* of an earlier use of the slot */
	}
	if (what == VMS_WATCH_SOCKET) {
		on_socket(v, vm);
	} else {
		on_output(v, vm, what);
	}
	/* One that closes its socket is dead, or of no use any more. */
	if (what == VMS_WATCH_SOCKET && ev->events & EPOLLHUP && !is_ended_already(v, vm)) {
		vms_sched(v, vm, SCHED_EV_VM_KILL, NULL);
	}
	vms_unref(v, vm);
}

static void publish_core(struct vms *v, const char *type, const struct dispatch_notice *n)
{
	const struct sched_roles *roles = partition_roles(v->o.partition);
	json_t *o = json_pack("{s:s}", "reason", sched_reason_name(n->reason));

	if (o && n->core < roles->n_pool) {
		json_object_set_new(o, "host_core", json_integer(roles->pool[n->core]));
	}
	events_publish(v->o.events, EVENTS_NOBODY, type, o);
}

/* The scheduler says something about a VM beside its death and its faults. */
static void on_report(struct vms *v, struct vms_vm *vm, const struct dispatch_notice *n)
{
	const char *reason = sched_reason_name(n->reason);

	if (vms_may_log(v)) {
		log_warn("scheduler: %s reason=%s core=%u vm=%s",
			 n->type == DISPATCH_STRAY ? "a VM ran where it must not" : "report",
			 reason, n->core, vm ? vm->id : "none");
	}
	if (vm) {
		vms_publish(v, vm, n->type == DISPATCH_STRAY ? "vm.stray" : "sched.report", reason);
		if (n->reason == SCHED_REASON_EXCL_LOST) {
			vms_alloc_put(v, vm, false);
		}
	} else {
		publish_core(v, "sched.report", n);
	}
}

static void on_notice(struct vms *v, const struct dispatch_notice *n)
{
	struct vms_vm *vm = n->slot == SCHED_NONE ? NULL : vms_ref_slot(v, n->slot, n->gen);

	switch (n->type) {
	case DISPATCH_DIED:
		if (vm) {
			vms_reap(v, vm);
		}
		break;
	case DISPATCH_FAULT:
		if (vm) {
			vms_fault_sched(v, vm, n->reason);
		}
		break;
	case DISPATCH_CORE_OFF:
		publish_core(v, "core.off", n);
		break;
	default:
		on_report(v, vm, n);
		break;
	}
	if (vm) {
		vms_unref(v, vm);
	}
}

static void take_notices(struct vms *v)
{
	struct dispatch_notice n;

	while (dispatch_notice_take(v->o.dispatch, &n)) {
		on_notice(v, &n);
	}
}

static void *watcher_main(void *arg)
{
	struct epoll_event evs[EVENTS_MAX];
	struct vms *v = arg;

	for (;;) {
		int n = epoll_wait(v->epoll_fd, evs, EVENTS_MAX, -1);

		BUG_ON(n < 0 && errno != EINTR);
		for (int i = 0; i < n; i++) {
			switch ((enum vms_watch)(evs[i].data.u64 >> 56)) {
			case VMS_WATCH_STOP:
				return NULL;
			case VMS_WATCH_NOTICE:
				take_notices(v);
				break;
			default:
				on_fd(v, &evs[i]);
				break;
			}
		}
	}
}

int vms_watch_start(struct vms *v, struct errmsg *e)
{
	int r = 0;

	v->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	v->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (v->epoll_fd < 0 || v->stop_fd < 0) {
		return errmsg_set(e, -errno, "no descriptor is left: %s", strerror(errno));
	}
	r = watch(v, EPOLL_CTL_ADD, v->stop_fd, EPOLLIN, key_of(VMS_WATCH_STOP, 0, 0));
	r = r < 0 ? r
		  : watch(v, EPOLL_CTL_ADD, dispatch_notice_fd(v->o.dispatch), EPOLLIN,
			  key_of(VMS_WATCH_NOTICE, 0, 0));
	r = r < 0 ? r : -pthread_create(&v->watcher, NULL, watcher_main, v);
	if (r < 0) {
		return errmsg_set(e, r, "VMs can't be watched: %s", strerror(-r));
	}
	pthread_setname_np(v->watcher, "vms-watcher");
	v->has_watcher = true;
	return 0;
}

void vms_watch_stop(struct vms *v)
{
	if (v->has_watcher) {
		BUG_ON(eventfd_write(v->stop_fd, 1) < 0);
		pthread_join(v->watcher, NULL);
		v->has_watcher = false;
	}
}
