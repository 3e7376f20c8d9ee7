/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bus: lookup, refusals, string accesses, overlays. */
#include "dev/bus.h"

#include <errno.h>

#include "test.h"

/* A device that notes what it was asked and answers its own number plus the offset. */
struct probe {
	uint64_t number, last_offset, last_value, sum;
	unsigned int calls;
	enum dev_result answer;
};

static enum dev_result probe_access(void *dev, struct dev_access *a)
{
	struct probe *p = dev;

	p->calls++;
	p->last_offset = a->offset;
	if (a->is_write) {
		p->last_value = a->value;
		p->sum = p->sum * 10 + a->value;
	} else {
		a->value = low_bytes(p->number + a->offset + p->calls * 16, a->bytes);
	}
	return p->answer;
}

static const struct dev_ops probe_ops = { .name = "probe", .access = probe_access };
static const struct dev_ops silent_ops = { .name = "silent" };

static void finds_the_owner(void)
{
	struct probe p[3] = { { .number = 0x100 }, { .number = 0x200 }, { .number = 0x300 } };
	struct bus b = { 0 };
	struct dev_access a = { .bytes = 1 };

	CHECK_INT(bus_attach(&b, 0x30, 0x10, &probe_ops, &p[2], NULL), 0);
	CHECK_INT(bus_attach(&b, 0x10, 0x10, &probe_ops, &p[0], NULL), 0);
	CHECK_INT(bus_attach(&b, 0x20, 0x10, &probe_ops, &p[1], NULL), 0);
	CHECK_INT(bus_access(&b, 0x10, &a), DEV_OK);
	CHECK_INT(bus_access(&b, 0x1f, &a), DEV_OK);
	CHECK_INT(p[0].calls, 2);
	CHECK_INT(p[0].last_offset, 0xf);
	CHECK_INT(bus_access(&b, 0x20, &a), DEV_OK);
	CHECK_INT(p[1].last_offset, 0);
	CHECK_INT(bus_access(&b, 0x3f, &a), DEV_OK);
	CHECK_INT(p[2].last_offset, 0xf);
}

static void nobody_there_reads_ones(void)
{
	struct probe p = { .answer = DEV_UNMAPPED };
	struct bus b = { 0 };
	struct dev_access a = { .bytes = 4 };

	CHECK_INT(bus_attach(&b, 0x10, 0x10, &probe_ops, &p, NULL), 0);
	CHECK_INT(bus_access(&b, 0x100, &a), DEV_UNMAPPED);
	CHECK_INT(a.value, 0xffffffff);
	a = (struct dev_access){ .bytes = 2 };
	CHECK_INT(bus_access(&b, 0x10, &a), DEV_UNMAPPED); /* the device declines */
	CHECK_INT(a.value, 0xffff);
	a = (struct dev_access){ .bytes = 2, .is_write = true };
	CHECK_INT(bus_access(&b, 0xf, &a), DEV_UNMAPPED);  /* starts in front */
	CHECK_INT(bus_access(&b, 0x1f, &a), DEV_UNMAPPED); /* runs out behind */
	CHECK_INT(p.calls, 1);
}

static void bad_ranges_are_refused(void)
{
	struct bus b = { 0 };
	struct probe p = { 0 };
	struct errmsg e = { 0 };

	CHECK_INT(bus_attach(&b, 0x10, 0, &probe_ops, &p, &e), -EINVAL);
	CHECK_INT(bus_attach(&b, UINT64_MAX, 2, &probe_ops, &p, &e), -EINVAL);
	CHECK_STR(e.text,
		  "device 'probe' at 0xffffffffffffffff of 0x2 bytes is empty or wraps around");
	CHECK_INT(bus_attach(&b, 0x10, 8, &silent_ops, &p, &e), -EINVAL);
	CHECK_STR(e.text, "device 'silent' has no registers to address");
	CHECK_INT(bus_attach(&b, UINT64_MAX, 1, &probe_ops, &p, &e), 0);
	CHECK_INT(bus_attach(&b, 0x10, 8, &probe_ops, &p, &e), 0);
	CHECK_INT(bus_attach(&b, 0x17, 1, &probe_ops, &p, &e), -EEXIST);
	CHECK_INT(bus_attach(&b, 0xf, 2, &probe_ops, &p, &e), -EEXIST);
	CHECK_INT(bus_attach(&b, 0, 0x1000, &probe_ops, &p, &e), -EEXIST);
	for (uint64_t i = 2; i < BUS_RANGES_MAX; i++) {
		CHECK_INT(bus_attach(&b, 0x1000 * i, 8, &probe_ops, &p, &e), 0);
	}
	CHECK_INT(bus_attach(&b, 0x100000, 8, &probe_ops, &p, &e), -ENOSPC);
	CHECK_INT(b.n, BUS_RANGES_MAX);
}

static void string_access_becomes_single_ones(void)
{
	struct probe p = { .number = 0x40 };
	struct bus b = { 0 };
	uint8_t values[6] = { 1, 0, 2, 0, 3, 0 };
	struct dev_access a = { .bytes = 2, .count = 3, .values = values, .is_write = true };

	CHECK_INT(bus_attach(&b, 0, 8, &probe_ops, &p, NULL), 0);
	CHECK_INT(bus_access(&b, 0, &a), DEV_OK);
	CHECK_INT(p.sum, 123);
	a.is_write = false;
	CHECK_INT(bus_access(&b, 0, &a), DEV_OK);
	CHECK_INT(load_le(values, 2), 0x80);
	CHECK_INT(load_le(values + 4, 2), 0xa0);
	CHECK_INT(bus_access(&b, 8, &a), DEV_UNMAPPED);
	CHECK_INT(values[5], 0xff);
}

static void overlay_goes_first(void)
{
	struct probe board = { .number = 1 };
	struct probe top = { .number = 2 };
	struct bus b = { 0 };
	struct errmsg e = { 0 };
	struct dev_access a = { .bytes = 1 };

	CHECK_INT(bus_attach(&b, 0x3f8, 8, &probe_ops, &board, &e), 0);
	CHECK_INT(bus_overlay(&b, 0x3f8, 1, &probe_ops, &top, &e), 0);
	CHECK_INT(bus_overlay(&b, 0x3f0, 16, &probe_ops, &top, &e), -EEXIST);
	CHECK_INT(bus_access(&b, 0x3f8, &a), DEV_OK);
	CHECK_INT(top.calls, 1);
	CHECK_INT(bus_access(&b, 0x3f9, &a), DEV_OK);
	CHECK_INT(board.calls, 1);
	/* A wide access belongs to the overlay that has its first byte. */
	a.bytes = 2;
	CHECK_INT(bus_access(&b, 0x3f8, &a), DEV_OK);
	CHECK_INT(top.calls, 2);
	CHECK_INT(bus_access_below(&b, 0x3f8, &a), DEV_OK);
	CHECK_INT(board.calls, 2);
	CHECK_INT(top.calls, 2);
}

static const struct test_case cases[] = {
	{ "finds the owner", finds_the_owner },
	{ "nobody there: all ones", nobody_there_reads_ones },
	{ "bad ranges are refused", bad_ranges_are_refused },
	{ "a string access becomes single ones", string_access_becomes_single_ones },
	{ "an overlay goes first", overlay_goes_first },
};

TEST_MAIN(cases)
