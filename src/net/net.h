/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of room net share. */
#ifndef PINFOLD_NET_NET_H
#define PINFOLD_NET_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** The descriptor on which the process finds its socket (SOCK_SEQPACKET: one frame per packet). */
#define NET_FD 3

#define NET_FORWARDS_MAX 16

/** A port of the host that leads to one of the guest. */
struct net_forward {
	bool is_udp;
	struct in_addr host,
		guest; /* INADDR_ANY: every address; the guest's own (the first that DHCP gives) */
	uint16_t host_port, guest_port;
};

/** What a guest's network is like. */
struct net_options {
	bool is_restricted; /* nothing goes out; forwards still come in */
	bool has_host;	    /* 10.0.2.2 leads to services on the host's loopback */
	size_t n_forwards;
	struct net_forward forwards[NET_FORWARDS_MAX];
};

/**
 * Parse "user[,restrict=on|off][,host=on|off][,hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT]...".
 * @param ret untouched on failure
 * @return 0; -EINVAL with one sentence
 */
int net_options_parse(const char *text, struct net_options *ret, struct errmsg *e);

/** Give up everything but sockets. @return 0; negative errno with a sentence */
int net_jail_enter(struct errmsg *e);

struct net;

/** Open the forwarded ports. @return 0; negative errno with a sentence that names the port */
int net_new(const struct net_options *o, struct net **ret, struct errmsg *e);

/** Serve until the other end of NET_FD is closed. @return exit status */
int net_serve(struct net *n);

#endif
