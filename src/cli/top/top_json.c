/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields of answers; see top_json.h. */
#include "cli/top/top_json.h"

#include <string.h>

void top_json_text(const json_t *o, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(o, name));
	size_t n;

	ret[0] = '\0';
	if (!text) {
		return;
	}
	n = strlen(text);
	if (n >= size) {
		n = size - 1;
		/* Not in the middle of a character. */
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) {
			n--;
		}
	}
	memcpy(ret, text, n);
	ret[n] = '\0';
}

uint64_t top_json_number(const json_t *o, const char *name, uint64_t otherwise)
{
	const json_t *v = json_object_get(o, name);
	json_int_t n = json_integer_value(v);

	return json_is_integer(v) && n >= 0 ? (uint64_t)n : otherwise;
}

bool top_json_bool(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

const json_t *top_json_list(const json_t *answer, const char *name)
{
	const json_t *list = json_is_object(answer) ? json_object_get(answer, name) : answer;

	return json_is_array(list) ? list : NULL;
}
