/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON bodies: bounded in size and depth before the parser, which recurses, sees them. */
#include <errno.h>
#include <string.h>

#include "daemon/http/http_parse.h"

/* Brackets outside strings; malformed text is left to the parser. */
static bool is_too_deep(const char *text, size_t n_bytes)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n_bytes; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\') {
				i++;
			} else if (c == '"') {
				in_string = false;
			}
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > HTTP_JSON_DEPTH) {
				return true;
			}
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return false;
}

static bool is_blank(const char *text, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++) {
		if (!strchr(" \t\r\n", text[i]) || text[i] == '\0') {
			return false;
		}
	}
	return true;
}

int http_json_parse(const void *bytes, size_t n_bytes, json_t **ret, struct errmsg *e)
{
	json_error_t why;
	json_t *v;

	if (n_bytes > HTTP_JSON_MAX) {
		return errmsg_set(e, -EFBIG, "the body has %zu bytes; the limit is %u", n_bytes,
				  HTTP_JSON_MAX);
	}
	if (n_bytes == 0 || is_blank(bytes, n_bytes)) {
		v = json_object();
		if (!v) {
			return errmsg_set(e, -ENOMEM, "out of memory");
		}
		*ret = v;
		return 0;
	}
	if (is_too_deep(bytes, n_bytes)) {
		return errmsg_set(e, -EINVAL, "the JSON body is nested deeper than %u levels",
				  HTTP_JSON_DEPTH);
	}
	v = json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES, &why);
	if (!v) {
		if (json_error_code(&why) == json_error_out_of_memory) {
			return errmsg_set(e, -ENOMEM, "out of memory");
		}
		return errmsg_set(e, -EINVAL, "the body is not valid JSON: %s, at byte %d",
				  why.text, why.position);
	}
	if (!json_is_object(v)) {
		json_decref(v);
		return errmsg_set(e, -EINVAL, "the body must be a JSON object: {\"name\": value}");
	}
	*ret = v;
	return 0;
}

/* Length of the well-formed sequence at p, or 0 (Unicode 15, table 3-7). */
static size_t utf8_step(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80		    ? 1
		     : p[0] >= 0xc2 && p[0] <= 0xdf ? 2
		     : (p[0] & 0xf0) == 0xe0	    ? 3
		     : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
						    : 0;

	if (len == 0 || len > n) {
		return 0;
	}
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
		return 0;
	}
	return len;
}

bool http_text_is_utf8(const char *text, size_t n_bytes)
{
	const unsigned char *p = (const unsigned char *)text;

	while (n_bytes) {
		size_t len = utf8_step(p, n_bytes);

		if (len == 0) {
			return false;
		}
		p += len;
		n_bytes -= len;
	}
	return true;
}
