/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See netlink.h. */
#include "vm/netlink.h"

#include <errno.h>
#include <sys/socket.h>

/* Frames per look, so that a flood of them leaves the guest time to run. */
#define FRAMES_AT_ONCE 64

static void send_frame(void *opaque, const uint8_t *frame, size_t len)
{
	struct net_link *l = opaque;

	/* A full socket loses the frame, as a busy wire does. */
	(void)sendto(l->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

static void has_room(void *opaque)
{
	struct net_link *l = opaque;

	if (l->held_bytes) {
		l->on_ready(l->opaque);
	}
}

struct net_backend net_link_init(struct net_link *l, int fd, void (*on_ready)(void *opaque),
				 void *opaque)
{
	l->fd = fd;
	l->on_ready = on_ready;
	l->opaque = opaque;
	return (struct net_backend){ .opaque = l, .send = send_frame, .ready = has_room };
}

int net_link_wants(const struct net_link *l)
{
	return atomic_load(&l->has_frames) ? -1 : l->fd;
}

void net_link_arrived(struct net_link *l)
{
	atomic_store(&l->has_frames, true);
}

void net_link_collect(struct net_link *l, struct machine *m)
{
	if (l->fd < 0 || (!atomic_load(&l->has_frames) && l->held_bytes == 0)) {
		return;
	}
	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		if (l->held_bytes == 0) {
			ssize_t n =
				recvfrom(l->fd, l->held, sizeof(l->held), MSG_DONTWAIT, NULL, NULL);

			if (n <= 0) {
				/* Empty; or the other end is gone, and nothing will come any more. */
				l->fd = n == 0 || (errno != EAGAIN && errno != EINTR) ? -1 : l->fd;
				atomic_store(&l->has_frames, false);
				l->on_ready(l->opaque);
				return;
			}
			l->held_bytes = (size_t)n;
		}
		if (l->held_bytes >= NET_FRAME_BYTES_MIN &&
		    !machine_net_receive(m, l->held, l->held_bytes)) {
			return; /* has_room() brings us back */
		}
		l->held_bytes = 0;
	}
	l->on_ready(l->opaque);
}
