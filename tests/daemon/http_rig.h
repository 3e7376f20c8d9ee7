/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server with a table of toy operations, and a client that reads answers byte by byte. */
#ifndef PINFOLD_TESTS_DAEMON_HTTP_RIG_H
#define PINFOLD_TESTS_DAEMON_HTTP_RIG_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/http/events.h"
#include "daemon/http/http.h"

/** How long what must come is waited for; only a test that fails waits so long. */
#define RIG_PATIENCE_S 30

#define RIG_FILE_MAX (4u << 20)
#define RIG_BIG	     (4u << 20)

/** What the hooks and handlers of the rig look at and count. */
struct rig {
	char dir[256], socket[300];
	struct http *h;
	struct events *ev;
	struct http_options o;
	atomic_int check_result, record_result, handler_runs, checks, records, streams, waiting;
	atomic_int last_recorded; /* result that was told to record */
	atomic_uint last_uid;
};

extern struct rig rig;

/** Fill rig.o with the toy operations; tests change what they like, then rig_start(). */
void rig_init(void);
void rig_start(void);
void rig_stop(void);

/** A connection of a client. */
struct rig_conn {
	int fd;
	char buf[20000];
	size_t n;
};

/** An answer. */
struct rig_answer {
	int status; /* 0: the connection ended before one came */
	char head[8192];
	char *body; /* NUL-terminated, of the rig: good until the next answer */
	size_t n_body;
	bool is_close;
};

/** @return a connected socket; -1 */
int rig_connect_fd(const char *path);

void rig_open(struct rig_conn *c);
void rig_close(struct rig_conn *c);

/** @return false: the other side has closed */
bool rig_send(struct rig_conn *c, const void *bytes, size_t n);
bool rig_say(struct rig_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Read headers only. @return whether there were some */
bool rig_head(struct rig_conn *c, struct rig_answer *a);

/** Read an answer; @p has_body: it is none to HEAD. */
void rig_answer(struct rig_conn *c, struct rig_answer *a, bool has_body);

/** Read a line of a stream without its end. @return false: the stream ended */
bool rig_line(struct rig_conn *c, char *ret, size_t max);

/** One request on a connection of its own. */
void rig_ask(struct rig_answer *a, const char *method, const char *path, const char *text);

/** Before a thread that read answers ends. */
void rig_thread_done(void);

/** "error.code" of an answer, "" when it has none, checks that there is a message, too. */
const char *rig_code(const struct rig_answer *a);

/** Descriptors that this process has open. */
unsigned int rig_n_fds(void);

/** Wait until the server has no more connections than @p n; false after five seconds. */
bool rig_wait_open(uint32_t n);

#endif
