/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio console with one port. */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_CONSOLE_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_CONSOLE_H

#include "dev/virtio/virtio.h"

struct virtio_console;

/** @return the device; NULL when out of memory. Free it with its ops->destroy, or its slot's. */
struct virtio_console *virtio_console_new(const struct chr_backend *chr);

/** @return the device for transports; virtio_poll() hands the guest new input */
struct virtio *virtio_console_virtio(struct virtio_console *c);

#endif
