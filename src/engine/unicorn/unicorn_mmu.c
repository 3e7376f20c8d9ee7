/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which region lies behind a virtual address.
 *
 * Before each access that misses its cache the library looks up the region and its permission, by
 * the virtual address, even when the guest translates addresses. We look up what the guest's
 * tables say. Where they say nothing, the library gets a region that permits everything: it then
 * walks the tables itself and raises the page fault.
 */
#include "engine/unicorn/unicorn_priv.h"

void *unicorn_mmu_find_region(void *opaque, void *uc, uint64_t gva)
{
	struct unicorn_engine *u = opaque;
	struct cpu_state s = { .arch = u->arch->id };
	struct cpu_fault f;
	gpa_t gpa;
	void *same;

	if (!u->target->is_paging(u)) {
		return unicorn_region_at(uc, gva);
	}
	/* Most addresses are mapped to themselves, and the walk is slow. */
	same = unicorn_region_at(uc, gva);
	if (same && same == u->free_region) {
		return same;
	}
	if (u->target->get_state(u, &s, NULL) < 0 ||
	    !u->arch->page_walk(&s, u->mem, gva, 0, &gpa, &f)) {
		return u->free_region;
	}
	return unicorn_region_at(uc, gpa);
}
