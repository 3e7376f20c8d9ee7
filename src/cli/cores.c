/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's cores and their roles; see cores.h. */
#include "cli/cores.h"

#include <stdio.h>
#include <string.h>

#include "host/cpus.h"

_Static_assert(CORES_MAX == HOST_CPUS_MAX, "every core has a place");

static void read_siblings(struct core *c)
{
	char text[HOST_CPUS_TEXT];
	struct host_cpus set;

	host_cpus_siblings("", c->id, &set);
	host_cpus_format(&set, text);
	snprintf(c->siblings, sizeof(c->siblings), "%.31s", text);
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
	struct host_cpus online;
	struct host_cpus allowed;
	int r = host_cpus_online("", &online, e);

	if (r == 0) {
		r = host_cpus_allowed("", &allowed, e);
	}
	if (r < 0) {
		return r;
	}
	memset(ret, 0, sizeof(*ret));
	ret->n_online = host_cpus_count(&online);
	for (uint32_t id = 0; id < CORES_MAX; id++) {
		if (host_cpus_has(&online, id) && host_cpus_has(&allowed, id)) {
			ret->core[ret->n].id = id;
			read_siblings(&ret->core[ret->n]);
			ret->n++;
		}
	}
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
