/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of room net share. */
#ifndef PINFOLD_NET_NET_H
#define PINFOLD_NET_NET_H

#include "base/errmsg.h"
#include "base/net_options.h"

/** The descriptor on which the process finds its socket (SOCK_SEQPACKET: one frame per packet). */
#define NET_FD 3

/** Give up everything but sockets. @return 0; negative errno with a sentence */
int net_jail_enter(struct errmsg *e);

struct net;

/** Open the forwarded ports. @return 0; negative errno with a sentence that names the port */
int net_new(const struct net_options *o, struct net **ret, struct errmsg *e);

/** Serve until the other end of NET_FD is closed. @return exit status */
int net_serve(struct net *n);

#endif
