/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Semihosting calls in each field size and byte order, and with hostile parameters. */
#include "dev/semihost.h"

#include <errno.h>

#include "test_dev.h"

#define BASE	  0x40000000u
#define RAM_BYTES 8192u
#define BLOCK	  (BASE + 0x100)
#define TEXT	  (BASE + 0x200)
#define BUF	  (BASE + 0x800)
#define END	  (BASE + RAM_BYTES)

static _Alignas(4096) uint8_t ram[RAM_BYTES];

struct bed {
	struct fake f;
	struct mem *mem;
	struct semihost *s;
	uint8_t field_bytes;
	bool is_be;
};

static void bed_start(struct bed *b, uint8_t field_bytes, bool is_be)
{
	struct mem_region r = { .base_gpa = BASE,
				.size_bytes = RAM_BYTES,
				.perm = MEM_RWX,
				.hva = ram,
				.name = "ram" };
	struct semihost_config config = { 0 };

	*b = (struct bed){ .mem = mem_new(), .field_bytes = field_bytes, .is_be = is_be };
	memset(ram, 0, sizeof(ram));
	CHECK_INT(mem_region_add(b->mem, &r, NULL), 0);
	config.mem = b->mem;
	config.chr = fake_chr(&b->f);
	config.clock = fake_clock(&b->f);
	config.host = fake_host(&b->f);
	config.cmdline = "prog one two";
	config.heap_base = 0x40001000;
	config.heap_limit = 0x40002000;
	config.stack_base = 0x40003000;
	config.stack_limit = 0x40002800;
	b->s = semihost_new(&config);
}

static void bed_end(struct bed *b)
{
	semihost_ops.destroy(b->s);
	mem_free(b->mem);
}

static void field_put(struct bed *b, gpa_t gpa, size_t idx, uint64_t v)
{
	uint8_t *p = ram + (gpa - BASE) + idx * b->field_bytes;

	if (b->is_be) {
		store_be(p, low_bytes(v, b->field_bytes), b->field_bytes);
	} else {
		store_le(p, v, b->field_bytes);
	}
}

static uint64_t field_get(struct bed *b, gpa_t gpa, size_t idx)
{
	const uint8_t *p = ram + (gpa - BASE) + idx * b->field_bytes;

	return b->is_be ? load_be(p, b->field_bytes) : load_le(p, b->field_bytes);
}

static void block_put(struct bed *b, uint64_t f0, uint64_t f1, uint64_t f2)
{
	field_put(b, BLOCK, 0, f0);
	field_put(b, BLOCK, 1, f1);
	field_put(b, BLOCK, 2, f2);
}

/* The result as the guest sees it: a signed word. */
static int64_t call(struct bed *b, uint64_t op, uint64_t param)
{
	uint64_t v = 0x5555;

	CHECK_INT(semihost_call(b->s, op, param, b->field_bytes, b->is_be, &v), SEMIHOST_DONE);
	return b->field_bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
}

static int64_t open_name(struct bed *b, const char *name, uint64_t mode)
{
	memcpy(ram + (TEXT - BASE), name, strlen(name) + 1);
	block_put(b, TEXT, mode, strlen(name));
	return call(b, SEMIHOST_OPEN, BLOCK);
}

static int64_t last_errno(struct bed *b)
{
	return call(b, SEMIHOST_ERRNO, 0);
}

static void writes_text_as(uint8_t field_bytes, bool is_be)
{
	struct bed b;
	int64_t out;
	int64_t err;

	bed_start(&b, field_bytes, is_be);
	ram[TEXT - BASE] = 'c';
	CHECK_INT(call(&b, SEMIHOST_WRITEC, TEXT), 0);
	memcpy(ram + (TEXT - BASE), "text", 5);
	CHECK_INT(call(&b, SEMIHOST_WRITE0, TEXT), 0);
	out = open_name(&b, ":tt", 4);
	err = open_name(&b, ":tt", 8);
	CHECK(out > 0 && err > 0 && out != err);
	block_put(&b, (uint64_t)err, TEXT, 3);
	CHECK_INT(call(&b, SEMIHOST_WRITE, BLOCK), 0);
	CHECK_STR(b.f.out, "ctext:tt");
	CHECK_INT(call(&b, SEMIHOST_ISTTY, BLOCK), 1);
	CHECK_INT(call(&b, SEMIHOST_CLOSE, BLOCK), 0);
	CHECK_INT(call(&b, SEMIHOST_CLOSE, BLOCK), -1);
	CHECK_INT(last_errno(&b), EBADF);
	CHECK_INT(call(&b, SEMIHOST_WRITE, BLOCK), 3);
	CHECK_INT(call(&b, SEMIHOST_ISTTY, BLOCK), -1);
	bed_end(&b);
}

static void writes_text(void)
{
	writes_text_as(4, false);
	writes_text_as(4, true);
	writes_text_as(8, false);
}

static void files_are_refused(void)
{
	struct bed b;

	bed_start(&b, 8, false);
	CHECK_INT(open_name(&b, "/etc/hostname", 0), -1);
	CHECK_INT(last_errno(&b), EACCES);
	CHECK_INT(open_name(&b, ":tt2", 0), -1);
	CHECK_INT(open_name(&b, ":ty", 0), -1);
	CHECK_INT(last_errno(&b), EACCES);
	CHECK_INT(open_name(&b, ":tt", 12), -1);
	CHECK_INT(last_errno(&b), EINVAL);
	CHECK_INT(open_name(&b, ":semihosting-features", 4), -1);
	block_put(&b, TEXT, 0, UINT64_MAX);
	CHECK_INT(call(&b, SEMIHOST_OPEN, BLOCK), -1);
	CHECK_INT(last_errno(&b), EACCES);
	for (uint64_t op = SEMIHOST_TMPNAM; op <= SEMIHOST_RENAME; op++) {
		CHECK_INT(call(&b, op, BLOCK), -1);
		CHECK_INT(last_errno(&b), EACCES);
	}
	CHECK_INT(call(&b, SEMIHOST_SYSTEM, BLOCK), -1);
	for (int i = 0; i < 8; i++) {
		CHECK_INT(open_name(&b, ":tt", 0), i + 1);
	}
	CHECK_INT(open_name(&b, ":tt", 0), -1);
	CHECK_INT(last_errno(&b), EMFILE);
	bed_end(&b);
}

static void features_file(void)
{
	struct bed b;
	uint64_t h;

	bed_start(&b, 4, false);
	h = (uint64_t)open_name(&b, ":semihosting-features", 0);
	block_put(&b, h, BUF, 100);
	CHECK_INT(call(&b, SEMIHOST_FLEN, BLOCK), 5);
	CHECK_INT(call(&b, SEMIHOST_ISTTY, BLOCK), 0);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 95);
	CHECK(memcmp(ram + (BUF - BASE), "SHFB\x03", 6) == 0);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 100);
	block_put(&b, h, 4, 0);
	CHECK_INT(call(&b, SEMIHOST_SEEK, BLOCK), 0);
	block_put(&b, h, BUF + 16, 1);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 0);
	CHECK_INT(ram[BUF + 16 - BASE], 3);
	block_put(&b, h, 6, 0);
	CHECK_INT(call(&b, SEMIHOST_SEEK, BLOCK), -1);
	CHECK_INT(last_errno(&b), EINVAL);
	bed_end(&b);
}

static void reads_input(void)
{
	struct bed b;
	uint64_t v = 7;
	uint64_t h;

	bed_start(&b, 4, true);
	CHECK_INT(semihost_call(b.s, SEMIHOST_READC, 0, 4, true, &v), SEMIHOST_WOULD_BLOCK);
	h = (uint64_t)open_name(&b, ":tt", 0);
	block_put(&b, h, BUF, 16);
	CHECK_INT(semihost_call(b.s, SEMIHOST_READ, BLOCK, 4, true, &v), SEMIHOST_WOULD_BLOCK);
	CHECK_INT(v, 7);
	b.f.in = "x\xff";
	CHECK_INT(call(&b, SEMIHOST_READC, 0), 'x');
	CHECK_INT(call(&b, SEMIHOST_READC, 0), 0xff);
	b.f.in = "ab\ncd";
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 13);
	CHECK(memcmp(ram + (BUF - BASE), "ab\n", 4) == 0);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 14);
	CHECK(memcmp(ram + (BUF - BASE), "cd\n", 4) == 0);
	block_put(&b, h, BUF, 0);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 0);
	CHECK_INT(call(&b, SEMIHOST_SEEK, BLOCK), -1);
	CHECK_INT(last_errno(&b), ESPIPE);
	CHECK_INT(call(&b, SEMIHOST_FLEN, BLOCK), -1);
	b.f.is_eof = true;
	block_put(&b, h, BUF, 16);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 16);
	CHECK_INT(call(&b, SEMIHOST_READC, 0), -1);
	h = (uint64_t)open_name(&b, ":tt", 4);
	block_put(&b, h, BUF, 16);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), -1);
	CHECK_INT(last_errno(&b), EBADF);
	bed_end(&b);
}

static void time_and_ticks(void)
{
	struct bed b;

	bed_start(&b, 4, true);
	b.f.now_ns = 0x123456789abULL;
	b.f.wall_s = 1700000000;
	CHECK_INT(call(&b, SEMIHOST_CLOCK, 0), 0x123456789abLL / 10000000);
	CHECK_INT(call(&b, SEMIHOST_TIME, 0), 1700000000);
	CHECK_INT(call(&b, SEMIHOST_TICKFREQ, 0), 1000000000);
	CHECK_INT(call(&b, SEMIHOST_ELAPSED, BUF), 0);
	CHECK_INT(field_get(&b, BUF, 0), 0x456789ab);
	CHECK_INT(field_get(&b, BUF, 1), 0x123);
	CHECK_INT(field_get(&b, BUF, 2), 0);
	bed_end(&b);
	bed_start(&b, 8, false);
	b.f.now_ns = 0x123456789abULL;
	field_put(&b, BUF, 1, 99);
	CHECK_INT(call(&b, SEMIHOST_ELAPSED, BUF), 0);
	CHECK_INT(field_get(&b, BUF, 0), 0x123456789ab);
	CHECK_INT(field_get(&b, BUF, 1), 99);
	bed_end(&b);
}

static void cmdline_and_heap(void)
{
	struct bed b;

	bed_start(&b, 4, true);
	block_put(&b, BUF, 13, 0);
	CHECK_INT(call(&b, SEMIHOST_GET_CMDLINE, BLOCK), 0);
	CHECK_STR((char *)ram + (BUF - BASE), "prog one two");
	CHECK_INT(field_get(&b, BLOCK, 1), 12);
	block_put(&b, BUF, 12, 0);
	CHECK_INT(call(&b, SEMIHOST_GET_CMDLINE, BLOCK), -1);
	CHECK_INT(last_errno(&b), E2BIG);
	block_put(&b, BUF, 0, 0);
	CHECK_INT(call(&b, SEMIHOST_HEAPINFO, BLOCK), 0);
	CHECK_INT(field_get(&b, BUF, 0), 0x40001000);
	CHECK_INT(field_get(&b, BUF, 1), 0x40002000);
	CHECK_INT(field_get(&b, BUF, 2), 0x40003000);
	CHECK_INT(field_get(&b, BUF, 3), 0x40002800);
	block_put(&b, 0x80000000, 0, 0);
	CHECK_INT(call(&b, SEMIHOST_ISERROR, BLOCK), 1);
	block_put(&b, 0x7fffffff, 0, 0);
	CHECK_INT(call(&b, SEMIHOST_ISERROR, BLOCK), 0);
	bed_end(&b);
}

static void stop_check(uint8_t field_bytes, uint64_t op, uint64_t param, uint64_t f0, uint64_t f1,
		       uint64_t want)
{
	struct bed b;
	uint64_t v;

	bed_start(&b, field_bytes, false);
	block_put(&b, f0, f1, 0);
	CHECK_INT(semihost_call(b.s, op, param, field_bytes, false, &v), SEMIHOST_STOP);
	CHECK_INT(b.f.stops, 1);
	CHECK_INT(b.f.stop_kind, DEV_STOP_EXIT);
	CHECK_INT(b.f.stop_code, want);
	bed_end(&b);
}

static void exits(void)
{
	struct bed b;
	uint64_t v;

	stop_check(4, SEMIHOST_EXIT, 0x20026, 0, 0, 0);
	stop_check(4, SEMIHOST_EXIT, 0x20023, 0, 0, 1);
	stop_check(4, SEMIHOST_EXIT_EXTENDED, BLOCK, 0x20026, 42, 42);
	stop_check(8, SEMIHOST_EXIT, BLOCK, 0x20026, 42, 42);
	stop_check(8, SEMIHOST_EXIT, BLOCK, 0x20024, 42, 1);
	stop_check(8, SEMIHOST_EXIT_EXTENDED, BLOCK, 0x20026, 7, 7);
	bed_start(&b, 8, false);
	CHECK_INT(semihost_call(b.s, SEMIHOST_EXIT, 0x10, 8, false, &v), SEMIHOST_STOP);
	CHECK_INT(b.f.stop_kind, DEV_STOP_ERROR);
	CHECK_STR(b.f.stop_why,
		  "the guest's semihosting exit has a parameter block outside its memory");
	bed_end(&b);
}

static void hostile_parameters(void)
{
	static const uint8_t with_block[] = {
		SEMIHOST_OPEN,	 SEMIHOST_CLOSE, SEMIHOST_WRITEC,      SEMIHOST_WRITE0,
		SEMIHOST_WRITE,	 SEMIHOST_READ,	 SEMIHOST_ISERROR,     SEMIHOST_ISTTY,
		SEMIHOST_SEEK,	 SEMIHOST_FLEN,	 SEMIHOST_GET_CMDLINE, SEMIHOST_HEAPINFO,
		SEMIHOST_ELAPSED
	};
	struct bed b;
	uint64_t h;

	bed_start(&b, 8, false);
	for (size_t i = 0; i < sizeof(with_block); i++) {
		CHECK_INT(call(&b, with_block[i], UINT64_MAX - 3), -1);
		CHECK_INT(last_errno(&b), EFAULT);
	}
	h = (uint64_t)open_name(&b, ":tt", 4);
	memset(ram + 4096, 'w', 4096);
	block_put(&b, h, END - 3, 1000);
	CHECK_INT(call(&b, SEMIHOST_WRITE, BLOCK), 1000); /* whole chunks or nothing */
	CHECK_STR(b.f.out, "");
	block_put(&b, h, BASE + 4096, UINT64_MAX);
	CHECK_INT(call(&b, SEMIHOST_WRITE, BLOCK), (int64_t)(UINT64_MAX - 4096));
	CHECK_INT(call(&b, SEMIHOST_WRITE0, END - 3), -1); /* text that never ends */
	b.f.in = "abc";
	h = (uint64_t)open_name(&b, ":tt", 0);
	block_put(&b, h, END - 1, 5);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 4);
	CHECK_INT(last_errno(&b), EFAULT);
	bed_end(&b);
	bed_start(&b, 4, false); /* 32-bit addresses: the upper half of a register is noise */
	ram[TEXT - BASE] = 'u';
	CHECK_INT(call(&b, 0xffffffff00000000 | SEMIHOST_WRITEC, 0x1200000000ULL | TEXT), 0);
	CHECK_STR(b.f.out, "u");
	bed_end(&b);
}

static void unknown_operations_are_counted(void)
{
	struct bed b;

	bed_start(&b, 8, false);
	CHECK_INT(call(&b, 0, 0), -1);
	CHECK_INT(call(&b, 0x14, 0), -1);
	CHECK_INT(call(&b, 0x32, 0), -1);
	CHECK_INT(call(&b, UINT64_MAX, 0), -1);
	CHECK_INT(last_errno(&b), ENOSYS);
	CHECK_INT(semihost_unknown_count(b.s), 4);
	bed_end(&b);
}

/* Pages swapped: virtual page 0 is physical page 1 and the other way round; nothing else. */
static bool swap_pages(void *opaque, gva_t gva, uint32_t access, gpa_t *ret_gpa)
{
	uint32_t *seen = opaque;

	*seen |= access;
	if (gva >= RAM_BYTES) {
		return false;
	}
	*ret_gpa = BASE + (gva ^ 4096);
	return true;
}

static void translated_addresses(void)
{
	struct mem_region r = { .base_gpa = BASE,
				.size_bytes = RAM_BYTES,
				.perm = MEM_RWX,
				.hva = ram,
				.name = "ram" };
	struct fake f = { 0 };
	uint32_t seen = 0;
	struct semihost_config config = { .mem = mem_new(),
					  .translate = swap_pages,
					  .translate_opaque = &seen,
					  .chr = fake_chr(&f),
					  .clock = fake_clock(&f),
					  .host = fake_host(&f) };
	struct semihost *s;
	uint64_t v;

	CHECK_INT(mem_region_add(config.mem, &r, NULL), 0);
	s = semihost_new(&config);
	memset(ram, 0, sizeof(ram));
	memcpy(ram + 8190, "ab", 2); /* end of virtual page 0 */
	memcpy(ram, "cd", 3);	     /* start of virtual page 1 */
	CHECK_INT(semihost_call(s, SEMIHOST_WRITE0, 4094, 8, false, &v), SEMIHOST_DONE);
	CHECK_STR(f.out, "abcd");
	CHECK_INT(seen, MEM_R);
	f.now_ns = 0x1122334455667788;
	CHECK_INT(semihost_call(s, SEMIHOST_ELAPSED, 4092, 8, false, &v), SEMIHOST_DONE);
	CHECK_INT(load_le(ram + 8188, 4), 0x55667788);
	CHECK_INT(load_le(ram, 4), 0x11223344);
	CHECK_INT(seen, MEM_R | MEM_W);
	ram[3] = 0x80; /* the sign of a field that lies over the page border */
	CHECK_INT(semihost_call(s, SEMIHOST_ISERROR, 4092, 8, false, &v), SEMIHOST_DONE);
	CHECK_INT(v, 1);
	CHECK_INT(semihost_call(s, SEMIHOST_WRITEC, RAM_BYTES, 8, false, &v), SEMIHOST_DONE);
	CHECK_INT(v, -1);
	semihost_ops.destroy(s);
	mem_free(config.mem);
}

static void state(void)
{
	struct bed b;
	uint8_t a[64];
	uint64_t h;

	bed_start(&b, 4, false);
	CHECK_INT(open_name(&b, ":tt", 4), 1);
	h = (uint64_t)open_name(&b, ":semihosting-features", 0);
	block_put(&b, h, BUF, 4);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 0);
	CHECK_INT(open_name(&b, "no", 0), -1);
	call(&b, 0x99, 0);
	semihost_ops.save(b.s, a);
	bed_end(&b);
	bed_start(&b, 4, false);
	CHECK_INT(semihost_ops.load(b.s, a, NULL), 0);
	CHECK_INT(last_errno(&b), ENOSYS);
	CHECK_INT(semihost_unknown_count(b.s), 1);
	block_put(&b, h, BUF, 4);
	CHECK_INT(call(&b, SEMIHOST_READ, BLOCK), 3);
	CHECK_INT(ram[BUF - BASE], 3);
	CHECK(dev_is_refused(&semihost_ops, b.s, 0, 0));
	CHECK(dev_is_refused(&semihost_ops, b.s, 13, 4));
	CHECK(dev_is_refused(&semihost_ops, b.s, 14, 1));
	CHECK(dev_is_refused(&semihost_ops, b.s, 16, 6));
	bed_end(&b);
}

static const struct test_case cases[] = {
	{ "writes text in every field size and byte order", writes_text },
	{ "files are refused", files_are_refused },
	{ ":semihosting-features", features_file },
	{ "reads input, or says that it would block", reads_input },
	{ "time and ticks", time_and_ticks },
	{ "command line, heap, ISERROR", cmdline_and_heap },
	{ "exits", exits },
	{ "hostile parameters", hostile_parameters },
	{ "unknown operations are counted", unknown_operations_are_counted },
	{ "translated addresses", translated_addresses },
	{ "state", state },
};

TEST_MAIN(cases)
