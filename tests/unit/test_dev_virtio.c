/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio over MMIO: every register, negotiation, queues, interrupts, reset, saved states, and what Linux's
 * drivers do to start a device. */
#include "test_dev_virtio.h"

static void identity(void)
{
	static const struct {
		enum kind kind;
		uint32_t id;
	} kinds[] = { { NET, 1 }, { BLK, 2 },	 { CONSOLE, 3 },
		      { RNG, 4 }, { INPUT, 18 }, { EMPTY, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct rig *r = rig_new(kinds[i].kind);

		CHECK_INT(rd(r, R_MAGIC), 0x74726976);
		CHECK_INT(rd(r, R_VERSION), 2);
		CHECK_INT(rd(r, R_DEVICE_ID), kinds[i].id);
		CHECK(rd(r, R_VENDOR_ID) != 0);
		CHECK_INT(rd(r, R_STATUS), 0);
		CHECK_INT(rd(r, R_INT_STATUS), 0);
		CHECK_INT(rd(r, R_GENERATION), 0);
		CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, 0x1000, 4), -1);
		rig_free(r);
	}
}

static void an_empty_slot_does_nothing(void)
{
	struct rig *r = rig_new(EMPTY);

	for (uint64_t off = 0; off < 0x200; off += 4) {
		wr(r, off, 0xffffffff);
	}
	for (uint64_t off = 0x10; off < 0x200; off += 4) {
		CHECK_INT(rd(r, off), 0);
	}
	CHECK(!r->line.level);
	rig_free(r);
}

static void features_offered(void)
{
	struct rig *r = rig_new(BLK);

	wr(r, R_DEV_FEATURES_SEL, 0);
	CHECK_INT(rd(r, R_DEV_FEATURES),
		  1u << 2 | 1u << 6 | 1u << 9 | 1u << 13 | 1u << 14 | 1u << 28 | 1u << 29);
	wr(r, R_DEV_FEATURES_SEL, 1);
	CHECK_INT(rd(r, R_DEV_FEATURES), 1); /* VIRTIO_F_VERSION_1 */
	wr(r, R_DEV_FEATURES_SEL, 2);
	CHECK_INT(rd(r, R_DEV_FEATURES), 0);
	wr(r, R_DEV_FEATURES_SEL, 0xffffffff);
	CHECK_INT(rd(r, R_DEV_FEATURES), 0);
	rig_free(r);
	r = rig_new_ro(BLK, true);
	CHECK_INT(rd(r, R_DEV_FEATURES) & (1u << 5 | 1u << 13 | 1u << 14), 1u << 5);
	rig_free(r);
	r = rig_new(NET);
	CHECK_INT(rd(r, R_DEV_FEATURES), 1u << 5 | 1u << 15 | 1u << 16 | 1u << 28 | 1u << 29);
	rig_free(r);
}

static void shared_memory_is_absent(void)
{
	struct rig *r = rig_new(RNG);

	for (uint32_t id = 0; id < 300; id += 100) {
		wr(r, R_SHM_SEL, id);
		CHECK_INT(rd(r, R_SHM_LEN), 0xffffffff);
		CHECK_INT(rd(r, R_SHM_LEN + 4), 0xffffffff);
		CHECK_INT(rd(r, R_SHM_BASE), 0xffffffff);
		CHECK_INT(rd(r, R_SHM_BASE + 4), 0xffffffff);
	}
	rig_free(r);
}

static void configuration_of_a_disk(void)
{
	struct rig *r = rig_new(BLK);

	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, R_CONFIG, 8), DISK_SECTORS);
	CHECK_INT(rd(r, R_CONFIG), DISK_SECTORS);
	CHECK_INT(rd(r, R_CONFIG + 4), 0);
	CHECK_INT(rd(r, R_CONFIG + 12), 254); /* seg_max */
	CHECK_INT(rd(r, R_CONFIG + 20), 512);
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, R_CONFIG + 21, 1), 2);
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, R_CONFIG + 20, 2), 512);
	CHECK_INT(rd(r, R_CONFIG + 36), 1 << 22);
	CHECK_INT(rd(r, R_CONFIG + 40), 1);
	CHECK_INT(rd(r, R_CONFIG + 44), 1);
	CHECK_INT(rd(r, R_CONFIG + 48), 1 << 22);
	CHECK_INT(rd(r, R_CONFIG + 52), 1);
	CHECK_INT(rd(r, R_CONFIG + 56), 1);
	for (uint64_t off = R_CONFIG + 60; off < 0x1000; off += 4) {
		CHECK_INT(rd(r, off), 0);
	}
	rig_free(r);
}

static void configuration_of_a_network_card(void)
{
	struct rig *r = rig_new(NET);

	drv_start(r, F_ALL, 16);
	for (unsigned int i = 0; i < 6; i++) {
		CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, R_CONFIG + i, 1), rig_mac[i]);
	}
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, R_CONFIG + 6, 2), 1);
	virtio_net_link_set(r->net, true); /* as it was */
	CHECK_INT(rd(r, R_GENERATION), 0);
	virtio_net_link_set(r->net, false);
	CHECK_INT(rd(r, R_GENERATION), 1);
	CHECK_INT(rd(r, R_INT_STATUS), 2);
	CHECK(r->line.level);
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, R_CONFIG + 6, 2), 0);
	CHECK_INT(int_ack(r), 2);
	rig_free(r);
}

static void negotiation(void)
{
	struct rig *r = rig_new(BLK);

	CHECK(drv_negotiate(r, F_ALL));
	CHECK(drv_negotiate(r, VIRTIO_F_VERSION_1));
	CHECK(!drv_negotiate(r, F_ALL & ~VIRTIO_F_VERSION_1));
	CHECK_INT(rd(r, R_STATUS), 0x03);
	wr(r, R_DRV_FEATURES_SEL, 1); /* it may try again */
	wr(r, R_DRV_FEATURES, 1);
	wr(r, R_STATUS, 0x0b);
	CHECK_INT(rd(r, R_STATUS), 0x0b);
	wr(r, R_DRV_FEATURES, 0); /* frozen */
	wr(r, R_STATUS, 0x0f);
	CHECK_INT(rd(r, R_STATUS), 0x0f);
	CHECK_INT(r->v->features, (int64_t)(VIRTIO_F_VERSION_1 | (r->v->offered & 0xffffffff)));
	rig_free(r);
}

static void status_bits(void)
{
	struct rig *r = rig_new(RNG);

	drv_start(r, F_ALL, 8);
	wr(r, R_STATUS, 0x01); /* bits can't be taken back */
	CHECK_INT(rd(r, R_STATUS), 0x0f);
	wr(r, R_STATUS, 0x100); /* no bits at all, but no reset either */
	CHECK_INT(rd(r, R_STATUS), 0x0f);
	wr(r, R_STATUS, 0x30 | 0x40); /* reserved, and the device's own */
	CHECK_INT(rd(r, R_STATUS), 0x0f);
	wr(r, R_STATUS, 0x80);
	CHECK_INT(rd(r, R_STATUS), 0x8f);
	CHECK(!drv_works(r)); /* the driver gave up: nothing is done for it */
	wr(r, R_STATUS, 0);
	CHECK_INT(rd(r, R_STATUS), 0);
	drv_start(r, F_ALL, 8);
	CHECK(drv_works(r));
	rig_free(r);
}

static void queue_registers(void)
{
	struct rig *r = rig_new(NET);

	CHECK(drv_negotiate(r, F_ALL));
	CHECK_INT(rd(r, R_QUEUE_NUM_MAX), 256);
	wr(r, R_QUEUE_SEL, 1);
	CHECK_INT(rd(r, R_QUEUE_NUM_MAX), 256);
	wr(r, R_QUEUE_SEL, 2);
	CHECK_INT(rd(r, R_QUEUE_NUM_MAX), 0);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	drv_queue_setup(r, 0, 256);
	drv_queue_place(r, 1, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 1);
	/* frozen while ready */
	wr(r, R_QUEUE_NUM, 2);
	wr64(r, R_DESC, 0x1234);
	CHECK_INT(r->v->queues[1].size, 1);
	CHECK_INT(r->v->queues[1].desc_gpa, r->q[1].desc);
	wr(r, R_QUEUE_READY, 0);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	CHECK(!is_broken(r));
	/* write-only registers read as zero */
	for (uint64_t off = R_DESC; off <= R_DEVICE + 4; off += 4) {
		CHECK_INT(rd(r, off), 0);
	}
	CHECK_INT(rd(r, R_QUEUE_NUM), 0);
	CHECK_INT(rd(r, R_QUEUE_SEL), 0);
	CHECK_INT(rd(r, R_QUEUE_NOTIFY), 0);
	/* nothing can be set up once the driver is running */
	wr(r, R_STATUS, 0x0f);
	drv_queue_place(r, 1, 16);
	wr(r, R_QUEUE_READY, 1);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	/* but be stopped */
	wr(r, R_QUEUE_SEL, 0);
	wr(r, R_QUEUE_READY, 0);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	rig_free(r);
}

static void nothing_happens_before_driver_ok(void)
{
	struct rig *r = rig_new(RNG);
	uint32_t head;
	uint32_t len;

	CHECK(drv_negotiate(r, F_ALL));
	drv_queue_setup(r, 0, 8);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 8, D_WRITE, 0);
	offer(r, 0, 0);
	virtio_poll(r->v);
	CHECK(!used_take(r, 0, &head, &len));
	CHECK(!r->line.level);
	wr(r, R_STATUS, 0x0f); /* what was offered early is found by the next poll */
	CHECK(!virtio_poll(r->v));
	CHECK_INT(used_one(r, 0, 0), 8);
	rig_free(r);
}

static void interrupts_and_their_suppression(void)
{
	struct rig *r = rig_new(RNG);

	drv_start(r, VIRTIO_F_VERSION_1, 8);
	CHECK(drv_works(r));
	CHECK(r->line.level);
	CHECK_INT(int_ack(r), 1);
	store_le(gpa_ptr(r, r->q[0].avail), 1, 2); /* VIRTQ_AVAIL_F_NO_INTERRUPT */
	CHECK(drv_works(r));
	CHECK(!r->line.level);
	store_le(gpa_ptr(r, r->q[0].avail), 0, 2);
	kick(r, 0); /* nothing new: no interrupt */
	CHECK(!r->line.level);
	CHECK(drv_works(r));
	wr(r, R_INT_ACK, 2); /* another cause: stays */
	CHECK(r->line.level);
	wr(r, R_INT_ACK, 0xffffffff);
	CHECK(!r->line.level);
	rig_free(r);
}

static void event_idx(void)
{
	struct rig *r = rig_new(RNG);
	gpa_t used_event;
	gpa_t avail_event;

	drv_start(r, F_ALL, 8);
	used_event = r->q[0].avail + 4 + 2 * 8;
	avail_event = r->q[0].used + 4 + 8 * 8;
	CHECK(drv_works(r)); /* used_event 0: interrupt for the first */
	CHECK_INT(int_ack(r), 1);
	CHECK_INT(load_le(gpa_ptr(r, avail_event), 2), 1); /* "tell me about entry 1" */
	CHECK(drv_works(r));
	CHECK(!r->line.level);
	store_le(gpa_ptr(r, used_event), 4, 2);
	CHECK(drv_works(r)); /* 3 */
	CHECK(drv_works(r)); /* 4 */
	CHECK(!r->line.level);
	CHECK(drv_works(r)); /* 5 > 4 */
	CHECK(r->line.level);
	int_ack(r);
	store_le(gpa_ptr(r, r->q[0].avail), 1, 2); /* flags mean nothing now */
	store_le(gpa_ptr(r, used_event), 5, 2);
	CHECK(drv_works(r));
	CHECK(r->line.level);
	for (unsigned int i = 0; i < 70000; i++) { /* the indices wrap around */
		store_le(gpa_ptr(r, used_event), r->q[0].used_seen, 2);
		int_ack(r);
		CHECK(drv_works(r) && r->line.level);
	}
	rig_free(r);
}

static void reset_forgets_everything(void)
{
	struct rig *r = rig_new(RNG);

	drv_start(r, F_ALL, 8);
	CHECK(drv_works(r));
	CHECK(r->line.level);
	wr(r, R_QUEUE_SEL, 0);
	wr(r, R_STATUS, 0);
	CHECK(!r->line.level);
	CHECK_INT(rd(r, R_INT_STATUS), 0);
	CHECK_INT(rd(r, R_QUEUE_READY), 0);
	CHECK_INT(r->v->features, 0);
	CHECK_INT(r->v->queues[0].size, 0);
	drv_start(r, F_ALL, 64);
	CHECK(drv_works(r));
	rig_free(r);
}

/* vm_setup_vq(), virtio_dev_probe() and vm_reset() of Linux, register by register. */
static void linux_probe(void)
{
	struct rig *r = rig_new(BLK);
	uint64_t features;

	CHECK_INT(rd(r, 0x000), ('v' | 'i' << 8 | 'r' << 16 | 't' << 24));
	CHECK_INT(rd(r, 0x004), 2);
	CHECK_INT(rd(r, 0x008), 2);
	rd(r, 0x00c);
	wr(r, 0x070, 0);
	CHECK_INT(rd(r, 0x070), 0); /* vm_reset() waits for this */
	wr(r, 0x070, rd(r, 0x070) | 1);
	wr(r, 0x070, rd(r, 0x070) | 2);
	wr(r, 0x014, 1);
	features = (uint64_t)rd(r, 0x010) << 32;
	wr(r, 0x014, 0);
	features |= rd(r, 0x010);
	CHECK(features & VIRTIO_F_VERSION_1);
	wr(r, 0x024, 1);
	wr(r, 0x020, features >> 32);
	wr(r, 0x024, 0);
	wr(r, 0x020, (uint32_t)features);
	wr(r, 0x070, rd(r, 0x070) | 8);
	CHECK(rd(r, 0x070) & 8);
	CHECK_INT(rd(r, 0x0fc), rd(r, 0x0fc));
	rd(r, 0x100 + 12);
	wr(r, 0x030, 0);
	CHECK_INT(rd(r, 0x044), 0); /* not in use */
	CHECK_INT(rd(r, 0x034), 256);
	wr(r, 0x038, 256);
	r->q[0] = (struct ring){ .size = 256,
				 .desc = RAM_GPA + 0x1000,
				 .avail = RAM_GPA + 0x2000,
				 .used = RAM_GPA + 0x2240 };
	wr(r, 0x080, (uint32_t)r->q[0].desc);
	wr(r, 0x084, r->q[0].desc >> 32);
	wr(r, 0x090, (uint32_t)r->q[0].avail);
	wr(r, 0x094, r->q[0].avail >> 32);
	wr(r, 0x0a0, (uint32_t)r->q[0].used);
	wr(r, 0x0a4, r->q[0].used >> 32);
	wr(r, 0x044, 1);
	wr(r, 0x070, rd(r, 0x070) | 4);
	CHECK_INT(rd(r, 0x070), 0x0f);
	CHECK(drv_works(r));
	/* vm_interrupt() */
	CHECK_INT(rd(r, 0x060), 1);
	wr(r, 0x064, rd(r, 0x060));
	CHECK(!r->line.level);
	/* vm_del_vq() after vm_reset() */
	wr(r, 0x070, 0);
	wr(r, 0x030, 0);
	wr(r, 0x044, 0);
	CHECK_INT(rd(r, 0x044), 0);
	rig_free(r);
}

static void memory_may_come_later(void)
{
	struct rig *r = rig_new(RNG);

	virtio_mem_set(r->v, NULL);
	CHECK(drv_negotiate(r, F_ALL));
	drv_queue_place(r, 0, 8);
	wr(r, R_QUEUE_READY, 1);
	CHECK(is_broken(r));
	CHECK_STR(virtio_why_broken(r->v), "a queue before there is memory");
	virtio_mem_set(r->v, r->mem);
	drv_start(r, F_ALL, 8);
	CHECK(!virtio_why_broken(r->v));
	CHECK(drv_works(r));
	rig_free(r);
}

static void several_instances(void)
{
	struct rig *r = rig_new(RNG);
	struct rig *s = rig_new(RNG);

	drv_start(r, F_ALL, 8);
	drv_start(s, F_ALL, 16);
	CHECK(drv_works(r));
	CHECK(!s->line.level);
	CHECK(drv_works(s));
	wr(r, R_STATUS, 0);
	CHECK(drv_works(s));
	rig_free(r);
	rig_free(s);
}

static void state(void)
{
	enum kind kinds[] = { BLK, NET, CONSOLE, RNG, INPUT };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct rig *r = rig_new(kinds[i]);
		struct rig *s = rig_new(kinds[i]);
		uint8_t a[1024];
		uint8_t b[1024];

		CHECK(virtio_mmio_ops.state_bytes <= sizeof(a));
		drv_start(r, F_ALL, 16);
		CHECK(drv_works(r));
		virtio_mmio_ops.save(r->t, a);
		memcpy(s->ram, r->ram, RAM_BYTES);
		memcpy(s->q, r->q, sizeof(r->q));
		CHECK_INT(virtio_mmio_ops.load(s->t, a, NULL), 0);
		virtio_mmio_ops.save(s->t, b);
		CHECK(memcmp(a, b, virtio_mmio_ops.state_bytes) == 0);
		CHECK(s->line.level);
		CHECK_INT(int_ack(s), 1);
		CHECK(drv_works(s));
		rig_free(r);
		rig_free(s);
	}
}

static void damaged_states(void)
{
	struct rig *r = rig_new(RNG);
	struct rig *s = rig_new(EMPTY);
	const size_t core = 1 + 4 + 3 * 4 + 1; /* version, id, selectors, interrupt status */
	const size_t queue = core + 8 + 1 + 1 + 4;
	const size_t other = queue + VIRTQUEUE_STATE_BYTES;

	drv_start(r, F_ALL, 8);
#define REFUSED(at, v) CHECK(dev_is_refused(&virtio_mmio_ops, r->t, at, v))
	REFUSED(0, 2);				   /* version */
	REFUSED(1, 2);				   /* another device */
	REFUSED(core - 1, 4);			   /* interrupt causes */
	REFUSED(core, 1);			   /* a feature that was not offered */
	REFUSED(core + 4, 0);			   /* without VIRTIO_F_VERSION_1 */
	REFUSED(core + 8, 0x1f);		   /* reserved status bit */
	REFUSED(core + 8, 0x07);		   /* DRIVER_OK without FEATURES_OK */
	REFUSED(core + 8, 0x4f);		   /* broken, with work waiting */
	REFUSED(core + 9, 2);			   /* waiting: no such queue */
	REFUSED(queue, 7);			   /* size no power of two */
	REFUSED(queue, 128);			   /* too large */
	REFUSED(queue, 0);			   /* none */
	REFUSED(queue + 2, 2);			   /* neither ready nor not */
	REFUSED(queue + 3, 8);			   /* descriptor table not aligned */
	REFUSED(queue + 11, 1);			   /* available ring not aligned */
	REFUSED(queue + 19, 2);			   /* used ring not aligned */
	REFUSED(queue + 35, 2);			   /* flag */
	REFUSED(other, 1);			   /* a queue that is not there */
	REFUSED(other + VIRTQUEUE_STATE_BYTES, 1); /* state of a device that has none */
#undef REFUSED
	CHECK(drv_works(r));
	CHECK(dev_is_refused(&virtio_mmio_ops, s->t, 0, 2));
	CHECK(dev_is_refused(&virtio_mmio_ops, s->t, 1, 1));
	rig_free(r);
	rig_free(s);
}

static void a_broken_device_stays_broken_across_states(void)
{
	struct rig *r = rig_new(RNG);
	uint8_t a[1024];

	drv_start(r, F_ALL, 8);
	offer(r, 0, 200);
	CHECK(is_broken(r));
	virtio_mmio_ops.save(r->t, a);
	wr(r, R_STATUS, 0);
	CHECK(!virtio_why_broken(r->v));
	CHECK_INT(virtio_mmio_ops.load(r->t, a, NULL), 0);
	CHECK(is_broken(r));
	CHECK(virtio_why_broken(r->v) != NULL);
	CHECK(!drv_works(r));
	drv_start(r, F_ALL, 8);
	CHECK(drv_works(r));
	rig_free(r);
}

static const struct test_case cases[] = {
	{ "identity", identity },
	{ "an empty slot does nothing", an_empty_slot_does_nothing },
	{ "features offered", features_offered },
	{ "shared memory is absent", shared_memory_is_absent },
	{ "configuration of a disk", configuration_of_a_disk },
	{ "configuration of a network card", configuration_of_a_network_card },
	{ "negotiation", negotiation },
	{ "status bits", status_bits },
	{ "queue registers", queue_registers },
	{ "nothing happens before DRIVER_OK", nothing_happens_before_driver_ok },
	{ "interrupts and their suppression", interrupts_and_their_suppression },
	{ "event index", event_idx },
	{ "a reset forgets everything", reset_forgets_everything },
	{ "probe by Linux", linux_probe },
	{ "memory may come later", memory_may_come_later },
	{ "several instances", several_instances },
	{ "state", state },
	{ "damaged states", damaged_states },
	{ "a broken device stays broken across states",
	  a_broken_device_stays_broken_across_states },
};

TEST_MAIN(cases)
