/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields of answers, never trusted to be there or to be of their type. */
#ifndef PINFOLD_CLI_TOP_JSON_H
#define PINFOLD_CLI_TOP_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A text, cut to size and at the end of a character; "" when there is none. */
void top_json_text(const json_t *o, const char *name, char *ret, size_t size);

/** A number; @p otherwise when there is none or it is negative. */
uint64_t top_json_number(const json_t *o, const char *name, uint64_t otherwise);

/** A truth value; false when there is none. */
bool top_json_bool(const json_t *o, const char *name);

/** The list itself, or what the object holds under @p name; NULL when neither is a list. */
const json_t *top_json_list(const json_t *answer, const char *name);

#endif
