/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pinfoldd of one's own in a scratch folder, and a client that keeps its connection open: what
 * daemon_scale.c needs of them. One request at a time per connection.
 */
#ifndef PINFOLD_BENCH_DAEMON_CLIENT_H
#define PINFOLD_BENCH_DAEMON_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/** A running daemon and its scratch folder. */
struct daemon_run {
	pid_t pid;
	char dir[64]; /* on a disk: what is durable is there */
	char run[64]; /* in memory, like /run, if the machine has such a place */
	char socket[96];
};

/** A connection. */
struct daemon_client {
	int fd;
	char *buf; /* the answer, NUL-terminated */
	size_t max;
	char *body; /* in buf */
	size_t body_bytes;
};

/**
 * Start a daemon without quotas and wait until it answers.
 * @param program path of pinfoldd
 * @return 0; -ETIMEDOUT; -ECHILD it ended; its log is printed
 */
int daemon_start(const char *program, struct daemon_run *ret);

/** End the daemon with all VMs; remove its folder. @return its wait status; -1 it had to be killed */
int daemon_end(struct daemon_run *d);

/** Connect. @return 0; negative errno */
int daemon_connect(const struct daemon_run *d, struct daemon_client *ret);

/** Disconnect. */
void daemon_disconnect(struct daemon_client *c);

/**
 * Send a request and receive the answer; c->body is valid until the next one.
 * @param body may be NULL
 * @return HTTP status; negative errno
 */
int daemon_ask(struct daemon_client *c, const char *method, const char *path, const void *body,
	       size_t bytes);

/** As daemon_ask(), and the answer as JSON. @param ret NULL when it is none; json_decref() it */
int daemon_ask_json(struct daemon_client *c, const char *method, const char *path, const char *body,
		    json_t **ret);

/** Upload a file. @param ret_hash its hash @return 0; negative errno */
int daemon_upload(struct daemon_client *c, const char *path, char ret_hash[65]);

#endif
