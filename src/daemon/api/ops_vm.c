/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs: list, create, life cycle, waiting, changing, cores of their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "daemon/api/api_internal.h"

/* A hash that belongs to nothing: fills a spec of which only some fields count. */
#define SPEC_NO_CONTEXT "0000000000000000000000000000000000000000000000000000000000000000"

struct list {
	struct api *a;
	struct api_names names;
	json_t *array;
	uid_t uid;
	bool is_everyone, is_all;
};

static int list_visit(void *arg, const struct vms_info *i)
{
	struct list *l = arg;

	if ((!l->is_everyone && i->owner != l->uid) ||
	    (!l->is_all && (i->state == VMS_STOPPED || i->state == VMS_KILLED))) {
		return 0;
	}
	return json_array_append_new(l->array, api_vm_json(l->a, &l->names, i)) < 0 ? -ENOMEM : 0;
}

int op_vm_list(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct list l = { .a = ctx, .uid = rq->caller.uid };
	int r;

	l.is_all = api_query_flag(rq, "all");
	l.is_everyone = api_query_flag(rq, "everyone");
	if (l.is_everyone && !api_is_admin(ctx, rq)) {
		return errmsg_set(e, -EPERM, "only administrators see everybody's VMs");
	}
	l.array = json_array();
	r = l.array ? vms_each(l.a->o.vms, list_visit, &l) : -ENOMEM;
	if (r < 0) {
		json_decref(l.array);
		return errmsg_set(e, r, "the list can't be made: %s", strerror(-r));
	}
	return api_reply(rp, l.array, e);
}

/* Whose VM it will be: the caller's, or whom an administrator names. */
static int owner_of(struct api *a, const struct http_request *rq, uid_t *ret, struct errmsg *e)
{
	const json_t *owner = json_object_get(rq->body, "owner");
	uid_t uid = rq->caller.uid;
	int r = 0;

	if (owner && json_is_string(owner)) {
		r = users_parse(json_string_value(owner), &uid, e);
	} else if (owner && json_is_integer(owner)) {
		json_int_t v = json_integer_value(owner);

		r = v < 0 || v >= UINT32_MAX ? errmsg_set(e, -EINVAL, "owner: no such user") : 0;
		uid = r == 0 ? (uid_t)v : uid;
	} else if (owner && !json_is_null(owner)) {
		r = errmsg_set(e, -EINVAL, "owner must be the name or number of a user");
	}
	if (r == 0 && uid != rq->caller.uid && !api_is_admin(a, rq)) {
		r = errmsg_set(e, -EPERM, "only administrators create VMs for others");
	}
	if (r == 0) {
		*ret = uid;
	}
	return r;
}

/* An image that the administrator may use becomes one that the owner may use. */
static int lend(struct api *a, uid_t from, uid_t to, const char *hash, struct errmsg *e)
{
	char path[IMAGES_PATH_BYTES], copy[IMAGES_HASH_BYTES];
	_cleanup_close_ int fd = -1;
	uint64_t bytes;

	if (from == to || hash[0] == '\0' || images_find(a->o.images, to, hash, &bytes) == 0) {
		return 0;
	}
	if (images_find(a->o.images, from, hash, &bytes) < 0) {
		return errmsg_set(e, -ENOENT, "image %s is not here: upload it first", hash);
	}
	images_path(a->o.images, hash, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return errmsg_set(e, -errno, "image %s: %s", hash, strerror(errno));
	}
	return images_put(a->o.images, to, fd, hash, copy, e);
}

static int lend_all(struct api *a, uid_t from, uid_t to, const struct vm_spec *s, struct errmsg *e)
{
	const char *hashes[4 + PROTO_DISKS_MAX] = { s->image, s->context, s->kernel, s->initrd };
	size_t n = 4;
	int r = 0;

	for (uint32_t i = 0; i < s->n_disks; i++) {
		hashes[n++] = s->disks[i].image;
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = lend(a, from, to, hashes[i], e);
	}
	return r;
}

/* One that does not start leaves nothing behind. */
static int start_new(struct api *a, const char *id, struct errmsg *e)
{
	int r = vms_start(a->o.vms, id, e);
	struct errmsg why = { 0 };
	int left = r < 0 ? vms_remove(a->o.vms, id, true, &why) : 0;

	if (left < 0 && left != -ENOENT) {
		log_warn("a VM that did not start is still defined id=%s error=\"%s\"", id,
			 why.text);
	}
	return r;
}

/* Also for POST /v1/restore: create and answer 201. */
int api_vm_create(struct api *a, uid_t owner, const struct vm_spec *spec, bool is_started,
		  struct http_reply *rp, struct errmsg *e)
{
	char id[VMS_ID_BYTES];
	const char *name = spec->name;
	struct vms_info info;
	int r = is_started ? 0 : vms_check(a->o.vms, owner, spec, e);

	r = r < 0 ? r : vms_create(a->o.vms, owner, spec, id, e);
	if (r == 0 && is_started) {
		r = start_new(a, id, e);
	}
	if (r < 0) {
		return r;
	}
	/* A VM without a name got one. */
	if (!name[0] && vms_get(a->o.vms, id, &info) == 0) {
		name = info.spec.name;
	}
	rp->status = 201;
	return api_reply(rp, json_pack("{ss ss}", "id", id, "name", name), e);
}

int op_vm_create(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	_cleanup_free_ struct vm_spec *spec = malloc(sizeof(*spec));
	struct api *a = ctx;
	uid_t owner = rq->caller.uid;
	int r;

	if (!spec) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = owner_of(a, rq, &owner, e);
	if (r == 0) {
		r = spec_from_json(rq->body, spec, e);
	}
	if (r == 0 && !json_is_integer(json_object_get(rq->body, "slice_ns"))) {
		spec->config.slice_ns = a->o.slice_ns;
	}
	r = r < 0 ? r : api_ceiling_apply(a, owner, rq->body, spec, e);
	r = r < 0 ? r : api_net_check(a, owner, spec, e);
	r = r < 0 ? r : lend_all(a, rq->caller.uid, owner, spec, e);
	return r < 0 ? r : api_vm_create(a, owner, spec, api_query_flag(rq, "start"), rp, e);
}

int op_vm_get(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	char id[VMS_ID_BYTES];
	struct vms_info info;
	int r = api_vm_find(a, rq, id, e);

	if (r == 0 && vms_get(a->o.vms, id, &info) < 0) {
		r = errmsg_set(e, -ENOENT, "VM \"%s\" was removed", rq->param[0]);
	}
	return r < 0 ? r : api_reply(rp, api_vm_json_full(a, &info), e);
}

int op_vm_remove(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	char id[VMS_ID_BYTES];
	int r = api_vm_find(a, rq, id, e);

	(void)rp;
	return r < 0 ? r : vms_remove(a->o.vms, id, api_query_flag(rq, "force"), e);
}

/* One step of the life cycle; the answer is the state that it led to. */
static int step(struct api *a, const struct http_request *rq, struct http_reply *rp,
		int (*go)(struct vms *v, const char *id, struct errmsg *e), struct errmsg *e)
{
	static const char *const none[] = { NULL };
	char id[VMS_ID_BYTES];
	enum vms_state state;
	int r = api_json_only(rq->body, none, e);

	r = r < 0 ? r : api_vm_find(a, rq, id, e);
	r = r < 0 ? r : go(a->o.vms, id, e);
	if (r < 0) {
		return r;
	}
	if (vms_get_state(a->o.vms, id, &state) < 0) {
		return errmsg_set(e, -ENOENT, "VM \"%s\" was removed meanwhile", rq->param[0]);
	}
	return api_reply(rp, json_pack("{ss ss}", "id", id, "state", vms_state_name(state)), e);
}

int op_vm_start(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	char id[VMS_ID_BYTES];
	struct vms_info i;
	int r = api_vm_find(ctx, rq, id, e);

	r = r < 0 ? r : api_ceiling_lower_vm(ctx, id, e);
	if (r == 0 && vms_get(a->o.vms, id, &i) == 0) {
		r = api_net_check(a, i.owner, &i.spec, e);
	}
	return r < 0 ? r : step(ctx, rq, rp, vms_start, e);
}

int op_vm_pause(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	return step(ctx, rq, rp, vms_pause, e);
}

int op_vm_resume(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	return step(ctx, rq, rp, vms_resume, e);
}

int op_vm_shutdown(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	return step(ctx, rq, rp, vms_shutdown, e);
}

int op_vm_stop(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	return step(ctx, rq, rp, vms_stop, e);
}

int op_vm_kill(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	return step(ctx, rq, rp, vms_kill, e);
}

int op_vm_wait(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	struct api_names names = { 0 };
	char id[VMS_ID_BYTES];
	struct vms_info info;
	uint64_t left_ms;
	int r = api_query_u64(rq, "timeout_ms", API_WAIT_MAX_MS, API_WAIT_MAX_MS, &left_ms, e);

	r = r < 0 ? r : api_vm_find(a, rq, id, e);
	while (r == 0) {
		uint32_t ms = left_ms < API_WAIT_STEP_MS ? (uint32_t)left_ms : API_WAIT_STEP_MS;

		r = vms_wait(a->o.vms, id, ms, &info);
		left_ms -= ms;
		if (r == 0 && (left_ms == 0 || http_is_over(rq))) {
			rp->status = 204;
			return 0;
		}
		if (r < 0) {
			return errmsg_set(e, r, "VM \"%s\" was removed meanwhile", rq->param[0]);
		}
	}
	return r < 0 ? r : api_reply(rp, api_vm_json(a, &names, &info), e);
}

/* Limits that are named replace, the others stay. */
static void merge_limits(struct proto_limits *to, const struct proto_limits *from,
			 const json_t *named)
{
	to->cpu_ns = json_object_get(named, "cpu_ns") ? from->cpu_ns : to->cpu_ns;
	to->insns = json_object_get(named, "insns") ? from->insns : to->insns;
	to->wall_ns = json_object_get(named, "wall_ns") ? from->wall_ns : to->wall_ns;
}

/* The fields are read by the one reader of specs, so that they have the same bounds. */
static int read_update(const struct http_request *rq, const struct vms_info *now,
		       struct vms_update *ret, struct errmsg *e)
{
	static const char *const names[] = { "slice_ns", "prio", "limits", NULL };
	_cleanup_free_ struct vm_spec *spec = malloc(sizeof(*spec));
	const json_t *limits = json_object_get(rq->body, "limits");
	json_t *o;
	int r = api_json_only(rq->body, names, e);

	if (r < 0) {
		return r;
	}
	if (json_object_size(rq->body) == 0) {
		return errmsg_set(e, -EINVAL, "name slice_ns, prio or limits");
	}
	o = json_copy(rq->body);
	if (!spec || !o || json_object_set_new(o, "context", json_string(SPEC_NO_CONTEXT)) < 0) {
		json_decref(o);
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = spec_from_json(o, spec, e);
	json_decref(o);
	if (r < 0) {
		return r;
	}
	memset(ret, 0, sizeof(*ret));
	ret->mask = json_object_get(rq->body, "slice_ns") ? SCHED_UPDATE_SLICE : 0;
	ret->mask |= json_object_get(rq->body, "prio") ? SCHED_UPDATE_PRIO : 0;
	ret->mask |= limits ? VMS_UPDATE_LIMITS : 0;
	ret->prio = spec->prio;
	ret->slice_ns = spec->config.slice_ns;
	ret->limits = now->spec.config.limits;
	merge_limits(&ret->limits, &spec->config.limits, limits);
	return 0;
}

int op_vm_update(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	struct api_names names = { 0 };
	char id[VMS_ID_BYTES];
	struct vms_update update;
	struct vms_info info;
	int r = api_vm_find(a, rq, id, e);

	if (r == 0 && vms_get(a->o.vms, id, &info) < 0) {
		r = errmsg_set(e, -ENOENT, "VM \"%s\" was removed", rq->param[0]);
	}
	r = r < 0 ? r : read_update(rq, &info, &update, e);
	r = r < 0 ? r
		  : users_ceiling_check(a->o.users, info.owner,
					update.mask & SCHED_UPDATE_PRIO ? update.prio : 0,
					update.mask & SCHED_UPDATE_SLICE ? update.slice_ns : 0, e);
	r = r < 0 ? r : vms_update(a->o.vms, id, &update, e);
	if (r < 0) {
		return r;
	}
	r = vms_get(a->o.vms, id, &info);
	return r < 0 ? errmsg_set(e, r, "VM \"%s\" was removed meanwhile", rq->param[0])
		     : api_reply(rp, api_vm_json(a, &names, &info), e);
}

int op_vm_pin(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	static const char *const names[] = { "core", NULL };
	const json_t *core = json_object_get(rq->body, "core");
	struct api *a = ctx;
	uint16_t host_core = SPEC_CORE_ANY, pool_core;
	char id[VMS_ID_BYTES], text[24];
	int r = api_json_only(rq->body, names, e);

	(void)rp;
	if (r == 0 && core && !json_is_null(core)) {
		json_int_t v = json_integer_value(core);

		if (!json_is_integer(core) || v < 0 || v >= SPEC_CORE_ANY) {
			return errmsg_set(e, -EINVAL, "core must be the number of a core, or null");
		}
		snprintf(text, sizeof(text), "%d", (int)v);
		r = api_core_parse(a, text, &pool_core, e);
		host_core = (uint16_t)v;
	}
	r = r < 0 ? r : api_vm_find(a, rq, id, e);
	return r < 0 ? r : vms_pin(a->o.vms, id, host_core, e);
}

int op_vm_unpin(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	char id[VMS_ID_BYTES];
	int r = api_vm_find(a, rq, id, e);

	(void)rp;
	return r < 0 ? r : vms_unpin(a->o.vms, id, e);
}
