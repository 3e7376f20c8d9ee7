/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP over a UNIX socket (libmicrohttpd), without knowledge of what is asked for: who calls (by
 * SO_PEERCRED), bounds on everything, routing by a table, JSON in and out, streams, errors.
 *
 * One thread per connection, so that a handler may wait; connections are bounded in all and per
 * user, so that slow clients of one user don't keep out another. All threads run as ordinary
 * threads with the affinity of the caller of http_start().
 */
#ifndef PINFOLD_DAEMON_HTTP_H
#define PINFOLD_DAEMON_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"

#define HTTP_PARAMS_MAX 3
#define HTTP_JSON_MAX	65536u /* bytes of a JSON body */
#define HTTP_JSON_DEPTH 16u
#define HTTP_QUERY_MAX	256u /* bytes of one value in the query string */

/** Who asks, by the kernel's word. */
struct http_caller {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/** What a handler may need beside the path. */
enum http_flag {
	HTTP_BODY_JSON = 1,  /**< takes a JSON object (an empty body counts as {}) */
	HTTP_BODY_BYTES = 2, /**< takes raw bytes in memory, at most HTTP_JSON_MAX */
	HTTP_BODY_FILE = 4,  /**< takes raw bytes, written to a memory-backed file: body_fd */
	HTTP_CHANGES = 8,    /**< changes something: hooks->record is told */
	HTTP_ADMIN = 16,     /**< administrators only: hooks->check sees to it */
};

struct http_op;

/** A request, checked for form. Lives until the handler returns. */
struct http_request {
	struct http_caller caller;
	const struct http_op *op;
	const char *param[HTTP_PARAMS_MAX]; /**< what stands for {..} in the path, decoded */
	json_t *body;			    /**< with HTTP_BODY_JSON */
	const uint8_t *bytes;		    /**< with HTTP_BODY_BYTES */
	size_t n_bytes;
	int body_fd; /**< with HTTP_BODY_FILE: at offset 0; closed afterwards; else -1 */
	uint64_t body_bytes;
	void *conn; /**< for http_query() */
};

/** A body that is produced bit by bit, for as long as both sides like. */
struct http_stream {
	/**
	 * Produce bytes; may wait, at most a second or two.
	 * @return bytes; 0: nothing yet, ask again; -1: the end
	 */
	ssize_t (*read)(void *arg, uint8_t *buf, size_t max);
	void (*free)(void *arg);
	void *arg;
};

/** What a handler answers. All zero: 200 with {}. */
struct http_reply {
	int status;		   /**< 0: 200 */
	json_t *body;		   /**< reference is taken over */
	char *text;		   /**< instead of body: heap, taken over */
	const char *type;	   /**< of text or stream; NULL: application/octet-stream */
	struct http_stream stream; /**< instead of body, when read is set */
	const char *header;	   /**< name of one more header, a number; or NULL */
	uint64_t header_value;
};

/**
 * @return 0; negative errno with one sentence in @p e, which becomes status and code: -EINVAL 400,
 *         -EPERM and -EACCES 403, -ENOENT 404, -EEXIST and -EBUSY and -EALREADY 409, -E2BIG and -EFBIG 413,
 *         -EDQUOT and -ENOSPC 422... the list is in http_error.c.
 *         What follows a newline in @p e becomes the hint
 */
typedef int http_handler_fn(void *ctx, const struct http_request *rq, struct http_reply *rp,
			    struct errmsg *e);

/** One operation. */
struct http_op {
	const char *method; /**< "POST" */
	const char *path;   /**< "/v1/vms/{vm}/start" */
	const char *name;   /**< "vm.start": audit, permission table, OpenAPI operationId */
	unsigned int flags; /**< enum http_flag */
	uint64_t max_bytes; /**< of HTTP_BODY_FILE */
	http_handler_fn *handler;
};

/** What the owner of the server decides. */
struct http_hooks {
	/** When a connection comes: may this caller have one? 0; -EPERM with a sentence. May be NULL. */
	int (*admit)(void *ctx, const struct http_caller *caller, struct errmsg *e);
	/** Before the body is read: may this caller ask for this? 0; -EPERM, -EACCES with a sentence */
	int (*check)(void *ctx, const struct http_op *op, const struct http_caller *caller,
		     struct errmsg *e);
	/**
	 * After a handler with HTTP_CHANGES: the answer goes out when this returns. Not 0: the
	 * request could not be recorded, the caller is told so. Not called for what never reached a
	 * handler: a refusal by check, a malformed body.
	 */
	int (*record)(void *ctx, const struct http_request *rq, int result, struct errmsg *e);
	void *ctx; /**< also for the handlers */
};

/** Everybody may connect: the kernel says who calls. */
#define HTTP_EVERYBODY ((gid_t)-1)

struct http_options {
	const char *socket_path; /**< made; or NULL */
	gid_t socket_gid;	 /**< of which one must be to connect; or HTTP_EVERYBODY */
	int listen_fd;		 /**< instead (socket activation), taken over; -1: none */
	/** The last eighth of all is kept for root and the daemon's own user. */
	uint32_t max_connections, max_per_user;
	/** A connection is closed that does not send its headers, another 64 KiB of a long body, or
	 * read its answer, within this time. A handler may take longer. */
	uint32_t idle_s;
	/** Of all HTTP_BODY_FILE bodies together; an ordinary user gets half of it, all of them 7/8. */
	uint64_t max_spool_bytes;
	const struct http_op *ops;
	size_t n_ops;
	struct http_hooks hooks;
};

/** Counters. */
struct http_stats {
	uint64_t requests, refused, errors, connections;
	uint32_t open;
};

struct http;

/** Fill in limits that suit most hosts; paths, operations and hooks are left empty. */
void http_options_defaults(struct http_options *o);

/** Start to serve. @return 0; -EADDRINUSE another daemon listens there; negative errno */
int http_start(const struct http_options *o, struct http **ret, struct errmsg *e);

/**
 * End all connections, join all threads. Streams end properly, answers under way have two seconds;
 * then it waits for handlers alone, which should look at http_is_over(). NULL is allowed.
 * Thread: any but a handler's.
 */
void http_stop(struct http *h);

/**
 * Whether a handler that waits should give up: the server stops, or the caller hung up. Ask once
 * or twice a second.
 */
bool http_is_over(const struct http_request *rq);

/** A value of the query string, or NULL. Lives until the handler returns. */
const char *http_query(const struct http_request *rq, const char *name);

/** Read the counters. */
void http_stats_get(struct http *h, struct http_stats *ret);

#endif
