/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Core roles and how they fold on small hosts: see roles.h. */
#include "sched/roles.h"

#include <errno.h>
#include <string.h>

static uint32_t list_usable(const struct sched_topology *t, uint16_t usable[])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_cores; i++) {
		if (t->cores[i].is_online && t->cores[i].is_allowed) {
			usable[n++] = (uint16_t)i;
		}
	}
	return n;
}

static uint8_t rank_of(const struct sched_topology *t, const struct sched_roles *r, uint16_t core)
{
	uint16_t phys = t->cores[core].phys_core;

	if (t->cores[r->control].phys_core == phys || t->cores[r->housekeeping].phys_core == phys) {
		return 2;
	}
	for (uint32_t i = 0; i < r->n_pool; i++) {
		if (r->pool[i] != core && t->cores[r->pool[i]].phys_core == phys) {
			return 1;
		}
	}
	return 0;
}

/* The other thread of the control core, where it has one: then neither shares a core with a guest. Index in usable. */
static uint32_t find_housekeeping(const struct sched_topology *t, const uint16_t usable[],
				  uint32_t n)
{
	if (n < 3) {
		return 0;
	}
	for (uint32_t i = 1; i < n; i++) {
		if (t->cores[usable[i]].phys_core == t->cores[usable[0]].phys_core) {
			return i;
		}
	}
	return 1;
}

int sched_roles_fold(const struct sched_topology *t, struct sched_roles *ret)
{
	uint16_t usable[SCHED_HOST_CORES_MAX];
	uint32_t housekeeping;
	uint32_t n;

	if (t->n_cores > SCHED_HOST_CORES_MAX) {
		return -EINVAL;
	}
	n = list_usable(t, usable);
	if (n == 0) {
		return -ENODEV;
	}
	memset(ret, 0, sizeof(*ret));
	housekeeping = find_housekeeping(t, usable, n);
	ret->control = usable[0];
	ret->housekeeping = usable[housekeeping];
	ret->is_folded = n < 4;
	ret->guests_lowest = n == 1;
	for (uint32_t i = n > 1 ? 1 : 0; i < n; i++) {
		if (i != housekeeping || n == 1) {
			ret->pool[ret->n_pool++] = usable[i];
		}
	}
	for (uint32_t i = 0; i < ret->n_pool; i++) {
		ret->rank[i] = rank_of(t, ret, ret->pool[i]);
		ret->n_smt_shared += ret->rank[i] == 2;
	}
	return 0;
}

enum sched_role sched_roles_of(const struct sched_roles *r, uint32_t core)
{
	if (core == r->control) {
		return SCHED_ROLE_CONTROL;
	}
	if (core == r->housekeeping) {
		return SCHED_ROLE_HOUSEKEEPING;
	}
	for (uint32_t i = 0; i < r->n_pool; i++) {
		if (r->pool[i] == core) {
			return SCHED_ROLE_POOL;
		}
	}
	return SCHED_ROLE_NONE;
}

uint32_t sched_roles_exclusive_cap(uint32_t n_pool)
{
	return n_pool / 2;
}
