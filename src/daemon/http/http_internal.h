/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the HTTP server share. One acceptor thread takes connections, counts them and
 * closes those that are silent for too long; libmicrohttpd runs one thread per connection.
 */
#ifndef PINFOLD_DAEMON_HTTP_INTERNAL_H
#define PINFOLD_DAEMON_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/http/http.h"
#include "daemon/http/http_parse.h"

#define HTTP_CONN_BYTES	   65536u     /* memory of a connection: request line and headers fit */
#define HTTP_STACK_BYTES   (1u << 20) /* of a connection's thread */
#define HTTP_DISCARD_BYTES (1u << 20) /* of a refused body are read, so that the answer is seen */
#define HTTP_STEP_BYTES	   65536u     /* of a long body must arrive within the idle time */

/** A connection that was accepted. Lives from accept until libmicrohttpd is done with it. */
struct http_peer {
	struct http_peer *next, *prev;
	struct http_caller caller;
	int fd;
	bool is_started;		/* libmicrohttpd has it; under the lock */
	atomic_uint_least64_t until_ms; /* closed then; 0: never, a handler works */
	uint64_t spooled_bytes;		/* under the lock */
};

struct http {
	struct http_options o;
	char *socket_path;
	struct MHD_Daemon *mhd;
	pthread_t acceptor;
	int listen_fd, stop_fd, lock_fd, spare_fd;
	bool is_bound, has_acceptor;
	pthread_mutex_t lock;
	pthread_cond_t quiet; /* n_busy became 0 */
	struct http_peer *peers;
	uint32_t n_peers, n_busy;
	atomic_bool is_stopping;
	atomic_uint_least64_t requests, refused, errors, connections;
};

/** Why a request is refused. */
struct http_fail {
	int status; /* 0: it is not */
	const char *code;
	struct errmsg e; /* what follows a newline is a hint */
	char allow[HTTP_ALLOW_MAX];
};

/** A request from its first line to the last byte of its answer. */
struct http_exchange {
	struct http_request rq;
	struct http *h;
	struct http_peer *peer;
	struct http_uri uri;
	char *uri_text;
	struct http_fail fail;
	uint8_t *bytes;
	size_t n_bytes, max_bytes;
	uint64_t discarded_bytes, step_bytes;
	bool has_begun, is_busy, is_head;
};

/** Milliseconds of the monotonic clock. */
uint64_t http_now_ms(void);

/** @name http_listen.c
 * @{ */

/** Make or take over the listening socket. @return 0; -EADDRINUSE; negative errno */
int http_listen_open(struct http *h, struct errmsg *e);

/** Close it, remove its name. */
void http_listen_close(struct http *h);

/** @} */

/** @name http_peer.c
 * @{ */

/** The acceptor: argument is the server. */
void *http_peer_accept_main(void *arg);

/** For MHD_OPTION_NOTIFY_CONNECTION. */
void http_peer_on_connection(void *cls, struct MHD_Connection *con, void **socket_context,
			     enum MHD_ConnectionNotificationCode code);

/** Let a connection live for another idle time. */
void http_peer_touch(struct http *h, struct http_peer *p);

/** Count bytes as spooled for a request. @return 0; -EAGAIN: too many in all or of this user */
int http_peer_spool(struct http *h, struct http_peer *p, size_t n_bytes, struct errmsg *e);

/** Forget what was counted. */
void http_peer_unspool(struct http *h, struct http_peer *p);

/** Whether nobody reads any more. */
bool http_peer_is_gone(const struct http_peer *p);

/** @} */

/** @name http_request.c
 * @{ */

/** For MHD_OPTION_URI_LOG_CALLBACK: a request begins. @return the exchange */
void *http_request_on_uri(void *cls, const char *uri, struct MHD_Connection *con);

/** For MHD_start_daemon(): headers, body, end of a request. */
enum MHD_Result http_request_on_data(void *cls, struct MHD_Connection *con, const char *url,
				     const char *method, const char *version, const char *data,
				     size_t *n_bytes, void **exchange);

/** For MHD_OPTION_NOTIFY_COMPLETED. */
void http_request_on_end(void *cls, struct MHD_Connection *con, void **exchange,
			 enum MHD_RequestTerminationCode why);

/** @} */

/** @name http_reply.c
 * @{ */

/** Answer. Takes over what @p rp holds. */
enum MHD_Result http_reply_send(struct http_exchange *x, struct MHD_Connection *con,
				struct http_reply *rp);

/** Answer with the error of the exchange. */
enum MHD_Result http_reply_fail(struct http_exchange *x, struct MHD_Connection *con);

/** Drop what a handler made. */
void http_reply_free(struct http_reply *rp);

/** Write an error to a socket behind libmicrohttpd's back, before it is closed. Never waits. */
void http_reply_raw(int fd, const struct http_fail *f);

/** @} */

/** @name http_error.c
 * @{ */

/** Say why a request is refused, by a negative errno. The sentence stays. */
void http_fail_set(struct http_fail *f, int err);

/** The error as JSON text, on the heap; NULL: out of memory. */
char *http_fail_text(const struct http_fail *f);

/** @} */

#endif
