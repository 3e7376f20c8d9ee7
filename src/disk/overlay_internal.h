/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of an overlay share. */
#ifndef PINFOLD_DISK_OVERLAY_INTERNAL_H
#define PINFOLD_DISK_OVERLAY_INTERNAL_H

#include <string.h>

#include "disk/overlay.h"

struct overlay {
	int fd, base_fd;
	struct overlay_form form;
	uint64_t n_blocks, n_own, max_own;
	uint64_t data_at; /* where block 0 lies in the file */
	uint8_t *map;	  /* one bit per block, whole pages; bits behind the last block are 0 */
	uint8_t *dirty;	  /* one byte per page of the map: the file does not have it yet */
	uint64_t n_map_pages;
	bool is_dirty;
	int lost; /* what a flush failed with: no later one can be believed */
	uint8_t block[OVERLAY_BLOCK_BYTES];
};

/** Bytes of the map of a disk. */
uint64_t overlay_map_bytes(uint64_t disk_bytes);

/** Whether the overlay has a block. */
bool overlay_has(const struct overlay *o, uint64_t block);

/** overlay_open() with a header that was read already. */
int overlay_open_form(int fd, int base_fd, const struct overlay_form *f, struct overlay **ret,
		      struct errmsg *e);

/** Whether there is nothing but zeros; at least one byte. */
static inline bool overlay_is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/** Write a header, not yet durable. @return 0; -errno */
int overlay_form_write(int fd, const struct overlay_form *f);

/** Make a hole, which reads as zeros. @return 0; -EOPNOTSUPP the file system has none; -errno */
int overlay_punch(int fd, uint64_t at, uint64_t bytes);

/** Read or write all of it. @return 0; -ENODATA the file ends before; -errno */
int overlay_read_at(int fd, uint64_t at, void *buf, size_t bytes);
int overlay_write_at(int fd, uint64_t at, const void *buf, size_t bytes);

#endif
