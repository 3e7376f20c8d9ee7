/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio network device. (Virtio 1.2, section 5.1)
 *
 * Every frame has a header of 12 bytes in front. With VIRTIO_NET_F_MRG_RXBUF a received frame may
 * lie in several buffers, whose number the header of the first says; the driver sees all of them or
 * none. What a header asks for is ignored: no offload is offered.
 */
#include "dev/virtio/virtio_net.h"

#include <errno.h>
#include <stdlib.h>

#include "dev/virtio/bytes.h"

#define DEVICE_ID  1u
#define QUEUE_SIZE 256u

enum { QUEUE_RX, QUEUE_TX, QUEUE_COUNT };

#define F_MAC	    BIT(5)
#define F_MRG_RXBUF BIT(15)
#define F_STATUS    BIT(16)

#define STATUS_LINK_UP 1u

#define HEADER_BYTES	   12u
#define HEADER_NUM_BUFFERS 10u

/* What one call of work() sends at most. */
#define WORK_FRAMES 64u
#define WORK_BYTES  0x40000u

struct virtio_net {
	struct virtio v;
	struct net_backend be;
	uint8_t mac[NET_MAC_BYTES];
	bool is_up;
	uint8_t tx[NET_FRAME_BYTES_MAX];
};

static struct virtio_net *to_net(struct virtio *v)
{
	return (struct virtio_net *)v;
}

/* Send one frame; returns how much work it was. */
static size_t frame_send(struct virtio_net *n, const struct virtq_chain *c)
{
	size_t len;

	if (c->read_bytes < HEADER_BYTES) {
		virtio_break(&n->v, "a frame to be sent without its header");
		return 0;
	}
	len = (size_t)(c->read_bytes - HEADER_BYTES);
	if (len >= NET_FRAME_BYTES_MIN && len <= NET_FRAME_BYTES_MAX && n->is_up) {
		if (!virtio_chain_read(&n->v, c, HEADER_BYTES, n->tx, len)) {
			return 0;
		}
		n->be.send(n->be.opaque, n->tx, len);
	} else {
		len = 0;
	}
	if (!n->v.why_broken) { /* by a frame that came back during send() */
		virtio_chain_done(&n->v, QUEUE_TX, c->head, 0);
	}
	return len;
}

static bool tx_work(struct virtio *v)
{
	struct virtq_chain c;
	unsigned int frames = 0;
	size_t bytes = 0;

	while (frames < WORK_FRAMES && bytes < WORK_BYTES &&
	       virtio_chain_peek(v, QUEUE_TX, 0, &c)) {
		virtqueue_take(&v->queues[QUEUE_TX], 1);
		bytes += frame_send(to_net(v), &c);
		frames++;
	}
	virtio_queue_flush(v, QUEUE_TX);
	return frames == WORK_FRAMES || bytes >= WORK_BYTES;
}

static bool net_work(struct virtio *v, unsigned int queue)
{
	struct virtio_net *n = to_net(v);

	if (queue == QUEUE_TX) {
		return tx_work(v);
	}
	if (n->be.ready) {
		n->be.ready(n->be.opaque);
	}
	return false;
}

/* What is still to be put into receive buffers, and where it got to. */
struct rx {
	uint8_t header[HEADER_BYTES];
	const uint8_t *frame;
	size_t left; /* of the frame */
	uint16_t n_buffers;
};

/* Put into one buffer what fits; false: the device is broken. */
static bool rx_fill(struct virtio_net *n, struct rx *rx, const struct virtq_chain *c)
{
	struct virtqueue *q = &n->v.queues[QUEUE_RX];
	uint64_t at = rx->n_buffers ? 0 : HEADER_BYTES;
	uint64_t room = c->write_bytes - at;
	size_t step = room < rx->left ? (size_t)room : rx->left;

	if (!virtio_chain_write(&n->v, c, at, rx->frame, step)) {
		return false;
	}
	if (!virtqueue_fill(q, n->v.mem, rx->n_buffers, c->head, (uint32_t)(at + step))) {
		virtio_break(&n->v, "a used ring can't be written");
		return false;
	}
	rx->frame += step;
	rx->left -= step;
	rx->n_buffers++;
	return true;
}

/* The header comes last, when the number of buffers is known. */
static bool rx_finish(struct virtio_net *n, struct rx *rx, const struct virtq_chain *first)
{
	struct virtqueue *q = &n->v.queues[QUEUE_RX];

	store_le(rx->header + HEADER_NUM_BUFFERS, rx->n_buffers, 2);
	if (!virtio_chain_write(&n->v, first, 0, rx->header, HEADER_BYTES)) {
		return false;
	}
	virtqueue_take(q, rx->n_buffers);
	if (!virtqueue_publish(q, n->v.mem, rx->n_buffers)) {
		virtio_break(&n->v, "a used ring can't be written");
		return false;
	}
	virtio_queue_flush(&n->v, QUEUE_RX);
	return true;
}

bool virtio_net_receive(struct virtio_net *n, const uint8_t *frame, size_t len)
{
	struct rx rx = { .frame = frame, .left = len };
	bool is_mergeable = n->v.features & F_MRG_RXBUF;
	struct virtq_chain first;
	struct virtq_chain c;

	if (!n->is_up || len > NET_FRAME_BYTES_MAX) {
		return true;
	}
	if (!virtio_chain_peek(&n->v, QUEUE_RX, 0, &first)) {
		return false;
	}
	if (first.write_bytes < HEADER_BYTES) {
		virtio_break(&n->v, "a receive buffer too small for a header");
		return false;
	}
	if (!is_mergeable && first.write_bytes - HEADER_BYTES < len) {
		return true; /* it would not fit the next one either */
	}
	if (!rx_fill(n, &rx, &first)) {
		return false;
	}
	while (rx.left) {
		/* All the queue is not enough: no later buffer will help. */
		if (rx.n_buffers == n->v.queues[QUEUE_RX].size) {
			return true;
		}
		if (!virtio_chain_peek(&n->v, QUEUE_RX, rx.n_buffers, &c) || !rx_fill(n, &rx, &c)) {
			return false;
		}
	}
	return rx_finish(n, &rx, &first);
}

void virtio_net_link_set(struct virtio_net *n, bool is_up)
{
	if (n->is_up != is_up) {
		n->is_up = is_up;
		virtio_config_changed(&n->v);
	}
}

static void net_config(const struct virtio *v, uint8_t *to)
{
	const struct virtio_net *n = (const struct virtio_net *)v;

	memcpy(to, n->mac, NET_MAC_BYTES);
	store_le(to + NET_MAC_BYTES, n->is_up ? STATUS_LINK_UP : 0, 2);
}

static void net_destroy(struct virtio *v)
{
	free(v);
}

static void net_save(const struct virtio *v, uint8_t *to)
{
	*to = ((const struct virtio_net *)v)->is_up;
}

static bool net_load(struct virtio *v, const uint8_t *from, bool is_final)
{
	if (is_final) {
		to_net(v)->is_up = *from;
	}
	return *from <= 1;
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.id = DEVICE_ID,
	.n_queues = QUEUE_COUNT,
	.queue_size = QUEUE_SIZE,
	.config = net_config,
	.work = net_work,
	.destroy = net_destroy,
	.save = net_save,
	.load = net_load,
};

struct virtio_net *virtio_net_new(const struct net_backend *be, const uint8_t mac[NET_MAC_BYTES])
{
	struct virtio_net *n = calloc(1, sizeof(*n));

	if (n) {
		n->be = *be;
		n->is_up = true;
		memcpy(n->mac, mac, NET_MAC_BYTES);
		virtio_init(&n->v, &net_ops, F_MAC | F_MRG_RXBUF | F_STATUS);
	}
	return n;
}

struct virtio *virtio_net_virtio(struct virtio_net *n)
{
	return &n->v;
}
