/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scheduler: decides which vCPU holds which pool core. Pure: no system call, clock, heap or
 * thread; events go in (time is a field), actions come out (docs/sched.md, docs/design.md section 5).
 *
 *   struct sched_config cfg;            mem = caller's block of sched_size(&cfg) bytes
 *   sched_config_defaults(&cfg);        s = sched_init(mem, &cfg)
 *   for each event:                     r = sched_handle(s, &ev, &out);
 *       0: carry out out.action[0..n) in order;  < 0: the event was refused and changed nothing
 *   no later than sched_next_timer(s):  send SCHED_EV_TICK
 *
 * The state is one block without pointers: it can be copied, hashed and replayed. Numbers of VMs,
 * vCPUs, users and pool cores are chosen by the caller, from 0, below the limits.
 *
 * A core is given away only after an event that says that its holder is known to have stopped:
 * STOPPED, VM_FROZEN or VM_DIED. No timer frees a lock.
 */
#ifndef PINFOLD_SCHED_SCHED_H
#define PINFOLD_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "sched/lock.h"

#define SCHED_NONE	   UINT32_MAX
#define SCHED_CORE_NONE	   UINT16_MAX
#define SCHED_NEVER	   UINT64_MAX
#define SCHED_LEVELS	   8 /* priorities 0 (least) to 7 */
#define SCHED_PRIO_DEFAULT 3
#define SCHED_SLICE_MIN_NS (500 * NS_PER_US)
#define SCHED_SLICE_MAX_NS (100 * NS_PER_MS)
#define SCHED_SLICE_NS	   (10 * NS_PER_MS)
#define SCHED_CORES_MAX	   1024
#define SCHED_VCPUS_PER_VM 16
/** config.excl_cap: half of the pool's online cores, rounded down. */
#define SCHED_CAP_HALF UINT32_MAX
/** At most so many actions come out of one event. */
#define SCHED_OUT_MAX 192
/** The published bound allows this much beyond its other terms (docs/sched.md, "Bound"). */
#define SCHED_BOUND_SLACK_NS NS_PER_MS

/** How much there may be of everything; fixed at sched_init(). */
struct sched_limits {
	uint32_t cores; /* 1..SCHED_CORES_MAX */
	uint32_t users;
	uint32_t vms;
	uint32_t vcpus; /* at most SCHED_LOCK_VCPUS_MAX */
	uint32_t ring;	/* decisions kept; a power of two, or 0 */
};

/** What a user may have at a time. */
struct sched_quota {
	uint32_t vcpus;	   /* of started VMs that have not ended */
	uint32_t excl;	   /* exclusive cores */
	ns_t slice_sum_ns; /* sum of the slices of those vCPUs: the most CPU time in one round */
};

/** Waits between the steps against a vCPU that does not park. */
struct sched_ladder {
	ns_t grace_ns;	/* after the deadline, before its CPU clock is asked for */
	ns_t sample_ns; /* for the answer, before revoke */
	ns_t revoke_ns; /* for the park, before the signal */
	ns_t signal_ns; /* before the freeze */
};

struct sched_config {
	struct sched_limits limits;
	ns_t aging_step_ns;
	ns_t prewake_lead_ns;  /* the successor is named and woken so long before the deadline, */
	ns_t prewake_slice_ns; /* or at once, in a slice that is no longer than this */
	struct sched_ladder ladder;
	struct sched_ladder fast; /* for a core that is taken back by force */
	ns_t freeze_ns;		  /* for the kernel to confirm a freeze, before the kill */
	ns_t kill_ns;		  /* for the death notice, before the report; repeated */
	uint32_t excl_cap;	  /* cores that may be exclusive, or SCHED_CAP_HALF */
	uint32_t excl_floor;	  /* the cap is never lowered below this because of waits */
	ns_t excl_wait_ns;	  /* a longer wait lowers the cap; 0: never */
	ns_t excl_period_ns;	  /* at most one step per period, either way */
	uint64_t first_epoch;	  /* greater than any that an earlier daemon gave out */
	uint32_t cores_online;	  /* cores 0..n-1 are online at the start */
	bool checks;		  /* check invariants after every event */
};

enum sched_event_type {
	SCHED_EV_TICK,
	/* VMs stop, block and wake: the hot ones */
	SCHED_EV_STOPPED,   /* vcpu gen core epoch; cpu_ns stolen_ns why: known to have stopped */
	SCHED_EV_WOKEN,	    /* vcpu gen: a blocked vCPU has work again */
	SCHED_EV_SAMPLE,    /* vcpu gen core epoch; cpu_ns stolen_ns: answer to SAMPLE, it runs */
	SCHED_EV_FORGED,    /* vcpu gen core epoch: acknowledged a park, yet it runs */
	SCHED_EV_ROGUE,	    /* vcpu gen: seen running without a grant */
	SCHED_EV_VM_FROZEN, /* vm gen: the kernel says that all its threads are frozen */
	SCHED_EV_VM_DIED,   /* vm gen: its process is dead */
	/* life cycle */
	SCHED_EV_VM_ADD,    /* vm gen user prio slice_ns limit_cpu_ns(0: none) */
	SCHED_EV_VCPU_ADD,  /* vcpu vm gen: before VM_START */
	SCHED_EV_VM_START,  /* vm gen: counts against the quotas from now on; not refused for them
			       while dispatch is held: then it has been running all the time */
	SCHED_EV_VM_PAUSE,  /* vm gen */
	SCHED_EV_VM_RESUME, /* vm gen */
	SCHED_EV_VM_KILL,   /* vm gen: also a VM in the fault queue */
	SCHED_EV_VM_REMOVE, /* vm gen: never started, or dead */
	SCHED_EV_VM_UPDATE, /* vm gen; mask of enum sched_update: prio slice_ns limit_cpu_ns */
	/* exclusive cores */
	SCHED_EV_EXCL_REQUEST, /* vcpu gen core (SCHED_CORE_NONE: any) */
	SCHED_EV_EXCL_RELEASE, /* vcpu gen */
	SCHED_EV_EXCL_RECLAIM, /* core: by force */
	SCHED_EV_EXCL_CAP,     /* arg: cores, or SCHED_CAP_HALF */
	/* users and cores */
	SCHED_EV_USER_ADD,     /* user quota */
	SCHED_EV_USER_QUOTA,   /* user quota; what is above a lowered quota stays */
	SCHED_EV_USER_BAN,     /* user: its VMs are killed, its requests refused */
	SCHED_EV_USER_UNBAN,   /* user */
	SCHED_EV_CORE_ONLINE,  /* core; arg: rank (roles.h) */
	SCHED_EV_CORE_OFFLINE, /* core: wanted or seen; CORE_OFF follows */
	SCHED_EV_ADOPT, /* core; arg: lock word found after a restart, while dispatch is held. When it
			   is refused, take the core offline: somebody may be running there */
	SCHED_EV_DISPATCH, /* arg: 0 holds grants back (restart), 1 lets them go; starts as 1 */
	SCHED_EV_COUNT,
};

/** Why a vCPU stopped. */
enum sched_why { SCHED_WHY_SLICE, SCHED_WHY_BLOCKED, SCHED_WHY_FAULT, SCHED_WHY_COUNT };

/** Which fields a VM_UPDATE changes. */
enum sched_update { SCHED_UPDATE_PRIO = 1, SCHED_UPDATE_SLICE = 2, SCHED_UPDATE_LIMIT = 4 };

/** Something that happened. Fields that a type does not name are ignored. */
struct sched_event {
	uint8_t type; /* enum sched_event_type */
	uint8_t why;  /* enum sched_why */
	uint8_t prio;
	uint8_t mask; /* enum sched_update */
	uint16_t core;
	uint16_t pad;
	uint32_t vm;
	uint32_t vcpu;
	uint32_t user;
	uint32_t gen; /* of the VM, chosen by the caller: tells a late notice from a new VM */
	ns_t now_ns;  /* monotonic; a step back is taken as no step */
	union {
		uint64_t epoch;
		uint64_t arg;
		ns_t slice_ns;
	};
	union {
		struct {
			ns_t cpu_ns;	/* consumed since it got the core */
			ns_t stolen_ns; /* runnable but kept waiting by the host since the grant */
		};
		ns_t limit_cpu_ns;
		struct sched_quota quota;
	};
};

enum sched_action_type {
	SCHED_ACT_LOCK,	 /* core: compare-and-swap its word from a to b, before what follows */
	SCHED_ACT_GRANT, /* vcpu core epoch; a = budget_ns, b = deadline_ns (NEVER: exclusive): run,
			      or run on: the budget counts from when it got the core. The epoch is
			      new, but for HANDOFF (that of the PREWAKE) and ROBBED: a vCPU never
			      runs again under an epoch from which it has parked */
	SCHED_ACT_PREWAKE, /* as GRANT: wake it behind the owner, at the same real-time priority */
	SCHED_ACT_REVOKE,  /* vcpu core epoch: set its revoke flag */
	SCHED_ACT_SIGNAL,  /* vcpu core */
	SCHED_ACT_SAMPLE,  /* vcpu core epoch: answer with STOPPED or SAMPLE: since it got the
			      core, or (HUNG) since the last SIGNAL */
	SCHED_ACT_FREEZE,  /* vm: answer with VM_FROZEN */
	SCHED_ACT_THAW,	   /* vm */
	SCHED_ACT_KILL,	   /* vm: move its threads to the housekeeping core, kill; answer VM_DIED */
	SCHED_ACT_AUDIT,   /* vm: no death notice came: look at the process again */
	SCHED_ACT_FAULT,   /* vm: it stands still and belongs into the fault queue; reason */
	SCHED_ACT_CORE_OFF, /* core: nobody holds it any more */
	SCHED_ACT_REPORT,   /* reason; core, vm where they apply */
	SCHED_ACT_COUNT,
};

/** Why an action was taken. */
enum sched_reason {
	SCHED_REASON_NONE,
	SCHED_REASON_IDLE_CORE,	 /* GRANT: the core was idle */
	SCHED_REASON_HANDOFF,	 /* GRANT: the owner before has stopped */
	SCHED_REASON_ALONE,	 /* GRANT: nobody else wants to run */
	SCHED_REASON_ROBBED,	 /* GRANT: the host kept it waiting, it gets the rest */
	SCHED_REASON_EXCLUSIVE,	 /* GRANT, REVOKE: the core was given to a vCPU */
	SCHED_REASON_RELEASED,	 /* GRANT: no longer exclusive */
	SCHED_REASON_SLICE_OVER, /* REVOKE and later steps */
	SCHED_REASON_PAUSE,
	SCHED_REASON_OFFLINE,
	SCHED_REASON_RECLAIM,
	SCHED_REASON_KILL,
	SCHED_REASON_BANNED,
	SCHED_REASON_ADOPTED,	  /* FREEZE: running when the daemon came back */
	SCHED_REASON_HUNG,	  /* SAMPLE, FREEZE, FAULT: ignored revoke and signal */
	SCHED_REASON_FORGED,	  /* FREEZE, FAULT: forged a park */
	SCHED_REASON_ROGUE,	  /* FREEZE, FAULT: ran without a grant */
	SCHED_REASON_GUEST_FAULT, /* FAULT */
	SCHED_REASON_CPU_LIMIT,	  /* FAULT */
	SCHED_REASON_NOT_FROZEN,  /* KILL: the freeze was not confirmed */
	SCHED_REASON_STUCK,	  /* REPORT: killed, but no death notice */
	SCHED_REASON_EXCL_LOST,	  /* REPORT: core offline or reclaimed; the vCPU is shared now */
	SCHED_REASON_CAP_LOWERED, /* REPORT: shared VMs wait too long */
	SCHED_REASON_CAP_RAISED,  /* REPORT */
	SCHED_REASON_VIOLATION,	  /* REPORT: an invariant is broken; a = enum sched_violation */
	SCHED_REASON_COUNT,
};

/** Something to do. Fields that a type does not name are SCHED_NONE or 0. */
struct sched_action {
	uint8_t type;	/* enum sched_action_type */
	uint8_t reason; /* enum sched_reason */
	uint16_t core;
	uint32_t vcpu;
	uint32_t vm;
	uint32_t gen;
	uint64_t epoch;
	uint64_t a, b;
};

struct sched_out {
	uint32_t n;
	struct sched_action action[SCHED_OUT_MAX];
};

/** What an invariant check can find. */
enum sched_violation {
	SCHED_OK,
	SCHED_BAD_LOCK,	     /* the lock word and the core's state disagree */
	SCHED_BAD_TWO_CORES, /* a vCPU is on two cores, or on one that does not know it */
	SCHED_BAD_POOL,	     /* a vCPU on a core that is offline or not in the pool */
	SCHED_BAD_CAP,	     /* more exclusive cores than the cap or a quota allows */
	SCHED_BAD_QUOTA,     /* a user has more than its quota, or counts are wrong */
	SCHED_BAD_FORGOTTEN, /* a runnable vCPU that nothing will run, or an idle core beside one */
	SCHED_BAD_QUEUE,     /* a run queue is broken or out of order */
	SCHED_BAD_TIMER,     /* a core that needs a timer has none */
	SCHED_BAD_STARVED,   /* the published bound does not hold */
	SCHED_BAD_STATE,     /* a state that the rules exclude */
};

struct sched_stats {
	uint64_t events; /* handled, refused ones not counted */
	uint64_t refused;
	uint64_t grants;   /* cores given to a vCPU */
	uint64_t extended; /* grants of a vCPU that was alone */
	uint64_t samples, revokes, signals, freezes, kills, stuck; /* the steps, each time */
	uint64_t forged, rogue, faults, died, robbed;
	uint64_t clock_back;
	uint64_t excl_granted, excl_reclaimed, cap_lowered, cap_raised;
	uint64_t violations;
	uint32_t last_violation; /* enum sched_violation */
	uint32_t ready;		 /* queued now */
	uint32_t ready_peak;
	uint32_t shared_cores;
	uint32_t excl_cores;
	ns_t max_wait_ns; /* longest time from ready to the grant */
	ns_t wait_ns;	  /* sum of those times */
};

/** What is known of one core, and of its lock. */
struct sched_core_info {
	uint64_t lock;
	uint64_t epoch;
	bool is_online, is_idle;
	uint32_t excl_vcpu; /* whose core it is, or SCHED_NONE */
	uint64_t switches;
	uint64_t lock_waits, lock_holds;
	ns_t lock_wait_ns, lock_wait_max_ns; /* from ready to owner */
	ns_t lock_hold_ns, lock_hold_max_ns; /* from owner to known stopped */
	ns_t stolen_ns;			     /* held without a slice being consumed */
};

enum sched_vcpu_state {
	SCHED_VCPU_FREE,
	SCHED_VCPU_STOPPED, /* not started, or paused */
	SCHED_VCPU_READY,
	SCHED_VCPU_NEXT,    /* named as successor and woken behind the owner */
	SCHED_VCPU_RUNNING, /* owns a core */
	SCHED_VCPU_BLOCKED,
	SCHED_VCPU_PINNED, /* runnable; waits for its exclusive core to be vacated */
	SCHED_VCPU_FAULTED,
	SCHED_VCPU_DEAD,
	SCHED_VCPU_STATE_COUNT,
};

enum sched_vm_state {
	SCHED_VM_FREE,
	SCHED_VM_CREATED,
	SCHED_VM_RUN,
	SCHED_VM_PAUSED,
	SCHED_VM_FAULTED,
	SCHED_VM_KILLED,
	SCHED_VM_DEAD,
	SCHED_VM_STATE_COUNT,
};

struct sched_vcpu_info {
	enum sched_vcpu_state state;
	uint32_t vm;
	uint16_t core;	    /* where it runs or ran last */
	uint16_t excl_core; /* or SCHED_CORE_NONE */
	uint8_t level;	    /* with what waiting has added */
	ns_t cpu_ns;
	ns_t wait_ns;	 /* ready and not running, now included: never less than it was */
	ns_t waiting_ns; /* the part of it that is now */
	uint32_t slices;
};

struct sched_vm_info {
	enum sched_vm_state state;
	uint32_t user, gen, n_vcpus;
	uint8_t prio;
	bool is_frozen;
	enum sched_reason fault;
	ns_t slice_ns, limit_cpu_ns;
};

struct sched_user_info {
	bool exists, is_banned;
	struct sched_quota quota;
	uint32_t vcpus, excl;
	ns_t slice_sum_ns;
};

/** One decision as it was taken: what went in, what was chosen, why. */
struct sched_record {
	uint64_t seq;
	struct sched_event event;
	uint64_t out_hash; /* of all actions */
	uint32_t n_actions;
	uint32_t vcpu; /* of the first GRANT or PREWAKE, or SCHED_NONE */
	uint16_t core;
	uint8_t reason;
	uint8_t action; /* its type */
};

struct sched;

/** Fill a configuration with the published defaults, for a small machine. */
void sched_config_defaults(struct sched_config *cfg);

/**
 * Bytes that a scheduler needs.
 * @return 0 when the configuration is out of range
 */
size_t sched_size(const struct sched_config *cfg);

/**
 * Make a scheduler in the caller's memory.
 * @param mem at least sched_size(), aligned to 64; stays with the caller, holds no pointers
 * @param cfg in range (BUG otherwise); copied
 * @return the scheduler, at @p mem
 */
struct sched *sched_init(void *mem, const struct sched_config *cfg);

/**
 * Check an event, then apply it.
 * @param s   the scheduler
 * @param ev  what happened
 * @param out what to do, in this order; n is 0 on failure
 * @return 0; -EINVAL malformed; -ERANGE number out of range; -ENOENT no such thing; -EEXIST slot in
 *         use; -ESTALE for an earlier VM or grant; -EALREADY nothing to do; -EPERM user banned;
 *         -EDQUOT over quota; -EBUSY core taken; -ENOSPC cap reached. Refused events change nothing
 *         but their counter.
 * Thread: one at a time. Time: O(log cores); per VM O(its vCPUs); exclusive requests O(cores).
 */
int sched_handle(struct sched *s, const struct sched_event *ev, struct sched_out *out);

/** Turn the checks after every event on or off; waits are judged from now on. */
void sched_checks_set(struct sched *s, bool on);

/** When the next SCHED_EV_TICK is due at the latest; SCHED_NEVER: no need. */
ns_t sched_next_timer(const struct sched *s);

/** The time of the last handled event. */
ns_t sched_now(const struct sched *s);

/** Counters. */
void sched_stats_get(const struct sched *s, struct sched_stats *ret);

/** @return 0; -ERANGE. */
int sched_core_get(const struct sched *s, uint32_t core, struct sched_core_info *ret);

/** @param now_ns as in events: who waits does so since the last of these, too. @return 0; -ERANGE; -ENOENT. */
int sched_vcpu_get(const struct sched *s, uint32_t vcpu, ns_t now_ns, struct sched_vcpu_info *ret);

/** @return 0; -ERANGE; -ENOENT. */
int sched_vm_get(const struct sched *s, uint32_t vm, struct sched_vm_info *ret);

/** @return 0; -ERANGE. */
int sched_user_get(const struct sched *s, uint32_t user, struct sched_user_info *ret);

/** Cores that may be exclusive now: configured, less what long waits have taken. */
uint32_t sched_exclusive_cap(const struct sched *s);

/**
 * The published bound on the wait of a vCPU (docs/sched.md, "Bound").
 * @param ready     most vCPUs ready at a time
 * @param cores     fewest shared cores; 0: no bound, SCHED_NEVER comes back
 * @param slice_ns  longest slice
 * @param levels_up levels below the highest priority among the VMs
 * @param stolen_ns time that the cores were held without a slice being consumed, summed
 */
ns_t sched_bound_ns(const struct sched_config *cfg, uint32_t ready, uint32_t cores, ns_t slice_ns,
		    uint32_t levels_up, ns_t stolen_ns);

/** Check every invariant over the whole state. O(everything). @return the first one broken */
enum sched_violation sched_check_full(const struct sched *s);

/**
 * The decision ring, oldest first.
 * @param seq first decision wanted
 * @param ret one record; untouched on failure
 * @return 0; -ENOENT when it is not there yet or no longer
 */
int sched_ring_get(const struct sched *s, uint64_t seq, struct sched_record *ret);

/** Number of the next decision. */
uint64_t sched_ring_next(const struct sched *s);

/** The last decision, good until the next one. There must be a ring (BUG otherwise). */
const struct sched_record *sched_ring_last(const struct sched *s);

/**
 * Take a recorded decision again and compare.
 * @param s a scheduler in the state before @p rec
 * @return 0; -EILSEQ when it decides differently now
 */
int sched_replay(struct sched *s, const struct sched_record *rec);

/** Hash of all actions, as in the ring. */
uint64_t sched_out_hash(const struct sched_out *out);

/** Names for people and traces: "stopped", "grant", "hand-off", "starved". */
const char *sched_event_name(enum sched_event_type t);
/** @copydoc sched_event_name */
const char *sched_action_name(enum sched_action_type t);
/** @copydoc sched_event_name */
const char *sched_reason_name(enum sched_reason r);
/** @copydoc sched_event_name */
const char *sched_violation_name(enum sched_violation v);
/** @copydoc sched_event_name */
const char *sched_vcpu_state_name(enum sched_vcpu_state v);

#endif
