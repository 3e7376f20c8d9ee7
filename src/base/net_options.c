/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text behind --net; the names are those of QEMU's user network. */
#include "base/net_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

/* Linux: ip_unprivileged_port_start */
#define PORT_ORDINARY_MIN 1024

static int parse_switch(const char *name, const char *value, bool *ret, struct errmsg *e)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
		return errmsg_set(e, -EINVAL, "%s: '%.20s' is neither on nor off", name, value);
	}
	*ret = strcmp(value, "on") == 0;
	return 0;
}

/* [ADDR]:PORT; the text is changed. */
static int parse_end(char *text, struct in_addr *addr, uint16_t *port, struct errmsg *e)
{
	char *colon = strrchr(text, ':');
	uint64_t n = 0;

	if (!colon) {
		return errmsg_set(e, -EINVAL, "hostfwd: '%.60s' is not [ADDR]:PORT", text);
	}
	*colon = '\0';
	if (*text && inet_pton(AF_INET, text, addr) != 1) {
		return errmsg_set(e, -EINVAL, "hostfwd: '%.60s' is not an IPv4 address", text);
	}
	if (parse_u64(colon + 1, &n, e) < 0 || n < 1 || n > UINT16_MAX) {
		return errmsg_set(e, -EINVAL, "hostfwd: '%.20s' is not a port from 1 to 65535",
				  colon + 1);
	}
	*port = (uint16_t)n;
	return 0;
}

static int parse_forward(char *value, struct net_options *o, struct errmsg *e)
{
	struct net_forward f = { .host.s_addr = htonl(INADDR_LOOPBACK) };
	char *host;
	char *guest;
	int r;

	if (o->n_forwards == NET_OPTIONS_FORWARDS_MAX) {
		return errmsg_set(e, -EINVAL, "hostfwd: at most %d ports can be forwarded",
				  NET_OPTIONS_FORWARDS_MAX);
	}
	f.is_udp = strncmp(value, "udp:", 4) == 0;
	if (!f.is_udp && strncmp(value, "tcp:", 4) != 0) {
		return errmsg_set(e, -EINVAL,
				  "hostfwd: '%.60s' begins with neither tcp: nor udp:", value);
	}
	host = value + 4;
	guest = strchr(host, '-');
	if (!guest) {
		return errmsg_set(e, -EINVAL, "hostfwd: tcp:[ADDR]:PORT-[ADDR]:PORT is expected");
	}
	*guest++ = '\0';
	r = parse_end(host, &f.host, &f.host_port, e);
	r = r < 0 ? r : parse_end(guest, &f.guest, &f.guest_port, e);
	if (r == 0) {
		o->forwards[o->n_forwards++] = f;
	}
	return r;
}

static int parse_one(char *item, struct net_options *o, struct errmsg *e)
{
	char *value = strchr(item, '=');

	if (!value) {
		return errmsg_set(e, -EINVAL, "'%.60s' is not NAME=VALUE", item);
	}
	*value++ = '\0';
	if (strcmp(item, "restrict") == 0) {
		return parse_switch(item, value, &o->is_restricted, e);
	}
	if (strcmp(item, "host") == 0) {
		return parse_switch(item, value, &o->has_host, e);
	}
	if (strcmp(item, "hostfwd") == 0) {
		return parse_forward(value, o, e);
	}
	return errmsg_set(e, -EINVAL, "'%.60s' is not one of restrict, host, hostfwd", item);
}

int net_options_parse(const char *text, struct net_options *ret, struct errmsg *e)
{
	struct net_options o = { 0 };
	char copy[NET_OPTIONS_TEXT_MAX + 1];
	char *rest = copy;
	char *item;
	int r = 0;

	if (strlen(text) >= sizeof(copy)) {
		return errmsg_set(e, -EINVAL, "the network's description is longer than %zu bytes",
				  sizeof(copy) - 1);
	}
	strcpy(copy, text);
	item = strsep(&rest, ",");
	if (strcmp(item, "user") != 0) {
		return errmsg_set(e, -EINVAL, "'%.60s' is no kind of network; this build has: user",
				  item);
	}
	while (r == 0 && (item = strsep(&rest, ","))) {
		r = parse_one(item, &o, e);
	}
	if (r == 0) {
		*ret = o;
	}
	return r;
}

int net_options_check_ordinary(const struct net_options *o, struct errmsg *e)
{
	for (size_t i = 0; i < o->n_forwards; i++) {
		const struct net_forward *f = &o->forwards[i];

		if (f->host_port < PORT_ORDINARY_MIN) {
			return errmsg_set(
				e, -EPERM,
				"hostfwd: port %u is for administrators; take one from %d up",
				f->host_port, PORT_ORDINARY_MIN);
		}
		if (ntohl(f->host.s_addr) >> 24 != IN_LOOPBACKNET) {
			return errmsg_set(
				e, -EPERM,
				"hostfwd: only administrators open ports for others than this "
				"machine; leave the address out");
		}
	}
	return 0;
}
