/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is promised on this host and what is not, in plain words (docs/partition.md). */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/partition/partition_internal.h"

struct list {
	const struct partition *p;
	struct partition_guarantee *g;
	uint32_t n;
};

__attribute__((format(printf, 4, 5))) static void add(struct list *l, const char *name, bool holds,
						      const char *why, ...)
{
	struct partition_guarantee *g = &l->g[l->n++];
	va_list ap;

	g->name = name;
	g->holds = holds;
	va_start(ap, why);
	vsnprintf(g->why, sizeof(g->why), why, ap);
	va_end(ap);
}

static bool has_own_pool(const struct partition *p)
{
	return !p->roles.guests_lowest;
}

static void add_chores(struct list *l)
{
	static const char name[] = "no chore of Pinfold on pool cores";
	const struct sched_roles *r = &l->p->roles;

	if (r->control == r->housekeeping) {
		add(l, name, true, "all threads of the daemon are bound to core %u", r->control);
	} else {
		add(l, name, true, "all threads of the daemon are bound to cores %u and %u",
		    r->control, r->housekeeping);
	}
}

static void add_places(struct list *l)
{
	const struct partition *p = l->p;
	bool is_walled = p->backend == PARTITION_ISOLATED || p->backend == PARTITION_CPUSET;

	if (has_own_pool(p)) {
		add(l, "no vCPU on control or housekeeping cores", true,
		    "vCPU threads are only ever placed on pool cores");
		add_chores(l);
	} else {
		add(l, "no vCPU on control or housekeeping cores", false,
		    "core %u is the only one: all roles share it", p->roles.control);
		add(l, "no chore of Pinfold on pool cores", false,
		    "core %u is the only one: all roles share it", p->roles.control);
	}
	add(l, "VM threads can't leave their cores", true, "%s",
	    !is_walled ? "seccomp refuses sched_setaffinity to a VM process; no cpuset backs it up"
	    : p->backend == PARTITION_ISOLATED
		    ? "seccomp refuses sched_setaffinity; a vCPU thread's cgroup holds pool cores "
		      "only"
	    : p->roles.control == p->roles.housekeeping
		    ? "seccomp refuses sched_setaffinity; the VMs' cpuset holds no foreign core"
		    : "seccomp refuses sched_setaffinity; the VMs' cpuset lacks the control core");
}

static void add_foreign(struct list *l)
{
	static const char *const why[PARTITION_BACKENDS] = {
		"no other cgroup has these cores; only root can move a task into this one",
		"a v1 cpuset binds our own tasks; others may use the pool and are counted",
		"any task may use the pool; what is not ours is counted",
		"any task may use the pool; what can be seen and is not ours is counted",
	};

	add(l, "no foreign user task on pool cores", l->p->backend == PARTITION_ISOLATED, "%s",
	    why[l->p->backend]);
	add(l, "no kernel thread on pool cores", false, "%s",
	    "the kernel's threads that belong to a core run on it: timers, RCU, kworkers; counted");
}

#define GAP_BYTES 128

/* Where it can't be read it is as the kernel makes it: 50 ms of each second. "": no gap by it */
static void describe_fair(const struct partition_fair *f, char ret[GAP_BYTES])
{
	const struct host_fair *most = &f->now.most;
	int error = f->error < 0 ? f->error : f->now.error;

	ret[0] = '\0';
	if (f->now.error == -ENOTSUP || (f->now.error == 0 && most->runtime_ns == 0)) {
		return;
	}
	if (f->now.error < 0) {
		snprintf(ret, GAP_BYTES, "some 50 ms/s (fair server: %s)",
			 partition_fair_why(error));
	} else {
		snprintf(ret, GAP_BYTES, "%.3g of each %.4g ms (fair server%s%s)",
			 (double)most->runtime_ns / 1e6, (double)most->period_ns / 1e6,
			 f->is_set   ? ", set by pinfoldd"
			 : error < 0 ? ", can't be set: "
				     : "",
			 error < 0 ? partition_fair_why(error) : "");
	}
}

static void describe_throttle(const struct partition_fair *f, char ret[GAP_BYTES])
{
	const char *why = f->throttle_error < 0 ? strerror(-f->throttle_error) : NULL;

	ret[0] = '\0';
	if (f->throttle_now_error < 0) {
		snprintf(ret, GAP_BYTES, "for an unknown time to throttling (%s)",
			 strerror(-f->throttle_now_error));
	} else if (f->throttle.is_in_force) {
		snprintf(ret, GAP_BYTES,
			 "for %.3g ms/s to real-time throttling, wanted or not%s%.40s",
			 (double)host_throttle_ns_per_s(&f->throttle) / 1e6,
			 why ? "; can't be ended: " : "", why ? why : "");
	}
}

static void add_gap(struct list *l)
{
	static const char name[] = "no gap in the real-time of pool cores";
	bool is_isolated = l->p->backend == PARTITION_ISOLATED;
	struct partition_fair f;
	char fair[GAP_BYTES];
	char throttle[GAP_BYTES];

	partition_fair_get(l->p, &f);
	describe_fair(&f, fair);
	describe_throttle(&f, throttle);
	if (!partition_fifo_prio(l->p)) {
		add(l, name, false, "VM threads have no real-time priority here");
	} else if (fair[0] || throttle[0]) {
		add(l, name, false, "a core goes %s%s%s%s%s", throttle,
		    throttle[0] && fair[0] ? ", and " : "",
		    fair[0] ? "to ordinary tasks that want it for " : "", fair,
		    fair[0] && is_isolated ? "; here only kernel threads can" : "");
	} else {
		add(l, name, true, "the kernel takes nothing from VMs%s",
		    f.is_set || f.is_throttle_set
			    ? ", as pinfoldd was told: kernel threads of a pool core may starve"
			    : "");
	}
}

static void add_fifo(struct list *l)
{
	const struct partition *p = l->p;
	int prio = partition_fifo_prio(p);

	if (prio) {
		add(l, "real-time priority for VM threads", true,
		    "SCHED_FIFO %d was tried and works", prio);
	} else if (p->roles.guests_lowest) {
		add(l, "real-time priority for VM threads", false,
		    "guests share the only core with the daemon and must not starve it");
	} else if (p->probe.fifo_error) {
		add(l, "real-time priority for VM threads", false, "the kernel refuses it: %s",
		    strerror(-p->probe.fifo_error));
	} else {
		add(l, "real-time priority for VM threads", false,
		    "the back-end ordinary does without");
	}
}

static void add_smt(struct list *l)
{
	const struct sched_roles *r = &l->p->roles;
	uint32_t among = 0;

	for (uint32_t i = 0; i < r->n_pool; i++) {
		among += r->rank[i] == 1;
	}
	if (r->n_smt_shared || !has_own_pool(l->p)) {
		add(l, "pool cores share no physical core with control", false,
		    "%u pool cores are SMT siblings of the control or housekeeping core",
		    r->n_smt_shared);
	} else {
		add(l, "pool cores share no physical core with control", true,
		    "as the kernel tells; inside a virtual machine the hypervisor may know better");
	}
	if (among) {
		add(l, "guests share no physical core", false,
		    "%u pool cores have a sibling in the pool: caches and timing are shared",
		    among);
	} else {
		add(l, "guests share no physical core", r->n_smt_shared == 0,
		    "no pool core has a sibling in the pool");
	}
}

static void add_memory(struct list *l)
{
	bool is_isolated = l->p->backend == PARTITION_ISOLATED;

	add(l, "a VM's memory is bounded by a cgroup of its own", !is_isolated, "%s",
	    is_isolated
		    ? "its vCPU is in the partition, so its memory is the root group's; a limit of "
		      "the process bounds it, at the same size"
		    : "where doctor shows a cgroup memory limit");
}

uint32_t partition_guarantees(const struct partition *p,
			      struct partition_guarantee ret[PARTITION_GUARANTEES_MAX])
{
	struct list l = { .p = p, .g = ret };

	add_places(&l);
	add_foreign(&l);
	add_fifo(&l);
	add_gap(&l);
	add_smt(&l);
	add_memory(&l);
	return l.n;
}
