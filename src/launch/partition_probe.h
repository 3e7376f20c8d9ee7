/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In which ways this host lets the caller partition its cores (docs/partition.md): looked at, not
 * set up. For the daemon, which then tries the best one for real, and for doctor.
 */
#ifndef PINFOLD_LAUNCH_PARTITION_PROBE_H
#define PINFOLD_LAUNCH_PARTITION_PROBE_H

#include <stdbool.h>

#include "host/cgroup.h"
#include "host/cpus.h"

/** The back-ends, best first. */
enum partition_way {
	PARTITION_WAY_ISOLATED,
	PARTITION_WAY_CPUSET,
	PARTITION_WAY_AFFINITY,
	PARTITION_WAY_ORDINARY,
	PARTITION_WAYS,
};

/** One back-end on this host. */
struct partition_item {
	const char *name;    /* "isolated" */
	const char *promise; /* what it guarantees where it works */
	bool is_possible;
	char why[160]; /* how, or why not */
};

#define PARTITION_PATH_BYTES HOST_CGROUP_PATH_BYTES
/** Real-time priority of VM threads where there is any. */
#define PARTITION_FIFO_PRIO 10

/** All of them, and where their files are. */
struct partition_probe {
	struct partition_item item[PARTITION_WAYS];
	char v2_dir[PARTITION_PATH_BYTES]; /* root of the v2 hierarchy that has cpusets, or "" */
	char v1_dir[PARTITION_PATH_BYTES]; /* the caller's own v1 cpuset group, or "" */
	int fifo_prio;			   /* that VM threads can have; 0: none */
	int fifo_error;			   /* why not: negative errno */
};

/**
 * Look at the host.
 * @param root  in front of /sys and /proc: "" but in tests
 * @param n_usable cores that the caller would use
 */
void partition_probe(const char *root, unsigned int n_usable, struct partition_probe *ret);

/** Which way would be taken: the first that is possible. The last one always is. */
enum partition_way partition_probe_best(const struct partition_probe *p);

/** "isolated", "cpuset", "affinity", "ordinary". */
const char *partition_way_name(enum partition_way w);

/**
 * Try a real-time priority on a thread that ends at once, because neither rights nor limits say
 * whether a container or cgroup forbids it.
 * @return 0; -EPERM and others as sched_setscheduler(2)
 */
int partition_try_fifo(int prio);

#endif
