/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dispatcher: one real-time thread on the control core that feeds the scheduler (sched/sched.h)
 * with what happens to VM processes, and carries out its decisions: grant pages, wake-ups, core
 * locks, signals, freezes, kills. Nothing on its path waits for a disk, a lock of a lesser thread
 * or a VM. Rules: docs/sched.md; protocol: proto/grant.h.
 *
 *   dispatch_start()                    dispatch is held (no grants)
 *   dispatch_event(USER_ADD ...)        users
 *   dispatch_slot_open()  ─▶ descriptors for launch_vm_attach()  ─▶ dispatch_vm_add(): it may run
 *   dispatch_go()                       locks of an earlier daemon adopted, grants flow
 *   dispatch_notice_take()              what the life cycle must know
 *
 * A slot is a VM and its one vCPU: its number is both the VM's and the vCPU's number in sched.h, and
 * stands in the core locks, so a VM keeps its slot across a restart of the daemon.
 */
#ifndef PINFOLD_DAEMON_DISPATCH_H
#define PINFOLD_DAEMON_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"
#include "sched/roles.h"
#include "sched/sched.h"

/** How the dispatcher is started; fill with dispatch_options_defaults() first. */
struct dispatch_options {
	struct sched_config sched;	 /**< limits.vms == limits.vcpus: the slots; limits.cores,
					      cores_online and first_epoch are filled in */
	const struct sched_roles *roles; /**< host cores; borrowed during the call */
	const char *run_dir;		 /**< the daemon's own folder; holds the file "locks" */
	int fifo_prio; /**< of VM threads; the dispatcher gets more; 0: no real-time here: then nobody
			    is woken behind another, and the steps of the ladder take 500 times as long */
	/** So many times as long a vCPU may take to leave its core, and may seem to run on after it
	 * has: time that a hypervisor takes from the host counts as its own. 1, except there. */
	uint32_t patience;
	/** Put a thread on one host core, as the partition needs it; NULL: sched_setaffinity. */
	int (*place)(void *arg, pid_t tid, uint16_t host_core);
	void *place_arg;
};

/** A VM as the dispatcher needs it. */
struct dispatch_vm {
	uint32_t gen;  /**< of this use of the slot; never 0 */
	uint32_t user; /**< user number in sched.h */
	uint8_t prio;
	ns_t slice_ns;
	ns_t limit_cpu_ns; /**< 0: none */
	pid_t pid;
	pid_t tid;	      /**< of the vCPU thread; 0: to be found */
	const pid_t *tids;    /**< all its threads when they were listed last; borrowed */
	uint32_t n_tids;      /**< if it has as many now, they are not listed again; 0: not known */
	int pidfd;	      /**< stays with the caller, open until dispatch_vm_remove() */
	char freeze_dir[256]; /**< its own cgroup v2 folder; "": frozen by SIGSTOP */
	bool is_alone; /**< it has no socket to another process of its own, that could get its pages from it */
};

/** Descriptors for launch_vm_attach(); they stay with the dispatcher. */
struct dispatch_fds {
	int grant_fd, ack_fd, notify_fd;
};

enum dispatch_notice_type {
	DISPATCH_DIED,	 /**< slot gen: its process is dead, its core is free: reap and clean up */
	DISPATCH_FAULT,	 /**< slot gen reason: stands still, belongs into the fault queue */
	DISPATCH_REPORT, /**< reason; core and slot where they apply: for the log and events */
	DISPATCH_CORE_OFF, /**< core: nobody holds it any more */
	DISPATCH_STRAY,	   /**< slot gen core: seen running on a core that it does not hold */
};

/** What the life cycle must know. */
struct dispatch_notice {
	enum dispatch_notice_type type;
	enum sched_reason reason;
	uint32_t slot, gen;
	uint16_t core; /**< pool core number, or SCHED_CORE_NONE */
};

/** One VM, for people; vcpu.cpu_ns with what it used of the core that it has now. */
struct dispatch_vm_info {
	struct sched_vm_info vm;
	struct sched_vcpu_info vcpu;
	uint64_t grants, preemptions; /**< preemptions: grants that ended while it wanted more */
	uint64_t strays, forged, signals, freezes;
};

/** One pool core, for people. */
struct dispatch_core_info {
	struct sched_core_info core;
	uint16_t host_core;
	uint32_t holder; /**< slot, or SCHED_NONE */
	bool is_exclusive;
};

/** The dispatcher itself. */
struct dispatch_stats {
	struct sched_stats sched;
	uint64_t wakeups;      /**< of the thread */
	uint64_t notices_lost; /**< never, unless the life cycle stood still */
	ns_t busy_ns;	       /**< CPU time of the thread */
	ns_t decide_max_ns;    /**< longest from an event to its last action */
};

struct dispatch;

/** Defaults: 4096 slots, 1024 users, real-time priority 10. */
void dispatch_options_defaults(struct dispatch_options *o);

/**
 * Start the thread, with dispatch held. Opens or makes the lock file; a file that is not ours, or of
 * another boot, is set aside.
 * @return 0; negative errno with one sentence
 */
int dispatch_start(const struct dispatch_options *o, struct dispatch **ret, struct errmsg *e);

/**
 * End the thread. VM processes finish their slices and wait for another daemon; the locks keep
 * saying who may be running. NULL is allowed.
 */
void dispatch_stop(struct dispatch *d);

/**
 * Make grant page, ack page and eventfd of a free slot. The grant file is sealed, so that a VM
 * can't map it writable.
 * @param slot the caller's choice, free
 * @return 0; -EBUSY; -ERANGE; -EMFILE, -ENOMEM
 */
int dispatch_slot_open(struct dispatch *d, uint32_t slot, struct dispatch_fds *ret,
		       struct errmsg *e);

/** Give an open slot back whose VM was never added. */
void dispatch_slot_close(struct dispatch *d, uint32_t slot);

/**
 * Begin to watch a VM that is attached: finds its threads, keeps them off the pool, and starts it (VM_START).
 * @return 0; what sched_handle() says; -ESRCH process gone; -EPROTO not a VM with one vCPU thread
 */
int dispatch_vm_add(struct dispatch *d, uint32_t slot, const struct dispatch_vm *vm,
		    struct errmsg *e);

/**
 * Forget a VM that was never started or is dead, and its slot; looks itself whether it is dead.
 * @param ret_last what was counted until then; may be NULL
 * @return as sched_handle()
 */
int dispatch_vm_remove(struct dispatch *d, uint32_t slot, uint32_t gen,
		       struct dispatch_vm_info *ret_last, struct errmsg *e);

/**
 * Hand a request to the scheduler and wait for its answer: VM_START, VM_PAUSE, VM_RESUME, VM_KILL,
 * VM_UPDATE, EXCL_*, USER_*, CORE_*. Time is filled in.
 * @return as sched_handle(), with a sentence
 * Thread: any but the dispatcher's. Waits well below a millisecond, for no VM.
 */
int dispatch_event(struct dispatch *d, const struct sched_event *ev, struct errmsg *e);

/**
 * After a (re)start, when all users and living VMs are added and started: adopt the core locks that
 * were found, then let grants flow. Repeat pauses and kills between nothing and this call.
 */
int dispatch_go(struct dispatch *d, struct errmsg *e);

/** Readable while a notice waits. */
int dispatch_notice_fd(const struct dispatch *d);

/** Take the next notice. @return false when there is none */
bool dispatch_notice_take(struct dispatch *d, struct dispatch_notice *ret);

/** Read one VM; consistent. @return 0; -ENOENT. Thread: any. */
int dispatch_vm_get(struct dispatch *d, uint32_t slot, struct dispatch_vm_info *ret);

/**
 * Read all VMs in one go: @p ret[i] belongs to slot i, state SCHED_VM_FREE where there is none.
 * @param max entries of @p ret
 * @return slots written
 */
uint32_t dispatch_vms_get(struct dispatch *d, struct dispatch_vm_info *ret, uint32_t max);

/** Read one pool core. @return 0; -ERANGE */
int dispatch_core_get(struct dispatch *d, uint16_t core, struct dispatch_core_info *ret);

/** Read one user. @return 0; -ERANGE */
int dispatch_user_get(struct dispatch *d, uint32_t user, struct sched_user_info *ret);

/** Read the counters. */
void dispatch_stats_get(struct dispatch *d, struct dispatch_stats *ret);

/** Decisions, oldest first; see sched_ring_get(). @return records written, from *@p seq on */
uint32_t dispatch_ring_get(struct dispatch *d, uint64_t *seq, struct sched_record *ret,
			   uint32_t max);

#endif
