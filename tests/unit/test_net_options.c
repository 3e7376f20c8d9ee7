/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --net says, what is refused, and what only administrators of a daemon may have. */
#include "base/net_options.h"

#include <arpa/inet.h>
#include <errno.h>

#include "test.h"

static int parse(const char *text, struct net_options *ret)
{
	struct errmsg e = { "" };
	int r = net_options_parse(text, ret, &e);

	CHECK_INT(e.text[0] != '\0', r < 0);
	return r;
}

static void read_right(void)
{
	struct net_options o = { .has_host = true };

	CHECK_INT(parse("user", &o), 0);
	CHECK(!o.has_host && !o.is_restricted && o.n_forwards == 0);
	CHECK_INT(parse("user,host=on,restrict=on,hostfwd=tcp::8022-:22,"
			"hostfwd=udp:0.0.0.0:53-10.0.2.99:5353",
			&o),
		  0);
	CHECK(o.has_host && o.is_restricted && o.n_forwards == 2);
	/* Without an address nobody else reaches it. */
	CHECK_INT(ntohl(o.forwards[0].host.s_addr), INADDR_LOOPBACK);
	CHECK_INT(o.forwards[0].guest.s_addr, INADDR_ANY);
	CHECK_INT(o.forwards[0].host_port, 8022);
	CHECK_INT(o.forwards[0].guest_port, 22);
	CHECK(!o.forwards[0].is_udp && o.forwards[1].is_udp);
	CHECK_INT(o.forwards[1].host.s_addr, INADDR_ANY);
	CHECK_INT(ntohl(o.forwards[1].guest.s_addr), 0x0a000263);
}

static void refused(void)
{
	static const char *const texts[] = {
		"",
		"tap",
		"user,",
		"user,x",
		"user,host=maybe",
		"user,hostfwd=tcp:1-:1",
		"user,hostfwd=sctp::1-:1",
		"user,hostfwd=tcp::0-:1",
		"user,hostfwd=tcp::1-:65536",
		"user,hostfwd=tcp::1",
		"user,hostfwd=tcp:localhost:1-:1",
		"user,hostfwd=tcp::1-:1,hostfwd",
	};
	struct net_options o = { .n_forwards = 77 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CHECK_INT(parse(texts[i], &o), -EINVAL);
		CHECK_INT(o.n_forwards, 77);
	}
}

static int may(const char *text)
{
	struct net_options o;
	struct errmsg e = { "" };
	int r;

	CHECK_INT(parse(text, &o), 0);
	r = net_options_check_ordinary(&o, &e);
	CHECK_INT(e.text[0] != '\0', r < 0);
	return r;
}

static void ordinary_users(void)
{
	CHECK_INT(may("user,host=on"), 0);
	CHECK_INT(may("user,hostfwd=tcp::1024-:22"), 0);
	CHECK_INT(may("user,hostfwd=tcp:127.1.2.3:1024-:22"), 0);
	CHECK_INT(may("user,hostfwd=tcp::1023-:22"), -EPERM);
	CHECK_INT(may("user,hostfwd=udp:127.0.0.1:1-:1"), -EPERM);
	CHECK_INT(may("user,hostfwd=tcp:0.0.0.0:8022-:22"), -EPERM);
	CHECK_INT(may("user,hostfwd=tcp:192.168.1.1:8022-:22"), -EPERM);
	CHECK_INT(may("user,hostfwd=tcp::8022-:22,hostfwd=tcp:128.0.0.1:8023-:22"), -EPERM);
}

static const struct test_case cases[] = {
	{ "what is there is read", read_right },
	{ "what is not is refused", refused },
	{ "ports of ordinary users", ordinary_users },
};

TEST_MAIN(cases)
