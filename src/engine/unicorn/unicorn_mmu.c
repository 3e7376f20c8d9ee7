/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which region lies behind a virtual address.
 *
 * Before each access that misses its cache the library looks up the region and its permission, by
 * the virtual address, even when the guest translates addresses. We look up what the guest's
 * tables say. Where they say nothing, the library gets a region that permits everything: it then
 * walks the tables itself and raises the page fault.
 *
 * The lookups also serve to undo half a store. One that crosses into a page where it is refused is
 * carried out byte by byte by the library, so the first page has been written when the refusal
 * comes. The lookups that preceded it are: the whole store at A, then A, A+1, ... up to the
 * refused byte. Those near the end of a page keep the byte that they found.
 */
#include "engine/unicorn/unicorn_priv.h"

#define STORE_BYTES_MAX 16

static uint8_t *ram_byte(struct unicorn_engine *u, gva_t gva)
{
	const struct mem_region *r;
	uint64_t gpa = gva;

	if (u->target->is_paging(u) && !unicorn_virt_to_phys(u->target->id, u->ip.cpu, gva, &gpa)) {
		return NULL;
	}
	r = mem_region_find(u->mem, gpa);
	return r && (r->perm & MEM_W) ? r->hva + (gpa - r->base_gpa) : NULL;
}

static void note_byte(struct unicorn_engine *u, gva_t gva)
{
	const uint8_t *byte = ram_byte(u, gva);

	u->found[u->n_found % UNICORN_FOUND_MAX] = (struct unicorn_found){
		.gva = gva,
		.value = byte ? *byte : 0,
		.is_ram = byte,
	};
	u->n_found++;
}

/* The lookup made @p back before the last one, or NULL. */
static const struct unicorn_found *found_before(const struct unicorn_engine *u, size_t back)
{
	return back < u->n_found && back < UNICORN_FOUND_MAX
		       ? &u->found[(u->n_found - 1 - back) % UNICORN_FOUND_MAX]
		       : NULL;
}

void unicorn_mmu_undo_store(struct unicorn_engine *u, gva_t refused)
{
	const struct unicorn_found *f;
	size_t n = 0; /* bytes written */

	if (refused & (PAGE_BYTES - 1)) {
		return; /* the refused byte is not the first of a page: nothing was written */
	}
	while ((f = found_before(u, n)) && f->is_ram && f->gva == refused - 1 - n) {
		n++;
	}
	/* Before the bytes: the whole store, at the address of the first. */
	if (n == 0 || !f || f->gva != refused - n) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		f = found_before(u, i);
		*ram_byte(u, f->gva) = f->value;
	}
}

static bool is_free(const struct unicorn_engine *u, const void *region)
{
	for (size_t i = 0; i < u->n_free; i++) {
		if (u->free_region[i] == region) {
			return true;
		}
	}
	return false;
}

void *unicorn_mmu_find_region(void *opaque, void *uc, uint64_t gva)
{
	struct unicorn_engine *u = opaque;
	void *same = unicorn_region_at(uc, gva);
	uint64_t gpa;

	if (PAGE_BYTES - (gva & (PAGE_BYTES - 1)) < STORE_BYTES_MAX) {
		note_byte(u, gva);
	}
	/*
	 * Every store comes here, most addresses are mapped to themselves, and the walk is slow:
	 * ordinary RAM is taken to be mapped to itself (docs/known-differences.md).
	 */
	if (is_free(u, same) || !u->target->is_paging(u)) {
		return same;
	}
	if (!unicorn_virt_to_phys(u->target->id, u->ip.cpu, gva, &gpa)) {
		return u->permissive;
	}
	return unicorn_region_at(uc, gpa);
}
