/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of VMs: as many columns as have room, the more important ones first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top/top_draw_internal.h"
#include "cli/top/top_format.h"

#define PREFIX_W   3u /* chosen or not, letter, blank */
#define NAME_MIN_W 10u
#define NAME_MAX_W 32u
#define CELL_SIZE  64

static const struct {
	const char *title;
	uint32_t width; /* of the name: at least */
	bool is_right;
	uint32_t rank; /* 0: always there */
} columns[TOP_COL_N] = {
	[TOP_COL_NAME] = { "NAME", NAME_MIN_W, false, 0 },
	[TOP_COL_STATE] = { "STATE", 8, false, 1 },
	[TOP_COL_CORE] = { "CORE", 4, true, 3 },
	[TOP_COL_CPU] = { "CPU%", 5, true, 2 },
	[TOP_COL_WAIT] = { "WAIT%", 5, true, 4 },
	[TOP_COL_SLICES] = { "SL/S", 5, true, 7 },
	[TOP_COL_AGE] = { "AGE", 6, true, 5 },
	[TOP_COL_MEMORY] = { "MEM", 5, true, 8 },
	[TOP_COL_ARCH] = { "ARCH", 7, false, 6 },
	[TOP_COL_ENGINE] = { "ENGINE", 7, false, 11 },
	[TOP_COL_OWNER] = { "OWNER", 8, false, 9 },
	[TOP_COL_QUOTA] = { "QUOTA", 8, false, 10 },
	[TOP_COL_PRIO] = { "PR", 2, true, 12 },
};

/* Widths, 0 for columns left out. */
static void choose_columns(uint32_t cols, uint32_t ret_width[TOP_COL_N])
{
	uint32_t used = PREFIX_W;

	memset(ret_width, 0, TOP_COL_N * sizeof(*ret_width));
	for (uint32_t rank = 0; rank < TOP_COL_N; rank++) {
		for (uint32_t i = 0; i < TOP_COL_N; i++) {
			uint32_t w = columns[i].width + (rank ? 1 : 0);

			if (columns[i].rank != rank) {
				continue;
			}
			if (rank && used + w > cols) {
				rank = TOP_COL_N;
				break;
			}
			ret_width[i] = columns[i].width;
			used += w;
		}
	}
	if (used < cols) {
		ret_width[TOP_COL_NAME] += cols - used;
	}
	if (ret_width[TOP_COL_NAME] > NAME_MAX_W) {
		ret_width[TOP_COL_NAME] = NAME_MAX_W;
	}
}

static void text_quota(const struct top_model *m, const struct top_vm *vm, char ret[CELL_SIZE],
		       struct top_look *ret_look)
{
	static const char *const word[TOP_QUOTA_N] = {
		[TOP_QUOTA_VMS] = "vm",
		[TOP_QUOTA_VCPUS] = "cpu",
		[TOP_QUOTA_MEMORY] = "mem",
		[TOP_QUOTA_EXCLUSIVE] = "ex",
	};
	const struct top_user *u = top_model_user(m, vm->owner_uid);
	enum top_quota_kind kind = u ? top_user_tightest(u) : TOP_QUOTA_N;
	const struct top_quota *q;

	snprintf(ret, CELL_SIZE, "-");
	if (kind == TOP_QUOTA_N) {
		return;
	}
	q = &u->quota[kind];
	if (q->used >= q->limit) {
		ret_look->colour = TOP_YELLOW;
	}
	if (kind == TOP_QUOTA_MEMORY) {
		double share = (double)q->used * 100.0 / ((double)q->limit + 1e-9);

		snprintf(ret, CELL_SIZE, "%s %.0f%%", word[kind], share < 999 ? share : 999);
	} else {
		snprintf(ret, CELL_SIZE, "%s %" PRIu64 "/%" PRIu64, word[kind], q->used, q->limit);
	}
}

static void look_state(const struct top_vm *vm, struct top_look *ret)
{
	static const struct {
		const char *state;
		struct top_look look;
	} looks[] = {
		{ "running", { 0, TOP_GREEN } }, { "blocked", { 0, TOP_CYAN } },
		{ "paused", { 0, TOP_YELLOW } }, { "faulted", { TOP_BOLD, TOP_RED } },
		{ "killed", { 0, TOP_RED } },
	};

	*ret = (struct top_look){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		if (strcmp(vm->state, looks[i].state) == 0) {
			*ret = looks[i].look;
		}
	}
}

static void text_rate(bool is_known, uint32_t permille, char ret[CELL_SIZE])
{
	if (is_known) {
		top_format_permille(permille, ret);
	} else {
		snprintf(ret, CELL_SIZE, "-");
	}
}

static void text_core(const struct top_vm *vm, char ret[CELL_SIZE], struct top_look *ret_look)
{
	if (vm->core == TOP_NO_CORE) {
		snprintf(ret, CELL_SIZE, "-");
		return;
	}
	if (vm->is_exclusive) {
		*ret_look = (struct top_look){ TOP_BOLD, TOP_YELLOW };
	}
	snprintf(ret, CELL_SIZE, "%s%u", vm->is_exclusive ? "=" : "", vm->core);
}

/* The text of a cell that is a word. */
static const char *word_of(const struct top_vm *vm, enum top_column column)
{
	switch (column) {
	case TOP_COL_NAME:
		return vm->name;
	case TOP_COL_STATE:
		return vm->state;
	case TOP_COL_ARCH:
		return vm->arch;
	case TOP_COL_ENGINE:
		return vm->engine;
	case TOP_COL_OWNER:
		return vm->owner;
	default:
		return NULL;
	}
}

/* The text and the look of one cell. */
static void make_cell(const struct top_model *m, const struct top_vm *vm, enum top_column column,
		      char ret[CELL_SIZE], struct top_look *ret_look)
{
	const char *word = word_of(vm, column);

	*ret_look = look_plain;
	if (word) {
		snprintf(ret, CELL_SIZE, "%s", word);
	}
	switch (column) {
	case TOP_COL_STATE:
		look_state(vm, ret_look);
		break;
	case TOP_COL_CORE:
		text_core(vm, ret, ret_look);
		break;
	case TOP_COL_CPU:
		text_rate(vm->has_rate, vm->cpu_permille, ret);
		break;
	case TOP_COL_WAIT:
		text_rate(vm->has_rate, vm->wait_permille, ret);
		break;
	case TOP_COL_SLICES:
		text_rate(vm->has_rate, vm->slices_per_10s, ret);
		break;
	case TOP_COL_AGE:
		top_format_duration(vm->waiting_ns, ret);
		ret_look->colour = vm->waiting_ns >= NS_PER_S ? TOP_YELLOW : TOP_PLAIN;
		break;
	case TOP_COL_MEMORY:
		top_format_size(vm->memory_bytes, ret);
		break;
	case TOP_COL_QUOTA:
		text_quota(m, vm, ret, ret_look);
		break;
	case TOP_COL_PRIO:
		snprintf(ret, CELL_SIZE, "%u", vm->prio);
		break;
	default:
		break;
	}
}

static void draw_head(struct top_canvas *c, const struct top_view *v, uint32_t row,
		      const uint32_t width[TOP_COL_N])
{
	uint32_t col = PREFIX_W;

	for (uint32_t i = 0; i < TOP_COL_N; i++) {
		char title[CELL_SIZE];

		if (!width[i]) {
			continue;
		}
		snprintf(title, sizeof(title), "%s", columns[i].title);
		if (columns[i].is_right) {
			top_canvas_put_right(c, row, col, width[i], look_plain, title);
		} else {
			top_canvas_put(c, row, col, width[i], look_plain, title);
		}
		if (v->sort == (enum top_column)i) {
			/* Beside the title: to its right, or to its left where it stands right. */
			uint32_t at = columns[i].is_right
					      ? col + width[i] - 1 - (uint32_t)strlen(title)
					      : col + (uint32_t)strlen(title);

			top_canvas_sign(c, row, at, look_plain,
					v->is_reversed ? TOP_SIGN_UP : TOP_SIGN_DOWN);
		}
		col += width[i] + 1;
	}
	top_canvas_paint(c, row, look_head);
}

static void draw_vm(struct top_canvas *c, struct top_model *m, uint32_t row,
		    const struct top_vm *vm, const uint32_t width[TOP_COL_N])
{
	struct top_look look;
	char mark[2] = "";
	uint32_t col = PREFIX_W;

	mark[0] = draw_mark(top_model_mark(m, top_key(vm->id)), &look);
	top_canvas_put(c, row, 1, 1, look, mark);
	for (uint32_t i = 0; i < TOP_COL_N; i++) {
		char text[CELL_SIZE];

		if (!width[i]) {
			continue;
		}
		make_cell(m, vm, i, text, &look);
		if (columns[i].is_right) {
			top_canvas_put_right(c, row, col, width[i], look, text);
		} else {
			top_canvas_put(c, row, col, width[i], look, text);
		}
		col += width[i] + 1;
	}
}

/* Keep the chosen row on the screen, and no hole at the end. */
static void scroll(struct top_view *v, uint32_t n_rows)
{
	v->page_rows = n_rows > 1 ? n_rows : 1;
	if (v->selected_row < v->first_row) {
		v->first_row = v->selected_row;
	}
	if (v->selected_row >= v->first_row + v->page_rows) {
		v->first_row = v->selected_row - v->page_rows + 1;
	}
	if (v->first_row + v->page_rows > v->n_order) {
		v->first_row = v->n_order > v->page_rows ? v->n_order - v->page_rows : 0;
	}
}

void draw_table(struct top_canvas *c, struct top_model *m, struct top_view *v, uint32_t row,
		uint32_t n, bool has_selection)
{
	uint32_t width[TOP_COL_N];

	if (n == 0) {
		return;
	}
	choose_columns(c->cols, width);
	draw_head(c, v, row, width);
	scroll(v, n - 1);
	if (v->n_order == 0 && n > 1) {
		top_canvas_put(c, row + 1, PREFIX_W, c->cols, look_dim,
			       !m->vms_at_ns	? "waiting for the first answer"
			       : v->filter[0]	? "no VM fits the filter"
			       : v->shows_ended ? "there is no VM"
						: "no VM runs; key a: also those that don't");
	}
	for (uint32_t i = 0; i + 1 < n && v->first_row + i < v->n_order; i++) {
		uint32_t at = row + 1 + i;

		draw_vm(c, m, at, &m->vms[v->order[v->first_row + i]], width);
		if (has_selection && v->first_row + i == v->selected_row) {
			top_canvas_sign(c, at, 0, look_bold, TOP_SIGN_SELECTED);
		}
	}
}
