/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's cores and their roles; see cores.h. */
#include "cli/cores.h"

#include <stdio.h>
#include <string.h>

#include "host/cpus.h"
#include "sched/roles.h"

_Static_assert(CORES_MAX == HOST_CPUS_MAX && CORES_MAX == SCHED_HOST_CORES_MAX,
	       "every core has a place");

static void read_siblings(struct core *c)
{
	char text[HOST_CPUS_TEXT];
	struct host_cpus set;

	host_cpus_siblings("", c->id, &set);
	c->physical = host_cpus_first(&set);
	host_cpus_format(&set, text);
	snprintf(c->siblings, sizeof(c->siblings), "%.31s", text);
}

/* As the daemon does. */
static void plan_roles(struct cores *c)
{
	static struct sched_topology t;
	static struct sched_roles r;

	for (size_t i = 0; i < c->n; i++) {
		uint16_t id = (uint16_t)c->core[i].id;

		t.cores[id] = (struct sched_host_core){ true, true, (uint16_t)c->core[i].physical };
		t.n_cores = id + 1u;
	}
	if (sched_roles_fold(&t, &r) < 0) {
		return; /* no core at all */
	}
	for (size_t i = 0; i < c->n; i++) {
		struct core *core = &c->core[i];

		core->roles |= core->id == r.control ? CORE_CONTROL : 0;
		core->roles |= core->id == r.housekeeping ? CORE_HOUSEKEEPING : 0;
		for (uint32_t k = 0; k < r.n_pool; k++) {
			core->roles |= core->id == r.pool[k] ? CORE_POOL : 0;
		}
	}
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
	plan_roles(ret);
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
