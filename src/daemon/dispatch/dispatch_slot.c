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

static int make_pages(struct slot *sl)
{
	void *p;
	int r;

	r = new_page("grant", F_SEAL_FUTURE_WRITE, GRANT_MAGIC, &sl->grant_fd, &p);
	if (r < 0) {
		return r;
	}
	sl->grant = p;
	r = new_page("ack", 0, ACK_MAGIC, &sl->ack_fd, &p);
	if (r < 0) {
		return r;
	}
	sl->ack = p;
	sl->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return sl->notify_fd < 0 ? -errno : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
	*fd = -1;
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
	if (sl->state == SLOT_VM) {
		d->n_vms--;
		if (!sl->is_dead) {
			(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->pidfd, NULL);
		}
		if (!sl->is_muted) {
			(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->notify_fd, NULL);
		}
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->task.end_fd, NULL);
		host_task_done(&sl->task);
	}
	close_fd(&sl->grant_fd);
	close_fd(&sl->ack_fd);
	close_fd(&sl->notify_fd);
	if (sl->grant) {
		munmap(sl->grant, PAGE_BYTES);
	}
	if (sl->ack) {
		munmap(sl->ack, PAGE_BYTES);
	}
	sl->grant = NULL;
	sl->ack = NULL;
	sl->state = SLOT_FREE;
}

static int run_reserve(struct dispatch *d, void *arg)
{
	uint32_t number = *(const uint32_t *)arg;
	struct slot *sl;

	if (number >= d->cfg.limits.vms) {
		return -ERANGE;
	}
	sl = &d->slots[number];
	if (sl->state != SLOT_FREE) {
		return -EBUSY;
	}
	*sl = (struct slot){ .state = SLOT_OPEN,
			     .number = number,
			     .core = SCHED_CORE_NONE,
			     .host_core = CORE_NONE,
			     .grant_fd = -1,
			     .ack_fd = -1,
			     .notify_fd = -1,
			     .pidfd = -1,
			     .task = { .stat_fd = -1, .times_fd = -1, .end_fd = -1 } };
	d->top = number >= d->top ? number + 1 : d->top;
	return 0;
}

static int run_close(struct dispatch *d, void *arg)
{
	struct slot *sl = dispatch_slot(d, *(const uint32_t *)arg);

	BUG_ON(sl->state == SLOT_VM);
	dispatch_slot_done(d, sl);
	return 0;
}

int dispatch_slot_open(struct dispatch *d, uint32_t slot, struct dispatch_fds *ret,
		       struct errmsg *e)
{
	struct slot *sl;
	int r;

	r = dispatch_command(d, run_reserve, &slot);
	if (r < 0) {
		return errmsg_set(e, r, r == -EBUSY ? "slot %u is in use" : "there is no slot %u",
				  slot);
	}
	sl = &d->slots[slot];
	r = make_pages(sl);
	if (r < 0) {
		dispatch_slot_close(d, slot);
		return errmsg_set(e, r, "no grant and ack pages for slot %u: %s", slot,
				  strerror(-r));
	}
	*ret = (struct dispatch_fds){ sl->grant_fd, sl->ack_fd, sl->notify_fd };
	return 0;
}

void dispatch_slot_close(struct dispatch *d, uint32_t slot)
{
	(void)dispatch_command(d, run_close, &slot);
}

void dispatch_slot_keep_off(struct dispatch *d, struct slot *sl)
{
	pid_t tids[OTHERS_MAX + 1];
	int n = host_task_list(sl->task.pid, tids, ARRAY_SIZE(tids));

	sl->n_others = 0;
	for (int i = 0; i < n && i < (int)ARRAY_SIZE(tids); i++) {
		if (tids[i] == sl->task.tid || sl->n_others == OTHERS_MAX) {
			continue;
		}
		sl->others[sl->n_others++] = tids[i];
		if (!host_task_is_pinned(tids[i], d->housekeeping)) {
			(void)dispatch_pin(d, tids[i], d->housekeeping);
		}
		(void)host_task_set_fifo(tids[i], 0); /* an earlier daemon may have hurried it */
	}
	sl->n_threads = n > 0 ? (uint32_t)n : 0;
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
	pid_t tid = vm->tid;
	int r;

	r = tid ? 0 : host_task_find(vm->pid, GRANT_THREAD_NAME, &tid);
	if (r == 0) {
		r = host_task_init(&sl->task, vm->pid, tid);
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
	dispatch_slot_keep_off(d, sl);
	r = sl->n_threads > OTHERS_MAX
		    ? errmsg_set(e, -EPROTO, "process %d has too many threads", vm->pid)
		    : try_priority(d, tid, e);
	if (r == 0) {
		sl->host_core =
			dispatch_pin(d, tid, d->housekeeping) < 0 ? CORE_NONE : d->housekeeping;
		return 0;
	}
	host_task_done(&sl->task);
	return r;
}

struct add {
	uint32_t number;
	const struct dispatch_vm *vm;
};

static int tell_scheduler(struct dispatch *d, const struct add *add)
{
	struct sched_event ev = { .type = SCHED_EV_VM_ADD,
				  .vm = add->number,
				  .vcpu = add->number,
				  .gen = add->vm->gen,
				  .user = add->vm->user,
				  .prio = add->vm->prio,
				  .slice_ns = add->vm->slice_ns,
				  .limit_cpu_ns = add->vm->limit_cpu_ns };
	int r;

	r = dispatch_handle(d, &ev);
	if (r < 0) {
		return r;
	}
	ev.type = SCHED_EV_VCPU_ADD;
	r = dispatch_handle(d, &ev);
	BUG_ON(r < 0); /* a slot is a VM and its one vCPU */
	return 0;
}

static int run_add(struct dispatch *d, void *arg)
{
	const struct add *add = arg;
	struct slot *sl = &d->slots[add->number];
	struct host_task_times now;
	int r;

	r = dispatch_epoll_add(d, add->vm->pidfd, SOURCE_PIDFD, add->number, EPOLLIN);
	if (r < 0) {
		return r;
	}
	r = dispatch_epoll_add(d, sl->notify_fd, SOURCE_NOTIFY, add->number, EPOLLIN | EPOLLET);
	if (r == 0 && sl->task.end_fd >= 0) {
		r = dispatch_epoll_add(d, sl->task.end_fd, SOURCE_THREAD, add->number, EPOLLIN);
	}
	if (r == 0) {
		r = tell_scheduler(d, add);
	}
	if (r < 0) {
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->task.end_fd, NULL);
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, add->vm->pidfd, NULL);
		(void)epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, sl->notify_fd, NULL);
		return r;
	}
	sl->pidfd = add->vm->pidfd;
	sl->gen = add->vm->gen;
	memcpy(sl->freeze_dir, add->vm->freeze_dir, sizeof(sl->freeze_dir));
	if (host_task_times(&sl->task, &now) == 0) {
		sl->seen_run_ns = now.run_ns;
	}
	/* The VM has them; the pages stay mapped. */
	close_fd(&sl->grant_fd);
	close_fd(&sl->ack_fd);
	sl->state = SLOT_VM;
	d->n_vms++;
	dispatch_watch_arm(d);
	return 0;
}

int dispatch_vm_add(struct dispatch *d, uint32_t slot, const struct dispatch_vm *vm,
		    struct errmsg *e)
{
	struct add add = { slot, vm };
	struct slot *sl;
	int r;

	if (vm->gen == 0 || !memchr(vm->freeze_dir, '\0', sizeof(vm->freeze_dir)) ||
	    slot >= d->cfg.limits.vms || d->slots[slot].state != SLOT_OPEN) {
		return errmsg_set(e, -EINVAL, "slot %u is not open, or its VM is not described",
				  slot);
	}
	sl = &d->slots[slot];
	r = find_threads(d, sl, vm, e);
	if (r < 0) {
		return r;
	}
	r = dispatch_command(d, run_add, &add);
	if (r < 0) {
		host_task_done(&sl->task);
		return errmsg_set(e, r, "the scheduler does not take the VM of slot %u: %s", slot,
				  strerror(-r));
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
	if (ret_last) {
		*ret_last = rm.last;
	}
	return 0;
}
