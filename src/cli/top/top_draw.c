/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture:
 *
 *   Pinfold 0.1.0  5 running, 1 faulted of 9  exclusive 1/2  cpuset  up 3m12s
 *   CORE ROLE    HOLDER         IDLE% OTHER% 100ms per column
 *      0 control                             scheduler, life cycle
 *      2 pool    B crunch         2.0    0.1 A---B-C--A....B---
 *      NAME            STATE    CORE vCPU% ...
 *   > A crunch          running     2  49.5
 *   Enter details  p pause  k kill ...
 */
#include "cli/top/top_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/top/top_draw_internal.h"
#include "cli/top/top_format.h"

/* Fewer rows than this leave no room for lanes. */
#define ROWS_FOR_LANES 6u

static void draw_title(struct top_canvas *c, const struct top_model *m, const struct top_view *v)
{
	static const struct top_look bad = { TOP_BOLD, TOP_RED };
	const struct top_status *s = &m->status;
	char up[TOP_FORMAT_SIZE];
	uint32_t col;

	col = top_canvas_put(c, 0, 0, c->cols, look_bold, "Pinfold ");
	if (v->is_stale) {
		top_canvas_put(c, 0, col, c->cols - col, bad, "no answer from the daemon");
		return;
	}
	if (!s->is_known) {
		return;
	}
	top_format_duration(s->uptime_ns, up);
	col += top_canvas_printf(c, 0, col, c->cols - col, look_plain, "%s  %" PRIu64 " running",
				 s->version, s->running);
	if (s->paused) {
		col += top_canvas_printf(c, 0, col, c->cols - col, look_plain,
					 ", %" PRIu64 " paused", s->paused);
	}
	if (s->faulted) {
		col += top_canvas_printf(c, 0, col, c->cols - col, bad, ", %" PRIu64 " faulted",
					 s->faulted);
	}
	col += top_canvas_printf(c, 0, col, c->cols - col, look_plain, " of %" PRIu64, s->defined);
	top_canvas_printf(c, 0, col, c->cols - col, look_dim,
			  "  exclusive %" PRIu64 "/%" PRIu64 "  %s%s  up %s", s->exclusive_used,
			  s->exclusive_cap, s->backend, s->is_rootless ? ", rootless" : "", up);
}

static void draw_hints(struct top_canvas *c, const struct top_view *v, uint32_t row)
{
	uint32_t col = 0;

	if (v->panel_kind != TOP_PANEL_NONE) {
		top_canvas_put(c, row, 0, c->cols, look_dim, "Esc back  up down PgUp PgDn scroll");
		return;
	}
	if (v->filter[0]) {
		col = top_canvas_printf(c, row, 0, c->cols, look_bold, "filter \"%s\" (Esc ends)  ",
					v->filter);
	}
	top_canvas_put(c, row, col, c->cols - col, look_dim,
		       c->cols >= 70 ? "? help  q quit  Enter details  p pause  k kill  n pin  "
				       "/ filter  f faults"
				     : "? help  q quit  p pause  k kill");
}

static void draw_bottom(struct top_canvas *c, const struct top_view *v, uint32_t row)
{
	static const struct top_look bad = { TOP_BOLD, TOP_RED };
	static const struct top_look ask = { TOP_BOLD, TOP_YELLOW };

	if (v->prompt == TOP_PROMPT_KILL) {
		top_canvas_printf(c, row, 0, c->cols, ask, "kill %s? y: yes, other keys: no",
				  v->target_name);
	} else if (v->prompt == TOP_PROMPT_FILTER) {
		top_canvas_printf(c, row, 0, c->cols, ask, "filter: %s_", v->filter);
	} else if (v->message[0]) {
		top_canvas_put(c, row, 0, c->cols, v->is_error ? bad : look_plain, v->message);
	} else {
		draw_hints(c, v, row);
	}
}

static void draw_panel(struct top_canvas *c, struct top_view *v, uint32_t row, uint32_t n)
{
	struct top_panel *p = &v->panel;
	uint32_t room = n > 1 ? n - 1 : 1;

	v->page_rows = room;
	if (p->first + room > p->n) {
		p->first = p->n > room ? p->n - room : 0;
	}
	top_canvas_printf(c, row, 0, c->cols, look_plain, " %s%s", p->title,
			  p->title[0] ? "" : "asking the daemon ...");
	top_canvas_paint(c, row, look_head);
	for (uint32_t i = 0; i + 1 < n && p->first + i < p->n; i++) {
		top_canvas_put(c, row + 1 + i, 0, c->cols, look_plain, p->line[p->first + i]);
	}
}

void top_draw_screen(struct top_canvas *c, struct top_model *m, struct top_view *v)
{
	uint32_t bottom = c->rows - 1;
	uint32_t lanes = 0;
	uint32_t table_row = 1;

	top_canvas_clear(c);
	if (bottom > 0) {
		draw_title(c, m, v);
	}
	draw_bottom(c, v, bottom);
	if (bottom <= 1) {
		return;
	}
	if (v->panel_kind != TOP_PANEL_NONE) {
		draw_panel(c, v, 1, bottom - 1);
		return;
	}
	if (c->rows >= ROWS_FOR_LANES) {
		/* Title, two heads and the bottom line; lanes get at most half of the rest. */
		lanes = (c->rows - 4) / 2;
		lanes = lanes < m->n_cores ? lanes : m->n_cores;
	}
	if (lanes) {
		draw_lanes(c, m, v, 2, lanes, true);
		table_row = 2 + lanes;
	}
	draw_table(c, m, v, table_row, bottom - table_row, true);
}

uint32_t top_draw_batch_rows(const struct top_model *m, const struct top_view *v)
{
	return 1 + 1 + m->n_cores + 1 + (v->n_order ? v->n_order : 1);
}

void top_draw_batch(struct top_canvas *c, struct top_model *m, struct top_view *v)
{
	top_canvas_clear(c);
	draw_title(c, m, v);
	draw_lanes(c, m, v, 2, m->n_cores, true);
	draw_table(c, m, v, 2 + m->n_cores, c->rows - 2 - m->n_cores, false);
}
