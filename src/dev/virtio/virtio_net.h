/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio network card with one pair of queues and no offloads. */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_NET_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_NET_H

#include "dev/virtio/virtio.h"

#define NET_MAC_BYTES	    6u
#define NET_FRAME_BYTES_MIN 14u
#define NET_FRAME_BYTES_MAX 65535u

/** The other end of the wire. */
struct net_backend {
	void *opaque;
	/** A frame of the guest, NET_FRAME_BYTES_MIN to _MAX bytes; dropped when there is no room */
	void (*send)(void *opaque, const uint8_t *frame, size_t len);
	/** The guest has offered more buffers for virtio_net_receive(); may be NULL */
	void (*ready)(void *opaque);
};

struct virtio_net;

/** @return the device; NULL when out of memory. Free it with its ops->destroy, or its slot's. */
struct virtio_net *virtio_net_new(const struct net_backend *be, const uint8_t mac[NET_MAC_BYTES]);

/** @return the device for transports */
struct virtio *virtio_net_virtio(struct virtio_net *n);

/**
 * A frame for the guest. One that its buffers can never hold is dropped. May be called from send().
 * @return false when the guest has no buffer for it now: keep it, or drop it
 */
bool virtio_net_receive(struct virtio_net *n, const uint8_t *frame, size_t len);

/** Plug the cable in or pull it. A card starts with it plugged in. */
void virtio_net_link_set(struct virtio_net *n, bool is_up);

#endif
