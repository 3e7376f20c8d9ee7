/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members of JSON objects from the daemon; see fields.h. */
#include "cli/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/text.h"

const char *field_text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

uint64_t field_u64(const json_t *o, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(o, name));

	return v > 0 ? (uint64_t)v : 0;
}

bool field_bool(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

bool field_has(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return v && !json_is_null(v);
}

void field_cell_text(struct table *t, const json_t *o, const char *name)
{
	table_add(t, field_text(o, name));
}

void field_cell_u64(struct table *t, const json_t *o, const char *name)
{
	char text[24] = "";

	if (json_is_integer(json_object_get(o, name))) {
		snprintf(text, sizeof(text), "%" PRIu64, field_u64(o, name));
	}
	table_add(t, text);
}

void field_cell_size(struct table *t, const json_t *o, const char *name)
{
	char text[TEXT_FIGURE_BYTES] = "";

	if (json_is_integer(json_object_get(o, name))) {
		text_size(field_u64(o, name), text);
	}
	table_add(t, text);
}

void field_cell_time(struct table *t, const json_t *o, const char *name)
{
	char text[TEXT_FIGURE_BYTES] = "";

	if (json_is_integer(json_object_get(o, name))) {
		text_time(field_u64(o, name), text);
	}
	table_add(t, text);
}

int field_print_json(const json_t *o)
{
	/* ASCII: control characters of the eight-bit kind don't reach a terminal either. */
	char *text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII |
					   JSON_ENCODE_ANY);

	if (!text) {
		return -ENOMEM;
	}
	for (const char *p = text; *p; p++) {
		if (*p == 0x7f) {
			fputs("\\u007f", stdout);
		} else {
			putchar(*p);
		}
	}
	putchar('\n');
	free(text);
	return 0;
}
