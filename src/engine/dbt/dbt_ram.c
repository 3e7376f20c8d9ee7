/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's RAM in the process.
 *
 * A page of the host is 4 KiB, for which it takes a fault when it is touched first, and one more for each other view through
 * which it is touched. Where the guest maps many small pages, whole parts of RAM become huge pages instead. That takes a sixth of
 * the time, and a part is resident at once.
 */
#include "engine/dbt/dbt_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "host/map.h"

/* So many pages of a part were asked for before it becomes a huge page. */
#define JOIN_USES 64u

const struct mem_region *dbt_ram_region(const struct dbt_engine *d, gpa_t gpa)
{
	for (size_t i = 0; i < d->n_regions; i++) {
		if (range_within(gpa, 1, d->regions[i].base_gpa, d->regions[i].size_bytes)) {
			return &d->regions[i];
		}
	}
	return NULL;
}

uint8_t *dbt_ram(void *engine, gpa_t gpa, uint8_t bytes, uint32_t access)
{
	struct dbt_engine *d = engine;

	for (size_t i = 0; i < d->n_regions; i++) {
		const struct mem_region *r = &d->regions[i];

		if (!range_within(gpa, bytes, r->base_gpa, r->size_bytes)) {
			continue;
		}
		if ((r->perm & access) != access) {
			return NULL;
		}
		if (access & MEM_W) {
			mem_stored(d->cfg.mem, gpa, bytes);
		}
		return r->hva + (gpa - r->base_gpa);
	}
	return NULL;
}

uint8_t *dbt_ram_page(const struct dbt_engine *d, gpa_t page)
{
	const struct mem_region *r = dbt_ram_region(d, page);

	return r ? r->hva + (page - r->base_gpa) : NULL;
}

uint8_t *dbt_ram_kept(void *engine, gpa_t page, uint32_t access)
{
	struct dbt_engine *d = engine;
	const struct mem_region *r = dbt_ram_region(d, page);

	if (!r || (r->perm & access) != access ||
	    ((access & MEM_W) && mem_stored(d->cfg.mem, page, PAGE_BYTES))) {
		return NULL;
	}
	return r->hva + (page - r->base_gpa);
}

int dbt_ram_add(struct dbt_engine *d, const struct mem_region *r, struct errmsg *e)
{
	uint8_t *uses;

	if (d->n_regions == DBT_REGIONS_MAX) {
		return errmsg_set(e, -ENOSPC, "engine dbt takes %u regions of memory",
				  DBT_REGIONS_MAX);
	}
	uses = calloc(1, (size_t)(r->size_bytes / HOST_MAP_JOIN_BYTES) + 1);
	if (!uses) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	d->uses[d->n_regions] = uses;
	d->regions[d->n_regions++] = *r;
	return 0;
}

bool dbt_ram_remove(struct dbt_engine *d, const struct mem_region *r)
{
	for (size_t i = 0; i < d->n_regions; i++) {
		if (d->regions[i].base_gpa == r->base_gpa &&
		    d->regions[i].size_bytes == r->size_bytes) {
			free(d->uses[i]);
			d->regions[i] = d->regions[--d->n_regions];
			d->uses[i] = d->uses[d->n_regions];
			return true;
		}
	}
	return false;
}

void dbt_ram_done(struct dbt_engine *d)
{
	while (d->n_regions) {
		free(d->uses[--d->n_regions]);
	}
}

void dbt_ram_used(struct dbt_engine *d, const struct mem_region *r, gpa_t page)
{
	uint64_t at = page - r->base_gpa;
	uint8_t *uses = &d->uses[r - d->regions][at / HOST_MAP_JOIN_BYTES];

	if (r->has_file && *uses < JOIN_USES && ++*uses == JOIN_USES) {
		at -= (uintptr_t)(r->hva + at) % HOST_MAP_JOIN_BYTES;
		if (range_within(at, HOST_MAP_JOIN_BYTES, 0, r->size_bytes)) {
			host_map_shared_join(r->hva + at);
		}
	}
}
