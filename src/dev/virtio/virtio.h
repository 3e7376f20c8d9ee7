/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all virtio devices have in common, whatever they do and whatever carries them.
 *
 *	driver --registers--> transport --+--> struct virtio --table--> device --> back-end
 *	                                  |    status, features, queues
 *	driver <--interrupt-- transport <-+
 *
 * Two tables keep the sides apart: the transport knows a device as struct virtio_ops, the device
 * knows the transport as struct virtio_transport. (Virtio 1.2, sections 2 and 3)
 *
 * A driver that breaks a rule which the device depends on gets DEVICE_NEEDS_RESET and a device that
 * does nothing more until it is reset. Work that a driver orders is bounded per call; what is left
 * waits for virtio_poll().
 */
#ifndef PINFOLD_DEV_VIRTIO_VIRTIO_H
#define PINFOLD_DEV_VIRTIO_VIRTIO_H

#include "dev/device.h"
#include "dev/virtio/virtqueue.h"

#define VIRTIO_QUEUES_MAX      2u
#define VIRTIO_CONFIG_MAX      136u
#define VIRTIO_DEV_STATE_BYTES 64u /* what a device may add to a saved state */

#define VIRTIO_F_VERSION_1 BIT(32)

#define VIRTIO_STATUS_ACKNOWLEDGE 0x01u
#define VIRTIO_STATUS_DRIVER	  0x02u
#define VIRTIO_STATUS_DRIVER_OK	  0x04u
#define VIRTIO_STATUS_FEATURES_OK 0x08u
#define VIRTIO_STATUS_NEEDS_RESET 0x40u
#define VIRTIO_STATUS_FAILED	  0x80u

/** Why the driver is interrupted. */
enum virtio_cause { VIRTIO_CAUSE_QUEUE, VIRTIO_CAUSE_CONFIG };

struct virtio;

/** What a transport gives a device. */
struct virtio_transport {
	void *opaque;
	/** @param queue that has used buffers; 0 for VIRTIO_CAUSE_CONFIG */
	void (*interrupt)(void *opaque, enum virtio_cause cause, unsigned int queue);
};

/** What a device gives a transport; one const instance per model. */
struct virtio_ops {
	const char *name;
	uint32_t id;
	unsigned int n_queues;
	uint16_t queue_size; /* largest */
	/** Fill the configuration space; the rest of @p to is zero. */
	void (*config)(const struct virtio *v, uint8_t to[VIRTIO_CONFIG_MAX]);
	/** The driver writes a byte of it; NULL: it writes nothing. */
	void (*config_write)(struct virtio *v, uint64_t at, uint8_t byte);
	/**
	 * Do a bounded part of what waits in a queue.
	 * @return whether more could be done right now
	 */
	bool (*work)(struct virtio *v, unsigned int queue);
	/** Look at the back-end, bounded; NULL: nothing to look at. @return as for work() */
	bool (*poll)(struct virtio *v);
	/** Forget what was begun in a queue; the back-end may still finish it. NULL: nothing ever. */
	void (*forget)(struct virtio *v, unsigned int queue);
	void (*destroy)(struct virtio *v);
	/** VIRTIO_DEV_STATE_BYTES, zeroed before; NULL: no state of its own. */
	void (*save)(const struct virtio *v, uint8_t *to);
	/** @return whether the bytes are a state; if so and @p is_final it becomes the device's */
	bool (*load)(struct virtio *v, const uint8_t *from, bool is_final);
};

/** The common part; a device's struct begins with it. */
struct virtio {
	const struct virtio_ops *ops;
	struct virtio_transport transport;
	struct mem *mem;   /* NULL until virtio_mem_set() */
	uint64_t offered;  /* feature bits */
	uint64_t features; /* that the driver wrote; negotiated once FEATURES_OK is set */
	uint8_t status;
	uint8_t waiting; /* bit per queue: work() has more to do */
	uint32_t generation;
	const char *why_broken; /* static; NULL unless DEVICE_NEEDS_RESET */
	struct virtqueue queues[VIRTIO_QUEUES_MAX];
};

/** Saved state of the common part and the device. */
#define VIRTIO_STATE_BYTES \
	(8 + 1 + 1 + 4 + VIRTIO_QUEUES_MAX * VIRTQUEUE_STATE_BYTES + VIRTIO_DEV_STATE_BYTES)

/* For transports and boards. */

/** Say where guest memory is; before the first access of the guest. It stays with the caller. */
void virtio_mem_set(struct virtio *v, struct mem *m);

/** The driver writes the device status: 0 resets. */
void virtio_status_write(struct virtio *v, uint8_t status);

/** The driver writes 32 of its feature bits; ignored once FEATURES_OK is set. */
void virtio_features_write(struct virtio *v, uint32_t word_idx, uint32_t bits);

/**
 * @return the queue whose size and addresses the driver may change now; NULL when there is none, it
 *         is ready, or the device is live
 */
struct virtqueue *virtio_queue_open(struct virtio *v, uint32_t queue);

/** The driver makes a queue ready, or stops it. */
void virtio_queue_ready_write(struct virtio *v, uint32_t queue, bool is_ready);

/** The driver says that a queue has new buffers. */
void virtio_notify(struct virtio *v, uint32_t queue);

/** Do a bounded part of what waits. @return whether there is more that can be done right now */
bool virtio_poll(struct virtio *v);

/** @return whether virtio_poll() would find work that the driver ordered: don't sleep, call it */
bool virtio_is_waiting(const struct virtio *v);

/** @return why the device needs a reset, a static sentence for the log; NULL if it doesn't */
const char *virtio_why_broken(const struct virtio *v);

/** @param to VIRTIO_STATE_BYTES; moved on */
void virtio_save(const struct virtio *v, uint8_t **to);

/** @return false, and the device untouched, when the bytes can't be a state of it */
bool virtio_load(struct virtio *v, const uint8_t **from);

/* For devices. */

/** @param features offered beside those of all devices */
void virtio_init(struct virtio *v, const struct virtio_ops *ops, uint64_t features);

/** Whether the device may touch this queue. */
bool virtio_is_live(const struct virtio *v, unsigned int queue);

/** The driver broke a rule: the device stops. @param why static sentence */
void virtio_break(struct virtio *v, const char *why);

/**
 * The next chain of a queue, not taken yet. Breaks the device when the driver broke a rule.
 * @param skip see virtqueue_peek()
 * @return whether there is one
 */
bool virtio_chain_peek(struct virtio *v, unsigned int queue, uint16_t skip,
		       struct virtq_chain *ret);

/** Give a chain back. @param written bytes from the start of its writable part */
void virtio_chain_done(struct virtio *v, unsigned int queue, uint16_t head, uint32_t written);

/** virtq_chain_read(), breaking the device when it fails. */
bool virtio_chain_read(struct virtio *v, const struct virtq_chain *c, uint64_t offset, void *buf,
		       size_t len);

/** virtq_chain_write(), breaking the device when it fails. */
bool virtio_chain_write(struct virtio *v, const struct virtq_chain *c, uint64_t offset,
			const void *buf, size_t len);

/** Interrupt the driver if chains were given back and it wants to know. Once per batch. */
void virtio_queue_flush(struct virtio *v, unsigned int queue);

/** The configuration space has changed. */
void virtio_config_changed(struct virtio *v);

#endif
