/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text behind --net: read by the process that is a VM's network, and by the daemon, which has rules for it. */
#ifndef PINFOLD_BASE_NET_OPTIONS_H
#define PINFOLD_BASE_NET_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/** The longest text, without its NUL. */
#define NET_OPTIONS_TEXT_MAX	 1023
#define NET_OPTIONS_FORWARDS_MAX 16

/** A port of the host that leads to one of the guest. */
struct net_forward {
	bool is_udp;
	struct in_addr host;  /* loopback unless another was named; INADDR_ANY: every address */
	struct in_addr guest; /* INADDR_ANY: the guest's own (the first that DHCP gives) */
	uint16_t host_port, guest_port;
};

/** What a guest's network is like. */
struct net_options {
	bool is_restricted; /* nothing goes out; forwards still come in */
	bool has_host;	    /* 10.0.2.2 leads to services on the host's loopback */
	size_t n_forwards;
	struct net_forward forwards[NET_OPTIONS_FORWARDS_MAX];
};

/**
 * Parse "user[,restrict=on|off][,host=on|off][,hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT]...".
 * @param ret untouched on failure
 * @return 0; -EINVAL with one sentence
 */
int net_options_parse(const char *text, struct net_options *ret, struct errmsg *e);

/**
 * What an ordinary user may not ask a daemon with more rights for: a port below 1024, or one that others than this
 * machine reach.
 * @return 0; -EPERM with a sentence
 */
int net_options_check_ordinary(const struct net_options *o, struct errmsg *e);

#endif
