/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold for every plan that a loader accepts. */
#ifndef PINFOLD_TESTS_FUZZ_FUZZ_PLAN_H
#define PINFOLD_TESTS_FUZZ_FUZZ_PLAN_H

#include "fuzz.h"
#include "machine/loader/image.h"

/** Abort unless the plan is sound. @param source the bytes that file_off counts in */
static inline void fuzz_plan_check(const struct image_plan *p, const uint8_t *source,
				   uint64_t source_bytes)
{
	BUG_ON(p->n_segs == 0 || p->n_segs > IMAGE_SEGS_MAX);
	for (size_t i = 0; i < p->n_segs; i++) {
		const struct image_seg *s = &p->segs[i];

		BUG_ON(s->mem_bytes == 0 || s->file_bytes > s->mem_bytes);
		BUG_ON(s->gpa + (s->mem_bytes - 1) < s->gpa);
		BUG_ON(!range_within(s->file_off, s->file_bytes, 0, source_bytes));
		BUG_ON(s->perm & ~MEM_RWX);
		BUG_ON(i && p->segs[i - 1].gpa + (p->segs[i - 1].mem_bytes - 1) >= s->gpa);
		if (s->file_bytes) {
			(void)*(const volatile uint8_t *)&source[s->file_off];
			(void)*(const volatile uint8_t *)&source[s->file_off + s->file_bytes - 1];
		}
	}
}

#endif
