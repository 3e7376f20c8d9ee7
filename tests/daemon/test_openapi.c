/* SPDX-License-Identifier: GPL-2.0-or-later */
/* docs/openapi.json says what the table of operations says, no more and no less. */
#include <ctype.h>
#include <jansson.h>

#include "base/bits.h"
#include "daemon/api/api.h"
#include "test.h"

static json_t *root;

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "(none)";
}

static const char *body_of(unsigned int flags)
{
	return flags & HTTP_BODY_JSON	 ? "json"
	       : flags & HTTP_BODY_BYTES ? "bytes"
	       : flags & HTTP_BODY_FILE	 ? "file"
					 : "none";
}

static json_t *operation_of(const char *path, const char *method)
{
	char lower[16];
	size_t i;

	for (i = 0; method[i] && i < sizeof(lower) - 1; i++) {
		lower[i] = (char)tolower((unsigned char)method[i]);
	}
	lower[i] = '\0';
	return json_object_get(json_object_get(json_object_get(root, "paths"), path), lower);
}

/* Whether the path's {name} is described. */
static bool has_param(const json_t *operation, const char *name, size_t n)
{
	const json_t *params = json_object_get(operation, "parameters");

	for (size_t i = 0; i < json_array_size(params); i++) {
		const json_t *p = json_array_get(params, i);

		if (strcmp(text_of(p, "in"), "path") == 0 && strlen(text_of(p, "name")) == n &&
		    strncmp(text_of(p, "name"), name, n) == 0) {
			return true;
		}
	}
	return false;
}

static void check_operation(const struct http_op *op)
{
	const json_t *o = operation_of(op->path, op->method);
	bool takes = (op->flags & (HTTP_BODY_JSON | HTTP_BODY_BYTES | HTTP_BODY_FILE)) != 0;

	if (!o) {
		printf("%s %s is not described\n", op->method, op->path);
		test_failures++;
		return;
	}
	CHECK_STR(text_of(o, "operationId"), op->name);
	CHECK_STR(text_of(o, "x-body"), body_of(op->flags));
	CHECK_INT(json_is_true(json_object_get(o, "x-admin")), (op->flags & HTTP_ADMIN) != 0);
	CHECK_INT(json_is_true(json_object_get(o, "x-changes")), (op->flags & HTTP_CHANGES) != 0);
	CHECK_INT(json_object_get(o, "requestBody") != NULL, takes);
	for (const char *p = strchr(op->path, '{'); p; p = strchr(p, '{')) {
		p++;
		CHECK(has_param(o, p, strcspn(p, "}")));
	}
}

static void test_every_operation(void)
{
	size_t n;
	const struct http_op *ops = api_ops(&n);

	for (size_t i = 0; i < n; i++) {
		check_operation(&ops[i]);
	}
}

static void test_nothing_else(void)
{
	json_t *paths = json_object_get(root, "paths"), *path;
	size_t n, described = 0;
	const char *name;

	(void)api_ops(&n);
	json_object_foreach(paths, name, path)
	{
		described += json_object_size(path);
	}
	CHECK_INT(described, n);
}

static void test_names_are_unique(void)
{
	size_t n;
	const struct http_op *ops = api_ops(&n);

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < i; k++) {
			CHECK(strcmp(ops[i].name, ops[k].name) != 0);
		}
	}
}

/* What changes something and is not a POST, PUT, PATCH or DELETE would surprise caches and people. */
static void test_methods(void)
{
	size_t n;
	const struct http_op *ops = api_ops(&n);

	for (size_t i = 0; i < n; i++) {
		bool is_read =
			strcmp(ops[i].method, "GET") == 0 || strcmp(ops[i].method, "HEAD") == 0;
		/* Asks with more than fits into a query. */
		bool is_question = strcmp(ops[i].name, "audit.compare") == 0;

		CHECK_INT((ops[i].flags & HTTP_CHANGES) == 0, is_read || is_question);
	}
}

/* Every "$ref" leads somewhere. */
static void check_refs(json_t *o)
{
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_array(o)) {
		json_array_foreach(o, i, v)
		{
			check_refs(v);
		}
	}
	json_object_foreach(o, key, v)
	{
		char path[128], *save = NULL;
		const json_t *at = root;

		if (strcmp(key, "$ref") != 0) {
			check_refs(v);
			continue;
		}
		snprintf(path, sizeof(path), "%s", json_string_value(v));
		CHECK(strncmp(path, "#/", 2) == 0);
		for (char *p = strtok_r(path + 1, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
			at = json_object_get(at, p);
		}
		if (!at) {
			printf("%s leads nowhere\n", json_string_value(v));
			test_failures++;
		}
	}
}

static void test_refs(void)
{
	check_refs(root);
}

static const struct test_case cases[] = {
	{ "every operation is described as it is", test_every_operation },
	{ "nothing else is described", test_nothing_else },
	{ "names of operations are unique", test_names_are_unique },
	{ "what changes something does not look like reading", test_methods },
	{ "references lead somewhere", test_refs },
};

int main(void)
{
	json_error_t e;
	size_t n;
	const char *text = api_openapi(&n);
	int r;

	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		printf("docs/openapi.json:%d: %s\n", e.line, e.text);
		return 1;
	}
	r = test_main(cases, ARRAY_SIZE(cases));
	json_decref(root);
	return r;
}
