/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio entropy source. */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_RNG_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_RNG_H

#include "dev/virtio/virtio.h"

/** Randomness that never runs dry. */
struct entropy_backend {
	void *opaque;
	void (*fill)(void *opaque, uint8_t *to, size_t n);
};

struct virtio_rng;

/** @return the device; NULL when out of memory. Free it with its ops->destroy, or its slot's. */
struct virtio_rng *virtio_rng_new(const struct entropy_backend *be);

/** @return the device for transports */
struct virtio *virtio_rng_virtio(struct virtio_rng *r);

#endif
