/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which host core does what (docs/design.md, section 5, "Core roles"): a pure function of what the
 * host offers. Cores that this process may not use, or that are offline, take no part.
 *
 *   usable cores   control   housekeeping   pool
 *   >= 4           1st       2nd            the rest
 *   3              1st       2nd            the other
 *   2              1st       1st            2nd
 *   1              1st       1st            1st, guests lowest
 *
 * "2nd" is the SMT sibling of the 1st if that is usable: what the daemon does then shows in no guest's caches and
 * takes nothing of its pace.
 */
#ifndef PINFOLD_SCHED_ROLES_H
#define PINFOLD_SCHED_ROLES_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_HOST_CORES_MAX 1024

/** What is known of one host core. */
struct sched_host_core {
	bool is_online;
	bool is_allowed;    /* by affinity mask and cpuset */
	uint16_t phys_core; /* cores with the same number are SMT siblings */
};

/** The host, as found or as a test wants it. */
struct sched_topology {
	uint32_t n_cores;
	struct sched_host_core cores[SCHED_HOST_CORES_MAX];
};

enum sched_role { SCHED_ROLE_NONE, SCHED_ROLE_CONTROL, SCHED_ROLE_HOUSEKEEPING, SCHED_ROLE_POOL };

/** Who does what. */
struct sched_roles {
	uint16_t control;
	uint16_t housekeeping; /* the control core where there is no other */
	uint32_t n_pool;
	uint16_t pool
		[SCHED_HOST_CORES_MAX]; /* host cores, ascending; index = core number in sched.h */
	/* preference for exclusive use: 0 alone on its physical core, 1 shares it with pool cores,
	 * 2 with the control or housekeeping core */
	uint8_t rank[SCHED_HOST_CORES_MAX];
	bool is_folded; /* fewer than four cores: roles share one, or the pool is a single core */
	bool guests_lowest;    /* guests share the control core: they need the lowest priority */
	uint32_t n_smt_shared; /* pool cores of rank 2 */
};

/**
 * Hand out the roles.
 * @param t   the host; stays with the caller
 * @param ret the roles; untouched on failure
 * @return 0; -EINVAL when @p t has more cores than fit; -ENODEV when no core is usable
 */
int sched_roles_fold(const struct sched_topology *t, struct sched_roles *ret);

/** The role of host core @p core; a core with several roles answers with the first in the enum. */
enum sched_role sched_roles_of(const struct sched_roles *r, uint32_t core);

/** How many cores may be exclusive by default: half of the pool, rounded down. */
uint32_t sched_roles_exclusive_cap(uint32_t n_pool);

#endif
