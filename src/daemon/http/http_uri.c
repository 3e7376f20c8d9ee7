/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths and query strings, strictly: what is not understood is refused, nothing is guessed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/http/http_parse.h"

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* In place: what is decoded is never longer. */
static int text_decode(char *text, bool has_plus, struct errmsg *e)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		int c = (unsigned char)*p;

		if (c == '%') {
			int hi = hex_digit(p[1]), lo = hi < 0 ? -1 : hex_digit(p[2]);

			if (lo < 0) {
				return errmsg_set(e, -EINVAL, "%% wants two hex digits after it");
			}
			c = hi << 4 | lo;
			p += 2;
		} else if (c == '+' && has_plus) {
			c = ' ';
		}
		if (c < ' ' || c == 0x7f) {
			return errmsg_set(e, -EINVAL, "a control character in the address");
		}
		*to++ = (char)c;
	}
	*to = '\0';
	if ((size_t)(to - text) > HTTP_QUERY_MAX) {
		return errmsg_set(e, -EINVAL, "a part of the address is longer than %u bytes",
				  HTTP_QUERY_MAX);
	}
	if (!http_text_is_utf8(text, (size_t)(to - text))) {
		return errmsg_set(e, -EINVAL, "the address is not UTF-8");
	}
	return 0;
}

static int path_parse(char *text, struct http_uri *uri, struct errmsg *e)
{
	char *next = text;
	int r;

	if (*text != '/') {
		return errmsg_set(e, -EINVAL, "the path must begin with /");
	}
	next++;
	while (next) {
		char *part = strsep(&next, "/");

		if (uri->n_segments == HTTP_SEGMENTS_MAX) {
			return errmsg_set(e, -EINVAL, "the path has more than %u parts",
					  HTTP_SEGMENTS_MAX);
		}
		r = text_decode(part, false, e);
		if (r) {
			return r;
		}
		uri->segment[uri->n_segments++] = part;
	}
	return 0;
}

static int pair_add(struct http_uri *uri, char *name, struct errmsg *e)
{
	char *value = name;
	int r;

	(void)strsep(&value, "=");
	r = text_decode(name, true, e);
	if (r == 0 && value) {
		r = text_decode(value, true, e);
	}
	if (r) {
		return r;
	}
	for (unsigned int i = 0; i < uri->n_pairs; i++) {
		if (strcmp(uri->pair[i].name, name) == 0) {
			return errmsg_set(e, -EINVAL, "?%s= is given twice", name);
		}
	}
	if (uri->n_pairs == HTTP_PAIRS_MAX) {
		return errmsg_set(e, -EINVAL, "more than %u values behind the ?", HTTP_PAIRS_MAX);
	}
	uri->pair[uri->n_pairs].name = name;
	uri->pair[uri->n_pairs++].value = value ? value : "";
	return 0;
}

int http_uri_parse(char *text, struct http_uri *ret, struct errmsg *e)
{
	struct http_uri uri = { .n_segments = 0 };
	char *query = text;
	int r;

	if (strnlen(text, HTTP_URI_MAX + 1) > HTTP_URI_MAX) {
		return errmsg_set(e, -ENAMETOOLONG, "the address is longer than %u bytes",
				  HTTP_URI_MAX);
	}
	(void)strsep(&query, "?");
	r = path_parse(text, &uri, e);
	while (r == 0 && query) {
		char *name = strsep(&query, "&");

		r = *name ? pair_add(&uri, name, e) : 0;
	}
	if (r == 0) {
		*ret = uri;
	}
	return r;
}

/* How many braces the path needs to match; -1: it does not. */
static int path_match(const char *path, const struct http_uri *uri, const char **params)
{
	int n_params = 0;

	for (unsigned int i = 0; i < uri->n_segments; i++) {
		size_t n;

		if (*path++ != '/') {
			return -1;
		}
		n = strcspn(path, "/");
		if (*path == '{') {
			if (n_params == HTTP_PARAMS_MAX || !uri->segment[i][0]) {
				return -1;
			}
			params[n_params++] = uri->segment[i];
		} else if (strlen(uri->segment[i]) != n || memcmp(uri->segment[i], path, n) != 0) {
			return -1;
		}
		path += n;
	}
	return *path ? -1 : n_params;
}

static void allow_add(char *allow, const char *method)
{
	size_t n = strlen(allow);

	if (!strstr(allow, method)) { /* no method is part of another one's name */
		(void)snprintf(allow + n, HTTP_ALLOW_MAX - n, "%s%s", n ? ", " : "", method);
	}
}

const struct http_op *http_route_find(const struct http_op *ops, size_t n_ops, const char *method,
				      const struct http_uri *uri, const char **ret_params,
				      char *ret_allow)
{
	const struct http_op *best = NULL;
	int n_best = HTTP_PARAMS_MAX + 1;
	bool is_head = strcmp(method, "HEAD") == 0;

	ret_allow[0] = '\0';
	for (size_t i = 0; i < n_ops; i++) {
		const char *params[HTTP_PARAMS_MAX] = { NULL };
		int n = path_match(ops[i].path, uri, params);
		bool is_get = strcmp(ops[i].method, "GET") == 0;

		if (n < 0) {
			continue;
		}
		allow_add(ret_allow, ops[i].method);
		if (is_get) {
			allow_add(ret_allow, "HEAD");
		}
		if (n < n_best && (strcmp(ops[i].method, method) == 0 || (is_head && is_get))) {
			best = &ops[i];
			n_best = n;
			memcpy(ret_params, params, sizeof(params));
		}
	}
	return best;
}
