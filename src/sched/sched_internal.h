/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of the scheduler, shared by the files of this room. One block: struct sched, then the arrays at
 * the offsets in it. Links are numbers, SCHED_NONE ends a list.
 */
#ifndef PINFOLD_SCHED_INTERNAL_H
#define PINFOLD_SCHED_INTERNAL_H

#include <errno.h>
#include <string.h>

#include "base/bug.h"
#include "sched/sched.h"

/* Timers and VMs dealt with per event; what is left makes the next timer due at once. */
#define TIMERS_PER_EVENT 8
#define SHEDS_PER_EVENT	 8
/* SCHED_CORES_MAX cores, eight to a line (timer.c). */
#define TIMER_LEVELS_MAX 4
/* Peaks of the ready count and lows of the core count, per aging step (check.c). */
#define WINDOW_SLOTS 64

/* The most that a vCPU owes for what it overran, in slices; it fits in vcpu.credit_ns. */
#define DEBT_SLICES_MAX 8

enum vcpu_flag {
	VCPU_HALT = 1,	  /* its VM is not in state RUN */
	VCPU_BLOCKED = 2, /* wants nothing until woken; kept while paused */
	VCPU_WOKEN = 4,	  /* woken before it was seen to have blocked */
	VCPU_LIMIT = 8,	  /* its VM has a CPU time limit */
	VCPU_FROZEN = 16, /* its VM must be thawed before it can run */
};

/* Where a core stands between a grant and the park. */
enum core_step {
	STEP_NONE,     /* no owner, or an exclusive one: no timer */
	STEP_RUN,      /* timer: name the successor */
	STEP_DUE,      /* timer: the deadline and its grace are over */
	STEP_SAMPLED,  /* timer: no answer about its CPU clock */
	STEP_REVOKED,  /* timer: it ignores the revoke flag */
	STEP_SIGNALED, /* timer: it ignores the signal, or can't obey */
	STEP_ACCUSED,  /* timer: no answer about whether it could have obeyed */
	STEP_HELD,     /* its VM is being frozen or killed: the VM's timer rules */
};

/* One cache line: what a decision touches. */
struct vcpu {
	uint32_t next, prev;
	ns_t since_ns; /* joined its level; orders the queue */
	ns_t cpu_ns;
	ns_t wait_ns;
	uint32_t vm;
	uint32_t sibling;  /* next vCPU of the VM */
	int32_t credit_ns; /* owed by (or to, when negative) the host: changes the next budget */
	uint32_t slice_ns;
	uint16_t core; /* where it runs or ran last */
	uint16_t excl; /* its exclusive core, or SCHED_CORE_NONE */
	uint8_t state; /* enum sched_vcpu_state */
	uint8_t level;
	uint8_t flags; /* enum vcpu_flag */
	uint8_t pad;
	uint32_t slices;
	uint32_t gen;
};

enum vm_list { VM_LIST_NONE, VM_LIST_FREEZE, VM_LIST_KILL };

struct vm {
	uint32_t user;
	uint32_t gen;
	uint32_t first; /* vCPU */
	uint32_t user_next, user_prev;
	uint32_t next, prev; /* freeze or kill list */
	ns_t due_ns;	     /* in that list */
	ns_t slice_ns, limit_ns;
	uint8_t state; /* enum sched_vm_state */
	uint8_t prio;
	uint8_t list;	 /* enum vm_list */
	uint8_t fault;	 /* enum sched_reason */
	bool is_counted; /* against the quotas */
	bool is_frozen;
	bool is_adopting; /* paused only until it is frozen */
	uint8_t n_vcpus;
};

struct user {
	struct sched_quota quota;
	struct sched_quota allowed; /* quota, or what it had when the quota was lowered */
	uint32_t vcpus, excl;
	ns_t slice_sum_ns;
	uint32_t first;	   /* VM */
	uint32_t cursor;   /* next VM to kill because of a ban */
	uint32_t ban_next; /* user */
	bool exists, is_banned, in_ban_list;
};

struct core {
	uint64_t lock;
	uint64_t epoch;	     /* of the owner's grant */
	uint64_t next_epoch; /* of the successor's */
	ns_t grant_ns, deadline_ns, budget_ns;
	ns_t repay_ns;	      /* part of the budget that makes up for stolen time */
	ns_t planned_ns;      /* when the successor should have got the core */
	ns_t signaled_ns;     /* when the owner was last sent a signal */
	ns_t timer_ns;	      /* SCHED_NEVER: no timer */
	uint32_t owner, next; /* as in the lock */
	uint32_t excl;	      /* vCPU whose core it is, or SCHED_NONE */
	uint64_t excl_seq;
	uint8_t step;	/* enum core_step */
	uint8_t reason; /* why it is being taken back */
	uint8_t rank;
	bool is_online;
	bool is_off; /* offline and reported so */
	bool is_fast;
	bool is_adopted; /* the grant is from before a restart: its epoch is not known in full */
	bool is_passing; /* the owner before has stopped; sched_core_settle() is still to come */
	bool is_plain;	 /* budget_ns covers the whole time since it got the core */
	uint64_t switches, waits, holds;
	ns_t wait_ns, wait_max_ns, hold_ns, hold_max_ns, stolen_ns;
	ns_t hold_since_ns;
};

struct level {
	uint32_t head, tail;
};

struct window_slot {
	uint32_t ready_peak, cores_min;
};

struct sched {
	struct sched_config cfg;
	ns_t now_ns;
	uint32_t off_cores, off_vcpus, off_vms, off_users, off_timers, off_idle, off_stolen,
		off_ring;
	uint32_t n_idle, idle_words;
	uint32_t timer_levels;
	uint32_t timer_level[TIMER_LEVELS_MAX]; /* where each begins, from the leaves up */
	ns_t timer_first_ns;			/* SCHED_NEVER: none is set */
	uint32_t online, shared, excl;
	uint32_t lowered; /* taken from the cap because of waits */
	uint32_t cap_cfg; /* as configured, or SCHED_CAP_HALF */
	uint32_t ready;
	uint32_t nexts;	     /* vCPUs that are named as successors */
	uint64_t last_epoch; /* the last one given out, to any core */
	uint32_t ban_head;
	uint32_t list_head[3], list_tail[3]; /* by enum vm_list */
	uint64_t excl_seq;
	ns_t policy_at_ns; /* SCHED_NEVER: nothing to watch */
	ns_t slice_peak_ns;
	bool is_held;		   /* DISPATCH 0 */
	bool has_more;		   /* out was full: go on at the next tick, which is due now */
	ns_t key_ns[SCHED_LEVELS]; /* of each level's head; NEVER: empty */
	struct level level[SCHED_LEVELS];
	struct sched_stats stats;
	/* only with cfg.checks */
	enum sched_violation broken; /* found while the event was applied */
	ns_t stolen_ns;
	ns_t open_ns; /* since when vCPUs are dispatched */
	ns_t window_end_ns;
	uint64_t window_id;
	uint32_t ever_ready_peak, ever_cores_min;
	uint32_t ever_top_level;
	struct window_slot window[WINDOW_SLOTS];
	uint64_t ring_next;
	struct sched_out *out; /* only while an event is handled */
};

static inline void *sched_at(const struct sched *s, size_t off)
{
	/* The block is the caller's own writable memory; const says that we leave it alone. */
	return (void *)((uintptr_t)s + off);
}

static inline struct core *sched_core(const struct sched *s, uint32_t i)
{
	return (struct core *)sched_at(s, s->off_cores) + i;
}

static inline struct vcpu *sched_vcpu(const struct sched *s, uint32_t i)
{
	return (struct vcpu *)sched_at(s, s->off_vcpus) + i;
}

static inline struct vm *sched_vm(const struct sched *s, uint32_t i)
{
	return (struct vm *)sched_at(s, s->off_vms) + i;
}

static inline struct user *sched_user(const struct sched *s, uint32_t i)
{
	return (struct user *)sched_at(s, s->off_users) + i;
}

static inline uint64_t *sched_idle_map(const struct sched *s)
{
	return sched_at(s, s->off_idle);
}

/* emit.c: actions */
struct sched_action *sched_emit(struct sched *s, enum sched_action_type type,
				enum sched_reason why);
void sched_emit_vm(struct sched *s, enum sched_action_type type, enum sched_reason why,
		   uint32_t vm);
struct sched_action *sched_emit_core(struct sched *s, enum sched_action_type type,
				     enum sched_reason why, uint32_t core, uint32_t vcpu);

/* queue.c: ready vCPUs */
void sched_queue_push(struct sched *s, uint32_t vcpu);
void sched_queue_push_front(struct sched *s, uint32_t vcpu);
void sched_queue_remove(struct sched *s, uint32_t vcpu);
void sched_queue_move(struct sched *s, uint32_t vcpu, uint8_t level);
uint32_t sched_queue_pop(struct sched *s);
ns_t sched_queue_oldest(const struct sched *s);

/* timer.c: one timer per core */
size_t sched_timer_lay_out(struct sched *s, uint32_t cores); /* @return how many times */
void sched_timer_init(struct sched *s);
void sched_timer_set(struct sched *s, uint32_t core, ns_t at_ns);
void sched_timer_clear(struct sched *s, uint32_t core);
uint32_t sched_timer_first(const struct sched *s); /* one must be set */
bool sched_timer_is_right(const struct sched *s);

/* core.c: grants, hand-off, taking back */
void sched_core_idle_update(struct sched *s, uint32_t core);
void sched_core_pass(struct sched *s, uint32_t core, ns_t cpu_ns);
void sched_core_settle(struct sched *s, uint32_t core);
void sched_core_withdraw(struct sched *s, uint32_t core);
void sched_core_take_back(struct sched *s, uint32_t core, enum sched_reason why, bool fast);
void sched_core_timer(struct sched *s, uint32_t core);
void sched_core_sampled(struct sched *s, uint32_t core, ns_t stolen_ns);
void sched_core_make_exclusive(struct sched *s, uint32_t core);
void sched_core_make_shared(struct sched *s, uint32_t core);
void sched_core_drop_right(struct sched *s, uint32_t core);
void sched_core_adopt(struct sched *s, uint32_t core, uint64_t word);
void sched_core_dispatch(struct sched *s);

/* vcpu.c: where a vCPU goes */
void sched_vcpu_ready(struct sched *s, uint32_t vcpu);
void sched_vcpu_park(struct sched *s, uint32_t vcpu, bool ran);
/* It is ready no more, with or without having run. */
void sched_vcpu_wait_over(struct sched *s, uint32_t vcpu);
void sched_vcpu_stopped(struct sched *s, const struct sched_event *ev);
void sched_vcpu_gone(struct sched *s, uint32_t vcpu, enum sched_vcpu_state state);
/* What it would get now; and the same as it gets it: what it owes is less by what it pays with it. */
ns_t sched_vcpu_budget(const struct sched *s, uint32_t vcpu);
ns_t sched_vcpu_take_budget(struct sched *s, uint32_t vcpu);

/* vm.c: VMs as a whole */
ns_t sched_vm_cpu(const struct sched *s, uint32_t vm);
void sched_vm_run(struct sched *s, uint32_t vm);
void sched_vm_halt(struct sched *s, uint32_t vm, enum sched_vm_state state);
void sched_vm_freeze(struct sched *s, uint32_t vm, enum sched_reason why);
void sched_vm_kill(struct sched *s, uint32_t vm, enum sched_reason why);
void sched_vm_fault(struct sched *s, uint32_t vm, enum sched_reason why);
void sched_vm_timers(struct sched *s);
ns_t sched_vm_next_timer(const struct sched *s);
void sched_vm_frozen(struct sched *s, uint32_t vm);
void sched_vm_died(struct sched *s, uint32_t vm);

/* excl.c: exclusive cores */
void sched_excl_apply_request(struct sched *s, uint32_t vcpu, uint32_t core);
uint32_t sched_excl_pick(const struct sched *s);
void sched_excl_drop(struct sched *s, uint32_t core, enum sched_reason why);
void sched_excl_policy(struct sched *s);
void sched_excl_watch(struct sched *s);

/* check_event.c and apply.c: the two halves of a command */
int sched_check_event(const struct sched *s, const struct sched_event *ev);
void sched_apply_event(struct sched *s, const struct sched_event *ev);

/* check.c: invariants */
enum sched_violation sched_check_touched(struct sched *s, const struct sched_event *ev);
void sched_check_begin(struct sched *s);
void sched_check_window(struct sched *s);
void sched_check_count_stolen(struct sched *s, ns_t stolen_ns);
void sched_check_note_late(struct sched *s, uint32_t vcpu, ns_t late_ns);
void sched_check_note_ready(struct sched *s, uint32_t vcpu);
void sched_check_wait(struct sched *s, uint32_t vcpu, ns_t late_ns);

/* ring.c */
void sched_ring_put(struct sched *s, const struct sched_event *ev);

#endif
