/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request's way: address and route, right, size, body as it arrives, handler, record, answer.
 * Nothing of a body is kept before the caller's right to ask is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bug.h"
#include "base/cleanup.h"
#include "daemon/http/http_internal.h"

static void fail(struct http_exchange *x, int err)
{
	if (x->fail.status == 0) {
		http_fail_set(&x->fail, err);
	}
}

void *http_request_on_uri(void *cls, const char *uri, struct MHD_Connection *con)
{
	struct http *h = cls;
	struct http_exchange *x = calloc(1, sizeof(*x));
	int r;

	if (!x) {
		return NULL;
	}
	x->h = h;
	x->peer = MHD_get_connection_info(con, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	x->rq.caller = x->peer->caller;
	x->rq.body_fd = -1;
	x->rq.conn = x;
	x->uri_text = strdup(uri ? uri : "");
	r = x->uri_text ? http_uri_parse(x->uri_text, &x->uri, &x->fail.e) : -ENOMEM;
	if (r) {
		fail(x, r);
	}
	return x;
}

static void body_release(struct http_exchange *x)
{
	json_decref(x->rq.body);
	x->rq.body = NULL;
	free(x->bytes);
	x->bytes = NULL;
	if (x->rq.body_fd >= 0) {
		close(x->rq.body_fd);
		x->rq.body_fd = -1;
		http_peer_unspool(x->h, x->peer);
	}
}

static void busy_end(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	if (--h->n_busy == 0) {
		pthread_cond_broadcast(&h->quiet);
	}
	pthread_mutex_unlock(&h->lock);
}

void http_request_on_end(void *cls, struct MHD_Connection *con, void **exchange,
			 enum MHD_RequestTerminationCode why)
{
	struct http_exchange *x = *exchange;

	(void)cls;
	(void)con;
	(void)why;
	if (!x) {
		return;
	}
	http_peer_touch(x->h, x->peer);
	body_release(x);
	if (x->is_busy) {
		busy_end(x->h);
	}
	free(x->uri_text);
	free(x);
	*exchange = NULL;
}

/* Which operation, and may the caller ask for it? */
static void op_find(struct http_exchange *x, const char *method)
{
	const struct http *h = x->h;
	int r;

	x->rq.op =
		http_route_find(h->o.ops, h->o.n_ops, method, &x->uri, x->rq.param, x->fail.allow);
	if (!x->rq.op && x->fail.allow[0]) {
		fail(x, errmsg_set(&x->fail.e, -ENOTTY, "%.16s is not for this path", method));
		return;
	}
	if (!x->rq.op) {
		fail(x, errmsg_set(&x->fail.e, -ENOENT,
				   "there is no such path\nGET /v1/openapi.json lists them all"));
		return;
	}
	x->fail.allow[0] = '\0';
	r = h->o.hooks.check ? h->o.hooks.check(h->o.hooks.ctx, x->rq.op, &x->rq.caller, &x->fail.e)
			     : 0;
	if (r) {
		atomic_fetch_add(&x->h->refused, 1);
		fail(x, r);
	}
}

static uint64_t body_max(const struct http_exchange *x)
{
	return x->rq.op->flags & HTTP_BODY_FILE ? x->rq.op->max_bytes : HTTP_JSON_MAX;
}

static void fail_too_large(struct http_exchange *x)
{
	fail(x, errmsg_set(&x->fail.e, -EFBIG, "the body is larger than %llu bytes",
			   (unsigned long long)body_max(x)));
}

static const char *header(struct MHD_Connection *con, const char *name)
{
	return MHD_lookup_connection_value(con, MHD_HEADER_KIND, name);
}

/* The headers are complete. Refuse at once what would bring a long body; else when it is over. */
static enum MHD_Result request_begin(struct http_exchange *x, struct MHD_Connection *con,
				     const char *method)
{
	const char *length = header(con, "Content-Length");
	bool is_chunked = header(con, "Transfer-Encoding") != NULL;
	uint64_t n = length ? strtoull(length, NULL, 10) : 0; /* the library has checked it */

	x->has_begun = true;
	x->is_head = strcmp(method, "HEAD") == 0;
	http_peer_touch(x->h, x->peer);
	atomic_fetch_add(&x->h->requests, 1);
	if (x->fail.status == 0 && atomic_load(&x->h->is_stopping)) {
		fail(x, errmsg_set(&x->fail.e, -ESHUTDOWN, "the daemon is stopping"));
	}
	if (x->fail.status == 0) {
		op_find(x, method);
	}
	if (x->fail.status == 0 && !is_chunked && n > body_max(x)) {
		fail_too_large(x);
	}
	if (x->fail.status &&
	    (n > HTTP_DISCARD_BYTES || ((n || is_chunked) && header(con, "Expect")))) {
		return http_reply_fail(x, con);
	}
	return MHD_YES;
}

static int file_add(struct http_exchange *x, const uint8_t *p, size_t n, struct errmsg *e)
{
	int r;

	if (x->rq.body_fd < 0) {
		x->rq.body_fd = memfd_create("pinfold-upload", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (x->rq.body_fd < 0) {
			return errmsg_set(e, -EAGAIN, "no file for the upload: %s",
					  strerror(errno));
		}
	}
	r = http_peer_spool(x->h, x->peer, n, e);
	while (r == 0 && n) {
		ssize_t done = write(x->rq.body_fd, p, n);

		if (done < 0 && errno != EINTR) {
			r = errmsg_set(e, -EAGAIN, "no memory for the upload: %s", strerror(errno));
		} else if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return r;
}

static int bytes_add(struct http_exchange *x, const uint8_t *p, size_t n, struct errmsg *e)
{
	size_t want = x->n_bytes + n, max = x->max_bytes ? x->max_bytes : 512;
	uint8_t *bytes;

	while (max < want) {
		max *= 2;
	}
	if (max != x->max_bytes) {
		bytes = realloc(x->bytes, max);
		if (!bytes) {
			return errmsg_set(e, -ENOMEM, "out of memory");
		}
		x->bytes = bytes;
		x->max_bytes = max;
	}
	memcpy(x->bytes + x->n_bytes, p, n);
	x->n_bytes = want;
	return 0;
}

/* A piece of the body has arrived. */
static void body_add(struct http_exchange *x, const uint8_t *p, size_t n)
{
	bool is_file = x->rq.op->flags & HTTP_BODY_FILE;
	int r;

	if (n > body_max(x) - x->rq.body_bytes) {
		fail_too_large(x);
		return;
	}
	r = is_file ? file_add(x, p, n, &x->fail.e) : bytes_add(x, p, n, &x->fail.e);
	if (r) {
		fail(x, r);
		return;
	}
	x->rq.body_bytes += n;
	x->step_bytes += n;
	if (is_file && x->step_bytes >= HTTP_STEP_BYTES) {
		x->step_bytes = 0;
		http_peer_touch(x->h, x->peer);
	}
}

static enum MHD_Result body_take(struct http_exchange *x, const uint8_t *p, size_t n)
{
	if (x->fail.status == 0) {
		body_add(x, p, n);
	}
	if (x->fail.status == 0) {
		return MHD_YES;
	}
	body_release(x);
	x->discarded_bytes += n;
	if (x->discarded_bytes <= HTTP_DISCARD_BYTES) {
		return MHD_YES;
	}
	atomic_fetch_add(&x->h->errors, 1);
	http_reply_raw(x->peer->fd, &x->fail); /* in the middle of a body the library can't */
	return MHD_NO;
}

static int file_finish(struct http_exchange *x, struct errmsg *e)
{
	int r = x->rq.body_fd < 0 ? file_add(x, NULL, 0, e) : 0; /* an empty file is one, too */

	if (r) {
		return r;
	}
	if (fcntl(x->rq.body_fd, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0 ||
	    lseek(x->rq.body_fd, 0, SEEK_SET) != 0) {
		return errmsg_set(e, -EAGAIN, "the upload can't be kept: %s", strerror(errno));
	}
	return 0;
}

/* An operation without a body may still be sent {}. */
static int body_finish(struct http_exchange *x, struct errmsg *e)
{
	unsigned int flags = x->rq.op->flags;
	int r;

	if (flags & HTTP_BODY_FILE) {
		return file_finish(x, e);
	}
	if (flags & HTTP_BODY_BYTES) {
		x->rq.bytes = x->bytes;
		x->rq.n_bytes = x->n_bytes;
		return 0;
	}
	r = http_json_parse(x->bytes, x->n_bytes, &x->rq.body, e);
	if (r == 0 && !(flags & HTTP_BODY_JSON) && json_object_size(x->rq.body)) {
		return errmsg_set(e, -EINVAL, "this operation takes no body");
	}
	return r;
}

static int handler_run(struct http_exchange *x, struct http_reply *rp)
{
	const struct http_hooks *hooks = &x->h->o.hooks;
	struct errmsg *e = &x->fail.e, why = { "" };
	int r = x->rq.op->handler(hooks->ctx, &x->rq, rp, e);

	BUG_ON(r > 0);
	if (x->rq.op->flags & HTTP_CHANGES && hooks->record &&
	    hooks->record(hooks->ctx, &x->rq, r, &why) != 0) {
		r = errmsg_set(e, -ENOTRECOVERABLE, "the request could not be recorded: %s",
			       why.text);
	}
	return r;
}

static enum MHD_Result request_run(struct http_exchange *x, struct MHD_Connection *con)
{
	struct http_reply rp = { 0 };
	int r;

	pthread_mutex_lock(&x->h->lock);
	x->h->n_busy++;
	pthread_mutex_unlock(&x->h->lock);
	x->is_busy = true;
	if (x->fail.status == 0) {
		r = body_finish(x, &x->fail.e);
		if (r == 0) {
			atomic_store(&x->peer->until_ms, 0); /* it takes the time that it takes */
			r = handler_run(x, &rp);
		}
		if (r) {
			fail(x, r);
		}
	}
	body_release(x);
	if (x->fail.status) {
		http_reply_free(&rp);
		return http_reply_fail(x, con);
	}
	return http_reply_send(x, con, &rp);
}

/* NOLINTNEXTLINE(readability-function-size): the library's signature has eight parameters */
enum MHD_Result http_request_on_data(void *cls, struct MHD_Connection *con, const char *url,
				     const char *method, const char *version, const char *data,
				     size_t *n_bytes, void **exchange)
{
	struct http_exchange *x = *exchange;
	enum MHD_Result ok;

	(void)cls;
	(void)url;
	(void)version;
	if (!x) {
		return MHD_NO; /* out of memory */
	}
	if (!x->has_begun) {
		return request_begin(x, con, method);
	}
	if (*n_bytes) {
		ok = body_take(x, (const uint8_t *)data, *n_bytes);
		*n_bytes = 0;
		return ok;
	}
	return request_run(x, con);
}

bool http_is_over(const struct http_request *rq)
{
	const struct http_exchange *x = rq->conn;

	return atomic_load(&x->h->is_stopping) || http_peer_is_gone(x->peer);
}

const char *http_query(const struct http_request *rq, const char *name)
{
	const struct http_exchange *x = rq->conn;

	for (unsigned int i = 0; i < x->uri.n_pairs; i++) {
		if (strcmp(x->uri.pair[i].name, name) == 0) {
			return x->uri.pair[i].value;
		}
	}
	return NULL;
}
