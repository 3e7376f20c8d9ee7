/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emitter's tables; and all that an emitter has made, as memory that can be stored and given to another emitter of the
 * same program.
 *
 * Code refers to code by distance, to guest and emitter by rbp, to host functions through struct emit_env; its tables
 * know offsets only. So all of it can stay as it is, wherever the other emitter's code memory lies.
 */
#include "base/bug.h"
#include "engine/dbt/emit/x64/x64.h"
#include "host/map.h"

/* Each from a page on. */
static uint64_t table_bytes(size_t n, size_t size)
{
	return align_down(n * size + PAGE_BYTES - 1, PAGE_BYTES);
}

static uint64_t tables_bytes(const struct emitter *em)
{
	return table_bytes(em->max_exits, sizeof(*em->exits)) +
	       table_bytes(em->max_accesses, sizeof(*em->accesses)) +
	       table_bytes(em->max_helpers, sizeof(*em->helpers)) +
	       table_bytes(X64_MAPS_MAX, sizeof(*em->maps));
}

int x64_tables_init(struct emitter *em, struct errmsg *e)
{
	size_t n = em->cfg.code_bytes / 12;
	uint8_t *at;
	int r;

	em->max_exits = n;
	em->max_accesses = n;
	em->max_helpers = n / 4;
	em->n_maps = 1;
	r = host_map_ram(tables_bytes(em), &at, e);
	if (r < 0) {
		return r;
	}
	em->exits = (struct x64_exit *)(void *)at;
	at += table_bytes(em->max_exits, sizeof(*em->exits));
	em->accesses = (struct x64_access *)(void *)at;
	at += table_bytes(em->max_accesses, sizeof(*em->accesses));
	em->helpers = (struct x64_helper *)(void *)at;
	at += table_bytes(em->max_helpers, sizeof(*em->helpers));
	em->maps = (struct x64_map *)(void *)at;
	return 0;
}

void x64_tables_done(struct emitter *em)
{
	host_map_free((uint8_t *)em->exits, tables_bytes(em));
}

void emit_unlink_pages(struct emitter *em, uint64_t page_bytes)
{
	for (size_t i = 0; i < em->n_exits; i++) {
		struct x64_exit *x = &em->exits[i];

		if (x->link != X64_LINK_NONE && !x->lookup &&
		    (x->from ^ x->pc) & ~(page_bytes - 1)) {
			emit_link(em, x, NULL);
		}
	}
}

void emitter_parts(const struct emitter *em, struct emit_part ret[EMIT_PARTS])
{
	const struct emit_part parts[EMIT_PARTS] = {
		{ em->as.base + em->blocks_at, 1, em->as.at - em->blocks_at,
		  em->cfg.code_bytes - em->blocks_at, false },
		{ em->exits, sizeof(*em->exits), em->n_exits, em->max_exits, true },
		{ em->accesses, sizeof(*em->accesses), em->n_accesses, em->max_accesses, true },
		{ em->helpers, sizeof(*em->helpers), em->n_helpers, em->max_helpers, true },
		{ em->maps, sizeof(*em->maps), em->n_maps, X64_MAPS_MAX, true },
	};

	for (size_t i = 0; i < EMIT_PARTS; i++) {
		ret[i] = parts[i];
	}
}

void emitter_parts_set(struct emitter *em, const uint64_t n[EMIT_PARTS])
{
	struct emit_part parts[EMIT_PARTS];

	emitter_parts(em, parts);
	for (size_t i = 0; i < EMIT_PARTS; i++) {
		BUG_ON(n[i] > parts[i].max);
	}
	em->as.at = em->blocks_at + n[0];
	em->n_exits = n[1];
	em->n_accesses = n[2];
	em->n_helpers = n[3];
	em->n_maps = n[4];
	emit_returns_forget(em);
}
