/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values of a VmSpec. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/vms/spec.h"
#include "daemon/vms/spec_internal.h"

int spec_read_text(const json_t *v, char *ret, size_t max, struct errmsg *e)
{
	const char *text = json_string_value(v);
	size_t n = json_string_length(v);

	if (!text) {
		return REFUSE(e, "must be a text");
	}
	if (n > max) {
		return REFUSE(e, "must have at most %zu bytes", max);
	}
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
			return REFUSE(e, "must not contain control characters");
		}
	}
	memset(ret, 0, max + 1);
	memcpy(ret, text, n);
	return 0;
}

int spec_read_word(const json_t *v, char *ret, size_t max, struct errmsg *e)
{
	char word[64];
	int r = spec_read_text(v, word, max, e);

	if (r < 0) {
		return r;
	}
	if (word[0] == '\0' ||
	    strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(word)) {
		return REFUSE(e, "must be a word of lower-case letters and digits");
	}
	memset(ret, 0, max + 1);
	memcpy(ret, word, strlen(word));
	return 0;
}

int spec_read_u64(const json_t *v, uint64_t min, uint64_t max, uint64_t *ret, struct errmsg *e)
{
	uint64_t n = 0;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		n = (uint64_t)json_integer_value(v);
	} else if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v) ||
		   parse_u64(json_string_value(v), &n, NULL) < 0) {
		return REFUSE(e,
			      "must be a number that is not negative, or a text like \"0x1000\"");
	}
	if (n < min || n > max) {
		return REFUSE(e, "must be from %" PRIu64 " to %" PRIu64, min, max);
	}
	*ret = n;
	return 0;
}

int spec_read_bool(const json_t *v, bool *ret, struct errmsg *e)
{
	if (!json_is_boolean(v)) {
		return REFUSE(e, "must be true or false");
	}
	*ret = json_is_true(v);
	return 0;
}

int spec_read_hash(const json_t *v, char *ret, struct errmsg *e)
{
	char hash[SPEC_HASH_MAX + 1];
	int r = spec_read_text(v, hash, SPEC_HASH_MAX, e);

	if (r < 0) {
		return r;
	}
	if (strlen(hash) != SPEC_HASH_MAX || strspn(hash, "0123456789abcdef") != SPEC_HASH_MAX) {
		return REFUSE(e, "must be a SHA-256: 64 hexadecimal digits in lower case");
	}
	memcpy(ret, hash, sizeof(hash));
	return 0;
}
