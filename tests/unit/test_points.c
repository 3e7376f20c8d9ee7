/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The set of a debugger's points, without a VM. */
#include <errno.h>

#include "mem/mem.h"
#include "test.h"
#include "vm/points.h"

static struct vm_points ps;

static int add(enum proto_point_kind kind, gva_t gva, uint64_t bytes)
{
	const struct proto_point p = { .kind = kind, .is_add = 1, .gva = gva, .bytes = bytes };

	return points_set(&ps, &p, NULL);
}

static int take(enum proto_point_kind kind, gva_t gva, uint64_t bytes)
{
	const struct proto_point p = { .kind = kind, .gva = gva, .bytes = bytes };

	return points_set(&ps, &p, NULL);
}

static void bad_points_are_refused(void)
{
	ps.n = 0;
	CHECK_INT(add(PROTO_POINT_WATCH_READ, 0x1000, 0), -EINVAL);
	CHECK_INT(add(PROTO_POINT_WATCH_READ, 0x1000, POINTS_WATCH_BYTES + 1), -EINVAL);
	CHECK_INT(add(PROTO_POINT_WATCH_READ, UINT64_MAX, 2), -EINVAL);
	CHECK_INT(add(PROTO_POINT_WATCH_READ, UINT64_MAX, 1), 0);
	CHECK_INT(add(PROTO_POINT_WATCH_READ, UINT64_MAX, 1), -EEXIST);
	CHECK_INT(take(PROTO_POINT_WATCH_WRITE, UINT64_MAX, 1), -ENOENT);
	CHECK_INT(ps.n, 1);
}

static void each_kind_is_told_apart(void)
{
	struct engine_watch w[POINTS_MAX];
	gva_t breaks[POINTS_MAX];

	ps.n = 0;
	CHECK_INT(add(PROTO_POINT_BREAK, 0x10, 0), 0);
	CHECK(points_has_any_break(&ps) && !points_has_watch(&ps));
	CHECK_INT(add(PROTO_POINT_WATCH_WRITE, 0x20, 4), 0);
	CHECK_INT(add(PROTO_POINT_WATCH_READ, 0x20, 4), 0);
	CHECK_INT(add(PROTO_POINT_WATCH_ACCESS, 0x30, 8), 0);
	CHECK_INT(points_breaks(&ps, breaks), 1);
	CHECK_INT(breaks[0], 0x10);
	CHECK_INT(points_watches(&ps, w), 3);
	CHECK_INT(w[0].access, MEM_W);
	CHECK_INT(w[1].access, MEM_R);
	CHECK_INT(w[2].access, MEM_R | MEM_W);
	CHECK(w[2].gva == 0x30 && w[2].bytes == 8);
	CHECK_INT(take(PROTO_POINT_BREAK, 0x10, 0), 0);
	CHECK(!points_has_any_break(&ps) && points_has_watch(&ps));
}

static const struct vm_point *hit(gva_t gva, uint32_t access)
{
	const struct engine_watch w = { .gva = gva, .bytes = 1, .access = access };

	return points_hit(&ps, &w);
}

static void a_hit_finds_its_point(void)
{
	ps.n = 0;
	CHECK_INT(add(PROTO_POINT_BREAK, 0x20, 0), 0);
	CHECK_INT(add(PROTO_POINT_WATCH_WRITE, 0x20, 4), 0);
	CHECK_INT(add(PROTO_POINT_WATCH_READ, 0x20, 4), 0);
	CHECK(hit(0x20, MEM_W) == &ps.point[1]);
	CHECK(hit(0x23, MEM_R) == &ps.point[2]);
	CHECK(!hit(0x24, MEM_R));
	CHECK(!hit(0x1f, MEM_W));
}

static const struct test_case cases[] = {
	{ "bad points are refused", bad_points_are_refused },
	{ "each kind is told apart", each_kind_is_told_apart },
	{ "a hit finds its point", a_hit_finds_its_point },
};

int main(void)
{
	return test_main(cases, ARRAY_SIZE(cases));
}
