/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory of the tables of blocks and sources: one reservation, each from a page on, so that files can be mapped over them. */
#include "engine/dbt/dbt_priv.h"

#include <string.h>

#include "host/map.h"

struct table {
	void *at; /* of the pointer to it */
	uint64_t bytes;
};

#define TABLES 7u

static void tables_of(struct dbt_engine *d, struct table ret[TABLES])
{
	const struct table all[TABLES] = {
		{ &d->blocks, (DBT_BLOCKS_MAX + 1) * sizeof(*d->blocks) },
		{ &d->block_heads, DBT_BLOCK_HEADS * sizeof(*d->block_heads) },
		{ &d->sources, (DBT_SOURCES_MAX + 1) * sizeof(*d->sources) },
		{ &d->copies, (DBT_SOURCES_MAX + 1) * PAGE_BYTES },
		{ &d->source_heads, DBT_SOURCE_HEADS * sizeof(*d->source_heads) },
		{ &d->dirty, DBT_SOURCES_MAX * sizeof(*d->dirty) },
		{ &d->exposed, DBT_SOURCES_MAX * sizeof(*d->exposed) },
	};

	memcpy(ret, all, sizeof(all));
}

static uint64_t room(uint64_t bytes)
{
	return align_down(bytes + PAGE_BYTES - 1, PAGE_BYTES);
}

static uint64_t room_of_all(const struct table all[TABLES])
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TABLES; i++) {
		sum += room(all[i].bytes);
	}
	return sum;
}

int dbt_tables_init(struct dbt_engine *d, struct errmsg *e)
{
	struct table all[TABLES];
	uint8_t *at;
	int r;

	tables_of(d, all);
	r = host_map_ram(room_of_all(all), &at, e);
	if (r < 0) {
		return r;
	}
	for (size_t i = 0; i < TABLES; i++) {
		memcpy(all[i].at, &at, sizeof(at));
		at += room(all[i].bytes);
	}
	return 0;
}

void dbt_tables_done(struct dbt_engine *d)
{
	struct table all[TABLES];

	tables_of(d, all);
	host_map_free((uint8_t *)d->blocks, room_of_all(all));
}
