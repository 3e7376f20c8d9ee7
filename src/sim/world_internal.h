/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulated machine, shared by the files that make it up. */
#ifndef PINFOLD_SIM_WORLD_INTERNAL_H
#define PINFOLD_SIM_WORLD_INTERNAL_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "sim/monitor.h"
#include "sim/rng.h"
#include "sim/world.h"

/* What can come up on the machine's own clock. */
enum kind {
	K_STOP,	   /* a: vCPU, b: plan */
	K_FORGE,   /* a: vCPU, b: plan */
	K_EVENT,   /* a: slot in the pool, b: daemon that it is meant for */
	K_WAKE,	   /* a: vCPU, b: generation */
	K_FREEZE,  /* a: VM, b: generation */
	K_LEAVE,   /* a: VM, b: generation: killed, off the pool cores */
	K_DIE,	   /* a: VM, b: generation */
	K_RESPAWN, /* a: VM, b: generation */
	K_RESUME,  /* a: VM, b: generation */
	K_UNBAN,   /* a: user */
	K_ONLINE,  /* a: core */
	K_CRASH,
	K_CHURN,
	K_ADMIN,
	K_ROGUE,
	K_JUMP,
	K_OFFLINE,
	K_DAEMON_CRASH,
	K_RESTART,
};

/* 24 bytes, as the queue of a large machine is larger than its cache. */
struct item {
	ns_t at_ns;
	uint64_t order; /* of posting; enum kind in the low eight bits */
	uint32_t a, b;
};

static inline enum kind item_kind(const struct item *it)
{
	return (enum kind)(it->order & 0xff);
}

struct item_array {
	struct item *items;
	size_t n, room;
};

struct queue_node {
	struct item item;
	uint32_t next; /* in its bucket, or free: number + 1 */
};

#define QUEUE_BUCKETS 16384U

/* See heap.c. */
struct queue {
	struct item_array near, far;
	struct queue_node *nodes;
	uint32_t n, room, free, n_wheel;
	uint64_t bucket; /* the present one, counted from time 0 */
	uint32_t head[QUEUE_BUCKETS];
	uint64_t used[QUEUE_BUCKETS / 64];
};

/* What can go wrong with a grant, and with a park. */
enum grant_fault {
	GRANT_HANG = 1,
	GRANT_IGNORE_REVOKE = 2,
	GRANT_FORGE = 4,
	GRANT_LATE = 8,
	GRANT_STEAL = 16,
	GRANT_FAULT = 32,
};

enum park_fault { PARK_STALE = 1, PARK_LOST = 2 };

enum mode { MODE_GOOD, MODE_HANG, MODE_IGNORE_REVOKE, MODE_FORGE };

struct w_vcpu {
	uint32_t vm;
	uint16_t core; /* where it executes or waits behind */
	uint8_t mode;  /* enum mode */
	bool is_exec, is_behind, is_sleeping, is_revoked, is_faulting;
	uint32_t plan;	       /* the stop that is planned now */
	uint64_t epoch;	       /* on its grant page */
	uint64_t parked_epoch; /* it parked from this one, and does not run under it again */
	ns_t budget_ns;	       /* 0: exclusive */
	ns_t held_cpu_ns, held_stolen_ns; /* since it got the core */
	ns_t signaled_stolen_ns;	  /* of that, before it was signalled */
	ns_t since_ns;			  /* executes */
	ns_t steal_ns;			  /* of this stretch */
	ns_t late_ns;
	ns_t burst_ns; /* left until it blocks; NEVER */
	ns_t cpu_ns;   /* all its life */
};

enum db { DB_NONE, DB_CREATED, DB_RUN, DB_PAUSED, DB_FAULTED, DB_KILLED };

struct w_vm {
	uint32_t gen, first, n, user;
	uint32_t accused; /* vCPU that was asked about before a freeze */
	uint8_t cls;
	uint8_t db; /* enum db: what the daemon's store says */
	bool is_dead, is_frozen, wants_excl, is_original;
	uint8_t prio;
	ns_t slice_ns;
};

struct w_core {
	uint64_t word; /* the lock file */
	uint32_t exec, behind;
	bool is_online;
	size_t span; /* open piece of the timeline + 1 */
};

struct world {
	struct sim_options o;
	struct sim_mix mix;
	struct sim_faults f;
	struct sim_odds grant_odds; /* of what enum grant_fault names, in its order */
	struct sim_odds park_odds;  /* enum park_fault */
	struct sched_config cfg;
	struct sim_rng rng;
	void *mem;
	struct sched *s;
	struct sim_monitor *m;
	struct sim_trace *trace;
	struct sched_out out;
	ns_t now_ns;
	int64_t skew_ns; /* the daemon's clock, less the machine's */
	struct queue queue;
	uint64_t seq;
	struct sched_event *pool;
	struct sched_event lost; /* what there was no memory for */
	uint32_t *pool_free;
	uint32_t pool_n, pool_room, pool_free_n;
	struct w_vcpu *vcpus;
	struct w_vm *vms;
	struct w_core *cores;
	bool *banned;
	uint32_t n_users;
	bool is_down, is_crash_armed, is_short; /* of memory */
	bool is_tick_planned;			/* since the last decision */
	uint32_t boot;
	ns_t tick_for_ns, tick_at_ns;
	unsigned int verdict;
	uint64_t decisions, refused, event_hash, restarts, respawns;
	struct sim_span *spans;
	size_t spans_n, spans_room;
	/* events kept to time the scheduler with */
	void *sample_mem;
	struct sched_event *sample;
	uint32_t sample_n;
};

/* heap.c: sim_peek() is good until something is posted; NULL: nothing to come */
void sim_post(struct world *w, ns_t at_ns, enum kind kind, uint32_t a, uint32_t b);
const struct item *sim_peek(struct world *w);
void sim_drop(struct world *w);
void sim_queue_free(struct queue *q);
/* The event is the caller's to fill in, until the next one is posted. */
struct sched_event *sim_post_event(struct world *w, ns_t delay_ns, enum sched_event_type type);
struct sched_event sim_take_event(struct world *w, uint32_t slot);

/* machine.c: threads and cores */
void sim_exec_plan(struct world *w, uint32_t vcpu);
void sim_exec_start(struct world *w, uint32_t vcpu, uint32_t core);
void sim_on_stop(struct world *w, uint32_t vcpu, uint32_t plan);
void sim_on_forge(struct world *w, uint32_t vcpu, uint32_t plan);
void sim_on_wake(struct world *w, uint32_t vcpu);
void sim_on_freeze(struct world *w, uint32_t vm);
void sim_on_leave(struct world *w, uint32_t vm);
void sim_on_die(struct world *w, uint32_t vm);
void sim_tell_death(struct world *w, uint32_t vm, bool surely);
void sim_draw_mode(struct world *w, uint32_t vcpu);

/* keeper.c: the daemon */
int sim_feed(struct world *w, struct sched_event *ev);
void sim_tell_users(struct world *w);
void sim_daemon_restart(struct world *w);

/* habits.c: who lives here and what happens to them */
void sim_populate(struct world *w);
void sim_on_chance(struct world *w, enum kind kind, uint32_t a, uint32_t b);

static inline struct sched_event sim_event(enum sched_event_type type)
{
	return (struct sched_event){ .type = (uint8_t)type, .core = SCHED_CORE_NONE };
}

static inline void sim_name_vm(const struct world *w, struct sched_event *ev, uint32_t vm)
{
	ev->vm = vm;
	ev->gen = w->vms[vm].gen;
}

static inline void sim_name_vcpu(const struct world *w, struct sched_event *ev, uint32_t vcpu)
{
	ev->vcpu = vcpu;
	ev->gen = w->vms[w->vcpus[vcpu].vm].gen;
	ev->core = w->vcpus[vcpu].core;
	ev->epoch = w->vcpus[vcpu].epoch;
}

static inline struct sched_event sim_vm_event(const struct world *w, enum sched_event_type type,
					      uint32_t vm)
{
	struct sched_event ev = sim_event(type);

	sim_name_vm(w, &ev, vm);
	return ev;
}

static inline struct sched_event sim_vcpu_event(const struct world *w, enum sched_event_type type,
						uint32_t vcpu)
{
	struct sched_event ev = sim_event(type);

	sim_name_vcpu(w, &ev, vcpu);
	return ev;
}

#endif
