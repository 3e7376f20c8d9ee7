/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of other threads. Each is a command on the caller's stack in a list behind a mutex that
 * inherits priority; the dispatcher carries it out between events, and the caller sleeps until then.
 */
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "daemon/dispatch/dispatch_internal.h"

/* Commands in a row before events are looked at again. */
#define COMMANDS_MAX 16
/* Entries that one command copies. */
#define COPY_MAX 64

int dispatch_command(struct dispatch *d, int (*run)(struct dispatch *d, void *arg), void *arg)
{
	struct command c = { .run = run, .arg = arg };
	const uint64_t one = 1;

	pthread_mutex_lock(&d->command_lock);
	if (d->commands) {
		d->commands_tail->next = &c;
	} else {
		d->commands = &c;
	}
	d->commands_tail = &c;
	pthread_mutex_unlock(&d->command_lock);
	/* Not with the lock, for which it would wait at once: it runs before this call returns. */
	BUG_ON(write(d->command_fd, &one, sizeof(one)) < 0 && errno != EAGAIN);
	while (!atomic_load(&c.is_done)) {
		syscall(SYS_futex, &c.is_done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	}
	return c.result;
}

static struct command *take(struct dispatch *d)
{
	struct command *c;

	pthread_mutex_lock(&d->command_lock);
	c = d->commands;
	if (c) {
		d->commands = c->next;
	}
	pthread_mutex_unlock(&d->command_lock);
	return c;
}

void dispatch_commands_run(struct dispatch *d)
{
	const uint64_t one = 1;
	struct command *c = take(d);

	for (int i = 1; c; i++) {
		_Atomic uint32_t *is_done = &c->is_done;

		c->result = c->run(d, c->arg);
		atomic_store(is_done, 1); /* c is gone after this; a late wake-up finds nobody */
		syscall(SYS_futex, is_done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		if (i == COMMANDS_MAX) {
			BUG_ON(write(d->command_fd, &one, sizeof(one)) < 0 && errno != EAGAIN);
			return;
		}
		c = take(d);
	}
}

/* What other threads may send; the rest is the dispatcher's own. */
static bool is_request(uint8_t type)
{
	return (type >= SCHED_EV_VM_START && type <= SCHED_EV_CORE_OFFLINE &&
		type != SCHED_EV_VM_REMOVE);
}

/* What sched_handle() says to whom; SCHED_EV_COUNT: to all others. The first that fits counts. */
static const struct reason {
	int err;
	enum sched_event_type type;
	const char *why;
} reasons[] = {
	{ ENOENT, SCHED_EV_USER_QUOTA, "there is no such user" },
	{ ENOENT, SCHED_EV_COUNT, "there is no such VM" },
	{ ERANGE, SCHED_EV_EXCL_CAP, "the pool has fewer cores than that" },
	{ ERANGE, SCHED_EV_EXCL_REQUEST, "there is no such core" },
	{ ERANGE, SCHED_EV_COUNT, "there is no such number" },
	{ ESTALE, SCHED_EV_COUNT, "that VM has ended" },
	{ EALREADY, SCHED_EV_VM_PAUSE, "the VM does not run" },
	{ EALREADY, SCHED_EV_VM_RESUME, "the VM is not paused" },
	{ EALREADY, SCHED_EV_EXCL_REQUEST, "the VM has a core of its own already" },
	{ EALREADY, SCHED_EV_EXCL_RELEASE, "the VM has no core of its own" },
	{ EALREADY, SCHED_EV_COUNT, "it is so already" },
	{ EPERM, SCHED_EV_COUNT, "the user is banned" },
	{ EDQUOT, SCHED_EV_VM_START,
	  "the user's VMs would have more vCPUs, or by their slices more of the cores' time, than "
	  "the quota allows" },
	{ EDQUOT, SCHED_EV_VM_UPDATE,
	  "with that slice the user's VMs would have more of the cores' time than the quota "
	  "allows" },
	{ EDQUOT, SCHED_EV_EXCL_REQUEST,
	  "the user's quota allows no more VMs with a core of their own" },
	{ ENOSPC, SCHED_EV_EXCL_REQUEST, "no more cores may be exclusive now; see pinfold cores" },
	{ EBUSY, SCHED_EV_VM_RESUME, "the VM is being frozen or killed" },
	{ EINVAL, SCHED_EV_VM_UPDATE, "there is no such priority, or no such slice" },
	{ EINVAL, SCHED_EV_EXCL_REQUEST, "only a VM that runs can be given a core of its own" },
};

static const char *why_busy(const struct sched_event *ev)
{
	return ev->core == SCHED_CORE_NONE ? "all cores are other VMs' own, or offline"
					   : "that core is another VM's own, or offline";
}

int dispatch_explain(int r, const struct sched_event *ev, struct errmsg *e)
{
	if (r == -EBUSY && ev->type == SCHED_EV_EXCL_REQUEST) {
		return errmsg_set(e, r, "%s", why_busy(ev));
	}
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		const struct reason *t = &reasons[i];

		if (t->err == -r && (t->type == ev->type || t->type == SCHED_EV_COUNT)) {
			return errmsg_set(e, r, "%s", t->why);
		}
	}
	return errmsg_set(e, r, "%s: %s", sched_event_name((enum sched_event_type)ev->type),
			  strerror(-r));
}

static int run_event(struct dispatch *d, void *arg)
{
	return dispatch_handle(d, arg);
}

int dispatch_event(struct dispatch *d, const struct sched_event *ev, struct errmsg *e)
{
	struct sched_event copy = *ev;
	int r;

	if (!is_request(ev->type)) {
		return errmsg_set(e, -EINVAL, "event %u is not a request", ev->type);
	}
	copy.now_ns = 0; /* it happens when it is handled */
	r = dispatch_command(d, run_event, &copy);
	return r < 0 ? dispatch_explain(r, ev, e) : 0;
}

static int run_go(struct dispatch *d, void *arg)
{
	(void)arg;
	return dispatch_locks_adopt(d);
}

int dispatch_go(struct dispatch *d, struct errmsg *e)
{
	int r;

	r = dispatch_command(d, run_go, NULL);
	return r < 0 ? errmsg_set(e, r, "grants can't be let go: %s", strerror(-r)) : 0;
}

/* A copy of some entries. */
struct copy {
	uint32_t first, n;
	uint64_t seq;
	void *ret;
};

/* The scheduler counts a hold when it ends, and one that is alone on its core may hold it for ever. */
static ns_t running_ns(const struct slot *sl)
{
	struct host_task_times now;

	if (sl->core == SCHED_CORE_NONE || host_task_times(&sl->task, &now) < 0 ||
	    now.run_ns < sl->base.run_ns) {
		return 0;
	}
	return now.run_ns - sl->base.run_ns;
}

int dispatch_vm_copy(struct dispatch *d, uint32_t number, struct dispatch_vm_info *ret)
{
	const struct slot *sl = &d->slots[number];

	*ret = (struct dispatch_vm_info){ .vm.state = SCHED_VM_FREE };
	if (sl->state != SLOT_VM || sched_vm_get(d->s, number, &ret->vm) < 0 ||
	    sched_vcpu_get(d->s, number, host_clock_monotonic_ns(), &ret->vcpu) < 0) {
		return -ENOENT;
	}
	ret->vcpu.cpu_ns += running_ns(sl);
	ret->grants = sl->grants;
	ret->preemptions = sl->preemptions;
	ret->strays = sl->strays;
	ret->forged = sl->forged;
	ret->signals = sl->signals;
	ret->freezes = sl->freezes;
	return 0;
}

static int run_vm_get(struct dispatch *d, void *arg)
{
	struct copy *c = arg;

	return c->first < d->cfg.limits.vms ? dispatch_vm_copy(d, c->first, c->ret) : -ENOENT;
}

int dispatch_vm_get(struct dispatch *d, uint32_t slot, struct dispatch_vm_info *ret)
{
	struct dispatch_vm_info info;
	struct copy c = { .first = slot, .ret = &info };
	int r;

	r = dispatch_command(d, run_vm_get, &c);
	if (r == 0) {
		*ret = info;
	}
	return r;
}

static int run_vms_get(struct dispatch *d, void *arg)
{
	struct copy *c = arg;
	struct dispatch_vm_info *ret = c->ret;
	uint32_t n = 0;

	while (n < c->n && n < COPY_MAX && c->first + n < d->top) {
		(void)dispatch_vm_copy(d, c->first + n, &ret[n]);
		n++;
	}
	return (int)n;
}

uint32_t dispatch_vms_get(struct dispatch *d, struct dispatch_vm_info *ret, uint32_t max)
{
	struct copy c = { .n = max, .ret = ret };

	for (;;) {
		int n = dispatch_command(d, run_vms_get, &c);

		if (n == 0) {
			return c.first;
		}
		c.first += (uint32_t)n;
		c.n -= (uint32_t)n;
		c.ret = ret + c.first;
	}
}

static int run_core_get(struct dispatch *d, void *arg)
{
	struct copy *c = arg;
	struct dispatch_core_info *ret = c->ret;
	struct sched_core_info info;
	struct sched_lock l;
	int r;

	r = sched_core_get(d->s, c->first, &info);
	if (r < 0) {
		return r;
	}
	l = sched_lock_unpack(info.lock);
	*ret = (struct dispatch_core_info){ .core = info,
					    .host_core = d->cores[c->first].host_core,
					    .holder = l.owner,
					    .is_exclusive = l.exclusive };
	return 0;
}

int dispatch_core_get(struct dispatch *d, uint16_t core, struct dispatch_core_info *ret)
{
	struct copy c = { .first = core, .ret = ret };

	return dispatch_command(d, run_core_get, &c);
}

static int run_user_get(struct dispatch *d, void *arg)
{
	struct copy *c = arg;

	return sched_user_get(d->s, c->first, c->ret);
}

int dispatch_user_get(struct dispatch *d, uint32_t user, struct sched_user_info *ret)
{
	struct copy c = { .first = user, .ret = ret };

	return dispatch_command(d, run_user_get, &c);
}

static int run_stats_get(struct dispatch *d, void *arg)
{
	struct dispatch_stats *ret = arg;

	sched_stats_get(d->s, &ret->sched);
	ret->wakeups = d->wakeups;
	ret->busy_ns = host_clock_thread_cpu_ns();
	ret->decide_max_ns = d->decide_max_ns;
	pthread_mutex_lock(&d->notice_lock);
	ret->notices_lost = d->notices_lost;
	pthread_mutex_unlock(&d->notice_lock);
	return 0;
}

void dispatch_stats_get(struct dispatch *d, struct dispatch_stats *ret)
{
	(void)dispatch_command(d, run_stats_get, ret);
}

/* Records that the ring has lost meanwhile are skipped. */
static int run_ring_get(struct dispatch *d, void *arg)
{
	struct copy *c = arg;
	struct sched_record *ret = c->ret;
	uint64_t next = sched_ring_next(d->s);
	uint64_t kept = d->cfg.limits.ring;
	uint32_t n = 0;

	if (next > kept && c->seq < next - kept) {
		c->seq = next - kept;
	}
	while (n < c->n && n < COPY_MAX && sched_ring_get(d->s, c->seq, &ret[n]) == 0) {
		c->seq++;
		n++;
	}
	return (int)n;
}

uint32_t dispatch_ring_get(struct dispatch *d, uint64_t *seq, struct sched_record *ret,
			   uint32_t max)
{
	struct copy c = { .n = max, .seq = *seq, .ret = ret };

	for (;;) {
		int n = dispatch_command(d, run_ring_get, &c);

		c.first += (uint32_t)n;
		c.n -= (uint32_t)n;
		c.ret = ret + c.first;
		if (n == 0 || c.n == 0) {
			*seq = c.seq;
			return c.first;
		}
	}
}
