/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio input device with one key: a power button. */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_INPUT_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_INPUT_H

#include "dev/virtio/virtio.h"

struct virtio_input;

/** @return the device; NULL when out of memory. Free it with its ops->destroy, or its slot's. */
struct virtio_input *virtio_input_new(void);

/** @return the device for transports */
struct virtio *virtio_input_virtio(struct virtio_input *b);

/**
 * Press the button and let it go.
 * @return whether a driver listens: what a guest without one, or one that has stopped looking, does is nothing
 * Thread: the vCPU's, like every call to a device.
 */
bool virtio_input_press(struct virtio_input *b);

#endif
