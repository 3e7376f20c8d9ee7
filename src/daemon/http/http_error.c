/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which HTTP status and code an error has, and how it looks: {"error":{"code","message","hint"}}. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "daemon/http/http_internal.h"

struct http_error {
	int err;
	int status;
	const char *code;
	const char *hint; /* unless the sentence brings one */
};

static const struct http_error errors[] = {
	{ EINVAL, 400, "invalid", NULL },
	{ ERANGE, 400, "out_of_range", NULL },
	{ EDOM, 400, "out_of_range", NULL },
	{ EBADMSG, 400, "damaged", NULL },
	{ EPERM, 403, "forbidden", NULL },
	{ EACCES, 403, "forbidden", NULL },
	{ EKEYREJECTED, 403, "banned", NULL },
	{ ENOENT, 404, "not_found", NULL },
	{ ESRCH, 404, "not_found", NULL },
	{ ENXIO, 404, "not_found", NULL },
	{ ENOTTY, 405, "method_not_allowed", "the header Allow lists the methods of this path" },
	{ ETIME, 408, "too_slow", NULL },
	{ EEXIST, 409, "exists", NULL },
	{ EBUSY, 409, "busy", NULL },
	{ EALREADY, 409, "wrong_state", NULL },
	{ ECANCELED, 409, "cancelled", NULL },
	{ E2BIG, 413, "too_large", NULL },
	{ EFBIG, 413, "too_large", NULL },
	{ ENAMETOOLONG, 414, "uri_too_long", NULL },
	{ EDQUOT, 422, "quota", "'pinfold user ls' and GET /v1/users show quota and use" },
	{ ENOSPC, 422, "no_space", NULL },
	{ ENOEXEC, 422, "bad_image", NULL },
	{ EUSERS, 429, "too_many_connections", "close a connection or stop following a stream" },
	{ ETOOMANYREFS, 429, "too_many_requests", "wait a second" },
	{ EIO, 500, "internal", NULL },
	{ ENOTRECOVERABLE, 500, "not_recorded",
	  "what is not in the audit log does not count as done: ask for the state, then repeat" },
	{ ENOTSUP, 501, "not_supported", NULL },
	{ ENOSYS, 501, "not_supported", NULL },
	{ EAGAIN, 503, "try_again", "try again in a moment" },
	{ EMFILE, 503, "no_descriptors", "stop other VMs, or allow the daemon more open files" },
	{ ENFILE, 503, "no_descriptors", "stop other VMs, or allow the host more open files" },
	{ ENOMEM, 503, "out_of_memory", "try again in a moment" },
	{ ESHUTDOWN, 503, "stopping", "the daemon is about to end" },
	{ ETIMEDOUT, 504, "timed_out", NULL },
};

static const struct http_error *error_find(int err)
{
	static const struct http_error other = { 0, 500, "internal", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (errors[i].err == -err) {
			return &errors[i];
		}
	}
	return &other;
}

void http_fail_set(struct http_fail *f, int err)
{
	const struct http_error *x = error_find(err);
	size_t n = strlen(f->e.text);

	f->status = x->status;
	f->code = x->code;
	if (n == 0) {
		(void)errmsg_set(&f->e, err, "the request failed: %s", strerror(-err));
		n = strlen(f->e.text);
	}
	if (x->hint && !strchr(f->e.text, '\n') && n + strlen(x->hint) + 2 < sizeof(f->e.text)) {
		f->e.text[n] = '\n';
		memcpy(f->e.text + n + 1, x->hint, strlen(x->hint) + 1);
	}
}

/* Sentences quote what callers sent, and are cut anywhere: JSON wants UTF-8. */
static json_t *text_json(const char *text, size_t n_bytes)
{
	char clean[ERRMSG_SIZE];
	size_t n = n_bytes < sizeof(clean) ? n_bytes : sizeof(clean);

	memcpy(clean, text, n);
	if (!http_text_is_utf8(clean, n)) {
		for (size_t i = 0; i < n; i++) {
			clean[i] = (unsigned char)clean[i] < 0x80 ? clean[i] : '?';
		}
	}
	return json_stringn(clean, n);
}

char *http_fail_text(const struct http_fail *f)
{
	const char *text = f->e.text, *hint = strchr(text, '\n');
	size_t n = hint ? (size_t)(hint - text) : strlen(text);
	json_t *error, *all;
	char *dump;

	error = json_pack("{ss so}", "code", f->code, "message", text_json(text, n));
	if (error && hint && hint[1]) {
		json_object_set_new(error, "hint", text_json(hint + 1, strlen(hint + 1)));
	}
	all = json_pack("{so}", "error", error);
	dump = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	return dump;
}
