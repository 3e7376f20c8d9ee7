/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio entropy device. (Virtio 1.2, section 5.4) A buffer gets at most CHAIN_BYTES, which the
 * specification allows, and one call serves WORK_CHAINS buffers. */
#include "dev/virtio/virtio_rng.h"

#include <stdlib.h>

#define DEVICE_ID   4u
#define QUEUE_SIZE  64u
#define CHAIN_BYTES 1024u
#define WORK_CHAINS 16u

struct virtio_rng {
	struct virtio v;
	struct entropy_backend be;
};

static void chain_serve(struct virtio_rng *r, const struct virtq_chain *c)
{
	uint8_t buf[CHAIN_BYTES];
	size_t n = c->write_bytes < sizeof(buf) ? c->write_bytes : sizeof(buf);

	if (c->read_bytes || !n) {
		virtio_break(&r->v, "an entropy request that is not for writing");
		return;
	}
	r->be.fill(r->be.opaque, buf, n);
	if (virtio_chain_write(&r->v, c, 0, buf, n)) {
		virtio_chain_done(&r->v, 0, c->head, (uint32_t)n);
	}
}

static bool rng_work(struct virtio *v, unsigned int queue)
{
	struct virtq_chain c;
	unsigned int n = 0;

	while (n < WORK_CHAINS && virtio_chain_peek(v, queue, 0, &c)) {
		virtqueue_take(&v->queues[queue], 1);
		chain_serve((struct virtio_rng *)v, &c);
		n++;
	}
	virtio_queue_flush(v, queue);
	return n == WORK_CHAINS;
}

static void rng_destroy(struct virtio *v)
{
	free(v);
}

static const struct virtio_ops rng_ops = {
	.name = "virtio-rng",
	.id = DEVICE_ID,
	.n_queues = 1,
	.queue_size = QUEUE_SIZE,
	.work = rng_work,
	.destroy = rng_destroy,
};

struct virtio_rng *virtio_rng_new(const struct entropy_backend *be)
{
	struct virtio_rng *r = calloc(1, sizeof(*r));

	if (r) {
		r->be = *be;
		virtio_init(&r->v, &rng_ops, 0);
	}
	return r;
}

struct virtio *virtio_rng_virtio(struct virtio_rng *r)
{
	return &r->v;
}
