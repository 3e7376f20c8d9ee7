/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cores: who holds which, the exclusive share, decisions of the scheduler. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"

#define LOG_CHUNK 64u
#define LOG_MAX	  4096u

/* Who is behind a slot. */
struct holder {
	uint32_t slot;
	uid_t owner;
	char id[VMS_ID_BYTES];
	char name[SPEC_NAME_MAX + 1];
	bool is_there;
};

struct holders {
	uint32_t n;
	struct holder *of_core; /* one per pool core */
};

static int holder_visit(void *arg, const struct vms_info *i)
{
	struct holders *h = arg;

	for (uint32_t c = 0; c < h->n; c++) {
		struct holder *to = &h->of_core[c];

		if (i->slot != SCHED_NONE && to->slot == i->slot) {
			to->is_there = true;
			to->owner = i->owner;
			memcpy(to->id, i->id, sizeof(to->id));
			memcpy(to->name, i->spec.name, sizeof(to->name));
		}
	}
	return 0;
}

/* Members that say who holds a core; of somebody else's VM only that there is one. */
static void add_holder(struct api *a, const struct http_request *rq, const struct holder *h,
		       json_t *o)
{
	bool is_shown = h->is_there && (h->owner == rq->caller.uid || api_is_admin(a, rq));
	struct users_info owner;

	if (is_shown) {
		users_get(a->o.users, h->owner, &owner);
	}
	json_object_set_new(o, "holder", is_shown ? json_string(h->name) : json_null());
	json_object_set_new(o, "holder_id", is_shown ? json_string(h->id) : json_null());
	json_object_set_new(o, "holder_owner", is_shown ? json_string(owner.name) : json_null());
}

static void add_foreign(struct api *a, uint16_t core, uint16_t host_core, json_t *o)
{
	json_t *list = json_array();

	pthread_mutex_lock(&a->lock);
	for (uint32_t i = 0; i < a->n_foreign; i++) {
		const struct partition_foreign *f = &a->foreign[i];

		if (f->host_core == host_core) {
			json_array_append_new(list, json_pack("{si so so sb}", "pid", (int)f->pid,
							      "name", api_json_str(f->name), "ns",
							      api_json_u64(f->run_ns), "is_kernel",
							      (int)f->is_kernel));
		}
	}
	json_object_set_new(o, "foreign_ns", api_json_u64(a->foreign_sum[core]));
	pthread_mutex_unlock(&a->lock);
	json_object_set_new(o, "foreign", list);
}

static const struct {
	const char *name;
	size_t offset;
} core_numbers[] = {
	{ "switches", offsetof(struct sched_core_info, switches) },
	{ "lock_waits", offsetof(struct sched_core_info, lock_waits) },
	{ "lock_wait_ns", offsetof(struct sched_core_info, lock_wait_ns) },
	{ "lock_wait_max_ns", offsetof(struct sched_core_info, lock_wait_max_ns) },
	{ "lock_holds", offsetof(struct sched_core_info, lock_holds) },
	{ "lock_hold_ns", offsetof(struct sched_core_info, lock_hold_ns) },
	{ "lock_hold_max_ns", offsetof(struct sched_core_info, lock_hold_max_ns) },
	{ "stolen_ns", offsetof(struct sched_core_info, stolen_ns) },
};

static json_t *roles_json(const struct sched_roles *roles, uint16_t host_core, bool is_pool)
{
	json_t *o = json_array();

	if (host_core == roles->control) {
		json_array_append_new(o, json_string("control"));
	}
	if (host_core == roles->housekeeping) {
		json_array_append_new(o, json_string("housekeeping"));
	}
	if (is_pool) {
		json_array_append_new(o, json_string("pool"));
	}
	return o;
}

static json_t *core_json(struct api *a, const struct http_request *rq, uint16_t core,
			 const struct holder *h, const struct dispatch_core_info *info)
{
	const struct sched_roles *roles = partition_roles(a->o.partition);
	json_t *o = json_pack("{si so sb sb sb sb}", "host_core", (int)info->host_core, "roles",
			      roles_json(roles, info->host_core, true), "is_pool", 1, "online",
			      (int)info->core.is_online, "exclusive", (int)info->is_exclusive,
			      "is_idle", (int)info->core.is_idle);
	uint64_t v;

	if (!o) {
		return NULL;
	}
	add_holder(a, rq, h, o);
	for (size_t i = 0; i < ARRAY_SIZE(core_numbers); i++) {
		memcpy(&v, (const char *)&info->core + core_numbers[i].offset, sizeof(v));
		json_object_set_new(o, core_numbers[i].name, api_json_u64(v));
	}
	add_foreign(a, core, info->host_core, o);
	return o;
}

/* A core of ours that no guest runs on. */
static json_t *own_core_json(const struct sched_roles *roles, uint16_t host_core)
{
	return json_pack("{si so sb sb sb sn sn sn}", "host_core", (int)host_core, "roles",
			 roles_json(roles, host_core, false), "is_pool", 0, "online", 1,
			 "exclusive", 0, "holder", "holder_id", "holder_owner");
}

static bool is_pool(const struct sched_roles *roles, uint16_t host_core)
{
	for (uint32_t i = 0; i < roles->n_pool; i++) {
		if (roles->pool[i] == host_core) {
			return true;
		}
	}
	return false;
}

static void add_own_cores(const struct sched_roles *roles, json_t *array)
{
	if (!is_pool(roles, roles->control)) {
		json_array_append_new(array, own_core_json(roles, roles->control));
	}
	if (roles->housekeeping != roles->control && !is_pool(roles, roles->housekeeping)) {
		json_array_append_new(array, own_core_json(roles, roles->housekeeping));
	}
}

int op_core_list(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	const struct sched_roles *roles = partition_roles(a->o.partition);
	struct dispatch_core_info *info = calloc(roles->n_pool, sizeof(*info));
	struct holders h = { roles->n_pool, calloc(roles->n_pool, sizeof(*h.of_core)) };
	json_t *array = json_array();
	int r = info && h.of_core && array ? 0 : -ENOMEM;

	for (uint16_t i = 0; r == 0 && i < roles->n_pool; i++) {
		r = dispatch_core_get(a->o.dispatch, i, &info[i]);
		h.of_core[i].slot = info[i].holder;
	}
	r = r < 0 ? r : vms_each(a->o.vms, holder_visit, &h);
	if (r == 0) {
		add_own_cores(roles, array);
	}
	for (uint16_t i = 0; r == 0 && i < roles->n_pool; i++) {
		r = json_array_append_new(array, core_json(a, rq, i, &h.of_core[i], &info[i])) < 0
			    ? -ENOMEM
			    : 0;
	}
	free(info);
	free(h.of_core);
	if (r < 0) {
		json_decref(array);
		return errmsg_set(e, r, "the list can't be made: %s", strerror(-r));
	}
	return api_reply(rp, array, e);
}

int op_core_reclaim(void *ctx, const struct http_request *rq, struct http_reply *rp,
		    struct errmsg *e)
{
	struct sched_event ev = { .type = SCHED_EV_EXCL_RECLAIM };
	struct api *a = ctx;
	int r = api_core_parse(a, rq->param[0], &ev.core, e);

	(void)rp;
	r = r < 0 ? r : dispatch_event(a->o.dispatch, &ev, e);
	if (r == 0) {
		events_publish(a->o.events, EVENTS_NOBODY, "core.reclaimed",
			       json_pack("{si}", "core",
					 (int)partition_roles(a->o.partition)->pool[ev.core]));
	}
	if (r == -EALREADY) {
		return errmsg_set(e, r, "core %s is not exclusive", rq->param[0]);
	}
	return r;
}

/* The scheduler's first, because it may refuse; then durable, or it is taken back. */
static int cap_set(struct api *a, uint32_t cap, struct errmsg *e)
{
	const struct store_change change = {
		STORE_PUT, { STORE_SETTING, .setting = { STORE_SETTING_CAP, cap } }
	};
	struct sched_event ev = { .type = SCHED_EV_EXCL_CAP, .arg = cap };
	int r = dispatch_event(a->o.dispatch, &ev, e);

	if (r < 0 && r != -EALREADY) {
		return r;
	}
	r = store_apply(a->o.store, &change, 1, e);
	pthread_mutex_lock(&a->lock);
	if (r == 0) {
		a->exclusive_cap = cap;
	}
	ev.arg = a->exclusive_cap;
	pthread_mutex_unlock(&a->lock);
	if (r < 0) {
		dispatch_event(a->o.dispatch, &ev, NULL);
	}
	return r;
}

int op_core_cap(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	static const char *const names[] = { "cores", NULL };
	const json_t *cores = json_object_get(rq->body, "cores");
	uint32_t cap = SCHED_CAP_HALF;
	struct api *a = ctx;
	uint32_t n_pool = partition_roles(a->o.partition)->n_pool;
	int r = api_json_only(rq->body, names, e);

	if (r < 0) {
		return r;
	}
	if (!cores ||
	    (!json_is_null(cores) && (!json_is_integer(cores) || json_integer_value(cores) < 0 ||
				      json_integer_value(cores) > n_pool))) {
		return errmsg_set(e, -EINVAL,
				  "cores must be a number from 0 to %u, or null for half of the "
				  "pool",
				  n_pool);
	}
	if (json_is_integer(cores)) {
		cap = (uint32_t)json_integer_value(cores);
	}
	r = cap_set(a, cap, e);
	if (r < 0) {
		return r;
	}
	events_publish(a->o.events, EVENTS_NOBODY, "core.exclusive-cap",
		       json_pack("{sI}", "cores", (json_int_t)api_exclusive_cap(a)));
	return api_reply(rp, json_pack("{sI}", "cores", (json_int_t)api_exclusive_cap(a)), e);
}

/* Names of slots, as far as they are in use now. */
struct slots {
	uint32_t n;
	struct slot_name {
		char name[SPEC_NAME_MAX + 1];
	} * of;
};

static int slot_visit(void *arg, const struct vms_info *i)
{
	struct slots *s = arg;
	struct slot_name *more;
	uint32_t n;

	if (i->slot == SCHED_NONE) {
		return 0;
	}
	if (i->slot >= s->n) {
		n = i->slot + 64;
		more = realloc(s->of, n * sizeof(*more));
		if (!more) {
			return -ENOMEM;
		}
		memset(more + s->n, 0, (n - s->n) * sizeof(*more));
		s->of = more;
		s->n = n;
	}
	memcpy(s->of[i->slot].name, i->spec.name, sizeof(s->of[i->slot].name));
	return 0;
}

static json_t *record_json(const struct sched_roles *roles, const struct slots *s,
			   const struct sched_record *rec)
{
	bool has_vm = rec->vcpu != SCHED_NONE;
	/* Without a grant: the core that the event was about. */
	uint32_t at = has_vm ? rec->core : rec->event.core;
	json_t *core = at < roles->n_pool ? json_integer(roles->pool[at]) : json_null();

	return json_pack(
		"{so so ss so so so ss ss si}", "seq", api_json_u64(rec->seq), "time_ns",
		api_json_u64(rec->event.now_ns), "event",
		sched_event_name((enum sched_event_type)rec->event.type), "core", core, "vm",
		has_vm && rec->vcpu < s->n ? api_json_str(s->of[rec->vcpu].name) : json_null(),
		"slot", has_vm ? json_integer(rec->vcpu) : json_null(), "action",
		rec->n_actions ? sched_action_name((enum sched_action_type)rec->action) : "none",
		"reason", sched_reason_name((enum sched_reason)rec->reason), "n_actions",
		(int)rec->n_actions);
}

/* The ring runs on while it is read; what is new is for the next request. */
static void read_ring(struct api *a, const struct slots *s, uint64_t last, json_t *array)
{
	struct sched_record chunk[LOG_CHUNK];
	uint64_t seq = 0;
	uint32_t n;

	do {
		n = dispatch_ring_get(a->o.dispatch, &seq, chunk, LOG_CHUNK);
		for (uint32_t i = 0; i < n; i++) {
			json_array_append_new(array, record_json(partition_roles(a->o.partition), s,
								 &chunk[i]));
			if (json_array_size(array) > last) {
				json_array_remove(array, 0);
			}
		}
	} while (n == LOG_CHUNK && !atomic_load(&a->is_stopping));
}

int op_sched_log(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct slots s = { 0 };
	struct api *a = ctx;
	json_t *array;
	uint64_t last;
	int r = api_query_u64(rq, "last", LOG_MAX, 100, &last, e);

	if (r < 0) {
		return r;
	}
	array = json_array();
	r = array ? vms_each(a->o.vms, slot_visit, &s) : -ENOMEM;
	if (r == 0) {
		read_ring(a, &s, last, array);
	}
	free(s.of);
	if (r < 0) {
		json_decref(array);
		return errmsg_set(e, r, "the list can't be made: %s", strerror(-r));
	}
	return api_reply(rp, array, e);
}
