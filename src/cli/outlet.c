/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Output that never blocks; see outlet.h. */
#include "cli/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bug.h"

/* A pipe that polls writable takes this much at once (PIPE_BUF). */
#define CHUNK_BYTES 4096

void outlet_init(struct outlet *o, int fd)
{
	struct stat st;
	char path[32];

	o->fd = fd;
	o->is_own = false;
	o->is_broken = false;
	o->is_at_line_start = true;
	o->len = 0;
	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || isatty(fd))) {
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		o->fd = fd;
		o->is_own = true;
	}
}

void outlet_done(struct outlet *o)
{
	if (o->is_own) {
		close(o->fd);
	}
	o->is_own = false;
	o->fd = -1;
}

size_t outlet_room(const struct outlet *o)
{
	return sizeof(o->buf) - o->len;
}

void outlet_put(struct outlet *o, const void *bytes, size_t n)
{
	BUG_ON(n > outlet_room(o));
	if (n == 0) {
		return;
	}
	o->is_at_line_start = ((const char *)bytes)[n - 1] == '\n';
	if (!o->is_broken) {
		memcpy(o->buf + o->len, bytes, n);
		o->len += n;
	}
}

static bool is_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1;
}

int outlet_flush(struct outlet *o)
{
	size_t done = 0;
	int r = 0;

	while (done < o->len && is_writable(o->fd)) {
		size_t left = o->len - done;
		ssize_t n = write(o->fd, o->buf + done, left < CHUNK_BYTES ? left : CHUNK_BYTES);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			r = -errno;
			o->is_broken = true;
			done = o->len;
		}
	}
	memmove(o->buf, o->buf + done, o->len - done);
	o->len -= done;
	return r;
}
