/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux's own boot image for RISC-V ("Image", also as an EFI program). Source: Linux 6.12,
 * Documentation/arch/riscv/boot-image-header.rst.
 *
 *    0 code  8 text_offset  16 image_size  24 flags  32 version  48 magic "RISCV"  56 magic2 "RSC\5"
 */
#include <errno.h>
#include <inttypes.h>

#include "machine/loader/image.h"

#define HEADER_BYTES	    64
#define TEXT_OFFSET_AT	    8
#define IMAGE_SIZE_AT	    16
#define FLAGS_AT	    24
#define MAGIC2_AT	    56
#define MAGIC2		    0x05435352u /* "RSC\5" */
#define FLAG_BIG_ENDIAN	    BIT(0)
#define TEXT_OFFSET_MAX	    (1024 * BIT(20))
#define IMAGE_MEM_BYTES_MAX (1024 * BIT(20))

bool image_is_linux(const uint8_t *bytes, size_t n)
{
	return n >= HEADER_BYTES && load_le(bytes + MAGIC2_AT, 4) == MAGIC2;
}

int image_parse_linux(const uint8_t *bytes, size_t n, gpa_t ram_base_gpa,
		      struct image_plan *ret_plan, struct errmsg *e)
{
	struct image_plan plan = {
		.kind = IMAGE_LINUX, .has_arch = true, .arch = CPU_ARCH_RV64, .has_entry = true
	};
	struct image_seg seg = { .file_bytes = n, .perm = MEM_RWX };
	uint64_t offset = load_le(bytes + TEXT_OFFSET_AT, 8);
	int r;

	seg.mem_bytes = load_le(bytes + IMAGE_SIZE_AT, 8);
	if (load_le(bytes + FLAGS_AT, 8) & FLAG_BIG_ENDIAN) {
		return errmsg_set(e, -ENOTSUP,
				  "the kernel is big endian; this Pinfold runs little-endian ones");
	}
	if (offset > TEXT_OFFSET_MAX || offset % PAGE_BYTES || seg.mem_bytes < n ||
	    seg.mem_bytes > IMAGE_MEM_BYTES_MAX) {
		return errmsg_set(e, -ENOEXEC,
				  "the kernel's header is damaged: text offset 0x%" PRIx64
				  ", size 0x%" PRIx64 " for a file of 0x%zx bytes",
				  offset, seg.mem_bytes, n);
	}
	seg.gpa = ram_base_gpa + offset;
	plan.entry = seg.gpa;
	r = image_seg_add(&plan, &seg, e);
	if (r == 0) {
		*ret_plan = plan;
	}
	return r;
}
