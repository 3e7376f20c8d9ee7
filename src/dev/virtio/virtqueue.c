/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues. (Virtio 1.2, section 2.7)
 *
 *	descriptor table   16 bytes each: address 8, length 4, flags 2, next 2
 *	available ring     flags 2, idx 2, heads 2 each, used_event 2
 *	used ring          flags 2, idx 2, entries of head 4 and length 4, avail_event 2
 *
 * Every loop is bounded: a chain by its descriptors, which are counted, never by what they say.
 */
#include "dev/virtio/virtqueue.h"

#include <stdatomic.h>

#include "base/bug.h"
#include "dev/virtio/bytes.h"

#define DESC_BYTES    16u
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_NO_INTERRUPT 1u

#define RING_IDX     2u
#define RING_ENTRIES 4u
#define AVAIL_ENTRY  2u
#define USED_ENTRY   8u

struct desc {
	gpa_t gpa;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

/** Where a walk along a chain is. */
struct walk {
	gpa_t table_gpa;
	uint32_t table_n;
	bool is_indirect;
	bool has_indirect; /* the driver may use them */
};

static bool is_wrapping(gpa_t gpa, uint64_t len)
{
	return gpa + len < gpa;
}

/* What can be judged without looking at memory. */
static const char *check_shape(const struct virtqueue *q)
{
	if (q->size < 1 || q->size > VIRTQUEUE_SIZE_MAX || q->size & (q->size - 1)) {
		return "the size of a queue is no power of two, or too large";
	}
	if (q->desc_gpa % DESC_BYTES || q->avail_gpa % 2 || q->used_gpa % 4) {
		return "a part of a queue is not aligned";
	}
	if (is_wrapping(q->desc_gpa, (uint64_t)q->size * DESC_BYTES) ||
	    is_wrapping(q->avail_gpa, 6 + (uint64_t)q->size * AVAIL_ENTRY) ||
	    is_wrapping(q->used_gpa, 6 + (uint64_t)q->size * USED_ENTRY)) {
		return "a part of a queue wraps around the end of memory";
	}
	return NULL;
}

const char *virtqueue_check(const struct virtqueue *q, const struct mem *m)
{
	const char *why = check_shape(q);

	if (why) {
		return why;
	}
	if (!mem_allows(m, q->desc_gpa, (uint64_t)q->size * DESC_BYTES, MEM_R) ||
	    !mem_allows(m, q->avail_gpa, 6 + (uint64_t)q->size * AVAIL_ENTRY, MEM_R) ||
	    !mem_allows(m, q->used_gpa, 6 + (uint64_t)q->size * USED_ENTRY, MEM_W)) {
		return "a part of a queue lies outside memory";
	}
	return NULL;
}

static bool read_le16(const struct mem *m, gpa_t gpa, uint16_t *ret)
{
	uint8_t b[2];

	if (!mem_read(m, gpa, b, sizeof(b), NULL)) {
		return false;
	}
	*ret = (uint16_t)load_le(b, 2);
	return true;
}

static bool write_le16(struct mem *m, gpa_t gpa, uint16_t v)
{
	uint8_t b[2];

	store_le(b, v, 2);
	return mem_write(m, gpa, b, sizeof(b), NULL);
}

static bool read_desc(const struct mem *m, const struct walk *w, uint32_t idx, struct desc *ret)
{
	uint8_t b[DESC_BYTES];

	if (!mem_read(m, w->table_gpa + (uint64_t)idx * DESC_BYTES, b, sizeof(b), NULL)) {
		return false;
	}
	ret->gpa = load_le(b, 8);
	ret->len = (uint32_t)load_le(b + 8, 4);
	ret->flags = (uint16_t)load_le(b + 12, 2);
	ret->next = (uint16_t)load_le(b + 14, 2);
	return true;
}

static const char *enter_table(struct walk *w, const struct desc *d)
{
	if (!w->has_indirect) {
		return "an indirect table without VIRTIO_F_INDIRECT_DESC";
	}
	if (w->is_indirect) {
		return "an indirect table inside an indirect table";
	}
	if (d->flags & DESC_NEXT) {
		return "a descriptor is indirect and has a next one";
	}
	if (!d->len || d->len % DESC_BYTES) {
		return "the length of an indirect table is no multiple of a descriptor";
	}
	if (is_wrapping(d->gpa, d->len)) {
		return "an indirect table wraps around the end of memory";
	}
	w->is_indirect = true;
	w->table_gpa = d->gpa;
	w->table_n = d->len / DESC_BYTES;
	return NULL;
}

static const char *add_seg(struct virtq_chain *c, const struct desc *d)
{
	if (c->n == VIRTQUEUE_CHAIN_MAX) {
		return "a chain of descriptors is too long or a loop";
	}
	if (is_wrapping(d->gpa, d->len)) {
		return "a buffer wraps around the end of memory";
	}
	if (d->flags & DESC_WRITE) {
		c->write_bytes += d->len;
	} else if (c->n_read < c->n) {
		return "a readable buffer behind a writable one";
	} else {
		c->n_read++;
		c->read_bytes += d->len;
	}
	if (c->read_bytes + c->write_bytes > BIT(32)) {
		return "a chain of descriptors is longer than 4 GiB";
	}
	c->segs[c->n++] = (struct virtq_seg){ d->gpa, d->len };
	return NULL;
}

const char *virtqueue_chain(const struct virtqueue *q, const struct mem *m, uint64_t features,
			    uint16_t head, struct virtq_chain *ret)
{
	struct walk w = { q->desc_gpa, q->size, false, features & VIRTIO_F_INDIRECT_DESC };
	uint32_t idx = head;
	const char *why;
	struct desc d;

	ret->head = head;
	ret->n_read = 0;
	ret->n = 0;
	ret->read_bytes = 0;
	ret->write_bytes = 0;
	for (;;) { /* each turn adds a segment, of which there is an end, or enters the one table */
		if (idx >= w.table_n) {
			return "an index behind the end of the descriptor table";
		}
		if (!read_desc(m, &w, idx, &d)) {
			return "a descriptor outside memory";
		}
		if (d.flags & DESC_INDIRECT) {
			why = enter_table(&w, &d);
			idx = 0;
		} else {
			why = add_seg(ret, &d);
			idx = d.next;
		}
		if (why) {
			return why;
		}
		if (!(d.flags & (DESC_INDIRECT | DESC_NEXT))) {
			return NULL;
		}
	}
}

/* Ask to be notified of the chain at an index. @return false when the ring can't be written */
static bool event_arm(struct virtqueue *q, struct mem *m, uint16_t idx)
{
	if (q->is_event && q->event_idx == idx) {
		return true;
	}
	q->is_event = true;
	q->event_idx = idx;
	return write_le16(m, q->used_gpa + RING_ENTRIES + (gpa_t)q->size * USED_ENTRY, idx);
}

enum virtq_result virtqueue_peek(struct virtqueue *q, struct mem *m, uint64_t features,
				 uint16_t skip, struct virtq_chain *ret, const char **ret_why)
{
	uint16_t next = (uint16_t)(q->avail_idx + skip);
	uint16_t idx;
	uint16_t head;
	uint16_t waiting;

	*ret_why = "a ring outside memory";
	if (!read_le16(m, q->avail_gpa + RING_IDX, &idx)) {
		return VIRTQ_BROKEN;
	}
	if (idx == next && features & VIRTIO_F_EVENT_IDX) {
		if (!event_arm(q, m, next)) {
			return VIRTQ_BROKEN;
		}
		/* The driver may have added one before it could see that we want to know. */
		atomic_thread_fence(memory_order_seq_cst);
		if (!read_le16(m, q->avail_gpa + RING_IDX, &idx)) {
			return VIRTQ_BROKEN;
		}
	}
	waiting = (uint16_t)(idx - q->avail_idx);
	if (waiting > q->size) {
		*ret_why = "the index of an available ring jumps";
		return VIRTQ_BROKEN;
	}
	if (waiting <= skip) {
		return VIRTQ_EMPTY;
	}
	atomic_thread_fence(memory_order_acquire); /* the index before what it covers */
	idx = next % q->size;
	if (!read_le16(m, q->avail_gpa + RING_ENTRIES + (gpa_t)idx * AVAIL_ENTRY, &head)) {
		return VIRTQ_BROKEN;
	}
	*ret_why = virtqueue_chain(q, m, features, head, ret);
	return *ret_why ? VIRTQ_BROKEN : VIRTQ_CHAIN;
}

void virtqueue_take(struct virtqueue *q, uint16_t n)
{
	q->avail_idx = (uint16_t)(q->avail_idx + n);
}

bool virtqueue_fill(struct virtqueue *q, struct mem *m, uint16_t skip, uint16_t head,
		    uint32_t written)
{
	gpa_t at = (gpa_t)((uint16_t)(q->used_idx + skip) % q->size) * USED_ENTRY;
	uint8_t b[USED_ENTRY];

	store_le(b, head, 4);
	store_le(b + 4, written, 4);
	return mem_write(m, q->used_gpa + RING_ENTRIES + at, b, sizeof(b), NULL);
}

bool virtqueue_publish(struct virtqueue *q, struct mem *m, uint16_t n)
{
	q->used_idx = (uint16_t)(q->used_idx + n);
	atomic_thread_fence(memory_order_release); /* data and entries before the index */
	return write_le16(m, q->used_gpa + RING_IDX, q->used_idx);
}

bool virtqueue_wants_interrupt(struct virtqueue *q, const struct mem *m, uint64_t features)
{
	bool is_event = features & VIRTIO_F_EVENT_IDX;
	uint16_t old = q->told_idx;
	gpa_t at = q->avail_gpa;
	uint16_t v;

	if (old == q->used_idx) {
		return false;
	}
	/* Pairs with the driver, which writes what it wants and then looks at the index again. */
	atomic_thread_fence(memory_order_seq_cst);
	if (is_event) {
		at += RING_ENTRIES + (gpa_t)q->size * AVAIL_ENTRY;
	}
	if (!read_le16(m, at, &v)) {
		return true; /* harmless; who uses the ring next will notice */
	}
	q->told_idx = q->used_idx;
	if (!is_event) {
		return !(v & AVAIL_NO_INTERRUPT);
	}
	return (uint16_t)(q->used_idx - v - 1) < (uint16_t)(q->used_idx - old);
}

/* Copy len bytes at offset, counted from segment first, in either direction. */
static bool chain_copy(const struct virtq_chain *c, struct mem *m, unsigned int first,
		       uint64_t offset, uint8_t *to_buf, const uint8_t *from_buf, size_t len)
{
	size_t done = 0;

	for (unsigned int i = first; i < c->n && done < len; i++) {
		const struct virtq_seg *s = &c->segs[i];
		size_t step;

		if (offset >= s->len) {
			offset -= s->len;
			continue;
		}
		step = s->len - offset < len - done ? (size_t)(s->len - offset) : len - done;
		if (to_buf && !mem_read(m, s->gpa + offset, to_buf + done, step, NULL)) {
			return false;
		}
		if (from_buf && !mem_write(m, s->gpa + offset, from_buf + done, step, NULL)) {
			return false;
		}
		done += step;
		offset = 0;
	}
	BUG_ON(done < len);
	return true;
}

bool virtq_chain_read(const struct virtq_chain *c, struct mem *m, uint64_t offset, void *buf,
		      size_t len)
{
	BUG_ON(offset > c->read_bytes || len > c->read_bytes - offset);
	return chain_copy(c, m, 0, offset, buf, NULL, len);
}

bool virtq_chain_write(const struct virtq_chain *c, struct mem *m, uint64_t offset, const void *buf,
		       size_t len)
{
	BUG_ON(offset > c->write_bytes || len > c->write_bytes - offset);
	return chain_copy(c, m, c->n_read, offset, NULL, buf, len);
}

void virtqueue_save(const struct virtqueue *q, uint8_t **to)
{
	bytes_put(to, q->size, 2);
	bytes_put(to, q->is_ready, 1);
	bytes_put(to, q->desc_gpa, 8);
	bytes_put(to, q->avail_gpa, 8);
	bytes_put(to, q->used_gpa, 8);
	bytes_put(to, q->avail_idx, 2);
	bytes_put(to, q->used_idx, 2);
	bytes_put(to, q->told_idx, 2);
	bytes_put(to, q->event_idx, 2);
	bytes_put(to, q->is_event, 1);
}

bool virtqueue_load(struct virtqueue *q, const uint8_t **from, uint16_t size_max)
{
	uint64_t is_ready;
	uint64_t is_event;

	q->size = (uint16_t)bytes_take(from, 2);
	is_ready = bytes_take(from, 1);
	q->desc_gpa = bytes_take(from, 8);
	q->avail_gpa = bytes_take(from, 8);
	q->used_gpa = bytes_take(from, 8);
	q->avail_idx = (uint16_t)bytes_take(from, 2);
	q->used_idx = (uint16_t)bytes_take(from, 2);
	q->told_idx = (uint16_t)bytes_take(from, 2);
	q->event_idx = (uint16_t)bytes_take(from, 2);
	is_event = bytes_take(from, 1);
	q->is_ready = is_ready == 1;
	q->is_event = is_event == 1;
	if (is_ready > 1 || is_event > 1) {
		return false;
	}
	return !q->is_ready || (q->size <= size_max && !check_shape(q));
}
