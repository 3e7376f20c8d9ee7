/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest physical memory: which addresses exist, what may be done there, where their bytes are.
 *
 *   0x80000000          0x80004000        0x80006000                       0x88000000
 *   | image text  R-X   | image data RW-  | rest of RAM               RWX  |
 *
 * A map is a sorted list of page-aligned regions that never overlap. The host memory behind a
 * region belongs to whoever added it and must outlive the map. Devices, loaders and the debugger
 * reach guest memory only through mem_read() and its siblings, which check bounds and permission
 * and copy; nobody but an engine keeps a host pointer. (docs/design.md, section 4)
 */
#ifndef PINFOLD_MEM_MEM_H
#define PINFOLD_MEM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"

/** What may be done with a page; also the kind of an access. */
#define MEM_R	1u
#define MEM_W	2u
#define MEM_X	4u
#define MEM_RWX (MEM_R | MEM_W | MEM_X)

#define MEM_REGIONS_MAX 256

/** A run of guest pages with one permission. */
struct mem_region {
	gpa_t base_gpa;
	uint64_t size_bytes;
	uint32_t perm;	  /* MEM_R | MEM_W | MEM_X */
	uint8_t *hva;	  /* host address of base_gpa */
	const char *name; /* static string: "ram", "firmware" */
	/* The memory file behind it, if any, for engines that map it a second time. */
	bool has_file;
	int fd;
	uint64_t fd_off; /* of base_gpa */
};

/** An access that the map refuses. */
struct mem_fault {
	gpa_t gpa;	 /* first byte that could not be reached */
	uint32_t access; /* MEM_R, MEM_W or MEM_X */
	bool is_mapped;	 /* true: the permission forbids it; false: nothing is there */
};

struct mem;

/** @return an empty map, owned by the caller; NULL when out of memory */
struct mem *mem_new(void);

/** Free a map; the host memory behind it stays. Accepts NULL. */
void mem_free(struct mem *m);

/**
 * Add a region.
 * @param r copied; page-aligned, not empty, not wrapping, not overlapping another
 * @return 0; -EINVAL bad shape; -EEXIST overlap; -ENOSPC too many regions
 */
int mem_region_add(struct mem *m, const struct mem_region *r, struct errmsg *e);

/**
 * Change the permission of a page-aligned range that is wholly mapped; splits regions as needed.
 * @return 0; -EINVAL not aligned; -ENOENT part of it is unmapped; -ENOSPC too many regions
 */
int mem_region_protect(struct mem *m, gpa_t gpa, uint64_t size_bytes, uint32_t perm,
		       struct errmsg *e);

/** Number of regions, in order of address. */
size_t mem_region_count(const struct mem *m);

/** @param idx below mem_region_count() */
const struct mem_region *mem_region_at(const struct mem *m, size_t idx);

/** The region that holds @p gpa, or NULL. Time: O(log regions). */
const struct mem_region *mem_region_find(const struct mem *m, gpa_t gpa);

/** @return whether all of a range is memory and allows an access */
bool mem_allows(const struct mem *m, gpa_t gpa, uint64_t len, uint32_t access);

/**
 * Copy out of guest memory as a device or page walk would.
 * @param ret_fault where it failed; untouched on success; may be NULL
 * @return true; false when any byte may not be read (then nothing is copied)
 */
bool mem_read(const struct mem *m, gpa_t gpa, void *buf, size_t len, struct mem_fault *ret_fault);

/** Like mem_read() but demands execute permission: instruction bytes. */
bool mem_fetch(const struct mem *m, gpa_t gpa, void *buf, size_t len, struct mem_fault *ret_fault);

/** Copy into guest memory; demands write permission; all or nothing. */
bool mem_write(struct mem *m, gpa_t gpa, const void *buf, size_t len, struct mem_fault *ret_fault);

/**
 * Read whatever is mapped, whatever its permission: debugger, fault report, context file.
 * @return number of bytes copied, from the start up to the first unmapped one
 */
size_t mem_peek(const struct mem *m, gpa_t gpa, void *buf, size_t len);

/**
 * Who wants to know of stores, because it keeps something made of memory's bytes (translated code). Stores by mem_write() are told
 * by themselves; whoever stores by a host pointer tells.
 */
struct mem_watcher {
	void *opaque;
	/** Bytes were stored or are about to be. @return whether each store there is to be told */
	bool (*stored)(void *opaque, gpa_t gpa, uint64_t bytes);
	/** From now on they may be stored without telling. Whole pages, aligned to their number. */
	void (*exposed)(void *opaque, gpa_t gpa, uint64_t bytes);
	/** Tell mem_exposed() of all that you may store so, still. May be NULL, like the next. */
	void (*expose_all)(void *opaque);
	/** Each store into this page is to be told from now on: forget shortcuts to it. */
	void (*watched)(void *opaque, gpa_t page);
	struct mem_watcher *next; /* the map's */
};

/** Add one. It must outlive the map, or be removed by mem_unwatch(). */
void mem_watch(struct mem *m, struct mem_watcher *w);

/** Remove one; nothing happens if it was not added. */
void mem_unwatch(struct mem *m, struct mem_watcher *w);

/** Tell all watchers of a store. @return whether one of them wants to hear of each there */
bool mem_stored(struct mem *m, gpa_t gpa, uint64_t bytes);

/** Tell all watchers that pages may be stored to without telling. */
void mem_exposed(struct mem *m, gpa_t gpa, uint64_t bytes);

/** Have all watchers tell again what they may store to so. */
void mem_expose_all(struct mem *m);

/** Tell all watchers that each store into a page is to be told. */
void mem_watched(struct mem *m, gpa_t page);

#endif
