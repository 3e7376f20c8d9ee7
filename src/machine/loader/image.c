/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all image formats share: telling them apart, and the sorted segment list. */
#include "machine/loader/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum image_kind image_detect(const uint8_t *bytes, size_t n)
{
	if (n >= 4 && memcmp(bytes, "\177ELF", 4) == 0) {
		return IMAGE_ELF;
	}
	if (image_is_linux(bytes, n)) {
		return IMAGE_LINUX;
	}
	return image_is_hex(bytes, n) ? IMAGE_HEX : IMAGE_FLAT;
}

int image_seg_add(struct image_plan *p, const struct image_seg *s, struct errmsg *e)
{
	uint64_t last;
	size_t idx = 0;

	if (!s->mem_bytes || __builtin_add_overflow(s->gpa, s->mem_bytes - 1, &last)) {
		return errmsg_set(e, -ENOEXEC,
				  "the segment at 0x%" PRIx64 " of 0x%" PRIx64
				  " bytes is empty or wraps around the address space",
				  s->gpa, s->mem_bytes);
	}
	if (p->n_segs == IMAGE_SEGS_MAX) {
		return errmsg_set(e, -ENOEXEC, "the image has more than %d segments",
				  IMAGE_SEGS_MAX);
	}
	while (idx < p->n_segs && p->segs[idx].gpa < s->gpa) {
		idx++;
	}
	for (size_t i = idx ? idx - 1 : 0; i < p->n_segs && i <= idx; i++) {
		if (range_overlaps(s->gpa, s->mem_bytes, p->segs[i].gpa, p->segs[i].mem_bytes)) {
			return errmsg_set(e, -ENOEXEC,
					  "the segments at 0x%" PRIx64 " and 0x%" PRIx64 " overlap",
					  p->segs[i].gpa, s->gpa);
		}
	}
	memmove(&p->segs[idx + 1], &p->segs[idx], (p->n_segs - idx) * sizeof(*s));
	p->segs[idx] = *s;
	p->n_segs++;
	return 0;
}

void image_plan_done(struct image_plan *p)
{
	free(p->decoded);
	p->decoded = NULL;
}
