/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The highest priority and the longest slice that a user's VMs may have. No VM is above its owner's ceiling,
 * whoever asks: what a request names must be allowed, what it leaves open is lowered, and when a
 * ceiling comes down the user's VMs come down with it. One that can't be changed in that moment (it is just
 * ending, or it is of an older daemon) is lowered at its next start. And the ports that a user's VMs may have.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/api/api_internal.h"

int api_ceiling_apply(struct api *a, uid_t owner, const json_t *named, struct vm_spec *spec,
		      struct errmsg *e)
{
	bool has_prio = json_is_integer(json_object_get(named, "prio"));
	bool has_slice = json_is_integer(json_object_get(named, "slice_ns"));
	ns_t max_slice_ns;
	uint8_t max_prio;

	users_ceiling_get(a->o.users, owner, &max_prio, &max_slice_ns);
	if (!has_prio && spec->prio > max_prio) {
		spec->prio = max_prio;
	}
	if (!has_slice && spec->config.slice_ns > max_slice_ns) {
		spec->config.slice_ns = max_slice_ns;
	}
	return users_ceiling_check(a->o.users, owner, spec->prio, spec->config.slice_ns, e);
}

int api_net_check(struct api *a, uid_t owner, const struct vm_spec *spec, struct errmsg *e)
{
	struct net_options o;
	int r;

	if (!spec->net[0] || users_is_admin(a->o.users, owner)) {
		return 0;
	}
	r = net_options_parse(spec->net, &o, e);
	return r < 0 ? r : net_options_check_ordinary(&o, e);
}

static int lower(struct api *a, const struct vms_info *i, struct errmsg *e)
{
	struct vms_update u = { 0 };

	users_ceiling_get(a->o.users, i->owner, &u.prio, &u.slice_ns);
	u.mask = i->spec.prio > u.prio ? SCHED_UPDATE_PRIO : 0;
	u.mask |= i->spec.config.slice_ns > u.slice_ns ? SCHED_UPDATE_SLICE : 0;
	return u.mask ? vms_update(a->o.vms, i->id, &u, e) : 0;
}

int api_ceiling_lower_vm(struct api *a, const char *id, struct errmsg *e)
{
	struct vms_info i;

	return vms_get(a->o.vms, id, &i) < 0 ? 0 : lower(a, &i, e);
}

struct owned {
	uid_t owner;
	size_t n, room;
	char (*ids)[VMS_ID_BYTES];
};

static int note_owned(void *arg, const struct vms_info *i)
{
	struct owned *o = arg;

	if (i->owner != o->owner) {
		return 0;
	}
	if (o->n == o->room) {
		size_t room = o->room ? o->room * 2 : 64;
		char(*ids)[VMS_ID_BYTES] = reallocarray(o->ids, room, sizeof(*ids));

		if (!ids) {
			return -ENOMEM;
		}
		o->ids = ids;
		o->room = room;
	}
	memcpy(o->ids[o->n++], i->id, VMS_ID_BYTES);
	return 0;
}

void api_ceiling_lower(struct api *a, uid_t owner)
{
	struct owned o = { .owner = owner };

	if (vms_each(a->o.vms, note_owned, &o) < 0) {
		log_warn("not all VMs are held against a new ceiling: out of memory uid=%u", owner);
	}
	for (size_t i = 0; i < o.n; i++) {
		struct errmsg e = { "" };

		if (api_ceiling_lower_vm(a, o.ids[i], &e) < 0) {
			log_warn("a VM keeps its priority and slice until its next start id=%s "
				 "error=\"%s\"",
				 o.ids[i], e.text);
		}
	}
	free(o.ids);
}
