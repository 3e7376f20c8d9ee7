/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTIF: decoding, and requests served through guest memory. */
#include "dev/htif.h"

#include <errno.h>

#include "test_dev.h"

#define BASE	 0x80000000u
#define TOHOST	 (BASE + 0x10)
#define FROMHOST (BASE + 0x18)
#define BLOCK	 (BASE + 0x40)
#define TEXT	 (BASE + 0x100)

static _Alignas(4096) uint8_t ram[4096];

struct bed {
	struct fake f;
	struct mem *mem;
	struct htif *h;
};

static struct bed bed_make(void)
{
	struct mem_region r = { .base_gpa = BASE,
				.size_bytes = sizeof(ram),
				.perm = MEM_RWX,
				.hva = ram,
				.name = "ram" };
	struct bed b = { .mem = mem_new() };

	memset(ram, 0, sizeof(ram));
	CHECK_INT(mem_region_add(b.mem, &r, NULL), 0);
	return b;
}

static void bed_start(struct bed *b, bool has_fromhost)
{
	struct htif_config config = { b->mem, fake_chr(&b->f), fake_host(&b->f),
				      TOHOST, FROMHOST,	       has_fromhost };

	b->h = htif_new(&config);
}

static void bed_end(struct bed *b)
{
	htif_ops.destroy(b->h);
	mem_free(b->mem);
}

static void put64(gpa_t gpa, uint64_t v)
{
	store_le(ram + (gpa - BASE), v, 8);
}

static uint64_t get64(gpa_t gpa)
{
	return load_le(ram + (gpa - BASE), 8);
}

static void decodes(void)
{
	CHECK_INT(htif_decode(0).kind, HTIF_NONE);
	CHECK_INT(htif_decode(1).kind, HTIF_EXIT);
	CHECK_INT(htif_decode(1).code, 0);
	CHECK_INT(htif_decode(85).code, 42);
	CHECK_INT(htif_decode(0x80001000).kind, HTIF_SYSCALL);
	CHECK_INT(htif_decode(0x80001000).block_gpa, 0x80001000);
	CHECK_INT(htif_decode(0x0101000000000041).kind, HTIF_PUTC);
	CHECK_INT(htif_decode(0x0101000000000041).c, 'A');
	CHECK_INT(htif_decode(0x0100000000000000).kind, HTIF_GETC);
	CHECK_INT(htif_decode(0x0001000000000001).kind, HTIF_UNKNOWN);
	CHECK_INT(htif_decode(0x0200000000000000).kind, HTIF_UNKNOWN);
}

static void exits(void)
{
	struct bed b = bed_make();

	bed_start(&b, true);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	put64(TOHOST, 7);
	CHECK_INT(htif_poll(b.h), DEV_STOP);
	CHECK_INT(b.f.stop_kind, DEV_STOP_EXIT);
	CHECK_INT(b.f.stop_code, 3);
	CHECK_INT(get64(TOHOST), 0);
	bed_end(&b);
}

static void console(void)
{
	struct bed b = bed_make();

	bed_start(&b, true);
	put64(TOHOST, 0x0101000000000041);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_STR(b.f.out, "A");
	CHECK_INT(get64(TOHOST), 0);
	put64(TOHOST, 0x0100000000000000);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(FROMHOST), 0); /* nothing typed yet */
	b.f.in = "q";
	put64(FROMHOST, 1);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(FROMHOST), 1); /* an answer not taken yet stays */
	put64(FROMHOST, 0);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(FROMHOST), 0x0100000000000100 | 'q');
	put64(FROMHOST, 0);
	b.f.in = "r";
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(FROMHOST), 0); /* one answer per request */
	bed_end(&b);
}

static void system_calls(void)
{
	struct bed b = bed_make();

	bed_start(&b, true);
	memcpy(ram + (TEXT - BASE), "hello", 5);
	put64(BLOCK, 64);
	put64(BLOCK + 8, 1);
	put64(BLOCK + 16, TEXT);
	put64(BLOCK + 24, 5);
	put64(TOHOST, BLOCK);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_STR(b.f.out, "hello");
	CHECK_INT(get64(BLOCK), 5);
	CHECK_INT(get64(FROMHOST), 1);

	put64(BLOCK, 64);
	put64(BLOCK + 8, 7);
	put64(TOHOST, BLOCK);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(BLOCK), -EBADF);

	put64(BLOCK, 64);
	put64(BLOCK + 8, 2);
	put64(BLOCK + 16, 0x1000);
	put64(BLOCK + 24, UINT64_MAX);
	put64(TOHOST, BLOCK);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(BLOCK), -EFAULT);

	put64(BLOCK, 1234);
	put64(TOHOST, BLOCK);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(BLOCK), -ENOSYS);

	put64(BLOCK, 93);
	put64(BLOCK + 8, 9);
	put64(TOHOST, BLOCK);
	CHECK_INT(htif_poll(b.h), DEV_STOP);
	CHECK_INT(b.f.stop_code, 9);

	put64(FROMHOST, 0);
	put64(TOHOST, 0x2000); /* a block outside memory */
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(FROMHOST), 1);
	bed_end(&b);
}

static void state(void)
{
	struct bed b = bed_make();
	uint8_t a[8];

	bed_start(&b, true);
	put64(TOHOST, 0x0100000000000000);
	CHECK_INT(htif_poll(b.h), DEV_OK);
	htif_ops.save(b.h, a);
	htif_ops.destroy(b.h);
	bed_start(&b, true);
	CHECK_INT(htif_ops.load(b.h, a, NULL), 0);
	b.f.in = "k";
	CHECK_INT(htif_poll(b.h), DEV_OK);
	CHECK_INT(get64(FROMHOST), 0x0100000000000100 | 'k');
	CHECK(dev_is_refused(&htif_ops, b.h, 0, 7));
	CHECK(dev_is_refused(&htif_ops, b.h, 1, 2));
	bed_end(&b);
}

static const struct test_case cases[] = {
	{ "decodes", decodes },		  { "exits", exits }, { "console", console },
	{ "system calls", system_calls }, { "state", state },
};

TEST_MAIN(cases)
