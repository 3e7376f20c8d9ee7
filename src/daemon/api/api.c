/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The context of all handlers: who may ask for what, and the audit record of what was changed. */
#include "daemon/api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/parse.h"
#include "daemon/api/api_internal.h"

static ns_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec;
}

ns_t api_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t api_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static int refusal_errno(enum api_refusal why)
{
	static const int errors[API_REFUSED_COUNT] = {
		[API_REFUSED_BANNED] = -EKEYREJECTED, [API_REFUSED_UNKNOWN] = -EPERM,
		[API_REFUSED_RIGHT] = -EPERM,	      [API_REFUSED_QUOTA] = -EDQUOT,
		[API_REFUSED_RATE] = -ETOOMANYREFS,
	};

	return errors[why];
}

struct api *api_new(const struct api_options *o)
{
	struct api *a = calloc(1, sizeof(*a));

	if (!a) {
		return NULL;
	}
	a->o = *o;
	a->exclusive_cap = o->exclusive_cap;
	a->started_ns = api_now_ns();
	a->started_at_ns = api_real_ns();
	pthread_mutex_init(&a->lock, NULL);
	a->rate = api_rate_new(o->rate_changes, o->rate_burst);
	a->refusals = api_refusals_new();
	if (!a->rate || !a->refusals) {
		api_free(a);
		return NULL;
	}
	return a;
}

/* Refusals that were counted until now. */
static void record_refusals(struct api *a, ns_t now_ns)
{
	struct api_refused x;

	while (api_refusals_take(a->refusals, now_ns, &x)) {
		char text[256];
		struct audit_entry entry = { .uid = x.uid,
					     .result = refusal_errno(x.why),
					     .operation = "refused",
					     .arguments = text };
		struct errmsg e = { "" };

		snprintf(text, sizeof(text),
			 "{\"last\":\"%.64s\",\"n\":%" PRIu64 ",\"refused\":\"%s\"}", x.operation,
			 x.n, api_refusal_name(x.why));
		if (audit_submit(a->o.audit, &entry, NULL, NULL, &e) < 0) {
			log_warn("refusals could not be recorded: uid=%u n=%" PRIu64
				 " reason=%s error=\"%s\"",
				 x.uid, x.n, api_refusal_name(x.why), e.text);
		}
	}
}

void api_tick(struct api *a)
{
	record_refusals(a, api_now_ns());
}

void api_rate_change(struct api *a, uint32_t rate_changes, uint32_t rate_burst)
{
	api_rate_set(a->rate, rate_changes, rate_burst);
}

void api_free(struct api *a)
{
	if (a) {
		if (a->refusals) {
			record_refusals(a, UINT64_MAX);
		}
		api_refusals_free(a->refusals);
		api_rate_free(a->rate);
		pthread_mutex_destroy(&a->lock);
		free(a);
	}
}

void api_http_set(struct api *a, struct http *h)
{
	pthread_mutex_lock(&a->lock);
	a->http = h;
	pthread_mutex_unlock(&a->lock);
}

void api_stop(struct api *a)
{
	atomic_store(&a->is_stopping, true);
}

void api_foreign_set(struct api *a, const struct partition_foreign *found, uint32_t n,
		     const ns_t *per_core)
{
	uint32_t n_pool = partition_roles(a->o.partition)->n_pool;

	n = n < PARTITION_FOREIGN_MAX ? n : PARTITION_FOREIGN_MAX;
	pthread_mutex_lock(&a->lock);
	memcpy(a->foreign, found, n * sizeof(*found));
	a->n_foreign = n;
	for (uint32_t i = 0; i < n_pool; i++) {
		a->foreign_ns[i] = per_core[i];
		a->foreign_sum[i] += per_core[i];
	}
	pthread_mutex_unlock(&a->lock);
}

void api_unwarn(struct api *a, const char *text)
{
	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < a->n_warnings; i++) {
		if (strncmp(a->warnings[i], text, API_WARNING_BYTES - 1) == 0) {
			memmove(a->warnings[i], a->warnings[i + 1],
				(a->n_warnings - i - 1) * API_WARNING_BYTES);
			a->n_warnings--;
			break;
		}
	}
	pthread_mutex_unlock(&a->lock);
}

void api_warn(struct api *a, const char *text)
{
	api_unwarn(a, text);
	pthread_mutex_lock(&a->lock);
	if (a->n_warnings < API_WARNINGS_MAX) {
		snprintf(a->warnings[a->n_warnings++], API_WARNING_BYTES, "%s", text);
	}
	pthread_mutex_unlock(&a->lock);
}

bool api_is_admin(struct api *a, const struct http_request *rq)
{
	return users_is_admin(a->o.users, rq->caller.uid);
}

int api_vm_find(struct api *a, const struct http_request *rq, char ret_id[VMS_ID_BYTES],
		struct errmsg *e)
{
	return vms_find(a->o.vms, rq->caller.uid, api_is_admin(a, rq), rq->param[0], ret_id, e);
}

int api_core_parse(struct api *a, const char *text, uint16_t *ret, struct errmsg *e)
{
	const struct sched_roles *roles = partition_roles(a->o.partition);
	uint64_t v;

	if (parse_u64(text, &v, NULL) < 0) {
		return errmsg_set(e, -EINVAL, "a core is a number");
	}
	for (uint16_t i = 0; i < roles->n_pool; i++) {
		if (roles->pool[i] == v) {
			*ret = i;
			return 0;
		}
	}
	return errmsg_set(e, -ENOENT, "core %.16s is not in the pool", text);
}

uint32_t api_exclusive_cap(struct api *a)
{
	uint32_t cap, n_pool = partition_roles(a->o.partition)->n_pool;

	pthread_mutex_lock(&a->lock);
	cap = a->exclusive_cap;
	pthread_mutex_unlock(&a->lock);
	cap = cap == SCHED_CAP_HALF ? sched_roles_exclusive_cap(n_pool) : cap;
	return cap < n_pool ? cap : n_pool;
}

/* The first of its kind within a minute has a record of its own; nobody waits for it. */
static void refuse(struct api *a, enum api_refusal why, const char *operation,
		   const struct http_caller *caller)
{
	struct audit_entry entry = { .uid = caller->uid,
				     .pid = (uint32_t)caller->pid,
				     .result = refusal_errno(why),
				     .operation = operation };
	struct errmsg e = { "" };
	char text[64];

	if (api_refusals_note(a->refusals, caller->uid, why, operation, api_now_ns())) {
		snprintf(text, sizeof(text), "{\"refused\":\"%s\"}", api_refusal_name(why));
		entry.arguments = text;
		if (audit_submit(a->o.audit, &entry, NULL, NULL, &e) < 0) {
			log_warn(
				"a refusal could not be recorded: operation=%s uid=%u error=\"%s\"",
				operation, caller->uid, e.text);
		}
	}
}

static int check_banned(struct api *a, uid_t uid, struct errmsg *e)
{
	struct users_info info;

	if (!users_is_banned(a->o.users, uid)) {
		return 0;
	}
	users_get_own(a->o.users, uid, &info);
	return errmsg_set(e, -EKEYREJECTED, "user %s is banned: %s\nan administrator can unban you",
			  info.name, info.ban_reason);
}

/* After a record that failed: changes wait until a record can be written again. */
static int check_audit(struct api *a, struct errmsg *e)
{
	int r;

	if (!atomic_load(&a->audit_failed)) {
		return 0;
	}
	r = audit_heartbeat(a->o.audit, "{\"note\":\"after a failure\"}", e);
	if (r < 0) {
		return errmsg_set(e, -EAGAIN,
				  "the audit log can't be written (%s), so nothing may be changed",
				  strerror(-r));
	}
	atomic_store(&a->audit_failed, false);
	return 0;
}

/* Who borrows ids could have all connections: 64 for each of them. */
static int hook_admit(void *ctx, const struct http_caller *caller, struct errmsg *e)
{
	struct api *a = ctx;

	if (!users_is_borrowed(caller->uid) || !users_is_refused(a->o.users, caller->uid)) {
		return 0;
	}
	refuse(a, API_REFUSED_UNKNOWN, "connect", caller);
	return errmsg_set(e, -EPERM,
			  "user %u is an id of a VM or of somebody's user namespace\n"
			  "an administrator must add it",
			  caller->uid);
}

/* A change is a durable record in a log that all share. */
static int check_rate(struct api *a, uid_t uid, struct errmsg *e)
{
	return api_rate_take(a->rate, uid, api_now_ns())
		       ? 0
		       : errmsg_set(e, -ETOOMANYREFS,
				    "user %u changes things faster than is allowed\n"
				    "wait a second; the bound is rate_changes in pinfoldd.conf",
				    uid);
}

/* @param ret_why what a refusal is */
static int check_caller(struct api *a, const struct http_op *op, uid_t uid,
			enum api_refusal *ret_why, struct errmsg *e)
{
	int r = check_banned(a, uid, e);

	if (r < 0) {
		*ret_why = API_REFUSED_BANNED;
		return r;
	}
	if (users_is_refused(a->o.users, uid)) {
		*ret_why = API_REFUSED_UNKNOWN;
		return errmsg_set(e, -EPERM,
				  "user %u is not known here\nan administrator must add it", uid);
	}
	if (users_is_admin(a->o.users, uid)) {
		return 0;
	}
	if (op->flags & HTTP_ADMIN) {
		*ret_why = API_REFUSED_RIGHT;
		return errmsg_set(e, -EPERM, "%s is for administrators", op->name);
	}
	*ret_why = API_REFUSED_RATE;
	return op->flags & HTTP_CHANGES ? check_rate(a, uid, e) : 0;
}

static int hook_check(void *ctx, const struct http_op *op, const struct http_caller *caller,
		      struct errmsg *e)
{
	enum api_refusal why = API_REFUSED_BANNED;
	struct api *a = ctx;
	int r;

	if (op->handler == op_status) {
		return 0;
	}
	r = check_caller(a, op, caller->uid, &why, e);
	if (r < 0) {
		refuse(a, why, op->name, caller);
		return r;
	}
	return op->flags & HTTP_CHANGES ? check_audit(a, e) : 0;
}

/* What stands for {name} in a path, as members of the arguments. */
static void add_params(json_t *o, const struct http_request *rq)
{
	const char *p = rq->op->path;

	for (size_t i = 0; i < HTTP_PARAMS_MAX && rq->param[i]; i++) {
		char name[32];
		size_t n;

		p = strchr(p, '{');
		if (!p) {
			return;
		}
		n = strcspn(++p, "}");
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		json_object_set_new(o, name, api_json_text(rq->param[i], strlen(rq->param[i])));
	}
}

static void add_query(json_t *o, const struct http_request *rq)
{
	static const char *const known[] = { "name", "force", "start" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const char *v = http_query(rq, known[i]);

		if (v) {
			json_object_set_new(o, known[i], api_json_text(v, strlen(v)));
		}
	}
}

/* The arguments as one text; a body that is too long is named by its hash. */
static char *arguments_of(const struct http_request *rq)
{
	json_t *o = json_object();
	char *text, hex[65];
	uint8_t hash[32];

	if (!o) {
		return NULL;
	}
	add_params(o, rq);
	add_query(o, rq);
	if (rq->op->flags & (HTTP_BODY_BYTES | HTTP_BODY_FILE)) {
		uint64_t n = rq->op->flags & HTTP_BODY_FILE ? rq->body_bytes : rq->n_bytes;

		json_object_set_new(o, "bytes", api_json_u64(n));
	} else if (rq->body && json_object_size(rq->body) > 0) {
		json_object_set(o, "body", rq->body);
	}
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	if (text && strlen(text) > API_ARGUMENTS_MAX) {
		crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
		sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
		json_object_del(o, "body");
		json_object_set_new(o, "body_sha256", json_string(hex));
		free(text);
		text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	}
	json_decref(o);
	return text;
}

/* What a quota refused has changed nothing; the first is recorded with its arguments, the rest counted. */
static bool is_counted(struct api *a, const struct http_request *rq, int result)
{
	return result == -EDQUOT &&
	       !api_refusals_note(a->refusals, rq->caller.uid, API_REFUSED_QUOTA, rq->op->name,
				  api_now_ns());
}

static int hook_record(void *ctx, const struct http_request *rq, int result, struct errmsg *e)
{
	struct api *a = ctx;
	struct audit_entry entry = { .uid = rq->caller.uid,
				     .pid = (uint32_t)rq->caller.pid,
				     .result = result,
				     .operation = rq->op->name };
	char *text;
	int r;

	if (is_counted(a, rq, result)) {
		return 0;
	}
	text = arguments_of(rq);
	entry.arguments = text;
	r = text ? audit_append(a->o.audit, &entry, e) : errmsg_set(e, -ENOMEM, "out of memory");
	free(text);
	if (r < 0) {
		atomic_store(&a->audit_failed, true);
		log_err("a change could not be recorded: operation=%s uid=%u error=\"%s\"",
			rq->op->name, rq->caller.uid, strerror(-r));
	}
	return r;
}

struct http_hooks api_hooks(struct api *a)
{
	return (struct http_hooks){
		.admit = hook_admit, .check = hook_check, .record = hook_record, .ctx = a
	};
}
