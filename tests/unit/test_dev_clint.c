/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CLINT: time at 10 MHz, halves of 64-bit registers, interrupt lines, state that survives another
 * clock. */
#include "dev/clint.h"

#include <errno.h>

#include "test_dev.h"

#define RD(off, n)    dev_rd(&clint_ops, c, off, n)
#define WR(off, n, v) CHECK_INT(dev_wr(&clint_ops, c, off, n, v), DEV_OK)

static void mtime_counts_100_ns(void)
{
	struct fake f = { 0 };
	struct clock_backend clock = fake_clock(&f);
	struct clint *c = clint_new(&clock, 1);

	f.now_ns = 123456789000;
	CHECK_INT(RD(0xbff8, 8), 1234567890);
	f.now_ns += 99;
	CHECK_INT(RD(0xbff8, 8), 1234567890);
	f.now_ns += 1;
	CHECK_INT(RD(0xbff8, 8), 1234567891);
	CHECK_INT(RD(0xbff8, 4), 1234567891);
	CHECK_INT(RD(0xbffc, 4), 0);
	WR(0xbffc, 4, 5);
	CHECK_INT(RD(0xbff8, 8), 5LL << 32 | 1234567891);
	WR(0xbff8, 8, 7);
	f.now_ns += 300;
	CHECK_INT(RD(0xbff8, 8), 10);
	clint_ops.destroy(c);
}

static void compare_and_software_interrupt(void)
{
	struct fake f = { 0 };
	struct clock_backend clock = fake_clock(&f);
	struct clint *c = clint_new(&clock, 2);

	WR(0x4008, 8, 0x1122334455667788);
	CHECK_INT(RD(0x4008, 4), 0x55667788);
	CHECK_INT(RD(0x400c, 4), 0x11223344);
	WR(0x400c, 4, 0xffffffff);
	CHECK_INT(RD(0x4008, 8), (int64_t)0xffffffff55667788);
	CHECK_INT(RD(0x4000, 8), -1); /* after reset: never */
	WR(4, 4, 0xffffffff);
	CHECK_INT(RD(4, 4), 1);
	CHECK_INT(RD(0, 4), 0);
	WR(8, 4, 1); /* no such hart */
	CHECK_INT(RD(8, 4), 0);
	WR(0x4010, 8, 1);
	CHECK_INT(RD(0x4010, 8), 0);
	CHECK_INT(RD(0, 8), -1);
	CHECK_INT(RD(0x4002, 4), -1);
	CHECK_INT(RD(0x4004, 8), -1);
	CHECK_INT(RD(0xc000, 4), -1);
	CHECK_INT(RD(0, 1), -1);
	clint_ops.destroy(c);
}

static void wire(struct clint *c, unsigned int hart, struct fake_line *msi, struct fake_line *mti)
{
	struct irq_line m = fake_irq(msi);
	struct irq_line t = fake_irq(mti);

	clint_wire(c, hart, &m, &t);
}

static void software_interrupt_lines(void)
{
	struct fake f = { 0 };
	struct clock_backend clock = fake_clock(&f);
	struct clint *c = clint_new(&clock, 8);
	struct fake_line msi[8] = { 0 };
	struct fake_line mti[8] = { 0 };

	for (unsigned int i = 0; i < 8; i++) {
		wire(c, i, &msi[i], &mti[i]);
		CHECK(!msi[i].level && !mti[i].level);
	}
	for (unsigned int i = 0; i < 8; i++) {
		WR(4 * i, 4, 3); /* only bit 0 counts */
		for (unsigned int k = 0; k < 8; k++) {
			CHECK_INT(msi[k].level, k == i);
		}
		WR(4 * i, 4, 2);
		CHECK(!msi[i].level);
	}
	WR(8 * 4, 4, 1); /* no such hart */
	CHECK_INT(msi[7].rises, 1);
	clint_ops.destroy(c);
}

static void timer_interrupt_lines(void)
{
	struct fake f = { 0 };
	struct clock_backend clock = fake_clock(&f);
	struct clint *c = clint_new(&clock, 2);
	struct fake_line msi[2] = { 0 };
	struct fake_line mti[2] = { 0 };

	wire(c, 0, &msi[0], &mti[0]);
	wire(c, 1, &msi[1], &mti[1]);
	CHECK_INT(clint_due_ticks(c), -1);
	WR(0x4000, 8, 50);
	WR(0x4008, 8, 20);
	CHECK_INT(clint_due_ticks(c), 20);
	f.now_ns = 1999;
	clint_poll(c);
	CHECK(!mti[0].level && !mti[1].level);
	f.now_ns = 2000;
	CHECK_INT(clint_ticks(c), 20);
	clint_poll(c);
	CHECK(!mti[0].level && mti[1].level); /* mtime >= mtimecmp */
	CHECK_INT(clint_due_ticks(c), 50);
	WR(0x400c, 4, 0xffffffff); /* Linux and OpenSBI write halves: the upper one first */
	CHECK(!mti[1].level);
	WR(0x4008, 4, 30);
	WR(0x400c, 4, 0);
	CHECK(!mti[1].level);
	CHECK_INT(clint_due_ticks(c), 30);
	f.now_ns = 9000;
	CHECK_INT(RD(0xbff8, 8), 90); /* who sees the time pass sees the interrupt too */
	CHECK(mti[0].level && mti[1].level);
	CHECK_INT(clint_due_ticks(c), -1);
	WR(0xbff8, 8, 10); /* setting the time back */
	CHECK(!mti[0].level && !mti[1].level);
	CHECK_INT(clint_due_ticks(c), 30);
	WR(0x4000, 8, 0);
	CHECK(mti[0].level);
	WR(0x4000, 8, UINT64_MAX);
	CHECK(!mti[0].level);
	clint_ops.destroy(c);
}

static void lines_follow_a_loaded_state(void)
{
	struct fake f = { .now_ns = 1000 };
	struct clock_backend clock = fake_clock(&f);
	struct clint *c = clint_new(&clock, 1);
	struct clint *d = clint_new(&clock, 1);
	struct fake_line msi = { 0 };
	struct fake_line mti = { 0 };
	uint8_t raised[128];
	uint8_t idle[128];

	clint_ops.save(d, idle);
	WR(0, 4, 1);
	WR(0x4000, 8, 10);
	clint_ops.save(c, raised);
	wire(d, 0, &msi, &mti);
	CHECK_INT(clint_ops.load(d, raised, NULL), 0);
	CHECK(msi.level && mti.level);
	CHECK_INT(clint_ops.load(d, idle, NULL), 0);
	CHECK(!msi.level && !mti.level);
	wire(c, 0, &msi, &mti); /* wiring drives the lines */
	CHECK(msi.level && mti.level);
	clint_ops.destroy(c);
	clint_ops.destroy(d);
}

static void state(void)
{
	struct fake f = { .now_ns = 5000 };
	struct fake g = { .now_ns = 900000 };
	struct clock_backend clock = fake_clock(&f);
	struct clock_backend other = fake_clock(&g);
	struct clint *c = clint_new(&clock, 1);
	struct clint *d = clint_new(&other, 1);
	uint8_t a[128];

	WR(0x4000, 8, 77);
	WR(0, 4, 1);
	clint_ops.save(c, a);
	CHECK_INT(clint_ops.load(d, a, NULL), 0);
	CHECK_INT(dev_rd(&clint_ops, d, 0xbff8, 8), 50); /* time goes on from where it was saved */
	CHECK_INT(dev_rd(&clint_ops, d, 0x4000, 8), 77);
	CHECK_INT(dev_rd(&clint_ops, d, 0, 4), 1);
	CHECK(dev_is_refused(&clint_ops, d, 0, 2));
	CHECK(dev_is_refused(&clint_ops, d, 1, 2));
	CHECK(dev_is_refused(&clint_ops, d, 18, 2));
	CHECK(dev_is_refused(&clint_ops, d, 27, 1));
	clint_ops.destroy(c);
	clint_ops.destroy(d);
}

static const struct test_case cases[] = {
	{ "mtime counts 100 ns", mtime_counts_100_ns },
	{ "mtimecmp and msip", compare_and_software_interrupt },
	{ "software interrupt lines", software_interrupt_lines },
	{ "timer interrupt lines", timer_interrupt_lines },
	{ "lines follow a loaded state", lines_follow_a_loaded_state },
	{ "state", state },
};

TEST_MAIN(cases)
