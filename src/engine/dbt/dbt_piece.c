/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is mapped into a window: a hash table of guest pages, and the count of the host's mappings that they need.
 *
 * The kernel allows a process some 65,000 mappings. Pages that are neighbours in guest virtual and in physical memory, with
 * the same permissions, are one; others take up to two, since what lies between them is one as well. Pages of unlike sizes count
 * as if they were not neighbours. The engines of a process share what there is evenly.
 *
 * Pages of windows that are not in use are unmapped when these are used next, many at once if they are neighbours.
 *
 * Threads: the engine's; dbt_pieces_init() and _done(): any.
 */
#include "engine/dbt/dbt_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "host/map.h"

/* Of all engines; what is left is for everything else that the process maps. */
#define MAPS_MAX 60000u
/* Of one engine, however many there are. */
#define MAPS_MIN  2048u
#define SLOTS_MIN 1024u /* a power of 2 */

static uint32_t n_engines;

void dbt_pieces_init(struct dbt_engine *d)
{
	d->has_pieces = true;
	__atomic_add_fetch(&n_engines, 1, __ATOMIC_RELAXED);
}

void dbt_pieces_done(struct dbt_engine *d)
{
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		free(d->windows[i].pieces);
	}
	if (d->has_pieces) {
		__atomic_sub_fetch(&n_engines, 1, __ATOMIC_RELAXED);
	}
}

bool dbt_pieces_fit(const struct dbt_engine *d, uint32_t n)
{
	uint32_t max = MAPS_MAX / __atomic_load_n(&n_engines, __ATOMIC_RELAXED);

	max = max < MAPS_MIN ? MAPS_MIN : max;
	return d->n_maps + 2 * n <= max;
}

static uint32_t slot_of(const struct dbt_window *w, uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 40) & (w->n_slots - 1);
}

/* Where a key is, or the free slot where it would be. */
static uint32_t find(const struct dbt_window *w, uint64_t key)
{
	uint32_t slot = slot_of(w, key);

	while (w->pieces[slot].key && w->pieces[slot].key != key) {
		slot = (slot + 1) & (w->n_slots - 1);
	}
	return slot;
}

const struct dbt_piece *dbt_piece_find(const struct dbt_window *w, uint64_t key)
{
	uint32_t slot = w->n_slots ? find(w, key) : 0;

	return w->n_slots && w->pieces[slot].key ? &w->pieces[slot] : NULL;
}

/* How many mappings two neighbours save: the gap's between them, and one of theirs. */
static uint32_t saved(const struct dbt_piece *low, const struct dbt_piece *high)
{
	if (!low || !high) {
		return 0;
	}
	return (high->what & ~DBT_PIECE_AHEAD) - (low->what & ~DBT_PIECE_AHEAD) ==
			       BIT(low->key % PAGE_BYTES)
		       ? 2
		       : 1;
}

/* What a piece adds to the mappings of all others; less than nothing if it fills a gap. */
static uint32_t cost(const struct dbt_window *w, const struct dbt_piece *p)
{
	uint64_t bytes = BIT(p->key % PAGE_BYTES);

	return 2 - saved(dbt_piece_find(w, p->key - bytes), p) -
	       saved(p, dbt_piece_find(w, p->key + bytes));
}

static bool grow(struct dbt_window *w)
{
	uint32_t n = w->n_slots ? 2 * w->n_slots : SLOTS_MIN;
	struct dbt_window bigger = { .pieces = calloc(n, sizeof(*w->pieces)), .n_slots = n };

	if (!bigger.pieces) {
		return false;
	}
	for (uint32_t i = 0; i < w->n_slots; i++) {
		if (w->pieces[i].key) {
			bigger.pieces[find(&bigger, w->pieces[i].key)] = w->pieces[i];
		}
	}
	free(w->pieces);
	w->pieces = bigger.pieces;
	w->n_slots = n;
	return true;
}

bool dbt_piece_room(struct dbt_window *w, uint32_t n)
{
	while (2 * (w->n_pieces + n) > w->n_slots) {
		if (!grow(w)) {
			return false;
		}
	}
	return true;
}

void dbt_piece_add(struct dbt_engine *d, struct dbt_window *w, const struct dbt_piece *p)
{
	uint32_t maps;

	dbt_piece_remove(d, w, p->key, false);
	maps = cost(w, p);
	w->pieces[find(w, p->key)] = *p;
	w->n_pieces++;
	w->n_maps += maps;
	d->n_maps += maps;
	w->sizes |= BIT(p->key % PAGE_BYTES);
}

/* Move up those behind a slot that would not be found any more when it is free. */
static void slot_free(struct dbt_window *w, uint32_t slot)
{
	uint32_t mask = w->n_slots - 1;

	for (uint32_t next = (slot + 1) & mask; w->pieces[next].key; next = (next + 1) & mask) {
		if (((next - slot_of(w, w->pieces[next].key)) & mask) >= ((next - slot) & mask)) {
			w->pieces[slot] = w->pieces[next];
			slot = next;
		}
	}
	w->pieces[slot].key = 0;
}

bool dbt_piece_remove(struct dbt_engine *d, struct dbt_window *w, uint64_t key, bool is_later)
{
	const struct dbt_piece *p = dbt_piece_find(w, key);
	uint32_t maps;

	if (!p) {
		return false;
	}
	maps = cost(w, p);
	slot_free(w, (uint32_t)(p - w->pieces));
	w->n_pieces--;
	if (is_later) {
		w->n_maps_stale += maps;
	} else {
		w->n_maps -= maps;
		d->n_maps -= maps;
	}
	return true;
}

bool dbt_window_empty(struct dbt_engine *d, struct dbt_window *w)
{
	if (w->zero && (w->n_pieces || w->n_stale) &&
	    host_map_space_clear(w->zero - DBT_WINDOW_HALF - DBT_GUARD_BYTES, DBT_WINDOW_BYTES) <
		    0) {
		return false;
	}
	dbt_soft_forget(w);
	if (w->n_slots > SLOTS_MIN) {
		free(w->pieces);
		w->pieces = NULL;
		w->n_slots = 0;
	} else if (w->n_pieces) {
		memset(w->pieces, 0, w->n_slots * sizeof(*w->pieces));
	}
	d->n_maps -= w->n_maps;
	w->n_maps = 0;
	w->n_maps_stale = 0;
	w->n_stale = 0;
	w->n_pieces = 0;
	w->sizes = 0;
	return true;
}

void dbt_window_unmap(struct dbt_engine *d, struct dbt_window *w, gva_t gva, uint64_t bytes)
{
	/* Others may have used up the process's mappings: then one has to do. */
	if (host_map_space_clear(w->zero + (int64_t)gva, bytes) < 0) {
		BUG_ON(!dbt_window_empty(d, w));
	}
}

void dbt_window_unmap_later(struct dbt_engine *d, struct dbt_window *w, gva_t gva, uint64_t bytes)
{
	struct dbt_stale *last = w->n_stale ? &w->stale[w->n_stale - 1] : NULL;

	if (last && last->gva + last->bytes == gva) {
		last->bytes += bytes;
	} else if (last && gva + bytes == last->gva) {
		last->gva = gva;
		last->bytes += bytes;
	} else {
		if (w->n_stale == DBT_STALE_MAX) {
			dbt_window_unmap_stale(d, w);
		}
		w->stale[w->n_stale++] = (struct dbt_stale){ gva, bytes };
	}
}

void dbt_window_unmap_stale(struct dbt_engine *d, struct dbt_window *w)
{
	/* n_stale becomes 0 if all of the window is unmapped */
	for (uint32_t i = 0; i < w->n_stale; i++) {
		dbt_window_unmap(d, w, w->stale[i].gva, w->stale[i].bytes);
	}
	w->n_maps -= w->n_maps_stale;
	d->n_maps -= w->n_maps_stale;
	w->n_maps_stale = 0;
	w->n_stale = 0;
}

/* Shell's way: qsort() may make system calls that the jail forbids. */
static void sort(uint64_t *keys, uint32_t n)
{
	static const uint32_t gaps[] = { 701, 301, 132, 57, 23, 10, 4, 1 };

	for (size_t g = 0; g < ARRAY_SIZE(gaps); g++) {
		for (uint32_t i = gaps[g]; i < n; i++) {
			uint64_t key = keys[i];
			uint32_t at = i;

			for (; at >= gaps[g] && keys[at - gaps[g]] > key; at -= gaps[g]) {
				keys[at] = keys[at - gaps[g]];
			}
			keys[at] = key;
		}
	}
}

void dbt_pieces_unmap_later(struct dbt_engine *d, struct dbt_window *w, uint64_t *keys, uint32_t n)
{
	sort(keys, n);
	for (uint32_t i = 0; i < n; i++) {
		dbt_piece_remove(d, w, keys[i], true);
		dbt_window_unmap_later(d, w, keys[i] & ~(PAGE_BYTES - 1),
				       BIT(keys[i] % PAGE_BYTES));
	}
}
