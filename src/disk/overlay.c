/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The blocks of an overlay, and its map; see overlay.h. */
#include "disk/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "disk/overlay_internal.h"

/* Bits of a map page. */
#define PAGE_BITS (OVERLAY_BLOCK_BYTES * 8u)

bool overlay_has(const struct overlay *o, uint64_t block)
{
	return o->map[block / 8] & BIT(block % 8);
}

static uint64_t count_own(const struct overlay *o)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < o->n_map_pages * OVERLAY_BLOCK_BYTES; i += 8) {
		n += (uint64_t)__builtin_popcountll(load_le(o->map + i, 8));
	}
	return n;
}

/* Bits behind the last block are nobody's. */
static void clear_tail(struct overlay *o)
{
	uint64_t bits = o->n_map_pages * PAGE_BITS;

	for (uint64_t i = o->n_blocks; i < bits; i++) {
		o->map[i / 8] &= (uint8_t)~BIT(i % 8);
	}
}

static int load(struct overlay *o, struct errmsg *e)
{
	uint64_t bytes = overlay_map_bytes(o->form.disk_bytes);
	int r;

	o->n_map_pages = bytes / OVERLAY_BLOCK_BYTES;
	o->map = malloc(bytes);
	o->dirty = calloc(o->n_map_pages, 1);
	if (!o->map || !o->dirty) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = overlay_read_at(o->fd, OVERLAY_HEADER_BYTES, o->map, bytes);
	if (r < 0) {
		return errmsg_set(e, r, "the map of the overlay can't be read: %s", strerror(-r));
	}
	clear_tail(o);
	o->n_own = count_own(o);
	if (o->n_own > o->max_own) {
		return errmsg_set(e, -EBADMSG,
				  "the map of this overlay is damaged: it has more than its room");
	}
	return 0;
}

int overlay_open_form(int fd, int base_fd, const struct overlay_form *f, struct overlay **ret,
		      struct errmsg *e)
{
	struct overlay *o = calloc(1, sizeof(*o));
	int r;

	if (!o) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	o->fd = fd;
	o->base_fd = base_fd;
	o->form = *f;
	o->n_blocks = (f->disk_bytes + OVERLAY_BLOCK_BYTES - 1) / OVERLAY_BLOCK_BYTES;
	o->max_own = (f->room_bytes + OVERLAY_BLOCK_BYTES - 1) / OVERLAY_BLOCK_BYTES;
	o->data_at = OVERLAY_HEADER_BYTES + overlay_map_bytes(f->disk_bytes);
	r = load(o, e);
	if (r < 0) {
		overlay_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

int overlay_open(int fd, int base_fd, struct overlay **ret, struct errmsg *e)
{
	struct overlay_form f;
	int r = overlay_form_read(fd, &f, e);

	if (r < 0) {
		return r;
	}
	if (f.is_half_committed) {
		return errmsg_set(e, -EBUSY, "a commit of this overlay was cut off: do it again");
	}
	return overlay_open_form(fd, base_fd, &f, ret, e);
}

void overlay_free(struct overlay *o)
{
	if (o) {
		free(o->map);
		free(o->dirty);
		free(o);
	}
}

const struct overlay_form *overlay_form_of(const struct overlay *o)
{
	return &o->form;
}

uint64_t overlay_own_bytes(const struct overlay *o)
{
	return o->n_own * OVERLAY_BLOCK_BYTES;
}

bool overlay_is_dirty(const struct overlay *o)
{
	return o->is_dirty;
}

/* The block is in the file, or under way to it. */
static void own(struct overlay *o, uint64_t block)
{
	o->map[block / 8] |= (uint8_t)BIT(block % 8);
	o->dirty[block / PAGE_BITS] = 1;
	o->is_dirty = true;
	o->n_own++;
}

/* Zeros behind the base's end. */
static int base_read(const struct overlay *o, uint64_t at, uint8_t *buf, size_t bytes)
{
	uint64_t there = at < o->form.base_bytes ? o->form.base_bytes - at : 0;
	size_t n = bytes < there ? bytes : (size_t)there;
	int r = overlay_read_at(o->base_fd, at, buf, n);

	memset(buf + n, 0, bytes - n);
	return r;
}

/* How far from @at on, within @bytes, blocks are all in the overlay or all not. */
static size_t run_bytes(const struct overlay *o, uint64_t at, size_t bytes)
{
	uint64_t first = at / OVERLAY_BLOCK_BYTES;
	uint64_t end = at + bytes;
	uint64_t block = first + 1;

	while (block * OVERLAY_BLOCK_BYTES < end &&
	       overlay_has(o, block) == overlay_has(o, first)) {
		block++;
	}
	end = block * OVERLAY_BLOCK_BYTES < end ? block * OVERLAY_BLOCK_BYTES : end;
	return (size_t)(end - at);
}

static void check_range(const struct overlay *o, uint64_t at, uint64_t bytes)
{
	BUG_ON(at % OVERLAY_SECTOR_BYTES || bytes % OVERLAY_SECTOR_BYTES);
	BUG_ON(!range_within(at, bytes, 0, o->form.disk_bytes));
}

int overlay_read(struct overlay *o, uint64_t at, void *buf, size_t bytes)
{
	uint8_t *to = buf;
	int r = 0;

	check_range(o, at, bytes);
	while (r == 0 && bytes > 0) {
		size_t n = run_bytes(o, at, bytes);

		r = overlay_has(o, at / OVERLAY_BLOCK_BYTES)
			    ? overlay_read_at(o->fd, o->data_at + at, to, n)
			    : base_read(o, at, to, n);
		to += n;
		at += n;
		bytes -= n;
	}
	return r;
}

/* Bytes from @at on that lie in its block. */
static size_t in_block(uint64_t at, uint64_t bytes)
{
	uint64_t left = OVERLAY_BLOCK_BYTES - at % OVERLAY_BLOCK_BYTES;

	return (size_t)(bytes < left ? bytes : left);
}

/* Whether a piece has all of its last block that there is on the disk. */
static bool ends_whole(const struct overlay *o, uint64_t end)
{
	return end % OVERLAY_BLOCK_BYTES == 0 || end == o->form.disk_bytes;
}

/*
 * Part of a block that the overlay does not have. The block is completed, so that a power cut leaves all of it or nothing.
 * @from NULL: zeros
 */
static int write_part(struct overlay *o, uint64_t at, const uint8_t *from, size_t bytes)
{
	uint64_t start = align_down(at, OVERLAY_BLOCK_BYTES);
	int r = o->n_own < o->max_own ? 0 : -ENOSPC;

	r = r < 0 ? r : base_read(o, start, o->block, OVERLAY_BLOCK_BYTES);
	if (r < 0) {
		return r;
	}
	if (from) {
		memcpy(o->block + (at - start), from, bytes);
	} else {
		memset(o->block + (at - start), 0, bytes);
	}
	r = overlay_write_at(o->fd, o->data_at + start, o->block, OVERLAY_BLOCK_BYTES);
	if (r == 0) {
		own(o, at / OVERLAY_BLOCK_BYTES);
	}
	return r;
}

/* Whole blocks that the overlay does not have. */
static int write_whole(struct overlay *o, uint64_t at, const uint8_t *from, size_t bytes)
{
	uint64_t first = at / OVERLAY_BLOCK_BYTES;
	uint64_t n = (bytes + OVERLAY_BLOCK_BYTES - 1) / OVERLAY_BLOCK_BYTES;
	int r = n <= o->max_own - o->n_own ? 0 : -ENOSPC;

	r = r < 0 ? r : overlay_write_at(o->fd, o->data_at + at, from, bytes);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		own(o, first + i);
	}
	return r;
}

/* The first piece of a write to blocks that the overlay does not have. */
static int write_new(struct overlay *o, uint64_t at, const uint8_t *from, size_t run, size_t *ret_n)
{
	size_t n = in_block(at, run);

	if (at % OVERLAY_BLOCK_BYTES || !ends_whole(o, at + n)) {
		*ret_n = n;
		return write_part(o, at, from, n);
	}
	*ret_n = ends_whole(o, at + run) ? run : (size_t)align_down(run, OVERLAY_BLOCK_BYTES);
	return write_whole(o, at, from, *ret_n);
}

int overlay_write(struct overlay *o, uint64_t at, const void *buf, size_t bytes)
{
	const uint8_t *from = buf;
	int r = 0;

	check_range(o, at, bytes);
	while (r == 0 && bytes > 0) {
		size_t n = run_bytes(o, at, bytes);

		r = overlay_has(o, at / OVERLAY_BLOCK_BYTES)
			    ? overlay_write_at(o->fd, o->data_at + at, from, n)
			    : write_new(o, at, from, n, &n);
		from += n;
		at += n;
		bytes -= n;
	}
	return r;
}

int overlay_punch(int fd, uint64_t at, uint64_t bytes)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes) <
			       0
		       ? -errno
		       : 0;
}

static int write_zeros(struct overlay *o, uint64_t at, uint64_t bytes)
{
	int r = 0;

	memset(o->block, 0, sizeof(o->block));
	while (r == 0 && bytes > 0) {
		size_t n = in_block(at, bytes);

		r = overlay_write_at(o->fd, o->data_at + at, o->block, n);
		at += n;
		bytes -= n;
	}
	return r;
}

/* Whether the overlay must have a block so that it reads as zeros: behind the base it does anyway. */
static bool hides_base(const struct overlay *o, uint64_t block)
{
	return !overlay_has(o, block) && block * OVERLAY_BLOCK_BYTES < o->form.base_bytes;
}

/* Whole blocks. */
static int zero_whole(struct overlay *o, uint64_t at, uint64_t bytes)
{
	uint64_t first = at / OVERLAY_BLOCK_BYTES;
	uint64_t end = (at + bytes + OVERLAY_BLOCK_BYTES - 1) / OVERLAY_BLOCK_BYTES;
	uint64_t n_new = 0;
	int r;

	for (uint64_t i = first; i < end; i++) {
		n_new += hides_base(o, i);
	}
	if (n_new > o->max_own - o->n_own) {
		return -ENOSPC;
	}
	r = overlay_punch(o->fd, o->data_at + at, bytes);
	r = r == -EOPNOTSUPP ? write_zeros(o, at, bytes) : r;
	for (uint64_t i = first; r == 0 && n_new > 0 && i < end; i++) {
		if (hides_base(o, i)) {
			own(o, i);
		}
	}
	return r;
}

static int zero_part(struct overlay *o, uint64_t at, size_t bytes)
{
	uint64_t block = at / OVERLAY_BLOCK_BYTES;

	if (overlay_has(o, block)) {
		return write_zeros(o, at, bytes);
	}
	return hides_base(o, block) ? write_part(o, at, NULL, bytes) : 0;
}

int overlay_zero(struct overlay *o, uint64_t at, uint64_t bytes)
{
	int r = 0;

	check_range(o, at, bytes);
	while (r == 0 && bytes > 0) {
		uint64_t n = in_block(at, bytes);

		if (at % OVERLAY_BLOCK_BYTES || !ends_whole(o, at + n)) {
			r = zero_part(o, at, (size_t)n);
		} else {
			n = ends_whole(o, at + bytes) ? bytes
						      : align_down(bytes, OVERLAY_BLOCK_BYTES);
			r = zero_whole(o, at, n);
		}
		at += n;
		bytes -= n;
	}
	return r;
}

int overlay_discard(struct overlay *o, uint64_t at, uint64_t bytes)
{
	int r = 0;

	check_range(o, at, bytes);
	while (r == 0 && bytes > 0) {
		size_t n = run_bytes(o, at, (size_t)bytes);

		if (overlay_has(o, at / OVERLAY_BLOCK_BYTES)) {
			r = overlay_punch(o->fd, o->data_at + at, n);
		}
		at += n;
		bytes -= n;
	}
	return r == -EOPNOTSUPP ? 0 : r;
}

static int map_write(struct overlay *o)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < o->n_map_pages; i++) {
		uint64_t at = i * OVERLAY_BLOCK_BYTES;

		if (o->dirty[i]) {
			r = overlay_write_at(o->fd, OVERLAY_HEADER_BYTES + at, o->map + at,
					     OVERLAY_BLOCK_BYTES);
		}
	}
	return r;
}

/* Blocks, then their bits, which may be durable only when these are. */
static int flush(struct overlay *o)
{
	int r = fdatasync(o->fd) < 0 ? -errno : 0;

	if (r < 0 || !o->is_dirty) {
		return r;
	}
	r = map_write(o);
	r = r < 0 ? r : fdatasync(o->fd) < 0 ? -errno : 0;
	if (r == 0) {
		memset(o->dirty, 0, o->n_map_pages);
		o->is_dirty = false;
	}
	return r;
}

int overlay_flush(struct overlay *o)
{
	/* The kernel tells of a write that it lost once, and never again. */
	o->lost = o->lost < 0 ? o->lost : flush(o);
	return o->lost;
}
