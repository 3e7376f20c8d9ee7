/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Goldfish real-time clock as Linux's driver uses it: time, setting it, the alarm. */
#include "dev/goldfish_rtc.h"

#include <errno.h>

#include "test_dev.h"

#define RD(off)	   dev_rd(&goldfish_rtc_ops, r, off, 4)
#define WR(off, v) CHECK_INT(dev_wr(&goldfish_rtc_ops, r, off, 4, v), DEV_OK)

#define WALL_S 1700000000ULL

static struct goldfish_rtc *make(struct fake *f, struct fake_line *l)
{
	struct clock_backend clock = fake_clock(f);
	struct irq_line irq = fake_irq(l);

	return goldfish_rtc_new(&clock, &irq);
}

static uint64_t time_read(struct goldfish_rtc *r)
{
	uint64_t low = (uint64_t)RD(0x00);

	return low | (uint64_t)RD(0x04) << 32;
}

static void alarm_set(struct goldfish_rtc *r, uint64_t ns)
{
	WR(0x0c, ns >> 32);
	WR(0x08, (uint32_t)ns);
	WR(0x10, 1);
}

static void tells_the_time(void)
{
	struct fake f = { .now_ns = 77, .wall_s = WALL_S };
	struct fake_line l = { 0 };
	struct goldfish_rtc *r = make(&f, &l);

	CHECK_INT(time_read(r), WALL_S * NS_PER_S);
	f.now_ns += 5 * NS_PER_S;
	CHECK_INT(time_read(r), (WALL_S + 5) * NS_PER_S);
	/* TIME_HIGH is of the moment when TIME_LOW was read */
	f.now_ns += 0x100000000 - (uint32_t)((WALL_S + 5) * NS_PER_S) - 1;
	CHECK_INT(RD(0x00), 0xffffffff);
	f.now_ns++;
	CHECK_INT(RD(0x04), (WALL_S + 5) * NS_PER_S >> 32);
	CHECK_INT(RD(0x00), 0);
	CHECK_INT(RD(0x04), ((WALL_S + 5) * NS_PER_S >> 32) + 1);
	goldfish_rtc_ops.destroy(r);
}

static void can_be_set(void)
{
	struct fake f = { .wall_s = WALL_S };
	struct fake_line l = { 0 };
	struct goldfish_rtc *r = make(&f, &l);
	uint64_t want = 946684800 * NS_PER_S;

	WR(0x04, want >> 32);
	WR(0x00, (uint32_t)want);
	CHECK_INT(time_read(r), want);
	f.now_ns = 123;
	CHECK_INT(time_read(r), want + 123);
	goldfish_rtc_ops.destroy(r);
}

static void alarm_rings_once(void)
{
	struct fake f = { .wall_s = WALL_S };
	struct fake_line l = { 0 };
	struct goldfish_rtc *r = make(&f, &l);
	uint64_t at = (WALL_S + 10) * NS_PER_S;

	CHECK_INT(goldfish_rtc_due_ns(r), -1);
	alarm_set(r, at);
	CHECK_INT(RD(0x18), 1);
	CHECK_INT(RD(0x08) | RD(0x0c) << 32, at);
	CHECK_INT(goldfish_rtc_due_ns(r), 10 * NS_PER_S);
	f.now_ns = 10 * NS_PER_S - 1;
	goldfish_rtc_poll(r);
	CHECK(!l.level);
	f.now_ns++;
	CHECK_INT(goldfish_rtc_due_ns(r), f.now_ns);
	goldfish_rtc_poll(r);
	CHECK(l.level);
	CHECK_INT(RD(0x18), 0);
	CHECK_INT(goldfish_rtc_due_ns(r), -1);
	WR(0x10, 0);
	CHECK(!l.level);
	WR(0x10, 1);
	CHECK(l.level);
	WR(0x1c, 1);
	CHECK(!l.level);
	f.now_ns *= 2;
	goldfish_rtc_poll(r);
	CHECK_INT(l.rises, 2);
	goldfish_rtc_ops.destroy(r);
}

static void alarm_edges(void)
{
	struct fake f = { .wall_s = WALL_S };
	struct fake_line l = { 0 };
	struct goldfish_rtc *r = make(&f, &l);

	alarm_set(r, WALL_S * NS_PER_S); /* now: at once */
	CHECK(l.level);
	WR(0x1c, 1);
	alarm_set(r, 1); /* long ago: at once */
	CHECK(l.level);
	WR(0x1c, 1);
	alarm_set(r, (WALL_S + 1) * NS_PER_S);
	WR(0x14, 1); /* called off */
	CHECK_INT(RD(0x18), 0);
	f.now_ns = 2 * NS_PER_S;
	goldfish_rtc_poll(r);
	CHECK(!l.level);
	alarm_set(r, (WALL_S + 5) * NS_PER_S);
	WR(0x04, UINT32_MAX); /* the clock is put past the alarm */
	CHECK(l.level);
	WR(0x1c, 1);
	alarm_set(r, UINT64_MAX);
	CHECK(!l.level);
	goldfish_rtc_ops.destroy(r);
}

static void widths(void)
{
	struct fake f = { .wall_s = WALL_S };
	struct fake_line l = { 0 };
	struct goldfish_rtc *r = make(&f, &l);

	for (uint64_t off = 0; off < 0x40; off++) {
		CHECK_INT(dev_rd(&goldfish_rtc_ops, r, off, 1), -1);
		CHECK_INT(dev_rd(&goldfish_rtc_ops, r, off, 2), -1);
		CHECK_INT(dev_rd(&goldfish_rtc_ops, r, off, 8), -1);
		CHECK_INT(dev_wr(&goldfish_rtc_ops, r, off, 8, 1), DEV_UNMAPPED);
		if (off % 4) {
			CHECK_INT(RD(off), -1);
		}
	}
	CHECK_INT(RD(0x20), 0);
	CHECK_INT(RD(0xffc), 0);
	CHECK_INT(RD(0x1000), -1);
	goldfish_rtc_ops.destroy(r);
}

static void state(void)
{
	struct fake f = { .wall_s = WALL_S };
	struct fake g = { .wall_s = WALL_S + 100, .now_ns = 55 }; /* restored 100 s later */
	struct fake_line l = { 0 };
	struct fake_line k = { 0 };
	struct goldfish_rtc *r = make(&f, &l);
	struct goldfish_rtc *s = make(&g, &k);
	uint8_t a[32];

	WR(0x04, ((WALL_S + 3600) * NS_PER_S) >> 32); /* an hour fast */
	WR(0x00, (uint32_t)((WALL_S + 3600) * NS_PER_S));
	alarm_set(r, (WALL_S + 3650) * NS_PER_S);
	goldfish_rtc_ops.save(r, a);
	CHECK_INT(goldfish_rtc_ops.load(s, a, NULL), 0);
	CHECK(!k.level);
	CHECK_INT(goldfish_rtc_due_ns(s), g.now_ns); /* it passed meanwhile */
	goldfish_rtc_poll(s);
	CHECK(k.level);
	CHECK_INT(time_read(s), (WALL_S + 3700) * NS_PER_S);
	CHECK(dev_is_refused(&goldfish_rtc_ops, s, 0, 2));
	CHECK(dev_is_refused(&goldfish_rtc_ops, s, 21, 2));
	CHECK(dev_is_refused(&goldfish_rtc_ops, s, 22, 2));
	CHECK(dev_is_refused(&goldfish_rtc_ops, s, 23, 2));
	goldfish_rtc_ops.save(s, a);
	CHECK_INT(goldfish_rtc_ops.load(r, a, NULL), 0);
	CHECK(l.level); /* a pending alarm drives the line */
	goldfish_rtc_ops.destroy(r);
	goldfish_rtc_ops.destroy(s);
}

static const struct test_case cases[] = {
	{ "tells the time", tells_the_time },
	{ "can be set", can_be_set },
	{ "the alarm rings once", alarm_rings_once },
	{ "edges of the alarm", alarm_edges },
	{ "widths", widths },
	{ "state", state },
};

TEST_MAIN(cases)
