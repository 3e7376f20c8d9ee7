/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was: runs of VMs, the audit log and whether it is whole. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"

#define HISTORY_MAX 1000u
#define AUDIT_MAX   AUDIT_TAIL_MAX
#define ANCHORS_MAX 256u

struct history {
	json_t *array;
};

/* Runs on the writer thread of the store: nothing here may call the store. */
static int history_visit(void *arg, const struct store_row *row)
{
	const struct store_run *r = &row->run;
	struct history *h = arg;

	return json_array_append_new(
		       h->array,
		       json_pack("{so so so sI so so so so so so so}", "run", api_json_u64(r->run),
				 "vm", api_json_str(r->vm_name), "id", api_json_str(r->vm_id),
				 "owner", (json_int_t)r->owner_uid, "started_at",
				 api_json_time(r->start_ns), "ended_at", api_json_time(r->end_ns),
				 "result", api_json_str(r->result), "cpu_ns",
				 api_json_u64(r->cpu_ns), "wait_ns", api_json_u64(r->wait_ns),
				 "slices", api_json_u64(r->slices), "memory_peak_bytes",
				 api_json_u64(r->memory_peak_bytes))) < 0
		       ? -ENOMEM
		       : 0;
}

/* A row is written at the start and at the end of a run: between them it says nothing of the use. */
static void show_live(struct api *a, json_t *row)
{
	const char *id = json_string_value(json_object_get(row, "id"));
	const char *result = json_string_value(json_object_get(row, "result"));
	json_t *started = NULL;
	struct vms_info i;

	if (!id || (result && result[0]) || vms_get(a->o.vms, id, &i) < 0 || i.slot == SCHED_NONE) {
		return;
	}
	started = api_json_time(i.started_ns);
	if (json_equal(started, json_object_get(row, "started_at"))) {
		json_object_set_new(row, "cpu_ns", api_json_u64(i.cpu_ns));
		json_object_set_new(row, "wait_ns", api_json_u64(i.wait_ns));
		json_object_set_new(row, "slices", api_json_u64(i.slices));
		json_object_set_new(row, "memory_peak_bytes", api_json_u64(i.memory_peak_bytes));
	}
	json_decref(started);
}

/* Owners by name, and live figures; afterwards, because users and VMs may ask the store. */
static void complete_rows(struct api *a, json_t *array)
{
	struct users_info info;
	json_t *row;
	size_t i;

	json_array_foreach(array, i, row)
	{
		users_get(a->o.users, (uid_t)json_integer_value(json_object_get(row, "owner")),
			  &info);
		json_object_set_new(row, "owner", json_string(info.name));
		show_live(a, row);
	}
}

int op_history(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct api *a = ctx;
	bool sees_all = api_is_admin(ctx, rq);
	uid_t uid = rq->caller.uid;
	struct history h = { NULL };
	const char *vm = http_query(rq, "vm");
	char id[VMS_ID_BYTES];
	uint64_t last;
	int r = api_query_u64(rq, "last", HISTORY_MAX, 50, &last, e);

	if (r == 0 && vm && vms_find(a->o.vms, uid, sees_all, vm, id, NULL) < 0) {
		/* Gone: its runs can still be asked for by its id. */
		r = strlen(vm) == VMS_ID_BYTES - 1
			    ? 0
			    : errmsg_set(e, -ENOENT, "there is no VM \"%.64s\"", vm);
		snprintf(id, sizeof(id), "%.16s", vm);
	}
	if (r < 0) {
		return r;
	}
	h.array = json_array();
	if (!h.array) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = store_runs(a->o.store, sees_all ? STORE_NONE : uid, vm ? id : NULL, last, history_visit,
		       &h, e);
	if (r < 0) {
		json_decref(h.array);
		return r;
	}
	complete_rows(a, h.array);
	return api_reply(rp, h.array, e);
}

/* The last records that went by. */
struct tail {
	json_t **slot; /* a ring */
	uint64_t n, last;
};

static void tail_visit(void *arg, const struct audit_record *rec)
{
	static const char *const kinds[AUDIT_KINDS_END] = { "?", "request", "heartbeat", "start",
							    "continue" };
	struct tail *t = arg;
	json_t **to = &t->slot[t->n++ % t->last];

	json_decref(*to);
	*to = json_pack("{so so ss sI sI si so so}", "seq", api_json_u64(rec->seq), "time",
			api_json_time(rec->time_ns), "kind",
			rec->kind < AUDIT_KINDS_END ? kinds[rec->kind] : "?", "uid",
			(json_int_t)rec->uid, "pid", (json_int_t)rec->pid, "result",
			(int)rec->result, "operation",
			api_json_text(rec->operation, rec->operation_bytes), "arguments",
			api_json_text(rec->arguments, rec->arguments_bytes));
}

static int verify(struct api *a, struct audit_verify_options *o, struct audit_verdict *ret,
		  struct errmsg *e)
{
	char dir[IMAGES_PATH_BYTES];

	snprintf(dir, sizeof(dir), "%s/audit", a->o.state_dir);
	return audit_verify(dir, o, ret, e);
}

int op_audit_list(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	struct audit_verify_options o = { .visit = tail_visit };
	struct api *a = ctx;
	struct audit_verdict verdict;
	struct tail t = { 0 };
	json_t *array = NULL;
	int r = api_query_u64(rq, "last", AUDIT_MAX, 50, &t.last, e);

	if (r < 0) {
		return r;
	}
	if (t.last == 0) {
		return api_reply(rp, json_array(), e);
	}
	t.slot = calloc(t.last, sizeof(*t.slot));
	o.arg = &t;
	r = t.slot ? audit_tail(a->o.audit, t.last, tail_visit, &t, e)
		   : errmsg_set(e, -ENOMEM, "out of memory");
	if (r == -EBADMSG) {
		/* Show what is good, up to what is not; GET /v1/audit/verify names it. */
		t.n = 0;
		r = verify(a, &o, &verdict, e);
	}
	if (r == 0) {
		array = json_array();
		for (uint64_t i = t.n > t.last ? t.n - t.last : 0; i < t.n; i++) {
			json_array_append(array, t.slot[i % t.last]);
		}
	}
	for (uint64_t i = 0; t.slot && i < t.last; i++) {
		json_decref(t.slot[i]);
	}
	free(t.slot);
	return r < 0 ? r : api_reply(rp, array, e);
}

static int message_of(const struct audit_verdict *v, struct errmsg *to)
{
	if (v->finding == AUDIT_INTACT) {
		return errmsg_set(to, 0, "%" PRIu64 " records, unbroken%s", v->n_records,
				  v->is_authentic ? ", and all written by the daemon"
						  : "; who wrote them was not checked: that takes "
						    "the first key");
	}
	return errmsg_set(to, 0, "record %" PRIu64 ": %s", v->bad_seq,
			  audit_finding_text(v->finding));
}

/* Short names for programs; the sentence is for people. */
static const char *finding_name(enum audit_finding f)
{
	static const char *const names[] = {
		[AUDIT_INTACT] = "intact",	     [AUDIT_BAD_RECORD] = "bad_record",
		[AUDIT_BAD_SEQ] = "bad_seq",	     [AUDIT_BAD_CHAIN] = "bad_chain",
		[AUDIT_BAD_MAC] = "bad_mac",	     [AUDIT_CUT] = "cut",
		[AUDIT_MISSING] = "missing",	     [AUDIT_BAD_STATE] = "bad_state",
		[AUDIT_ROLLED_BACK] = "rolled_back", [AUDIT_SILENT] = "silent",
	};

	return (size_t)f < ARRAY_SIZE(names) ? names[f] : "unknown";
}

/* Verify the log as @o says, with the first key where it is here, and answer what was found. */
static int reply_verdict(struct api *a, struct audit_verify_options *o, struct http_reply *rp,
			 struct errmsg *e)
{
	struct audit_verdict v;
	struct errmsg message = { "" };
	char path[IMAGES_PATH_BYTES];
	uint8_t key[AUDIT_KEY_BYTES];
	bool is_intact;
	int r;

	snprintf(path, sizeof(path), "%s/audit/verify.key", a->o.state_dir);
	/* As long as the key lies here it is used; it is better off elsewhere. */
	o->key = audit_key_read(path, key, NULL) == 0 ? key : NULL;
	r = verify(a, o, &v, e);
	sodium_memzero(key, sizeof(key));
	if (r < 0) {
		return r;
	}
	(void)message_of(&v, &message);
	is_intact = v.finding == AUDIT_INTACT;
	return api_reply(rp,
			 json_pack("{ss sb sb so so so so so ss}", "finding",
				   finding_name(v.finding), "is_intact", (int)is_intact,
				   "is_authentic", (int)v.is_authentic, "n_records",
				   api_json_u64(v.n_records), "n_anchors_met",
				   api_json_u64(v.n_anchors_met), "bad_seq",
				   is_intact ? json_null() : api_json_u64(v.bad_seq), "bad_file",
				   is_intact ? json_null() : api_json_u64(v.bad_file), "bad_offset",
				   is_intact ? json_null() : api_json_u64(v.bad_offset), "message",
				   message.text),
			 e);
}

int op_audit_verify(void *ctx, const struct http_request *rq, struct http_reply *rp,
		    struct errmsg *e)
{
	struct audit_verify_options o = { 0 };

	(void)rq;
	return reply_verdict(ctx, &o, rp, e);
}

int op_audit_compare(void *ctx, const struct http_request *rq, struct http_reply *rp,
		     struct errmsg *e)
{
	static const char *const known[] = { "anchors", NULL };
	const json_t *texts = json_object_get(rq->body, "anchors");
	struct audit_anchor anchors[ANCHORS_MAX];
	struct audit_verify_options o = { .anchors = anchors, .n_anchors = json_array_size(texts) };
	int r = api_json_only(rq->body, known, e);

	if (r < 0) {
		return r;
	}
	if (!json_is_array(texts) || o.n_anchors > ANCHORS_MAX) {
		return errmsg_set(e, -EINVAL, "anchors must be a list of at most %u anchors",
				  ANCHORS_MAX);
	}
	for (size_t i = 0; i < o.n_anchors; i++) {
		const char *text = json_string_value(json_array_get(texts, i));

		if (!text || audit_anchor_parse(text, &anchors[i]) < 0) {
			return errmsg_set(e, -EINVAL,
					  "anchor %zu is none: such are printed by GET "
					  "/v1/audit/anchor",
					  i + 1);
		}
	}
	return reply_verdict(ctx, &o, rp, e);
}

int op_audit_anchor(void *ctx, const struct http_request *rq, struct http_reply *rp,
		    struct errmsg *e)
{
	struct api *a = ctx;
	struct audit_anchor anchor;
	char text[AUDIT_ANCHOR_BYTES];
	int r = audit_anchor_get(a->o.audit, &anchor);

	(void)rq;
	if (r < 0) {
		return errmsg_set(e, -ENOENT, "the log has no record yet");
	}
	audit_anchor_print(&anchor, text);
	return api_reply(rp, json_pack("{ss}", "anchor", text), e);
}
