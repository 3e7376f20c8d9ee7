/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the person sees of the model, and what keys do: order, filter, chosen VM, questions. Keys go in,
 * wishes come out; nothing here knows a terminal or the daemon.
 */
#ifndef PINFOLD_CLI_TOP_VIEW_H
#define PINFOLD_CLI_TOP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/top/top_model.h"
#include "cli/top/top_panel.h"

#define TOP_FILTER  48
#define TOP_MESSAGE 400

/** Keys that are no characters. */
enum top_key {
	TOP_KEY_UP = 0x200000,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
};

/** Columns of the table. */
enum top_column {
	TOP_COL_NAME,
	TOP_COL_STATE,
	TOP_COL_CORE,
	TOP_COL_CPU,
	TOP_COL_WAIT,
	TOP_COL_SLICES,
	TOP_COL_AGE,
	TOP_COL_MEMORY,
	TOP_COL_ARCH,
	TOP_COL_ENGINE,
	TOP_COL_OWNER,
	TOP_COL_QUOTA,
	TOP_COL_PRIO,
	TOP_COL_N,
};

/** What the person wants. */
enum top_wish {
	TOP_WISH_NONE,
	TOP_WISH_QUIT,
	TOP_WISH_PAUSE,
	TOP_WISH_RESUME,
	TOP_WISH_KILL,
	TOP_WISH_PIN,
	TOP_WISH_UNPIN,
	TOP_WISH_REFRESH, /**< what is asked for has changed: ask now */
};

/** A question at the bottom of the screen. */
enum top_prompt { TOP_PROMPT_NONE, TOP_PROMPT_FILTER, TOP_PROMPT_KILL };

/** What is shown. */
struct top_view {
	enum top_column sort;
	bool is_reversed;
	char filter[TOP_FILTER];
	char old_filter[TOP_FILTER]; /**< while it is being typed */
	bool shows_ended;	     /**< also VMs that don't run */
	bool is_zoomed;		     /**< lanes by decision */
	bool has_chosen;	     /**< by the person; until then it is the first row */
	char selected[TOP_ID];	     /**< id of the chosen VM; "": none */
	uint32_t selected_row;	     /**< its place in order */
	uint32_t first_row, page_rows;
	uint32_t first_lane;
	uint32_t *order; /**< places in model->vms, as shown */
	uint32_t n_order, order_size;
	enum top_prompt prompt;
	char target[TOP_ID], target_name[TOP_TEXT]; /**< of the question, or of the wish */
	enum top_panel_kind panel_kind;
	struct top_panel panel;
	char panel_id[TOP_ID]; /**< the VM that the panel is about */
	char message[TOP_MESSAGE];
	bool is_error;
	bool is_stale; /**< the daemon does not answer */
};

/** Sorted by CPU use, nothing filtered. */
void top_view_init(struct top_view *v);

/** Free what it holds. */
void top_view_done(struct top_view *v);

/** Sort and filter anew; the chosen VM stays chosen while it is there. @return 0; -ENOMEM */
int top_view_arrange(struct top_view *v, const struct top_model *m);

/** The chosen VM, or NULL. */
const struct top_vm *top_view_selected(const struct top_view *v, const struct top_model *m);

/**
 * A key was pressed.
 * @param key a character, or enum top_key
 * @return what is wanted; its VM is v->target, v->target_name
 */
enum top_wish top_view_key(struct top_view *v, const struct top_model *m, int key);

/** Say something at the bottom; an empty text makes it blank. */
void top_view_say(struct top_view *v, bool is_error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
