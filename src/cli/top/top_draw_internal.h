/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the picture, shared by top_draw.c, top_draw_lanes.c and top_draw_table.c. */
#ifndef PINFOLD_CLI_TOP_DRAW_INTERNAL_H
#define PINFOLD_CLI_TOP_DRAW_INTERNAL_H

#include "cli/top/top_draw.h"

static const struct top_look look_plain = { 0, TOP_PLAIN };
static const struct top_look look_dim = { TOP_DIM, TOP_PLAIN };
static const struct top_look look_bold = { TOP_BOLD, TOP_PLAIN };
static const struct top_look look_head = { TOP_REVERSE, TOP_PLAIN };

/* The letter and the colour of a VM. */
static inline char draw_mark(uint32_t mark, struct top_look *ret_look)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789";

	*ret_look = (struct top_look){ 0, (uint8_t)(TOP_PALETTE + mark % TOP_PALETTE_N) };
	return letters[mark % (sizeof(letters) - 1)];
}

/* Lanes in rows [row, row + n), with a head line above when has_head. */
void draw_lanes(struct top_canvas *c, struct top_model *m, struct top_view *v, uint32_t row,
		uint32_t n, bool has_head);

/* The table in rows [row, row + n), its head line in the first. */
void draw_table(struct top_canvas *c, struct top_model *m, struct top_view *v, uint32_t row,
		uint32_t n, bool has_selection);

#endif
