/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that holds a saved context: one VM's registers, devices and memory, independent of the
 * engine.
 *
 *   head | CPU state | device state | regions[] | zeros | 4096 bytes... | gpa... | tail
 *
 * Pages begin at a multiple of their size, so that whoever loads them can map them from the file
 * instead of copying them. Older versions are still read: up to version 2 a RISC-V state ended
 * behind its PMP registers (what came later is zero); in version 1 each page came behind its gpa.
 * Pages that are all zero are left out. The tail carries a checksum over everything before it,
 * which finds damage; it is no protection against forgery, so every field is checked as hostile.
 * Numbers are little endian. A change of layout, of a CPU state struct or of a device's state
 * raises CONTEXT_VERSION.
 */
#ifndef PINFOLD_VM_CONTEXT_FILE_H
#define PINFOLD_VM_CONTEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cpu/cpu.h"
#include "mem/mem.h"

#define CONTEXT_MAGIC	0x58544e4344464e50ULL /* "PNFDCNTX" */
#define CONTEXT_VERSION 3u

#define CONTEXT_FLAG_SBI   BIT(16) /* the board is the guest's firmware */
#define CONTEXT_CPUS_SHIFT 24

struct context_head {
	uint64_t magic;
	uint32_t version;
	uint32_t arch; /* enum cpu_arch_id */
	uint32_t
		flags; /* PROTO_CFG_16BIT, BIG_ENDIAN, THUMB; CONTEXT_FLAG_*; number of CPUs less one */
	uint32_t n_regions;
	uint64_t ram_bytes;
	uint64_t state_bytes; /* may be less than today's: see above */
	uint64_t device_bytes;
	uint64_t insns; /* executed so far */
	char board[16];
};

struct context_region {
	uint64_t base_gpa;
	uint64_t size_bytes;
	uint64_t perm;
};

/** Of version 1. */
struct context_page_v1 {
	uint64_t gpa;
	uint8_t bytes[PAGE_BYTES];
};

struct context_tail {
	uint64_t n_pages;
	uint64_t checksum; /* XXH3, 64 bits, of everything before this field */
};

/** A parsed file; the pointers lead into the file's bytes, which may be unaligned. */
struct context_view {
	struct context_head head;
	const uint8_t *state;
	const uint8_t *devices;
	const uint8_t *regions; /* n_regions times struct context_region */
	const uint8_t *pages;
	const uint8_t *gpas; /* ascending */
	size_t page_stride, gpa_stride;
	uint64_t n_pages;
	uint64_t pages_off; /* of the first page, where pages can be mapped from the file; else 0 */
};

/**
 * Check a context file and find its parts.
 * @param bytes must not change while the view is in use (a sealed file)
 * @param is_summed the checksum of this very file was found right before
 * @return 0; -EINVAL with what is wrong: not a context, newer version, damaged, cut short
 */
int context_parse(const uint8_t *bytes, size_t n, bool is_summed, struct context_view *ret,
		  struct errmsg *e);

/** Region @p idx of a view, copied out. */
struct context_region context_region_at(const struct context_view *v, uint32_t idx);

/** Address of page @p idx of a view. */
gpa_t context_page_gpa(const struct context_view *v, uint64_t idx);

/** Bytes of page @p idx of a view. */
const uint8_t *context_page_bytes(const struct context_view *v, uint64_t idx);

/** Writes a context as a stream. */
struct context_writer;

/** @param fd written sequentially; @return NULL when out of memory */
struct context_writer *context_writer_new(int fd);

/** Append; the first failure is kept and reported by context_writer_finish(). */
void context_writer_add(struct context_writer *w, const void *bytes, size_t n);

/** Append a page. */
void context_writer_page(struct context_writer *w, gpa_t gpa, const uint8_t *bytes);

/** Append the tail, flush, free. @return 0; negative errno of the first failed write */
int context_writer_finish(struct context_writer *w, struct errmsg *e);

#endif
