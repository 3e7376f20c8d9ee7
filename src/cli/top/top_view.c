/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the person sees of the model, and what keys do; see top_view.h. */
#include "cli/top/top_view.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void top_view_init(struct top_view *v)
{
	*v = (struct top_view){ .sort = TOP_COL_CPU, .page_rows = 10 };
}

void top_view_done(struct top_view *v)
{
	free(v->order);
	top_panel_done(&v->panel);
	top_view_init(v);
}

void top_view_say(struct top_view *v, bool is_error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->message, sizeof(v->message), fmt, ap);
	va_end(ap);
	v->is_error = is_error;
}

/* ---- Order ---------------------------------------------------------------------------------- */

struct order_arg {
	const struct top_view *v;
	const struct top_model *m;
};

static int by_number(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Unknown rates come last. */
static int by_rate(const struct top_vm *a, const struct top_vm *b, uint32_t ra, uint32_t rb)
{
	return by_number(a->has_rate ? (uint64_t)ra + 1 : 0, b->has_rate ? (uint64_t)rb + 1 : 0);
}

static uint64_t quota_share(const struct top_model *m, const struct top_vm *vm)
{
	const struct top_user *u = top_model_user(m, vm->owner_uid);
	enum top_quota_kind kind = u ? top_user_tightest(u) : TOP_QUOTA_N;
	double share;

	if (kind == TOP_QUOTA_N) {
		return 0;
	}
	share = (double)u->quota[kind].used / ((double)u->quota[kind].limit + 1e-9);
	return share < 1e6 ? (uint64_t)(share * 1e6) + 1 : UINT64_MAX;
}

/* In the order that a person wants first: texts from A, numbers from the largest. */
static int compare(const struct order_arg *arg, const struct top_vm *a, const struct top_vm *b)
{
	switch (arg->v->sort) {
	case TOP_COL_STATE:
		return strcmp(a->state, b->state);
	case TOP_COL_CORE:
		return by_number(a->core, b->core);
	case TOP_COL_CPU:
		return by_rate(b, a, b->cpu_permille, a->cpu_permille);
	case TOP_COL_WAIT:
		return by_rate(b, a, b->wait_permille, a->wait_permille);
	case TOP_COL_SLICES:
		return by_rate(b, a, b->slices_per_10s, a->slices_per_10s);
	case TOP_COL_AGE:
		return by_number(b->waiting_ns, a->waiting_ns);
	case TOP_COL_MEMORY:
		return by_number(b->memory_bytes, a->memory_bytes);
	case TOP_COL_ARCH:
		return strcmp(a->arch, b->arch);
	case TOP_COL_ENGINE:
		return strcmp(a->engine, b->engine);
	case TOP_COL_OWNER:
		return strcmp(a->owner, b->owner);
	case TOP_COL_QUOTA:
		return by_number(quota_share(arg->m, b), quota_share(arg->m, a));
	case TOP_COL_PRIO:
		return by_number(b->prio, a->prio);
	default:
		return strcmp(a->name, b->name);
	}
}

static int by_view(const void *pa, const void *pb, void *p)
{
	const struct order_arg *arg = p;
	const struct top_vm *a = &arg->m->vms[*(const uint32_t *)pa];
	const struct top_vm *b = &arg->m->vms[*(const uint32_t *)pb];
	int r = compare(arg, a, b);

	r = arg->v->is_reversed ? -r : r;
	r = r ? r : strcmp(a->name, b->name);
	return r ? r : strcmp(a->id, b->id);
}

static bool is_wanted(const struct top_view *v, const struct top_vm *vm)
{
	return !v->filter[0] || strcasestr(vm->name, v->filter) ||
	       strcasestr(vm->owner, v->filter) || strcasestr(vm->state, v->filter) ||
	       strcasestr(vm->arch, v->filter) || strcasestr(vm->engine, v->filter);
}

static void select_row(struct top_view *v, const struct top_model *m, uint32_t row)
{
	if (v->n_order == 0) {
		v->selected_row = 0;
		v->selected[0] = '\0';
		return;
	}
	v->selected_row = row < v->n_order ? row : v->n_order - 1;
	memcpy(v->selected, m->vms[v->order[v->selected_row]].id, sizeof(v->selected));
}

/* The VM that was chosen, or whoever has come to its row. */
static void follow_selected(struct top_view *v, const struct top_model *m)
{
	if (!v->has_chosen) {
		v->selected_row = 0;
	}
	for (uint32_t row = 0; v->has_chosen && row < v->n_order; row++) {
		if (strcmp(m->vms[v->order[row]].id, v->selected) == 0) {
			v->selected_row = row;
			return;
		}
	}
	select_row(v, m, v->selected_row);
}

int top_view_arrange(struct top_view *v, const struct top_model *m)
{
	struct order_arg arg = { v, m };

	if (v->order_size < m->n_vms) {
		uint32_t *bigger = reallocarray(v->order, m->n_vms, sizeof(*bigger));

		if (!bigger) {
			return -ENOMEM;
		}
		v->order = bigger;
		v->order_size = m->n_vms;
	}
	v->n_order = 0;
	for (uint32_t i = 0; i < m->n_vms; i++) {
		if (is_wanted(v, &m->vms[i])) {
			v->order[v->n_order++] = i;
		}
	}
	if (v->n_order) {
		qsort_r(v->order, v->n_order, sizeof(*v->order), by_view, &arg);
	}
	follow_selected(v, m);
	return 0;
}

const struct top_vm *top_view_selected(const struct top_view *v, const struct top_model *m)
{
	return v->selected[0] ? top_model_vm(m, v->selected) : NULL;
}

/* ---- Keys ----------------------------------------------------------------------------------- */

/* The columns' own letters. */
static bool sort_by_letter(struct top_view *v, int key)
{
	static const struct {
		char letter;
		enum top_column column;
	} letters[] = {
		{ 'N', TOP_COL_NAME },	{ 'S', TOP_COL_STATE }, { 'C', TOP_COL_CPU },
		{ 'W', TOP_COL_WAIT },	{ 'A', TOP_COL_AGE },	{ 'M', TOP_COL_MEMORY },
		{ 'O', TOP_COL_OWNER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
		if (key == letters[i].letter) {
			v->sort = letters[i].column;
			v->is_reversed = false;
			return true;
		}
	}
	return false;
}

/* Up or down by this much, not beyond the ends. */
static uint32_t moved(uint32_t from, int64_t by, uint32_t n)
{
	int64_t to = (int64_t)from + by;

	to = to < (int64_t)n ? to : (int64_t)n - 1;
	return to > 0 ? (uint32_t)to : 0;
}

/* How far a key moves. False: it does not. */
static bool motion(const struct top_view *v, int key, int64_t *ret_by)
{
	switch (key) {
	case TOP_KEY_UP:
		*ret_by = -1;
		return true;
	case TOP_KEY_DOWN:
		*ret_by = 1;
		return true;
	case TOP_KEY_PAGE_UP:
		*ret_by = -(int64_t)v->page_rows;
		return true;
	case TOP_KEY_PAGE_DOWN:
		*ret_by = v->page_rows;
		return true;
	case TOP_KEY_HOME:
		*ret_by = INT32_MIN;
		return true;
	case TOP_KEY_END:
		*ret_by = INT32_MAX;
		return true;
	default:
		return false;
	}
}

/* Remember which VM a wish is about: the list may change before it is carried out. */
static bool aim(struct top_view *v, const struct top_model *m)
{
	const struct top_vm *vm = top_view_selected(v, m);

	if (!vm) {
		top_view_say(v, true, "no VM is chosen");
		return false;
	}
	v->has_chosen = true;
	memcpy(v->target, vm->id, sizeof(v->target));
	memcpy(v->target_name, vm->name, sizeof(v->target_name));
	return true;
}

static enum top_wish key_filter(struct top_view *v, int key)
{
	size_t n = strlen(v->filter);

	if (key == TOP_KEY_ENTER) {
		v->prompt = TOP_PROMPT_NONE;
	} else if (key == TOP_KEY_ESCAPE) {
		memcpy(v->filter, v->old_filter, sizeof(v->filter));
		v->prompt = TOP_PROMPT_NONE;
	} else if (key == TOP_KEY_BACKSPACE) {
		v->filter[n ? n - 1 : 0] = '\0';
	} else if (key >= ' ' && key < 0x7f && n + 1 < sizeof(v->filter)) {
		v->filter[n] = (char)key;
		v->filter[n + 1] = '\0';
	}
	return TOP_WISH_NONE;
}

static enum top_wish key_kill(struct top_view *v, int key)
{
	v->prompt = TOP_PROMPT_NONE;
	if (key == 'y' || key == 'Y') {
		return TOP_WISH_KILL;
	}
	top_view_say(v, false, "%s was not killed", v->target_name);
	return TOP_WISH_NONE;
}

static enum top_wish key_panel(struct top_view *v, int key)
{
	int64_t by;

	if (motion(v, key, &by)) {
		v->panel.first = moved(v->panel.first, by, v->panel.n);
		return TOP_WISH_NONE;
	}
	if (key == 'q' || key == TOP_KEY_ESCAPE || key == TOP_KEY_ENTER || key == '?' ||
	    key == 'f') {
		v->panel_kind = TOP_PANEL_NONE;
	}
	return TOP_WISH_NONE;
}

static enum top_wish open_panel(struct top_view *v, enum top_panel_kind kind)
{
	v->panel_kind = kind;
	v->panel.first = 0;
	top_panel_clear(&v->panel);
	if (kind == TOP_PANEL_HELP) {
		top_panel_help(&v->panel);
		return TOP_WISH_NONE;
	}
	return TOP_WISH_REFRESH;
}

static enum top_wish key_pause(struct top_view *v, const struct top_model *m)
{
	const struct top_vm *vm = top_view_selected(v, m);

	if (!aim(v, m)) {
		return TOP_WISH_NONE;
	}
	return strcmp(vm->state, "paused") == 0 ? TOP_WISH_RESUME : TOP_WISH_PAUSE;
}

/* Keys about the chosen VM. */
static enum top_wish key_vm(struct top_view *v, const struct top_model *m, int key)
{
	switch (key) {
	case 'p':
		return key_pause(v, m);
	case 'n':
		return aim(v, m) ? TOP_WISH_PIN : TOP_WISH_NONE;
	case 'u':
		return aim(v, m) ? TOP_WISH_UNPIN : TOP_WISH_NONE;
	case 'k':
		v->prompt = aim(v, m) ? TOP_PROMPT_KILL : TOP_PROMPT_NONE;
		return TOP_WISH_NONE;
	case TOP_KEY_ENTER:
		if (!aim(v, m)) {
			return TOP_WISH_NONE;
		}
		memcpy(v->panel_id, v->target, sizeof(v->panel_id));
		return open_panel(v, TOP_PANEL_VM);
	default:
		return TOP_WISH_NONE;
	}
}

/* Keys about what is shown. */
static enum top_wish key_show(struct top_view *v, const struct top_model *m, int key)
{
	switch (key) {
	case 'r':
		v->is_reversed = !v->is_reversed;
		return TOP_WISH_NONE;
	case '<':
	case '>':
		v->sort = (v->sort + (key == '>' ? 1 : TOP_COL_N - 1)) % TOP_COL_N;
		v->is_reversed = false;
		return TOP_WISH_NONE;
	case '[':
	case ']':
		v->first_lane = moved(v->first_lane, key == ']' ? 1 : -1, m->n_cores);
		return TOP_WISH_NONE;
	case '/':
		memcpy(v->old_filter, v->filter, sizeof(v->old_filter));
		v->prompt = TOP_PROMPT_FILTER;
		return TOP_WISH_NONE;
	case TOP_KEY_ESCAPE:
		v->filter[0] = '\0';
		return TOP_WISH_NONE;
	case 'a':
		v->shows_ended = !v->shows_ended;
		return TOP_WISH_REFRESH;
	case 'z':
		v->is_zoomed = !v->is_zoomed;
		return TOP_WISH_REFRESH;
	case 'f':
		return open_panel(v, TOP_PANEL_FAULTS);
	case '?':
	case 'h':
		return open_panel(v, TOP_PANEL_HELP);
	default:
		return key_vm(v, m, key);
	}
}

enum top_wish top_view_key(struct top_view *v, const struct top_model *m, int key)
{
	int64_t by;

	if (v->prompt == TOP_PROMPT_FILTER) {
		return key_filter(v, key);
	}
	top_view_say(v, false, "%s", "");
	if (v->prompt == TOP_PROMPT_KILL) {
		return key_kill(v, key);
	}
	if (v->panel_kind != TOP_PANEL_NONE) {
		return key_panel(v, key);
	}
	if (key == 'q' || key == 'Q') {
		return TOP_WISH_QUIT;
	}
	if (motion(v, key, &by)) {
		v->has_chosen = true;
		select_row(v, m, moved(v->selected_row, by, v->n_order));
		return TOP_WISH_NONE;
	}
	return sort_by_letter(v, key) ? TOP_WISH_NONE : key_show(v, m, key);
}
