/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the host's cores to roles; see partition_internal.h. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/partition/partition_internal.h"

_Static_assert(HOST_CPUS_MAX == SCHED_HOST_CORES_MAX, "every core has a place");

static void and (struct host_cpus * s, const struct host_cpus *other)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->word); i++) {
		s->word[i] &= other->word[i];
	}
}

/* The person's own choice; asking for what can't be had is a mistake to be told. */
static int take_wanted(const char *cores, struct host_cpus *usable, struct errmsg *e)
{
	struct host_cpus wanted;
	int r = host_cpus_parse(cores, &wanted);

	if (r < 0) {
		return errmsg_set(e, -EINVAL, "'%.64s' is no list of cores like 0-5,8", cores);
	}
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
		if (host_cpus_has(&wanted, i) && !host_cpus_has(usable, i)) {
			return errmsg_set(
				e, -EINVAL,
				"core %u is offline, absent or not allowed to this process", i);
		}
	}
	*usable = wanted;
	return 0;
}

int partition_topology_read(const char *root, const char *cores, const struct host_cpus *kept,
			    struct sched_topology *ret, struct host_cpus *usable, struct errmsg *e)
{
	struct host_cpus online;
	struct host_cpus allowed;
	int r = host_cpus_online(root, &online, e);

	if (r == 0) {
		r = host_cpus_allowed(root, &allowed, e);
	}
	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(allowed.word); i++) {
		allowed.word[i] |= kept->word[i];
	}
	and(&allowed, &online);
	if (cores) {
		r = take_wanted(cores, &allowed, e);
		if (r < 0) {
			return r;
		}
	}
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < HOST_CPUS_MAX; i++) {
		bool is_online = host_cpus_has(&online, i);
		struct host_cpus siblings;

		ret->cores[i].is_online = is_online;
		ret->cores[i].is_allowed = host_cpus_has(&allowed, i);
		ret->cores[i].phys_core = (uint16_t)i;
		if (is_online) {
			host_cpus_siblings(root, i, &siblings);
			ret->cores[i].phys_core = host_cpus_first(&siblings);
			ret->n_cores = i + 1;
		}
	}
	*usable = allowed;
	return 0;
}

int partition_topology_fold(struct partition *p, struct errmsg *e)
{
	int r = sched_roles_fold(&p->topology, &p->roles);

	if (r < 0) {
		return errmsg_set(e, r, "no core of this host can be used");
	}
	memset(&p->own, 0, sizeof(p->own));
	memset(&p->pool, 0, sizeof(p->pool));
	host_cpus_add(&p->own, p->roles.control);
	host_cpus_add(&p->own, p->roles.housekeeping);
	for (uint32_t i = 0; i < p->roles.n_pool; i++) {
		host_cpus_add(&p->pool, p->roles.pool[i]);
	}
	return 0;
}
