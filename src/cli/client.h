/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Talking to the daemon: HTTP over its UNIX socket, here or through ssh (tunnel.h). Requests block;
 * what comes back is checked and bounded, and every failure is one sentence, with the daemon's own
 * hint behind it. API: docs/openapi.json.
 *
 * Whose socket: --socket, PINFOLD_SOCKET; root: /run/pinfold/pinfoldd.sock; others: their own daemon's
 * below $XDG_RUNTIME_DIR, or the system's where that one does not run.
 */
#ifndef PINFOLD_CLI_CLIENT_H
#define PINFOLD_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** Where the daemon is; all zero: as the environment says. Texts are borrowed during the call. */
struct client_options {
	const char *socket_path; /**< or NULL */
	const char *host; /**< "ssh://[USER@]HOST[:PORT][/SOCKET]", "unix://SOCKET", or NULL */
};

struct client;

/** Takes a body as it comes. @return 0; negative errno: the request ends with it */
typedef int client_sink_fn(void *arg, const void *bytes, size_t n);

/** Told how far a transfer is. @param total 0 when it is not known */
typedef void client_progress_fn(void *arg, uint64_t done, uint64_t total);

/** A request; all zero but method and path is the simplest one. */
struct client_request {
	const char *method; /**< "GET" */
	const char *path;   /**< "/v1/vms?all=1", values in it escaped; NULL: -ENOMEM */
	const json_t *body; /**< sent as JSON; borrowed; or NULL */
	bool has_file;	    /**< instead: file_bytes from file_fd, from its offset on */
	int file_fd;
	uint64_t file_bytes;
	client_sink_fn *sink; /**< takes a body that is no error; NULL: it is JSON */
	client_progress_fn *progress;
	void *arg; /**< of both */
};

/**
 * Prepare. Nothing is connected yet, except through ssh.
 * @return 0; -EINVAL a host or path that can't be; -ECONNREFUSED by ssh; -ENOMEM
 * Thread: a client belongs to one thread; others may have their own.
 */
int client_open(const struct client_options *o, struct client **ret, struct errmsg *e);

/** Close, end ssh. Accepts NULL. */
void client_close(struct client *c);

/**
 * End ssh, and keep everything else: for a program that ends while another of its threads still waits
 * for an answer.
 */
void client_abandon(struct client *c);

/** The host or socket, for people. Lives as long as the client. */
const char *client_where(const struct client *c);

/** Whether the daemon is reached through ssh. */
bool client_is_remote(const struct client *c);

/** Whether --host or PINFOLD_HOST says where the daemon is. */
bool client_has_host(const struct client_options *o);

/**
 * Ask and wait for the whole answer. Signals have their default effect.
 * @param ret_json the answer, a new reference, NULL when it was empty or went to the sink; may be NULL
 * @return the HTTP status, 200 to 299; -ENOTCONN the daemon is not running; -EPERM, -ENOENT, -EBUSY,
 *         -EINVAL, -EDQUOT, -EFBIG, -EAGAIN, -EIO as the daemon says; -EPIPE the connection broke;
 *         -EPROTO an answer that makes no sense; what the sink returned
 */
int client_do(struct client *c, const struct client_request *rq, json_t **ret_json,
	      struct errmsg *e);

/** GET of JSON. @return as client_do() */
int client_get(struct client *c, const char *path, json_t **ret_json, struct errmsg *e);

/** Any method with a JSON body (or NULL). @return as client_do() */
int client_send(struct client *c, const char *method, const char *path, const json_t *body,
		json_t **ret_json, struct errmsg *e);

/**
 * A path with a value in it: "/v1/vms/" + escaped @p name + @p rest.
 * @return on the heap; NULL: out of memory
 */
char *client_path(const char *before, const char *name, const char *rest);

/** Where the daemon's socket is. @param given --socket, or NULL. @return on the heap, or NULL */
char *client_socket_path(const char *given);

#endif
