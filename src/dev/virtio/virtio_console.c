/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio console device with one port and no further features. (Virtio 1.2, section 5.3)
 *
 * Output of any length goes out in pieces of bounded size. A chain that is not out yet stays in the
 * queue, and is looked at afresh for the next piece; tx_done says how much of it is out.
 */
#include "dev/virtio/virtio_console.h"

#include <stdlib.h>

#include "dev/virtio/bytes.h"

#define DEVICE_ID  3u
#define QUEUE_SIZE 64u

enum { QUEUE_RX, QUEUE_TX, QUEUE_COUNT };

/* What one call moves at most. */
#define PIECE_BYTES 256u
#define WORK_CHAINS 64u
#define WORK_BYTES  0x10000u

struct virtio_console {
	struct virtio v;
	struct chr_backend chr;
	uint64_t tx_done; /* bytes of the next chain to be sent that are out already */
	bool is_stalled;  /* there is output, and no room for it outside */
};

static struct virtio_console *to_console(struct virtio *v)
{
	return (struct virtio_console *)v;
}

/* Put out a piece of a chain; returns its size, 0 when nothing is left or the device is broken. */
static size_t piece_send(struct virtio_console *c, const struct virtq_chain *chain)
{
	uint8_t buf[PIECE_BYTES];
	uint64_t left;
	size_t n;

	/* The guest may have shortened the chain since the last piece. */
	left = c->tx_done < chain->read_bytes ? chain->read_bytes - c->tx_done : 0;
	n = left < sizeof(buf) ? (size_t)left : sizeof(buf);
	if (!virtio_chain_read(&c->v, chain, c->tx_done < chain->read_bytes ? c->tx_done : 0, buf,
			       n)) {
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		c->chr.put(c->chr.opaque, buf[i]);
	}
	c->tx_done += n;
	return n;
}

static bool has_room(struct virtio_console *c)
{
	return !c->chr.has_room || c->chr.has_room(c->chr.opaque);
}

static bool tx_work(struct virtio *v)
{
	struct virtio_console *c = to_console(v);
	struct virtq_chain chain;
	unsigned int chains = 0;
	size_t bytes = 0;

	while (chains < WORK_CHAINS && bytes < WORK_BYTES &&
	       virtio_chain_peek(v, QUEUE_TX, 0, &chain)) {
		size_t n;

		do {
			c->is_stalled = !has_room(c);
			n = c->is_stalled ? 0 : piece_send(c, &chain);
			bytes += n;
		} while (n && bytes < WORK_BYTES);
		if (v->why_broken || c->is_stalled || c->tx_done < chain.read_bytes) {
			break;
		}
		c->tx_done = 0;
		virtqueue_take(&v->queues[QUEUE_TX], 1);
		virtio_chain_done(v, QUEUE_TX, chain.head, 0);
		chains++;
	}
	virtio_queue_flush(v, QUEUE_TX);
	return chains == WORK_CHAINS || bytes >= WORK_BYTES;
}

/* Fill one buffer with what there is; returns its size, 0 when the device is broken. */
static size_t buffer_fill(struct virtio_console *c, const struct virtq_chain *chain)
{
	uint8_t buf[PIECE_BYTES];
	size_t n = 0;

	if (!chain->write_bytes) {
		virtio_break(&c->v, "a console input buffer without room");
		return 0;
	}
	while (n < sizeof(buf) && n < chain->write_bytes && c->chr.has(c->chr.opaque)) {
		int ch = c->chr.get(c->chr.opaque);

		if (ch < 0) {
			break;
		}
		buf[n++] = (uint8_t)ch;
	}
	return n && virtio_chain_write(&c->v, chain, 0, buf, n) ? n : 0;
}

static bool rx_work(struct virtio *v)
{
	struct virtio_console *c = to_console(v);
	struct virtq_chain chain;
	unsigned int chains = 0;
	size_t n = 1;

	while (n && chains < WORK_CHAINS && c->chr.has(c->chr.opaque) &&
	       virtio_chain_peek(v, QUEUE_RX, 0, &chain)) {
		n = buffer_fill(c, &chain);
		if (n) {
			virtqueue_take(&v->queues[QUEUE_RX], 1);
			virtio_chain_done(v, QUEUE_RX, chain.head, (uint32_t)n);
			chains++;
		}
	}
	if (chains) {
		virtio_queue_flush(v, QUEUE_RX);
	}
	return chains == WORK_CHAINS;
}

static bool console_work(struct virtio *v, unsigned int queue)
{
	return queue == QUEUE_TX ? tx_work(v) : rx_work(v);
}

/* Nobody notifies the device of input, or of room for output. */
static bool console_poll(struct virtio *v)
{
	struct virtio_console *c = to_console(v);

	if (c->is_stalled && has_room(c)) {
		virtio_notify(v, QUEUE_TX);
	}
	return rx_work(v) || v->waiting;
}

static void console_forget(struct virtio *v, unsigned int queue)
{
	if (queue == QUEUE_TX) {
		to_console(v)->tx_done = 0;
		to_console(v)->is_stalled = false;
	}
}

static void console_destroy(struct virtio *v)
{
	free(v);
}

static void console_save(const struct virtio *v, uint8_t *to)
{
	store_le(to, ((const struct virtio_console *)v)->tx_done, 8);
}

static bool console_load(struct virtio *v, const uint8_t *from, bool is_final)
{
	uint64_t tx_done = load_le(from, 8);

	if (is_final) {
		to_console(v)->tx_done = tx_done;
		to_console(v)->is_stalled = true; /* if it was not, there is nothing to be found */
	}
	return tx_done <= BIT(32);
}

static const struct virtio_ops console_ops = {
	.name = "virtio-console",
	.id = DEVICE_ID,
	.n_queues = QUEUE_COUNT,
	.queue_size = QUEUE_SIZE,
	.work = console_work,
	.poll = console_poll,
	.forget = console_forget,
	.destroy = console_destroy,
	.save = console_save,
	.load = console_load,
};

struct virtio_console *virtio_console_new(const struct chr_backend *chr)
{
	struct virtio_console *c = calloc(1, sizeof(*c));

	if (c) {
		c->chr = *chr;
		virtio_init(&c->v, &console_ops, 0);
	}
	return c;
}

struct virtio *virtio_console_virtio(struct virtio_console *c)
{
	return &c->v;
}
