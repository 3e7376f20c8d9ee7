/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon on another machine: ssh forwards its socket to a private one here, for as long as this program
 * runs. Nothing listens on TCP.
 */
#ifndef PINFOLD_CLI_TUNNEL_H
#define PINFOLD_CLI_TUNNEL_H

#include <stddef.h>

#include "base/errmsg.h"

struct tunnel;

/**
 * Start ssh and wait until it forwards. It is ended and the socket removed with this program, also when
 * a signal ends it. One tunnel per process; main thread.
 * @param url "ssh://[USER@]HOST[:PORT][/SOCKET]". Without a socket: what pinfold itself would take there,
 *            which a shell there is asked for
 * @return 0; -EINVAL not such an address; -ENOENT no ssh here; -ECONNREFUSED ssh failed, the sentence says why
 */
int tunnel_open(const char *url, struct tunnel **ret, struct errmsg *e);

/** The socket on this side. Lives as long as the tunnel. */
const char *tunnel_socket(const struct tunnel *t);

/** The socket on the other side. Lives as long as the tunnel. */
const char *tunnel_remote_socket(const struct tunnel *t);

/**
 * What ssh said last since it is connected, harmless; "" when it said nothing. Any thread.
 * @return @p buf
 */
char *tunnel_last_words(const struct tunnel *t, char *buf, size_t size);

/** End ssh, remove the socket; the tunnel itself stays, for another thread that uses it. Accepts NULL. */
void tunnel_end(struct tunnel *t);

/** The same, and free. Accepts NULL. */
void tunnel_close(struct tunnel *t);

#endif
