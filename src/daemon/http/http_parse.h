/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What callers write, taken apart: paths, query strings, JSON. Pure functions, for fuzzers too. */
#ifndef PINFOLD_DAEMON_HTTP_PARSE_H
#define PINFOLD_DAEMON_HTTP_PARSE_H

#include "daemon/http/http.h"

#define HTTP_URI_MAX	  4096u
#define HTTP_SEGMENTS_MAX 8u
#define HTTP_PAIRS_MAX	  16u
#define HTTP_ALLOW_MAX	  64u /* bytes of a list of methods */

/** name=value of a query string. */
struct http_pair {
	const char *name, *value;
};

/** A path and a query string, decoded. Points into the text it was made from. */
struct http_uri {
	const char *segment[HTTP_SEGMENTS_MAX];
	unsigned int n_segments;
	struct http_pair pair[HTTP_PAIRS_MAX];
	unsigned int n_pairs;
};

/**
 * Take "/v1/vms/a%2Fb?all=1" apart, in place.
 * @param text changed; must outlive @p ret
 * @return 0; -EINVAL: no path, a bad escape, bytes that are not UTF-8, control characters, the same
 *         name twice, too long, too many
 */
int http_uri_parse(char *text, struct http_uri *ret, struct errmsg *e);

/**
 * Find the operation for a method and a path. HEAD finds GET. What is written out goes before what
 * stands in braces.
 * @param ret_params what stands for the braces; untouched when there is none
 * @param ret_allow  HTTP_ALLOW_MAX bytes: when NULL is returned, the methods that this path knows;
 *                   empty: there is no such path
 */
const struct http_op *http_route_find(const struct http_op *ops, size_t n_ops, const char *method,
				      const struct http_uri *uri, const char **ret_params,
				      char *ret_allow);

/**
 * Parse a body: one JSON object of limited depth, without duplicate keys; nothing is {}.
 * @return 0; -EINVAL; -ENOMEM
 */
int http_json_parse(const void *bytes, size_t n_bytes, json_t **ret, struct errmsg *e);

/** Whether bytes are well-formed UTF-8. */
bool http_text_is_utf8(const char *text, size_t n_bytes);

#endif
