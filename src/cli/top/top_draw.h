/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The picture: model and view onto a canvas of any size. */
#ifndef PINFOLD_CLI_TOP_DRAW_H
#define PINFOLD_CLI_TOP_DRAW_H

#include "cli/top/top_canvas.h"
#include "cli/top/top_model.h"
#include "cli/top/top_view.h"

/**
 * Draw the screen: title, lanes, table (or the open panel), bottom line. Small canvases get less.
 * @param m marks are given to VMs that are shown for the first time
 * @param v as top_view_arrange() left it; scrolling is kept within what there is
 */
void top_draw_screen(struct top_canvas *c, struct top_model *m, struct top_view *v);

/** Rows that a snapshot with everything in it needs. */
uint32_t top_draw_batch_rows(const struct top_model *m, const struct top_view *v);

/** Draw everything, without what only a person at a terminal needs. */
void top_draw_batch(struct top_canvas *c, struct top_model *m, struct top_view *v);

#endif
