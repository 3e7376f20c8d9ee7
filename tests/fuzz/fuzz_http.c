/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what takes requests apart: addresses, routes, JSON bodies, and the texts of errors. The
 * first byte chooses. What is accepted must have the promised form, and survive a way back.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/http_internal.h"
#include "fuzz.h"

static int never(void *ctx, const struct http_request *rq, struct http_reply *rp, struct errmsg *e)
{
	(void)ctx;
	(void)rq;
	(void)rp;
	(void)e;
	abort();
}

static const struct http_op ops[] = {
	{ "GET", "/v1/vms", "a", 0, 0, never },
	{ "POST", "/v1/vms", "b", 0, 0, never },
	{ "GET", "/v1/vms/{vm}", "c", 0, 0, never },
	{ "PUT", "/v1/vms/{vm}/pin", "d", 0, 0, never },
	{ "PUT", "/v1/cores/{core}", "e", 0, 0, never },
	{ "PUT", "/v1/cores/cap", "f", 0, 0, never },
	{ "GET", "/{a}/{b}/{c}", "g", 0, 0, never },
	{ "GET", "/", "h", 0, 0, never },
};

/* The input as text of its own size, so that a read past the end is seen. */
static char *text_of(struct fuzz_in in)
{
	char *text = malloc(in.n + 1);

	BUG_ON(!text);
	memcpy(text, in.p, in.n);
	text[in.n] = '\0';
	return text;
}

static void part_check(const char *part)
{
	BUG_ON(strlen(part) > HTTP_QUERY_MAX || !http_text_is_utf8(part, strlen(part)));
	for (; *part; part++) {
		BUG_ON((unsigned char)*part < ' ' || *part == 0x7f);
	}
}

static size_t encode(char *to, char mark, const char *part)
{
	char *begin = to;

	*to++ = mark;
	for (; *part; part++) {
		to += sprintf(to, "%%%02X", (unsigned int)(unsigned char)*part);
	}
	*to = '\0';
	return (size_t)(to - begin);
}

/* Every part encoded again must give the same parts. */
static void way_back(const struct http_uri *uri)
{
	static char text[(HTTP_SEGMENTS_MAX + 2 * HTTP_PAIRS_MAX) * (3 * HTTP_QUERY_MAX + 2)];
	struct http_uri again;
	size_t n = 0;

	for (unsigned int i = 0; i < uri->n_segments; i++) {
		n += encode(text + n, '/', uri->segment[i]);
	}
	for (unsigned int i = 0; i < uri->n_pairs; i++) {
		n += encode(text + n, i ? '&' : '?', uri->pair[i].name);
		n += encode(text + n, '=', uri->pair[i].value);
	}
	if (n > HTTP_URI_MAX) {
		return;
	}
	BUG_ON(http_uri_parse(text, &again, NULL) != 0 || again.n_segments != uri->n_segments);
	BUG_ON(again.n_pairs != uri->n_pairs);
	for (unsigned int i = 0; i < uri->n_segments; i++) {
		BUG_ON(strcmp(uri->segment[i], again.segment[i]) != 0);
	}
	for (unsigned int i = 0; i < uri->n_pairs; i++) {
		BUG_ON(strcmp(uri->pair[i].name, again.pair[i].name) != 0);
		BUG_ON(strcmp(uri->pair[i].value, again.pair[i].value) != 0);
	}
}

static void route(const struct http_uri *uri, const char *method)
{
	const char *params[HTTP_PARAMS_MAX] = { NULL };
	char allow[HTTP_ALLOW_MAX];
	const struct http_op *op =
		http_route_find(ops, ARRAY_SIZE(ops), method, uri, params, allow);
	unsigned int n = 0;

	BUG_ON(memchr(allow, '\0', sizeof(allow)) == NULL);
	if (!op) {
		BUG_ON(params[0]);
		return;
	}
	for (const char *p = op->path; (p = strchr(p, '{')); p++) {
		BUG_ON(n == HTTP_PARAMS_MAX || !params[n] || !*params[n]);
		n++;
	}
	BUG_ON(n < HTTP_PARAMS_MAX && params[n]);
	BUG_ON(!strstr(allow, method));
}

static void address(struct fuzz_in in)
{
	static const char *const methods[] = { "GET", "PUT", "POST", "HEAD", "BREW", "" };
	const char *method = methods[fuzz_take(&in, 1) % ARRAY_SIZE(methods)];
	char *text = text_of(in);
	struct http_uri uri;

	if (http_uri_parse(text, &uri, NULL) == 0) {
		for (unsigned int i = 0; i < uri.n_segments; i++) {
			part_check(uri.segment[i]);
		}
		for (unsigned int i = 0; i < uri.n_pairs; i++) {
			part_check(uri.pair[i].name);
			part_check(uri.pair[i].value);
		}
		way_back(&uri);
		route(&uri, method);
	}
	free(text);
}

static unsigned int depth_of(const json_t *v)
{
	unsigned int max = 0;
	const char *key;
	const json_t *x;
	size_t i;

	if (json_is_object(v)) {
		/* Only read; the iterator's type lacks const. */
		json_object_foreach((json_t *)(uintptr_t)v, key, x)
		{
			max = depth_of(x) > max ? depth_of(x) : max;
		}
		return max + 1;
	}
	if (json_is_array(v)) {
		json_array_foreach(v, i, x)
		{
			max = depth_of(x) > max ? depth_of(x) : max;
		}
		return max + 1;
	}
	return 0;
}

static void json(struct fuzz_in in)
{
	char *text = text_of(in), *dump;
	json_t *v = NULL, *again = NULL;
	struct errmsg e = { "" };

	if (http_json_parse(text, in.n, &v, &e) == 0) {
		BUG_ON(!json_is_object(v) || e.text[0]);
		BUG_ON(depth_of(v) > HTTP_JSON_DEPTH);
		dump = json_dumps(v, JSON_COMPACT);
		BUG_ON(!dump);
		/* Numbers may be longer written out than they were. */
		if (strlen(dump) <= HTTP_JSON_MAX) {
			BUG_ON(http_json_parse(dump, strlen(dump), &again, &e) != 0);
			BUG_ON(!json_equal(v, again));
		}
		json_decref(again);
		json_decref(v);
		free(dump);
	} else {
		BUG_ON(v || !e.text[0]);
	}
	free(text);
}

/* Any sentence becomes JSON with a code and a message. */
static void sentence(struct fuzz_in in)
{
	struct http_fail f = { 0 };
	int err = -(int)(fuzz_take(&in, 1) % 134) - 1;
	char *text = text_of(in), *dump;
	json_t *v, *error;

	(void)errmsg_set(&f.e, err, "%s", text);
	http_fail_set(&f, err);
	BUG_ON(f.status < 400 || f.status > 599);
	dump = http_fail_text(&f);
	BUG_ON(!dump);
	v = json_loads(dump, JSON_REJECT_DUPLICATES, NULL);
	error = json_object_get(v, "error");
	BUG_ON(!json_is_string(json_object_get(error, "code")));
	BUG_ON(!json_is_string(json_object_get(error, "message")));
	json_decref(v);
	free(dump);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };

	switch (fuzz_take(&in, 1) % 3) {
	case 0:
		address(in);
		break;
	case 1:
		json(in);
		break;
	default:
		sentence(in);
	}
	return 0;
}
