/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of JSON objects from the daemon. What is missing or of another type reads as nothing: a
 * newer or hostile daemon can't break a command.
 */
#ifndef PINFOLD_CLI_FIELDS_H
#define PINFOLD_CLI_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"

/** A text; "" when it is none. Lives as long as @p o. */
const char *field_text(const json_t *o, const char *name);

/** A number that is not negative; else 0. */
uint64_t field_u64(const json_t *o, const char *name);

/** A truth value; else false. */
bool field_bool(const json_t *o, const char *name);

/** Whether there is such a member, and not null. */
bool field_has(const json_t *o, const char *name);

/** Add cells: a text; a number; a size; a used time. Missing ones become "-". */
void field_cell_text(struct table *t, const json_t *o, const char *name);
/** A number. */
void field_cell_u64(struct table *t, const json_t *o, const char *name);
/** A size in bytes. */
void field_cell_size(struct table *t, const json_t *o, const char *name);
/** A used time in ns. */
void field_cell_time(struct table *t, const json_t *o, const char *name);

/** Print JSON on one line, in ASCII only. @return 0; -ENOMEM */
int field_print_json(const json_t *o);

#endif
