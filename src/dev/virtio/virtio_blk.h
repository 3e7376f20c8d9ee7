/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio disk in front of a back-end that may finish its work later, in any order. */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_BLK_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_BLK_H

#include "dev/virtio/virtio.h"

#define BLK_SECTOR_BYTES  512u
#define BLK_CHUNK_BYTES	  0x20000u /* most data of one request to the back-end */
#define BLK_REQUESTS_MAX  16u	   /* requests that a back-end may have at a time */
#define BLK_SERIAL_BYTES  20u
#define BLK_RANGE_SECTORS BIT(22) /* most of one discard or write-zeroes: 2 GiB */

/** What a back-end is asked to do. */
enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES };

/** One request. It and its data are the device's; the back-end has them until it is done. */
struct blk_request {
	enum blk_op op;
	bool may_unmap;	  /* BLK_WRITE_ZEROES: a hole will do */
	uint64_t sector;  /* first; the range lies on the disk; 0 for BLK_FLUSH */
	uint32_t sectors; /* 0 for BLK_FLUSH */
	uint8_t *data; /* sectors * BLK_SECTOR_BYTES bytes for BLK_READ and BLK_WRITE, else NULL */
};

/** What submit() may say besides a negative errno. */
enum blk_answer {
	BLK_STARTED, /* virtio_blk_complete() will follow, not from within submit() */
	BLK_DONE,    /* it is done already */
};

/** A disk. */
struct blk_backend {
	void *opaque;
	uint64_t sectors;
	bool is_ro;
	bool can_discard;   /* takes BLK_DISCARD and BLK_WRITE_ZEROES */
	const char *serial; /* copied: its first BLK_SERIAL_BYTES bytes; NULL: none */
	/** @return an enum blk_answer, or -errno */
	int (*submit)(void *opaque, struct blk_request *r);
};

struct virtio_blk;

/**
 * @param be copied. It must have finished or given up all requests before the device is freed.
 * @return the device; NULL when out of memory. Free it with its ops->destroy, or its slot's.
 */
struct virtio_blk *virtio_blk_new(const struct blk_backend *be);

/** @return the device for transports */
struct virtio *virtio_blk_virtio(struct virtio_blk *b);

/**
 * A request that the back-end started is done. In any order; also after a reset of the device, which
 * then drops it.
 * @param result 0 or -errno
 * Thread: the vCPU's, like every call to a device.
 */
void virtio_blk_complete(struct virtio_blk *b, struct blk_request *r, int result);

/** Requests that the back-end has now: once it is 0 nothing of the guest is on its way. */
unsigned int virtio_blk_in_flight(const struct virtio_blk *b);

#endif
