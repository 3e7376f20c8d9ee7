/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon as a whole: status, events, the end, its own description. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api/api_internal.h"

struct counts {
	uint32_t defined, running, paused, faulted;
};

static int count_visit(void *arg, const struct vms_info *i)
{
	struct counts *c = arg;

	c->defined++;
	c->running += i->state == VMS_RUNNING || i->state == VMS_BLOCKED ||
		      i->state == VMS_STARTING || i->state == VMS_STOPPING;
	c->paused += i->state == VMS_PAUSED;
	c->faulted += i->state == VMS_FAULTED;
	return 0;
}

static json_t *guarantees_json(struct api *a)
{
	struct partition_guarantee g[PARTITION_GUARANTEES_MAX];
	uint32_t n = partition_guarantees(a->o.partition, g);
	json_t *o = json_array();

	for (uint32_t i = 0; i < n; i++) {
		json_array_append_new(o, json_pack("{so sb so}", "name", api_json_str(g[i].name),
						   "holds", (int)g[i].holds, "why",
						   api_json_str(g[i].why)));
	}
	return o;
}

/* "on" as the kernel makes it or somebody else set it, "short" or "off" when it was asked for and holds. */
static const char *fair_state(const struct partition_fair *f)
{
	if (f->now.error < 0) {
		return f->now.error == -ENOTSUP ? "none" : "unknown";
	}
	return f->now.most.runtime_ns == 0 ? "off" : f->is_set ? "short" : "on";
}

static json_t *fair_json(const struct partition_fair *f)
{
	int error = f->error < 0 ? f->error : f->now.error;

	return json_pack("{so ss so so}", "wanted_ns",
			 f->is_wanted ? api_json_u64(f->runtime_ns) : json_null(), "state",
			 fair_state(f), "runtime_ns",
			 f->now.error < 0 ? json_null() : api_json_u64(f->now.most.runtime_ns),
			 "error",
			 error < 0 ? api_json_str(partition_fair_why(error)) : json_null());
}

static json_t *throttle_json(const struct partition_fair *f)
{
	int error = f->throttle_error < 0 ? f->throttle_error : f->throttle_now_error;

	return json_pack("{ss sb so so}", "state",
			 f->throttle_now_error < 0 ? "unknown"
			 : f->throttle.is_in_force ? "on"
						   : "off",
			 "is_ended", (int)f->is_throttle_set, "ns_per_s",
			 f->throttle_now_error < 0
				 ? json_null()
				 : api_json_u64(host_throttle_ns_per_s(&f->throttle)),
			 "error", error < 0 ? api_json_str(strerror(-error)) : json_null());
}

static json_t *pool_json(const struct sched_roles *roles)
{
	json_t *o = json_array();

	for (uint32_t i = 0; i < roles->n_pool; i++) {
		json_array_append_new(o, json_integer(roles->pool[i]));
	}
	return o;
}

static json_t *store_json(struct api *a)
{
	struct store_stats st;

	store_stats_get(a->o.store, &st);
	return json_pack("{so so so}", "generation", api_json_u64(st.generation), "depth",
			 api_json_u64(st.depth), "last_error",
			 st.last_error ? api_json_str(strerror(abs(st.last_error))) : json_null());
}

/* The first key lies beside the log until somebody moves it away. */
static bool has_key_here(struct api *a)
{
	char path[IMAGES_PATH_BYTES];

	snprintf(path, sizeof(path), "%s/audit/verify.key", a->o.state_dir);
	return access(path, F_OK) == 0;
}

static json_t *audit_json(struct api *a)
{
	struct audit_anchor anchor;
	bool has_records = audit_anchor_get(a->o.audit, &anchor) == 0;

	return json_pack("{so sb sb}", "seq", has_records ? api_json_u64(anchor.seq) : json_null(),
			 "is_ok", (int)!atomic_load(&a->audit_failed), "has_key_here",
			 (int)has_key_here(a));
}

static json_t *warnings_json(struct api *a)
{
	json_t *o = json_array();

	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < a->n_warnings; i++) {
		json_array_append_new(o, api_json_str(a->warnings[i]));
	}
	pthread_mutex_unlock(&a->lock);
	return o;
}

int op_status(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	const struct sched_roles *roles = partition_roles(a->o.partition);
	struct dispatch_stats ds;
	struct partition_fair fair;
	struct counts c = { 0 };
	json_t *o;

	(void)rq;
	vms_each(a->o.vms, count_visit, &c);
	dispatch_stats_get(a->o.dispatch, &ds);
	o = json_pack("{ss si so so sb si si so sb ss so}", "version", PINFOLD_VERSION, "pid",
		      (int)getpid(), "started_at", api_json_time(a->started_at_ns), "uptime_ns",
		      api_json_u64(api_now_ns() - a->started_ns), "is_rootless",
		      (int)a->o.is_rootless, "control_core", (int)roles->control,
		      "housekeeping_core", (int)roles->housekeeping, "pool", pool_json(roles),
		      "is_folded", (int)roles->is_folded, "backend",
		      partition_backend_name(partition_backend_get(a->o.partition)), "guarantees",
		      guarantees_json(a));
	if (!o) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	partition_fair_get(a->o.partition, &fair);
	json_object_set_new(o, "fair_server", fair_json(&fair));
	json_object_set_new(o, "rt_throttling", throttle_json(&fair));
	json_object_set_new(o, "vms",
			    json_pack("{si si si si}", "defined", (int)c.defined, "running",
				      (int)c.running, "paused", (int)c.paused, "faulted",
				      (int)c.faulted));
	json_object_set_new(o, "exclusive",
			    json_pack("{si si}", "cap", (int)api_exclusive_cap(a), "used",
				      (int)ds.sched.excl_cores));
	json_object_set_new(o, "store", store_json(a));
	json_object_set_new(o, "audit", audit_json(a));
	json_object_set_new(o, "warnings", warnings_json(a));
	return api_reply(rp, o, e);
}

int op_events(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	uint64_t from;
	int r = api_query_u64(rq, "from", UINT64_MAX, 0, &from, e);

	return r < 0 ? r
		     : events_stream(a->o.events, api_is_admin(a, rq), rq->caller.uid, from, rp);
}

int op_shutdown(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	static const char *const names[] = { "vms", NULL };
	json_t *vms = json_object_get(rq->body, "vms");
	const char *what = vms ? json_string_value(vms) : "keep";
	struct api *a = ctx;
	int r = api_json_only(rq->body, names, e);

	if (r < 0) {
		return r;
	}
	if (!what || (strcmp(what, "keep") != 0 && strcmp(what, "kill") != 0)) {
		return errmsg_set(e, -EINVAL, "vms must be \"keep\" or \"kill\"");
	}
	events_publish(a->o.events, EVENTS_NOBODY, "daemon.stopping",
		       json_pack("{ss}", "vms", what));
	a->o.shutdown(a->o.shutdown_arg, strcmp(what, "kill") == 0);
	return api_reply(rp, json_pack("{ss}", "vms", what), e);
}

int op_openapi(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	size_t n;
	const char *text = api_openapi(&n);

	(void)ctx;
	(void)rq;
	rp->text = strndup(text, n);
	rp->type = "application/json";
	return rp->text ? 0 : errmsg_set(e, -ENOMEM, "out of memory");
}
