/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane per core:
 *
 *   CORE ROLE    HOLDER         IDLE% OTHER% 0.1s per column, newest right
 *      2 pool    B crunch         2.0    0.1 A---B-C--A....B---
 */
#include "cli/top/top_draw_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/top/top_format.h"

/* Samples that idle% is made of: ten seconds. */
#define IDLE_SAMPLES 100u

/* Where things stand; width 0: left out. */
struct layout {
	uint32_t core_w, role_col, role_w, holder_col, holder_w, idle_col, other_col;
	uint32_t lane_col, lane_w;
};

static struct layout make_layout(uint32_t cols)
{
	struct layout l = { .core_w = cols >= 70 ? 4 : 3 };
	uint32_t col = l.core_w + 1;

	l.role_col = col;
	l.role_w = cols >= 70 ? 7 : 1;
	col += l.role_w + 1;
	l.holder_col = col;
	l.holder_w = cols >= 100 ? 20 : cols >= 70 ? 14 : cols >= 50 ? 12 : 8;
	col += l.holder_w + 1;
	if (cols >= 50) {
		l.idle_col = col;
		col += 6;
	}
	if (cols >= 70) {
		l.other_col = col;
		col += 7;
	}
	l.lane_col = col;
	l.lane_w = cols > col ? cols - col : 0;
	return l;
}

static void draw_head(struct top_canvas *c, const struct top_model *m, const struct top_view *v,
		      const struct layout *l, uint32_t row, uint32_t n)
{
	char step[TOP_FORMAT_SIZE];
	char which[48] = "";

	top_canvas_put(c, row, 0, l->core_w, look_dim, l->core_w < 4 ? "CPU" : "CORE");
	top_canvas_put(c, row, l->role_col, l->role_w, look_dim, l->role_w > 1 ? "ROLE" : "R");
	top_canvas_put(c, row, l->holder_col, l->holder_w, look_dim, "HOLDER");
	if (l->idle_col) {
		top_canvas_put(c, row, l->idle_col, 5, look_dim, "IDLE%");
	}
	if (l->other_col) {
		top_canvas_put(c, row, l->other_col, 6, look_dim, "OTHER%");
	}
	if (n < m->n_cores) {
		snprintf(which, sizeof(which), "%u of %u cores, ", n, m->n_cores);
	}
	top_format_duration(v->is_zoomed ? m->zoom_ns : m->sample_ns, step);
	top_canvas_printf(c, row, l->lane_col, l->lane_w, look_dim, "%s%s per column", which, step);
}

/* How a lane looks one place further to the left than col is at age + 1. */
static struct top_moment moment_at(const struct top_core *core, bool is_zoomed, uint32_t age)
{
	if (!is_zoomed) {
		return top_core_moment(core, age);
	}
	return age < TOP_ZOOM ? core->zoom[TOP_ZOOM - 1 - age] : (struct top_moment){ 0 };
}

static void draw_moment(struct top_canvas *c, struct top_model *m, uint32_t row, uint32_t col,
			struct top_moment now, bool is_start)
{
	struct top_look look;
	char text[2] = "";

	if (now.use == TOP_USE_UNKNOWN) {
		return;
	}
	if (now.use == TOP_USE_IDLE) {
		top_canvas_sign(c, row, col, look_dim, TOP_SIGN_IDLE);
		return;
	}
	text[0] = draw_mark(top_model_mark(m, now.key), &look);
	if (is_start) {
		top_canvas_put(c, row, col, 1, look, text);
	} else {
		top_canvas_sign(c, row, col, look,
				now.use == TOP_USE_EXCLUSIVE ? TOP_SIGN_EXCL : TOP_SIGN_RUN);
	}
}

/* What a core does that runs no VM. */
static const char *chore(const struct top_core *core)
{
	if (!core->is_online) {
		return "offline";
	}
	if (strcmp(core->role, "control") == 0) {
		return "scheduler, life cycle";
	}
	return "devices, logs, chores";
}

static void draw_lane(struct top_canvas *c, struct top_model *m, const struct top_view *v,
		      const struct layout *l, uint32_t row, const struct top_core *core)
{
	if (!core->is_pool || !core->is_online) {
		top_canvas_put(c, row, l->lane_col, l->lane_w, look_dim, chore(core));
		return;
	}
	for (uint32_t i = 0; i < l->lane_w; i++) {
		uint32_t age = l->lane_w - 1 - i;
		struct top_moment now = moment_at(core, v->is_zoomed, age);
		struct top_moment before = moment_at(core, v->is_zoomed, age + 1);
		bool is_start = i == 0 || before.key != now.key || before.use != now.use;

		draw_moment(c, m, row, l->lane_col + i, now, is_start);
	}
}

static void draw_role(struct top_canvas *c, const struct layout *l, uint32_t row,
		      const struct top_core *core)
{
	static const struct top_look exclusive = { TOP_BOLD, TOP_YELLOW };
	char letter[2] = "";

	if (core->is_exclusive) {
		top_canvas_put(c, row, l->role_col, l->role_w, exclusive,
			       l->role_w > 1 ? "excl" : "X");
	} else if (l->role_w > 1) {
		top_canvas_put(c, row, l->role_col, l->role_w, look_plain, core->role);
	} else {
		letter[0] =
			strchr(core->role, '+') ? '*' : (char)toupper((unsigned char)core->role[0]);
		top_canvas_put(c, row, l->role_col, 1, look_plain, letter);
	}
}

static void draw_holder(struct top_canvas *c, struct top_model *m, const struct layout *l,
			uint32_t row, const struct top_core *core)
{
	struct top_moment now = top_core_moment(core, 0);
	struct top_look look;
	char mark[2] = "";

	if (!core->is_pool) {
		return;
	}
	if (now.use != TOP_USE_SHARED && now.use != TOP_USE_EXCLUSIVE) {
		top_canvas_put(c, row, l->holder_col, l->holder_w, look_dim, "-");
		return;
	}
	mark[0] = draw_mark(top_model_mark(m, now.key), &look);
	top_canvas_put(c, row, l->holder_col, 1, look, mark);
	/* The daemon may keep the names of other people's VMs to itself. */
	top_canvas_put(c, row, l->holder_col + 2, l->holder_w - 2, look_plain,
		       core->holder[0] ? core->holder : "(another's)");
}

static void draw_core(struct top_canvas *c, struct top_model *m, const struct top_view *v,
		      const struct layout *l, uint32_t row, const struct top_core *core)
{
	static const struct top_look warn = { 0, TOP_YELLOW };
	char text[TOP_FORMAT_SIZE];
	uint32_t idle;

	snprintf(text, sizeof(text), "%u", core->host_core);
	top_canvas_put_right(c, row, 0, l->core_w, look_bold, text);
	draw_role(c, l, row, core);
	draw_holder(c, m, l, row, core);
	if (l->idle_col && top_core_idle_permille(core, IDLE_SAMPLES, &idle)) {
		top_format_permille(idle, text);
		top_canvas_put_right(c, row, l->idle_col, 5, look_plain, text);
	}
	if (l->other_col && core->has_foreign_rate) {
		top_format_permille(core->foreign_permille, text);
		top_canvas_put_right(c, row, l->other_col, 6,
				     core->foreign_permille >= 10 ? warn : look_plain, text);
	}
	draw_lane(c, m, v, l, row, core);
}

/* The n-th core to show: in their order, or where they don't fit, those of the pool first. */
static const struct top_core *core_to_show(const struct top_model *m, uint32_t i, bool pool_first)
{
	uint32_t n_pool = 0;

	for (uint32_t k = 0; k < m->n_cores; k++) {
		n_pool += m->cores[k].is_pool ? 1 : 0;
	}
	for (uint32_t k = 0, left = i; k < m->n_cores && pool_first && i < n_pool; k++) {
		if (m->cores[k].is_pool && left-- == 0) {
			return &m->cores[k];
		}
	}
	for (uint32_t k = 0, left = i - n_pool; k < m->n_cores && pool_first && i >= n_pool; k++) {
		if (!m->cores[k].is_pool && left-- == 0) {
			return &m->cores[k];
		}
	}
	return &m->cores[i];
}

void draw_lanes(struct top_canvas *c, struct top_model *m, struct top_view *v, uint32_t row,
		uint32_t n, bool has_head)
{
	struct layout l = make_layout(c->cols);
	uint32_t last_first = m->n_cores > n ? m->n_cores - n : 0;

	v->first_lane = v->first_lane < last_first ? v->first_lane : last_first;
	if (has_head) {
		draw_head(c, m, v, &l, row - 1, n);
	}
	for (uint32_t i = 0; i < n && v->first_lane + i < m->n_cores; i++) {
		draw_core(c, m, v, &l, row + i, core_to_show(m, v->first_lane + i, n < m->n_cores));
	}
}
