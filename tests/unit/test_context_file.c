/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The context file: what was written is found again; a file with any single flipped bit, any
 * truncation, another version or architecture is refused with its reason.
 */
#include "vm/context_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static uint8_t file[65536];
static size_t file_bytes;

static void write_file(void)
{
	const struct cpu_arch *arch = cpu_arch_by_id(CPU_ARCH_RV64);
	struct context_head head = {
		.magic = CONTEXT_MAGIC,
		.version = CONTEXT_VERSION,
		.arch = CPU_ARCH_RV64,
		.n_regions = 1,
		.ram_bytes = 0x10000,
		.state_bytes = arch->state_bytes,
		.device_bytes = 5,
		.board = "bare",
	};
	struct context_region region = { 0x80000000, 0x10000, MEM_RWX };
	uint8_t state[CPU_STATE_BYTES_MAX] = { 1, 2, 3 };
	uint8_t page[PAGE_BYTES] = { 42 };
	int fd = memfd_create("context", MFD_CLOEXEC);
	struct context_writer *w = context_writer_new(fd);

	context_writer_add(w, &head, sizeof(head));
	context_writer_add(w, state, arch->state_bytes);
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

static void round_trip(void)
{
	struct context_view v;
	struct errmsg e = { "" };

	write_file();
	CHECK_INT(context_parse(file, file_bytes, &v, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_INT(v.state[2], 3);
	CHECK_STR((const char *)v.devices, "devs");
	CHECK_INT(context_region_at(&v, 0).size_bytes, 0x10000);
	CHECK_INT(v.n_pages, 2);
	CHECK_INT(context_page_gpa(&v, 1), 0x80003000);
	CHECK_INT(context_page_bytes(&v, 1)[0], 42);
}

static void every_flipped_bit(void)
{
	struct context_view v;
	unsigned long undetected = 0;

	write_file();
	for (size_t i = 0; i < file_bytes; i++) {
		file[i] ^= (uint8_t)(1u << (i % 8));
		undetected += context_parse(file, file_bytes, &v, NULL) == 0;
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
		undetected += context_parse(file, n, &v, NULL) == 0;
	}
	CHECK_INT(undetected, 0);
}

static void reasons(void)
{
	struct context_view v;
	struct errmsg e = { "" };

	write_file();
	file[8]++;
	CHECK_INT(context_parse(file, file_bytes, &v, &e), -EINVAL);
	CHECK_STR(e.text, "the context has format version 2, this Pinfold reads version 1");
	CHECK_INT(context_parse((const uint8_t *)"\177ELF", 4, &v, &e), -EINVAL);
	CHECK_STR(e.text, "this is not a Pinfold context file: it is too short");
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
	{ "every flipped bit is found", every_flipped_bit },
	{ "every truncation is found", every_truncation },
	{ "reasons", reasons },
	{ "failed writes are told", failed_writes_are_told },
};

TEST_MAIN(cases)
