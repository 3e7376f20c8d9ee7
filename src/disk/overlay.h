/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copy-on-write disks: a base that is only read, and an overlay file that has every block that was written. docs/disks.md.
 *
 *   guest reads:  overlay, if it has the block, else the base, else (behind the base's end) zeros
 *   guest writes: overlay; a block that is written in part is completed from the base first
 *
 *   overlay file: | header 4 KiB | map: one bit per block, whole pages | the disk's blocks, at their places |
 *
 * The file is sparse: what was not written takes no room. It does not name its base: who opens it says which one it is, and
 * size and sum of samples of the base must be those of the header.
 *
 * What a power cut leaves: every sector holds what it held at the last overlay_flush(), or what was written to it since.
 * For that a bit goes into the file only after its block is durable; until then the map in memory alone has it.
 *
 * Threads: an overlay belongs to one. Descriptors stay with the caller.
 */
#ifndef PINFOLD_DISK_OVERLAY_H
#define PINFOLD_DISK_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

#define OVERLAY_BLOCK_BYTES    4096u
#define OVERLAY_HEADER_BYTES   4096u
#define OVERLAY_SECTOR_BYTES   512u
#define OVERLAY_DISK_MAX_BYTES (1ULL << 40)

struct overlay;

/** What an overlay is made with, and what its header says. */
struct overlay_form {
	uint64_t disk_bytes; /* as the guest sees it: whole sectors, no less than the base */
	uint64_t room_bytes; /* how much of it may differ from the base; the disk's size: all */
	uint64_t base_bytes;
	uint64_t base_sum;	/* overlay_base_sum() */
	bool is_half_committed; /* overlay_commit() was cut off */
};

/** Size of a regular file or a block device. @return 0; -EINVAL it is neither; -errno */
int overlay_base_bytes(int fd, uint64_t *ret_bytes);

/**
 * Sum of a base's first and last MiB and of a thousand blocks between them: finds a base that was changed by mistake or is another
 * one, without reading all of it.
 * @return 0; -errno
 */
int overlay_base_sum(int fd, uint64_t base_bytes, uint64_t *ret_sum);

/** Length of an overlay file for a disk of this size, at most OVERLAY_DISK_MAX_BYTES. */
uint64_t overlay_file_bytes(uint64_t disk_bytes);

/** Most room that the file takes: header, map, and the blocks that may differ. */
uint64_t overlay_room_bytes(uint64_t disk_bytes, uint64_t room_bytes);

/**
 * Fill in a form for a base.
 * @param disk_bytes 0: the base's size, in whole sectors
 * @param room_bytes 0: all of it
 * @return 0; -EINVAL with a sentence; -errno
 */
int overlay_form_fill(int base_fd, uint64_t disk_bytes, uint64_t room_bytes,
		      struct overlay_form *ret, struct errmsg *e);

/** Make an overlay of an empty file, durable. @return 0; negative errno with a sentence */
int overlay_make(int fd, const struct overlay_form *f, struct errmsg *e);

/**
 * Read and check a header, whoever wrote it, and that the file has the length that it says.
 * @return 0; -EINVAL it is no overlay; -EBADMSG it is damaged; -errno
 */
int overlay_form_read(int fd, struct overlay_form *ret, struct errmsg *e);

/** Whether this is the base that an overlay was made over. @return 0; -EINVAL with a sentence; -errno */
int overlay_base_check(const struct overlay_form *f, int base_fd, struct errmsg *e);

/**
 * Open an overlay. The base is not compared: overlay_base_check().
 * @param fd  must be writable for all but overlay_read() and overlay_copy_out()
 * @param ret give it to overlay_free()
 * @return 0; errors of overlay_form_read(); -EBUSY it is half committed; -ENOMEM
 */
int overlay_open(int fd, int base_fd, struct overlay **ret, struct errmsg *e);

/** Forgets what was not flushed of the map. Accepts NULL. */
void overlay_free(struct overlay *o);

/** @return what its header says */
const struct overlay_form *overlay_form_of(const struct overlay *o);

/** @return bytes of the blocks that it has */
uint64_t overlay_own_bytes(const struct overlay *o);

/** Read whole sectors of the disk. The range lies on it. @return 0; -errno */
int overlay_read(struct overlay *o, uint64_t at, void *buf, size_t bytes);

/** Write whole sectors. @return 0; -ENOSPC its room is used up; -errno; then any part may be written */
int overlay_write(struct overlay *o, uint64_t at, const void *buf, size_t bytes);

/** Make whole sectors read as zeros, giving room back where that can be. @return as of overlay_write() */
int overlay_zero(struct overlay *o, uint64_t at, uint64_t bytes);

/** Nobody needs these sectors any more: gives room back, and leaves them with any contents. @return 0; -errno */
int overlay_discard(struct overlay *o, uint64_t at, uint64_t bytes);

/** Make durable what was written: blocks, then the map. @return 0; -errno, from then on always */
int overlay_flush(struct overlay *o);

/** Whether it has blocks that only overlay_flush() will keep over the end of this process. */
bool overlay_is_dirty(const struct overlay *o);

/** Write the whole disk into an empty file, with holes where it has zeros. @return 0; -errno */
int overlay_copy_out(struct overlay *o, int fd);

/**
 * Write what differs into the base, which grows to the disk's size, and empty the overlay. Durable. Cut off at any moment, it can be
 * done again, and nothing else can.
 * @param base_fd may be written
 * @return 0; negative errno with a sentence
 */
int overlay_commit(int fd, int base_fd, struct errmsg *e);

#endif
