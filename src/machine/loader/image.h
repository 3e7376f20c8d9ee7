/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the bytes of an image file to a plan: what goes where in guest memory, and where to start.
 *
 * Image files are hostile input. These functions only read the bytes they are given; they call
 * nothing of the system, know no board and place nothing.
 */
#ifndef PINFOLD_MACHINE_LOADER_IMAGE_H
#define PINFOLD_MACHINE_LOADER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/errmsg.h"
#include "cpu/cpu.h"

#define IMAGE_SEGS_MAX 64

/** Image formats. */
enum image_kind { IMAGE_FLAT, IMAGE_ELF, IMAGE_HEX, IMAGE_LINUX };

/** A piece of the image: file_bytes from the file, then zeros up to mem_bytes. */
struct image_seg {
	gpa_t gpa;
	uint64_t file_off; /* in the image file; in image_plan.decoded for HEX */
	uint64_t file_bytes;
	uint64_t mem_bytes; /* at least file_bytes, not zero; gpa + mem_bytes does not wrap */
	uint32_t perm;	    /* MEM_R | MEM_W | MEM_X as the image asks */
};

/** The plan. Segments are in order of address and share no byte; they may share a page. */
struct image_plan {
	enum image_kind kind;
	bool has_arch; /* ELF and LINUX only: arch, is_big_endian and is_thumb are known */
	enum cpu_arch_id arch;
	bool is_big_endian; /* arm: BE8 */
	bool is_thumb;	    /* arm: bit 0 of the entry was set; it is removed */
	bool has_entry;
	gpa_t entry;		       /* physical */
	bool has_tohost, has_fromhost; /* RISC-V ELF with these symbols */
	gpa_t tohost_gpa, fromhost_gpa;
	uint8_t *decoded; /* HEX: the segments' bytes; else NULL */
	uint64_t decoded_bytes;
	size_t n_segs;
	struct image_seg segs[IMAGE_SEGS_MAX];
};

/** What the format may be told apart by: ELF's magic, a whole HEX record; else it is flat. */
enum image_kind image_detect(const uint8_t *bytes, size_t n);

/**
 * Plan an ELF executable: ELF32 or ELF64, static, at its physical addresses (p_paddr).
 * @param bytes    the file; stays with the caller
 * @param ret_plan untouched on failure
 * @return 0; -ENOEXEC malformed; -ENOTSUP well-formed, but nothing that can run here
 */
int image_parse_elf(const uint8_t *bytes, size_t n, struct image_plan *ret_plan, struct errmsg *e);

/**
 * Plan and decode an Intel HEX file (record types 00 to 05).
 * @param limit_bytes most data bytes that are decoded
 * @param ret_plan    untouched on failure; free it with image_plan_done()
 * @return 0; -ENOEXEC malformed, the sentence names the line; -EFBIG over the limit; -ENOMEM
 */
int image_parse_hex(const uint8_t *bytes, size_t n, uint64_t limit_bytes,
		    struct image_plan *ret_plan, struct errmsg *e);

/**
 * Plan a flat binary: all of the file at @p load_gpa, which is also the entry.
 * @param n size of the file
 * @return 0; -ENOEXEC empty, or wraps around
 */
int image_parse_flat(size_t n, gpa_t load_gpa, struct image_plan *ret_plan, struct errmsg *e);

/**
 * Plan Linux's boot image for RISC-V: at its offset into RAM, with the room that it asks for.
 * @param bytes image_is_linux() has said yes
 * @return 0; -ENOEXEC damaged; -ENOTSUP big endian
 */
int image_parse_linux(const uint8_t *bytes, size_t n, gpa_t ram_base_gpa,
		      struct image_plan *ret_plan, struct errmsg *e);

/** Whether the file starts with the header of Linux's boot image for RISC-V. */
bool image_is_linux(const uint8_t *bytes, size_t n);

/** Whether the file starts with a whole HEX record: right length, known type, then a line end. */
bool image_is_hex(const uint8_t *bytes, size_t n);

/** Free what a plan owns. Accepts a zeroed plan. */
void image_plan_done(struct image_plan *p);

/**
 * Put a segment at its place in the order; for the parsers.
 * @return 0; -ENOEXEC empty, wrapping, overlapping another or one too many; the plan is unchanged
 */
int image_seg_add(struct image_plan *p, const struct image_seg *s, struct errmsg *e);

#endif
