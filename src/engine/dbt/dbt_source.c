/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where translated code came from: the guest's pages of code, and whether their bytes are still the same.
 *
 * Guests say when code may have changed (RISC-V: fence.i), often without having changed any. A page's code can only differ if
 * somebody stored into it, so a fence compares, with a copy, only pages
 *
 *   dirty     into which the interpreter, a device or a debugger stored since the last fence
 *   exposed   that a window of this or another hart maps writable: translated code may store there unseen
 *
 * Exposed is cheap to set, when a window maps a page; whether it still holds is found out now and then, for all pages in one go.
 * A page whose first code is translated counts as exposed until then. Blocks of a page that has changed are killed, each if its
 * own bytes are others.
 *
 * Pages of translations that were loaded (dbt_store.c) are foreign: neither watched nor compared before a block of theirs
 * is to be used. Until then the guest may have anything there.
 */
#include "engine/dbt/dbt_priv.h"

#include <string.h>

#include "base/bug.h"

/* Fences between two looks at which pages are exposed: few while that changes. */
#define LOOK_FENCES_MIN 16u
#define LOOK_FENCES_MAX 1024u

static uint32_t head_of(gpa_t page)
{
	return (uint32_t)(page / PAGE_BYTES * 0x9e3779b97f4a7c15ULL >> 40) % DBT_SOURCE_HEADS;
}

static struct dbt_source *source_of(struct dbt_engine *d, gpa_t page)
{
	uint32_t i = d->source_heads[head_of(page)];

	while (i && d->sources[i].page != page) {
		i = d->sources[i].next;
	}
	return i ? &d->sources[i] : NULL;
}

static uint8_t *copy_of(const struct dbt_engine *d, const struct dbt_source *s)
{
	return d->copies + (size_t)(s - d->sources) * PAGE_BYTES;
}

static void expose(struct dbt_engine *d, struct dbt_source *s)
{
	if (!s->is_exposed && !s->is_foreign) {
		d->exposed[d->n_exposed++] = (uint32_t)(s - d->sources);
		s->is_exposed = true;
	}
}

static void dirty(struct dbt_engine *d, struct dbt_source *s)
{
	if (!s->is_dirty && !s->is_foreign) {
		d->dirty[d->n_dirty++] = (uint32_t)(s - d->sources);
		s->is_dirty = true;
	}
}

/* The other harts' engines, and ours, learn of stores this way. */
static bool on_stored(void *opaque, gpa_t gpa, uint64_t bytes)
{
	struct dbt_engine *d = opaque;
	bool is_code = false;

	for (gpa_t page = gpa & ~(PAGE_BYTES - 1); page < gpa + bytes; page += PAGE_BYTES) {
		struct dbt_source *s = source_of(d, page);

		if (s) {
			dirty(d, s);
			is_code = true;
		}
	}
	return is_code;
}

static void on_exposed(void *opaque, gpa_t gpa, uint64_t bytes)
{
	struct dbt_engine *d = opaque;
	struct dbt_source *s;

	if (bytes == PAGE_BYTES) {
		s = source_of(d, gpa);
		if (s) {
			expose(d, s);
		}
		return;
	}
	for (uint32_t i = 1; i <= d->n_sources; i++) {
		if (d->sources[i].page - gpa < bytes) {
			expose(d, &d->sources[i]);
		}
	}
}

static void on_expose_all(void *opaque)
{
	dbt_window_expose(opaque);
}

static void on_watched(void *opaque, gpa_t page)
{
	struct dbt_engine *d = opaque;

	(void)page;
	d->front->flush_translations(d->cpu);
}

void dbt_source_init(struct dbt_engine *d)
{
	d->look_fences = LOOK_FENCES_MIN;
	d->watcher = (struct mem_watcher){ .opaque = d,
					   .stored = on_stored,
					   .exposed = on_exposed,
					   .expose_all = on_expose_all,
					   .watched = on_watched };
	mem_watch(d->cfg.mem, &d->watcher);
}

void dbt_source_done(struct dbt_engine *d)
{
	if (d->watcher.opaque) {
		mem_unwatch(d->cfg.mem, &d->watcher);
	}
}

void dbt_source_reset(struct dbt_engine *d)
{
	memset(d->source_heads, 0, DBT_SOURCE_HEADS * sizeof(*d->source_heads));
	d->n_sources = 0;
	d->n_dirty = 0;
	d->n_exposed = 0;
}

/* Blocks that begin in a page, those whose last instruction reaches into it, and regions with blocks there. */
static void blocks_check(struct dbt_engine *d, struct dbt_source *s, const uint8_t *host)
{
	const uint8_t *copy = copy_of(d, s);

	for (uint32_t i = s->first_block; i; i = d->blocks[i].next_in_page) {
		const struct dbt_block *b = &d->blocks[i];
		uint64_t from = b->gpa % PAGE_BYTES;
		uint64_t n = b->guest_bytes;

		n = from + n > PAGE_BYTES ? PAGE_BYTES - from : n;
		if (memcmp(copy + from, host + from, n) != 0) {
			dbt_code_kill(d, &d->blocks[b->is_tail ? b->twin : i]);
		}
	}
}

/* Compare a page with its copy. Its RAM may be gone: then nothing of it runs any more. */
static void check(struct dbt_engine *d, struct dbt_source *s)
{
	const uint8_t *host = dbt_ram_page(d, s->page);

	if (host && memcmp(copy_of(d, s), host, PAGE_BYTES) != 0) {
		blocks_check(d, s, host);
		memcpy(copy_of(d, s), host, PAGE_BYTES);
	}
}

static void watch(struct dbt_engine *d, struct dbt_source *s)
{
	expose(d, s);
	mem_watched(d->cfg.mem, s->page);
}

/* Whether what a block that begins there may be made of is as in the copy. */
static bool is_same_ahead(const struct dbt_engine *d, const struct dbt_source *s, size_t from,
			  const uint8_t *host)
{
	const size_t most = IR_BLOCK_GUEST_MAX * IR_GUEST_BYTES_MAX;
	size_t n = PAGE_BYTES - from < most ? PAGE_BYTES - from : most;

	return !host || memcmp(copy_of(d, s) + from, host + from, n) == 0;
}

static struct dbt_source *add(struct dbt_engine *d, gpa_t gpa)
{
	gpa_t page = gpa & ~(PAGE_BYTES - 1);
	const uint8_t *host = dbt_ram_page(d, page);
	struct dbt_source *s = source_of(d, page);
	uint32_t head = head_of(page);

	if (s && !s->is_foreign && is_same_ahead(d, s, gpa % PAGE_BYTES, host)) {
		return s;
	}
	if (s) {
		check(d, s);
		if (s->is_foreign) {
			s->is_foreign = false;
			watch(d, s);
		}
		return s;
	}
	if (!host || d->n_sources == DBT_SOURCES_MAX) {
		return NULL;
	}
	s = &d->sources[++d->n_sources];
	*s = (struct dbt_source){ .page = page, .next = d->source_heads[head] };
	d->source_heads[head] = d->n_sources;
	memcpy(copy_of(d, s), host, PAGE_BYTES);
	watch(d, s);
	return s;
}

void dbt_source_adopt(struct dbt_engine *d, gpa_t gpa)
{
	const struct dbt_source *s = source_of(d, gpa & ~(PAGE_BYTES - 1));

	if (s && s->is_foreign) {
		add(d, s->page);
	}
}

const uint8_t *dbt_source_bytes(struct dbt_engine *d, gpa_t gpa)
{
	struct dbt_source *s = add(d, gpa);

	return s ? copy_of(d, s) + gpa % PAGE_BYTES : NULL;
}

void dbt_source_link(struct dbt_engine *d, uint32_t block)
{
	struct dbt_block *b = &d->blocks[block];
	struct dbt_source *s = source_of(d, b->gpa & ~(PAGE_BYTES - 1));

	BUG_ON(!s);
	b->next_in_page = s->first_block;
	s->first_block = block;
}

void dbt_source_kill(struct dbt_engine *d, gpa_t gpa)
{
	struct dbt_source *s = source_of(d, gpa & ~(PAGE_BYTES - 1));

	for (uint32_t i = s ? s->first_block : 0; i; i = d->blocks[i].next_in_page) {
		struct dbt_block *b = &d->blocks[i];

		if (gpa - b->gpa < b->guest_bytes) {
			dbt_code_kill(d, b->is_tail ? &d->blocks[b->twin] : b);
		}
	}
}

/* Which pages are exposed is asked anew; seldom, when the answer does not change. */
static void look(struct dbt_engine *d)
{
	uint32_t before = d->n_exposed;

	for (uint32_t i = 0; i < before; i++) {
		d->sources[d->exposed[i]].is_exposed = false;
	}
	d->n_exposed = 0;
	mem_expose_all(d->cfg.mem);
	d->look_fences = d->n_exposed < before ? LOOK_FENCES_MIN : d->look_fences * 2;
	d->look_fences = d->look_fences > LOOK_FENCES_MAX ? LOOK_FENCES_MAX : d->look_fences;
	d->n_fences = 0;
}

void dbt_source_fence(struct dbt_engine *d)
{
	for (uint32_t i = 0; i < d->n_dirty; i++) {
		struct dbt_source *s = &d->sources[d->dirty[i]];

		check(d, s);
		s->is_dirty = false;
	}
	d->n_dirty = 0;
	for (uint32_t i = 0; i < d->n_exposed; i++) {
		check(d, &d->sources[d->exposed[i]]);
	}
	if (d->n_exposed && ++d->n_fences >= d->look_fences) {
		look(d);
	}
}
