/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel HEX after Intel's "Hexadecimal Object File Format Specification", revision A (1988).
 *
 *	:LLAAAATT data... CC	count, address, type, data, two's complement of the sum
 *
 * Records that continue each other become one segment. A missing end-of-file record, anything
 * behind it, a wrong checksum or an address that leaves its segment refuses the file.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "machine/loader/image.h"

enum { TYPE_DATA, TYPE_EOF, TYPE_SEGMENT, TYPE_START_SEGMENT, TYPE_LINEAR, TYPE_START_LINEAR };

#define RECORD_BYTES_MAX (255 + 5)
#define HEADER_BYTES	 4   /* count, address, type */
#define RECORD_CHARS_MIN 11u /* with the colon and the checksum */

struct hex {
	const uint8_t *bytes;
	size_t n;
	size_t at;
	unsigned long line;
	uint64_t limit_bytes;
	uint64_t base;	 /* of types 02 and 04 */
	bool is_segment; /* base comes from type 02: addresses stay within 64 KiB */
	bool has_eof;
	struct image_plan plan;
	struct image_seg run;	/* the segment being collected; empty when mem_bytes is 0 */
	unsigned long run_line; /* where it starts */
	struct errmsg *e;
};

static int bad(const struct hex *h, const char *what)
{
	return errmsg_set(h->e, -ENOEXEC, "HEX line %lu: %s", h->line, what);
}

static int nibble(uint8_t c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? (c | 0x20) - 'a' + 10 : -1;
}

bool image_is_hex(const uint8_t *bytes, size_t n)
{
	size_t chars = RECORD_CHARS_MIN;

	if (n < chars || bytes[0] != ':') {
		return false;
	}
	for (size_t i = 1; i < chars; i++) {
		if (i >= n || nibble(bytes[i]) < 0) {
			return false;
		}
		if (i == 2) {
			chars += 2 * (size_t)(nibble(bytes[1]) * 16 + nibble(bytes[2]));
		}
	}
	return nibble(bytes[7]) == 0 && nibble(bytes[8]) <= TYPE_START_LINEAR &&
	       (n == chars || bytes[chars] == '\n' || bytes[chars] == '\r' || bytes[chars] == ' ');
}

/* Decode the record behind the colon; its length is in its first byte. */
static int record_read(struct hex *h, uint8_t *rec)
{
	size_t want = HEADER_BYTES + 1;
	uint8_t sum = 0;

	for (size_t i = 0; i < want; i++) {
		int hi = h->at < h->n ? nibble(h->bytes[h->at]) : -1;
		int lo = hi >= 0 && h->at + 1 < h->n ? nibble(h->bytes[h->at + 1]) : -1;

		if (lo < 0) {
			return bad(h,
				   "it is cut short or has something else than hexadecimal digits");
		}
		rec[i] = (uint8_t)(hi << 4 | lo);
		sum = (uint8_t)(sum + rec[i]);
		h->at += 2;
		if (i == 0) {
			want += rec[0];
		}
	}
	if (sum) {
		return errmsg_set(h->e, -ENOEXEC,
				  "HEX line %lu: the checksum is 0x%02x, but should be 0x%02x",
				  h->line, rec[want - 1],
				  (unsigned int)(uint8_t)(rec[want - 1] - sum));
	}
	return 0;
}

static int run_end(struct hex *h)
{
	int r = 0;

	if (h->run.mem_bytes) {
		r = image_seg_add(&h->plan, &h->run, h->e);
		h->run.mem_bytes = 0;
	}
	if (r < 0) {
		errmsg_prefix(h->e, "HEX line %lu: ", h->run_line);
	}
	return r;
}

static int data_add(struct hex *h, uint32_t addr, const uint8_t *data, size_t n)
{
	uint64_t gpa = h->base + addr;
	int r;

	if (n == 0) {
		return 0;
	}
	if (addr + n > 0x10000 && (h->is_segment || gpa + n > 0x100000000ULL)) {
		return bad(h, "its data goes beyond the end of its address segment");
	}
	if (n > h->limit_bytes - h->plan.decoded_bytes) {
		return errmsg_set(h->e, -EFBIG,
				  "HEX line %lu: the image has more than %" PRIu64 " bytes of data",
				  h->line, h->limit_bytes);
	}
	if (!h->run.mem_bytes || h->run.gpa + h->run.mem_bytes != gpa) {
		r = run_end(h);
		if (r < 0) {
			return r;
		}
		h->run = (struct image_seg){ .gpa = gpa,
					     .file_off = h->plan.decoded_bytes,
					     .perm = MEM_RWX };
		h->run_line = h->line;
	}
	memcpy(h->plan.decoded + h->plan.decoded_bytes, data, n);
	h->plan.decoded_bytes += n;
	h->run.file_bytes += n;
	h->run.mem_bytes += n;
	return 0;
}

static int entry_set(struct hex *h, uint64_t entry)
{
	if (h->plan.has_entry) {
		return bad(h, "a second start address");
	}
	h->plan.has_entry = true;
	h->plan.entry = entry;
	return 0;
}

static int record_apply(struct hex *h, const uint8_t *rec)
{
	static const uint8_t fixed_bytes[] = { [TYPE_EOF] = 0,
					       [TYPE_SEGMENT] = 2,
					       [TYPE_START_SEGMENT] = 4,
					       [TYPE_LINEAR] = 2,
					       [TYPE_START_LINEAR] = 4 };
	uint8_t type = rec[3];
	const uint8_t *data = rec + HEADER_BYTES;

	if (type > TYPE_START_LINEAR) {
		return errmsg_set(h->e, -ENOEXEC, "HEX line %lu: record type 0x%02x is unknown",
				  h->line, type);
	}
	if (type != TYPE_DATA && rec[0] != fixed_bytes[type]) {
		return errmsg_set(
			h->e, -ENOEXEC,
			"HEX line %lu: a record of type 0x%02x has %u bytes instead of %u", h->line,
			type, rec[0], fixed_bytes[type]);
	}
	switch (type) {
	case TYPE_DATA:
		return data_add(h, (uint32_t)load_be(rec + 1, 2), data, rec[0]);
	case TYPE_EOF:
		h->has_eof = true;
		return 0;
	case TYPE_SEGMENT:
		h->base = load_be(data, 2) << 4;
		h->is_segment = true;
		return 0;
	case TYPE_LINEAR:
		h->base = load_be(data, 2) << 16;
		h->is_segment = false;
		return 0;
	case TYPE_START_SEGMENT:
		return entry_set(h, (load_be(data, 2) << 4) + load_be(data + 2, 2));
	default:
		return entry_set(h, load_be(data, 4));
	}
}

/* Blanks up to and including the end of the line. @param what is wrong if there is more */
static int line_end(struct hex *h, const char *what)
{
	while (h->at < h->n && (h->bytes[h->at] == ' ' || h->bytes[h->at] == '\t')) {
		h->at++;
	}
	if (h->at < h->n && h->bytes[h->at] == '\r') {
		h->at++;
	}
	if (h->at == h->n) {
		return 0;
	}
	if (h->bytes[h->at] != '\n') {
		return bad(h, what);
	}
	h->at++;
	h->line++;
	return 0;
}

static int line_read(struct hex *h)
{
	uint8_t rec[RECORD_BYTES_MAX];
	int r;

	if (h->bytes[h->at] != ':') {
		return line_end(h, "it does not start with a colon"); /* blank lines may be */
	}
	if (h->has_eof) {
		return bad(h, "a record behind the end-of-file record");
	}
	h->at++;
	r = record_read(h, rec);
	if (r == 0) {
		r = record_apply(h, rec);
	}
	return r == 0 ? line_end(h, "there is something behind the record") : r;
}

static int file_read(struct hex *h)
{
	int r;

	while (h->at < h->n) {
		r = line_read(h);
		if (r < 0) {
			return r;
		}
	}
	if (!h->has_eof) {
		return bad(h, "the file ends without an end-of-file record (:00000001FF)");
	}
	r = run_end(h);
	if (r == 0 && h->plan.n_segs == 0) {
		return errmsg_set(h->e, -ENOEXEC, "the HEX file has no data");
	}
	return r;
}

int image_parse_hex(const uint8_t *bytes, size_t n, uint64_t limit_bytes,
		    struct image_plan *ret_plan, struct errmsg *e)
{
	struct hex h = { .bytes = bytes, .n = n, .line = 1, .limit_bytes = limit_bytes, .e = e };
	uint64_t buffer_bytes = n / 2 < limit_bytes ? n / 2 : limit_bytes; /* two digits a byte */
	int r;

	h.plan.kind = IMAGE_HEX;
	h.plan.decoded = malloc(buffer_bytes ? buffer_bytes : 1);
	if (!h.plan.decoded) {
		return errmsg_set(e, -ENOMEM, "out of memory for a HEX file of %zu bytes", n);
	}
	r = file_read(&h);
	if (r < 0) {
		image_plan_done(&h.plan);
		return r;
	}
	*ret_plan = h.plan;
	return 0;
}
