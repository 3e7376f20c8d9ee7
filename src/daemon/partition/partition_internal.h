/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the partition among themselves. Users include partition.h. */
#ifndef PINFOLD_DAEMON_PARTITION_INTERNAL_H
#define PINFOLD_DAEMON_PARTITION_INTERNAL_H

#include <stdatomic.h>

#include "daemon/partition/partition.h"

/** PID_MAX_LIMIT of the kernel on 64-bit hosts. */
#define PARTITION_TIDS_MAX   (4u << 20)
#define PARTITION_NAME_BYTES 24
#define PARTITION_TEXT_BYTES 4096

/** What was made on the host, and so must be undone. */
struct partition_record {
	enum partition_backend backend; /**< isolated or cpuset; else nothing was made */
	char dir[PARTITION_PATH_BYTES]; /**< group: the pool (isolated), the parent of ours (cpuset) */
	char home[PARTITION_PATH_BYTES]; /**< where this process was, for cpuset */
	bool has_enabled; /**< isolated: the cpuset controller was switched on by us */
	bool has_dynmods; /**< isolated: so was the mount option favordynmods */
};

/** What a look at a task remembers. */
struct partition_seen {
	uint64_t start; /**< of the task, in ticks after boot: tells reused numbers apart */
	ns_t run_ns;
	uint32_t tid; /**< 0: empty */
	uint32_t round;
};

/** A vCPU thread on the pool while the pool's cores change. */
struct partition_bound {
	pid_t tid;
	int32_t core; /**< the one that it was bound to; -1: not one alone */
	bool was_stopped;
};

/** Entries, a power of two, of which three quarters are used. */
#define PARTITION_SEEN_MAX 16384u

struct partition {
	enum partition_backend backend;
	char root[PARTITION_PATH_BYTES]; /**< "" but in tests */
	char run_dir[PARTITION_PATH_BYTES];
	char name[PARTITION_NAME_BYTES]; /**< of our groups: one per run_dir */
	struct partition_probe probe;
	struct partition_record made;
	struct sched_topology topology;
	struct sched_roles roles;
	struct host_cpus usable, pool, own; /**< own: control and housekeeping */
	struct host_cpus found;		    /**< affinity of the caller when it came */
	struct host_cpus online;	    /**< when last looked at */
	struct host_cpus kept;	 /**< pool of an earlier daemon, in force all the time; or empty */
	int join_fd;		 /**< cpuset: "tasks" of the VMs' group, or -1 */
	_Atomic uint64_t *moved; /**< cpuset: bit per thread that is in its group */
	struct partition_seen *seen;
	uint32_t n_seen, round;
	pid_t next_pid; /**< where the next look goes on */
	struct partition_fair fair;
	struct partition_bound *bound; /**< between partition_hold() and partition_go_on() */
	uint32_t n_bound;
};

/** One task as /proc/.../stat shows it. */
struct partition_stat {
	pid_t tid;
	char name[32];
	uint32_t flags;
	uint32_t n_threads;
	uint32_t core; /**< that it ran on last */
	uint64_t start, ticks;
};

/** Read the text of a stat file. @return 0; -EBADMSG */
int partition_stat_parse(const char *text, struct partition_stat *ret);

/** Whether it is a kernel thread. */
bool partition_stat_is_kernel(const struct partition_stat *s);

/**
 * Read the cores of the host.
 * @param cores  list of those that may be used, or NULL: all
 * @param kept   cores that are ours already and that nobody else may use
 * @param usable those that may be used and are online
 * @return 0; -EINVAL @p cores is no list, or names a core that may not be used; negative errno
 */
int partition_topology_read(const char *root, const char *cores, const struct host_cpus *kept,
			    struct sched_topology *ret, struct host_cpus *usable, struct errmsg *e);

/** Fill @p p from its topology: roles and sets. @return 0; -ENODEV */
int partition_topology_fold(struct partition *p, struct errmsg *e);

/** The name of the groups that a daemon with this run_dir makes. */
void partition_group_name(const char *run_dir, char ret[PARTITION_NAME_BYTES]);

/** PARENT/NAME; the probe leaves room for it. */
void partition_group_path(const char *parent, const char *name, char ret[PARTITION_PATH_BYTES]);

/** Make a group; one that is there is fine. @return 0; negative errno */
int partition_group_make(const char *dir);

/** Move a thread or process: write its number to a file of the group. @return 0; negative errno */
int partition_group_move(const char *dir, const char *file, pid_t id);

/** Move all that a group holds. @param file "cgroup.procs", "cgroup.threads", "tasks" */
void partition_group_empty(const char *dir, const char *to, const char *file);

/** Whether the group holds anyone, by its list file. A group that is not there holds none. */
bool partition_group_is_used(const char *dir, const char *file);

/**
 * Have a child process placed on a pool core as a real-time thread, to see that it works.
 * @return 0; what partition_place() or the kernel says
 */
int partition_group_try(struct partition *p, struct errmsg *e);

/** cgroup v2: make the pool an isolated partition. What was made stands in p->made, also on failure. */
int partition_isolated_setup(struct partition *p, struct errmsg *e);
int partition_isolated_admit(struct partition *p, pid_t pid, pid_t vcpu_tid, char freeze_dir[256]);
int partition_isolated_place(struct partition *p, pid_t tid, uint16_t core);
void partition_isolated_undo(struct partition_record *made, bool is_kept_if_used);
/** Whether what an earlier daemon made is still in force. @param ret its cores */
bool partition_isolated_is_kept(const struct partition_record *made, struct host_cpus *ret);
/** Call @p fn for each group t-TID below @p dir; a thread's group is never deeper. */
void partition_isolated_each(const char *dir, void (*fn)(const char *group, pid_t tid, void *arg),
			     void *arg);
/** Remove the groups of threads that are gone. */
void partition_isolated_sweep(const struct partition *p);

/**
 * Before the cores of a partition change in which VMs live: each change of a group's list gives its threads all
 * of its cores, on Linux before 6.2. Who is on the pool stands still until partition_go_on().
 */
void partition_hold(struct partition *p);

/**
 * Afterwards: each thread is bound to the core that it had, or to the housekeeping core as an ordinary thread
 * if that one is no longer in the pool, and goes on.
 */
void partition_go_on(struct partition *p);

/**
 * Switch the option favordynmods of a cgroup v2 mount: with it a move between cgroups does not wait for
 * RCU (microseconds instead of 10 ms), and forks and exits on the host are a little slower.
 * @return 1 it was switched; 0 it was so already; negative errno (Linux before 6.0)
 */
int partition_dynmods_set(const char *mount, bool is_on);

/** cgroup v1: groups for us and for the VMs. */
int partition_cpuset_setup(struct partition *p, struct errmsg *e);
int partition_cpuset_admit(struct partition *p, pid_t pid, pid_t tid);
int partition_cpuset_place(struct partition *p, pid_t tid, uint16_t core);
void partition_cpuset_undo(struct partition_record *made, bool is_kept_if_used);

/** Write down what is about to be made, before it is made. @return 0; negative errno */
int partition_record_save(const struct partition *p, struct errmsg *e);

/**
 * Read what an earlier daemon made.
 * @return 0; -ENOENT nothing; -EBADMSG not ours, doctored or broken: believe nothing of it
 */
int partition_record_load(const struct partition *p, struct partition_record *ret);

/** Nothing is left to undo. */
void partition_record_remove(const struct partition *p);

/**
 * Do to fair server and throttling what p->fair wants, and give back the rest of what an earlier daemon with this
 * run_dir did; what failed stands in p->fair. Once the roles are known, before cores become a partition.
 */
void partition_fair_set(struct partition *p);

/** Give everything back. */
void partition_fair_undo(struct partition *p);

/** Instead: there is no real-time priority. */
void partition_fair_none(struct partition *p);

#endif
