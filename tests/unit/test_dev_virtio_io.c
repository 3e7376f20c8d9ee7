/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio network card, console and entropy source: data both ways, buffers that run out, merged receive
 * buffers, bounded calls, saved states. */
#include "test_dev_virtio.h"

enum { RX, TX };

static void rx_buffer(struct rig *r, uint16_t idx, uint32_t len)
{
	desc_put(r, r->q[RX].desc, idx, BUF_GPA + 0x1000u * idx, len, D_WRITE, 0);
	avail_put(r, RX, idx);
}

static const uint8_t *rx_bytes(struct rig *r, unsigned int idx)
{
	return gpa_ptr(r, BUF_GPA + 0x1000 * idx);
}

static void frame_make(uint8_t *frame, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		frame[i] = (uint8_t)(i * 31 + 7);
	}
}

static void net_sends(void)
{
	struct rig *r = rig_new(NET);
	gpa_t desc;

	drv_start(r, F_ALL, 256);
	desc = r->q[TX].desc;
	frame_make(gpa_ptr(r, BUF_GPA + 12), 1514);
	desc_put(r, desc, 0, BUF_GPA, 12, D_NEXT, 1);
	desc_put(r, desc, 1, BUF_GPA + 12, 1514, 0, 0);
	offer(r, TX, 0);
	CHECK_INT(used_one(r, TX, 0), 0);
	CHECK_INT(r->frame_len, 1514);
	CHECK(memcmp(r->frame, gpa_ptr(r, BUF_GPA + 12), 1514) == 0);
	desc_put(r, desc, 0, BUF_GPA, 5, D_NEXT, 1); /* header and frame cut elsewhere */
	desc_put(r, desc, 1, BUF_GPA + 5, 21, D_NEXT, 2);
	desc_put(r, desc, 2, BUF_GPA + 26, 60, 0, 0);
	offer(r, TX, 0);
	CHECK_INT(r->frame_len, 74);
	desc_put(r, desc, 0, BUF_GPA, 12 + 65535, 0, 0);
	offer(r, TX, 0);
	CHECK_INT(r->frame_len, 65535);
	CHECK_INT(r->sent, 3);
	desc_put(r, desc, 0, BUF_GPA, 12 + 65536, 0, 0); /* too long, too short: dropped */
	offer(r, TX, 0);
	desc_put(r, desc, 0, BUF_GPA, 12 + 13, 0, 0);
	offer(r, TX, 0);
	virtio_net_link_set(r->net, false);
	desc_put(r, desc, 0, BUF_GPA, 12 + 60, 0, 0);
	offer(r, TX, 0);
	CHECK_INT(r->sent, 3);
	CHECK_INT(load_le(gpa_ptr(r, r->q[TX].used + 2), 2), 6); /* but given back */
	CHECK(!is_broken(r));
	rig_free(r);
}

static void net_receives(void)
{
	struct rig *r = rig_new(NET);
	uint8_t frame[2000];

	frame_make(frame, sizeof(frame));
	CHECK(!virtio_net_receive(r->net, frame, 60)); /* nobody is there yet */
	drv_start(r, F_ALL & ~F_MRG_RXBUF, 256);
	CHECK(!virtio_net_receive(r->net, frame, 60));
	rx_buffer(r, 0, 1526);
	rx_buffer(r, 1, 1526);
	CHECK(virtio_net_receive(r->net, frame, 1514));
	CHECK_INT(used_one(r, RX, 0), 1526);
	CHECK_INT(int_ack(r), 1);
	CHECK_INT(load_le(rx_bytes(r, 0), 8), 0);
	CHECK_INT(load_le(rx_bytes(r, 0) + 10, 2), 1); /* num_buffers, also without merging */
	CHECK(memcmp(rx_bytes(r, 0) + 12, frame, 1514) == 0);
	CHECK(virtio_net_receive(r->net, frame, 1515)); /* fits no buffer: dropped */
	CHECK_INT(used_one(r, RX, 1), -1);
	CHECK(virtio_net_receive(r->net, frame, 14));
	CHECK_INT(used_one(r, RX, 1), 26);
	CHECK(!virtio_net_receive(r->net, frame, 14)); /* no buffer left */
	virtio_net_link_set(r->net, false);
	CHECK(virtio_net_receive(r->net, frame, 14)); /* nobody to wait for */
	rig_free(r);
}

static void net_merges_receive_buffers(void)
{
	struct rig *r = rig_new(NET);
	uint8_t frame[2000];

	frame_make(frame, sizeof(frame));
	drv_start(r, F_ALL, 256);
	rx_buffer(r, 0, 112);
	rx_buffer(r, 1, 100);
	CHECK(!virtio_net_receive(r->net, frame, 300)); /* 200 bytes of room: wait */
	CHECK_INT(load_le(gpa_ptr(r, r->q[RX].used + 2), 2), 0);
	/* the third buffer must be announced: 2 is the entry that the device waits for */
	CHECK_INT(load_le(gpa_ptr(r, r->q[RX].used + 4 + 8 * 256), 2), 2);
	rx_buffer(r, 2, 1000);
	kick(r, RX);
	CHECK_INT(r->readies, 1);
	CHECK(virtio_net_receive(r->net, frame, 300));
	CHECK_INT(load_le(rx_bytes(r, 0) + 10, 2), 3);
	CHECK_INT(used_one(r, RX, 0), 112);
	CHECK_INT(used_one(r, RX, 1), 100);
	CHECK_INT(used_one(r, RX, 2), 100);
	CHECK(memcmp(rx_bytes(r, 0) + 12, frame, 100) == 0);
	CHECK(memcmp(rx_bytes(r, 1), frame + 100, 100) == 0);
	CHECK(memcmp(rx_bytes(r, 2), frame + 200, 100) == 0);
	rig_free(r);
	/* a frame that the whole queue can't hold is dropped, or it would block the wire */
	r = rig_new(NET);
	drv_start(r, F_ALL, 2);
	rx_buffer(r, 0, 20);
	rx_buffer(r, 1, 20);
	CHECK(virtio_net_receive(r->net, frame, 60));
	CHECK_INT(load_le(gpa_ptr(r, r->q[RX].used + 2), 2), 0);
	CHECK(virtio_net_receive(r->net, frame, 14)); /* and the buffers are still there */
	CHECK_INT(used_one(r, RX, 0), 20);
	CHECK_INT(used_one(r, RX, 1), 6);
	rig_free(r);
}

static void net_frames_come_back_while_sending(void)
{
	struct rig *r = rig_new(NET);

	drv_start(r, F_ALL, 8);
	r->is_echo = true;
	rx_buffer(r, 0, 2000);
	frame_make(gpa_ptr(r, BUF_GPA + 0x8000 + 12), 60);
	desc_put(r, r->q[TX].desc, 0, BUF_GPA + 0x8000, 72, 0, 0);
	offer(r, TX, 0);
	CHECK_INT(used_one(r, TX, 0), 0);
	CHECK_INT(used_one(r, RX, 0), 72);
	CHECK(memcmp(rx_bytes(r, 0) + 12, gpa_ptr(r, BUF_GPA + 0x8000 + 12), 60) == 0);
	rx_buffer(r, 1, 4); /* the echo breaks the device in the middle of a send */
	offer(r, TX, 0);
	CHECK(is_broken(r));
	CHECK_INT(used_one(r, TX, 0), -1);
	rig_free(r);
}

static void net_one_call_is_bounded(void)
{
	struct rig *r = rig_new(NET);
	int calls = 1;

	drv_start(r, F_ALL, 256);
	for (uint16_t i = 0; i < 256; i++) {
		desc_put(r, r->q[TX].desc, i, BUF_GPA, 12 + 60, 0, 0);
		avail_put(r, TX, i);
	}
	CHECK(virtio_is_waiting(r->v)); /* DRIVER_OK: there may be something already */
	kick(r, TX);
	CHECK_INT(r->sent, 64);
	CHECK(virtio_is_waiting(r->v));
	while (virtio_poll(r->v)) {
		calls++;
		CHECK(r->sent <= 64 * calls);
	}
	CHECK_INT(r->sent, 256);
	CHECK(!virtio_is_waiting(r->v));
	for (uint16_t i = 0; i < 256; i++) { /* large ones are counted by bytes */
		desc_put(r, r->q[TX].desc, i, BUF_GPA, 12 + 65535, 0, 0);
		avail_put(r, TX, i);
	}
	kick(r, TX);
	CHECK(r->sent <= 256 + 5);
	while (virtio_poll(r->v)) {
		continue;
	}
	CHECK_INT(r->sent, 512);
	rig_free(r);
}

static void net_state(void)
{
	struct rig *r = rig_new(NET);
	struct rig *s = rig_new(NET);
	uint8_t a[1024];

	virtio_net_link_set(r->net, false);
	virtio_mmio_ops.save(r->t, a);
	CHECK_INT(virtio_mmio_ops.load(s->t, a, NULL), 0);
	CHECK_INT(dev_rd(&virtio_mmio_ops, s->t, R_CONFIG + 6, 2), 0);
	CHECK(dev_is_refused(&virtio_mmio_ops, s->t, virtio_mmio_ops.state_bytes - 64, 2));
	rig_free(r);
	rig_free(s);
}

static void console_output(void)
{
	struct rig *r = rig_new(CONSOLE);

	drv_start(r, F_ALL, 64);
	memcpy(gpa_ptr(r, BUF_GPA), "Hello, world", 12);
	desc_put(r, r->q[TX].desc, 0, BUF_GPA, 7, D_NEXT, 1);
	desc_put(r, r->q[TX].desc, 1, BUF_GPA + 7, 5, 0, 0);
	offer(r, TX, 0);
	CHECK_STR(r->fake.out, "Hello, world");
	CHECK_INT(used_one(r, TX, 0), 0);
	CHECK_INT(int_ack(r), 1);
	desc_put(r, r->q[TX].desc, 0, BUF_GPA, 0, 0, 0); /* nothing to say */
	offer(r, TX, 0);
	CHECK_INT(used_one(r, TX, 0), 0);
	rig_free(r);
}

static void console_input(void)
{
	struct rig *r = rig_new(CONSOLE);

	drv_start(r, F_ALL, 64);
	r->fake.in = "abcdef";
	virtio_poll(r->v);
	CHECK_STR(r->fake.in, "abcdef"); /* no buffer: it stays outside */
	rx_buffer(r, 0, 4);
	kick(r, RX);
	CHECK_INT(used_one(r, RX, 0), 4);
	CHECK(memcmp(rx_bytes(r, 0), "abcd", 4) == 0);
	CHECK_INT(int_ack(r), 1);
	rx_buffer(r, 1, 100);
	virtio_poll(r->v);
	CHECK_INT(used_one(r, RX, 1), 2);
	rx_buffer(r, 2, 100);
	kick(r, RX);
	CHECK_INT(used_one(r, RX, 2), -1);
	r->fake.in = "x";
	CHECK(!virtio_poll(r->v));
	CHECK_INT(used_one(r, RX, 2), 1);
	rig_free(r);
}

static uint64_t counted;

static void count_put(void *opaque, uint8_t c)
{
	(void)opaque;
	(void)c;
	counted++;
}

/* Output of 63 MiB in one chain: in pieces, each in a call of its own, across a saved state. */
static void console_output_is_bounded(void)
{
	struct rig *r = rig_new(CONSOLE);
	struct chr_backend chr = fake_chr(&r->fake);
	struct irq_line none = { 0 };
	struct virtio_console *c;
	uint8_t a[1024];
	uint64_t calls = 1;

	virtio_mmio_ops.destroy(r->t);
	chr.put = count_put;
	c = virtio_console_new(&chr);
	r->v = virtio_console_virtio(c);
	r->t = virtio_mmio_new(r->v, &none);
	virtio_mem_set(r->v, r->mem);
	drv_start(r, F_ALL, 64);
	for (unsigned int i = 0; i < 64; i++) {
		desc_put(r, r->q[TX].desc, i, RAM_GPA, RAM_BYTES, i < 63 ? D_NEXT : 0, i + 1);
	}
	counted = 0;
	offer(r, TX, 0);
	CHECK(counted > 0 && counted <= 0x10000);
	while (virtio_poll(r->v)) {
		calls++;
		CHECK(counted <= 0x10000 * calls);
		if (calls == 7) {
			virtio_mmio_ops.save(r->t, a);
			wr(r, R_STATUS, 0);
			CHECK_INT(virtio_mmio_ops.load(r->t, a, NULL), 0);
		}
	}
	CHECK_INT(counted, 64 * RAM_BYTES);
	CHECK_INT(used_one(r, TX, 0), 0);
	/* cut short by the guest while half of it is out */
	offer(r, TX, 0);
	desc_put(r, r->q[TX].desc, 0, RAM_GPA, 5, 0, 0);
	counted = 0;
	CHECK(!virtio_poll(r->v));
	CHECK_INT(counted, 0);
	CHECK_INT(used_one(r, TX, 0), 0);
	CHECK(dev_is_refused(&virtio_mmio_ops, r->t, virtio_mmio_ops.state_bytes - 59, 1));
	rig_free(r);
}

static bool is_there_room;

static bool room(void *opaque)
{
	(void)opaque;
	return is_there_room;
}

/* Output waits in the guest's queue while there is no room for it outside, across a saved state. */
static void console_output_waits_for_room(void)
{
	struct rig *r = rig_new(CONSOLE);
	struct chr_backend chr = fake_chr(&r->fake);
	struct irq_line none = { 0 };
	uint8_t a[1024];

	virtio_mmio_ops.destroy(r->t);
	chr.put = count_put;
	chr.has_room = room;
	r->v = virtio_console_virtio(virtio_console_new(&chr));
	r->t = virtio_mmio_new(r->v, &none);
	virtio_mem_set(r->v, r->mem);
	drv_start(r, F_ALL, 64);
	desc_put(r, r->q[TX].desc, 0, RAM_GPA, 1000, 0, 0);
	counted = 0;
	is_there_room = false;
	offer(r, TX, 0);
	CHECK(!virtio_poll(r->v)); /* it does not ask to be polled again and again */
	CHECK_INT(counted, 0);
	CHECK_INT(used_one(r, TX, 0), -1);
	virtio_mmio_ops.save(r->t, a);
	wr(r, R_STATUS, 0);
	CHECK_INT(virtio_mmio_ops.load(r->t, a, NULL), 0);
	is_there_room = true;
	CHECK(!virtio_poll(r->v));
	CHECK_INT(counted, 1000);
	CHECK_INT(used_one(r, TX, 0), 0);
	rig_free(r);
}

/* What the driver finds behind the two bytes that it writes. */
static uint32_t selected(struct rig *r, uint8_t select, uint8_t subsel)
{
	struct dev_access a = { .offset = 0x100, .bytes = 1, .is_write = true, .value = select };

	CHECK_INT(virtio_mmio_ops.access(r->t, &a), DEV_OK);
	a = (struct dev_access){ .offset = 0x101, .bytes = 1, .is_write = true, .value = subsel };
	CHECK_INT(virtio_mmio_ops.access(r->t, &a), DEV_OK);
	return (uint32_t)dev_rd(&virtio_mmio_ops, r->t, 0x102, 1);
}

static void button_says_what_it_is(void)
{
	struct rig *r = rig_new(INPUT);

	CHECK_INT(selected(r, 1, 0), 12);
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, 0x108, 4), 0x65776f50); /* "Powe" */
	CHECK_INT(selected(r, 3, 0), 8);
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, 0x108, 2), 6);
	CHECK_INT(selected(r, 0x11, 1), 15);
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, 0x108 + 14, 1), 0x10); /* key 116 */
	CHECK_INT(dev_rd(&virtio_mmio_ops, r->t, 0x108 + 13, 1), 0);
	for (unsigned int select = 0; select < 256; select++) {
		for (unsigned int subsel = 0; subsel < 256; subsel++) {
			bool is_known = (select == 1 && subsel == 0) ||
					(select == 3 && subsel == 0) ||
					(select == 0x11 && subsel == 1);

			CHECK((selected(r, (uint8_t)select, (uint8_t)subsel) > 0) == is_known);
		}
	}
	rig_free(r);
}

static void check_event(struct rig *r, uint16_t desc, uint64_t want)
{
	CHECK_INT(used_one(r, RX, desc), 8);
	CHECK_INT(load_le(rx_bytes(r, desc), 8), want);
}

/* Type, code and value of: down, report, up, report. */
#define DOWN   0x0000000100740001
#define UP     0x0000000000740001
#define REPORT 0

static void button_is_pressed(void)
{
	struct rig *r = rig_new(INPUT);
	uint8_t a[1024];

	CHECK(!virtio_input_press(r->input)); /* nobody looks */
	drv_start(r, F_ALL, 64);
	rx_buffer(r, 0, 8);
	rx_buffer(r, 1, 8);
	kick(r, RX);
	CHECK_INT(used_one(r, RX, 0), -1);
	CHECK(virtio_input_press(r->input));
	CHECK_INT(int_ack(r), 1);
	check_event(r, 0, DOWN);
	check_event(r, 1, REPORT);
	CHECK(virtio_input_press(r->input)); /* it is down already */
	virtio_mmio_ops.save(r->t, a);
	wr(r, R_STATUS, 0);
	CHECK(!virtio_input_press(r->input));
	CHECK_INT(virtio_mmio_ops.load(r->t, a, NULL), 0);
	for (uint16_t i = 2; i < 6; i++) {
		rx_buffer(r, i, 8);
	}
	kick(r, RX);
	check_event(r, 2, UP);
	check_event(r, 3, REPORT);
	CHECK_INT(used_one(r, RX, 4), -1);
	desc_put(r, r->q[TX].desc, 0, BUF_GPA, 8, 0, 0); /* lights */
	offer(r, TX, 0);
	CHECK_INT(used_one(r, TX, 0), 0);
	rx_buffer(r, 6, 7);
	kick(r, RX);
	for (int i = 0; i < 2; i++) {
		virtio_input_press(r->input);
	}
	CHECK_STR(virtio_why_broken(r->v), "an input event's buffer is too small");
	rig_free(r);
}

static void entropy(void)
{
	struct rig *r = rig_new(RNG);

	drv_start(r, F_ALL, 64);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 10, D_NEXT | D_WRITE, 1);
	desc_put(r, r->q[0].desc, 1, BUF_GPA + 0x100, 22, D_WRITE, 0);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 32);
	CHECK_INT(*(uint8_t *)gpa_ptr(r, BUF_GPA + 9), 10);
	CHECK_INT(*(uint8_t *)gpa_ptr(r, BUF_GPA + 10), 0);
	CHECK_INT(*(uint8_t *)gpa_ptr(r, BUF_GPA + 0x100), 11);
	desc_put(r, r->q[0].desc, 0, BUF_GPA, 0x10000, D_WRITE, 0);
	offer(r, 0, 0);
	CHECK_INT(used_one(r, 0, 0), 1024); /* less than asked for is allowed */
	for (uint16_t i = 0; i < 64; i++) {
		avail_put(r, 0, 0);
	}
	kick(r, 0);
	CHECK_INT((uint16_t)load_le(gpa_ptr(r, r->q[0].used + 2), 2), 2 + 16);
	while (virtio_poll(r->v)) {
		continue;
	}
	CHECK_INT((uint16_t)load_le(gpa_ptr(r, r->q[0].used + 2), 2), 2 + 64);
	rig_free(r);
}

static const struct test_case cases[] = {
	{ "network: sends", net_sends },
	{ "network: receives", net_receives },
	{ "network: merges receive buffers", net_merges_receive_buffers },
	{ "network: frames come back while sending", net_frames_come_back_while_sending },
	{ "network: one call is bounded", net_one_call_is_bounded },
	{ "network: state", net_state },
	{ "console: output", console_output },
	{ "console: input", console_input },
	{ "console: output is bounded", console_output_is_bounded },
	{ "console: output waits for room", console_output_waits_for_room },
	{ "button: says what it is", button_says_what_it_is },
	{ "button: is pressed", button_is_pressed },
	{ "entropy", entropy },
};

TEST_MAIN(cases)
