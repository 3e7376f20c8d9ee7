/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What became of a request: JSON, or one sentence; see client.h. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "cli/client_internal.h"
#include "cli/socket_access.h"
#include "cli/text.h"

static const struct {
	long status;
	int err;
} statuses[] = {
	{ 400, -EINVAL }, { 401, -EPERM },  { 403, -EPERM },  { 404, -ENOENT }, { 405, -EPROTO },
	{ 408, -EAGAIN }, { 409, -EBUSY },  { 413, -EFBIG },  { 422, -EDQUOT }, { 429, -EAGAIN },
	{ 501, -ENOSYS }, { 503, -EAGAIN }, { 504, -EAGAIN }, { 507, -ENOSPC },
};

static int status_errno(long status)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i].status == status) {
			return statuses[i].err;
		}
	}
	return -EIO;
}

static const char *member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s && *s ? s : NULL;
}

/* The daemon's own sentence and hint. */
static int daemon_error(const struct client_transfer *t, long status, struct errmsg *e)
{
	json_t *answer = t->answer ? json_loadb(t->answer, t->answer_bytes, 0, NULL) : NULL;
	const json_t *error = json_object_get(answer, "error");
	const char *message = member(error, "message");
	const char *hint = member(error, "hint");
	int r = status_errno(status);
	char safe[ERRMSG_SIZE];
	char safe_hint[ERRMSG_SIZE];

	if (message && hint) {
		errmsg_set(e, r, "%s; %s", text_safe_to(message, safe, sizeof(safe)),
			   text_safe_to(hint, safe_hint, sizeof(safe_hint)));
	} else if (message) {
		errmsg_set(e, r, "%s", text_safe_to(message, safe, sizeof(safe)));
	} else {
		errmsg_set(e, r, "the daemon refused with HTTP status %ld and did not say why",
			   status);
	}
	json_decref(answer);
	return r;
}

/* ssh has ended, or the far end: it says which. */
static int cut_error(const struct client_transfer *t, struct errmsg *e)
{
	const struct tunnel *tunnel = client_tunnel(t->c);
	char words[160] = "";

	if (!tunnel) {
		return errmsg_set(e, -EPIPE,
				  "the daemon cut the connection before its answer was complete");
	}
	tunnel_last_words(tunnel, words, sizeof(words));
	if (strstr(words, "open failed")) {
		return errmsg_set(e, -ENOTCONN,
				  "the daemon is not running on %.120s (%.107s); log in there and "
				  "start it with 'pinfold up'",
				  client_where(t->c), tunnel_remote_socket(tunnel));
	}
	return errmsg_set(e, -EPIPE, "the connection to %.120s was cut%s%s", client_where(t->c),
			  words[0] ? ": " : "", words);
}

static int connect_error(const struct client_transfer *t, struct errmsg *e)
{
	const char *where = client_where(t->c);
	struct socket_access access;
	long err = 0;

	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &err);
	if (client_is_remote(t->c)) {
		return cut_error(t, e);
	}
	if (err == EACCES || err == EPERM) {
		socket_access_look(client_socket(t->c), &access);
		return errmsg_set(e, -EACCES, "the daemon's socket %.150s can't be opened: %s",
				  where, access.is_usable ? strerror((int)err) : access.detail);
	}
	if (err == EAGAIN) {
		return errmsg_set(e, -EAGAIN, "the daemon has too many callers; try again");
	}
	return errmsg_set(e, -ENOTCONN,
			  "the daemon is not running at %.200s; start it with 'pinfold up'", where);
}

/* The transfer failed. */
static int transfer_error(const struct client_transfer *t, CURLcode code, struct errmsg *e)
{
	if (t->error == -EFBIG) {
		return errmsg_set(e, -EPROTO, "the daemon's answer is too large");
	}
	if (t->error) {
		return errmsg_set(e, t->error, "%s", strerror(-t->error));
	}
	if (t->is_strange) {
		return errmsg_set(e, -EPERM,
				  "%.200s is served by user %u, and only a daemon of root or your "
				  "own is trusted",
				  client_where(t->c), (unsigned int)t->stranger);
	}
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return connect_error(t, e);
	case CURLE_OPERATION_TIMEDOUT:
		return errmsg_set(e, -EAGAIN, "the daemon does not take connections");
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return cut_error(t, e);
	case CURLE_OUT_OF_MEMORY:
		return errmsg_set(e, -ENOMEM, "out of memory");
	default:
		return errmsg_set(e, -EPROTO, "what answers is not the daemon: %s",
				  t->curl_error[0] ? t->curl_error : curl_easy_strerror(code));
	}
}

int client_transfer_result(struct client_transfer *t, CURLcode code, json_t **ret_json,
			   struct errmsg *e)
{
	json_t *answer = NULL;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	/* A refusal may come before all of a body is sent, and end that. */
	if (code != CURLE_OK && !(status >= 400 && t->answer_bytes > 0)) {
		return transfer_error(t, code, e);
	}
	if (status < 200 || status > 299) {
		return daemon_error(t, status, e);
	}
	if (t->answer_bytes > 0) {
		answer = json_loadb(t->answer, t->answer_bytes, JSON_REJECT_DUPLICATES, NULL);
		if (!answer) {
			return errmsg_set(e, -EPROTO, "the daemon's answer is not JSON");
		}
	}
	if (ret_json) {
		*ret_json = answer;
	} else {
		json_decref(answer);
	}
	return (int)status;
}
