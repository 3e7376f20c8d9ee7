/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs, users and the daemon, from answers of the API; lanes are in top_lanes.c. See top_model.h. */
#include "cli/top/top_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "cli/top/top_json.h"

/* Looks closer together than this give no useful rate: the one before stays. */
#define RATE_MIN_NS (150 * NS_PER_MS)

/* More than any VM can have; keeps sums of rates in 32 bits. */
#define PERMILLE_MAX 99999u

void top_model_init(struct top_model *m, ns_t sample_ns)
{
	*m = (struct top_model){ .sample_ns = sample_ns, .zoom_ns = 10 * NS_PER_MS };
}

void top_model_done(struct top_model *m)
{
	free(m->vms);
	free(m->cores);
	free(m->users);
	free(m->marks);
	top_model_init(m, m->sample_ns);
}

uint32_t top_key(const char *id)
{
	uint32_t h = fnv32_text(FNV32_START, id);

	return h ? h : 1;
}

/* Where a key is, or would go. */
static struct top_mark *mark_place(struct top_mark *marks, uint32_t size, uint32_t key)
{
	uint32_t i = key & (size - 1);

	while (marks[i].key && marks[i].key != key) {
		i = (i + 1) & (size - 1);
	}
	return &marks[i];
}

static bool marks_grow(struct top_model *m)
{
	uint32_t size = m->marks_size ? m->marks_size * 2 : 64;
	struct top_mark *bigger = size <= 4 * TOP_VMS_MAX ? calloc(size, sizeof(*bigger)) : NULL;

	if (!bigger) {
		return false;
	}
	for (uint32_t i = 0; i < m->marks_size; i++) {
		if (m->marks[i].key) {
			*mark_place(bigger, size, m->marks[i].key) = m->marks[i];
		}
	}
	free(m->marks);
	m->marks = bigger;
	m->marks_size = size;
	return true;
}

uint32_t top_model_mark(struct top_model *m, uint32_t key)
{
	struct top_mark *place;

	if (m->n_marks * 2 >= m->marks_size && !marks_grow(m)) {
		return 0;
	}
	place = mark_place(m->marks, m->marks_size, key);
	if (!place->key) {
		*place = (struct top_mark){ key, m->n_marks++ };
	}
	return place->mark;
}

/* ---- VMs ------------------------------------------------------------------------------------ */

/* Ids become part of paths. */
static bool is_id(const char *id)
{
	static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-";

	return *id && id[strspn(id, allowed)] == '\0';
}

static bool read_vm(const json_t *o, struct top_vm *ret)
{
	top_json_text(o, "id", ret->id, sizeof(ret->id));
	top_json_text(o, "name", ret->name, sizeof(ret->name));
	top_json_text(o, "owner", ret->owner, sizeof(ret->owner));
	top_json_text(o, "arch", ret->arch, sizeof(ret->arch));
	top_json_text(o, "engine", ret->engine, sizeof(ret->engine));
	top_json_text(o, "state", ret->state, sizeof(ret->state));
	ret->owner_uid = top_json_number(o, "owner_uid", UINT64_MAX);
	ret->core = (uint32_t)top_json_number(o, "core", TOP_NO_CORE);
	ret->is_exclusive = top_json_bool(o, "exclusive");
	ret->prio = (uint32_t)top_json_number(o, "prio", 0);
	ret->slot = (uint32_t)top_json_number(o, "slot", TOP_NO_SLOT);
	ret->cpu_ns = top_json_number(o, "cpu_ns", 0);
	ret->wait_ns = top_json_number(o, "wait_ns", 0);
	ret->waiting_ns = top_json_number(o, "waiting_ns", 0);
	ret->slices = top_json_number(o, "slices", 0);
	ret->runs = top_json_number(o, "runs", 0);
	ret->memory_bytes = top_json_number(o, "memory_bytes", 0);
	return is_id(ret->id);
}

static int by_id(const void *a, const void *b)
{
	const struct top_vm *va = a;
	const struct top_vm *vb = b;

	return strcmp(va->id, vb->id);
}

static uint32_t permille(uint64_t part_ns, ns_t whole_ns)
{
	double p = (double)part_ns * 1000.0 / (double)whole_ns + 0.5;

	return p < PERMILLE_MAX ? (uint32_t)p : PERMILLE_MAX;
}

static void base_vm(struct top_vm *v, ns_t now_ns)
{
	v->base_ns = now_ns;
	v->base_cpu_ns = v->cpu_ns;
	v->base_wait_ns = v->wait_ns;
	v->base_slices = v->slices;
}

static void keep_rate(struct top_vm *v, const struct top_vm *old)
{
	v->base_ns = old->base_ns;
	v->base_cpu_ns = old->base_cpu_ns;
	v->base_wait_ns = old->base_wait_ns;
	v->base_slices = old->base_slices;
	v->has_rate = old->has_rate;
	v->cpu_permille = old->cpu_permille;
	v->wait_permille = old->wait_permille;
	v->slices_per_10s = old->slices_per_10s;
}

static void rate_vm(struct top_vm *v, const struct top_vm *old, ns_t now_ns)
{
	ns_t dt_ns = now_ns - old->base_ns;
	double per_10s;

	if (v->runs != old->runs || v->cpu_ns < old->cpu_ns || v->wait_ns < old->wait_ns ||
	    v->slices < old->slices || now_ns < old->base_ns) {
		return;
	}
	if (dt_ns < RATE_MIN_NS) {
		keep_rate(v, old);
		return;
	}
	v->has_rate = true;
	v->cpu_permille = permille(v->cpu_ns - old->base_cpu_ns, dt_ns);
	v->wait_permille = permille(v->wait_ns - old->base_wait_ns, dt_ns);
	per_10s = (double)(v->slices - old->base_slices) * 10.0 * (double)NS_PER_S / (double)dt_ns;
	v->slices_per_10s = per_10s < 1e9 ? (uint32_t)(per_10s + 0.5) : 1000000000u;
}

/* Both lists are sorted by id. */
static void rate_vms(const struct top_model *m, struct top_vm *vms, uint32_t n, ns_t now_ns)
{
	uint32_t o = 0;

	for (uint32_t i = 0; i < n; i++) {
		base_vm(&vms[i], now_ns);
		while (o < m->n_vms && strcmp(m->vms[o].id, vms[i].id) < 0) {
			o++;
		}
		if (o < m->n_vms && strcmp(m->vms[o].id, vms[i].id) == 0) {
			rate_vm(&vms[i], &m->vms[o], now_ns);
		}
	}
}

/* An id twice would make two rows of one VM. */
static uint32_t drop_doubles(struct top_vm *vms, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(vms[i].id, vms[kept - 1].id) != 0) {
			vms[kept++] = vms[i];
		}
	}
	return kept;
}

int top_model_take_vms(struct top_model *m, const json_t *answer, ns_t now_ns, struct errmsg *e)
{
	const json_t *list = top_json_list(answer, "vms");
	size_t size = json_array_size(list);
	struct top_vm *vms;
	uint32_t n = 0;

	if (!list) {
		return errmsg_set(e, -EPROTO, "the daemon's list of VMs is none");
	}
	size = size < TOP_VMS_MAX ? size : TOP_VMS_MAX;
	vms = calloc(size + 1, sizeof(*vms));
	if (!vms) {
		return errmsg_set(e, -ENOMEM, "out of memory for %zu VMs", size);
	}
	for (size_t i = 0; i < size; i++) {
		vms[n] = (struct top_vm){ 0 };
		n += read_vm(json_array_get(list, i), &vms[n]) ? 1 : 0;
	}
	qsort(vms, n, sizeof(*vms), by_id);
	n = drop_doubles(vms, n);
	rate_vms(m, vms, n, now_ns);
	free(m->vms);
	m->vms = vms;
	m->n_vms = n;
	m->vms_at_ns = now_ns;
	return 0;
}

const struct top_vm *top_model_vm(const struct top_model *m, const char *id)
{
	struct top_vm key;

	if (!m->n_vms || strlen(id) >= sizeof(key.id)) {
		return NULL;
	}
	memcpy(key.id, id, strlen(id) + 1);
	return bsearch(&key, m->vms, m->n_vms, sizeof(*m->vms), by_id);
}

/* ---- Users ---------------------------------------------------------------------------------- */

static void read_user(const json_t *o, struct top_user *ret)
{
	static const char *const field[TOP_QUOTA_N] = {
		[TOP_QUOTA_VMS] = "running_vms",
		[TOP_QUOTA_VCPUS] = "vcpus",
		[TOP_QUOTA_MEMORY] = "memory_bytes",
		[TOP_QUOTA_EXCLUSIVE] = "exclusive_cores",
	};
	const json_t *quota = json_object_get(o, "quota");
	const json_t *used = json_object_get(o, "used");

	ret->uid = top_json_number(o, "uid", UINT64_MAX);
	for (size_t i = 0; i < TOP_QUOTA_N; i++) {
		ret->quota[i].limit = top_json_number(quota, field[i], TOP_NO_LIMIT);
		ret->quota[i].used = top_json_number(used, field[i], 0);
	}
}

static int by_uid(const void *a, const void *b)
{
	const struct top_user *ua = a;
	const struct top_user *ub = b;

	return ua->uid < ub->uid ? -1 : ua->uid > ub->uid;
}

int top_model_take_users(struct top_model *m, const json_t *answer, struct errmsg *e)
{
	const json_t *list = top_json_list(answer, "users");
	size_t size = json_array_size(list);
	struct top_user *users;

	if (!list) {
		return errmsg_set(e, -EPROTO, "the daemon's list of users is none");
	}
	size = size < TOP_USERS_MAX ? size : TOP_USERS_MAX;
	users = calloc(size + 1, sizeof(*users));
	if (!users) {
		return errmsg_set(e, -ENOMEM, "out of memory for %zu users", size);
	}
	for (size_t i = 0; i < size; i++) {
		read_user(json_array_get(list, i), &users[i]);
	}
	qsort(users, size, sizeof(*users), by_uid);
	free(m->users);
	m->users = users;
	m->n_users = (uint32_t)size;
	return 0;
}

const struct top_user *top_model_user(const struct top_model *m, uint64_t uid)
{
	struct top_user key = { .uid = uid };

	if (!m->n_users) {
		return NULL;
	}
	return bsearch(&key, m->users, m->n_users, sizeof(*m->users), by_uid);
}

enum top_quota_kind top_user_tightest(const struct top_user *u)
{
	enum top_quota_kind best = TOP_QUOTA_N;
	double most = -1;

	for (unsigned int i = 0; i < TOP_QUOTA_N; i++) {
		const struct top_quota *q = &u->quota[i];
		double share;

		if (q->limit == TOP_NO_LIMIT || (q->limit == 0 && q->used == 0)) {
			continue;
		}
		share = (double)q->used / ((double)q->limit + 1e-9);
		if (share > most) {
			most = share;
			best = i;
		}
	}
	return best;
}

/* ---- The daemon ----------------------------------------------------------------------------- */

int top_model_take_status(struct top_model *m, const json_t *answer, struct errmsg *e)
{
	const json_t *vms = json_object_get(answer, "vms");
	const json_t *exclusive = json_object_get(answer, "exclusive");
	const json_t *warnings = json_object_get(answer, "warnings");
	const char *warning = json_string_value(json_array_get(warnings, 0));
	struct top_status s = { .is_known = true };

	if (!json_is_object(answer)) {
		return errmsg_set(e, -EPROTO, "the daemon's status is none");
	}
	top_json_text(answer, "version", s.version, sizeof(s.version));
	top_json_text(answer, "backend", s.backend, sizeof(s.backend));
	s.pid = top_json_number(answer, "pid", 0);
	s.uptime_ns = top_json_number(answer, "uptime_ns", 0);
	s.is_rootless = top_json_bool(answer, "is_rootless");
	s.defined = top_json_number(vms, "defined", 0);
	s.running = top_json_number(vms, "running", 0);
	s.paused = top_json_number(vms, "paused", 0);
	s.faulted = top_json_number(vms, "faulted", 0);
	s.exclusive_cap = top_json_number(exclusive, "cap", 0);
	s.exclusive_used = top_json_number(exclusive, "used", 0);
	if (warning) {
		snprintf(s.warning, sizeof(s.warning), "%s", warning);
	}
	m->status = s;
	return 0;
}
