/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ssh says on its standard error. Until it is connected, people read it as it comes (which key to
 * touch, whose key has changed), but for the last line: that one is the cause when ssh gives up, and
 * becomes part of our sentence. Afterwards only the last line is kept.
 */
#ifndef PINFOLD_CLI_TUNNEL_SAID_H
#define PINFOLD_CLI_TUNNEL_SAID_H

#include <stddef.h>

struct tunnel_said;

/**
 * Read from a descriptor, in a thread of its own.
 * @param fd taken over
 * @return NULL: no thread or no memory; @p fd is closed then, too
 */
struct tunnel_said *tunnel_said_new(int fd);

/** Show what is held back: ssh is connected. */
void tunnel_said_flush(struct tunnel_said *s);

/**
 * The last line, made harmless, without the dot at its end; "" when there was none. Waits a moment for
 * one that is on its way. Any thread.
 * @return @p buf
 */
char *tunnel_said_last(struct tunnel_said *s, char *buf, size_t size);

/** Stop reading. The other end must be closed, or close soon. Accepts NULL. */
void tunnel_said_free(struct tunnel_said *s);

#endif
