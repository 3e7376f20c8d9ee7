/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an address of a daemon elsewhere says. All of it becomes arguments of ssh. */
#ifndef PINFOLD_CLI_TUNNEL_TARGET_H
#define PINFOLD_CLI_TUNNEL_TARGET_H

#include <stdbool.h>

#include "base/errmsg.h"

/** Room for an address, and for each of its parts. */
#define TUNNEL_URL_BYTES 300

/** Longest name of a UNIX socket, with its NUL. */
#define TUNNEL_SOCKET_BYTES 108

/** An address; its texts hold nothing that ssh or a shell would take for more than a name. */
struct tunnel_target {
	char host[TUNNEL_URL_BYTES];   /**< [USER@]HOST, without brackets */
	char port[8];		       /**< or "" */
	char socket[TUNNEL_URL_BYTES]; /**< or "": the one that is usual there */
};

/**
 * Read "ssh://[USER@]HOST[:PORT][/SOCKET]".
 * @return 0; -EINVAL with a sentence, @p ret is then untouched
 */
int tunnel_target_parse(const char *url, struct tunnel_target *ret, struct errmsg *e);

/** Whether a name of a socket can be forwarded: absolute, not too long, plain characters. */
bool tunnel_is_socket_name(const char *path);

#endif
