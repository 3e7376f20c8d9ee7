/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two exit devices. */
#include "dev/debug_exit.h"
#include "dev/sifive_test.h"
#include "test_dev.h"

static void debug_exit_shifts_the_value(void)
{
	struct fake f = { 0 };
	struct dev_host host = fake_host(&f);
	struct debug_exit *d = debug_exit_new(&host);

	CHECK_INT(dev_rd(&debug_exit_ops, d, 0, 1), 0);
	CHECK_INT(f.stops, 0);
	CHECK_INT(dev_wr(&debug_exit_ops, d, 0, 1, 0), DEV_STOP);
	CHECK_INT(f.stop_kind, DEV_STOP_EXIT);
	CHECK_INT(f.stop_code, 1);
	CHECK_INT(dev_wr(&debug_exit_ops, d, 0, 4, 0x10), DEV_STOP);
	CHECK_INT(f.stop_code, 0x21);
	CHECK_INT(dev_wr(&debug_exit_ops, d, 0, 1, 0x1ff), DEV_STOP);
	CHECK_INT(f.stop_code, 0x1ff); /* only the byte that was written counts */
	CHECK_INT(dev_wr(&debug_exit_ops, d, 4, 1, 0), DEV_UNMAPPED);
	CHECK_INT(dev_wr(&debug_exit_ops, d, 0, 8, 0), DEV_UNMAPPED);
	CHECK_INT(f.stops, 3);
	debug_exit_ops.destroy(d);
}

static void finisher(void)
{
	struct fake f = { 0 };
	struct dev_host host = fake_host(&f);
	struct sifive_test *t = sifive_test_new(&host);

	CHECK_INT(dev_rd(&sifive_test_ops, t, 0, 4), 0);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 0, 4, 0x1234), DEV_OK);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 4, 4, 0x5555), DEV_OK);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 0, 1, 0x55), DEV_UNMAPPED);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 0x1000, 4, 0x5555), DEV_UNMAPPED);
	CHECK_INT(f.stops, 0);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 0, 4, 0x2a3333), DEV_STOP);
	CHECK_INT(f.stop_kind, DEV_STOP_EXIT);
	CHECK_INT(f.stop_code, 42);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 0, 4, 0x75555), DEV_STOP);
	CHECK_INT(f.stop_code, 0);
	CHECK_INT(dev_wr(&sifive_test_ops, t, 0, 2, 0x7777), DEV_STOP);
	CHECK_INT(f.stop_kind, DEV_STOP_RESET);
	sifive_test_ops.destroy(t);
}

static const struct test_case cases[] = {
	{ "debug-exit: status is (v << 1) | 1", debug_exit_shifts_the_value },
	{ "finisher: pass, fail with code, reset", finisher },
};

TEST_MAIN(cases)
