/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole disks: out of an overlay and its base into a file, and what differs back into the base. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/overlay_internal.h"

#define CHUNK_BYTES (64u << 10)

int overlay_copy_out(struct overlay *o, int fd)
{
	_cleanup_free_ uint8_t *buf = malloc(CHUNK_BYTES);
	uint64_t bytes = o->form.disk_bytes;
	int r = buf ? 0 : -ENOMEM;

	r = r < 0 ? r : ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
	for (uint64_t at = 0; r == 0 && at < bytes; at += CHUNK_BYTES) {
		size_t n = bytes - at < CHUNK_BYTES ? (size_t)(bytes - at) : CHUNK_BYTES;

		r = overlay_read(o, at, buf, n);
		if (r == 0 && !overlay_is_zero(buf, n)) {
			r = overlay_write_at(fd, at, buf, n);
		}
	}
	return r;
}

static int sync_fd(int fd)
{
	return fdatasync(fd) < 0 ? -errno : 0;
}

/* Every block that differs, to its place in the base. */
static int blocks_commit(struct overlay *o)
{
	uint64_t disk_bytes = o->form.disk_bytes;
	uint64_t base_bytes = 0;
	int r = overlay_base_bytes(o->base_fd, &base_bytes);

	if (r == 0 && base_bytes < disk_bytes) {
		r = ftruncate(o->base_fd, (off_t)disk_bytes) < 0 ? -errno : 0;
	}
	for (uint64_t i = 0; r == 0 && i < o->n_blocks; i++) {
		uint64_t at = i * OVERLAY_BLOCK_BYTES;
		size_t n = disk_bytes - at < OVERLAY_BLOCK_BYTES ? (size_t)(disk_bytes - at)
								 : OVERLAY_BLOCK_BYTES;

		if (overlay_has(o, i)) {
			r = overlay_read(o, at, o->block, n);
			r = r < 0 ? r : overlay_write_at(o->base_fd, at, o->block, n);
		}
	}
	return r < 0 ? r : sync_fd(o->base_fd);
}

static int form_put(int fd, const struct overlay_form *f)
{
	int r = overlay_form_write(fd, f);

	return r < 0 ? r : sync_fd(fd);
}

/* The overlay has no blocks any more; it stays half committed. */
static int clear(struct overlay *o)
{
	uint64_t map_bytes = o->n_map_pages * OVERLAY_BLOCK_BYTES;
	int r = overlay_punch(o->fd, OVERLAY_HEADER_BYTES,
			      overlay_file_bytes(o->form.disk_bytes) - OVERLAY_HEADER_BYTES);

	if (r == -EOPNOTSUPP) {
		memset(o->map, 0, map_bytes);
		r = overlay_write_at(o->fd, OVERLAY_HEADER_BYTES, o->map, map_bytes);
	}
	return r < 0 ? r : sync_fd(o->fd);
}

static int move(struct overlay *o)
{
	int r;

	/* From here on the base is neither the old one nor the new one. */
	o->form.is_half_committed = true;
	r = form_put(o->fd, &o->form);
	r = r < 0 ? r : blocks_commit(o);
	return r < 0 ? r : clear(o);
}

int overlay_commit(int fd, int base_fd, struct errmsg *e)
{
	struct overlay_form f;
	struct overlay *o;
	int r = overlay_form_read(fd, &f, e);

	/* A base that was half written to has no sum any more. */
	r = r < 0 || f.is_half_committed ? r : overlay_base_check(&f, base_fd, e);
	if (r < 0) {
		return r;
	}
	r = overlay_open_form(fd, base_fd, &f, &o, e);
	if (r < 0) {
		return r;
	}
	r = move(o);
	overlay_free(o);
	if (r == 0) {
		r = overlay_form_fill(base_fd, f.disk_bytes, f.room_bytes, &f, e);
		r = r < 0 ? r : form_put(fd, &f);
	}
	return r < 0 ? errmsg_set(e, r, "the changes can't be written to the base: %s",
				  strerror(-r))
		     : 0;
}
