/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of an overlay file: made by us, read as hostile; and what tells one base from another. docs/disks.md. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>
#include <xxhash.h>

#include "base/bits.h"
#include "base/bug.h"
#include "base/cleanup.h"
#include "disk/overlay_internal.h"

#define MAGIC	0x4b53494444464e50ULL /* "PNFDDISK" */
#define VERSION 1u

#define SUM_ENDS_BYTES	    (1u << 20)
#define SUM_SAMPLES	    1000u
#define MAP_BLOCKS_PER_PAGE ((uint64_t)OVERLAY_BLOCK_BYTES * 8)

/* Where the fields stand. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_BLOCK_BYTES = 12,
	AT_DISK_BYTES = 16,
	AT_ROOM_BYTES = 24,
	AT_BASE_BYTES = 32,
	AT_BASE_SUM = 40,
	AT_HALF_COMMITTED = 48,
	AT_ZEROS = 56,
	AT_SUM = OVERLAY_SECTOR_BYTES -
		 8, /* of what is before it; all in one sector, which is never torn */
};

static uint64_t blocks_of(uint64_t bytes)
{
	return (bytes + OVERLAY_BLOCK_BYTES - 1) / OVERLAY_BLOCK_BYTES;
}

uint64_t overlay_map_bytes(uint64_t disk_bytes)
{
	uint64_t pages = (blocks_of(disk_bytes) + MAP_BLOCKS_PER_PAGE - 1) / MAP_BLOCKS_PER_PAGE;

	return pages * OVERLAY_BLOCK_BYTES;
}

uint64_t overlay_room_bytes(uint64_t disk_bytes, uint64_t room_bytes)
{
	return OVERLAY_HEADER_BYTES + overlay_map_bytes(disk_bytes) +
	       blocks_of(room_bytes) * OVERLAY_BLOCK_BYTES;
}

uint64_t overlay_file_bytes(uint64_t disk_bytes)
{
	return overlay_room_bytes(disk_bytes, disk_bytes);
}

int overlay_base_bytes(int fd, uint64_t *ret_bytes)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (S_ISREG(st.st_mode)) {
		*ret_bytes = (uint64_t)st.st_size;
		return 0;
	}
	if (!S_ISBLK(st.st_mode)) {
		return -EINVAL;
	}
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0) {
		return -errno;
	}
	*ret_bytes = bytes;
	return 0;
}

int overlay_read_at(int fd, uint64_t at, void *buf, size_t bytes)
{
	uint8_t *to = buf;

	while (bytes > 0) {
		ssize_t n = pread(fd, to, bytes, (off_t)at);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : -ENODATA;
		}
		to += n;
		at += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

int overlay_write_at(int fd, uint64_t at, const void *buf, size_t bytes)
{
	const uint8_t *from = buf;

	while (bytes > 0) {
		ssize_t n = pwrite(fd, from, bytes, (off_t)at);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		from += n;
		at += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

static int sum_add(XXH3_state_t *s, int fd, uint64_t at, uint8_t *buf, uint64_t bytes)
{
	int r = overlay_read_at(fd, at, buf, bytes);

	if (r == 0) {
		BUG_ON(XXH3_64bits_update(s, buf, bytes) != XXH_OK);
	}
	return r;
}

int overlay_base_sum(int fd, uint64_t base_bytes, uint64_t *ret_sum)
{
	uint64_t ends = base_bytes < SUM_ENDS_BYTES ? base_bytes : SUM_ENDS_BYTES;
	uint64_t step = align_down(base_bytes / SUM_SAMPLES, OVERLAY_BLOCK_BYTES);
	_cleanup_free_ uint8_t *buf = malloc(SUM_ENDS_BYTES);
	XXH3_state_t *s = XXH3_createState();
	int r = buf && s ? 0 : -ENOMEM;

	if (r == 0) {
		BUG_ON(XXH3_64bits_reset(s) != XXH_OK);
		r = sum_add(s, fd, 0, buf, ends);
	}
	r = r < 0 ? r : sum_add(s, fd, base_bytes - ends, buf, ends);
	for (uint64_t i = 0; r == 0 && step > 0 && i < SUM_SAMPLES; i++) {
		r = sum_add(s, fd, i * step, buf, OVERLAY_BLOCK_BYTES);
	}
	if (r == 0) {
		*ret_sum = XXH3_64bits_digest(s);
	}
	XXH3_freeState(s);
	return r;
}

static int fail(int r, const char *what, struct errmsg *e)
{
	return errmsg_set(e, r, "%s: %s", what, strerror(-r));
}

/* What a form may say, whoever filled it in. */
static int check(const struct overlay_form *f, struct errmsg *e)
{
	if (f->disk_bytes < OVERLAY_SECTOR_BYTES || f->disk_bytes % OVERLAY_SECTOR_BYTES ||
	    f->disk_bytes > OVERLAY_DISK_MAX_BYTES) {
		return errmsg_set(e, -EINVAL,
				  "a disk has whole sectors of %u bytes, at least one and at most "
				  "%llu GiB",
				  OVERLAY_SECTOR_BYTES, OVERLAY_DISK_MAX_BYTES >> 30);
	}
	if (align_down(f->base_bytes, OVERLAY_SECTOR_BYTES) > f->disk_bytes) {
		return errmsg_set(e, -EINVAL,
				  "the disk is smaller than its base of %" PRIu64 " bytes",
				  f->base_bytes);
	}
	return f->room_bytes == 0 || f->room_bytes > f->disk_bytes
		       ? errmsg_set(e, -EINVAL,
				    "room for changes is needed, and no more than the disk has")
		       : 0;
}

int overlay_form_fill(int base_fd, uint64_t disk_bytes, uint64_t room_bytes,
		      struct overlay_form *ret, struct errmsg *e)
{
	struct overlay_form f = { .disk_bytes = disk_bytes, .room_bytes = room_bytes };
	int r = overlay_base_bytes(base_fd, &f.base_bytes);

	r = r < 0 ? r : overlay_base_sum(base_fd, f.base_bytes, &f.base_sum);
	if (r < 0) {
		return fail(r, "the base can't be read", e);
	}
	f.disk_bytes = disk_bytes ? disk_bytes : align_down(f.base_bytes, OVERLAY_SECTOR_BYTES);
	f.room_bytes = room_bytes ? room_bytes : f.disk_bytes;
	r = check(&f, e);
	if (r == 0) {
		*ret = f;
	}
	return r;
}

int overlay_form_write(int fd, const struct overlay_form *f)
{
	uint8_t h[OVERLAY_HEADER_BYTES] = { 0 };

	store_le(h + AT_MAGIC, MAGIC, 8);
	store_le(h + AT_VERSION, VERSION, 4);
	store_le(h + AT_BLOCK_BYTES, OVERLAY_BLOCK_BYTES, 4);
	store_le(h + AT_DISK_BYTES, f->disk_bytes, 8);
	store_le(h + AT_ROOM_BYTES, f->room_bytes, 8);
	store_le(h + AT_BASE_BYTES, f->base_bytes, 8);
	store_le(h + AT_BASE_SUM, f->base_sum, 8);
	store_le(h + AT_HALF_COMMITTED, f->is_half_committed, 8);
	store_le(h + AT_SUM, XXH3_64bits(h, AT_SUM), 8);
	return overlay_write_at(fd, 0, h, sizeof(h));
}

int overlay_make(int fd, const struct overlay_form *f, struct errmsg *e)
{
	uint64_t bytes = 0;
	int r = check(f, e);

	if (r < 0) {
		return r;
	}
	r = overlay_base_bytes(fd, &bytes);
	if (r == 0 && bytes > 0) {
		return errmsg_set(e, -EEXIST, "the file is not empty");
	}
	r = r < 0 ? r : ftruncate(fd, (off_t)overlay_file_bytes(f->disk_bytes)) < 0 ? -errno : 0;
	r = r < 0 ? r : overlay_form_write(fd, f);
	r = r < 0 ? r : fdatasync(fd) < 0 ? -errno : 0;
	return r < 0 ? fail(r, "an overlay can't be made", e) : 0;
}

int overlay_form_read(int fd, struct overlay_form *ret, struct errmsg *e)
{
	uint8_t h[OVERLAY_HEADER_BYTES];
	struct overlay_form f;
	uint64_t file_bytes = 0;
	int r = overlay_base_bytes(fd, &file_bytes);

	r = r < 0 ? r : overlay_read_at(fd, 0, h, sizeof(h));
	if (r < 0 && r != -ENODATA) {
		return fail(r, "the overlay can't be read", e);
	}
	if (r < 0 || load_le(h + AT_MAGIC, 8) != MAGIC) {
		return errmsg_set(e, -EINVAL, "this is not an overlay of a disk");
	}
	if (load_le(h + AT_VERSION, 4) != VERSION) {
		return errmsg_set(e, -EINVAL,
				  "this overlay has version %" PRIu64 ", and only %u can be read",
				  load_le(h + AT_VERSION, 4), VERSION);
	}
	f = (struct overlay_form){
		.disk_bytes = load_le(h + AT_DISK_BYTES, 8),
		.room_bytes = load_le(h + AT_ROOM_BYTES, 8),
		.base_bytes = load_le(h + AT_BASE_BYTES, 8),
		.base_sum = load_le(h + AT_BASE_SUM, 8),
		.is_half_committed = h[AT_HALF_COMMITTED],
	};
	if (load_le(h + AT_SUM, 8) != XXH3_64bits(h, AT_SUM) ||
	    load_le(h + AT_BLOCK_BYTES, 4) != OVERLAY_BLOCK_BYTES ||
	    load_le(h + AT_HALF_COMMITTED, 8) > 1 ||
	    !overlay_is_zero(h + AT_ZEROS, AT_SUM - AT_ZEROS) ||
	    !overlay_is_zero(h + OVERLAY_SECTOR_BYTES, sizeof(h) - OVERLAY_SECTOR_BYTES) ||
	    check(&f, NULL) < 0) {
		return errmsg_set(e, -EBADMSG, "the header of this overlay is damaged");
	}
	if (file_bytes != overlay_file_bytes(f.disk_bytes)) {
		return errmsg_set(e, -EBADMSG,
				  "this overlay was cut short, or something is behind it");
	}
	*ret = f;
	return 0;
}

int overlay_base_check(const struct overlay_form *f, int base_fd, struct errmsg *e)
{
	uint64_t bytes, sum;
	int r = overlay_base_bytes(base_fd, &bytes);

	if (r == 0 && bytes == f->base_bytes) {
		r = overlay_base_sum(base_fd, bytes, &sum);
		if (r == 0 && sum == f->base_sum) {
			return 0;
		}
	}
	return r < 0 ? fail(r, "the base can't be read", e)
		     : errmsg_set(e, -EINVAL,
				  "this is not the base that the overlay was made over, or it was "
				  "changed since");
}
