/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fake_dispatch.h. */
#include "fake_dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/proc.h"
#include "host/task.h"
#include "proto/grant.h"

#define NOTICES 8192
#define SLOTS	4096
#define STOP	UINT32_MAX
#define ACKED	0x80000000u /* beside a slot: its ack page changed */

struct slot {
	bool is_open;
	enum sched_vm_state state; /* SCHED_VM_FREE: not added */
	struct dispatch_vm vm;
	struct grant_page *grant;
	struct ack_page *ack;
	int grant_fd, ack_fd, notify_fd;
	uint64_t epoch;
	bool is_exclusive, is_frozen;
	uint64_t wait_ns;
	uint32_t slices;
};

struct dispatch {
	pthread_mutex_t lock;
	pthread_t thread;
	int epoll_fd, stop_fd, notice_fd;
	bool is_going;
	enum sched_event_type refuse_type;
	int refuse_r;
	uint64_t epoch;
	struct dispatch_notice notice[NOTICES];
	uint32_t first, n;
	struct slot slot[SLOTS];
};

void (*fake_dispatch_on_go)(void);

static struct sched_roles roles = { .n_pool = 1, .pool = { 1 } };

const struct sched_roles *partition_roles(const struct partition *p)
{
	(void)p;
	return &roles;
}

enum partition_backend partition_backend_get(const struct partition *p)
{
	(void)p;
	return PARTITION_AFFINITY;
}

int partition_admit(struct partition *p, pid_t pid, pid_t vcpu_tid, char freeze_dir[256],
		    struct errmsg *e)
{
	(void)p;
	(void)freeze_dir;
	(void)e;
	BUG_ON(pid <= 0 || vcpu_tid <= 0);
	return 0;
}

/* As the back-end "affinity" does it. */
int partition_place(struct partition *p, pid_t tid, uint16_t host_core)
{
	(void)p;
	return host_task_pin(tid, host_core);
}

int partition_keep_off(struct partition *p, pid_t pid, pid_t but)
{
	pid_t tids[64];
	int n = host_task_list(pid, tids, 64);

	for (int i = 0; i < n; i++) {
		if (tids[i] != but) {
			(void)partition_place(p, tids[i], roles.housekeeping);
			(void)host_task_set_fifo(tids[i], 0);
		}
	}
	return n < 0 ? n : 0;
}

int partition_join_fd(const struct partition *p)
{
	(void)p;
	return -1;
}

static void tell_locked(struct dispatch *d, enum dispatch_notice_type type, uint32_t slot,
			enum sched_reason reason)
{
	BUG_ON(d->n == NOTICES);
	d->notice[(d->first + d->n++) % NOTICES] = (struct dispatch_notice){
		.type = type,
		.reason = reason,
		.slot = slot,
		.gen = d->slot[slot].vm.gen,
		.core = SCHED_CORE_NONE,
	};
	BUG_ON(eventfd_write(d->notice_fd, 1) < 0);
}

static void wake(struct slot *s)
{
	atomic_fetch_add(&s->ack->wake, 1);
	host_futex_wake(&s->ack->wake);
}

static void grant_locked(struct dispatch *d, struct slot *s)
{
	if (!d->is_going || s->state != SCHED_VM_RUN) {
		return;
	}
	s->epoch = ++d->epoch;
	atomic_store(&s->grant->budget_ns, GRANT_NO_END);
	atomic_store(&s->grant->deadline_ns, GRANT_NO_END);
	atomic_store(&s->grant->epoch, s->epoch);
	wake(s);
}

static void on_death_locked(struct dispatch *d, uint32_t slot)
{
	struct slot *s = &d->slot[slot];
	struct pollfd p = { .fd = s->vm.pidfd, .events = POLLIN };

	/* Asked again: the news may be of the VM that had the slot before. */
	if (s->state != SCHED_VM_FREE && s->state != SCHED_VM_DEAD && poll(&p, 1, 0) == 1) {
		epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->vm.pidfd, NULL);
		s->state = SCHED_VM_DEAD;
		tell_locked(d, DISPATCH_DIED, slot, SCHED_REASON_NONE);
	}
}

/* One that parked to carry out a request wants to run on. */
static void on_ack_locked(struct dispatch *d, struct slot *s)
{
	eventfd_t ignored;

	if (!s->is_open) {
		return;
	}
	eventfd_read(s->notify_fd, &ignored);
	if (atomic_load(&s->ack->state) == ACK_PARKED && atomic_load(&s->ack->epoch) == s->epoch) {
		grant_locked(d, s);
	}
}

static void *watch_main(void *arg)
{
	struct dispatch *d = arg;
	struct epoll_event ev;

	for (;;) {
		if (epoll_wait(d->epoll_fd, &ev, 1, -1) < 1) {
			continue;
		}
		if (ev.data.u32 == STOP) {
			return NULL;
		}
		pthread_mutex_lock(&d->lock);
		if (ev.data.u32 & ACKED) {
			on_ack_locked(d, &d->slot[ev.data.u32 & ~ACKED]);
		} else {
			on_death_locked(d, ev.data.u32);
		}
		pthread_mutex_unlock(&d->lock);
	}
}

void dispatch_options_defaults(struct dispatch_options *o)
{
	memset(o, 0, sizeof(*o));
}

int dispatch_start(const struct dispatch_options *o, struct dispatch **ret, struct errmsg *e)
{
	struct dispatch *d = calloc(1, sizeof(*d));
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = STOP };

	(void)o;
	(void)e;
	BUG_ON(!d);
	pthread_mutex_init(&d->lock, NULL);
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	d->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	BUG_ON(epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, d->stop_fd, &ev) < 0);
	BUG_ON(pthread_create(&d->thread, NULL, watch_main, d) != 0);
	*ret = d;
	return 0;
}

static void close_slot(struct dispatch *d, struct slot *s)
{
	if (s->is_open) {
		epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->notify_fd, NULL);
		munmap(s->grant, PAGE_BYTES);
		munmap(s->ack, PAGE_BYTES);
		close(s->grant_fd);
		close(s->ack_fd);
		close(s->notify_fd);
	}
	memset(s, 0, sizeof(*s));
}

void dispatch_stop(struct dispatch *d)
{
	BUG_ON(eventfd_write(d->stop_fd, 1) < 0);
	pthread_join(d->thread, NULL);
	for (uint32_t i = 0; i < SLOTS; i++) {
		close_slot(d, &d->slot[i]);
	}
	close(d->epoll_fd);
	close(d->stop_fd);
	close(d->notice_fd);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void *new_page(int *ret_fd)
{
	void *p;

	*ret_fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	BUG_ON(*ret_fd < 0 || ftruncate(*ret_fd, (off_t)PAGE_BYTES) < 0);
	p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	BUG_ON(p == MAP_FAILED);
	return p;
}

int dispatch_slot_open(struct dispatch *d, uint32_t slot, struct dispatch_fds *ret,
		       struct errmsg *e)
{
	struct slot *s = &d->slot[slot];

	pthread_mutex_lock(&d->lock);
	if (s->is_open) {
		pthread_mutex_unlock(&d->lock);
		return errmsg_set(e, -EBUSY, "slot %u is open", slot);
	}
	s->is_open = true;
	s->grant = new_page(&s->grant_fd);
	s->ack = new_page(&s->ack_fd);
	s->grant->magic = GRANT_MAGIC;
	s->ack->magic = ACK_MAGIC;
	s->grant->revision = s->ack->revision = GRANT_REVISION;
	BUG_ON(fcntl(s->grant_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0);
	s->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	*ret = (struct dispatch_fds){ s->grant_fd, s->ack_fd, s->notify_fd };
	pthread_mutex_unlock(&d->lock);
	return 0;
}

void dispatch_slot_close(struct dispatch *d, uint32_t slot)
{
	pthread_mutex_lock(&d->lock);
	BUG_ON(!d->slot[slot].is_open || d->slot[slot].state != SCHED_VM_FREE);
	close_slot(d, &d->slot[slot]);
	pthread_mutex_unlock(&d->lock);
}

static void revoke_locked(struct slot *s)
{
	atomic_store(&s->grant->revoked, s->epoch);
	wake(s);
}

static int kill_locked(struct slot *s)
{
	if (s->state == SCHED_VM_DEAD || s->state == SCHED_VM_KILLED) {
		return -EALREADY;
	}
	s->state = SCHED_VM_KILLED;
	host_proc_kill(s->vm.pidfd, SIGKILL);
	return 0;
}

static int move_locked(struct slot *s, enum sched_vm_state from, enum sched_vm_state to)
{
	if (s->state != from) {
		return -EALREADY;
	}
	s->state = to;
	return 0;
}

static int handle_locked(struct dispatch *d, const struct sched_event *ev, struct slot *s)
{
	int r = 0;

	switch ((enum sched_event_type)ev->type) {
	case SCHED_EV_VM_START:
		r = move_locked(s, SCHED_VM_CREATED, SCHED_VM_RUN);
		break;
	case SCHED_EV_VM_PAUSE:
		r = move_locked(s, SCHED_VM_RUN, SCHED_VM_PAUSED);
		if (r == 0) {
			revoke_locked(s);
		}
		return r;
	case SCHED_EV_VM_RESUME:
		r = move_locked(s, SCHED_VM_PAUSED, SCHED_VM_RUN);
		break;
	case SCHED_EV_VM_KILL:
		return kill_locked(s);
	case SCHED_EV_EXCL_REQUEST:
		if (s->is_exclusive) {
			return -EALREADY;
		}
		s->is_exclusive = true;
		return 0;
	case SCHED_EV_EXCL_RELEASE:
		s->is_exclusive = false;
		return 0;
	default:
		return 0;
	}
	if (r == 0) {
		grant_locked(d, s);
	}
	return r;
}

int dispatch_vm_add(struct dispatch *d, uint32_t slot, const struct dispatch_vm *vm,
		    struct errmsg *e)
{
	const struct sched_event start = { .type = SCHED_EV_VM_START };
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = slot };
	struct slot *s = &d->slot[slot];
	int r = 0;

	pthread_mutex_lock(&d->lock);
	BUG_ON(!s->is_open || vm->gen == 0);
	if (s->state != SCHED_VM_FREE) {
		r = errmsg_set(e, -EEXIST, "slot %u is in use", slot);
	} else if (d->refuse_r && d->refuse_type == SCHED_EV_VM_START) {
		r = errmsg_set(e, d->refuse_r, "vm_start is refused: %s", strerror(-d->refuse_r));
	} else {
		s->vm = *vm;
		s->state = SCHED_VM_CREATED;
		BUG_ON(epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, vm->pidfd, &ev) < 0);
		ev.data.u32 = slot | ACKED;
		BUG_ON(epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, s->notify_fd, &ev) < 0);
		r = handle_locked(d, &start, s);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

static bool is_about_vm(enum sched_event_type t)
{
	return (t >= SCHED_EV_VM_ADD && t <= SCHED_EV_VM_UPDATE) || t == SCHED_EV_EXCL_REQUEST ||
	       t == SCHED_EV_EXCL_RELEASE;
}

int dispatch_event(struct dispatch *d, const struct sched_event *ev, struct errmsg *e)
{
	uint32_t slot = ev->type == SCHED_EV_EXCL_REQUEST || ev->type == SCHED_EV_EXCL_RELEASE
				? ev->vcpu
				: ev->vm;
	int r = 0;

	if (!is_about_vm((enum sched_event_type)ev->type)) {
		return 0;
	}
	pthread_mutex_lock(&d->lock);
	if (slot >= SLOTS || d->slot[slot].state == SCHED_VM_FREE) {
		r = -ENOENT;
	} else if (d->slot[slot].vm.gen != ev->gen) {
		r = -ESTALE;
	} else if (d->refuse_r && ev->type == d->refuse_type) {
		r = d->refuse_r;
	} else {
		r = handle_locked(d, ev, &d->slot[slot]);
	}
	pthread_mutex_unlock(&d->lock);
	return r < 0 ? errmsg_set(e, r, "%s is refused: %s",
				  sched_event_name((enum sched_event_type)ev->type), strerror(-r))
		     : 0;
}

int dispatch_go(struct dispatch *d, struct errmsg *e)
{
	(void)e;
	if (fake_dispatch_on_go) {
		fake_dispatch_on_go();
	}
	pthread_mutex_lock(&d->lock);
	d->is_going = true;
	for (uint32_t i = 0; i < SLOTS; i++) {
		grant_locked(d, &d->slot[i]);
	}
	pthread_mutex_unlock(&d->lock);
	return 0;
}

int dispatch_notice_fd(const struct dispatch *d)
{
	return d->notice_fd;
}

bool dispatch_notice_take(struct dispatch *d, struct dispatch_notice *ret)
{
	eventfd_t ignored;
	bool has;

	pthread_mutex_lock(&d->lock);
	has = d->n > 0;
	if (has) {
		*ret = d->notice[d->first];
		d->first = (d->first + 1) % NOTICES;
		d->n--;
	}
	if (d->n == 0) {
		eventfd_read(d->notice_fd, &ignored);
	}
	pthread_mutex_unlock(&d->lock);
	return has;
}

static void fill_locked(const struct slot *s, struct dispatch_vm_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->vm.state = s->state;
	ret->vm.gen = s->vm.gen;
	ret->vm.is_frozen = s->is_frozen;
	ret->vcpu.core = 0;
	ret->vcpu.wait_ns = s->wait_ns;
	ret->vcpu.slices = s->slices;
	ret->vcpu.excl_core = s->is_exclusive ? 0 : SCHED_CORE_NONE;
	if (s->ack) {
		ret->vcpu.cpu_ns = s->epoch ? NS_PER_US : 0; /* nobody asks the kernel here */
		ret->vcpu.state = atomic_load(&s->ack->state) == ACK_BLOCKED ? SCHED_VCPU_BLOCKED
									     : SCHED_VCPU_RUNNING;
	}
}

int dispatch_vm_get(struct dispatch *d, uint32_t slot, struct dispatch_vm_info *ret)
{
	int r = -ENOENT;

	pthread_mutex_lock(&d->lock);
	if (slot < SLOTS && d->slot[slot].state != SCHED_VM_FREE) {
		fill_locked(&d->slot[slot], ret);
		r = 0;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

int dispatch_vm_remove(struct dispatch *d, uint32_t slot, uint32_t gen,
		       struct dispatch_vm_info *ret_last, struct errmsg *e)
{
	struct slot *s = &d->slot[slot];
	int r = 0;

	pthread_mutex_lock(&d->lock);
	on_death_locked(d, slot);
	if (s->state == SCHED_VM_FREE || s->vm.gen != gen) {
		r = errmsg_set(e, -ESTALE, "slot %u is not in use by that VM", slot);
	} else if (s->state != SCHED_VM_CREATED && s->state != SCHED_VM_DEAD) {
		r = errmsg_set(e, -EBUSY, "slot %u: not dead", slot);
	} else {
		if (ret_last) {
			fill_locked(s, ret_last);
		}
		epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, s->vm.pidfd, NULL);
		close_slot(d, s);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

uint32_t dispatch_vms_get(struct dispatch *d, struct dispatch_vm_info *ret, uint32_t max)
{
	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < max && i < SLOTS; i++) {
		fill_locked(&d->slot[i], &ret[i]);
	}
	pthread_mutex_unlock(&d->lock);
	return max < SLOTS ? max : SLOTS;
}

int dispatch_core_get(struct dispatch *d, uint16_t core, struct dispatch_core_info *ret)
{
	(void)d;
	if (core > 0) {
		return -ERANGE;
	}
	memset(ret, 0, sizeof(*ret));
	return 0;
}

int dispatch_user_get(struct dispatch *d, uint32_t user, struct sched_user_info *ret)
{
	(void)d;
	(void)user;
	memset(ret, 0, sizeof(*ret));
	return 0;
}

void fake_dispatch_fault(struct dispatch *d, uint32_t slot, enum sched_reason reason)
{
	pthread_mutex_lock(&d->lock);
	d->slot[slot].is_frozen = true;
	d->slot[slot].state = SCHED_VM_FAULTED;
	host_proc_kill(d->slot[slot].vm.pidfd, SIGSTOP);
	tell_locked(d, DISPATCH_FAULT, slot, reason);
	pthread_mutex_unlock(&d->lock);
}

void fake_dispatch_refuse(struct dispatch *d, enum sched_event_type type, int r)
{
	pthread_mutex_lock(&d->lock);
	d->refuse_type = type;
	d->refuse_r = r;
	pthread_mutex_unlock(&d->lock);
}

bool fake_dispatch_is_going(struct dispatch *d)
{
	bool is;

	pthread_mutex_lock(&d->lock);
	is = d->is_going;
	pthread_mutex_unlock(&d->lock);
	return is;
}

void fake_dispatch_count(struct dispatch *d, uint32_t slot, uint64_t wait_ns, uint32_t slices)
{
	pthread_mutex_lock(&d->lock);
	d->slot[slot].wait_ns = wait_ns;
	d->slot[slot].slices = slices;
	pthread_mutex_unlock(&d->lock);
}

uint32_t fake_dispatch_open_slots(struct dispatch *d)
{
	uint32_t n = 0;

	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < SLOTS; i++) {
		n += d->slot[i].is_open ? 1 : 0;
	}
	pthread_mutex_unlock(&d->lock);
	return n;
}
