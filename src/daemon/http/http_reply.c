/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers: JSON, text, streams, errors. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/http/http_internal.h"

#define TYPE_JSON "application/json"

/* Static, for when there is no memory for a better one. */
static const char text_no_memory[] =
	"{\"error\":{\"code\":\"out_of_memory\",\"message\":\"out of memory\"}}";

/* A stream that is being sent: outlives the handler, not the connection. */
struct reply_stream {
	struct http_stream s;
	struct http *h;
	struct http_peer *peer;
};

void http_reply_free(struct http_reply *rp)
{
	json_decref(rp->body);
	free(rp->text);
	if (rp->stream.read && rp->stream.free) {
		rp->stream.free(rp->stream.arg);
	}
	*rp = (struct http_reply){ 0 };
}

static void stream_free(void *arg)
{
	struct reply_stream *st = arg;

	if (st->s.free) {
		st->s.free(st->s.arg);
	}
	free(st);
}

/* Nothing yet is asked again here: libmicrohttpd would spin. */
static ssize_t stream_read(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct reply_stream *st = arg;
	ssize_t n = 0;

	(void)pos;
	atomic_store(&st->peer->until_ms, 0);
	while (n == 0) {
		if (atomic_load(&st->h->is_stopping)) {
			return MHD_CONTENT_READER_END_OF_STREAM;
		}
		n = st->s.read(st->s.arg, (uint8_t *)buf, max);
		if (n == 0 && http_peer_is_gone(st->peer)) {
			return MHD_CONTENT_READER_END_WITH_ERROR;
		}
	}
	http_peer_touch(st->h, st->peer); /* for so long the client may take to read it */
	return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static struct MHD_Response *stream_response(struct http_exchange *x, struct http_reply *rp)
{
	struct reply_stream *st = calloc(1, sizeof(*st));
	struct MHD_Response *resp;

	if (!st) {
		return NULL;
	}
	st->s = rp->stream;
	st->h = x->h;
	st->peer = x->peer;
	resp = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_CONN_BYTES / 2, stream_read,
						 st, stream_free);
	if (!resp) {
		free(st);
		return NULL;
	}
	rp->stream = (struct http_stream){ NULL }; /* the response frees it */
	if (x->is_head) { /* else libmicrohttpd 0.9.75 sends the last chunk of no body */
		MHD_set_response_options(resp, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	}
	return resp;
}

/* Takes over the text. */
static struct MHD_Response *text_response(char *text)
{
	struct MHD_Response *resp =
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);

	if (!resp) {
		free(text);
	}
	return resp;
}

static struct MHD_Response *static_response(const char *text)
{
	return MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
					       MHD_RESPMEM_PERSISTENT);
}

static const char *type_of(const struct http_reply *rp)
{
	if (rp->type) {
		return rp->type;
	}
	return rp->text || rp->stream.read ? "application/octet-stream" : TYPE_JSON;
}

static struct MHD_Response *response_make(struct http_exchange *x, struct http_reply *rp)
{
	char *text;

	if (rp->status == 204 || rp->status == 304) {
		return static_response("");
	}
	if (rp->stream.read) {
		return stream_response(x, rp);
	}
	if (rp->text) {
		text = rp->text;
		rp->text = NULL;
		return text_response(text);
	}
	if (!rp->body) {
		return static_response("{}");
	}
	text = json_dumps(rp->body, JSON_COMPACT | JSON_ENCODE_ANY);
	return text ? text_response(text) : NULL;
}

static enum MHD_Result respond(struct http_exchange *x, struct MHD_Connection *con,
			       struct MHD_Response *resp, int status)
{
	enum MHD_Result ok;

	http_peer_touch(x->h, x->peer);
	ok = MHD_queue_response(con, (unsigned int)status, resp);
	MHD_destroy_response(resp);
	return ok;
}

enum MHD_Result http_reply_send(struct http_exchange *x, struct MHD_Connection *con,
				struct http_reply *rp)
{
	int status = rp->status ? rp->status : 200;
	const char *type = type_of(rp);
	struct MHD_Response *resp = response_make(x, rp);
	char number[24];

	if (!resp) {
		http_reply_free(rp);
		http_fail_set(&x->fail, -ENOMEM);
		return http_reply_fail(x, con);
	}
	if (status != 204 && status != 304) {
		MHD_add_response_header(resp, "Content-Type", type);
	}
	if (rp->header) {
		(void)snprintf(number, sizeof(number), "%" PRIu64, rp->header_value);
		MHD_add_response_header(resp, rp->header, number);
	}
	http_reply_free(rp);
	return respond(x, con, resp, status);
}

enum MHD_Result http_reply_fail(struct http_exchange *x, struct MHD_Connection *con)
{
	char *text = http_fail_text(&x->fail);
	struct MHD_Response *resp = text ? text_response(text) : static_response(text_no_memory);

	atomic_fetch_add(&x->h->errors, 1);
	if (!resp) {
		return MHD_NO;
	}
	MHD_add_response_header(resp, "Content-Type", TYPE_JSON);
	if (x->fail.allow[0]) {
		MHD_add_response_header(resp, "Allow", x->fail.allow);
	}
	if (x->fail.status == 429) {
		MHD_add_response_header(resp, "Retry-After", "1");
	}
	return respond(x, con, resp, x->fail.status);
}

void http_reply_raw(int fd, const struct http_fail *f)
{
	char *text = http_fail_text(f);
	char buf[4096];
	int n;

	if (!text) {
		return;
	}
	n = snprintf(buf, sizeof(buf),
		     "HTTP/1.1 %d Refused\r\nContent-Type: " TYPE_JSON
		     "\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		     f->status, strlen(text), text);
	free(text);
	if (n > 0 && (size_t)n < sizeof(buf)) {
		(void)send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}
