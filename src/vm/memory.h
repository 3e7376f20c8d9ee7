/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host memory behind a guest: what the board wants, with the image's pages mapped into it.
 *
 * Whole pages of the image that lie at the right place of the file are mapped privately from the
 * sealed memfd, so that all VMs of one image share them until a guest writes; the rest (odd
 * offsets, partial pages, Intel HEX) is copied. Our own view of guest memory is writable everywhere;
 * what the guest may do is enforced by the engine and by the map. (docs/design.md, section 4)
 */
#ifndef PINFOLD_VM_MEMORY_H
#define PINFOLD_VM_MEMORY_H

#include "base/errmsg.h"
#include "machine/loader/image.h"
#include "machine/machine.h"
#include "mem/mem.h"

/** Zero-initialise. */
struct vm_memory {
	struct mem *map;
	size_t n_backings;
	struct vm_backing {
		uint8_t *hva;
		int fd; /* memory file; -1: anonymous memory */
		struct machine_want want;
	} backings[MACHINE_WANTS_MAX];
};

/**
 * Reserve host memory for every want.
 * @param is_shared in memory files, for engines that map it a second time; images are copied then
 * @return 0; -ENOMEM; -EINVAL
 */
int vm_memory_init(struct vm_memory *vmm, const struct machine_want *wants, size_t n,
		   bool is_shared, struct errmsg *e);

/** Accepts a zeroed one. */
void vm_memory_done(struct vm_memory *vmm);

/**
 * Put an image's segments into memory and set their permissions.
 * @param fd    sealed file that @p plan was made from
 * @param bytes the same file, mapped
 */
int vm_memory_load(struct vm_memory *vmm, const struct image_plan *plan, int fd,
		   const uint8_t *bytes, struct errmsg *e);

/**
 * Write guest memory whatever its guest permission is (debugger, context).
 * @return bytes written, up to the first unmapped one
 */
size_t vm_memory_poke(struct vm_memory *vmm, gpa_t gpa, const void *buf, size_t len);

/** All zero again, as new: images and views are gone. @return 0; -ENOMEM */
int vm_memory_clear(struct vm_memory *vmm, struct errmsg *e);

/**
 * Put a private view of a sealed file into memory: shared with all who have one, until it is written.
 * @param gpa    page-aligned, as are @p bytes and @p offset
 * @return 0; -ENOENT no such memory; -ENOTSUP it is shared; -ENOMEM, then the memory is as before
 */
int vm_memory_view(struct vm_memory *vmm, gpa_t gpa, uint64_t bytes, int fd, uint64_t offset);

/** Put a whole file at an address, as boards say. @return 0; negative errno with a sentence */
int vm_memory_load_file(struct vm_memory *vmm, gpa_t gpa, int fd, uint64_t bytes, struct errmsg *e);

/** Whether all of a range lies in memory that was reserved at once. */
bool vm_memory_has(const struct vm_memory *vmm, gpa_t gpa, uint64_t bytes);

#endif
