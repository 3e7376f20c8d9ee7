/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors: whole reads and writes, flags, sealed memory files. Everything is close-on-exec. */
#ifndef PINFOLD_HOST_FD_H
#define PINFOLD_HOST_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"

/** Make a descriptor non-blocking. @return 0; negative errno */
int host_fd_set_nonblock(int fd);

/**
 * Move a descriptor to a number of at least @p min, close-on-exec. On failure it stays as it was.
 * @return 0; negative errno
 */
int host_fd_lift(int *fd, int min);

/**
 * Read until @p len bytes or the end of the file; restarts after signals.
 * @return bytes read, less than @p len only at the end; negative errno
 */
ssize_t host_fd_read_full(int fd, void *buf, size_t len);

/**
 * Write all of it; restarts after signals. The descriptor must be blocking or have room.
 * @return 0; negative errno (then any part may have been written)
 */
int host_fd_write_full(int fd, const void *buf, size_t len);

/**
 * Copy a regular file into a new memory file and seal it: no one can change, grow or shrink it, or
 * map it shared and writable, ever again.
 * @param path      file to read; the sentence on failure names it
 * @param max_bytes largest size that is accepted
 * @param ret_fd    the memory file, read position 0, owned by the caller
 * @param ret_bytes its size, never 0; may be NULL
 * @return 0; -EISDIR, -EINVAL (not a regular file), -ENODATA (empty), -EFBIG; errno of open and read
 */
int host_fd_seal_file(const char *path, uint64_t max_bytes, int *ret_fd, uint64_t *ret_bytes,
		      struct errmsg *e);

/**
 * Check that a descriptor is a memory file that is sealed as host_fd_seal_file() does it.
 * @param ret_bytes its size; may be NULL
 * @return 0; -EPERM when a seal is missing; negative errno
 */
int host_fd_check_sealed(int fd, uint64_t *ret_bytes);

#endif
