/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device status, features and queues. (Virtio 1.2, sections 2.1 to 2.7 and 3)
 *
 * Features freeze at FEATURES_OK; a queue's registers freeze when it is ready and all of them at
 * DRIVER_OK. Only a reset goes back: status bits that a driver leaves out stay set.
 */
#include "dev/virtio/virtio.h"

#include "base/bug.h"
#include "dev/virtio/bytes.h"

#define STATUS_DRIVERS                                                                \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | \
	 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED)
#define STATUS_ALL (STATUS_DRIVERS | VIRTIO_STATUS_NEEDS_RESET)

void virtio_init(struct virtio *v, const struct virtio_ops *ops, uint64_t features)
{
	BUG_ON(ops->n_queues > VIRTIO_QUEUES_MAX || ops->queue_size > VIRTQUEUE_SIZE_MAX);
	v->ops = ops;
	v->offered = features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
}

void virtio_mem_set(struct virtio *v, struct mem *m)
{
	v->mem = m;
}

const char *virtio_why_broken(const struct virtio *v)
{
	return v->why_broken;
}

static void queue_forget(struct virtio *v, unsigned int queue)
{
	v->waiting &= (uint8_t) ~(1u << queue);
	if (v->ops->forget) {
		v->ops->forget(v, queue);
	}
}

static void queues_forget(struct virtio *v)
{
	for (unsigned int i = 0; i < v->ops->n_queues; i++) {
		queue_forget(v, i);
	}
}

static void interrupt(struct virtio *v, enum virtio_cause cause, unsigned int queue)
{
	if (v->transport.interrupt) {
		v->transport.interrupt(v->transport.opaque, cause, queue);
	}
}

void virtio_break(struct virtio *v, const char *why)
{
	if (v->why_broken) {
		return;
	}
	v->why_broken = why;
	v->status |= VIRTIO_STATUS_NEEDS_RESET;
	queues_forget(v);
	if (v->status & VIRTIO_STATUS_DRIVER_OK) {
		interrupt(v, VIRTIO_CAUSE_CONFIG, 0);
	}
}

static bool is_going(const struct virtio *v)
{
	return (v->status & STATUS_ALL & ~(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)) ==
	       (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK);
}

bool virtio_is_live(const struct virtio *v, unsigned int queue)
{
	return is_going(v) && v->queues[queue].is_ready;
}

static void reset(struct virtio *v)
{
	queues_forget(v);
	memset(v->queues, 0, sizeof(v->queues));
	v->features = 0;
	v->status = 0;
	v->why_broken = NULL;
}

static bool is_acceptable(const struct virtio *v, uint64_t features)
{
	return !(features & ~v->offered) && features & VIRTIO_F_VERSION_1;
}

void virtio_status_write(struct virtio *v, uint8_t status)
{
	uint8_t more = status & STATUS_DRIVERS & (uint8_t)~v->status;

	if (!status) {
		reset(v);
		return;
	}
	if (more & VIRTIO_STATUS_FEATURES_OK && !is_acceptable(v, v->features)) {
		more &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK; /* the driver reads that back */
	}
	v->status |= more;
	if (!(more & VIRTIO_STATUS_DRIVER_OK)) {
		return;
	}
	if (!(v->status & VIRTIO_STATUS_FEATURES_OK)) {
		virtio_break(v, "DRIVER_OK without FEATURES_OK");
		return;
	}
	if (is_going(v)) { /* a driver may have filled its queues already */
		v->waiting = (uint8_t)(BIT(v->ops->n_queues) - 1);
	}
}

void virtio_features_write(struct virtio *v, uint32_t word_idx, uint32_t bits)
{
	unsigned int shift = word_idx * 32;

	if (word_idx > 1 || v->status & VIRTIO_STATUS_FEATURES_OK) {
		return;
	}
	v->features = (v->features & ~(0xffffffffULL << shift)) | (uint64_t)bits << shift;
}

struct virtqueue *virtio_queue_open(struct virtio *v, uint32_t queue)
{
	if (queue >= v->ops->n_queues || v->queues[queue].is_ready ||
	    v->status & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET)) {
		return NULL;
	}
	return &v->queues[queue];
}

void virtio_queue_ready_write(struct virtio *v, uint32_t queue, bool is_ready)
{
	struct virtqueue *q;
	const char *why;

	if (!is_ready) {
		if (queue < v->ops->n_queues && v->queues[queue].is_ready) {
			queue_forget(v, queue);
			memset(&v->queues[queue], 0, sizeof(v->queues[queue]));
		}
		return;
	}
	q = virtio_queue_open(v, queue);
	if (!q) {
		return;
	}
	why = !v->mem			     ? "a queue before there is memory"
	      : q->size > v->ops->queue_size ? "a queue larger than the device offers"
					     : virtqueue_check(q, v->mem);
	if (why) {
		virtio_break(v, why);
		return;
	}
	q->is_ready = true;
}

static bool work(struct virtio *v, unsigned int queue)
{
	uint8_t bit = (uint8_t)(1u << queue);

	v->waiting &= (uint8_t)~bit;
	if (!virtio_is_live(v, queue) || !v->ops->work(v, queue) || v->why_broken) {
		return false;
	}
	v->waiting |= bit;
	return true;
}

void virtio_notify(struct virtio *v, uint32_t queue)
{
	if (queue < v->ops->n_queues) {
		work(v, queue);
	}
}

bool virtio_is_waiting(const struct virtio *v)
{
	for (unsigned int i = 0; i < v->ops->n_queues; i++) {
		if (v->waiting & 1u << i && virtio_is_live(v, i)) {
			return true;
		}
	}
	return false;
}

bool virtio_poll(struct virtio *v)
{
	bool has_more = false;

	for (unsigned int i = 0; i < v->ops->n_queues; i++) {
		if (v->waiting & 1u << i) {
			has_more |= work(v, i);
		}
	}
	if (v->ops->poll && is_going(v)) {
		has_more |= v->ops->poll(v);
	}
	return has_more;
}

bool virtio_chain_peek(struct virtio *v, unsigned int queue, uint16_t skip, struct virtq_chain *ret)
{
	const char *why;

	if (!virtio_is_live(v, queue)) {
		return false;
	}
	switch (virtqueue_peek(&v->queues[queue], v->mem, v->features, skip, ret, &why)) {
	case VIRTQ_CHAIN:
		return true;
	case VIRTQ_BROKEN:
		virtio_break(v, why);
		return false;
	default:
		return false;
	}
}

void virtio_chain_done(struct virtio *v, unsigned int queue, uint16_t head, uint32_t written)
{
	struct virtqueue *q = &v->queues[queue];

	if (!virtqueue_fill(q, v->mem, 0, head, written) || !virtqueue_publish(q, v->mem, 1)) {
		virtio_break(v, "a used ring can't be written");
	}
}

bool virtio_chain_read(struct virtio *v, const struct virtq_chain *c, uint64_t offset, void *buf,
		       size_t len)
{
	if (!virtq_chain_read(c, v->mem, offset, buf, len)) {
		virtio_break(v, "a readable buffer lies outside memory");
		return false;
	}
	return true;
}

bool virtio_chain_write(struct virtio *v, const struct virtq_chain *c, uint64_t offset,
			const void *buf, size_t len)
{
	if (!virtq_chain_write(c, v->mem, offset, buf, len)) {
		virtio_break(v, "a writable buffer lies outside memory");
		return false;
	}
	return true;
}

void virtio_queue_flush(struct virtio *v, unsigned int queue)
{
	if (virtio_is_live(v, queue) &&
	    virtqueue_wants_interrupt(&v->queues[queue], v->mem, v->features)) {
		interrupt(v, VIRTIO_CAUSE_QUEUE, queue);
	}
}

void virtio_config_changed(struct virtio *v)
{
	v->generation++;
	if (v->status & VIRTIO_STATUS_DRIVER_OK) {
		interrupt(v, VIRTIO_CAUSE_CONFIG, 0);
	}
}

void virtio_save(const struct virtio *v, uint8_t **to)
{
	bytes_put(to, v->features, 8);
	bytes_put(to, v->status, 1);
	bytes_put(to, v->waiting, 1);
	bytes_put(to, v->generation, 4);
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		virtqueue_save(&v->queues[i], to);
	}
	memset(*to, 0, VIRTIO_DEV_STATE_BYTES);
	if (v->ops->save) {
		v->ops->save(v, *to);
	}
	*to += VIRTIO_DEV_STATE_BYTES;
}

static bool is_possible(const struct virtio *v)
{
	bool is_negotiated = v->status & VIRTIO_STATUS_FEATURES_OK;
	bool is_driven = v->status & VIRTIO_STATUS_DRIVER_OK;
	bool is_broken = v->status & VIRTIO_STATUS_NEEDS_RESET;

	return !(v->status & ~STATUS_ALL) && !(v->waiting >> v->ops->n_queues) &&
	       (!is_negotiated || is_acceptable(v, v->features)) &&
	       (!is_driven || is_negotiated || is_broken) && !(is_broken && v->waiting);
}

bool virtio_load(struct virtio *v, const uint8_t **from)
{
	struct virtio t = *v;
	bool is_right = true;

	t.features = bytes_take(from, 8);
	t.status = (uint8_t)bytes_take(from, 1);
	t.waiting = (uint8_t)bytes_take(from, 1);
	t.generation = (uint32_t)bytes_take(from, 4);
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		is_right &= i < v->ops->n_queues || bytes_are_zero(*from, VIRTQUEUE_STATE_BYTES);
		is_right &= virtqueue_load(&t.queues[i], from, v->ops->queue_size);
	}
	is_right &= v->ops->load ? v->ops->load(v, *from, false)
				 : bytes_are_zero(*from, VIRTIO_DEV_STATE_BYTES);
	if (!is_right || !is_possible(&t)) {
		return false;
	}
	queues_forget(v);
	t.why_broken = t.status & VIRTIO_STATUS_NEEDS_RESET
			       ? "it needed a reset when its state was saved"
			       : NULL;
	*v = t;
	if (v->ops->load) {
		v->ops->load(v, *from, true);
	}
	*from += VIRTIO_DEV_STATE_BYTES;
	return true;
}
