/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory-mapped transport of virtio: one slot with one device, or none. */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_MMIO_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_MMIO_H

#include "dev/device.h"

#define VIRTIO_MMIO_RANGE_BYTES 0x1000u

struct virtio;
struct virtio_mmio;

extern const struct dev_ops virtio_mmio_ops;

/**
 * @param v   the device; it is the slot's from here on, also on failure. NULL: the slot is empty
 * @param irq high while the driver has not acknowledged an interrupt
 * @return the slot; NULL when out of memory. Free it with virtio_mmio_ops.destroy.
 */
struct virtio_mmio *virtio_mmio_new(struct virtio *v, const struct irq_line *irq);

#endif
