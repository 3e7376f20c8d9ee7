/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio block device. (Virtio 1.2, section 5.2)
 *
 * A request of the driver, of any length that fits its queue, goes through one slot in chunks. A
 * chunk's data lies in the slot's buffer while the back-end has it, so that no thread but the
 * vCPU's touches guest memory and no request holds more than BLK_CHUNK_BYTES of ours:
 *
 *	FREE -> READY -> RUNNING -> READY ... -> FREE      (READY: a chunk may be submitted)
 *	                    |
 *	                    +-> STALE -> FREE              (the driver reset the device meanwhile)
 *
 * A saved state lists the requests in flight by their first descriptors. They start anew after it
 * is loaded: doing them twice gives the same bytes.
 */
#include "dev/virtio/virtio_blk.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bug.h"
#include "dev/virtio/bytes.h"

#define DEVICE_ID  2u
#define QUEUE_SIZE 256u

#define F_SEG_MAX      BIT(2)
#define F_RO	       BIT(5)
#define F_BLK_SIZE     BIT(6)
#define F_FLUSH	       BIT(9)
#define F_DISCARD      BIT(13)
#define F_WRITE_ZEROES BIT(14)

#define T_IN	       0u
#define T_OUT	       1u
#define T_FLUSH	       4u
#define T_GET_ID       8u
#define T_DISCARD      11u
#define T_WRITE_ZEROES 13u

#define S_OK	 0u
#define S_IOERR	 1u
#define S_UNSUPP 2u

#define HEADER_BYTES 16u
#define RANGE_BYTES  16u
#define RANGE_UNMAP  1u

/* What one call of work() starts at most: bounds the guest's hold on this thread. */
#define WORK_CHAINS 64u
#define WORK_BYTES  (8ULL * BLK_CHUNK_BYTES)

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_RUNNING, SLOT_STALE };

struct slot {
	struct blk_request request;
	enum slot_state state;
	uint64_t sector;     /* next to be done */
	uint64_t left_bytes; /* data that remains after the chunk in the buffer */
	uint64_t done_bytes;
	uint8_t *buf; /* allocated at first use */
	struct virtq_chain chain;
};

struct virtio_blk {
	struct virtio v;
	struct blk_backend be;
	uint8_t serial[BLK_SERIAL_BYTES];
	unsigned int n_in_flight; /* RUNNING and STALE */
	unsigned int n_again;	  /* heads of requests from a loaded state, to be started anew */
	uint16_t again[BLK_REQUESTS_MAX];
	struct slot slots[BLK_REQUESTS_MAX];
};

static struct virtio_blk *to_blk(struct virtio *v)
{
	return (struct virtio_blk *)v;
}

/* Give the request back with its status, which is the last byte of the writable part. */
static void finish(struct virtio_blk *b, const struct virtq_chain *c, uint8_t status,
		   uint64_t data_bytes)
{
	if (virtio_chain_write(&b->v, c, c->write_bytes - 1, &status, 1)) {
		virtio_chain_done(&b->v, 0, c->head, status == S_OK ? (uint32_t)data_bytes + 1 : 1);
	}
}

static void slot_finish(struct virtio_blk *b, struct slot *s, uint8_t status)
{
	finish(b, &s->chain, status, s->request.op == BLK_READ ? s->done_bytes : 0);
}

/* Data of the request that the back-end has, or had last. */
static uint32_t chunk_bytes(const struct slot *s)
{
	return s->request.data ? s->request.sectors * BLK_SECTOR_BYTES : 0;
}

static void chunk_done(struct virtio_blk *b, struct slot *s, int result)
{
	uint32_t bytes = chunk_bytes(s);

	s->state = SLOT_FREE;
	if (result < 0) {
		slot_finish(b, s, result == -ENOTSUP ? S_UNSUPP : S_IOERR);
		return;
	}
	if (s->request.op == BLK_READ &&
	    !virtio_chain_write(&b->v, &s->chain, s->done_bytes, s->buf, bytes)) {
		return; /* the device is broken */
	}
	s->sector += s->request.sectors;
	s->done_bytes += bytes;
	if (s->left_bytes) {
		s->state = SLOT_READY;
	} else {
		slot_finish(b, s, S_OK);
	}
}

/* Hand the next chunk to the back-end. */
static void slot_submit(struct virtio_blk *b, struct slot *s)
{
	struct blk_request *r = &s->request;
	int answer;

	if (r->op == BLK_READ || r->op == BLK_WRITE) {
		uint64_t n = s->left_bytes < BLK_CHUNK_BYTES ? s->left_bytes : BLK_CHUNK_BYTES;

		s->left_bytes -= n;
		r->sector = s->sector;
		r->sectors = (uint32_t)n / BLK_SECTOR_BYTES;
		r->data = s->buf;
		if (r->op == BLK_WRITE &&
		    !virtio_chain_read(&b->v, &s->chain, HEADER_BYTES + s->done_bytes, s->buf, n)) {
			return;
		}
	}
	s->state = SLOT_RUNNING;
	answer = b->be.submit(b->be.opaque, r);
	if (answer == BLK_STARTED) {
		b->n_in_flight++;
	} else {
		chunk_done(b, s, answer < 0 ? answer : 0);
	}
}

/* Whether the range lies on the disk. */
static bool is_on_disk(const struct virtio_blk *b, uint64_t sector, uint64_t sectors)
{
	return range_within(sector, sectors, 0, b->be.sectors);
}

/* Read or write: how much data there is decides how much is asked for. */
static uint8_t data_start(struct virtio_blk *b, struct slot *s, enum blk_op op, uint64_t sector)
{
	uint64_t bytes =
		op == BLK_READ ? s->chain.write_bytes - 1 : s->chain.read_bytes - HEADER_BYTES;

	if (bytes % BLK_SECTOR_BYTES || !is_on_disk(b, sector, bytes / BLK_SECTOR_BYTES) ||
	    (op == BLK_WRITE && b->be.is_ro)) {
		return S_IOERR;
	}
	if (!bytes) {
		return S_OK;
	}
	s->buf = s->buf ? s->buf : malloc(BLK_CHUNK_BYTES);
	if (!s->buf) {
		return S_IOERR;
	}
	s->request = (struct blk_request){ .op = op };
	s->sector = sector;
	s->left_bytes = bytes;
	s->state = SLOT_READY;
	return S_OK;
}

static uint8_t range_start(struct virtio_blk *b, struct slot *s, enum blk_op op)
{
	uint32_t flags_known = op == BLK_WRITE_ZEROES ? RANGE_UNMAP : 0;
	uint8_t range[RANGE_BYTES];
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;

	if (!b->be.can_discard) {
		return S_UNSUPP;
	}
	if (s->chain.read_bytes != HEADER_BYTES + RANGE_BYTES) {
		return S_IOERR; /* max_discard_seg and max_write_zeroes_seg are 1 */
	}
	if (!virtio_chain_read(&b->v, &s->chain, HEADER_BYTES, range, sizeof(range))) {
		return S_IOERR;
	}
	sector = load_le(range, 8);
	sectors = (uint32_t)load_le(range + 8, 4);
	flags = (uint32_t)load_le(range + 12, 4);
	if (flags & ~flags_known) {
		return S_UNSUPP;
	}
	if (!sectors || sectors > BLK_RANGE_SECTORS || !is_on_disk(b, sector, sectors)) {
		return S_IOERR;
	}
	s->request = (struct blk_request){
		.op = op, .may_unmap = flags & RANGE_UNMAP, .sector = sector, .sectors = sectors
	};
	s->state = SLOT_READY;
	return S_OK;
}

static uint8_t id_give(struct virtio_blk *b, const struct virtq_chain *c)
{
	uint64_t n = c->write_bytes - 1;

	n = n < BLK_SERIAL_BYTES ? n : BLK_SERIAL_BYTES;
	virtio_chain_write(&b->v, c, 0, b->serial, n);
	return S_OK;
}

/* Look at a request's header. Whatever is not in a slot after that is finished. */
static void request_start(struct virtio_blk *b, struct slot *s)
{
	uint8_t header[HEADER_BYTES];
	uint64_t data_bytes = 0;
	uint8_t status;

	if (s->chain.read_bytes < HEADER_BYTES || s->chain.write_bytes < 1) {
		virtio_break(&b->v, "a disk request without header or status");
		return;
	}
	if (!virtio_chain_read(&b->v, &s->chain, 0, header, sizeof(header))) {
		return;
	}
	s->done_bytes = 0;
	s->left_bytes = 0;
	switch (load_le(header, 4)) {
	case T_IN:
		status = data_start(b, s, BLK_READ, load_le(header + 8, 8));
		break;
	case T_OUT:
		status = data_start(b, s, BLK_WRITE, load_le(header + 8, 8));
		break;
	case T_FLUSH:
		s->request = (struct blk_request){ .op = BLK_FLUSH };
		s->state = SLOT_READY;
		status = S_OK;
		break;
	case T_GET_ID:
		status = id_give(b, &s->chain);
		data_bytes = s->chain.write_bytes - 1;
		data_bytes = data_bytes < BLK_SERIAL_BYTES ? data_bytes : BLK_SERIAL_BYTES;
		break;
	case T_DISCARD:
		status = range_start(b, s, BLK_DISCARD);
		break;
	case T_WRITE_ZEROES:
		status = range_start(b, s, BLK_WRITE_ZEROES);
		break;
	default:
		status = S_UNSUPP;
		break;
	}
	if (s->state == SLOT_FREE && !b->v.why_broken) {
		finish(b, &s->chain, status, data_bytes);
	}
}

static struct slot *slot_find(struct virtio_blk *b, enum slot_state state)
{
	for (unsigned int i = 0; i < BLK_REQUESTS_MAX; i++) {
		if (b->slots[i].state == state) {
			return &b->slots[i];
		}
	}
	return NULL;
}

/* The next request, from a loaded state or from the queue, into a free slot. */
static bool request_next(struct virtio_blk *b, struct slot *s)
{
	const char *why;

	if (!b->n_again) {
		if (!virtio_chain_peek(&b->v, 0, 0, &s->chain)) {
			return false;
		}
		virtqueue_take(&b->v.queues[0], 1);
		return true;
	}
	why = virtqueue_chain(&b->v.queues[0], b->v.mem, b->v.features, b->again[0], &s->chain);
	if (why) {
		virtio_break(&b->v, why);
		return false;
	}
	b->n_again--;
	memmove(b->again, b->again + 1, b->n_again * sizeof(b->again[0]));
	return true;
}

static bool blk_work(struct virtio *v, unsigned int queue)
{
	struct virtio_blk *b = to_blk(v);
	unsigned int chains = 0;
	uint64_t bytes = 0;
	bool has_more = false;

	while (virtio_is_live(v, queue)) {
		struct slot *s = slot_find(b, SLOT_READY);

		if (chains == WORK_CHAINS || bytes >= WORK_BYTES) {
			has_more = true;
			break;
		}
		if (s) {
			slot_submit(b, s);
			bytes += chunk_bytes(s);
			continue;
		}
		s = slot_find(b, SLOT_FREE);
		if (!s || !request_next(b, s)) {
			break;
		}
		request_start(b, s);
		chains++;
	}
	virtio_queue_flush(v, queue);
	return has_more;
}

/* Nobody notifies the device of what a loaded state left to do. */
static bool blk_poll(struct virtio *v)
{
	if (to_blk(v)->n_again) {
		virtio_notify(v, 0);
	}
	return v->waiting;
}

void virtio_blk_complete(struct virtio_blk *b, struct blk_request *r, int result)
{
	struct slot *s = (struct slot *)r;

	_Static_assert(offsetof(struct slot, request) == 0, "a request is the start of its slot");
	BUG_ON(s < b->slots || s >= b->slots + BLK_REQUESTS_MAX);
	BUG_ON(s->state != SLOT_RUNNING && s->state != SLOT_STALE);
	b->n_in_flight--;
	if (s->state == SLOT_STALE) {
		s->state = SLOT_FREE;
	} else {
		chunk_done(b, s, result);
	}
	virtio_notify(&b->v, 0); /* the next chunk, or a request that found no slot */
}

unsigned int virtio_blk_in_flight(const struct virtio_blk *b)
{
	return b->n_in_flight;
}

static void blk_forget(struct virtio *v, unsigned int queue)
{
	struct virtio_blk *b = to_blk(v);

	(void)queue;
	b->n_again = 0;
	for (unsigned int i = 0; i < BLK_REQUESTS_MAX; i++) {
		struct slot *s = &b->slots[i];

		if (s->state == SLOT_RUNNING) {
			s->state = SLOT_STALE;
		} else if (s->state == SLOT_READY) {
			s->state = SLOT_FREE;
		}
	}
}

static void blk_config(const struct virtio *v, uint8_t *to)
{
	const struct virtio_blk *b = (const struct virtio_blk *)v;

	store_le(to, b->be.sectors, 8);
	store_le(to + 12, QUEUE_SIZE - 2, 4); /* seg_max: all but header and status */
	store_le(to + 20, BLK_SECTOR_BYTES, 4);
	if (b->be.can_discard) {
		store_le(to + 36, BLK_RANGE_SECTORS, 4); /* discard: sectors, ranges, alignment */
		store_le(to + 40, 1, 4);
		store_le(to + 44, 1, 4);
		store_le(to + 48, BLK_RANGE_SECTORS, 4); /* write zeroes: sectors, ranges */
		store_le(to + 52, 1, 4);
		to[56] = 1; /* may unmap */
	}
}

static void blk_destroy(struct virtio *v)
{
	struct virtio_blk *b = to_blk(v);

	for (unsigned int i = 0; i < BLK_REQUESTS_MAX; i++) {
		free(b->slots[i].buf);
	}
	free(b);
}

static void blk_save(const struct virtio *v, uint8_t *to)
{
	const struct virtio_blk *b = (const struct virtio_blk *)v;
	uint8_t *n = to++;

	for (unsigned int i = 0; i < b->n_again; i++, ++*n) {
		bytes_put(&to, b->again[i], 2);
	}
	for (unsigned int i = 0; i < BLK_REQUESTS_MAX; i++) {
		enum slot_state state = b->slots[i].state;

		if (state == SLOT_RUNNING || state == SLOT_READY) {
			bytes_put(&to, b->slots[i].chain.head, 2);
			++*n;
		}
	}
}

static bool blk_load(struct virtio *v, const uint8_t *from, bool is_final)
{
	struct virtio_blk *b = to_blk(v);
	unsigned int n = *from++;

	_Static_assert(1 + BLK_REQUESTS_MAX * 2 <= VIRTIO_DEV_STATE_BYTES, "state layout");
	if (n > BLK_REQUESTS_MAX) {
		return false;
	}
	if (is_final) {
		b->n_again = n;
		for (unsigned int i = 0; i < n; i++) {
			b->again[i] = (uint16_t)bytes_take(&from, 2);
		}
	}
	return true;
}

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.id = DEVICE_ID,
	.n_queues = 1,
	.queue_size = QUEUE_SIZE,
	.config = blk_config,
	.work = blk_work,
	.poll = blk_poll,
	.forget = blk_forget,
	.destroy = blk_destroy,
	.save = blk_save,
	.load = blk_load,
};

struct virtio_blk *virtio_blk_new(const struct blk_backend *be)
{
	struct virtio_blk *b = calloc(1, sizeof(*b));
	uint64_t features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH;

	if (!b) {
		return NULL;
	}
	b->be = *be;
	b->be.can_discard = be->can_discard && !be->is_ro;
	if (be->serial) {
		memcpy(b->serial, be->serial, strnlen(be->serial, BLK_SERIAL_BYTES));
	}
	features |= be->is_ro ? F_RO : 0;
	features |= b->be.can_discard ? F_DISCARD | F_WRITE_ZEROES : 0;
	virtio_init(&b->v, &blk_ops, features);
	return b;
}

struct virtio *virtio_blk_virtio(struct virtio_blk *b)
{
	return &b->v;
}
