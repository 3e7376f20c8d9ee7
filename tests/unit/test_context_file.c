/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The context file: what was written is found again; a file with any single flipped bit, any
 * truncation, a newer version or another architecture is refused with its reason.
 */
#include "vm/context_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "test.h"

#define RV_BYTES_V2 832 /* what a RISC-V state had in versions 1 and 2 */

static uint8_t file[65536];
static size_t file_bytes;

static void write_version(uint32_t version, enum cpu_arch_id id, size_t state_bytes)
{
	struct context_head head = {
		.magic = CONTEXT_MAGIC,
		.version = version,
		.arch = id,
		.n_regions = 1,
		.ram_bytes = 0x10000,
		.state_bytes = state_bytes,
		.device_bytes = 5,
		.board = "bare",
	};
	struct context_region region = { 0x80000000, 0x10000, MEM_RWX };
	uint8_t state[CPU_STATE_BYTES_MAX] = { 1, 2, 3 };
	uint8_t page[PAGE_BYTES] = { 42 };
	int fd = memfd_create("context", MFD_CLOEXEC);
	struct context_writer *w = context_writer_new(fd);

	context_writer_add(w, &head, sizeof(head));
	context_writer_add(w, state, state_bytes);
	context_writer_add(w, "devs", 5);
	context_writer_add(w, &region, sizeof(region));
	context_writer_page(w, 0x80000000, page);
	context_writer_page(w, 0x80003000, page);
	CHECK_INT(context_writer_finish(w, NULL), 0);
	file_bytes = (size_t)lseek(fd, 0, SEEK_END);
	CHECK(file_bytes <= sizeof(file));
	CHECK_INT(pread(fd, file, file_bytes, 0), file_bytes);
	close(fd);
}

static void write_file(void)
{
	write_version(CONTEXT_VERSION, CPU_ARCH_RV64, cpu_arch_by_id(CPU_ARCH_RV64)->state_bytes);
}

static void round_trip(void)
{
	struct context_view v;
	struct errmsg e = { "" };

	write_file();
	CHECK_INT(context_parse(file, file_bytes, false, &v, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_INT(v.state[2], 3);
	CHECK_STR((const char *)v.devices, "devs");
	CHECK_INT(context_region_at(&v, 0).size_bytes, 0x10000);
	CHECK_INT(v.n_pages, 2);
	CHECK_INT(context_page_gpa(&v, 1), 0x80003000);
	CHECK_INT(context_page_bytes(&v, 1)[0], 42);
}

/* Pages that are side by side in the file can be mapped from it. */
static void pages_are_aligned(void)
{
	struct context_view v;

	write_file();
	CHECK_INT(context_parse(file, file_bytes, false, &v, NULL), 0);
	CHECK(v.pages_off > 0);
	CHECK_INT(v.pages_off % PAGE_BYTES, 0);
	CHECK(v.pages == file + v.pages_off);
	CHECK(context_page_bytes(&v, 1) == v.pages + PAGE_BYTES);
}

static uint8_t old[sizeof(file)];

/* The same as version 1 had it: a RISC-V state was shorter. */
static size_t make_old(const struct context_view *v)
{
	size_t n = (size_t)(v->regions - file) + v->head.n_regions * sizeof(struct context_region);
	size_t less = v->head.state_bytes - RV_BYTES_V2;
	struct context_head head = v->head;
	uint64_t sum;

	memcpy(old, file, sizeof(head) + RV_BYTES_V2);
	memcpy(old + sizeof(head) + RV_BYTES_V2, v->devices,
	       n - sizeof(head) - v->head.state_bytes);
	n -= less;
	head.version = 1;
	head.state_bytes = RV_BYTES_V2;
	memcpy(old, &head, sizeof(head));
	for (uint64_t i = 0; i < v->n_pages; i++) {
		struct context_page_v1 page = { .gpa = context_page_gpa(v, i) };

		memcpy(page.bytes, context_page_bytes(v, i), PAGE_BYTES);
		memcpy(old + n, &page, sizeof(page));
		n += sizeof(page);
	}
	memcpy(old + n, &v->n_pages, sizeof(v->n_pages));
	n += sizeof(v->n_pages);
	sum = XXH3_64bits(old, n);
	memcpy(old + n, &sum, sizeof(sum));
	return n + sizeof(sum);
}

static void version_1_is_read(void)
{
	struct context_view v, was;
	size_t n;

	write_file();
	CHECK_INT(context_parse(file, file_bytes, false, &was, NULL), 0);
	n = make_old(&was);
	CHECK_INT(context_parse(old, n, false, &v, NULL), 0);
	CHECK_INT(v.n_pages, 2);
	CHECK_INT(v.pages_off, 0);
	for (uint64_t i = 0; i < 2; i++) {
		CHECK_INT(context_page_gpa(&v, i), context_page_gpa(&was, i));
		CHECK(memcmp(context_page_bytes(&v, i), context_page_bytes(&was, i), PAGE_BYTES) ==
		      0);
	}
	CHECK_INT(context_parse(old, n - 8, true, &v, NULL), -EINVAL);
}

static int parse_version(uint32_t version, enum cpu_arch_id id, size_t state_bytes)
{
	struct context_view v;
	int r;

	write_version(version, id, state_bytes);
	r = context_parse(file, file_bytes, false, &v, NULL);
	CHECK(r < 0 || v.head.state_bytes == state_bytes);
	return r;
}

/* Only RISC-V's state has grown since version 2. */
static void version_2_is_read(void)
{
	size_t rv = cpu_arch_by_id(CPU_ARCH_RV64)->state_bytes;
	size_t a64 = cpu_arch_by_id(CPU_ARCH_A64)->state_bytes;

	CHECK_INT(parse_version(2, CPU_ARCH_RV64, RV_BYTES_V2), 0);
	CHECK_INT(parse_version(2, CPU_ARCH_RV64, rv), -EINVAL);
	CHECK_INT(parse_version(3, CPU_ARCH_RV64, RV_BYTES_V2), -EINVAL);
	CHECK_INT(parse_version(3, CPU_ARCH_RV64, rv), 0);
	CHECK_INT(parse_version(2, CPU_ARCH_A64, a64), 0);
	CHECK_INT(parse_version(3, CPU_ARCH_A64, a64), 0);
}

/* Who has found the sum right need not find it again; all else is checked. */
static void summed_before(void)
{
	struct context_view v;
	struct errmsg e = { "" };

	write_file();
	file[file_bytes - 1] ^= 1;
	CHECK_INT(context_parse(file, file_bytes, false, &v, NULL), -EINVAL);
	CHECK_INT(context_parse(file, file_bytes, true, &v, NULL), 0);
	CHECK_INT(context_parse(file, file_bytes - PAGE_BYTES, true, &v, &e), -EINVAL);
	CHECK(strstr(e.text, "fit its length") != NULL);
}

static void every_flipped_bit(void)
{
	struct context_view v;
	unsigned long undetected = 0;

	write_file();
	for (size_t i = 0; i < file_bytes; i++) {
		file[i] ^= (uint8_t)(1u << (i % 8));
		undetected += context_parse(file, file_bytes, false, &v, NULL) == 0;
		file[i] ^= (uint8_t)(1u << (i % 8));
	}
	CHECK_INT(undetected, 0);
}

static void every_truncation(void)
{
	struct context_view v;
	unsigned long undetected = 0;

	write_file();
	for (size_t n = 0; n < file_bytes; n++) {
		undetected += context_parse(file, n, false, &v, NULL) == 0;
	}
	CHECK_INT(undetected, 0);
}

static void reasons(void)
{
	struct context_view v;
	struct errmsg e = { "" };

	write_file();
	file[8]++;
	CHECK_INT(context_parse(file, file_bytes, false, &v, &e), -EINVAL);
	CHECK_STR(e.text, "the context has format version 4, this Pinfold reads versions 1 to 3");
	CHECK_INT(context_parse((const uint8_t *)"\177ELF", 4, false, &v, &e), -EINVAL);
	CHECK_STR(e.text, "the context is not a Pinfold context file: it is too short");
}

static void failed_writes_are_told(void)
{
	struct context_writer *w = context_writer_new(-1);
	struct errmsg e = { "" };

	context_writer_add(w, "x", 1);
	CHECK_INT(context_writer_finish(w, &e), -EBADF);
	CHECK_STR(e.text, "the context can't be written: Bad file descriptor");
}

static const struct test_case cases[] = {
	{ "round trip", round_trip },
	{ "pages are aligned", pages_are_aligned },
	{ "version 1 is read", version_1_is_read },
	{ "version 2 is read", version_2_is_read },
	{ "summed before", summed_before },
	{ "every flipped bit is found", every_flipped_bit },
	{ "every truncation is found", every_truncation },
	{ "reasons", reasons },
	{ "failed writes are told", failed_writes_are_told },
};

TEST_MAIN(cases)
