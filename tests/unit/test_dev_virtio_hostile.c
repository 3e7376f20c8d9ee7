/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers that break the rules of virtio, one way per line of the tables below, and what has to come of it:
 * the device needs a reset for a reason that is named, or carries on as if nothing had happened. In either
 * case nothing outside guest memory is touched, ROM stays as it was, and a driver that resets the device and
 * starts properly is served.
 */
#include "test_dev_virtio.h"

#define END (RAM_GPA + RAM_BYTES)

/* What the device says. */
#define WHY_SIZE     "the size of a queue is no power of two, or too large"
#define WHY_LARGE    "a queue larger than the device offers"
#define WHY_ALIGN    "a part of a queue is not aligned"
#define WHY_WRAP     "a part of a queue wraps around the end of memory"
#define WHY_PLACE    "a part of a queue lies outside memory"
#define WHY_JUMP     "the index of an available ring jumps"
#define WHY_INDEX    "an index behind the end of the descriptor table"
#define WHY_LONG     "a chain of descriptors is too long or a loop"
#define WHY_ORDER    "a readable buffer behind a writable one"
#define WHY_BUF_WRAP "a buffer wraps around the end of memory"
#define WHY_4GIB     "a chain of descriptors is longer than 4 GiB"
#define WHY_READ     "a readable buffer lies outside memory"
#define WHY_WRITE    "a writable buffer lies outside memory"
#define WHY_DESC     "a descriptor outside memory"
#define WHY_NO_IND   "an indirect table without VIRTIO_F_INDIRECT_DESC"
#define WHY_NESTED   "an indirect table inside an indirect table"
#define WHY_IND_NEXT "a descriptor is indirect and has a next one"
#define WHY_IND_LEN  "the length of an indirect table is no multiple of a descriptor"
#define WHY_IND_WRAP "an indirect table wraps around the end of memory"
#define WHY_BLK	     "a disk request without header or status"
#define WHY_NET_TX   "a frame to be sent without its header"
#define WHY_NET_RX   "a receive buffer too small for a header"
#define WHY_CON_RX   "a console input buffer without room"
#define WHY_RNG	     "an entropy request that is not for writing"
#define WHY_OK	     "DRIVER_OK without FEATURES_OK"

#define ALIVE NULL /* instead of a reason */

/** One attack. What a, b and c mean is up to run(). */
struct hostile {
	const char *name;
	enum kind kind;
	void (*run)(struct rig *r, uint64_t a, uint64_t b, uint64_t c);
	uint64_t a, b, c;
	const char *why; /* the device breaks, and says this; ALIVE: it doesn't */
};

/* Registers: an access of a bytes at offset b, written if c. A register is not harmed by it. */
static void access_as(struct rig *r, uint64_t bytes, uint64_t offset, uint64_t is_write)
{
	uint32_t before;

	drv_start(r, F_ALL, 8);
	before = rd(r, R_STATUS);
	if (is_write) {
		CHECK_INT(dev_wr(&virtio_mmio_ops, r->t, offset, (uint8_t)bytes, 0), DEV_OK);
	} else {
		CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, offset, (uint8_t)bytes), 0);
	}
	CHECK_INT(rd(r, R_STATUS), before);
	CHECK(drv_works(r));
}

/* A proper-looking write of value b to register a of a running device. */
static void write_while_running(struct rig *r, uint64_t reg, uint64_t value, uint64_t queue)
{
	drv_start(r, F_ALL, 8);
	wr(r, R_QUEUE_SEL, queue);
	wr(r, reg, value);
	wr(r, R_QUEUE_SEL, 0);
	CHECK_INT(rd(r, R_QUEUE_READY), 1);
	CHECK(drv_works(r));
}

/* Negotiation: low and high feature words; the device must not accept. */
static void features_refused(struct rig *r, uint64_t low, uint64_t high, uint64_t is_more)
{
	wr(r, R_STATUS, 3);
	wr(r, R_DRV_FEATURES_SEL, 0);
	wr(r, R_DRV_FEATURES, low);
	wr(r, R_DRV_FEATURES_SEL, 1);
	wr(r, R_DRV_FEATURES, high);
	wr(r, R_STATUS, 0x0b);
	CHECK_INT(rd(r, R_STATUS), 3);
	if (is_more) { /* a driver that goes on regardless */
		drv_queue_setup(r, 0, 8);
		wr(r, R_STATUS, 0x0f);
	}
}

static void features_changed_late(struct rig *r, uint64_t word, uint64_t bits, uint64_t status)
{
	CHECK(drv_negotiate(r, VIRTIO_F_VERSION_1));
	wr(r, R_STATUS, status);
	wr(r, R_DRV_FEATURES_SEL, word);
	wr(r, R_DRV_FEATURES, bits);
	CHECK_INT(r->v->features, (int64_t)VIRTIO_F_VERSION_1);
}

static void features_beyond(struct rig *r, uint64_t word, uint64_t bits, uint64_t c)
{
	(void)c;
	wr(r, R_DRV_FEATURES_SEL, word);
	wr(r, R_DRV_FEATURES, bits);
	wr(r, R_DEV_FEATURES_SEL, word);
	CHECK_INT(rd(r, R_DEV_FEATURES), 0);
	CHECK_INT(r->v->features, 0);
}

static void status_sequence(struct rig *r, uint64_t a, uint64_t b, uint64_t want)
{
	wr(r, R_STATUS, a);
	wr(r, R_STATUS, b);
	CHECK_INT(rd(r, R_STATUS), want);
}

/* Queues: size a, with what is to be wrong about an address: register b gets c. */
static void queue_sized(struct rig *r, uint64_t size, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	CHECK(drv_negotiate(r, F_ALL));
	drv_queue_place(r, 0, 8);
	wr(r, R_QUEUE_NUM, size);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
}

static void queue_at(struct rig *r, uint64_t size, uint64_t reg, uint64_t gpa)
{
	CHECK(drv_negotiate(r, F_ALL));
	drv_queue_place(r, 0, (uint16_t)size);
	wr64(r, reg, gpa);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
}

static void queue_without_addresses(struct rig *r, uint64_t size, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	CHECK(drv_negotiate(r, F_ALL));
	wr(r, R_QUEUE_NUM, size);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
}

static void queue_selected_badly(struct rig *r, uint64_t sel, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	wr(r, R_QUEUE_SEL, sel);
	CHECK_INT(rd(r, R_QUEUE_NUM_MAX), 0);
	wr(r, R_QUEUE_NUM, 8);
	wr64(r, R_DESC, RAM_GPA);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	wr(r, R_QUEUE_READY, 0);
	CHECK(drv_works(r));
}

static void notified_of(struct rig *r, uint64_t queue, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	wr(r, R_QUEUE_NOTIFY, queue);
	CHECK(drv_works(r));
}

/* A ring that was stopped, or never ready, is left alone even when it is full of nonsense. */
static void notified_of_a_stopped_queue(struct rig *r, uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	wr(r, R_QUEUE_SEL, 0);
	wr(r, R_QUEUE_READY, 0);
	memset(gpa_ptr(r, r->q[0].desc), 0xff, 0x5000);
	kick(r, 0);
	virtio_poll(r->v);
	CHECK_INT(*(uint8_t *)gpa_ptr(r, r->q[0].used + 2), 0xff);
}

static void ready_without_driver_ok(struct rig *r, uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	CHECK(drv_negotiate(r, F_ALL));
	drv_queue_setup(r, 0, 8);
	memset(gpa_ptr(r, r->q[0].avail), 0xff, 32);
	kick(r, 0);
	virtio_poll(r->v);
}

/* Rings: the available index jumps to a, from b. */
static void avail_jumps(struct rig *r, uint64_t to, uint64_t start, uint64_t c)
{
	(void)c;
	drv_start(r, F_ALL, 8);
	for (uint64_t i = 0; i < start; i++) {
		CHECK(drv_works(r));
	}
	avail_idx_put(r, 0, (uint16_t)to);
	kick(r, 0);
}

static void avail_head(struct rig *r, uint64_t head, uint64_t size, uint64_t c)
{
	(void)c;
	drv_start(r, F_ALL, (uint16_t)size);
	offer(r, 0, (uint16_t)head);
}

/* Descriptor 0 goes on at a; descriptors a..b-1 at the next, b at c. All writable. */
static void chain_goes_on(struct rig *r, uint64_t first, uint64_t last, uint64_t then)
{
	gpa_t desc;

	drv_start(r, F_ALL, 64);
	desc = r->q[0].desc;
	desc_put(r, desc, 0, BUF_GPA, 1, D_NEXT | D_WRITE, (unsigned int)first);
	for (uint64_t i = first; i <= last && i < 64; i++) {
		desc_put(r, desc, (unsigned int)i, BUF_GPA, 1, D_NEXT | D_WRITE,
			 (unsigned int)(i == last ? then : i + 1));
	}
	offer(r, 0, 0);
}

/* One entropy request for len bytes at gpa; c: flags. */
static void one_buffer(struct rig *r, uint64_t gpa, uint64_t len, uint64_t flags)
{
	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[0].desc, 0, gpa, (uint32_t)len, (unsigned int)flags, 0);
	offer(r, 0, 0);
}

/* Two buffers of len bytes each, at gpa and c. */
static void two_buffers(struct rig *r, uint64_t gpa, uint64_t len, uint64_t second)
{
	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[0].desc, 0, gpa, (uint32_t)len, D_NEXT | D_WRITE, 1);
	desc_put(r, r->q[0].desc, 1, second, (uint32_t)len, D_WRITE, 0);
	offer(r, 0, 0);
}

static void flags_of_two(struct rig *r, uint64_t first, uint64_t second, uint64_t c)
{
	(void)c;
	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 64, (unsigned int)first | D_NEXT, 1);
	desc_put(r, r->q[0].desc, 1, BUF_GPA + 64, 64, (unsigned int)second, 0);
	offer(r, 0, 0);
}

/* Indirect: a table at gpa of len bytes, from a descriptor with more flags c. */
static void table_at(struct rig *r, uint64_t gpa, uint64_t len, uint64_t flags)
{
	drv_start(r, F_ALL, 8);
	if (gpa >= RAM_GPA && gpa < END - 64) {
		desc_put(r, gpa, 0, BUF_GPA + 0x800, 8, D_WRITE, 0);
	}
	desc_put(r, r->q[0].desc, 0, gpa, (uint32_t)len, D_INDIRECT | (unsigned int)flags, 1);
	desc_put(r, r->q[0].desc, 1, BUF_GPA, 8, D_WRITE, 0);
	offer(r, 0, 0);
}

/* A table of four whose entry a has flags b and next c. */
static void table_entry(struct rig *r, uint64_t idx, uint64_t flags, uint64_t next)
{
	gpa_t table = BUF_GPA + 0x1000;

	drv_start(r, F_ALL, 8);
	for (unsigned int i = 0; i < 4; i++) {
		desc_put(r, table, i, BUF_GPA + 16 * i, 16, D_WRITE | (i < 3 ? D_NEXT : 0), i + 1);
	}
	desc_put(r, table, (unsigned int)idx, BUF_GPA + 0x2000, 16, (unsigned int)flags,
		 (unsigned int)next);
	desc_put(r, r->q[0].desc, 0, table, 64, D_INDIRECT, 0);
	offer(r, 0, 0);
}

/* A table of a entries in one long chain. */
static void table_long(struct rig *r, uint64_t n, uint64_t b, uint64_t c)
{
	gpa_t table = BUF_GPA + 0x1000;

	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	for (unsigned int i = 0; i < n; i++) {
		desc_put(r, table, i, BUF_GPA, 1, D_WRITE | (i + 1 < n ? D_NEXT : 0), i + 1);
	}
	desc_put(r, r->q[0].desc, 0, table, (uint32_t)n * 16, D_INDIRECT, 0);
	offer(r, 0, 0);
}

static void table_not_negotiated(struct rig *r, uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	drv_start(r, F_ALL & ~VIRTIO_F_INDIRECT_DESC, 8);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 16, D_INDIRECT, 0);
	offer(r, 0, 0);
}

/* After a direct chain of a descriptors comes a table of b. */
static void table_behind_chain(struct rig *r, uint64_t direct, uint64_t n, uint64_t c)
{
	gpa_t table = BUF_GPA + 0x1000;

	(void)c;
	drv_start(r, F_ALL, 64);
	for (unsigned int i = 0; i < direct; i++) {
		desc_put(r, r->q[0].desc, i, BUF_GPA, 1, D_WRITE | D_NEXT, i + 1);
	}
	for (unsigned int i = 0; i < n; i++) {
		desc_put(r, table, i, BUF_GPA, 1, D_WRITE | (i + 1 < n ? D_NEXT : 0), i + 1);
	}
	desc_put(r, r->q[0].desc, (unsigned int)direct, table, (uint32_t)n * 16, D_INDIRECT, 0);
	offer(r, 0, 0);
}

/* The same head again and again, a times at once. */
static void head_repeated(struct rig *r, uint64_t n, uint64_t b, uint64_t c)
{
	uint32_t head;
	uint32_t len;
	uint64_t got = 0;

	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[0].desc, 5, BUF_GPA, 8, D_WRITE, 0);
	for (uint64_t i = 0; i < n; i++) {
		avail_put(r, 0, 5);
	}
	kick(r, 0);
	while (used_take(r, 0, &head, &len)) {
		CHECK_INT(head, 5);
		got++;
	}
	CHECK_INT(got, n);
}

/* A buffer that lies on the queue itself: at part a of it. The device writes over what it uses. */
static void buffer_on_ring(struct rig *r, uint64_t part, uint64_t len, uint64_t c)
{
	gpa_t at;

	(void)c;
	drv_start(r, F_ALL, 8);
	at = part == 0 ? r->q[0].desc : part == 1 ? r->q[0].avail : r->q[0].used;
	desc_put(r, r->q[0].desc, 0, at, (uint32_t)len, D_WRITE, 0);
	offer(r, 0, 0);
	kick(r, 0);
	virtio_poll(r->v);
}

static void rings_on_top_of_each_other(struct rig *r, uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	CHECK(drv_negotiate(r, F_ALL));
	drv_queue_place(r, 0, 8);
	wr64(r, R_DRIVER, r->q[0].desc);
	wr64(r, R_DEVICE, r->q[0].desc);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 1);
	wr(r, R_STATUS, 0x0f);
	memset(gpa_ptr(r, r->q[0].desc), 0x01, 128); /* index 0x0101 */
	kick(r, 0);
}

static void broken_then_used(struct rig *r, uint64_t a, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	offer(r, 0, 0xffff);
	CHECK(is_broken(r));
	int_ack(r);
	wr(r, a, 1); /* no way back but a reset */
	kick(r, 0);
	virtio_poll(r->v);
	CHECK(!r->line.level);
}

/* Disk: a request of type a for c bytes at sector b. */
static void blk_request_is(struct rig *r, uint64_t status, uint64_t type, uint64_t sector)
{
	drv_start(r, F_ALL, 8);
	blk_put(r, (uint32_t)type, sector, 1024, type != 1 && type != 11 && type != 13);
	memset(gpa_ptr(r, BLK_DATA), 0xff, 1024);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1);
	CHECK_INT(blk_status(r), status);
	CHECK(drv_works(r));
}

/* A request of b readable and c writable bytes. */
static void blk_shape(struct rig *r, uint64_t type, uint64_t readable, uint64_t writable)
{
	drv_start(r, F_ALL, 8);
	blk_put(r, (uint32_t)type, 0, 0, false);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, (uint32_t)readable, writable ? D_NEXT : 0, 1);
	desc_put(r, r->q[0].desc, 1, BLK_STATUS, (uint32_t)writable, D_WRITE, 0);
	offer(r, 0, 0);
}

/* Header, data or status (a) at b. */
static void blk_part_at(struct rig *r, uint64_t part, uint64_t gpa, uint64_t type)
{
	drv_start(r, F_ALL, 8);
	blk_put(r, (uint32_t)type, 0, 512, type == 0);
	store_le(gpa_ptr(r, r->q[0].desc + 16 * part), gpa, 8);
	offer(r, 0, 0);
}

static void blk_only_writable(struct rig *r, uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 600, D_WRITE, 0);
	offer(r, 0, 0);
}

/* Requests of 4 GiB in 256 pieces of all RAM: more than the disk has. */
static void blk_huge(struct rig *r, uint64_t type, uint64_t n, uint64_t c)
{
	gpa_t desc;
	unsigned int flags = type == 0 ? D_WRITE : 0;

	(void)c;
	drv_start(r, F_ALL, 256);
	desc = r->q[0].desc;
	blk_put(r, (uint32_t)type, 0, 0, true);
	desc_put(r, desc, 0, BUF_GPA, 16, D_NEXT, 1);
	for (unsigned int i = 1; i <= n; i++) {
		desc_put(r, desc, i, RAM_GPA, RAM_BYTES, D_NEXT | flags, i + 1);
	}
	desc_put(r, desc, (unsigned int)n + 1, BLK_STATUS, 1, D_WRITE, 0);
	offer(r, 0, 0);
	CHECK_INT(blk_status(r), 1);
	CHECK_INT(r->submits, 0);
}

/* Network and console: one descriptor on queue a, of c bytes at b. */
static void io_buffer(struct rig *r, uint64_t queue, uint64_t gpa, uint64_t len)
{
	static const uint8_t frame[100];

	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[queue].desc, 0, gpa, (uint32_t)len, queue ? 0 : D_WRITE, 0);
	r->fake.in = "typed";
	offer(r, (unsigned int)queue, 0);
	if (r->net && !queue) {
		virtio_net_receive(r->net, frame, sizeof(frame));
	}
}

/* Like io_buffer(), but the direction is wrong. */
static void io_direction(struct rig *r, uint64_t queue, uint64_t gpa, uint64_t len)
{
	static const uint8_t frame[100];

	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[queue].desc, 0, gpa, (uint32_t)len, queue ? D_WRITE : 0, 0);
	r->fake.in = "typed";
	offer(r, (unsigned int)queue, 0);
	if (r->net && !queue) {
		virtio_net_receive(r->net, frame, sizeof(frame));
	}
}

static void net_no_merging_small(struct rig *r, uint64_t len, uint64_t b, uint64_t c)
{
	static const uint8_t frame[100];

	(void)b;
	(void)c;
	drv_start(r, F_ALL & ~F_MRG_RXBUF, 8);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, (uint32_t)len, D_WRITE, 0);
	avail_put(r, 0, 0);
	CHECK(virtio_net_receive(r->net, frame, sizeof(frame))); /* dropped */
	CHECK_INT(used_one(r, 0, 0), -1);
}

/* The second of several merged buffers is bad; the driver never sees the first. */
static void net_second_buffer_at(struct rig *r, uint64_t gpa, uint64_t len, uint64_t c)
{
	static const uint8_t frame[100];

	(void)c;
	drv_start(r, F_ALL, 8);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 40, D_WRITE, 0);
	desc_put(r, r->q[0].desc, 1, gpa, (uint32_t)len, D_WRITE, 0);
	avail_put(r, 0, 0);
	avail_put(r, 0, 1);
	CHECK(!virtio_net_receive(r->net, frame, sizeof(frame)));
	CHECK_INT(load_le(gpa_ptr(r, r->q[0].used + 2), 2), 0);
}

#define EVERY_WIDTH(name, reg)                                                                   \
	{ name ": 1 byte read", RNG, access_as, 1, reg, 0, ALIVE },                              \
		{ name ": 1 byte read in the middle", RNG, access_as, 1, reg + 2, 0, ALIVE },    \
		{ name ": 2 bytes read", RNG, access_as, 2, reg, 0, ALIVE },                     \
		{ name ": 2 bytes read, odd", RNG, access_as, 2, reg + 1, 0, ALIVE },            \
		{ name ": 4 bytes read, not aligned", RNG, access_as, 4, reg + 2, 0, ALIVE },    \
		{ name ": 8 bytes read", RNG, access_as, 8, reg, 0, ALIVE },                     \
		{ name ": 1 byte written", RNG, access_as, 1, reg, 1, ALIVE },                   \
		{ name ": 2 bytes written", RNG, access_as, 2, reg, 1, ALIVE },                  \
		{ name ": 4 bytes written, not aligned", RNG, access_as, 4, reg + 1, 1, ALIVE }, \
	{                                                                                        \
		name ": 8 bytes written", RNG, access_as, 8, reg, 1, ALIVE                       \
	}

static const struct hostile widths[] = {
	EVERY_WIDTH("MagicValue", R_MAGIC),
	EVERY_WIDTH("DeviceID", R_DEVICE_ID),
	EVERY_WIDTH("DeviceFeatures", R_DEV_FEATURES),
	EVERY_WIDTH("DriverFeatures", R_DRV_FEATURES),
	EVERY_WIDTH("QueueSel", R_QUEUE_SEL),
	EVERY_WIDTH("QueueNum", R_QUEUE_NUM),
	EVERY_WIDTH("QueueReady", R_QUEUE_READY),
	EVERY_WIDTH("QueueNotify", R_QUEUE_NOTIFY),
	EVERY_WIDTH("InterruptACK", R_INT_ACK),
	EVERY_WIDTH("Status", R_STATUS),
	EVERY_WIDTH("QueueDesc", R_DESC),
	EVERY_WIDTH("QueueDevice", R_DEVICE),
	EVERY_WIDTH("SHMLen", R_SHM_LEN),
	EVERY_WIDTH("ConfigGeneration", R_GENERATION),
	EVERY_WIDTH("Config of a device without", R_CONFIG),
};

static const struct hostile registers[] = {
	{ "write to MagicValue", RNG, write_while_running, R_MAGIC, ~0ULL, 0, ALIVE },
	{ "write to DeviceID", RNG, write_while_running, R_DEVICE_ID, 2, 0, ALIVE },
	{ "write to DeviceFeatures", RNG, write_while_running, R_DEV_FEATURES, 1, 0, ALIVE },
	{ "write to QueueNumMax", RNG, write_while_running, R_QUEUE_NUM_MAX, 1, 0, ALIVE },
	{ "write to InterruptStatus", RNG, write_while_running, R_INT_STATUS, 3, 0, ALIVE },
	{ "write to ConfigGeneration", RNG, write_while_running, R_GENERATION, 7, 0, ALIVE },
	{ "write to SHMLen", RNG, write_while_running, R_SHM_LEN, 7, 0, ALIVE },
	{ "write to a disk's capacity", BLK, write_while_running, R_CONFIG, ~0ULL, 0, ALIVE },
	{ "write to a card's address", NET, write_while_running, R_CONFIG, ~0ULL, 0, ALIVE },
	{ "write to QueueReset", RNG, write_while_running, R_QUEUE_RESET, 1, 0, ALIVE },
	{ "legacy GuestPageSize", RNG, write_while_running, 0x28, 4096, 0, ALIVE },
	{ "legacy QueueAlign", RNG, write_while_running, 0x3c, 4096, 0, ALIVE },
	{ "legacy QueuePFN", RNG, write_while_running, 0x40, 0x80000, 0, ALIVE },
	{ "QueueNum while running", RNG, write_while_running, R_QUEUE_NUM, 4, 0, ALIVE },
	{ "QueueDescLow while running", RNG, write_while_running, R_DESC, 0, 0, ALIVE },
	{ "QueueDescHigh while running", RNG, write_while_running, R_DESC + 4, 1, 0, ALIVE },
	{ "QueueDriverLow while running", RNG, write_while_running, R_DRIVER, 0, 0, ALIVE },
	{ "QueueDriverHigh while running", RNG, write_while_running, R_DRIVER + 4, 1, 0, ALIVE },
	{ "QueueDeviceLow while running", RNG, write_while_running, R_DEVICE, 0, 0, ALIVE },
	{ "QueueDeviceHigh while running", RNG, write_while_running, R_DEVICE + 4, 1, 0, ALIVE },
	{ "QueueReady again while running", RNG, write_while_running, R_QUEUE_READY, 1, 0, ALIVE },
	{ "DriverFeatures while running", RNG, write_while_running, R_DRV_FEATURES, 0, 0, ALIVE },
	{ "InterruptACK of nothing", RNG, write_while_running, R_INT_ACK, ~0ULL, 0, ALIVE },
	{ "QueueSel one too far", RNG, queue_selected_badly, 1, 0, 0, ALIVE },
	{ "QueueSel two too far", NET, queue_selected_badly, 2, 0, 0, ALIVE },
	{ "QueueSel 0x80000000", RNG, queue_selected_badly, 0x80000000, 0, 0, ALIVE },
	{ "QueueSel 0xffffffff", RNG, queue_selected_badly, 0xffffffff, 0, 0, ALIVE },
	{ "QueueNotify of queue 1 of 1", RNG, notified_of, 1, 0, 0, ALIVE },
	{ "QueueNotify of queue 0x10000", RNG, notified_of, 0x10000, 0, 0, ALIVE },
	{ "QueueNotify of queue 0xffffffff", RNG, notified_of, 0xffffffff, 0, 0, ALIVE },
	{ "QueueNotify of a stopped queue", RNG, notified_of_a_stopped_queue, 0, 0, 0, ALIVE },
	{ "QueueNotify before DRIVER_OK", RNG, ready_without_driver_ok, 0, 0, 0, ALIVE },
};

static const struct hostile negotiations[] = {
	{ "no feature at all", BLK, features_refused, 0, 0, 0, ALIVE },
	{ "all features", BLK, features_refused, 0xffffffff, 0xffffffff, 0, ALIVE },
	{ "without VIRTIO_F_VERSION_1", BLK, features_refused, 1 << 9, 0, 0, ALIVE },
	{ "a feature of another device", BLK, features_refused, 1 << 15, 1, 0, ALIVE },
	{ "VIRTIO_BLK_F_RO of a writable disk", BLK, features_refused, 1 << 5, 1, 0, ALIVE },
	{ "VIRTIO_F_ACCESS_PLATFORM", BLK, features_refused, 0, 3, 0, ALIVE },
	{ "VIRTIO_F_RING_PACKED", BLK, features_refused, 0, 5, 0, ALIVE },
	{ "VIRTIO_F_NOTIFICATION_DATA", BLK, features_refused, 0, 0x41, 0, ALIVE },
	{ "VIRTIO_F_RING_RESET", BLK, features_refused, 0, 0x101, 0, ALIVE },
	{ "DRIVER_OK after features were refused", RNG, features_refused, 0, 0, 1, WHY_OK },
	{ "features after FEATURES_OK", BLK, features_changed_late, 0, 1 << 9, 0x0b, ALIVE },
	{ "version after FEATURES_OK", BLK, features_changed_late, 1, 0, 0x0b, ALIVE },
	{ "features after DRIVER_OK", BLK, features_changed_late, 0, 1 << 28, 0x0f, ALIVE },
	{ "feature word 2", BLK, features_beyond, 2, 0xffffffff, 0, ALIVE },
	{ "feature word 0x08000000", BLK, features_beyond, 0x08000000, 0xffffffff, 0, ALIVE },
	{ "feature word 0xffffffff", BLK, features_beyond, 0xffffffff, 0xffffffff, 0, ALIVE },
	{ "DRIVER_OK at once", BLK, status_sequence, 4, 4, 0x44, WHY_OK },
	{ "DRIVER_OK without FEATURES_OK", BLK, status_sequence, 3, 7, 0x47, WHY_OK },
	{ "everything at once without features", BLK, status_sequence, 3, 0xff, 0xc7, WHY_OK },
	{ "NEEDS_RESET by the driver", BLK, status_sequence, 3, 0x43, 3, ALIVE },
	{ "reserved status bits", BLK, status_sequence, 0x30, 0x33, 3, ALIVE },
	{ "status bits above the eighth", BLK, status_sequence, 3, 0xffffff00, 3, ALIVE },
	{ "status bits taken back", BLK, status_sequence, 3, 1, 3, ALIVE },
	{ "FAILED", BLK, status_sequence, 3, 0x80, 0x83, ALIVE },
};

static const struct hostile queues[] = {
	{ "size 0", RNG, queue_sized, 0, 0, 0, WHY_SIZE },
	{ "size 3", RNG, queue_sized, 3, 0, 0, WHY_SIZE },
	{ "size 63", RNG, queue_sized, 63, 0, 0, WHY_SIZE },
	{ "size of a larger queue", RNG, queue_sized, 128, 0, 0, WHY_LARGE },
	{ "size 255", BLK, queue_sized, 255, 0, 0, WHY_SIZE },
	{ "size 257", BLK, queue_sized, 257, 0, 0, WHY_LARGE },
	{ "size 512", BLK, queue_sized, 512, 0, 0, WHY_LARGE },
	{ "size 32768", BLK, queue_sized, 32768, 0, 0, WHY_LARGE },
	{ "size 65536", BLK, queue_sized, 65536, 0, 0, WHY_LARGE },
	{ "size 65544, in 16 bits 8", BLK, queue_sized, 65544, 0, 0, WHY_LARGE },
	{ "size 0xffffffff", BLK, queue_sized, 0xffffffff, 0, 0, WHY_LARGE },
	{ "ready without addresses", RNG, queue_without_addresses, 8, 0, 0, WHY_PLACE },
	{ "ready without anything", RNG, queue_without_addresses, 0, 0, 0, WHY_SIZE },
	{ "descriptors off by 1", RNG, queue_at, 8, R_DESC, RAM_GPA + 1, WHY_ALIGN },
	{ "descriptors off by 8", RNG, queue_at, 8, R_DESC, RAM_GPA + 8, WHY_ALIGN },
	{ "available ring off by 1", RNG, queue_at, 8, R_DRIVER, RAM_GPA + 1, WHY_ALIGN },
	{ "used ring off by 1", RNG, queue_at, 8, R_DEVICE, RAM_GPA + 1, WHY_ALIGN },
	{ "used ring off by 2", RNG, queue_at, 8, R_DEVICE, RAM_GPA + 2, WHY_ALIGN },
	{ "descriptors wrap", RNG, queue_at, 8, R_DESC, -16ULL, WHY_WRAP },
	{ "available ring wraps", RNG, queue_at, 8, R_DRIVER, -2ULL, WHY_WRAP },
	{ "used ring wraps", RNG, queue_at, 8, R_DEVICE, -4ULL, WHY_WRAP },
	{ "descriptors below RAM", RNG, queue_at, 8, R_DESC, RAM_GPA - 16, WHY_PLACE },
	{ "descriptors behind RAM", RNG, queue_at, 8, R_DESC, END, WHY_PLACE },
	{ "descriptors across the end", RNG, queue_at, 8, R_DESC, END - 16, WHY_PLACE },
	{ "available ring across the end", RNG, queue_at, 8, R_DRIVER, END - 20, WHY_PLACE },
	{ "used ring across the end", RNG, queue_at, 8, R_DEVICE, END - 68, WHY_PLACE },
	{ "used ring in ROM", RNG, queue_at, 8, R_DEVICE, ROM_GPA, WHY_PLACE },
	{ "available ring nowhere", RNG, queue_at, 8, R_DRIVER, 0x10001000, WHY_PLACE },
	{ "used ring on the device itself", RNG, queue_at, 8, R_DEVICE, 0x10008000, WHY_PLACE },
	{ "descriptors above 4 GiB", RNG, queue_at, 8, R_DESC, BIT(32) + RAM_GPA, WHY_PLACE },
	{ "descriptors at 2^63", RNG, queue_at, 8, R_DESC, BIT(63), WHY_PLACE },
	{ "rings on top of each other", RNG, rings_on_top_of_each_other, 0, 0, 0, WHY_JUMP },
};

static const struct hostile rings[] = {
	{ "index one too far", RNG, avail_jumps, 9, 0, 0, WHY_JUMP },
	{ "index half around", RNG, avail_jumps, 0x8000, 0, 0, WHY_JUMP },
	{ "index goes back", RNG, avail_jumps, 0xffff, 0, 0, WHY_JUMP },
	{ "index goes back later", RNG, avail_jumps, 4, 5, 0, WHY_JUMP },
	{ "index jumps later", RNG, avail_jumps, 14, 5, 0, WHY_JUMP },
	{ "head one too far", RNG, avail_head, 8, 8, 0, WHY_INDEX },
	{ "head far too far", RNG, avail_head, 0xffff, 8, 0, WHY_INDEX },
	{ "head one too far in the largest queue", BLK, avail_head, 256, 256, 0, WHY_INDEX },
	{ "next one too far", RNG, chain_goes_on, 64, 0, 0, WHY_INDEX },
	{ "next far too far", RNG, chain_goes_on, 0xffff, 0, 0, WHY_INDEX },
	{ "next too far at the end", RNG, chain_goes_on, 1, 20, 64, WHY_INDEX },
	{ "descriptor goes on at itself", RNG, chain_goes_on, 0, 0, 0, WHY_LONG },
	{ "loop of two", RNG, chain_goes_on, 1, 1, 0, WHY_LONG },
	{ "loop at the end of a chain", RNG, chain_goes_on, 1, 40, 40, WHY_LONG },
	{ "loop of the whole table", RNG, chain_goes_on, 1, 63, 0, WHY_LONG },
	{ "readable behind writable", BLK, flags_of_two, D_WRITE, 0, 0, WHY_ORDER },
	{ "unknown flags", RNG, flags_of_two, 0xfff8 | D_WRITE, 0xfff8 | D_WRITE, 0, ALIVE },
	{ "buffer at 0", RNG, one_buffer, 0, 8, D_WRITE, WHY_WRITE },
	{ "buffer below RAM", RNG, one_buffer, RAM_GPA - 8, 16, D_WRITE, WHY_WRITE },
	{ "buffer behind RAM", RNG, one_buffer, END, 8, D_WRITE, WHY_WRITE },
	{ "buffer across the end", RNG, one_buffer, END - 4, 8, D_WRITE, WHY_WRITE },
	{ "buffer in ROM", RNG, one_buffer, ROM_GPA, 8, D_WRITE, WHY_WRITE },
	{ "buffer on a device", RNG, one_buffer, 0x10008000, 8, D_WRITE, WHY_WRITE },
	{ "buffer wraps", RNG, one_buffer, -8ULL, 16, D_WRITE, WHY_BUF_WRAP },
	{ "buffer wraps by its length", RNG, one_buffer, -8ULL, 0xffffffff, D_WRITE, WHY_BUF_WRAP },
	{ "buffer at the top of all", RNG, one_buffer, -9ULL, 8, D_WRITE, WHY_WRITE },
	{ "buffer up to the last byte", RNG, one_buffer, END - 8, 8, D_WRITE, ALIVE },
	{ "length 0xffffffff", RNG, one_buffer, END - 512, 0xffffffff, D_WRITE, WHY_WRITE },
	{ "two of 4 GiB less a byte", RNG, two_buffers, RAM_GPA, 0xffffffff, RAM_GPA, WHY_4GIB },
	{ "two of 2 GiB and a byte", RNG, two_buffers, RAM_GPA, 0x80000001, RAM_GPA, WHY_4GIB },
	{ "two of 2 GiB", RNG, two_buffers, RAM_GPA, 0x80000000, RAM_GPA, ALIVE },
	{ "second buffer nowhere", RNG, two_buffers, BUF_GPA, 16, 64, WHY_WRITE },
	{ "the same buffer twice", RNG, two_buffers, BUF_GPA, 16, BUF_GPA, ALIVE },
	{ "one head twice", RNG, head_repeated, 2, 0, 0, ALIVE },
	{ "one head in every entry", RNG, head_repeated, 8, 0, 0, ALIVE },
	{ "buffer on the descriptors", RNG, buffer_on_ring, 0, 128, 0, ALIVE },
	{ "buffer on the available ring", RNG, buffer_on_ring, 1, 22, 0, WHY_JUMP },
	{ "buffer on the used ring", RNG, buffer_on_ring, 2, 70, 0, ALIVE },
	{ "broken, then DRIVER_OK", RNG, broken_then_used, R_STATUS, 0, 0, WHY_INDEX },
	{ "broken, then QueueReady", RNG, broken_then_used, R_QUEUE_READY, 0, 0, WHY_INDEX },
	{ "broken, then QueueNum", RNG, broken_then_used, R_QUEUE_NUM, 0, 0, WHY_INDEX },
	{ "broken, then features", RNG, broken_then_used, R_DRV_FEATURES, 0, 0, WHY_INDEX },
};

static const struct hostile tables[] = {
	{ "not negotiated", RNG, table_not_negotiated, 0, 0, 0, WHY_NO_IND },
	{ "with a next one", RNG, table_at, BUF_GPA, 16, D_NEXT, WHY_IND_NEXT },
	{ "of no length", RNG, table_at, BUF_GPA, 0, 0, WHY_IND_LEN },
	{ "of 8 bytes", RNG, table_at, BUF_GPA, 8, 0, WHY_IND_LEN },
	{ "of 15 bytes", RNG, table_at, BUF_GPA, 15, 0, WHY_IND_LEN },
	{ "of 17 bytes", RNG, table_at, BUF_GPA, 17, 0, WHY_IND_LEN },
	{ "of 0xffffffff bytes", RNG, table_at, BUF_GPA, 0xffffffff, 0, WHY_IND_LEN },
	{ "wraps", RNG, table_at, -16ULL, 32, 0, WHY_IND_WRAP },
	{ "at 0", RNG, table_at, 0, 16, 0, WHY_DESC },
	{ "behind RAM", RNG, table_at, END, 16, 0, WHY_DESC },
	{ "across the end", RNG, table_at, END - 8, 16, 0, WHY_DESC },
	{ "on a device", RNG, table_at, 0x10008000, 16, 0, WHY_DESC },
	{ "in ROM, all zeroes: not for writing", RNG, table_at, ROM_GPA, 16, 0, WHY_RNG },
	{ "not aligned", RNG, table_at, BUF_GPA + 3, 16, 0, ALIVE },
	{ "marked writable", RNG, table_at, BUF_GPA, 16, D_WRITE, ALIVE },
	{ "longer than RAM, of which one is used", RNG, table_at, BUF_GPA, 0xfffffff0, 0, ALIVE },
	{ "inside a table", RNG, table_entry, 0, D_INDIRECT, 0, WHY_NESTED },
	{ "inside a table, later", RNG, table_entry, 2, D_INDIRECT, 0, WHY_NESTED },
	{ "inside a table, with next", RNG, table_entry, 1, D_INDIRECT | D_NEXT, 2, WHY_NESTED },
	{ "entry goes on at itself", RNG, table_entry, 1, D_NEXT | D_WRITE, 1, WHY_LONG },
	{ "entry goes on at the first", RNG, table_entry, 3, D_NEXT | D_WRITE, 0, WHY_LONG },
	{ "next one too far", RNG, table_entry, 3, D_NEXT | D_WRITE, 4, WHY_INDEX },
	{ "next far too far", RNG, table_entry, 0, D_NEXT | D_WRITE, 0xffff, WHY_INDEX },
	{ "readable behind writable", RNG, table_entry, 3, 0, 0, WHY_ORDER },
	{ "256 entries", RNG, table_long, 256, 0, 0, ALIVE },
	{ "257 entries", RNG, table_long, 257, 0, 0, WHY_LONG },
	{ "4096 entries", RNG, table_long, 4096, 0, 0, WHY_LONG },
	{ "63 descriptors and 193 entries", RNG, table_behind_chain, 63, 193, 0, ALIVE },
	{ "63 descriptors and 194 entries", RNG, table_behind_chain, 63, 194, 0, WHY_LONG },
};

static const struct hostile disks[] = {
	{ "header of 15 bytes", BLK, blk_shape, 0, 15, 1, WHY_BLK },
	{ "header of no bytes", BLK, blk_shape, 0, 0, 1, WHY_BLK },
	{ "no status", BLK, blk_shape, 0, 16, 0, WHY_BLK },
	{ "status of no bytes", BLK, blk_shape, 4, 528, 0, WHY_BLK },
	{ "only writable", BLK, blk_only_writable, 0, 0, 0, WHY_BLK },
	{ "more header than needed", BLK, blk_shape, 4, 4096, 1, ALIVE },
	{ "header nowhere", BLK, blk_part_at, 0, 0x1000, 0, WHY_READ },
	{ "data nowhere, to be read into", BLK, blk_part_at, 1, 0x1000, 0, WHY_WRITE },
	{ "data in ROM, to be read into", BLK, blk_part_at, 1, ROM_GPA, 0, WHY_WRITE },
	{ "data across the end", BLK, blk_part_at, 1, END - 256, 0, WHY_WRITE },
	{ "data nowhere, to be written", BLK, blk_part_at, 1, 0x1000, 1, WHY_READ },
	{ "data from ROM", BLK, blk_part_at, 1, ROM_GPA, 1, ALIVE },
	{ "status nowhere", BLK, blk_part_at, 2, 0x1000, 0, WHY_WRITE },
	{ "status in ROM", BLK, blk_part_at, 2, ROM_GPA + 5, 0, WHY_WRITE },
	{ "status nowhere, of a write", BLK, blk_part_at, 2, 0x1000, 1, WHY_WRITE },
	{ "read behind the end", BLK, blk_request_is, 1, 0, DISK_SECTORS, ALIVE },
	{ "read across the end", BLK, blk_request_is, 1, 0, DISK_SECTORS - 1, ALIVE },
	{ "read at sector 2^64 - 1", BLK, blk_request_is, 1, 0, UINT64_MAX, ALIVE },
	{ "read at sector 2^55", BLK, blk_request_is, 1, 0, BIT(55), ALIVE },
	{ "write behind the end", BLK, blk_request_is, 1, 1, DISK_SECTORS, ALIVE },
	{ "write across the end", BLK, blk_request_is, 1, 1, DISK_SECTORS - 1, ALIVE },
	{ "write at sector 2^64 - 2", BLK, blk_request_is, 1, 1, UINT64_MAX - 1, ALIVE },
	{ "type 2", BLK, blk_request_is, 2, 2, 0, ALIVE },
	{ "type 0x80000000", BLK, blk_request_is, 2, 0x80000000, 0, ALIVE },
	{ "discard of 64 ranges", BLK, blk_request_is, 1, 11, 0, ALIVE },
	{ "write zeroes of 64 ranges", BLK, blk_request_is, 1, 13, 0, ALIVE },
	{ "read of 254 MiB", BLK, blk_huge, 0, 254, 0, ALIVE },
	{ "write of 254 MiB", BLK, blk_huge, 1, 254, 0, ALIVE },
};

static const struct hostile ports[] = {
	{ "card: frame without header", NET, io_buffer, 1, BUF_GPA, 11, WHY_NET_TX },
	{ "card: frame of no bytes at all", NET, io_buffer, 1, BUF_GPA, 0, WHY_NET_TX },
	{ "card: header only", NET, io_buffer, 1, BUF_GPA, 12, ALIVE },
	{ "card: frame nowhere", NET, io_buffer, 1, 0x1000, 100, WHY_READ },
	{ "card: frame across the end", NET, io_buffer, 1, END - 50, 100, WHY_READ },
	{ "card: frame of 512 KiB", NET, io_buffer, 1, RAM_GPA, 0x80000, ALIVE },
	{ "card: frame of 4 GiB", NET, io_buffer, 1, RAM_GPA, 0xffffffff, ALIVE },
	{ "card: frame to be written", NET, io_direction, 1, BUF_GPA, 100, WHY_NET_TX },
	{ "card: receive buffer of 11 bytes", NET, io_buffer, 0, BUF_GPA, 11, WHY_NET_RX },
	{ "card: receive buffer of no bytes", NET, io_buffer, 0, BUF_GPA, 0, WHY_NET_RX },
	{ "card: receive buffer nowhere", NET, io_buffer, 0, 0x1000, 2000, WHY_WRITE },
	{ "card: receive buffer in ROM", NET, io_buffer, 0, ROM_GPA, 2000, WHY_WRITE },
	{ "card: receive buffer across the end", NET, io_buffer, 0, END - 50, 2000, WHY_WRITE },
	{ "card: receive buffer for reading", NET, io_direction, 0, BUF_GPA, 2000, WHY_NET_RX },
	{ "card: small buffer, no merging", NET, net_no_merging_small, 50, 0, 0, ALIVE },
	{ "card: buffer a byte short", NET, net_no_merging_small, 111, 0, 0, ALIVE },
	{ "card: second buffer nowhere", NET, net_second_buffer_at, 0x1000, 100, 0, WHY_WRITE },
	{ "card: second buffer in ROM", NET, net_second_buffer_at, ROM_GPA, 100, 0, WHY_WRITE },
	{ "card: second buffer empty", NET, net_second_buffer_at, BUF_GPA, 0, 0, ALIVE },
	{ "console: output from nowhere", CONSOLE, io_buffer, 1, 0x1000, 5, WHY_READ },
	{ "console: output across the end", CONSOLE, io_buffer, 1, END - 2, 5, WHY_READ },
	{ "console: output to be written", CONSOLE, io_direction, 1, BUF_GPA, 5, ALIVE },
	{ "console: input to nowhere", CONSOLE, io_buffer, 0, 0x1000, 5, WHY_WRITE },
	{ "console: input to ROM", CONSOLE, io_buffer, 0, ROM_GPA, 5, WHY_WRITE },
	{ "console: input of no bytes", CONSOLE, io_buffer, 0, BUF_GPA, 0, WHY_CON_RX },
	{ "console: input for reading", CONSOLE, io_direction, 0, BUF_GPA, 5, WHY_CON_RX },
	{ "entropy: for reading", RNG, one_buffer, BUF_GPA, 8, 0, WHY_RNG },
	{ "entropy: of no bytes", RNG, one_buffer, BUF_GPA, 0, D_WRITE, WHY_RNG },
	{ "entropy: readable and writable", RNG, flags_of_two, 0, D_WRITE, 0, WHY_RNG },
};

/* A driver that stops the madness: reset and start properly. */
static bool recovers(struct rig *r)
{
	wr(r, R_STATUS, 0);
	if (rd(r, R_STATUS) || r->line.level || virtio_why_broken(r->v)) {
		return false;
	}
	drv_start(r, F_ALL, 16);
	r->fake.in = NULL;
	return drv_works(r);
}

static void run(const char *group, const struct hostile *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct hostile *h = &t[i];
		struct rig *r = rig_new(h->kind);
		int before = test_failures;
		bool is_driven;

		h->run(r, h->a, h->b, h->c);
		is_driven = rd(r, R_STATUS) & VIRTIO_STATUS_DRIVER_OK;
		CHECK_INT(is_broken(r), h->why != ALIVE);
		CHECK_STR(virtio_why_broken(r->v) ? virtio_why_broken(r->v) : "alive",
			  h->why ? h->why : "alive");
		if (h->why && is_driven && h->run != broken_then_used) {
			CHECK(rd(r, R_INT_STATUS) & 2); /* the driver is told */
			CHECK(r->line.level);
		}
		for (size_t k = 0; k < ROM_BYTES; k++) {
			if (r->rom[k]) {
				CHECK_INT(k, -1);
				break;
			}
		}
		CHECK(recovers(r));
		rig_free(r);
		printf("%s %s: %s\n", test_failures == before ? "pass" : "FAIL", group, h->name);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	run("width", widths, ARRAY_SIZE(widths));
	run("register", registers, ARRAY_SIZE(registers));
	run("negotiation", negotiations, ARRAY_SIZE(negotiations));
	run("queue", queues, ARRAY_SIZE(queues));
	run("ring", rings, ARRAY_SIZE(rings));
	run("indirect table", tables, ARRAY_SIZE(tables));
	run("disk", disks, ARRAY_SIZE(disks));
	run("port", ports, ARRAY_SIZE(ports));
	printf("%zu hostile drivers\n", ARRAY_SIZE(widths) + ARRAY_SIZE(registers) +
						ARRAY_SIZE(negotiations) + ARRAY_SIZE(queues) +
						ARRAY_SIZE(rings) + ARRAY_SIZE(tables) +
						ARRAY_SIZE(disks) + ARRAY_SIZE(ports));
	return test_failures ? 1 : 0;
}
