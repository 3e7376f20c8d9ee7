/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fault queue: VMs that their own fault has stopped, kept for a look. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"

struct faults {
	struct api *a;
	struct api_names names;
	bool sees_all;
	uid_t uid;
	json_t *array;
};

static int fault_visit(void *arg, const struct vms_info *i)
{
	struct faults *f = arg;
	json_t *fault, *vm;

	if (i->state != VMS_FAULTED || (!f->sees_all && i->owner != f->uid)) {
		return 0;
	}
	fault = api_fault_json(i);
	vm = api_vm_json(f->a, &f->names, i);
	if (!fault || !vm) {
		json_decref(fault);
		json_decref(vm);
		return -ENOMEM;
	}
	json_object_set_new(fault, "vm", json_string(i->spec.name));
	json_object_set_new(fault, "id", json_string(i->id));
	json_object_set(fault, "owner", json_object_get(vm, "owner"));
	json_object_set_new(fault, "faulted_at", api_json_time(i->ended_ns));
	json_object_set_new(fault, "has_context", json_boolean(i->has_fault_context));
	json_decref(vm);
	return json_array_append_new(f->array, fault) < 0 ? -ENOMEM : 0;
}

int op_fault_list(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct faults f = { .a = ctx, .uid = rq->caller.uid, .array = json_array() };
	int r;

	f.sees_all = api_is_admin(ctx, rq);
	r = f.array ? vms_each(f.a->o.vms, fault_visit, &f) : -ENOMEM;
	if (r < 0) {
		json_decref(f.array);
		return errmsg_set(e, r, "the list can't be made: %s", strerror(-r));
	}
	return api_reply(rp, f.array, e);
}

int op_fault_clear(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	struct api *a = ctx;
	char id[VMS_ID_BYTES];
	struct vms_info info;
	int r = api_vm_find(a, rq, id, e);

	(void)rp;
	if (r < 0) {
		return r;
	}
	if (vms_get(a->o.vms, id, &info) < 0 || info.state != VMS_FAULTED) {
		return errmsg_set(e, -ENOENT, "VM \"%s\" is not in the fault queue", rq->param[0]);
	}
	return vms_kill(a->o.vms, id, e);
}

/* Numbers of what is to be cleared, collected first: killing changes the table. */
struct clear {
	uid_t uid;
	char (*ids)[VMS_ID_BYTES];
	uint32_t n, max;
};

static int clear_visit(void *arg, const struct vms_info *i)
{
	struct clear *c = arg;
	void *more;

	if (i->state != VMS_FAULTED || i->owner != c->uid) {
		return 0;
	}
	if (c->n == c->max) {
		more = realloc(c->ids, (c->max * 2 + 16) * sizeof(*c->ids));
		if (!more) {
			return -ENOMEM;
		}
		c->ids = more;
		c->max = c->max * 2 + 16;
	}
	memcpy(c->ids[c->n++], i->id, VMS_ID_BYTES);
	return 0;
}

int op_fault_clear_all(void *ctx, const struct http_request *rq, struct http_reply *rp,
		       struct errmsg *e)
{
	struct api *a = ctx;
	struct clear c = { .uid = rq->caller.uid };
	uint32_t cleared = 0;
	int r = vms_each(a->o.vms, clear_visit, &c);

	for (uint32_t i = 0; r == 0 && i < c.n; i++) {
		/* One that somebody else cleared meanwhile is no failure. */
		cleared += vms_kill(a->o.vms, c.ids[i], NULL) == 0;
	}
	free(c.ids);
	if (r < 0) {
		return errmsg_set(e, r, "the list can't be made: %s", strerror(-r));
	}
	return api_reply(rp, json_pack("{sI}", "cleared", (json_int_t)cleared), e);
}
