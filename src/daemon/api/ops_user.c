/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users: quotas, roles, bans. */
#include <errno.h>
#include <string.h>

#include "daemon/api/api_internal.h"

/* The members of "quota" and where they stand. */
static const struct {
	const char *name;
	size_t offset;
} quota_fields[] = {
	{ "running_vms", offsetof(struct users_quota, running_vms) },
	{ "vcpus", offsetof(struct users_quota, vcpus) },
	{ "memory_bytes", offsetof(struct users_quota, memory_bytes) },
	{ "exclusive_cores", offsetof(struct users_quota, exclusive_cores) },
	{ "slice_share_permille", offsetof(struct users_quota, slice_share_permille) },
	{ "definitions", offsetof(struct users_quota, definitions) },
	{ "images_bytes", offsetof(struct users_quota, images_bytes) },
	{ "max_prio", offsetof(struct users_quota, max_prio) },
	{ "max_slice_ns", offsetof(struct users_quota, max_slice_ns) },
};

static json_t *quota_json(const struct users_quota *q)
{
	json_t *o = json_object();
	uint64_t v;

	for (size_t i = 0; o && i < ARRAY_SIZE(quota_fields); i++) {
		memcpy(&v, (const char *)q + quota_fields[i].offset, sizeof(v));
		json_object_set_new(o, quota_fields[i].name, api_json_limit(v));
	}
	return o;
}

static int quota_field(const char *name, const json_t *value, struct users_quota *q,
		       struct errmsg *e)
{
	uint64_t v = STORE_NONE;
	size_t i = 0;

	while (i < ARRAY_SIZE(quota_fields) && strcmp(quota_fields[i].name, name) != 0) {
		i++;
	}
	if (i == ARRAY_SIZE(quota_fields)) {
		return errmsg_set(e, -EINVAL, "quota \"%.64s\" is not known here", name);
	}
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		v = (uint64_t)json_integer_value(value);
	} else if (!json_is_null(value)) {
		return errmsg_set(e, -EINVAL,
				  "quota %s must be a number that is not negative, or null for "
				  "no limit",
				  name);
	}
	memcpy((char *)q + quota_fields[i].offset, &v, sizeof(v));
	return 0;
}

/* What is named replaces what stands in @q, which stays as it is on failure. */
static int quota_read(json_t *o, struct users_quota *q, struct errmsg *e)
{
	struct users_quota to = *q;
	const char *name;
	json_t *value;
	int r;

	if (!json_is_object(o)) {
		return errmsg_set(e, -EINVAL, "quota must be an object");
	}
	json_object_foreach(o, name, value)
	{
		r = quota_field(name, value, &to, e);
		if (r < 0) {
			return r;
		}
	}
	*q = to;
	return 0;
}

static json_t *user_json(struct api *a, const struct users_info *i)
{
	json_t *used = json_pack("{so so so so so so}", "running_vms", api_json_u64(i->running_vms),
				 "vcpus", api_json_u64(i->sched.vcpus), "memory_bytes",
				 api_json_u64(i->memory_bytes), "exclusive_cores",
				 api_json_u64(i->sched.excl), "slice_sum_ns",
				 api_json_u64(i->sched.slice_sum_ns), "images_bytes",
				 api_json_u64(images_used_bytes(a->o.images, i->uid)));

	return json_pack("{sI so ss sb sb so so so}", "uid", (json_int_t)i->uid, "name",
			 api_json_str(i->name), "role", i->is_admin ? "admin" : "user", "is_known",
			 (int)i->is_known, "is_banned", (int)i->is_banned, "ban_reason",
			 api_json_str(i->ban_reason), "quota", quota_json(&i->quota), "used", used);
}

struct list {
	struct api *a;
	json_t *array;
};

static int list_visit(void *arg, const struct users_info *i)
{
	struct list *l = arg;

	return json_array_append_new(l->array, user_json(l->a, i)) < 0 ? -ENOMEM : 0;
}

int op_user_list(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct list l = { ctx, json_array() };
	struct users_info info;
	int r;

	if (api_is_admin(ctx, rq)) {
		uint32_t number;

		/* So that the list is never without the one who asks. */
		(void)users_number(l.a->o.users, rq->caller.uid, &number, NULL);
		r = l.array ? users_each(l.a->o.users, list_visit, &l) : -ENOMEM;
	} else {
		users_get(l.a->o.users, rq->caller.uid, &info);
		r = l.array ? list_visit(&l, &info) : -ENOMEM;
	}
	if (r < 0) {
		json_decref(l.array);
		return errmsg_set(e, r, "the list can't be made: %s", strerror(-r));
	}
	return api_reply(rp, l.array, e);
}

static void publish(struct api *a, const char *type, uid_t uid, uid_t by)
{
	events_publish(a->o.events, uid, type,
		       json_pack("{sI sI}", "uid", (json_int_t)uid, "by", (json_int_t)by));
}

static int reply_user(struct api *a, uid_t uid, struct http_reply *rp, struct errmsg *e)
{
	struct users_info info;

	users_get(a->o.users, uid, &info);
	return api_reply(rp, user_json(a, &info), e);
}

static int add_read(struct api *a, const struct http_request *rq, uid_t *ret, bool *ret_is_admin,
		    struct users_quota *q, struct errmsg *e)
{
	static const char *const names[] = { "user", "role", "quota", NULL };
	const char *user = json_string_value(json_object_get(rq->body, "user"));
	json_t *role = json_object_get(rq->body, "role");
	json_t *quota = json_object_get(rq->body, "quota");
	struct users_info info;
	int r = api_json_only(rq->body, names, e);

	if (r < 0) {
		return r;
	}
	if (!user) {
		return errmsg_set(e, -EINVAL, "user must be the name or number of a user");
	}
	if (role && (!json_is_string(role) || (strcmp(json_string_value(role), "admin") != 0 &&
					       strcmp(json_string_value(role), "user") != 0))) {
		return errmsg_set(e, -EINVAL, "role must be \"user\" or \"admin\"");
	}
	r = users_parse(user, ret, e);
	if (r < 0) {
		return r;
	}
	users_get(a->o.users, *ret, &info);
	*q = info.quota;
	*ret_is_admin = role && strcmp(json_string_value(role), "admin") == 0;
	return quota ? quota_read(quota, q, e) : 0;
}

int op_user_add(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	struct users_quota q;
	bool is_admin = false;
	uid_t uid = 0;
	int r = add_read(a, rq, &uid, &is_admin, &q, e);

	r = r < 0 ? r : users_add(a->o.users, uid, is_admin, &q, e);
	if (r < 0) {
		return r;
	}
	api_ceiling_lower(a, uid);
	publish(a, "user.added", uid, rq->caller.uid);
	rp->status = 201;
	return reply_user(a, uid, rp, e);
}

int op_user_quota(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	struct users_info info;
	uid_t uid = 0;
	int r = users_parse(rq->param[0], &uid, e);

	if (r < 0) {
		return r;
	}
	users_get(a->o.users, uid, &info);
	r = quota_read(rq->body, &info.quota, e);
	r = r < 0 ? r : users_set_quota(a->o.users, uid, &info.quota, e);
	if (r < 0) {
		return r;
	}
	api_ceiling_lower(a, uid);
	publish(a, "user.quota", uid, rq->caller.uid);
	return reply_user(a, uid, rp, e);
}

int op_user_remove(void *ctx, const struct http_request *rq, struct http_reply *rp,
		   struct errmsg *e)
{
	struct api *a = ctx;
	uid_t uid = 0;
	int r = users_parse(rq->param[0], &uid, e);

	(void)rp;
	r = r < 0 ? r : users_remove(a->o.users, uid, e);
	if (r == 0) {
		api_ceiling_lower(a, uid);
		publish(a, "user.removed", uid, rq->caller.uid);
	}
	return r;
}

int op_user_ban(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	static const char *const names[] = { "reason", NULL };
	json_t *reason = json_object_get(rq->body, "reason");
	struct api *a = ctx;
	struct users_info before;
	uint64_t killed;
	uid_t uid = 0;
	int r = api_json_only(rq->body, names, e);

	if (r == 0 && reason && !json_is_string(reason)) {
		r = errmsg_set(e, -EINVAL, "reason must be a text");
	}
	r = r < 0 ? r : users_parse(rq->param[0], &uid, e);
	if (r < 0) {
		return r;
	}
	users_get_own(a->o.users, uid, &before);
	r = users_ban(a->o.users, uid, rq->caller.uid,
		      reason ? json_string_value(reason) : "no reason given", e);
	if (r < 0) {
		return r;
	}
	/* The scheduler ends them when it hears of the ban: some may be gone by now. */
	killed = vms_kill_user(a->o.vms, uid);
	killed = killed > before.running_vms ? killed : before.running_vms;
	publish(a, "user.banned", uid, rq->caller.uid);
	return api_reply(rp,
			 json_pack("{sI sI}", "uid", (json_int_t)uid, "killed_vms",
				   (json_int_t)killed),
			 e);
}

int op_user_unban(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	uid_t uid = 0;
	int r = users_parse(rq->param[0], &uid, e);

	(void)rp;
	r = r < 0 ? r : guard_unban_check(a->o.guard, uid, e);
	r = r < 0 ? r : users_unban(a->o.users, uid, e);
	if (r == 0) {
		publish(a, "user.unbanned", uid, rq->caller.uid);
	}
	return r;
}
