/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened, for whoever listens (GET /v1/events, server-sent events): a ring of the last
 * events. Publishing never waits; a listener that is too slow is told how many it missed.
 */
#ifndef PINFOLD_DAEMON_EVENTS_H
#define PINFOLD_DAEMON_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/http/http.h"

/** Concerns nobody in particular: administrators see it. */
#define EVENTS_NOBODY ((uid_t)-1)

struct events;

/** @return a ring of @p n events, a power of two; NULL: out of memory */
struct events *events_new(uint32_t n);

/** Change how often a listener without news is sent a comment, so that it is noticed when it is
 * gone (15 s). Before the first listener. */
void events_heartbeat_set(struct events *ev, uint32_t every_ms);

/** Accepts NULL. Listeners must have ended (http_stop()). */
void events_free(struct events *ev);

/**
 * Publish. Adds "seq", "time" (RFC 3339) and "type" to the object.
 * @param owner  whose VM it is about, or EVENTS_NOBODY
 * @param type   "vm.started"
 * @param object taken over; may be NULL
 * Thread: any.
 */
void events_publish(struct events *ev, uid_t owner, const char *type, json_t *object);

/**
 * Make a stream of server-sent events for a reply.
 * @param sees_all   administrators
 * @param owner      otherwise only what concerns this user
 * @param from_seq   first one wanted (Last-Event-ID + 1); 0: only new ones
 * @return 0; -ENOMEM
 */
int events_stream(struct events *ev, bool sees_all, uid_t owner, uint64_t from_seq,
		  struct http_reply *rp);

#endif
