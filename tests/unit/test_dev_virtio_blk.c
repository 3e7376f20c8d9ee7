/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio disk: every kind of request, any framing, requests finished late and out of order, large ones
 * in chunks, resets and saved states with requests in flight. */
#include "test_dev_virtio.h"

#define T_IN	       0u
#define T_OUT	       1u
#define T_FLUSH	       4u
#define T_GET_ID       8u
#define T_DISCARD      11u
#define T_WRITE_ZEROES 13u

static void reads(void)
{
	struct rig *r = rig_new(BLK);

	drv_start(r, F_ALL, 256);
	blk_put(r, T_IN, 5, 4096, true);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 4097);
	CHECK_INT(blk_status(r), 0);
	CHECK(memcmp(gpa_ptr(r, BLK_DATA), r->disk + 5 * 512, 4096) == 0);
	CHECK_INT(int_ack(r), 1);
	blk_put(r, T_IN, DISK_SECTORS - 1, 512, true); /* the last sector */
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 513);
	CHECK_INT(blk_status(r), 0);
	rig_free(r);
}

static void writes(void)
{
	struct rig *r = rig_new(BLK);

	drv_start(r, F_ALL, 256);
	blk_put(r, T_OUT, 9, 1024, false);
	memset(gpa_ptr(r, BLK_DATA), 0x5a, 1024);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	CHECK_INT(blk_status(r), 0);
	CHECK(memcmp(gpa_ptr(r, BLK_DATA), r->disk + 9 * 512, 1024) == 0);
	rig_free(r);
}

static void any_framing(void)
{
	struct rig *r = rig_new(BLK);
	gpa_t desc;

	drv_start(r, F_ALL, 256);
	desc = r->q[0].desc;
	blk_put(r, T_IN, 2, 512, true);
	for (unsigned int i = 0; i < 16; i++) { /* a header of single bytes */
		desc_put(r, desc, i, BUF_GPA + i, 1, D_NEXT, i + 1);
	}
	desc_put(r, desc, 16, BLK_DATA, 100, D_NEXT | D_WRITE, 17);
	desc_put(r, desc, 17, BLK_DATA + 100, 0, D_NEXT | D_WRITE, 18);
	desc_put(r, desc, 18, BLK_DATA + 100, 413, D_WRITE, 0); /* the last byte is the status */
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 513);
	CHECK(memcmp(gpa_ptr(r, BLK_DATA), r->disk + 2 * 512, 512) == 0);
	CHECK_INT(*(uint8_t *)gpa_ptr(r, BLK_DATA + 512), 0);
	/* header and data of a write in one descriptor */
	blk_put(r, T_OUT, 7, 512, false);
	memset(gpa_ptr(r, BUF_GPA + 16), 0x77, 512);
	desc_put(r, desc, 0, BUF_GPA, 16 + 512, D_NEXT, 1);
	desc_put(r, desc, 1, BLK_STATUS, 1, D_WRITE, 0);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	CHECK_INT(r->disk[7 * 512 + 511], 0x77);
	rig_free(r);
}

static void indirect_tables(void)
{
	struct rig *r = rig_new(BLK);
	gpa_t table = BUF_GPA + 0x40;

	drv_start(r, F_ALL, 4);
	blk_put(r, T_IN, 1, 0, true);
	for (unsigned int i = 0; i < 8; i++) { /* more segments than the queue has entries */
		desc_put(r, table, 1 + i, BLK_DATA + 64 * i, 64, D_NEXT | D_WRITE, 2 + i);
	}
	desc_put(r, table, 0, BUF_GPA, 16, D_NEXT, 1);
	desc_put(r, table, 9, BLK_STATUS, 1, D_WRITE, 0);
	desc_put(r, r->q[0].desc, 3, table, 10 * 16, D_INDIRECT, 0);
	offer(r, 0, 3);
	CHECK_INT(used_one(r, 0, 3), 513);
	CHECK(memcmp(gpa_ptr(r, BLK_DATA), r->disk + 512, 512) == 0);
	/* a plain descriptor, then a table; its own write flag means nothing */
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 16, D_NEXT, 1);
	desc_put(r, r->q[0].desc, 1, table + 16, 9 * 16, D_INDIRECT | D_WRITE, 0);
	for (unsigned int i = 0; i < 8; i++) {
		desc_put(r, table, 1 + i, BLK_DATA + 64 * i, 64, D_NEXT | D_WRITE, 1 + i);
	}
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 513);
	rig_free(r);
}

static void flush_and_identity(void)
{
	struct rig *r = rig_new(BLK);

	drv_start(r, F_ALL, 8);
	blk_put(r, T_FLUSH, 0, 0, false);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	CHECK_INT(r->flushes, 1);
	blk_put(r, T_GET_ID, 0, 20, true);
	memset(gpa_ptr(r, BLK_DATA), 0xff, 32);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 21);
	CHECK(memcmp(gpa_ptr(r, BLK_DATA), "pinfold-disk\0\0\0\0\0\0\0\0\xff", 21) == 0);
	blk_put(r, T_GET_ID, 0, 7, true);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 8);
	CHECK_INT(blk_status(r), 0);
	rig_free(r);
}

static uint8_t range_request(struct rig *r, uint32_t type, uint64_t sector, uint32_t sectors,
			     uint32_t flags)
{
	uint8_t *p = gpa_ptr(r, BLK_DATA);

	blk_put(r, type, 0, 16, false);
	store_le(p, sector, 8);
	store_le(p + 8, sectors, 4);
	store_le(p + 12, flags, 4);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	return blk_status(r);
}

static void discard_and_write_zeroes(void)
{
	struct rig *r = rig_new(BLK);

	drv_start(r, F_ALL, 8);
	CHECK_INT(range_request(r, T_DISCARD, 0, DISK_SECTORS, 0), 0);
	CHECK_INT(r->discards, 1);
	CHECK_INT(range_request(r, T_WRITE_ZEROES, 4, 2, 0), 0);
	CHECK_INT(range_request(r, T_WRITE_ZEROES, 8, 1, 1), 0);
	CHECK_INT(r->zeroes, 2);
	CHECK_INT(r->disk[4 * 512 + 1], 0);
	CHECK_INT(range_request(r, T_DISCARD, 0, 1, 1), 2); /* unmap is no flag of a discard */
	CHECK_INT(range_request(r, T_WRITE_ZEROES, 0, 1, 2), 2);
	CHECK_INT(range_request(r, T_DISCARD, DISK_SECTORS, 1, 0), 1);
	CHECK_INT(range_request(r, T_DISCARD, UINT64_MAX, 2, 0), 1);
	CHECK_INT(range_request(r, T_WRITE_ZEROES, 0, DISK_SECTORS + 1, 0), 1);
	CHECK_INT(range_request(r, T_WRITE_ZEROES, 0, 0, 0), 1);
	CHECK_INT(r->discards + r->zeroes, 3);
	rig_free(r);
}

static uint8_t plain_request(struct rig *r, uint32_t type, uint64_t sector, uint32_t len,
			     bool is_in)
{
	blk_put(r, type, sector, len, is_in);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	return blk_status(r);
}

static void refusals(void)
{
	struct rig *r = rig_new(BLK);
	int before;

	drv_start(r, F_ALL, 8);
	before = r->submits;
	CHECK_INT(plain_request(r, T_IN, DISK_SECTORS, 512, true), 1);
	CHECK_INT(plain_request(r, T_IN, DISK_SECTORS - 1, 1024, true), 1);
	CHECK_INT(plain_request(r, T_IN, UINT64_MAX, 512, true), 1);
	CHECK_INT(plain_request(r, T_IN, UINT64_MAX / 512, 512, true), 1);
	CHECK_INT(plain_request(r, T_OUT, DISK_SECTORS, 512, false), 1);
	CHECK_INT(plain_request(r, T_IN, 0, 511, true), 1);
	CHECK_INT(plain_request(r, T_OUT, 0, 513, false), 1);
	CHECK_INT(plain_request(r, 2, 0, 512, true), 2); /* SCSI of old */
	CHECK_INT(plain_request(r, 0xffffffff, 0, 512, true), 2);
	CHECK_INT(plain_request(r, T_IN, 0, 0, true), 0); /* nothing to read is no mistake */
	CHECK_INT(r->submits, before);
	r->fail = EIO;
	CHECK_INT(plain_request(r, T_IN, 0, 512, true), 1);
	r->fail = ENOTSUP;
	CHECK_INT(plain_request(r, T_FLUSH, 0, 0, true), 2);
	rig_free(r);
	r = rig_new_ro(BLK, true);
	drv_start(r, F_ALL, 8);
	CHECK_INT(plain_request(r, T_OUT, 0, 512, false), 1);
	CHECK_INT(range_request(r, T_DISCARD, 0, 1, 0), 2);
	CHECK_INT(range_request(r, T_WRITE_ZEROES, 0, 1, 0), 2);
	CHECK_INT(r->submits, 0);
	CHECK(drv_works(r));
	rig_free(r);
}

/* Requests at BUF_GPA + 0x1000 * i with three descriptors each. */
static void one_of_many(struct rig *r, unsigned int i, uint64_t sector)
{
	gpa_t base = BUF_GPA + 0x1000 * i;
	uint8_t *h = gpa_ptr(r, base);

	memset(h, 0, 16);
	store_le(h + 8, sector, 8);
	desc_put(r, r->q[0].desc, 3 * i, base, 16, D_NEXT, 3 * i + 1);
	desc_put(r, r->q[0].desc, 3 * i + 1, base + 0x200, 512, D_NEXT | D_WRITE, 3 * i + 2);
	desc_put(r, r->q[0].desc, 3 * i + 2, base + 0x400, 1, D_WRITE, 0);
	avail_put(r, 0, (uint16_t)(3 * i));
}

static bool has_one_of_many(struct rig *r, unsigned int i, uint64_t sector)
{
	return memcmp(gpa_ptr(r, BUF_GPA + 0x1000 * i + 0x200), r->disk + sector * 512, 512) == 0;
}

static void late_and_out_of_order(void)
{
	struct rig *r = rig_new(BLK);
	const unsigned int n = 40;
	uint32_t head = 0;
	uint32_t len = 0;
	unsigned int done = 0;

	r->is_async = true;
	drv_start(r, F_ALL, 256);
	for (unsigned int i = 0; i < n; i++) {
		one_of_many(r, i, 100 + i);
	}
	kick(r, 0);
	CHECK_INT(r->n_held, BLK_REQUESTS_MAX); /* the rest waits in the queue */
	CHECK_INT(virtio_blk_in_flight(r->blk), BLK_REQUESTS_MAX);
	CHECK(!virtio_poll(r->v));
	CHECK(!r->line.level);
	while (r->n_held) {
		rig_complete(r, (done * 7) % r->n_held);
		CHECK(used_take(r, 0, &head, &len));
		CHECK_INT(head % 3, 0);
		CHECK_INT(len, 513);
		CHECK(has_one_of_many(r, head / 3, 100 + head / 3));
		done++;
		if (done == 1) {
			CHECK(r->line.level);
			int_ack(r);
		}
	}
	CHECK_INT(done, n);
	CHECK_INT(virtio_blk_in_flight(r->blk), 0);
	rig_free(r);
}

static void large_requests_go_in_chunks(void)
{
	struct rig *r = rig_new(BLK);
	const uint32_t bytes = 5 * BLK_CHUNK_BYTES / 2 + 512; /* three chunks */

	for (int async = 0; async < 2; async++) {
		r->is_async = async;
		r->submits = 0;
		memset(gpa_ptr(r, BLK_DATA), 0, bytes);
		drv_start(r, F_ALL, 8);
		blk_put(r, T_IN, 1, bytes, true);
		offer(r, 0, 0);
		while (r->n_held) {
			CHECK_INT(r->n_held, 1);
			rig_complete(r, 0);
		}
		CHECK_INT(used_one(r, 0, 0), bytes + 1);
		CHECK_INT(r->submits, 3);
		CHECK(memcmp(gpa_ptr(r, BLK_DATA), r->disk + 512, bytes) == 0);
		memset(gpa_ptr(r, BLK_DATA), 0x11 + async, bytes);
		blk_put(r, T_OUT, 3, bytes, false);
		offer(r, 0, 0);
		while (r->n_held) {
			rig_complete(r, 0);
		}
		CHECK_INT(used_one(r, 0, 0), 1);
		CHECK(memcmp(gpa_ptr(r, BLK_DATA), r->disk + 3 * 512, bytes) == 0);
	}
	rig_free(r);
}

static void a_chunk_that_fails_ends_the_request(void)
{
	struct rig *r = rig_new(BLK);

	r->is_async = true;
	drv_start(r, F_ALL, 8);
	blk_put(r, T_IN, 0, 3 * BLK_CHUNK_BYTES, true);
	offer(r, 0, 0);
	rig_complete(r, 0);
	r->fail = EIO;
	rig_complete(r, 0);
	CHECK_INT(r->n_held, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	CHECK_INT(blk_status(r), 1);
	rig_free(r);
}

static void one_call_does_a_bounded_part(void)
{
	struct rig *r = rig_new(BLK);
	int calls = 1;
	uint32_t head;
	uint32_t len;

	/* 255 times the whole disk into the same memory: 127 MiB with one notification */
	drv_start(r, F_ALL, 256);
	blk_put(r, T_IN, 0, 0, true);
	for (unsigned int i = 0; i < 84; i++) {
		desc_put(r, r->q[0].desc, 3 * i, BUF_GPA, 16, D_NEXT, 3 * i + 1);
		desc_put(r, r->q[0].desc, 3 * i + 1, BLK_DATA, DISK_BYTES, D_NEXT | D_WRITE,
			 3 * i + 2);
		desc_put(r, r->q[0].desc, 3 * i + 2, BLK_STATUS, 1, D_WRITE, 0);
		avail_put(r, 0, (uint16_t)(3 * i));
	}
	kick(r, 0);
	CHECK(r->submits <= 8);
	while (virtio_poll(r->v)) {
		calls++;
		CHECK(r->submits <= 8 * calls);
	}
	CHECK_INT(r->submits, 84 * DISK_BYTES / BLK_CHUNK_BYTES);
	for (unsigned int i = 0; i < 84; i++) {
		CHECK(used_take(r, 0, &head, &len));
	}
	rig_free(r);
}

static void reset_with_requests_in_flight(void)
{
	struct rig *r = rig_new(BLK);

	r->is_async = true;
	drv_start(r, F_ALL, 256);
	for (unsigned int i = 0; i < 20; i++) {
		one_of_many(r, i, i);
	}
	kick(r, 0);
	CHECK_INT(r->n_held, 16);
	wr(r, R_STATUS, 0);
	CHECK_INT(rd(r, R_STATUS), 0);
	memset(r->ram, 0x33, RAM_BYTES);
	for (unsigned int i = 0; i < 10; i++) {
		rig_complete(r, 0);
	}
	for (size_t i = 0; i < RAM_BYTES; i++) { /* nothing of it arrives any more */
		if (r->ram[i] != 0x33) {
			CHECK_INT(i, -1);
			break;
		}
	}
	drv_start(r, F_ALL, 256); /* six are still on their way, ten slots are free */
	for (unsigned int i = 0; i < 20; i++) {
		one_of_many(r, i, 50 + i);
	}
	kick(r, 0);
	CHECK_INT(r->n_held, 16);
	while (r->n_held) {
		rig_complete(r, 0);
	}
	CHECK_INT(load_le(gpa_ptr(r, r->q[0].used + 2), 2), 20);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK(has_one_of_many(r, i, 50 + i));
	}
	rig_free(r);
}

static void a_stopped_queue_drops_its_requests(void)
{
	struct rig *r = rig_new(BLK);

	r->is_async = true;
	drv_start(r, F_ALL, 256);
	one_of_many(r, 0, 1);
	kick(r, 0);
	wr(r, R_QUEUE_SEL, 0);
	wr(r, R_QUEUE_READY, 0);
	rig_complete(r, 0);
	CHECK_INT(load_le(gpa_ptr(r, r->q[0].used + 2), 2), 0);
	CHECK(!r->line.level && !is_broken(r));
	rig_free(r);
}

static void state_with_requests_in_flight(void)
{
	struct rig *r = rig_new(BLK);
	struct rig *s = rig_new(BLK);
	uint8_t a[1024];
	uint8_t b[1024];

	r->is_async = true;
	drv_start(r, F_ALL, 256);
	for (unsigned int i = 0; i < 20; i++) {
		one_of_many(r, i, 200 + i);
	}
	kick(r, 0);
	rig_complete(r, 3);
	CHECK_INT(r->n_held, 16);
	virtio_mmio_ops.save(r->t, a);
	memcpy(s->ram, r->ram, RAM_BYTES);
	memcpy(s->q, r->q, sizeof(r->q));
	s->is_async = true;
	CHECK_INT(virtio_mmio_ops.load(s->t, a, NULL), 0);
	CHECK_INT(s->n_held, 0); /* loading starts nothing */
	virtio_mmio_ops.save(s->t, b);
	CHECK(memcmp(a, b, virtio_mmio_ops.state_bytes) == 0);
	virtio_poll(s->v);
	CHECK_INT(s->n_held, 16);
	while (s->n_held) {
		rig_complete(s, s->n_held / 2);
	}
	CHECK_INT(load_le(gpa_ptr(s, s->q[0].used + 2), 2), 20);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK(has_one_of_many(s, i, 200 + i));
	}
	CHECK(dev_is_refused(&virtio_mmio_ops, s->t, virtio_mmio_ops.state_bytes - 64, 17));
	rig_free(r);
	rig_free(s);
}

/* The guest changed the descriptors of a request in flight before the state was loaded. */
static void a_loaded_request_is_checked_again(void)
{
	struct rig *r = rig_new(BLK);
	uint8_t a[1024];

	r->is_async = true;
	drv_start(r, F_ALL, 256);
	one_of_many(r, 0, 1);
	kick(r, 0);
	virtio_mmio_ops.save(r->t, a);
	desc_put(r, r->q[0].desc, 1, 0x1000, 512, D_NEXT | D_WRITE, 1);
	CHECK_INT(virtio_mmio_ops.load(r->t, a, NULL), 0);
	CHECK_INT(virtio_blk_in_flight(r->blk), 1); /* of before the load: dropped when done */
	virtio_poll(r->v);
	CHECK(is_broken(r));
	CHECK_STR(virtio_why_broken(r->v), "a chain of descriptors is too long or a loop");
	rig_complete(r, 0);
	CHECK_INT(load_le(gpa_ptr(r, r->q[0].used + 2), 2), 0);
	rig_free(r);
}

static const struct test_case cases[] = {
	{ "reads", reads },
	{ "writes", writes },
	{ "any framing", any_framing },
	{ "indirect tables", indirect_tables },
	{ "flush and identity", flush_and_identity },
	{ "discard and write zeroes", discard_and_write_zeroes },
	{ "refusals", refusals },
	{ "late and out of order", late_and_out_of_order },
	{ "large requests go in chunks", large_requests_go_in_chunks },
	{ "a chunk that fails ends the request", a_chunk_that_fails_ends_the_request },
	{ "one call does a bounded part", one_call_does_a_bounded_part },
	{ "reset with requests in flight", reset_with_requests_in_flight },
	{ "a stopped queue drops its requests", a_stopped_queue_drops_its_requests },
	{ "state with requests in flight", state_with_requests_in_flight },
	{ "a loaded request is checked again", a_loaded_request_is_checked_again },
};

TEST_MAIN(cases)
