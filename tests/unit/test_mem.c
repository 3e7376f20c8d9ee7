/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory map: shapes that are refused, permissions, accesses across regions, and a comparison
 * with a byte-per-byte model under thousands of random changes.
 */
#include "mem/mem.h"

#include <errno.h>

#include "test.h"

#define MODEL_PAGES 64

static uint8_t host[MODEL_PAGES * PAGE_BYTES];

static struct mem_region region(gpa_t gpa, uint64_t bytes, uint32_t perm)
{
	return (struct mem_region){
		.base_gpa = gpa, .size_bytes = bytes, .perm = perm, .hva = host, .name = "ram"
	};
}

static void refused_shapes(void)
{
	struct mem *m = mem_new();
	struct mem_region ok = region(0x10000, 0x4000, MEM_RWX);
	struct mem_region bad[] = {
		region(0x10000, 0, MEM_R),
		region(0x10800, 0x1000, MEM_R),
		region(0x10000, 0x800, MEM_R),
		region(0xfffffffffffff000, 0x2000, MEM_R),
	};
	struct mem_region overlaps[] = {
		region(0x10000, 0x1000, MEM_R),
		region(0xf000, 0x2000, MEM_R),
		region(0x13000, 0x2000, MEM_R),
		region(0xf000, 0x10000, MEM_R),
	};
	struct mem_region last = region(0xfffffffffffff000, 0x1000, MEM_R);
	struct errmsg e = { "" };

	CHECK_INT(mem_region_add(m, &ok, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(mem_region_add(m, &bad[i], &e), -EINVAL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(overlaps); i++) {
		CHECK_INT(mem_region_add(m, &overlaps[i], &e), -EEXIST);
	}
	CHECK_INT(mem_region_add(m, &last, &e), 0);
	CHECK_INT(mem_region_count(m), 2);
	mem_free(m);
	mem_free(NULL);
}

static void protect_splits(void)
{
	struct mem *m = mem_new();
	struct mem_region ram = region(0x10000, 0x4000, MEM_RWX);
	struct mem_fault f = { 0 };
	uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	mem_region_add(m, &ram, NULL);
	CHECK_INT(mem_region_protect(m, 0x11000, 0x1000, MEM_R | MEM_X, NULL), 0);
	CHECK_INT(mem_region_count(m), 3);
	CHECK(mem_region_find(m, 0x12000)->hva == host + 0x2000);
	CHECK_INT(mem_region_protect(m, 0x13000, 0x2000, MEM_R, NULL), -ENOENT);
	CHECK_INT(mem_region_protect(m, 0x11800, 0x1000, MEM_R, NULL), -EINVAL);
	/* A write that ends in the read-only page: nothing of it is done. */
	CHECK(!mem_write(m, 0x10ffc, buf, 8, &f));
	CHECK_INT(f.gpa, 0x11000);
	CHECK(f.is_mapped);
	CHECK_INT(f.access, MEM_W);
	CHECK_INT(host[0xffc], 0);
	CHECK(!mem_read(m, 0x13ffc, buf, 8, &f));
	CHECK_INT(f.gpa, 0x14000);
	CHECK(!f.is_mapped);
	CHECK_INT(buf[0], 1); /* untouched */
	CHECK_INT(mem_peek(m, 0x13ffc, buf, 8), 4);
	mem_free(m);
}

static void end_of_the_address_space(void)
{
	struct mem *m = mem_new();
	struct mem_region last = region(0xfffffffffffff000, 0x1000, MEM_RWX);
	struct mem_fault f = { 0 };
	uint8_t buf[8];

	mem_region_add(m, &last, NULL);
	CHECK(mem_read(m, 0xfffffffffffffff8, buf, 8, &f));
	CHECK(!mem_read(m, 0xfffffffffffffff9, buf, 8, &f));
	CHECK_INT(f.gpa, 0);
	CHECK_INT(mem_region_protect(m, 0xfffffffffffff000, 0x1000, MEM_R, NULL), 0);
	mem_free(m);
}

static uint32_t rng(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 32);
}

/* The model: one permission and one byte array per page, no regions at all. */
static void random_against_model(void)
{
	static uint8_t bytes[MODEL_PAGES * PAGE_BYTES];
	uint32_t perm[MODEL_PAGES];
	struct mem *m = mem_new();
	struct mem_region ram = region(0, sizeof(host), MEM_RWX);

	memset(host, 0, sizeof(host));
	mem_region_add(m, &ram, NULL);
	for (size_t i = 0; i < MODEL_PAGES; i++) {
		perm[i] = MEM_RWX;
	}
	for (int i = 0; i < 20000; i++) {
		uint64_t at = rng() % sizeof(host);
		size_t len = rng() % 9000;
		bool is_allowed = at + len <= sizeof(host);
		uint8_t buf[9000];

		if (rng() % 8 == 0) {
			uint64_t first = at / PAGE_BYTES;
			uint64_t n = 1 + rng() % (MODEL_PAGES - first);
			uint32_t p = rng() % 8;

			CHECK_INT(mem_region_protect(m, first * PAGE_BYTES, n * PAGE_BYTES, p,
						     NULL),
				  0);
			for (uint64_t k = 0; k < n; k++) {
				perm[first + k] = p;
			}
			continue;
		}
		for (uint64_t k = at; len && is_allowed && k < at + len; k++) {
			is_allowed = perm[k / PAGE_BYTES] & MEM_W;
		}
		memset(buf, (int)(rng() & 0xff), sizeof(buf));
		CHECK_INT(mem_write(m, at, buf, len, NULL), is_allowed || len == 0);
		if (is_allowed) {
			memcpy(bytes + at, buf, len);
		}
	}
	CHECK(memcmp(bytes, host, sizeof(host)) == 0);
	CHECK(mem_region_count(m) <= MODEL_PAGES);
	mem_free(m);
}

static void too_many_regions(void)
{
	struct mem *m = mem_new();
	int r = 0;

	for (gpa_t i = 0; r == 0 && i < MEM_REGIONS_MAX + 1; i++) {
		struct mem_region one = region(i * 2 * PAGE_BYTES, PAGE_BYTES, MEM_R);

		r = mem_region_add(m, &one, NULL);
	}
	CHECK_INT(r, -ENOSPC);
	CHECK_INT(mem_region_count(m), MEM_REGIONS_MAX);
	CHECK_INT(mem_region_protect(m, 0, PAGE_BYTES, MEM_W, NULL), -ENOSPC);
	mem_free(m);
}

static bool note_store(void *opaque, gpa_t gpa, uint64_t bytes)
{
	uint64_t *sum = opaque;

	*sum += gpa + bytes;
	return gpa == 0x11000;
}

static void watchers_hear_of_stores(void)
{
	struct mem *m = mem_new();
	struct mem_region ram = region(0x10000, 0x4000, MEM_RWX);
	uint8_t bytes[8] = { 0 };
	uint64_t sum[2] = { 0 };
	struct mem_watcher w[2] = { { .opaque = &sum[0], .stored = note_store },
				    { .opaque = &sum[1], .stored = note_store } };

	CHECK_INT(mem_region_add(m, &ram, NULL), 0);
	mem_watch(m, &w[0]);
	mem_watch(m, &w[1]);
	CHECK(mem_write(m, 0x12000, bytes, sizeof(bytes), NULL));
	CHECK_INT(sum[0], 0x12008);
	CHECK_INT(sum[1], 0x12008);
	CHECK(!mem_write(m, 0x14000, bytes, sizeof(bytes), NULL));
	mem_unwatch(m, &w[0]);
	CHECK(mem_stored(m, 0x11000, 1));
	CHECK(!mem_stored(m, 0x11001, 1));
	CHECK_INT(sum[0], 0x12008);
	CHECK_INT(sum[1], 0x12008 + 0x11001 + 0x11002);
	mem_free(m);
}

static const struct test_case cases[] = {
	{ "refused shapes", refused_shapes },
	{ "protect splits regions", protect_splits },
	{ "end of the address space", end_of_the_address_space },
	{ "random changes against a model", random_against_model },
	{ "too many regions", too_many_regions },
	{ "watchers hear of stores", watchers_hear_of_stores },
};

TEST_MAIN(cases)
