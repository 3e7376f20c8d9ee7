/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets with descriptors over UNIX socket pairs. */
#include "host/sock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "host/timer.h"

/* The kernel drops what does not fit here and sets MSG_CTRUNC. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * HOST_SOCK_FDS_MAX)];
};

int host_sock_pair_packet(int ret_fds[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		return -errno;
	}
	memcpy(ret_fds, fds, sizeof(fds));
	return 0;
}

int host_sock_pair_stream(int ret_fds[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		return -errno;
	}
	memcpy(ret_fds, fds, sizeof(fds));
	return 0;
}

/* sendmsg() and recvmsg() take pointers to non-const that they don't write through. */
static struct msghdr msghdr_make(const struct iovec *iov, size_t n_iov)
{
	union {
		const struct iovec *in;
		struct iovec *out;
	} u = { .in = iov };

	return (struct msghdr){ .msg_iov = u.out, .msg_iovlen = n_iov };
}

int host_sock_send(int fd, const struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds,
		   bool is_nowait)
{
	struct msghdr m = msghdr_make(iov, n_iov);
	union control c = { 0 };
	ssize_t n;

	BUG_ON(n_fds > HOST_SOCK_FDS_MAX);
	if (n_fds) {
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c.align.cmsg_level = SOL_SOCKET;
		c.align.cmsg_type = SCM_RIGHTS;
		c.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&c.align), fds, sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(fd, &m, MSG_NOSIGNAL | (is_nowait ? MSG_DONTWAIT : 0));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return errno == ECONNRESET ? -EPIPE : -errno;
	}
	return 0;
}

/* Collect every descriptor of every control message; those beyond max_fds are closed. */
static size_t take_fds(struct msghdr *m, int *fds, size_t max_fds)
{
	size_t n = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t count;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (n < max_fds) {
				fds[n] = fd;
			} else {
				close(fd);
			}
		}
	}
	return n;
}

ssize_t host_sock_recv(int fd, const struct iovec *iov, size_t n_iov, int *fds, size_t max_fds,
		       size_t *ret_n_fds, bool is_nowait)
{
	struct msghdr m = msghdr_make(iov, n_iov);
	int got[HOST_SOCK_FDS_MAX];
	union control c = { 0 };
	size_t n_got;
	ssize_t n;

	BUG_ON(max_fds > HOST_SOCK_FDS_MAX);
	m.msg_control = c.buf;
	m.msg_controllen = sizeof(c.buf);
	do {
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | (is_nowait ? MSG_DONTWAIT : 0));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		return errno == ECONNRESET ? 0 : -errno;
	}
	n_got = take_fds(&m, got, HOST_SOCK_FDS_MAX);
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n_got > max_fds) {
		for (size_t i = 0; i < n_got && i < HOST_SOCK_FDS_MAX; i++) {
			close(got[i]);
		}
		return -EMSGSIZE;
	}
	if (n_got) {
		memcpy(fds, got, n_got * sizeof(int));
	}
	if (ret_n_fds) {
		*ret_n_fds = n_got;
	}
	return n;
}

int host_sock_wait_readable(int fd, int timeout_ms)
{
	ns_t end_ns = host_clock_monotonic_ns();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int left_ms = timeout_ms;

	if (timeout_ms > 0) {
		end_ns += (unsigned int)timeout_ms * NS_PER_MS;
	}
	for (;;) {
		int n = poll(&p, 1, left_ms);
		ns_t now_ns;

		if (n > 0) {
			return p.revents & POLLNVAL ? -EBADF : 0;
		}
		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (timeout_ms < 0) {
			continue;
		}
		now_ns = host_clock_monotonic_ns();
		if (n == 0 || now_ns >= end_ns) {
			return -ETIMEDOUT;
		}
		left_ms = (int)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
	}
}
