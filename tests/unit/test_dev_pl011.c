/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PL011 against its reference manual. */
#include "dev/pl011.h"

#include <errno.h>

#include "test_dev.h"

#define RD(reg)	   dev_rd(&pl011_ops, u, reg, 4)
#define WR(reg, v) CHECK_INT(dev_wr(&pl011_ops, u, reg, 4, v), DEV_OK)

static struct pl011 *make(struct fake *f)
{
	struct chr_backend chr = fake_chr(f);

	return pl011_new(&chr);
}

static void reset_values_and_id(void)
{
	static const uint8_t id[] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
	struct fake f = { 0 };
	struct pl011 *u = make(&f);

	CHECK_INT(RD(0x18), 0x90);
	CHECK_INT(RD(0x30), 0x300);
	CHECK_INT(RD(0x34), 0x12);
	CHECK_INT(RD(0x38), 0);
	CHECK_INT(RD(0x3c), 0);
	for (unsigned int i = 0; i < 8; i++) {
		CHECK_INT(RD(0xfe0 + i * 4), id[i]);
	}
	CHECK_INT(RD(0x50), -1);
	CHECK_INT(dev_wr(&pl011_ops, u, 0x50, 4, 0), DEV_UNMAPPED);
	CHECK_INT(dev_rd(&pl011_ops, u, 0x1000, 4), -1);
	CHECK_INT(dev_rd(&pl011_ops, u, 0x18, 8), -1);
	pl011_ops.destroy(u);
}

static void sends_and_receives(void)
{
	struct fake f = { .in = "ab" };
	struct pl011 *u = make(&f);

	WR(0, 'O');
	CHECK_INT(dev_wr(&pl011_ops, u, 0, 1, 'K'), DEV_OK); /* a byte store, as strb does */
	CHECK_STR(f.out, "OK");
	CHECK_INT(RD(0x18), 0xc0); /* one character fills it while FEN is clear */
	CHECK_INT(RD(0), 'a');
	CHECK_INT(RD(0), 'b');
	CHECK_INT(RD(0x18), 0x90);
	CHECK_INT(RD(0), 0);
	pl011_ops.destroy(u);
}

static void registers_keep_their_bits(void)
{
	struct fake f = { 0 };
	struct pl011 *u = make(&f);

	WR(0x24, 0x12345);
	CHECK_INT(RD(0x24), 0x2345);
	CHECK_INT(dev_rd(&pl011_ops, u, 0x25, 1), 0x23);
	CHECK_INT(dev_wr(&pl011_ops, u, 0x25, 1, 0), DEV_UNMAPPED);
	WR(0x28, 0xff);
	CHECK_INT(RD(0x28), 0x3f);
	WR(0x2c, 0x170);
	CHECK_INT(RD(0x2c), 0x70);
	WR(0x30, 0xffffffff);
	CHECK_INT(RD(0x30), 0xff87);
	WR(0x34, 0xff);
	CHECK_INT(RD(0x34), 0x3f);
	WR(0x38, 0xffff);
	CHECK_INT(RD(0x38), 0x7ff);
	WR(0x18, 0);
	CHECK_INT(RD(0x18) & 0x80, 0x80);
	CHECK_INT(RD(0x44), 0);
	pl011_ops.destroy(u);
}

static void loopback_and_overrun(void)
{
	struct fake f = { .in = "z" };
	struct pl011 *u = make(&f);

	WR(0x30, 0x381);
	WR(0x2c, 0x70);
	CHECK_INT(RD(0x18), 0x90); /* the line is cut */
	for (unsigned int i = 0; i < 17; i++) {
		WR(0, 'A' + i);
	}
	CHECK_STR(f.out, "");
	CHECK_INT(RD(0x18), 0xc0);
	CHECK_INT(RD(0x04), 8);
	CHECK_INT(RD(0x3c) & 0x400, 0x400);
	WR(0x04, 0);
	CHECK_INT(RD(0x04), 0);
	WR(0x44, 0x400);
	CHECK_INT(RD(0x3c) & 0x400, 0);
	for (int i = 0; i < 16; i++) {
		CHECK_INT(RD(0), 'A' + i);
	}
	WR(0, 'x');
	WR(0x2c, 0x60); /* FIFO off: emptied */
	CHECK_INT(RD(0x18), 0x90);
	WR(0x30, 0x301);
	CHECK_INT(RD(0), 'z');
	pl011_ops.destroy(u);
}

static void interrupt_status(void)
{
	struct fake f = { 0 };
	struct pl011 *u = make(&f);

	WR(0, 'x');
	CHECK_INT(RD(0x3c), 0x20);
	CHECK_INT(RD(0x40), 0);
	WR(0x38, 0x70);
	CHECK_INT(RD(0x40), 0x20);
	WR(0x44, 0x20);
	CHECK_INT(RD(0x3c), 0);
	WR(0x30, 0x381);
	WR(0x2c, 0x10);
	WR(0x34, 0x08); /* receive trigger at 4 of 16 */
	WR(0, 1);
	CHECK_INT(RD(0x40), 0x60); /* below the level: time-out */
	WR(0, 2);
	WR(0, 3);
	WR(0, 4);
	WR(0x44, 0x20);
	CHECK_INT(RD(0x40), 0x10);
	WR(0x44, 0x10);
	CHECK_INT(RD(0x40), 0);
	RD(0);
	CHECK_INT(RD(0x40), 0x40);
	pl011_ops.destroy(u);
}

static void state(void)
{
	struct fake f = { 0 };
	struct pl011 *u = make(&f);
	struct pl011 *t = make(&f);
	uint8_t a[64];
	uint8_t b[64];

	WR(0x24, 0x1234);
	WR(0x28, 0x2a);
	WR(0x2c, 0x70);
	WR(0x30, 0x381);
	WR(0x38, 0x450);
	for (unsigned int i = 0; i < 17; i++) {
		WR(0, 'a' + i);
	}
	pl011_ops.save(u, a);
	CHECK_INT(pl011_ops.load(t, a, NULL), 0);
	pl011_ops.save(t, b);
	CHECK(memcmp(a, b, pl011_ops.state_bytes) == 0);
	CHECK_INT(dev_rd(&pl011_ops, t, 0x24, 4), 0x1234);
	CHECK_INT(dev_rd(&pl011_ops, t, 0x40, 4), 0x410);
	CHECK_INT(dev_rd(&pl011_ops, t, 0, 4), 'a');
	CHECK(dev_is_refused(&pl011_ops, t, 0, 9));
	CHECK(dev_is_refused(&pl011_ops, t, 2, 0x40));
	CHECK(dev_is_refused(&pl011_ops, t, 5, 1));
	CHECK(dev_is_refused(&pl011_ops, t, 13, 0x10));
	CHECK(dev_is_refused(&pl011_ops, t, 16, 17));
	pl011_ops.destroy(u);
	pl011_ops.destroy(t);
}

static const struct test_case cases[] = {
	{ "reset values and identification", reset_values_and_id },
	{ "sends and receives", sends_and_receives },
	{ "registers keep their bits", registers_keep_their_bits },
	{ "loopback and overrun", loopback_and_overrun },
	{ "interrupt status", interrupt_status },
	{ "state", state },
};

TEST_MAIN(cases)
