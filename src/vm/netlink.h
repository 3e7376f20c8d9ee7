/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM's end of its network: frames over a socket to a process that has one (src/net).
 *
 *   guest -> send() on the vCPU thread -> socket -> pinfold-net
 *   pinfold-net -> socket: the control thread sees that it is readable -> the vCPU thread takes frames and gives them to the card
 *
 * Threads: net_link_wants(), net_link_arrived() on the control thread; the rest on the vCPU thread or with run_lock held.
 */
#ifndef PINFOLD_VM_NETLINK_H
#define PINFOLD_VM_NETLINK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "machine/machine.h"

/** Zero-initialise; fd -1: there is no network. */
struct net_link {
	_Atomic int fd; /* -1: there is no network, or its other end is gone */
	void (*on_ready)(
		void *opaque); /* the card has room again, or the socket has been emptied */
	void *opaque;
	_Atomic bool has_frames; /* the socket was seen to be readable, and not emptied since */
	size_t held_bytes;	 /* a frame that the card had no room for */
	uint8_t held[NET_FRAME_BYTES_MAX];
};

/** @param on_ready called on the vCPU thread: net_link_wants() may have changed */
struct net_backend net_link_init(struct net_link *l, int fd, void (*on_ready)(void *opaque),
				 void *opaque);

/** @return the descriptor to wait for, or -1: none now */
int net_link_wants(const struct net_link *l);

/** It was readable. */
void net_link_arrived(struct net_link *l);

/** Give the card what has come, as far as it takes it. */
void net_link_collect(struct net_link *l, struct machine *m);

#endif
