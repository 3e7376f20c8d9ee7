/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots: pages, and the threads of a VM. What opens and looks for files is done by the caller's
 * thread, before the dispatcher knows the VM: a slot that is being filled belongs to that thread.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "daemon/dispatch/dispatch_internal.h"

/* Slots below this keep their pages. */
#define PAGES_KEPT 32u

/*
 * A page in a memory file of its own. It can't be cut off: that would be a SIGBUS for the
 * dispatcher.
 */
static int new_page(const char *name, unsigned int seals, uint32_t magic, int *ret_fd, void **ret)
{
	const uint32_t head[2] = { magic, GRANT_REVISION };
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)PAGE_BYTES) < 0) {
		return -errno;
	}
	p = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED) {
		return -errno;
	}
	memcpy(p, head, sizeof(head)); /* before anybody else sees it */
	if (fcntl(fd, F_ADD_SEALS, (int)(seals | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) < 0) {
		int r = -errno;

		munmap(p, PAGE_BYTES);
		return r;
	}
	*ret_fd = steal_fd(&fd);
	*ret = p;
	return 0;
}

static int make_pages(struct pages *p)
{
	void *page;
	int r;

	*p = (struct pages){ .grant_fd = -1, .ack_fd = -1, .notify_fd = -1 };
	r = new_page("grant", F_SEAL_FUTURE_WRITE, GRANT_MAGIC, &p->grant_fd, &page);
	if (r < 0) {
		return r;
	}
	p->grant = page;
	r = new_page("ack", 0, ACK_MAGIC, &p->ack_fd, &page);
	if (r < 0) {
		return r;
	}
	p->ack = page;
	p->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->notify_fd < 0 ? -errno : 0;
}

/* As new ones: nothing is left of what the VM before wrote, or was told. */
static void clean_pages(const struct pages *p)
{
	const uint32_t revision = GRANT_REVISION;
	uint64_t n;

	memset(p->grant, 0, PAGE_BYTES);
	memset(p->ack, 0, PAGE_BYTES);
	p->grant->magic = GRANT_MAGIC;
	p->ack->magic = ACK_MAGIC;
	p->grant->revision = p->ack->revision = revision;
	BUG_ON(read(p->notify_fd, &n, sizeof(n)) < 0 && errno != EAGAIN);
}

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
}

/* Also half-made ones. */
static void free_pages(struct pages *p)
{
	close_fd(&p->grant_fd);
	close_fd(&p->ack_fd);
	close_fd(&p->notify_fd);
	if (p->grant) {
		munmap(p->grant, PAGE_BYTES);
	}
	if (p->ack) {
		munmap(p->ack, PAGE_BYTES);
	}
	*p = (struct pages){ .grant_fd = -1 };
}

/*
 * The VM that had them is dead, or never was. Making such pages costs more than all else about a slot: those of low slots, which
 * are in use all the time, stay for the next VM, unless another process than the dead one may still have them.
 */
static void give_pages(struct dispatch *d, uint32_t slot)
{
	struct pages *p = &d->pages[slot];

	if (p->is_keepable) {
		p->is_open = p->is_keepable = false;
	} else if (p->is_open) {
		free_pages(p);
	}
}

void dispatch_pages_free(struct dispatch *d)
{
	for (uint32_t i = 0; d->pages && i < d->cfg.limits.vms; i++) {
		if (d->pages[i].grant) {
			free_pages(&d->pages[i]);
		}
	}
}

void dispatch_slot_done(struct dispatch *d, struct slot *sl)
{
	if (sl->state == SLOT_FREE) {
		return;
	}
	dispatch_todo_clear(d, sl, TODO_LOOK);
	dispatch_todo_clear(d, sl, TODO_FREEZE);
	dispatch_todo_clear(d, sl, TODO_UNMUTE);
	dispatch_todo_clear(d, sl, TODO_DEATH);
	d->n_vms--;
	if (!sl->is_dead) {
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->pidfd, NULL);
	}
	if (!sl->is_muted) {
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->notify_fd, NULL);
	}
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->task.end_fd, NULL);
	host_task_done(&sl->task);
	sl->grant = NULL;
	sl->ack = NULL;
	sl->state = SLOT_FREE;
}

int dispatch_slot_open(struct dispatch *d, uint32_t slot, struct dispatch_fds *ret,
		       struct errmsg *e)
{
	struct pages *p;
	int r = 0;

	if (slot >= d->cfg.limits.vms) {
		return errmsg_set(e, -ERANGE, "there is no slot %u", slot);
	}
	p = &d->pages[slot];
	if (p->is_open) {
		return errmsg_set(e, -EBUSY, "slot %u is in use", slot);
	}
	if (p->grant) {
		clean_pages(p);
	} else {
		r = make_pages(p);
	}
	if (r < 0) {
		free_pages(p);
		return errmsg_set(e, r, "no grant and ack pages for slot %u: %s", slot,
				  strerror(-r));
	}
	p->is_open = true;
	*ret = (struct dispatch_fds){ p->grant_fd, p->ack_fd, p->notify_fd };
	return 0;
}

void dispatch_slot_close(struct dispatch *d, uint32_t slot)
{
	give_pages(d, slot);
}

/* Of @p n threads all but the vCPU's are where the pool is not. */
static void keep_off(struct dispatch *d, struct slot *sl, const pid_t *tids, uint32_t n)
{
	sl->n_others = 0;
	sl->n_threads = n;
	for (uint32_t i = 0; i < n && i < OTHERS_MAX + 1; i++) {
		if (tids[i] == sl->task.tid || sl->n_others == OTHERS_MAX) {
			continue;
		}
		sl->others[sl->n_others++] = tids[i];
		if (!host_task_is_pinned(tids[i], d->housekeeping)) {
			(void)dispatch_pin(d, tids[i], d->housekeeping);
		}
		(void)host_task_set_fifo(tids[i], 0); /* an earlier daemon may have hurried it */
	}
}

void dispatch_slot_keep_off(struct dispatch *d, struct slot *sl)
{
	pid_t tids[OTHERS_MAX + 1];
	int n = host_task_list(sl->task.pid, tids, ARRAY_SIZE(tids));

	keep_off(d, sl, tids, n > 0 ? (uint32_t)n : 0);
}

/* Whether its thread can have the priority it needs, now rather than at the first grant. */
static int try_priority(const struct dispatch *d, pid_t tid, struct errmsg *e)
{
	int r;

	if (d->fifo_prio == 0) {
		return 0;
	}
	r = host_task_set_fifo(tid, d->fifo_prio);
	if (r < 0) {
		return errmsg_set(
			e, r,
			"the vCPU thread can't get real-time priority %d: %s (is its cgroup "
			"without real-time share?)",
			d->fifo_prio, strerror(-r));
	}
	return host_task_set_fifo(tid, 0);
}

/* Find the threads and keep them off the pool. */
static int find_threads(struct dispatch *d, struct slot *sl, const struct dispatch_vm *vm,
			struct errmsg *e)
{
	struct pollfd p = { .fd = vm->pidfd, .events = POLLIN };
	struct host_task_look look = { 0 };
	pid_t tid = vm->tid;
	int r;

	r = tid ? 0 : host_task_find(vm->pid, GRANT_THREAD_NAME, &tid);
	if (r == 0) {
		r = host_task_init(&sl->task, vm->pid, tid, &look);
	}
	/* The process was alive all the time, so that its number was not another's. */
	if (poll(&p, 1, 0) != 0) {
		if (r == 0) {
			host_task_done(&sl->task);
		}
		return errmsg_set(e, -ESRCH, "process %d has ended", vm->pid);
	}
	if (r < 0) {
		return errmsg_set(e, r == -ENOENT || r == -ENOTUNIQ ? -EPROTO : r,
				  "process %d has not one vCPU thread: %s", vm->pid, strerror(-r));
	}
	if (look.threads == vm->n_tids) {
		keep_off(d, sl, vm->tids, vm->n_tids);
	} else {
		dispatch_slot_keep_off(d, sl);
	}
	r = sl->n_threads > OTHERS_MAX
		    ? errmsg_set(e, -EPROTO, "process %d has too many threads", vm->pid)
		    : try_priority(d, tid, e);
	if (r == 0) {
		sl->host_core = host_task_is_pinned(tid, d->housekeeping) ||
						dispatch_pin(d, tid, d->housekeeping) == 0
					? d->housekeeping
					: CORE_NONE;
		return 0;
	}
	host_task_done(&sl->task);
	return r;
}

struct add {
	const struct dispatch_vm *vm;
	struct slot slot;      /* as it will be */
	struct sched_event ev; /* the last that the scheduler was told */
};

/* It is added, and may run. */
static int tell_scheduler(struct dispatch *d, struct add *add)
{
	const struct sched_event first = { .type = SCHED_EV_VM_ADD,
					   .vm = add->slot.number,
					   .vcpu = add->slot.number,
					   .gen = add->vm->gen,
					   .user = add->vm->user,
					   .prio = add->vm->prio,
					   .slice_ns = add->vm->slice_ns,
					   .limit_cpu_ns = add->vm->limit_cpu_ns };
	struct sched_event ev = first;
	int r;

	add->ev = first;
	r = dispatch_handle(d, &ev);
	if (r < 0) {
		return r;
	}
	ev = first;
	ev.type = SCHED_EV_VCPU_ADD;
	r = dispatch_handle(d, &ev);
	BUG_ON(r < 0); /* a slot is a VM and its one vCPU */
	add->ev = (struct sched_event){ .type = SCHED_EV_VM_START,
					.core = SCHED_CORE_NONE,
					.vm = first.vm,
					.vcpu = first.vcpu,
					.gen = first.gen };
	ev = add->ev;
	r = dispatch_handle(d, &ev);
	if (r < 0) {
		ev = add->ev;
		ev.type = SCHED_EV_VM_REMOVE;
		BUG_ON(dispatch_handle(d, &ev) < 0); /* it was never started */
	}
	return r;
}

static void unwatch(struct dispatch *d, const struct slot *sl)
{
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->task.end_fd, NULL);
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->pidfd, NULL);
	(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->notify_fd, NULL);
}

static int watch(struct dispatch *d, const struct slot *sl)
{
	uint64_t n;
	int r;

	/* What it has said until now it says to nobody: it is started as one that wants to run. */
	BUG_ON(read(sl->notify_fd, &n, sizeof(n)) < 0 && errno != EAGAIN);
	r = dispatch_epoll_add(d, sl->pidfd, SOURCE_PIDFD, sl->number, EPOLLIN);
	if (r == 0) {
		r = dispatch_epoll_add(d, sl->notify_fd, SOURCE_NOTIFY, sl->number,
				       EPOLLIN | EPOLLET);
	}
	if (r == 0 && sl->task.end_fd >= 0) {
		r = dispatch_epoll_add(d, sl->task.end_fd, SOURCE_THREAD, sl->number, EPOLLIN);
	}
	if (r < 0) {
		unwatch(d, sl);
	}
	return r;
}

static int run_add(struct dispatch *d, void *arg)
{
	struct add *add = arg;
	uint32_t number = add->slot.number;
	struct slot *sl = &d->slots[number];
	struct host_task_times now;
	int r;

	if (sl->state != SLOT_FREE) {
		return -EBUSY;
	}
	r = watch(d, &add->slot);
	if (r < 0) {
		return r;
	}
	*sl = add->slot;
	sl->state = SLOT_VM;
	d->n_vms++;
	d->top = number >= d->top ? number + 1 : d->top;
	if (host_task_times(&sl->task, &now) == 0) {
		sl->seen_run_ns = now.run_ns;
	}
	r = tell_scheduler(d, add);
	if (r < 0) {
		unwatch(d, sl);
		d->n_vms--;
		sl->state = SLOT_FREE;
		return r;
	}
	dispatch_watch_arm(d);
	return 0;
}

int dispatch_vm_add(struct dispatch *d, uint32_t slot, const struct dispatch_vm *vm,
		    struct errmsg *e)
{
	struct add add = { .vm = vm };
	struct pages *p;
	int r;

	if (vm->gen == 0 || !memchr(vm->freeze_dir, '\0', sizeof(vm->freeze_dir)) ||
	    slot >= d->cfg.limits.vms || !d->pages[slot].is_open) {
		return errmsg_set(e, -EINVAL, "slot %u is not open, or its VM is not described",
				  slot);
	}
	p = &d->pages[slot];
	add.slot = (struct slot){ .number = slot,
				  .gen = vm->gen,
				  .core = SCHED_CORE_NONE,
				  .notify_fd = p->notify_fd,
				  .pidfd = vm->pidfd,
				  .grant = p->grant,
				  .ack = p->ack };
	memcpy(add.slot.freeze_dir, vm->freeze_dir, sizeof(add.slot.freeze_dir));
	r = find_threads(d, &add.slot, vm, e);
	if (r < 0) {
		return r;
	}
	p->is_keepable = vm->is_alone && slot < PAGES_KEPT;
	r = dispatch_command(d, run_add, &add);
	if (r < 0) {
		host_task_done(&add.slot.task);
		if (add.ev.type == SCHED_EV_VM_START) {
			return dispatch_explain(r, &add.ev, e);
		}
		return errmsg_set(e, r, "the scheduler does not take the VM of slot %u: %s", slot,
				  strerror(-r));
	}
	if (!p->is_keepable) { /* the VM has them; the pages stay mapped */
		close_fd(&p->grant_fd);
		close_fd(&p->ack_fd);
	}
	return 0;
}

struct removal {
	uint32_t number, gen;
	struct dispatch_vm_info last;
};

static int run_remove(struct dispatch *d, void *arg)
{
	struct removal *rm = arg;
	struct sched_event ev = { .type = SCHED_EV_VM_REMOVE, .vm = rm->number, .gen = rm->gen };
	int r;

	/* The caller has seen it dead; this thread may not have looked yet. */
	if (rm->number < d->cfg.limits.vms && d->slots[rm->number].gen == rm->gen) {
		dispatch_death_check(d, &d->slots[rm->number]);
		(void)dispatch_vm_copy(d, rm->number, &rm->last);
	}
	r = dispatch_handle(d, &ev);
	if (r == 0) {
		dispatch_slot_done(d, &d->slots[rm->number]);
	}
	return r;
}

int dispatch_vm_remove(struct dispatch *d, uint32_t slot, uint32_t gen,
		       struct dispatch_vm_info *ret_last, struct errmsg *e)
{
	struct removal rm = { .number = slot, .gen = gen };
	int r;

	r = dispatch_command(d, run_remove, &rm);
	if (r < 0) {
		return errmsg_set(e, r, "the VM of slot %u can't be forgotten: %s", slot,
				  strerror(-r));
	}
	give_pages(d, slot);
	if (ret_last) {
		*ret_last = rm.last;
	}
	return 0;
}
