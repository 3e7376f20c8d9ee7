/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who runs where on the host: finds the cores this process may use, gives them roles
 * (sched/roles.h), and keeps what is not ours off the pool as far as the host allows. Back-ends,
 * best first, chosen by trying (docs/design.md, section 5):
 *
 *   isolated    cgroup v2 cpuset partition "isolated": host tasks are kept off the pool
 *   cpuset      cgroup v1 cpuset for our own processes
 *   affinity    affinity and SCHED_FIFO
 *   ordinary    affinity alone, for a daemon without rights
 *
 * What runs on pool cores and is not ours is counted and shown, never moved unasked.
 */
#ifndef PINFOLD_DAEMON_PARTITION_H
#define PINFOLD_DAEMON_PARTITION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "host/fair.h"
#include "launch/partition_probe.h"
#include "sched/roles.h"

enum partition_backend {
	PARTITION_ISOLATED = PARTITION_WAY_ISOLATED,
	PARTITION_CPUSET = PARTITION_WAY_CPUSET,
	PARTITION_AFFINITY = PARTITION_WAY_AFFINITY,
	PARTITION_ORDINARY = PARTITION_WAY_ORDINARY,
	PARTITION_BACKENDS = PARTITION_WAYS,
};

struct partition_options {
	int backend;	   /**< enum partition_backend that is wanted, or -1: the best */
	const char *cores; /**< list like "0-5,8" of cores to use, or NULL: all that are allowed */
	const char *run_dir; /**< remembers what was made, so that the next start can undo it */
	const char *root;    /**< in front of /sys and /proc, for tests; NULL: the real ones */
	/** Whether ordinary tasks get another share of pool cores than the kernel's (host/fair.h) ... */
	bool sets_fair_server;
	ns_t fair_server_ns;  /**< ... and which; 0: none */
	bool ends_throttling; /**< whether real-time throttling of the host is switched off */
	/** Asked when the roles are known, before anything is set up; not 0 ends it. May be NULL. */
	int (*claim)(void *arg, const struct sched_roles *roles, struct errmsg *e);
	void *claim_arg;
};

/** One promise, and whether this host keeps it. */
struct partition_guarantee {
	const char *name; /**< "no foreign user task on pool cores" */
	bool holds;
	char why[240];
};

#define PARTITION_GUARANTEES_MAX 12
#define PARTITION_FOREIGN_MAX	 32

/** A task on a pool core that is not ours. */
struct partition_foreign {
	pid_t pid, tid;
	uint16_t host_core;
	bool is_kernel; /**< a kernel thread */
	char name[32];
	ns_t run_ns; /**< since the last look */
};

struct partition;

/**
 * Look at the host, take the roles, set up the best back-end. Undoes leftovers of an earlier daemon.
 * All threads of this process leave the pool; call it before there are many.
 * @return 0; -ENODEV no usable core; -EPERM, -ENOTSUP the wanted back-end does not work here
 */
int partition_open(const struct partition_options *o, struct partition **ret, struct errmsg *e);

/** Undo what was set up. With VMs still running (a restart) call partition_leave() instead. */
void partition_close(struct partition *p);

/** Forget without undoing: VMs outlive the daemon. Only the fair server is given back: they are parked. */
void partition_leave(struct partition *p);

/** @return which back-end is in force. */
enum partition_backend partition_backend_get(const struct partition *p);

/** "isolated", "cpuset", "affinity", "ordinary". */
const char *partition_backend_name(enum partition_backend b);

/** The roles; live as long as @p p. */
const struct sched_roles *partition_roles(const struct partition *p);

/** Real-time priority that VM threads can have here; 0: none. */
int partition_fifo_prio(const struct partition *p);

/**
 * Take a new VM process into the cgroups of the partition, whole. Once per process and daemon, before
 * dispatch_vm_add(), by the thread that launched it: can wait 10 ms for the kernel.
 *
 * With the back-end isolated this takes the process out of the cgroups v2 that launch/ and vms/ made:
 * freezing or limiting those would do nothing, and say it did. From then on its vCPU thread is
 * frozen by the folder told here, which exists while the thread is placed on a pool core.
 *
 * @param pid        alive: the caller looks at its pidfd afterwards
 * @param vcpu_tid   its vCPU thread
 * @param freeze_dir what was to be used; replaced only where the back-end needs that
 * @return 0; -ESRCH; negative errno
 */
int partition_admit(struct partition *p, pid_t pid, pid_t vcpu_tid, char freeze_dir[256],
		    struct errmsg *e);

/**
 * For launch_options.join_fd: a process that joins this at its birth need not be moved by
 * partition_admit(), which is told of it all the same.
 * @return descriptor that stays with @p p; -1: the back-end has none
 */
int partition_join_fd(const struct partition *p);

/**
 * Put a thread of a VM on one host core: one sched_setaffinity(2), but with the back-end isolated a
 * step between pool and other cores is a move between cgroups, too; so is the first step of a
 * process that was not admitted with the back-end cpuset.
 * @return 0; -ESRCH; -EINVAL no core of ours, or offline; -EOPNOTSUPP isolated, and not admitted
 * Thread: any.
 */
int partition_place(struct partition *p, pid_t tid, uint16_t host_core);

/**
 * Put all threads of a VM process on the housekeeping core, as ordinary threads: first off the pool, where one without a
 * real-time priority may never get to run again.
 * @param but not this one; 0: all
 * @return 0; -ESRCH the process is gone; -E2BIG it has more threads than a VM process may have; as partition_place()
 * Thread: any.
 */
int partition_keep_off(struct partition *p, pid_t pid, pid_t but);

/**
 * Put the calling thread on the control or housekeeping core, as an ordinary thread.
 * @return 0; -EINVAL another role; negative errno
 */
int partition_enter(struct partition *p, enum sched_role role);

/** What is promised here, and what is not. @return number of entries */
uint32_t partition_guarantees(const struct partition *p,
			      struct partition_guarantee ret[PARTITION_GUARANTEES_MAX]);

/**
 * Look at all tasks of the host: which are not ours and ran on pool cores since the last call.
 * Costs some milliseconds: housekeeping only, every few seconds.
 * @param is_ours says whether a process is one of our VMs
 * @param ret_ns_per_core sum of foreign run time, one entry per pool core (index as in roles->pool)
 * @return entries in @p ret, busiest first
 */
uint32_t partition_scan(struct partition *p, bool (*is_ours)(void *arg, pid_t pid), void *arg,
			struct partition_foreign ret[PARTITION_FOREIGN_MAX], ns_t *ret_ns_per_core);

/** What the kernel takes from real-time threads of pool cores: what was asked for, and what holds. */
struct partition_fair {
	bool is_wanted;	 /**< an administrator asked for another share */
	ns_t runtime_ns; /**< this one */
	bool is_set;	 /**< and it was set */
	int error;	 /**< why not; see partition_fair_why() */
	struct host_fair_state now;
	bool is_throttle_wanted; /**< to be switched off: real-time throttling of the host */
	bool is_throttle_set;	 /**< and it was */
	int throttle_error;	 /**< why not: negative errno; -ENODEV as above */
	int throttle_now_error;	 /**< why it can't be read */
	struct host_throttle throttle;
};

/** Read it from the kernel; microseconds. */
void partition_fair_get(const struct partition *p, struct partition_fair *ret);

/** One clause for partition_fair.error. */
const char *partition_fair_why(int error);

/** A pool core that came or went. */
struct partition_change {
	uint16_t core;
	bool is_online;
};

/**
 * Pool cores that came or went since the last call.
 * @param ret host core numbers, with is_online
 * @param max entries of @p ret; what does not fit is told next time
 * @return number of changes
 */
uint32_t partition_changes(struct partition *p, struct partition_change *ret, uint32_t max);

#endif
