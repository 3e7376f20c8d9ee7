/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A split virtqueue as the device sees it. (Virtio 1.2, section 2.7)
 *
 * Everything in the rings was written by a hostile guest, and may change under our hands. Each
 * structure is copied out once and checked before use; a chain is handed out as a copy. Whatever
 * breaks a rule that the device depends on is a violation, reported as one static sentence.
 */
#ifndef PINFOLD_DEV_VIRTIO_VIRTQUEUE_H
#define PINFOLD_DEV_VIRTIO_VIRTQUEUE_H

#include "mem/mem.h"

#define VIRTQUEUE_SIZE_MAX 256u
/** Descriptors of a chain. Through an indirect table a driver may exceed the queue size. */
#define VIRTQUEUE_CHAIN_MAX 256u

#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX     BIT(29)

/** A piece of guest memory. */
struct virtq_seg {
	gpa_t gpa;
	uint32_t len;
};

/** A copy of a descriptor chain: what the device may read, then what it may write. */
struct virtq_chain {
	uint16_t head;
	uint16_t n_read;      /* segments at the start that are device-readable */
	uint16_t n;	      /* segments in all */
	uint64_t read_bytes;  /* readable in all, at most 4 GiB together with write_bytes */
	uint64_t write_bytes; /* writable in all */
	struct virtq_seg segs[VIRTQUEUE_CHAIN_MAX];
};

/** One queue. Zero-initialise; the addresses are the driver's. */
struct virtqueue {
	uint16_t size;
	bool is_ready;
	gpa_t desc_gpa, avail_gpa, used_gpa;
	uint16_t avail_idx; /* next entry of the available ring to take */
	uint16_t used_idx;  /* next entry of the used ring to fill */
	uint16_t told_idx;  /* used_idx when the driver was last interrupted */
	uint16_t event_idx; /* avail_event as written last */
	bool is_event;	    /* event_idx is valid */
};

/** Saved state of one queue. */
#define VIRTQUEUE_STATE_BYTES (2 + 1 + 3 * 8 + 4 * 2 + 1)

enum virtq_result {
	VIRTQ_EMPTY,
	VIRTQ_CHAIN,
	VIRTQ_BROKEN, /* a violation: *ret_why says which */
};

/** @return NULL if the queue may be made ready, else what is wrong with size or addresses */
const char *virtqueue_check(const struct virtqueue *q, const struct mem *m);

/**
 * Copy the chain that is available next without taking it.
 * @param skip     look that many chains further; below the queue's size
 * @param features negotiated
 * @param ret      filled for VIRTQ_CHAIN; undefined otherwise
 */
enum virtq_result virtqueue_peek(struct virtqueue *q, struct mem *m, uint64_t features,
				 uint16_t skip, struct virtq_chain *ret, const char **ret_why);

/** Take @p n chains that virtqueue_peek() showed. */
void virtqueue_take(struct virtqueue *q, uint16_t n);

/** Copy the chain that starts at a descriptor taken earlier. @return NULL or the violation */
const char *virtqueue_chain(const struct virtqueue *q, const struct mem *m, uint64_t features,
			    uint16_t head, struct virtq_chain *ret);

/**
 * Fill in an entry of the used ring that the driver can't see yet.
 * @param skip    entries filled in before it since the last virtqueue_publish()
 * @param written bytes from the start of the writable part
 * @return false when the ring can't be written
 */
bool virtqueue_fill(struct virtqueue *q, struct mem *m, uint16_t skip, uint16_t head,
		    uint32_t written);

/** Show the driver @p n entries more. @return false when the ring can't be written */
bool virtqueue_publish(struct virtqueue *q, struct mem *m, uint16_t n);

/** Whether the driver wants an interrupt for what was published since the last one. */
bool virtqueue_wants_interrupt(struct virtqueue *q, const struct mem *m, uint64_t features);

/**
 * Copy out of the readable part of a chain.
 * @param offset from the start of the readable part; the range lies inside it
 * @return false when the guest has no such memory (the buffer may be changed in part)
 */
bool virtq_chain_read(const struct virtq_chain *c, struct mem *m, uint64_t offset, void *buf,
		      size_t len);

/** Copy into the writable part of a chain; like virtq_chain_read(). */
bool virtq_chain_write(const struct virtq_chain *c, struct mem *m, uint64_t offset, const void *buf,
		       size_t len);

/** @param to VIRTQUEUE_STATE_BYTES; moved on */
void virtqueue_save(const struct virtqueue *q, uint8_t **to);

/** @return whether the bytes can be a queue of at most @p size_max entries; fills @p q anyway */
bool virtqueue_load(struct virtqueue *q, const uint8_t **from, uint16_t size_max);

#endif
