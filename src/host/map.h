/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host memory for guests: lazily populated RAM, and private views of files in it.
 *
 *   host_map_ram()        | anonymous, nothing populated                          |
 *   host_map_file()             | image pages, shared until written |
 *   host_map_code()       | the same memory twice: writable, and executable       |
 *   host_map_space()      | address space; views of shared memory are put into it |
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

/** Of shared RAM that may become one page of the host's MMU. */
#define HOST_MAP_JOIN_BYTES (2ULL << 20)

/** Make an aligned part such a page, now, all of it resident; where the host can't, it stays as it is. */
void host_map_shared_join(uint8_t *at);

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

/**
 * Memory for code that this process makes: one view to write it, another to execute it.
 * @return 0; -ENOMEM, -EMFILE: nothing is mapped
 */
int host_map_code(uint64_t bytes, uint8_t **ret_rw, const uint8_t **ret_rx, struct errmsg *e);

/** Reserve address space in which nothing is accessible. @return NULL: there is none */
uint8_t *host_map_space(uint64_t bytes);

/** Make part of it inaccessible again. @return 0; -ENOMEM, and nothing has changed */
int host_map_space_clear(uint8_t *at, uint64_t bytes);

/**
 * Put a view of shared memory into it.
 * @param fd         of host_map_shared_ram()
 * @param is_touched all of it is about to be accessed: spare that the faults
 * @return 0; -ENOMEM, and nothing has changed
 */
int host_map_space_view(uint8_t *at, uint64_t bytes, int fd, uint64_t offset_bytes,
			bool is_readable, bool is_writable, bool is_touched);

/** Free a reservation or a part of it. Accepts NULL. */
void host_map_free(uint8_t *at, uint64_t bytes);

#endif
