/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon on another machine: ssh forwards its socket to a private one here (ssh -N -L), for as
 * long as this program runs. Nothing listens on TCP.
 */
#ifndef PINFOLD_CLI_TUNNEL_H
#define PINFOLD_CLI_TUNNEL_H

#include "base/errmsg.h"

struct tunnel;

/**
 * Start ssh and wait until it forwards. It is ended and the socket removed with this program, also when
 * a signal ends it. One tunnel per process; main thread.
 * @param url "ssh://[USER@]HOST[:PORT][/SOCKET]"
 * @return 0; -EINVAL not such an address; -ENOENT no ssh here; -ECONNREFUSED ssh failed, and said why
 */
int tunnel_open(const char *url, struct tunnel **ret, struct errmsg *e);

/** The socket on this side. Lives as long as the tunnel. */
const char *tunnel_socket(const struct tunnel *t);

/** End ssh, remove the socket. Accepts NULL. */
void tunnel_close(struct tunnel *t);

#endif
