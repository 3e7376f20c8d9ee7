/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page of lines over the table: help, all about one VM, the fault queue. */
#ifndef PINFOLD_CLI_TOP_PANEL_H
#define PINFOLD_CLI_TOP_PANEL_H

#include <jansson.h>
#include <stdint.h>

#include "base/errmsg.h"

#define TOP_PANEL_LINE	    256
#define TOP_PANEL_LINES_MAX 2000u

/** Which page. */
enum top_panel_kind { TOP_PANEL_NONE, TOP_PANEL_HELP, TOP_PANEL_VM, TOP_PANEL_FAULTS };

/** The page. */
struct top_panel {
	char title[TOP_PANEL_LINE];
	char (*line)[TOP_PANEL_LINE];
	uint32_t n, size;
	uint32_t first; /**< line at the top */
};

/** Empty it. */
void top_panel_clear(struct top_panel *p);

/** Free its lines. */
void top_panel_done(struct top_panel *p);

/** Make it the help. */
void top_panel_help(struct top_panel *p);

/** Make it all that an answer of GET /v1/vms/{vm} says. @return 0; -EPROTO; the page stays as it was */
int top_panel_vm(struct top_panel *p, const json_t *answer, struct errmsg *e);

/** Make it an answer of GET /v1/faults. @return as top_panel_vm() */
int top_panel_faults(struct top_panel *p, const json_t *answer, struct errmsg *e);

#endif
