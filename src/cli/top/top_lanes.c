/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cores, and who held them when: by samples, or by decisions. See top_model.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/top/top_json.h"
#include "cli/top/top_model.h"

/* The daemon looks for foreign tasks about once a second. */
#define FOREIGN_NS NS_PER_S

/* A gap of more samples than this is shown as one of so many. */
#define GAP_MAX 50u

/* ---- Reading cores -------------------------------------------------------------------------- */

/* One role by its name, several by their first letters: "control", "C+H". */
static void read_roles(const json_t *o, char ret[TOP_WORD])
{
	const json_t *roles = json_object_get(o, "roles");
	size_t n = json_array_size(roles);
	const char *first = json_string_value(json_array_get(roles, 0));

	ret[0] = '\0';
	if (n == 0 || !first) {
		snprintf(ret, TOP_WORD, "%s", top_json_bool(o, "is_pool") ? "pool" : "-");
		return;
	}
	if (n == 1) {
		snprintf(ret, TOP_WORD, "%s", strcmp(first, "housekeeping") == 0 ? "house" : first);
		return;
	}
	for (size_t i = 0; i < n && i < 4; i++) {
		const char *role = json_string_value(json_array_get(roles, i));
		char letter = role && role[0] >= 'a' && role[0] <= 'z' ? (char)(role[0] - 'a' + 'A')
								       : '?';

		ret[2 * i] = letter;
		ret[2 * i + 1] = '+';
		ret[2 * i + 2] = '\0';
	}
	ret[strlen(ret) - 1] = '\0';
}

static struct top_moment read_core(const json_t *o, struct top_core *ret)
{
	char id[TOP_ID];
	struct top_moment now = { 0 };

	ret->host_core = (uint32_t)top_json_number(o, "host_core", TOP_NO_CORE);
	read_roles(o, ret->role);
	ret->is_pool = top_json_bool(o, "is_pool");
	ret->is_online = !json_is_false(json_object_get(o, "online"));
	ret->is_exclusive = top_json_bool(o, "exclusive");
	ret->is_idle = top_json_bool(o, "is_idle");
	ret->switches = top_json_number(o, "switches", 0);
	ret->foreign_ns = top_json_number(o, "foreign_ns", 0);
	top_json_text(o, "holder", ret->holder, sizeof(ret->holder));
	top_json_text(o, "holder_id", id, sizeof(id));
	if (!ret->is_online || !ret->is_pool) {
		return now;
	}
	if (!ret->holder[0] && !id[0]) {
		now.use = TOP_USE_IDLE;
		return now;
	}
	now.key = top_key(id[0] ? id : ret->holder);
	now.use = ret->is_exclusive ? TOP_USE_EXCLUSIVE : TOP_USE_SHARED;
	return now;
}

static int by_number(const void *a, const void *b)
{
	const struct top_core *ca = a;
	const struct top_core *cb = b;

	return ca->host_core < cb->host_core ? -1 : ca->host_core > cb->host_core;
}

static struct top_core *find_core(const struct top_model *m, uint32_t host_core)
{
	uint32_t lo = 0;
	uint32_t hi = m->n_cores;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->cores[mid].host_core < host_core) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo < m->n_cores && m->cores[lo].host_core == host_core ? &m->cores[lo] : NULL;
}

/* ---- Samples -------------------------------------------------------------------------------- */

static void lane_push(struct top_core *c, struct top_moment moment)
{
	c->lane[c->lane_next] = moment;
	c->lane_next = (c->lane_next + 1) % TOP_LANE;
	c->lane_n += c->lane_n < TOP_LANE ? 1 : 0;
}

struct top_moment top_core_moment(const struct top_core *c, uint32_t age)
{
	if (age >= c->lane_n) {
		return (struct top_moment){ 0 };
	}
	return c->lane[(c->lane_next + TOP_LANE - 1 - age) % TOP_LANE];
}

bool top_core_idle_permille(const struct top_core *c, uint32_t n, uint32_t *ret)
{
	uint32_t known = 0;
	uint32_t idle = 0;

	for (uint32_t age = 0; age < n && age < c->lane_n; age++) {
		enum top_use use = top_core_moment(c, age).use;

		known += use != TOP_USE_UNKNOWN ? 1 : 0;
		idle += use == TOP_USE_IDLE ? 1 : 0;
	}
	if (!known) {
		return false;
	}
	*ret = idle * 1000 / known;
	return true;
}

/* What the core was before goes on in what it is now. */
static void carry_over(struct top_core *c, const struct top_core *old)
{
	memcpy(c->lane, old->lane, sizeof(c->lane));
	memcpy(c->zoom, old->zoom, sizeof(c->zoom));
	c->lane_next = old->lane_next;
	c->lane_n = old->lane_n;
	c->foreign_since_ns = old->foreign_since_ns;
	c->foreign_base_ns = old->foreign_base_ns;
	c->has_foreign_rate = old->has_foreign_rate;
	c->foreign_permille = old->foreign_permille;
}

static void rate_foreign(struct top_core *c, ns_t now_ns)
{
	ns_t dt_ns = now_ns - c->foreign_since_ns;

	if (!c->foreign_since_ns || c->foreign_ns < c->foreign_base_ns ||
	    now_ns < c->foreign_since_ns) {
		c->has_foreign_rate = false;
	} else if (dt_ns < FOREIGN_NS) {
		return;
	} else {
		double share = (double)(c->foreign_ns - c->foreign_base_ns) / (double)dt_ns;

		c->has_foreign_rate = true;
		c->foreign_permille = share < 9.0 ? (uint32_t)(share * 1000.0 + 0.5) : 9000;
	}
	c->foreign_since_ns = now_ns;
	c->foreign_base_ns = c->foreign_ns;
}

/* Samples that should have been between the last one and now. */
static uint32_t missed(const struct top_model *m, ns_t now_ns)
{
	uint64_t n;

	if (!m->cores_at_ns || now_ns < m->cores_at_ns) {
		return 0;
	}
	n = (now_ns - m->cores_at_ns + m->sample_ns / 2) / m->sample_ns;
	/* Samples come at any moment of their interval: one and a bit too late is no gap. */
	n = n > 2 ? n - 1 : 0;
	return n < GAP_MAX ? (uint32_t)n : GAP_MAX;
}

static void sample_core(const struct top_model *m, const json_t *o, struct top_core *ret,
			ns_t now_ns)
{
	struct top_moment now = read_core(o, ret);
	const struct top_core *old = find_core(m, ret->host_core);

	if (old) {
		carry_over(ret, old);
		for (uint32_t i = missed(m, now_ns); i > 0; i--) {
			lane_push(ret, (struct top_moment){ 0 });
		}
	}
	lane_push(ret, now);
	rate_foreign(ret, now_ns);
}

/* By number, none twice. They nearly always come like that; moving them costs something. */
static uint32_t sort_cores(struct top_core *cores, uint32_t n)
{
	uint32_t sorted = 1;
	uint32_t kept = 0;

	while (sorted < n && cores[sorted - 1].host_core < cores[sorted].host_core) {
		sorted++;
	}
	if (sorted >= n) {
		return n;
	}
	qsort(cores, n, sizeof(*cores), by_number);
	for (uint32_t i = 0; i < n; i++) {
		if (kept == 0 || cores[i].host_core != cores[kept - 1].host_core) {
			cores[kept++] = cores[i];
		}
	}
	return kept;
}

int top_model_take_cores(struct top_model *m, const json_t *answer, ns_t now_ns, struct errmsg *e)
{
	const json_t *list = top_json_list(answer, "cores");
	size_t size = json_array_size(list);
	struct top_core *cores;
	uint32_t n;

	if (!list) {
		return errmsg_set(e, -EPROTO, "the daemon's list of cores is none");
	}
	size = size < TOP_CORES_MAX ? size : TOP_CORES_MAX;
	cores = calloc(size + 1, sizeof(*cores));
	if (!cores) {
		return errmsg_set(e, -ENOMEM, "out of memory for %zu cores", size);
	}
	for (size_t i = 0; i < size; i++) {
		sample_core(m, json_array_get(list, i), &cores[i], now_ns);
	}
	n = sort_cores(cores, (uint32_t)size);
	free(m->cores);
	m->cores = cores;
	m->n_cores = n;
	m->cores_at_ns = now_ns;
	return 0;
}

/* ---- Decisions ------------------------------------------------------------------------------ */

/* The log names a VM by its slot, its id or its name. 0: it names none. */
static uint32_t decided_vm(const struct top_model *m, const json_t *o)
{
	uint64_t slot = top_json_number(o, "vm", TOP_NO_SLOT);
	char vm[TOP_TEXT];

	top_json_text(o, "vm", vm, sizeof(vm));
	if (!vm[0] && slot == TOP_NO_SLOT) {
		return 0;
	}
	for (uint32_t i = 0; i < m->n_vms; i++) {
		const struct top_vm *v = &m->vms[i];

		if (vm[0] ? strcmp(v->id, vm) == 0 || strcmp(v->name, vm) == 0 : v->slot == slot) {
			return top_key(v->id);
		}
	}
	if (!vm[0]) {
		snprintf(vm, sizeof(vm), "slot %u", (unsigned int)slot);
	}
	return top_key(vm);
}

/* What a decision leaves on its core. False: it changes nothing there. */
static bool read_decision(const struct top_model *m, const json_t *o, const struct top_core *c,
			  struct top_moment *ret)
{
	char event[TOP_WORD];
	char action[TOP_WORD];
	uint32_t key = decided_vm(m, o);

	top_json_text(o, "event", event, sizeof(event));
	top_json_text(o, "action", action, sizeof(action));
	*ret = (struct top_moment){ .use = TOP_USE_IDLE };
	if (strcmp(action, "grant") == 0 && key) {
		ret->key = key;
		ret->use = c->is_exclusive ? TOP_USE_EXCLUSIVE : TOP_USE_SHARED;
		return true;
	}
	return strcmp(event, "stopped") == 0;
}

/* From the column of a time on, the core is used like this. */
static void zoom_fill(struct top_core *c, ns_t first_ns, ns_t column_ns, ns_t at_ns,
		      struct top_moment use)
{
	uint64_t col = at_ns > first_ns ? (at_ns - first_ns + column_ns - 1) / column_ns : 0;

	for (; col < TOP_ZOOM; col++) {
		c->zoom[col] = use;
	}
}

/* Nothing was decided about it for so long: it has been what it is. */
static void zoom_fill_quiet(struct top_model *m, const bool *has_decision)
{
	for (uint32_t i = 0; i < m->n_cores; i++) {
		if (!has_decision[i]) {
			zoom_fill(&m->cores[i], 0, 1, 0, top_core_moment(&m->cores[i], 0));
		}
	}
}

int top_model_take_log(struct top_model *m, const json_t *answer, struct errmsg *e)
{
	const json_t *list = top_json_list(answer, "decisions");
	size_t n = json_array_size(list);
	_cleanup_free_ bool *has_decision = calloc(m->n_cores + 1, sizeof(bool));
	ns_t end_ns;
	ns_t first_ns;

	if (!list || !has_decision) {
		return errmsg_set(e, list ? -ENOMEM : -EPROTO,
				  "the daemon's list of decisions is none");
	}
	end_ns = top_json_number(json_array_get(list, n - 1), "time_ns", 0);
	first_ns = end_ns > (TOP_ZOOM - 1) * m->zoom_ns ? end_ns - (TOP_ZOOM - 1) * m->zoom_ns : 0;
	for (uint32_t i = 0; i < m->n_cores; i++) {
		memset(m->cores[i].zoom, 0, sizeof(m->cores[i].zoom));
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(list, i);
		ns_t at_ns = top_json_number(o, "time_ns", 0);
		struct top_moment use;
		struct top_core *c =
			find_core(m, (uint32_t)top_json_number(o, "core", TOP_NO_CORE));

		if (c && read_decision(m, o, c, &use)) {
			zoom_fill(c, first_ns, m->zoom_ns, at_ns, use);
			has_decision[c - m->cores] = true;
		}
	}
	zoom_fill_quiet(m, has_decision);
	return 0;
}
