/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux's boot image: where it goes, what it asks for, and headers that lie. */
#include <errno.h>

#include "machine/loader/image.h"
#include "test.h"

#define BYTES 0x3000u
#define RAM   0x80000000ULL

static uint8_t file[BYTES];

static void make(uint64_t text_offset, uint64_t image_size, uint64_t flags)
{
	memset(file, 0, sizeof(file));
	memcpy(file, "MZ", 2);
	store_le(file + 8, text_offset, 8);
	store_le(file + 16, image_size, 8);
	store_le(file + 24, flags, 8);
	memcpy(file + 56, "RSC\005", 4);
}

static void a_kernel_is_recognised(void)
{
	make(0x200000, 0x10000, 0);
	CHECK_INT(image_detect(file, sizeof(file)), IMAGE_LINUX);
	CHECK_INT(image_detect(file, 63), IMAGE_FLAT);
	file[56] = 'X';
	CHECK_INT(image_detect(file, sizeof(file)), IMAGE_FLAT);
}

static void it_gets_what_it_asks_for(void)
{
	struct image_plan p = { 0 };

	make(0x200000, 0x10000, 0);
	CHECK_INT(image_parse_linux(file, sizeof(file), RAM, &p, NULL), 0);
	CHECK_INT(p.n_segs, 1);
	CHECK_INT(p.segs[0].gpa, RAM + 0x200000);
	CHECK_INT(p.segs[0].file_bytes, BYTES);
	CHECK_INT(p.segs[0].mem_bytes, 0x10000);
	CHECK_INT(p.entry, RAM + 0x200000);
	CHECK_INT(p.arch, CPU_ARCH_RV64);
}

static void lies_are_refused(void)
{
	static const struct {
		uint64_t offset, size, flags;
		int want;
	} cases[] = {
		{ 0x200000, BYTES - 1, 0, -ENOEXEC },
		{ 0x200000, UINT64_MAX, 0, -ENOEXEC },
		{ 0x200000, 0, 0, -ENOEXEC },
		{ 0x200001, 0x10000, 0, -ENOEXEC },
		{ UINT64_MAX - 0xfff, 0x10000, 0, -ENOEXEC },
		{ 0x200000, 0x10000, 1, -ENOTSUP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_plan p = { .n_segs = 42 };
		struct errmsg e = { "" };

		make(cases[i].offset, cases[i].size, cases[i].flags);
		CHECK_INT(image_parse_linux(file, sizeof(file), RAM, &p, &e), cases[i].want);
		CHECK(e.text[0]);
		CHECK_INT(p.n_segs, 42); /* untouched */
	}
}

static const struct test_case cases[] = {
	{ "a_kernel_is_recognised", a_kernel_is_recognised },
	{ "it_gets_what_it_asks_for", it_gets_what_it_asks_for },
	{ "lies_are_refused", lies_are_refused },
};

TEST_MAIN(cases)
