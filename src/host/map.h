/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host memory for guests: lazily populated RAM, and private views of files in it.
 *
 *   host_map_ram()        | anonymous, nothing populated                          |
 *   host_map_file()             | image pages, shared until written |
 *
 * No mapping made here is ever writable and executable; guest memory is never executable.
 */
#ifndef PINFOLD_HOST_MAP_H
#define PINFOLD_HOST_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

/**
 * Reserve zeroed, private, readable and writable memory. It takes no room until it is touched, page
 * by page (no huge pages), and is not inherited by dumps.
 * @param bytes multiple of the page size, not 0
 * @param ret   page-aligned; host_map_free() frees it
 * @return 0; -EINVAL; -ENOMEM
 */
int host_map_ram(uint64_t bytes, uint8_t **ret, struct errmsg *e);

/**
 * The same in a memory file, so that it can be mapped again elsewhere.
 * @param ret_fd the file; the caller closes it
 * @return 0; -EINVAL; -ENOMEM; -EMFILE
 */
int host_map_shared_ram(uint64_t bytes, uint8_t **ret, int *ret_fd, struct errmsg *e);

/** Make part of a host_map_shared_ram() reservation zero again. @return 0; negative errno */
int host_map_shared_clear(uint8_t *at, uint64_t bytes, struct errmsg *e);

/**
 * Put a private view of a file over part of a reservation. Pages are shared with everybody who
 * maps the file until they are written here.
 * @param at           page-aligned, inside a host_map_ram() reservation of the caller
 * @param bytes        multiple of the page size; what lies behind the file's end in its last page
 *                     reads as zero, whole pages behind the end must not be asked for
 * @param offset_bytes page-aligned offset in the file
 * @param is_writable  false: a write by this process raises SIGSEGV
 * @return 0; -EINVAL; -ENOMEM
 */
int host_map_file(uint8_t *at, uint64_t bytes, int fd, uint64_t offset_bytes, bool is_writable,
		  struct errmsg *e);

/**
 * Make part of a reservation as it was when it was new, whatever was put there.
 * @param at page-aligned
 * @return 0; -EINVAL; -ENOMEM, and nothing has changed
 */
int host_map_clear(uint8_t *at, uint64_t bytes, struct errmsg *e);

/** Free a reservation or a part of it. Accepts NULL. */
void host_map_free(uint8_t *at, uint64_t bytes);

#endif
