/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every interleaving of events for 3 VMs, 2 cores and 2 users, to a depth, on the real scheduler: after
 * each event the scheduler's own invariants, the full scan and the simulator's referee must agree. States
 * that differ only in absolute times, epochs or counters are visited once.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/sched_internal.h"
#include "sim/monitor.h"
#include "sim/trace.h"

#define VMS	   3
#define CORES	   2
#define USERS	   2
#define SEEN_BITS  24
#define MAX_STATES 6000000u
#define LATE_NS	   0

struct node {
	uint32_t parent;
	struct sched_event event;
};

static struct sched_config cfg;
static struct node *nodes;
static uint32_t n_nodes;
static uint64_t *seen;
static struct sched_out out;
static uint64_t n_tried, n_refused, n_states;
static bool is_last; /* depth: its states need not be kept */

struct place {
	void *mem;
	struct sched *s;
	struct sim_monitor *m;
};

static struct place here, there;

static struct sched_event event(enum sched_event_type type)
{
	return (struct sched_event){ .type = (uint8_t)type, .core = SCHED_CORE_NONE, .gen = 1 };
}

/* ---- what makes two states the same ------------------------------------------------------------- */

static uint64_t hash;

static void add(uint64_t v)
{
	hash = (hash ^ v) * 0x9e3779b97f4a7c15ULL;
	hash ^= hash >> 31;
}

static uint64_t from_now(const struct sched *s, ns_t t)
{
	return t == SCHED_NEVER ? t : t - s->now_ns;
}

static void hash_core(const struct sched *s, uint32_t i)
{
	const struct core *c = sched_core(s, i);

	add((uint64_t)c->owner << 32 | c->next);
	add((uint64_t)c->excl << 32 | (uint64_t)c->step << 16 | (uint64_t)c->reason << 8 |
	    (uint64_t)c->is_online << 4 | (uint64_t)c->is_off << 3 | (uint64_t)c->is_fast << 2 |
	    (uint64_t)c->is_plain << 1 | (uint64_t)sched_lock_unpack(c->lock).exclusive);
	add(c->timer_ns == SCHED_NEVER ? 0 : from_now(s, c->timer_ns));
	add(c->owner == SCHED_NONE ? 0 : from_now(s, c->deadline_ns) ^ c->budget_ns);
}

static void hash_vcpu(const struct sched *s, uint32_t i)
{
	const struct vcpu *v = sched_vcpu(s, i);
	const struct vm *m = sched_vm(s, v->vm);

	add((uint64_t)v->state << 40 | (uint64_t)v->level << 32 | (uint64_t)v->flags << 24 |
	    (uint64_t)m->state << 16 | (uint64_t)m->list << 8 | (uint64_t)m->fault);
	add((uint64_t)v->core << 32 | v->excl);
	add((uint64_t)(uint32_t)v->credit_ns << 32 | (uint64_t)m->is_frozen << 2 |
	    (uint64_t)m->is_counted << 1 | (uint64_t)m->is_adopting);
	add(v->state == SCHED_VCPU_READY ? from_now(s, v->since_ns) ^ v->next : 0);
	add(m->list ? from_now(s, m->due_ns) : 0);
}

static uint64_t state_hash(const struct sched *s)
{
	hash = 1;
	for (uint32_t i = 0; i < CORES; i++) {
		hash_core(s, i);
	}
	for (uint32_t i = 0; i < VMS; i++) {
		hash_vcpu(s, i);
	}
	for (uint32_t i = 0; i < USERS; i++) {
		add(sched_user(s, i)->is_banned);
	}
	add((uint64_t)s->lowered << 32 | s->cap_cfg);
	add(s->has_more);
	return hash ? hash : 1;
}

static bool is_new(uint64_t h)
{
	uint64_t mask = (1ULL << SEEN_BITS) - 1;

	for (uint64_t i = h & mask;; i = (i + 1) & mask) {
		if (seen[i] == h) {
			return false;
		}
		if (!seen[i]) {
			seen[i] = h;
			return true;
		}
	}
}

/* ---- running ------------------------------------------------------------------------------------ */

static unsigned int step(struct place *p, const struct sched_event *ev, int *ret_r)
{
	struct sched_stats stats;
	unsigned int v = sim_trace_handle(p->s, ev, &out, ret_r);

	if (v != SIM_FINE || *ret_r < 0) {
		return v;
	}
	v = (unsigned int)sim_monitor_event(p->m, ev, &out, out.n, p->s);
	sched_stats_get(p->s, &stats);
	if (v == SIM_FINE && stats.violations) {
		v = stats.last_violation;
	}
	return v == SIM_FINE ? (unsigned int)sched_check_full(p->s) : v;
}

static void must(struct place *p, struct sched_event ev)
{
	int r;

	if (step(p, &ev, &r) != SIM_FINE || r < 0) {
		printf("the start state cannot be made: %s\n", strerror(-r));
		exit(1);
	}
}

static void set_up(struct place *p)
{
	struct sched_event ev;

	p->mem = aligned_alloc(64, sched_size(&cfg));
	p->m = sim_monitor_new(&cfg, LATE_NS);
	if (!p->mem || !p->m) {
		exit(1);
	}
	p->s = sched_init(p->mem, &cfg);
	for (uint32_t i = 0; i < USERS; i++) {
		ev = event(SCHED_EV_USER_ADD);
		ev.user = i;
		ev.quota = (struct sched_quota){ .vcpus = 2, .excl = 1, .slice_sum_ns = NS_PER_S };
		must(p, ev);
	}
	for (uint32_t i = 0; i < VMS; i++) {
		ev = event(SCHED_EV_VM_ADD);
		ev.vm = i;
		ev.user = i % USERS;
		ev.prio = i == 2 ? 4 : 3;
		ev.slice_ns = NS_PER_MS;
		must(p, ev);
		ev = event(SCHED_EV_VCPU_ADD);
		ev.vm = ev.vcpu = i;
		must(p, ev);
		ev = event(SCHED_EV_VM_START);
		ev.vm = i;
		must(p, ev);
	}
}

static void show_path(uint32_t node, const struct sched_event *last, unsigned int verdict)
{
	struct sched_event path[64];
	int n = 0;

	printf("%s after:\n", sim_verdict_name(verdict));
	path[n++] = *last;
	for (uint32_t i = node; i && n < 64; i = nodes[i].parent) {
		path[n++] = nodes[i].event;
	}
	while (n-- > 0) {
		sim_trace_print_event(&path[n], stdout);
	}
}

static void copy(struct place *to, const struct place *from)
{
	memcpy(to->mem, from->mem, sched_size(&cfg));
	sim_monitor_copy(to->m, from->m);
}

/* Take the event from where we are; remember where it leads. false: a mistake was found. */
static bool explore(uint32_t node, struct sched_event ev)
{
	unsigned int v;
	int r;

	copy(&there, &here);
	ev.now_ns = ev.now_ns ? ev.now_ns : sched_now(here.s);
	v = step(&there, &ev, &r);
	n_tried++;
	if (v != SIM_FINE) {
		show_path(node, &ev, v);
		return false;
	}
	if (r < 0) {
		n_refused++;
		return true;
	}
	if (!is_new(state_hash(there.s))) {
		return true;
	}
	n_states++;
	if (!is_last && n_nodes < MAX_STATES) {
		nodes[n_nodes++] = (struct node){ .parent = node, .event = ev };
	}
	return true;
}

static bool explore_grant(uint32_t node, uint32_t vcpu)
{
	const struct vcpu *v = sched_vcpu(here.s, vcpu);
	const struct core *c = sched_core(here.s, v->core);
	struct sched_event ev = event(SCHED_EV_STOPPED);
	bool ok = true;

	if (v->state != SCHED_VCPU_RUNNING && v->state != SCHED_VCPU_NEXT) {
		return true;
	}
	ev.vcpu = vcpu;
	ev.core = v->core;
	ev.epoch = v->state == SCHED_VCPU_RUNNING ? c->epoch : c->next_epoch;
	ev.cpu_ns = v->state == SCHED_VCPU_RUNNING ? sched_now(here.s) - c->hold_since_ns : 0;
	for (uint8_t why = 0; ok && why < SCHED_WHY_COUNT; why++) {
		ev.why = why;
		ok = explore(node, ev);
	}
	ev.why = 0;
	ev.type = SCHED_EV_SAMPLE;
	ok = ok && explore(node, ev);
	ev.stolen_ns = NS_PER_MS;
	ok = ok && explore(node, ev);
	ev.type = SCHED_EV_FORGED;
	ok = ok && explore(node, ev);
	ev.type = SCHED_EV_STOPPED;
	ev.epoch--; /* a late park of an earlier grant */
	return ok && explore(node, ev);
}

static bool explore_vm(uint32_t node, uint32_t vm)
{
	static const enum sched_event_type types[] = {
		SCHED_EV_VM_PAUSE,     SCHED_EV_VM_RESUME,    SCHED_EV_VM_KILL,
		SCHED_EV_VM_DIED,      SCHED_EV_VM_FROZEN,    SCHED_EV_WOKEN,
		SCHED_EV_ROGUE,	       SCHED_EV_EXCL_REQUEST, SCHED_EV_EXCL_RELEASE,
		SCHED_EV_VM_REMOVE,
	};
	struct sched_event ev = event(SCHED_EV_VM_UPDATE);
	bool ok = explore_grant(node, vm);

	ev.vm = vm;
	ev.mask = SCHED_UPDATE_PRIO;
	ev.prio = 5;
	ev.slice_ns = NS_PER_MS;
	ok = ok && explore(node, ev);
	for (size_t i = 0; ok && i < ARRAY_SIZE(types); i++) {
		/* ROGUE of one that may run, or is dead, is refused; one that sleeps is believed. */
		ev = event(types[i]);
		ev.vm = ev.vcpu = vm;
		ok = explore(node, ev);
	}
	return ok;
}

static bool explore_rest(uint32_t node)
{
	struct sched_event ev = event(SCHED_EV_TICK);
	bool ok = true;

	ev.now_ns = sched_next_timer(here.s);
	if (ev.now_ns != SCHED_NEVER) {
		ok = explore(node, ev);
	}
	for (uint16_t i = 0; ok && i < CORES; i++) {
		ev = event(SCHED_EV_CORE_OFFLINE);
		ev.core = i;
		ok = explore(node, ev);
		ev.type = SCHED_EV_CORE_ONLINE;
		ok = ok && explore(node, ev);
		ev.type = SCHED_EV_EXCL_RECLAIM;
		ok = ok && explore(node, ev);
	}
	for (uint32_t i = 0; ok && i < USERS; i++) {
		ev = event(SCHED_EV_USER_BAN);
		ev.user = i;
		ok = explore(node, ev);
		ev.type = SCHED_EV_USER_UNBAN;
		ok = ok && explore(node, ev);
	}
	ev = event(SCHED_EV_EXCL_CAP);
	ev.arg = 0;
	ok = ok && explore(node, ev);
	ev.arg = SCHED_CAP_HALF;
	return ok && explore(node, ev);
}

/* Go to a node: from the start, along its path. */
static void go_to(const struct place *start, uint32_t node)
{
	uint32_t path[64];
	int n = 0;

	for (uint32_t i = node; i; i = nodes[i].parent) {
		path[n++] = i;
	}
	copy(&here, start);
	while (n-- > 0) {
		int r;

		(void)step(&here, &nodes[path[n]].event, &r);
	}
}

static bool expand(const struct place *start, uint32_t node)
{
	bool ok = true;

	go_to(start, node);
	for (uint32_t i = 0; ok && i < VMS; i++) {
		ok = explore_vm(node, i);
	}
	return ok && explore_rest(node);
}

int main(int argc, char **argv)
{
	unsigned long depth = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
	struct place start;
	uint32_t from = 0;

	sched_config_defaults(&cfg);
	cfg.limits = (struct sched_limits){ .cores = CORES, .users = USERS, .vms = VMS, .vcpus = VMS };
	cfg.cores_online = CORES;
	cfg.checks = true;
	nodes = calloc(MAX_STATES, sizeof(*nodes));
	seen = calloc(1ULL << SEEN_BITS, sizeof(*seen));
	if (!nodes || !seen) {
		printf("out of memory\n");
		return 1;
	}
	set_up(&start);
	set_up(&here);
	set_up(&there);
	n_nodes = 1;
	n_states = 1;
	is_new(state_hash(start.s));
	for (unsigned long d = 1; d <= depth; d++) {
		uint32_t to = n_nodes;

		is_last = d == depth;
		for (uint32_t i = from; i < to; i++) {
			if (!expand(&start, i)) {
				return 1;
			}
		}
		from = to;
		printf("depth %lu: %" PRIu64 " states, %" PRIu64 " events tried, %" PRIu64 " refused\n", d,
		       n_states, n_tried, n_refused);
		if (n_nodes == MAX_STATES) {
			printf("no room for more states\n");
			return 1;
		}
	}
	return 0;
}
