/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets for a GDB client; see gdb_listen.h. */
#include "cli/gdb_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define LOOPBACK_NET 0x7f

static int parse_unix(const char *path, struct gdb_place *p, struct errmsg *e)
{
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(p->path)) {
		return errmsg_set(e, -EINVAL, "unix:PATH needs a path of 1 to %zu bytes, not %zu",
				  sizeof(p->path) - 1, n);
	}
	memcpy(p->path, path, n + 1);
	p->addr.un.sun_family = AF_UNIX;
	memcpy(p->addr.un.sun_path, path, n + 1);
	p->addr_bytes = sizeof(p->addr.un);
	return 0;
}

/* A numeric loopback address, or "localhost"; names are not looked up. */
static bool parse_host(const char *host, in_port_t port, struct gdb_place *p)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = port };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = port };

	if (strcmp(host, "[::1]") == 0 || strcmp(host, "::1") == 0) {
		in6.sin6_addr = in6addr_loopback;
		memcpy(&p->addr.storage, &in6, sizeof(in6));
		p->addr_bytes = sizeof(in6);
		return true;
	}
	if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in.sin_addr) !=
		    1 ||
	    ntohl(in.sin_addr.s_addr) >> 24 != LOOPBACK_NET) {
		return false;
	}
	memcpy(&p->addr.storage, &in, sizeof(in));
	p->addr_bytes = sizeof(in);
	return true;
}

int gdb_place_parse(const char *where, struct gdb_place *ret, struct errmsg *e)
{
	const char *colon = strrchr(where, ':');
	struct gdb_place p = { 0 };
	char host[64] = "localhost";
	uint64_t port;

	if (strncmp(where, "unix:", 5) == 0) {
		int r = parse_unix(where + 5, &p, e);

		if (r == 0) {
			*ret = p;
		}
		return r;
	}
	if (colon && colon != where) {
		snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	}
	if (parse_u64(colon ? colon + 1 : where, &port, NULL) < 0 || port > UINT16_MAX) {
		return errmsg_set(e, -EINVAL,
				  "unix:PATH, PORT or HOST:PORT with a port of 0 to 65535 is "
				  "wanted, not \"%s\"",
				  where);
	}
	if (!parse_host(host, htons((uint16_t)port), &p)) {
		return errmsg_set(e, -EINVAL,
				  "a debugger owns the guest, so only the loopback interface "
				  "(127.0.0.1, [::1], localhost) is offered, not \"%s\"",
				  host);
	}
	*ret = p;
	return 0;
}

/* Remove a UNIX socket on which nobody answers; leave everything else alone. */
static int remove_stale(const struct gdb_place *p, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(p->path, &st) < 0) {
		return errno == ENOENT ? 0
				       : errmsg_set(e, -errno, "%s: %s", p->path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode)) {
		return errmsg_set(e, -EEXIST, "%s exists and is not a socket", p->path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return errmsg_set(e, -errno, "no socket: %s", strerror(errno));
	}
	/* Anything but a refusal means that somebody is there, or that we may not know. */
	if (connect(fd, &p->addr.any, p->addr_bytes) == 0 || errno != ECONNREFUSED) {
		return errmsg_set(e, -EADDRINUSE, "%s is in use", p->path);
	}
	if (unlink(p->path) < 0 && errno != ENOENT) {
		return errmsg_set(e, -errno, "can't remove the stale socket %s: %s", p->path,
				  strerror(errno));
	}
	return 0;
}

static int bind_there(int fd, const struct gdb_place *p)
{
	const int on = 1;
	mode_t old;
	int r;

	if (!p->path[0]) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		return bind(fd, &p->addr.any, p->addr_bytes) < 0 ? -errno : 0;
	}
	old = umask(0177); /* there is no moment at which others may connect */
	r = bind(fd, &p->addr.any, p->addr_bytes) < 0 ? -errno : 0;
	umask(old);
	return r;
}

int gdb_listen(struct gdb_place *p, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	char where[128], target[128];
	int r;

	gdb_place_describe(p, where, target);
	r = p->path[0] ? remove_stale(p, e) : 0;
	if (r < 0) {
		return r;
	}
	fd = socket(p->addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return errmsg_set(e, -errno, "no socket: %s", strerror(errno));
	}
	r = bind_there(fd, p);
	if (r < 0) {
		return errmsg_set(e, r, "can't listen on %s: %s", where, strerror(-r));
	}
	if (listen(fd, 4) < 0 || getsockname(fd, &p->addr.any, &p->addr_bytes) < 0) {
		r = errmsg_set(e, -errno, "can't listen on %s: %s", where, strerror(errno));
		if (p->path[0]) {
			unlink(p->path);
		}
		return r;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

void gdb_listen_done(const struct gdb_place *p, int fd)
{
	if (fd < 0) {
		return;
	}
	close(fd);
	if (p->path[0]) {
		unlink(p->path);
	}
}

void gdb_place_describe(const struct gdb_place *p, char where[128], char target[128])
{
	char host[INET6_ADDRSTRLEN] = "";
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	switch (p->addr.any.sa_family) {
	case AF_UNIX:
		snprintf(where, 128, "%s", p->path);
		snprintf(target, 128, "%s", p->path);
		return;
	case AF_INET6:
		memcpy(&in6, &p->addr.storage, sizeof(in6));
		snprintf(where, 128, "[::1]:%u", ntohs(in6.sin6_port));
		snprintf(target, 128, "[::1]:%u", ntohs(in6.sin6_port));
		return;
	default:
		memcpy(&in, &p->addr.storage, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		snprintf(where, 128, "%s:%u", host, ntohs(in.sin_port));
		/* gdb takes no host for localhost */
		snprintf(target, 128, "%s:%u", strcmp(host, "127.0.0.1") == 0 ? "" : host,
			 ntohs(in.sin_port));
		return;
	}
}
