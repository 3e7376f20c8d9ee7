/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's cores and their roles; see cores.h. */
#include "cli/cores.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static void read_siblings(struct core *c)
{
	char path[96];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list",
		 c->id);
	f = fopen(path, "re");
	if (!f || !fgets(c->siblings, sizeof(c->siblings), f)) {
		c->siblings[0] = '\0';
	}
	c->siblings[strcspn(c->siblings, "\n")] = '\0';
}

/* Core number idx of n: four or more as designed; fewer share. */
static unsigned int plan_roles(size_t idx, size_t n)
{
	if (n == 1) {
		return CORE_CONTROL | CORE_HOUSEKEEPING | CORE_POOL;
	}
	if (n == 2) {
		return idx == 0 ? CORE_CONTROL | CORE_HOUSEKEEPING : CORE_POOL;
	}
	return idx == 0 ? CORE_CONTROL : idx == 1 ? CORE_HOUSEKEEPING : CORE_POOL;
}

int cores_plan(struct cores *ret, struct errmsg *e)
{
	size_t bytes = CPU_ALLOC_SIZE(CORES_MAX);
	cpu_set_t *set = CPU_ALLOC(CORES_MAX);
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (!set) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	if (sched_getaffinity(0, bytes, set) < 0) {
		CPU_FREE(set);
		return errmsg_set(e, -errno, "the cores can't be listed: %s", strerror(errno));
	}
	memset(ret, 0, sizeof(*ret));
	ret->n_online = online > 0 ? (size_t)online : 0;
	for (unsigned int id = 0; id < CORES_MAX; id++) {
		if (CPU_ISSET_S(id, bytes, set)) {
			ret->core[ret->n].id = id;
			read_siblings(&ret->core[ret->n]);
			ret->n++;
		}
	}
	CPU_FREE(set);
	for (size_t i = 0; i < ret->n; i++) {
		ret->core[i].roles = plan_roles(i, ret->n);
	}
	return 0;
}

const char *cores_roles_name(unsigned int roles)
{
	switch (roles) {
	case CORE_CONTROL:
		return "control";
	case CORE_HOUSEKEEPING:
		return "housekeeping";
	case CORE_POOL:
		return "pool";
	case CORE_CONTROL | CORE_HOUSEKEEPING:
		return "control, housekeeping";
	default:
		return "control, housekeeping, pool";
	}
}
