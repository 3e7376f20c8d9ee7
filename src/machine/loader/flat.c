/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flat binaries: one segment, all permissions, entered at its first byte. */
#include <errno.h>

#include "machine/loader/image.h"

int image_parse_flat(size_t n, gpa_t load_gpa, struct image_plan *ret_plan, struct errmsg *e)
{
	struct image_plan plan = { .kind = IMAGE_FLAT, .has_entry = true, .entry = load_gpa };
	const struct image_seg seg = {
		.gpa = load_gpa, .file_bytes = n, .mem_bytes = n, .perm = MEM_RWX
	};
	int r;

	if (n == 0) {
		return errmsg_set(e, -ENOEXEC, "the image is empty");
	}
	r = image_seg_add(&plan, &seg, e);
	if (r < 0) {
		return r;
	}
	*ret_plan = plan;
	return 0;
}
