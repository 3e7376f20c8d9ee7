/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is promised on this host and what is not, in plain words (docs/partition.md). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "daemon/partition/partition_internal.h"
#include "host/text.h"

/* The fair server came with Linux 6.12. */
#define FAIR_SERVER_MAJOR 6u
#define FAIR_SERVER_MINOR 12u

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

static bool has_fair_server(void)
{
	struct utsname u;
	unsigned int major;
	unsigned int minor;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > FAIR_SERVER_MAJOR ||
		(major == FAIR_SERVER_MAJOR && minor >= FAIR_SERVER_MINOR));
}

/* The run time per second that the fair server keeps for ordinary tasks on a pool core; -1: unknown. */
static long fair_server_ns(const struct partition *p)
{
	char text[32];
	char *end;
	long v;

	if (host_text_read(text, sizeof(text),
			   "%s/sys/kernel/debug/sched/fair_server/cpu%u/runtime", p->root,
			   p->roles.pool[0]) <= 0) {
		return -1;
	}
	v = strtol(text, &end, 10);
	return *end ? -1 : v;
}

static void add_gap(struct list *l)
{
	static const char name[] = "no gap for ordinary tasks in real-time";
	long ns = fair_server_ns(l->p);
	char text[32];

	if (!partition_fifo_prio(l->p)) {
		add(l, name, false, "VM threads have no real-time priority here");
	} else if (has_fair_server() && ns == 0) {
		add(l, name, true, "the fair server of the pool cores is switched off");
	} else if (has_fair_server()) {
		add(l, name, false,
		    "an ordinary task that wants a pool core gets %s there (fair server)%s",
		    ns > 0 ? "a share of each second" : "about 50 ms of each second",
		    l->p->backend == PARTITION_ISOLATED ? "; here only kernel threads can" : "");
	} else if (host_text_read(text, sizeof(text), "%s/proc/sys/kernel/sched_rt_runtime_us",
				  l->p->root) > 0 &&
		   strcmp(text, "-1") == 0) {
		add(l, name, true, "real-time throttling is off (sched_rt_runtime_us is -1)");
	} else {
		add(l, name, false,
		    "the kernel stops real-time threads for a share of each second "
		    "(sched_rt_runtime_us)");
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
		    ? "a partition's threads must belong to the root cgroup; sealed guest memory "
		      "and resource limits bound it"
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
