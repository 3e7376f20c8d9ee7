/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening socket. A lock next to it says that its daemon lives; a socket without one is
 * asked too, and its name is only removed when nobody answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/http/http_internal.h"

static int lock_take(const char *path, int *ret_fd, struct errmsg *e)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];
	_cleanup_close_ int fd = -1;

	(void)snprintf(name, sizeof(name), "%s.lock", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		return errno == EWOULDBLOCK
			       ? errmsg_set(e, -EADDRINUSE, "%s: another daemon serves here", path)
			       : errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Remove a name that nobody listens at. */
static int stale_remove(const struct sockaddr_un *addr, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	const char *path = addr->sun_path;
	struct stat st;

	if (lstat(path, &st) != 0) {
		return errno == ENOENT ? 0 : errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode)) {
		return errmsg_set(e, -EEXIST, "%s exists and is no socket", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return errmsg_set(e, -errno, "socket: %s", strerror(errno));
	}
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
	    errno != ECONNREFUSED) {
		return errmsg_set(e, -EADDRINUSE, "%s: something else serves here", path);
	}
	if (unlink(path) != 0 && errno != ENOENT) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	return 0;
}

/*
 * Give a name its group and mode. bind() heeds the mask of the whole process, so this comes after it; nobody could
 * connect before. The right to give files away may be missing where that to act as any group is there, hence both.
 */
static int socket_name(int fd, const struct sockaddr_un *addr, gid_t gid)
{
	gid_t own = (gid_t)setfsgid(gid); /* -1 is no group: nothing changes */
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 ? -errno : 0;
	struct stat st;

	setfsgid(own);
	if (r < 0) {
		return r;
	}
	if (gid != HTTP_EVERYBODY &&
	    (lstat(addr->sun_path, &st) != 0 ||
	     (st.st_gid != gid && lchown(addr->sun_path, (uid_t)-1, gid) != 0))) {
		r = -errno;
	} else if (chmod(addr->sun_path, gid == HTTP_EVERYBODY ? 0666 : 0660) != 0) {
		r = -errno;
	}
	if (r < 0) {
		unlink(addr->sun_path);
	}
	return r;
}

static int socket_bind(struct http *h, const struct sockaddr_un *addr, struct errmsg *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0) {
		return errmsg_set(e, -errno, "socket: %s", strerror(errno));
	}
	r = socket_name(fd, addr, h->o.socket_gid);
	if (r == 0 && listen(fd, SOMAXCONN) != 0) {
		r = -errno;
		unlink(addr->sun_path);
	}
	if (r < 0) {
		return errmsg_set(e, r, "%s: %s", addr->sun_path, strerror(-r));
	}
	h->listen_fd = steal_fd(&fd);
	h->is_bound = true;
	return 0;
}

static int fd_take_over(struct http *h, int fd, struct errmsg *e)
{
	int is_listening = 0, flags = fcntl(fd, F_GETFL);
	struct sockaddr_un addr = { 0 };
	socklen_t n = sizeof(is_listening), n_addr = sizeof(addr);

	if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &n) != 0 ||
	    !is_listening || getsockname(fd, (struct sockaddr *)&addr, &n_addr) != 0 ||
	    addr.sun_family != AF_UNIX) {
		return errmsg_set(e, -EINVAL, "descriptor %d is no listening UNIX socket", fd);
	}
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		return errmsg_set(e, -errno, "descriptor %d: %s", fd, strerror(errno));
	}
	h->listen_fd = fd;
	return 0;
}

int http_listen_open(struct http *h, struct errmsg *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = h->socket_path ? strlen(h->socket_path) : 0;
	int r;

	if (h->o.listen_fd >= 0) {
		return fd_take_over(h, h->o.listen_fd, e);
	}
	if (n == 0 || n >= sizeof(addr.sun_path)) {
		return errmsg_set(e, -EINVAL, "a socket's path has 1 to %zu bytes, not %zu",
				  sizeof(addr.sun_path) - 1, n);
	}
	memcpy(addr.sun_path, h->socket_path, n);
	r = lock_take(h->socket_path, &h->lock_fd, e);
	if (r == 0) {
		r = stale_remove(&addr, e);
	}
	if (r == 0) {
		r = socket_bind(h, &addr, e);
	}
	return r;
}

void http_listen_close(struct http *h)
{
	if (h->is_bound) {
		unlink(h->socket_path);
		h->is_bound = false;
	}
	if (h->listen_fd >= 0) {
		close(h->listen_fd);
		h->listen_fd = -1;
	}
	if (h->lock_fd >= 0) {
		close(h->lock_fd); /* its name stays: removing it would race with the next owner */
		h->lock_fd = -1;
	}
}
