/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on its MMIO slot with fake back-ends, guest memory, and a driver of our own that can
 * be as good or as bad as a test wants.
 *
 *	0x80000000  RAM: queues at +0x1000 and +0x8000, buffers from +0x10000
 *	0x90000000  ROM
 */
#ifndef PINFOLD_TESTS_UNIT_TEST_DEV_VIRTIO_H
#define PINFOLD_TESTS_UNIT_TEST_DEV_VIRTIO_H

#include <errno.h>

#include "dev/virtio/virtio_blk.h"
#include "dev/virtio/virtio_console.h"
#include "dev/virtio/virtio_input.h"
#include "dev/virtio/virtio_mmio.h"
#include "dev/virtio/virtio_net.h"
#include "dev/virtio/virtio_rng.h"
#include "test_dev.h"

#define RAM_GPA	     0x80000000ULL
#define RAM_BYTES    0x100000ULL
#define ROM_GPA	     0x90000000ULL
#define ROM_BYTES    0x1000ULL
#define BUF_GPA	     (RAM_GPA + 0x10000)
#define DISK_BYTES   0x80000u
#define DISK_SECTORS (DISK_BYTES / 512)

/* Registers (Virtio 1.2, 4.2.2). */
#define R_MAGIC		   0x000u
#define R_VERSION	   0x004u
#define R_DEVICE_ID	   0x008u
#define R_VENDOR_ID	   0x00cu
#define R_DEV_FEATURES	   0x010u
#define R_DEV_FEATURES_SEL 0x014u
#define R_DRV_FEATURES	   0x020u
#define R_DRV_FEATURES_SEL 0x024u
#define R_QUEUE_SEL	   0x030u
#define R_QUEUE_NUM_MAX	   0x034u
#define R_QUEUE_NUM	   0x038u
#define R_QUEUE_READY	   0x044u
#define R_QUEUE_NOTIFY	   0x050u
#define R_INT_STATUS	   0x060u
#define R_INT_ACK	   0x064u
#define R_STATUS	   0x070u
#define R_DESC		   0x080u
#define R_DRIVER	   0x090u
#define R_DEVICE	   0x0a0u
#define R_SHM_SEL	   0x0acu
#define R_SHM_LEN	   0x0b0u
#define R_SHM_BASE	   0x0b8u
#define R_QUEUE_RESET	   0x0c0u
#define R_GENERATION	   0x0fcu
#define R_CONFIG	   0x100u

#define D_NEXT	   1u
#define D_WRITE	   2u
#define D_INDIRECT 4u

#define F_MRG_RXBUF BIT(15)
#define F_ALL	    (~0ULL) /* whatever the device offers */

enum kind { BLK, NET, CONSOLE, RNG, INPUT, EMPTY };

/** A driver's view of a queue. */
struct ring {
	uint16_t size;
	gpa_t desc, avail, used;
	uint16_t avail_idx, used_seen;
};

struct rig {
	enum kind kind;
	struct fake fake; /* console back-end */
	struct fake_line line;
	uint8_t *ram, *rom;
	struct mem *mem;
	struct virtio *v;
	struct virtio_mmio *t;
	struct virtio_blk *blk;
	struct virtio_input *input;
	struct virtio_net *net;
	/* disk back-end */
	uint8_t *disk;
	bool is_async;
	int fail; /* errno to answer with, or 0 */
	int submits;
	int flushes, discards, zeroes;
	struct blk_request *held[BLK_REQUESTS_MAX]; /* started, oldest first */
	unsigned int n_held;
	/* network back-end */
	uint8_t frame[NET_FRAME_BYTES_MAX];
	size_t frame_len;
	int sent, readies;
	bool is_echo; /* every frame comes back at once */
	/* entropy back-end */
	uint8_t entropy;
	struct ring q[VIRTIO_QUEUES_MAX];
};

static inline void *gpa_ptr(struct rig *r, gpa_t gpa)
{
	return r->ram + (gpa - RAM_GPA);
}

static inline int rig_disk_do(struct rig *r, struct blk_request *q)
{
	size_t at = (size_t)q->sector * 512;
	size_t n = (size_t)q->sectors * 512;

	if (r->fail) {
		return -r->fail;
	}
	CHECK(q->sector + q->sectors <= DISK_SECTORS);
	switch (q->op) {
	case BLK_READ:
		memcpy(q->data, r->disk + at, n);
		break;
	case BLK_WRITE:
		memcpy(r->disk + at, q->data, n);
		break;
	case BLK_FLUSH:
		r->flushes++;
		break;
	case BLK_DISCARD:
		r->discards++;
		break;
	case BLK_WRITE_ZEROES:
		r->zeroes++;
		memset(r->disk + at, 0, n);
		break;
	}
	return 0;
}

static inline int rig_submit(void *opaque, struct blk_request *q)
{
	struct rig *r = opaque;
	int err;

	r->submits++;
	if (r->is_async) {
		CHECK(r->n_held < BLK_REQUESTS_MAX);
		r->held[r->n_held++] = q;
		return BLK_STARTED;
	}
	err = rig_disk_do(r, q);
	return err < 0 ? err : BLK_DONE;
}

/** Finish a request that the back-end has. */
static inline void rig_complete(struct rig *r, unsigned int idx)
{
	struct blk_request *q = r->held[idx];

	r->n_held--;
	memmove(r->held + idx, r->held + idx + 1, (r->n_held - idx) * sizeof(q));
	virtio_blk_complete(r->blk, q, rig_disk_do(r, q));
}

static inline void rig_send(void *opaque, const uint8_t *frame, size_t len)
{
	struct rig *r = opaque;

	CHECK(len >= NET_FRAME_BYTES_MIN && len <= NET_FRAME_BYTES_MAX);
	memcpy(r->frame, frame, len);
	r->frame_len = len;
	r->sent++;
	if (r->is_echo) {
		virtio_net_receive(r->net, frame, len);
	}
}

static inline void rig_ready(void *opaque)
{
	((struct rig *)opaque)->readies++;
}

static inline void rig_fill(void *opaque, uint8_t *to, size_t n)
{
	struct rig *r = opaque;

	for (size_t i = 0; i < n; i++) {
		to[i] = ++r->entropy;
	}
}

static const uint8_t rig_mac[NET_MAC_BYTES] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

static inline struct virtio *rig_device(struct rig *r, bool is_ro)
{
	struct blk_backend disk = { .opaque = r,
				    .sectors = DISK_SECTORS,
				    .is_ro = is_ro,
				    .can_discard = true,
				    .serial = "pinfold-disk",
				    .submit = rig_submit };
	struct net_backend net = { r, rig_send, rig_ready };
	struct entropy_backend entropy = { r, rig_fill };
	struct chr_backend chr = fake_chr(&r->fake);

	switch (r->kind) {
	case BLK:
		r->blk = virtio_blk_new(&disk);
		return virtio_blk_virtio(r->blk);
	case NET:
		r->net = virtio_net_new(&net, rig_mac);
		return virtio_net_virtio(r->net);
	case CONSOLE:
		return virtio_console_virtio(virtio_console_new(&chr));
	case RNG:
		return virtio_rng_virtio(virtio_rng_new(&entropy));
	case INPUT:
		r->input = virtio_input_new();
		return virtio_input_virtio(r->input);
	default:
		return NULL;
	}
}

/** A device after power-on. The RAM is its own allocation, so that sanitizers guard its ends. */
static inline struct rig *rig_new_ro(enum kind kind, bool is_ro)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct irq_line irq = fake_irq(&r->line);
	struct mem_region ram = {
		.base_gpa = RAM_GPA, .size_bytes = RAM_BYTES, .perm = MEM_RWX, .name = "ram"
	};
	struct mem_region rom = {
		.base_gpa = ROM_GPA, .size_bytes = ROM_BYTES, .perm = MEM_R, .name = "rom"
	};

	r->kind = kind;
	r->ram = aligned_alloc(PAGE_BYTES, RAM_BYTES);
	r->rom = aligned_alloc(PAGE_BYTES, ROM_BYTES);
	r->disk = malloc(DISK_BYTES);
	memset(r->ram, 0, RAM_BYTES);
	memset(r->rom, 0, ROM_BYTES);
	for (size_t i = 0; i < DISK_BYTES; i++) {
		r->disk[i] = (uint8_t)(i / 512 + i);
	}
	ram.hva = r->ram;
	rom.hva = r->rom;
	r->mem = mem_new();
	CHECK_INT(mem_region_add(r->mem, &ram, NULL), 0);
	CHECK_INT(mem_region_add(r->mem, &rom, NULL), 0);
	r->v = rig_device(r, is_ro);
	r->t = virtio_mmio_new(r->v, &irq);
	if (r->v) {
		virtio_mem_set(r->v, r->mem);
	}
	return r;
}

static inline struct rig *rig_new(enum kind kind)
{
	return rig_new_ro(kind, false);
}

static inline void rig_free(struct rig *r)
{
	virtio_mmio_ops.destroy(r->t);
	mem_free(r->mem);
	free(r->ram);
	free(r->rom);
	free(r->disk);
	free(r);
}

static inline uint32_t rd(struct rig *r, uint64_t reg)
{
	return (uint32_t)dev_rd(&virtio_mmio_ops, r->t, reg, 4);
}

static inline void wr(struct rig *r, uint64_t reg, uint64_t v)
{
	CHECK_INT(dev_wr(&virtio_mmio_ops, r->t, reg, 4, v), DEV_OK);
}

static inline void wr64(struct rig *r, uint64_t reg, uint64_t v)
{
	wr(r, reg, (uint32_t)v);
	wr(r, reg + 4, v >> 32);
}

static inline bool is_broken(struct rig *r)
{
	return rd(r, R_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

/** Reset, acknowledge, negotiate. @return whether the device took the features */
static inline bool drv_negotiate(struct rig *r, uint64_t want)
{
	uint64_t f;

	wr(r, R_STATUS, 0);
	wr(r, R_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
	wr(r, R_STATUS, 0x03);
	wr(r, R_DEV_FEATURES_SEL, 1);
	f = (uint64_t)rd(r, R_DEV_FEATURES) << 32;
	wr(r, R_DEV_FEATURES_SEL, 0);
	f |= rd(r, R_DEV_FEATURES);
	f &= want;
	wr(r, R_DRV_FEATURES_SEL, 1);
	wr(r, R_DRV_FEATURES, f >> 32);
	wr(r, R_DRV_FEATURES_SEL, 0);
	wr(r, R_DRV_FEATURES, (uint32_t)f);
	wr(r, R_STATUS, 0x0b);
	return rd(r, R_STATUS) & VIRTIO_STATUS_FEATURES_OK;
}

/** Clear a queue's memory and tell the device where it is, but not that it is ready. */
static inline void drv_queue_place(struct rig *r, unsigned int queue, uint16_t size)
{
	struct ring *q = &r->q[queue];
	gpa_t base = RAM_GPA + 0x1000 + queue * 0x7000;

	*q = (struct ring){
		.size = size, .desc = base, .avail = base + 0x2000, .used = base + 0x4000
	};
	memset(gpa_ptr(r, base), 0, 0x5000);
	wr(r, R_QUEUE_SEL, queue);
	wr(r, R_QUEUE_NUM, size);
	wr64(r, R_DESC, q->desc);
	wr64(r, R_DRIVER, q->avail);
	wr64(r, R_DEVICE, q->used);
}

static inline void drv_queue_setup(struct rig *r, unsigned int queue, uint16_t size)
{
	drv_queue_place(r, queue, size);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 1);
}

/** All that a driver does before it uses the device. */
static inline void drv_start(struct rig *r, uint64_t want, uint16_t size)
{
	CHECK(drv_negotiate(r, want));
	for (unsigned int i = 0; i < r->v->ops->n_queues; i++) {
		drv_queue_setup(r, i, size);
	}
	wr(r, R_STATUS, 0x0f);
	CHECK_INT(rd(r, R_STATUS), 0x0f);
}

static inline void desc_put(struct rig *r, gpa_t table, unsigned int idx, gpa_t gpa, uint32_t len,
			    unsigned int flags, unsigned int next)
{
	uint8_t *d = gpa_ptr(r, table + 16 * idx);

	store_le(d, gpa, 8);
	store_le(d + 8, len, 4);
	store_le(d + 12, flags, 2);
	store_le(d + 14, next, 2);
}

static inline void avail_idx_put(struct rig *r, unsigned int queue, uint16_t idx)
{
	r->q[queue].avail_idx = idx;
	store_le(gpa_ptr(r, r->q[queue].avail + 2), idx, 2);
}

/** Make a chain available without telling. */
static inline void avail_put(struct rig *r, unsigned int queue, uint16_t head)
{
	struct ring *q = &r->q[queue];

	store_le(gpa_ptr(r, q->avail + 4 + 2u * (q->avail_idx % q->size)), head, 2);
	avail_idx_put(r, queue, (uint16_t)(q->avail_idx + 1));
}

static inline void kick(struct rig *r, unsigned int queue)
{
	wr(r, R_QUEUE_NOTIFY, queue);
}

static inline void offer(struct rig *r, unsigned int queue, uint16_t head)
{
	avail_put(r, queue, head);
	kick(r, queue);
}

/** Take the next used entry. @return false when there is none */
static inline bool used_take(struct rig *r, unsigned int queue, uint32_t *ret_head,
			     uint32_t *ret_len)
{
	struct ring *q = &r->q[queue];
	uint8_t *p = gpa_ptr(r, q->used);

	if ((uint16_t)load_le(p + 2, 2) == q->used_seen) {
		return false;
	}
	p += 4 + 8u * (q->used_seen % q->size);
	*ret_head = (uint32_t)load_le(p, 4);
	*ret_len = (uint32_t)load_le(p + 4, 4);
	q->used_seen++;
	return true;
}

/** Expect one used entry. @return its length, or -1 */
static inline int64_t used_one(struct rig *r, unsigned int queue, uint32_t head)
{
	uint32_t got = 0;
	uint32_t len = 0;

	if (!used_take(r, queue, &got, &len) || got != head) {
		return -1;
	}
	return len;
}

/** Acknowledge everything. @return what it was */
static inline uint32_t int_ack(struct rig *r)
{
	uint32_t s = rd(r, R_INT_STATUS);

	wr(r, R_INT_ACK, s);
	CHECK(!r->line.level);
	return s;
}

/** The descriptors of a disk request: header at BUF_GPA, data behind it, status at the end. */
#define BLK_DATA   (BUF_GPA + 0x1000)
#define BLK_STATUS (BUF_GPA + 0x800)

static inline void blk_put(struct rig *r, uint32_t type, uint64_t sector, uint32_t len, bool is_in)
{
	uint8_t *h = gpa_ptr(r, BUF_GPA);

	store_le(h, type, 4);
	store_le(h + 4, 0, 4);
	store_le(h + 8, sector, 8);
	*(uint8_t *)gpa_ptr(r, BLK_STATUS) = 0xee;
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 16, D_NEXT, len ? 1 : 2);
	desc_put(r, r->q[0].desc, 1, BLK_DATA, len, D_NEXT | (is_in ? D_WRITE : 0), 2);
	desc_put(r, r->q[0].desc, 2, BLK_STATUS, 1, D_WRITE, 0);
}

static inline uint8_t blk_status(struct rig *r)
{
	return *(uint8_t *)gpa_ptr(r, BLK_STATUS);
}

/** Whether the device serves a proper request right now, on rings as they are. */
static inline bool drv_works(struct rig *r)
{
	gpa_t desc = r->q[0].desc;
	uint32_t head;
	uint32_t len;

	while (used_take(r, 0, &head, &len)) {
		continue;
	}
	switch (r->kind) {
	case BLK:
		blk_put(r, 0, 3, 512, true);
		offer(r, 0, 0);
		while (r->n_held) {
			rig_complete(r, 0);
		}
		return used_one(r, 0, 0) == 513 && blk_status(r) == 0 &&
		       memcmp(gpa_ptr(r, BLK_DATA), r->disk + 3 * 512, 512) == 0;
	case NET:
		while (used_take(r, 1, &head, &len)) {
			continue;
		}
		desc_put(r, r->q[1].desc, 0, BUF_GPA, 12 + 60, 0, 0);
		r->frame_len = 0;
		offer(r, 1, 0);
		return used_one(r, 1, 0) == 0 && r->frame_len == 60;
	case CONSOLE:
		while (used_take(r, 1, &head, &len)) {
			continue;
		}
		memcpy(gpa_ptr(r, BUF_GPA), "ok?", 3);
		desc_put(r, r->q[1].desc, 0, BUF_GPA, 3, 0, 0);
		r->fake.out_n = 0;
		offer(r, 1, 0);
		return used_one(r, 1, 0) == 0 && strcmp(r->fake.out, "ok?") == 0;
	case INPUT:
		while (used_take(r, 0, &head, &len)) {
			continue;
		}
		desc_put(r, desc, 0, BUF_GPA, 8, D_WRITE, 0);
		for (int i = 0; i < 4; i++) {
			offer(r, 0, 0);
		}
		if (!virtio_input_press(r->input)) {
			return false;
		}
		for (int i = 0; i < 4; i++) {
			if (used_one(r, 0, 0) != 8) {
				return false;
			}
		}
		return true;
	default:
		desc_put(r, desc, 0, BUF_GPA, 8, D_WRITE, 0);
		offer(r, 0, 0);
		return used_one(r, 0, 0) == 8 && *(uint8_t *)gpa_ptr(r, BUF_GPA + 7) == r->entropy;
	}
}

#endif
