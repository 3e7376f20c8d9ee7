/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Intel HEX, flat binaries, and telling formats apart. */
#include <errno.h>

#include "machine/loader/image.h"
#include "test.h"

static int parse(const char *text, uint64_t limit, struct image_plan *p, struct errmsg *e)
{
	return image_parse_hex((const uint8_t *)text, strlen(text), limit, p, e);
}

static const char *refusal(const char *text, int want)
{
	static struct errmsg e;
	struct image_plan p;
	struct image_plan before;

	memset(&p, 0x5a, sizeof(p));
	before = p;
	e.text[0] = '\0';
	CHECK_INT(parse(text, 1000, &p, &e), want);
	CHECK(memcmp(&p, &before, sizeof(p)) == 0);
	return e.text;
}

#define END ":00000001FF\n"

static void the_classic_example(void)
{
	/* Two records that continue each other. */
	static const char text[] = ":10010000214601360121470136007EFE09D2190140\r\n"
				   ":100110002146017E17C20001FF5F16002148011928\r\n"
				   ":00000001FF\r\n";
	struct image_plan p = { 0 };

	CHECK_INT(parse(text, 32, &p, NULL), 0);
	CHECK_INT(p.kind, IMAGE_HEX);
	CHECK(!p.has_arch && !p.has_entry);
	CHECK_INT(p.n_segs, 1);
	CHECK_INT(p.segs[0].gpa, 0x100);
	CHECK_INT(p.segs[0].file_off, 0);
	CHECK_INT(p.segs[0].file_bytes, 32);
	CHECK_INT(p.segs[0].mem_bytes, 32);
	CHECK_INT(p.segs[0].perm, MEM_RWX);
	CHECK_INT(p.decoded_bytes, 32);
	CHECK_INT(p.decoded[0], 0x21);
	CHECK_INT(p.decoded[31], 0x19);
	image_plan_done(&p);
	CHECK(p.decoded == NULL);
}

static void addresses_and_entries(void)
{
	struct image_plan p = { 0 };

	/* Linear base 0x8000, data at 0x10, entry 0x80000010; lower case digits, no last newline. */
	CHECK_INT(parse(":0200000480007a\n:02001000aabb89\n:0400000580000010 67\n", 99, &p, NULL),
		  -ENOEXEC);
	CHECK_INT(parse(":0200000480007a\n:02001000aabb89\n:040000058000001067\n:00000001ff", 99,
			&p, NULL),
		  0);
	CHECK_INT(p.segs[0].gpa, 0x80000010);
	CHECK(p.has_entry);
	CHECK_INT(p.entry, 0x80000010);
	image_plan_done(&p);
	/* Segment 0x1234, CS:IP 0x1234:0x0005; a gap makes a second piece, in order of address. */
	CHECK_INT(parse(":020000021234B6\n:0100100001EE\n:0100000002FD\n:04000003123400 05AE\n" END,
			99, &p, NULL),
		  -ENOEXEC);
	CHECK_INT(
		parse(":020000021234B6\n:0100100001EE\n\n:0100000002FD \n:0400000312340005AE\n" END,
		      99, &p, NULL),
		0);
	CHECK_INT(p.n_segs, 2);
	CHECK_INT(p.segs[0].gpa, 0x12340);
	CHECK_INT(p.segs[0].file_off, 1);
	CHECK_INT(p.segs[1].gpa, 0x12350);
	CHECK_INT(p.decoded[0], 1);
	CHECK_INT(p.decoded[1], 2);
	CHECK_INT(p.entry, 0x12345);
	image_plan_done(&p);
	/* A linear record may run over a 64 KiB line. */
	CHECK_INT(parse(":02FFFF0001 02FD\n" END, 99, &p, NULL), -ENOEXEC);
	CHECK_INT(parse(":02FFFF000102FD\n" END, 99, &p, NULL), 0);
	CHECK_INT(p.segs[0].gpa, 0xffff);
	CHECK_INT(p.segs[0].mem_bytes, 2);
	image_plan_done(&p);
}

static void errors_name_the_line(void)
{
	CHECK_STR(refusal(":0100000001FE\n:0100010001FE\n" END, -ENOEXEC),
		  "HEX line 2: the checksum is 0xfe, but should be 0xfd");
	CHECK_STR(refusal("\r\n\r\n:01000000", -ENOEXEC),
		  "HEX line 3: it is cut short or has something else than hexadecimal digits");
	CHECK_STR(refusal(":0100000001G\n", -ENOEXEC),
		  "HEX line 1: it is cut short or has something else than hexadecimal digits");
	CHECK_STR(refusal(":0100000001FE\nhello\n", -ENOEXEC),
		  "HEX line 2: it does not start with a colon");
	CHECK_STR(refusal(":0100000001FE00\n", -ENOEXEC),
		  "HEX line 1: there is something behind the record");
	CHECK_STR(refusal(":00000006FA\n", -ENOEXEC), "HEX line 1: record type 0x06 is unknown");
	CHECK_STR(refusal(":0100000401FA\n", -ENOEXEC),
		  "HEX line 1: a record of type 0x04 has 1 bytes instead of 2");
	CHECK_STR(refusal(":0100000001FE\n", -ENOEXEC),
		  "HEX line 2: the file ends without an end-of-file record (:00000001FF)");
	CHECK_STR(refusal(":0100000001FE\n" END ":0100000001FE\n", -ENOEXEC),
		  "HEX line 3: a record behind the end-of-file record");
	CHECK_STR(refusal(END, -ENOEXEC), "the HEX file has no data");
	CHECK_STR(refusal(":0100000001FE\n:0100000001FE\n" END, -ENOEXEC),
		  "HEX line 2: the segments at 0x0 and 0x0 overlap");
	CHECK_STR(refusal(":0400000500000010E7\n:0400000500000010E7\n" END, -ENOEXEC),
		  "HEX line 2: a second start address");
	CHECK_STR(refusal(":020000020000FC\n:02FFFF000102FD\n" END, -ENOEXEC),
		  "HEX line 2: its data goes beyond the end of its address segment");
	CHECK_STR(refusal(":02000004FFFFFC\n:02FFFF000102FD\n" END, -ENOEXEC),
		  "HEX line 2: its data goes beyond the end of its address segment");
}

static void the_limit_holds(void)
{
	struct image_plan p = { 0 };
	struct errmsg e = { 0 };
	static const char three[] = ":020000000102FB\n:0100020003FA\n" END;

	CHECK_INT(parse(three, 3, &p, NULL), 0);
	image_plan_done(&p);
	CHECK_INT(parse(three, 2, &p, &e), -EFBIG);
	CHECK_STR(e.text, "HEX line 2: the image has more than 2 bytes of data");
	CHECK_INT(parse(three, 0, &p, &e), -EFBIG);
}

static void too_many_pieces(void)
{
	char text[65 * 16 + 16] = "";
	struct image_plan p = { 0 };
	struct errmsg e = { 0 };
	size_t n = 0;

	for (unsigned int i = 0; i < 65; i++) {
		unsigned int addr = i * 2;

		n += (size_t)sprintf(text + n, ":0100%02X0000%02X\n", addr, (0xff - addr) & 0xff);
	}
	strcpy(text + n, END);
	CHECK_INT(parse(text, 1000, &p, &e), -ENOEXEC);
	CHECK(strstr(e.text, "the image has more than 64 segments"));
}

static enum image_kind detect(const char *text)
{
	return image_detect((const uint8_t *)text, strlen(text));
}

static void formats_are_told_apart(void)
{
	CHECK_INT(detect("\177ELF"), IMAGE_ELF);
	CHECK_INT(detect("\177EL"), IMAGE_FLAT);
	CHECK_INT(detect(""), IMAGE_FLAT);
	CHECK_INT(detect(":00000001FF"), IMAGE_HEX);
	CHECK_INT(detect(":00000001ff\r\n"), IMAGE_HEX);
	CHECK_INT(detect(":0100000001FE\n"), IMAGE_HEX);
	CHECK_INT(detect(":0100000001FF\n"), IMAGE_HEX); /* wrong checksum: to be reported */
	CHECK_INT(detect(":00000001F"), IMAGE_FLAT);
	CHECK_INT(detect(":00000001FFx"), IMAGE_FLAT);
	CHECK_INT(detect(":0200000001FE\n"), IMAGE_FLAT); /* shorter than it says */
	CHECK_INT(detect(":00000006FA\n"), IMAGE_FLAT);
	CHECK_INT(detect(":00000010F0\n"), IMAGE_FLAT);
	CHECK_INT(detect(":hello world\n"), IMAGE_FLAT);
	CHECK_INT(detect("\xf4"), IMAGE_FLAT);
}

static void flat(void)
{
	struct image_plan p = { 0 };
	struct errmsg e = { 0 };

	CHECK_INT(image_parse_flat(100, 0x7c00, &p, NULL), 0);
	CHECK_INT(p.n_segs, 1);
	CHECK_INT(p.segs[0].gpa, 0x7c00);
	CHECK_INT(p.segs[0].file_bytes, 100);
	CHECK_INT(p.segs[0].mem_bytes, 100);
	CHECK_INT(p.segs[0].perm, MEM_RWX);
	CHECK(p.has_entry && !p.has_arch);
	CHECK_INT(p.entry, 0x7c00);
	CHECK_INT(image_parse_flat(0, 0, &p, &e), -ENOEXEC);
	CHECK_STR(e.text, "the image is empty");
	CHECK_INT(image_parse_flat(2, UINT64_MAX, &p, &e), -ENOEXEC);
	CHECK(strstr(e.text, "wraps around"));
	CHECK_INT(image_parse_flat(1, UINT64_MAX, &p, &e), 0);
}

static const struct test_case cases[] = {
	{ "16-byte records with CRLF", the_classic_example },
	{ "addresses and entries", addresses_and_entries },
	{ "errors name the line", errors_name_the_line },
	{ "the limit holds", the_limit_holds },
	{ "too many pieces", too_many_pieces },
	{ "formats are told apart", formats_are_told_apart },
	{ "flat", flat },
};

TEST_MAIN(cases)
