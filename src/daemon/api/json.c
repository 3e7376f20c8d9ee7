/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small pieces of JSON and of the query string. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "daemon/api/api_internal.h"

json_t *api_json_time(uint64_t real_ns)
{
	char text[64];
	time_t s = (time_t)(real_ns / NS_PER_S);
	struct tm tm;

	if (real_ns == 0 || !gmtime_r(&s, &tm)) {
		return json_null();
	}
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned int)(real_ns % NS_PER_S / NS_PER_MS));
	return json_string(text);
}

json_t *api_json_limit(uint64_t v)
{
	return v >= STORE_NONE ? json_null() : json_integer((json_int_t)v);
}

json_t *api_json_hex(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_string(text);
}

json_t *api_json_u64(uint64_t v)
{
	return v <= INT64_MAX ? json_integer((json_int_t)v) : api_json_hex(v);
}

json_t *api_json_text(const char *text, size_t n)
{
	json_t *o = json_stringn(text, n);
	char *clean;

	if (o) {
		return o; /* jansson refuses what is not UTF-8 */
	}
	clean = malloc(n + 1);
	if (!clean) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		clean[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	}
	o = json_stringn(clean, n);
	free(clean);
	return o;
}

json_t *api_json_str(const char *text)
{
	return text[0] ? api_json_text(text, strlen(text)) : json_null();
}

int api_reply(struct http_reply *rp, json_t *body, struct errmsg *e)
{
	if (!body) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	rp->body = body;
	return 0;
}

int api_json_only(const json_t *o, const char *const *names, struct errmsg *e)
{
	json_t *object = (json_t *)(uintptr_t)o; /* the iterator takes no const */
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (names[i] && strcmp(names[i], key) != 0) {
			i++;
		}
		if (!names[i]) {
			return errmsg_set(e, -EINVAL, "\"%.64s\" is not known here", key);
		}
	}
	return 0;
}

int api_query_u64(const struct http_request *rq, const char *name, uint64_t max, uint64_t fallback,
		  uint64_t *ret, struct errmsg *e)
{
	const char *text = http_query(rq, name);
	uint64_t v;

	if (!text) {
		*ret = fallback;
		return 0;
	}
	if (parse_u64(text, &v, NULL) < 0 || v > max) {
		return errmsg_set(e, -EINVAL, "%s must be a number from 0 to %" PRIu64, name, max);
	}
	*ret = v;
	return 0;
}

bool api_query_flag(const struct http_request *rq, const char *name)
{
	const char *text = http_query(rq, name);

	return text && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
}
