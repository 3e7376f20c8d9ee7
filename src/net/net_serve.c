/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames between a VM and libslirp. One thread, one poll loop: the VM's socket, libslirp's sockets, its timers.
 *
 * The VM process is hostile. What it sends are frames and nothing else: libslirp parses them, which is why this process
 * has a jail. A VM that does not take its frames loses them; TCP sends them again.
 */
#include <errno.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bug.h"
#include "host/timer.h"
#include "net/net.h"

#define FRAME_BYTES_MAX 65536
#define POLL_FDS_MAX	1024
#define TIMERS_MAX	8
/* Frames taken in one go, so that a flooding guest can't keep others' answers from coming. */
#define FRAMES_AT_ONCE 64

/* A timer of libslirp's. */
struct timer {
	bool is_used;
	SlirpTimerCb fn;
	void *arg;
	ns_t due_ns; /* UINT64_MAX: not running */
};

struct net {
	Slirp *slirp;
	struct timer timers[TIMERS_MAX];
	struct pollfd fds[POLL_FDS_MAX];
	size_t n_fds;
};

static ssize_t send_frame(const void *buf, size_t len, void *opaque)
{
	(void)opaque;
	/* A full socket drops the frame, as a full queue of a network card does. */
	(void)send(NET_FD, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	(void)msg;
	(void)opaque;
}

static int64_t clock_get_ns(void *opaque)
{
	(void)opaque;
	return (int64_t)host_clock_monotonic_ns();
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
	struct net *n = opaque;
	size_t i = 0;

	while (i < TIMERS_MAX && n->timers[i].is_used) {
		i++;
	}
	BUG_ON(i == TIMERS_MAX); /* libslirp has one */
	n->timers[i] = (struct timer){ true, fn, arg, UINT64_MAX };
	return &n->timers[i];
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	((struct timer *)timer)->is_used = false;
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	(void)opaque;
	((struct timer *)timer)->due_ns = expire_ms < 0 ? 0 : (ns_t)expire_ms * NS_PER_MS;
}

static void ignore_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void ignore(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_frame,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = ignore,
};

static int add_forward(struct net *n, const struct net_forward *f, struct errmsg *e)
{
	struct in_addr guest = f->guest;

	if (guest.s_addr == INADDR_ANY) {
		guest.s_addr = htonl(0x0a00020f); /* 10.0.2.15: what DHCP gives first */
	}
	errno = 0;
	if (slirp_add_hostfwd(n->slirp, f->is_udp, f->host, f->host_port, guest, f->guest_port) <
	    0) {
		return errmsg_set(e, errno ? -errno : -EADDRINUSE, "%s port %u can't be opened: %s",
				  f->is_udp ? "UDP" : "TCP", f->host_port,
				  strerror(errno ? errno : EADDRINUSE));
	}
	return 0;
}

int net_new(const struct net_options *o, struct net **ret, struct errmsg *e)
{
	SlirpConfig cfg = {
		.version = 1,
		.restricted = o->is_restricted,
		.in_enabled = true,
		.vnetwork.s_addr = htonl(0x0a000200),
		.vnetmask.s_addr = htonl(0xffffff00),
		.vhost.s_addr = htonl(0x0a000202),
		.vdhcp_start.s_addr = htonl(0x0a00020f),
		.vnameserver.s_addr = htonl(0x0a000203),
		.vhostname = "pinfold",
		.disable_host_loopback = !o->has_host,
	};
	struct net *n = calloc(1, sizeof(*n));
	int r = 0;

	if (!n) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	n->slirp = slirp_new(&cfg, &callbacks, n);
	if (!n->slirp) {
		free(n);
		return errmsg_set(e, -EIO, "libslirp refused its configuration");
	}
	for (size_t i = 0; r == 0 && i < o->n_forwards; i++) {
		r = add_forward(n, &o->forwards[i], e);
	}
	if (r < 0) {
		slirp_cleanup(n->slirp);
		free(n);
		return r;
	}
	*ret = n;
	return 0;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct net *n = opaque;
	short want = 0;

	if (n->n_fds == POLL_FDS_MAX) {
		return -1;
	}
	want |= events & SLIRP_POLL_IN ? POLLIN : 0;
	want |= events & SLIRP_POLL_OUT ? POLLOUT : 0;
	want |= events & SLIRP_POLL_PRI ? POLLPRI : 0;
	n->fds[n->n_fds] = (struct pollfd){ .fd = fd, .events = want };
	return (int)n->n_fds++;
}

static int get_revents(int idx, void *opaque)
{
	struct net *n = opaque;
	short got;

	if (idx < 0 || (size_t)idx >= n->n_fds) {
		return 0;
	}
	got = n->fds[idx].revents;
	return (got & POLLIN ? SLIRP_POLL_IN : 0) | (got & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (got & POLLPRI ? SLIRP_POLL_PRI : 0) | (got & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (got & POLLHUP ? SLIRP_POLL_HUP : 0);
}

static void run_timers(struct net *n, uint32_t *timeout_ms)
{
	ns_t now_ns = host_clock_monotonic_ns();

	for (size_t i = 0; i < TIMERS_MAX; i++) {
		struct timer *t = &n->timers[i];

		if (t->is_used && t->due_ns <= now_ns) {
			t->due_ns = UINT64_MAX;
			t->fn(t->arg);
		}
		if (t->is_used && t->due_ns != UINT64_MAX &&
		    (t->due_ns - now_ns) / NS_PER_MS < *timeout_ms) {
			*timeout_ms = (uint32_t)((t->due_ns - now_ns) / NS_PER_MS) + 1;
		}
	}
}

/* @return whether the VM is still there */
static bool take_frames(struct net *n)
{
	static uint8_t frame[FRAME_BYTES_MAX];

	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		ssize_t len = recv(NET_FD, frame, sizeof(frame), MSG_DONTWAIT);

		if (len > 0) {
			slirp_input(n->slirp, frame, (int)len);
		} else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
			return false;
		} else {
			return true;
		}
	}
	return true;
}

int net_serve(struct net *n)
{
	bool is_there = true;

	while (is_there) {
		uint32_t timeout_ms = INT32_MAX; /* a network that nobody uses sleeps */
		int got;

		n->n_fds = 1;
		n->fds[0] = (struct pollfd){ .fd = NET_FD, .events = POLLIN };
		slirp_pollfds_fill(n->slirp, &timeout_ms, add_poll, n);
		run_timers(n, &timeout_ms);
		got = poll(n->fds, n->n_fds, (int)timeout_ms);
		if (got < 0 && errno != EINTR) {
			return EXIT_FAILURE;
		}
		slirp_pollfds_poll(n->slirp, got < 0, get_revents, n);
		if (n->fds[0].revents) {
			is_there = take_frames(n);
		}
	}
	slirp_cleanup(n->slirp);
	free(n);
	return EXIT_SUCCESS;
}
