/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Windows: guest virtual memory as host address space, page by page on demand, so that the host's MMU does the
 * translating.
 *
 *     -2^38                       0                      2^38
 *   guard | upper half (kernel)   |   lower half (user)   | guard        nothing is mapped in the guards
 *
 * One window per space (page tables and privilege); the least used one is recycled. Pages are mapped with the permissions
 * that the guest's tables and the guest's memory map both grant, so what a window allows needs no further check. Only
 * RAM in a memory file can be mapped; the rest is interpreted.
 *
 * Threads: the engine's.
 */
#include "engine/dbt/dbt_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "host/map.h"

/* As much of a large page as one fault maps. */
#define PIECE_BYTES_MAX (1024 * BIT(20))
#define PAGE_LOG2	12u
/* Pages that one fault maps: at first, and when that many were mapped often. */
#define AHEAD_MIN 16u
#define AHEAD_MAX 512u

/* As much of a guest page as is mapped at once. */
static uint64_t piece_bytes(const struct front_page *page)
{
	return page->bytes < PIECE_BYTES_MAX ? page->bytes : PIECE_BYTES_MAX;
}

static uint8_t *reserve(void)
{
	uint8_t *p = host_map_space(DBT_WINDOW_BYTES);

	return p ? p + DBT_GUARD_BYTES + DBT_WINDOW_HALF : NULL;
}

static uint8_t *start_of(uint8_t *zero)
{
	return zero - DBT_WINDOW_HALF - DBT_GUARD_BYTES;
}

static struct dbt_refill *refill_of(struct dbt_engine *d, gva_t page)
{
	return &d->refills[page / PAGE_BYTES & (DBT_REFILL_SLOTS - 1)];
}

/* A page that somebody used is unmapped. */
static void refill_note(struct dbt_engine *d, gva_t page)
{
	struct dbt_refill *r = refill_of(d, page);

	if (r->page != page || d->env->insns - r->insns > DBT_REFILL_INSNS) {
		*r = (struct dbt_refill){ .page = page };
	}
	r->insns = d->env->insns;
	r->n++;
}

/* Nobody looks into a window that is not in use, before it is entered. */
static void unmap_page(struct dbt_engine *d, struct dbt_window *w, gva_t gva)
{
	bool is_later = !d->context || d->context->window != w;

	if (gva >= w->cut_from && gva <= w->cut_last) {
		w->generation = 0; /* any of its pieces: to be verified */
		d->context = is_later ? d->context : NULL;
		return;
	}
	dbt_soft_forget_page(w, gva);
	for (uint64_t sizes = w->sizes; sizes; sizes &= sizes - 1) {
		unsigned int size = (unsigned int)__builtin_ctzll(sizes);
		gva_t from = gva & ~(BIT(size) - 1);
		const struct dbt_piece *p = dbt_piece_find(w, from | size);

		if (!p) {
			continue;
		}
		if (!(p->what & DBT_PIECE_AHEAD)) {
			refill_note(d, gva & ~(PAGE_BYTES - 1));
		}
		dbt_piece_remove(d, w, from | size, is_later);
		if (is_later) {
			dbt_window_unmap_later(d, w, from, BIT(size));
		} else {
			dbt_window_unmap(d, w, from, BIT(size));
		}
	}
}

int dbt_window_init(struct dbt_engine *d, struct errmsg *e)
{
	d->generation = 1;
	dbt_pieces_init(d);
	d->jumps = calloc(DBT_CONTEXTS * EMIT_JUMPS, sizeof(*d->jumps));
	d->empty_window = reserve();
	if (!d->jumps || !d->empty_window) {
		return errmsg_set(e, -ENOMEM, "no address space for guest memory");
	}
	for (size_t i = 0; i < DBT_CONTEXTS; i++) {
		d->contexts[i].jumps = d->jumps + i * EMIT_JUMPS;
	}
	return 0;
}

void dbt_window_done(struct dbt_engine *d)
{
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		if (d->windows[i].zero) {
			host_map_free(start_of(d->windows[i].zero), DBT_WINDOW_BYTES);
		}
		free(d->windows[i].pages);
	}
	if (d->empty_window) {
		host_map_free(start_of(d->empty_window), DBT_WINDOW_BYTES);
	}
	dbt_pieces_done(d);
	free(d->jumps);
}

static struct dbt_context *context_of(struct dbt_engine *d, uint32_t mode, uint64_t space)
{
	struct dbt_context *best = &d->contexts[0];

	for (size_t i = 0; i < DBT_CONTEXTS; i++) {
		struct dbt_context *c = &d->contexts[i];

		if (c->used && c->mode == mode && c->space == space) {
			return c;
		}
		if (c->used < best->used) {
			best = c;
		}
	}
	best->mode = mode;
	best->space = space;
	best->generation = 0;
	return best;
}

/* A window that several address spaces share holds only what is the same in all of them. */
static bool may_hold(const struct dbt_window *w, const struct front_page *page)
{
	return !(w->space & FRONT_SPACE_GLOBAL) || page->is_global;
}

/* Whether the guest's tables still say what they said when a page was mapped. */
static bool is_true(struct dbt_engine *d, const struct dbt_window *w, const struct dbt_piece *p)
{
	gva_t gva = p->key & ~(PAGE_BYTES - 1);
	struct cpu_fault unread;
	struct front_page page;

	if (!d->front->translate_address(d->cpu, gva, MEM_R, &page, &unread) ||
	    !may_hold(w, &page)) {
		return false;
	}
	return BIT(p->key % PAGE_BYTES) == piece_bytes(&page) &&
	       (p->what & ~DBT_PIECE_AHEAD) == ((page.gpa & ~(PAGE_BYTES - 1)) | page.perm);
}

/*
 * Translations are void, which mostly means that one of them has changed: those that still hold stay mapped. A look
 * costs a hundredth of mapping a page anew.
 */
static void verify(struct dbt_engine *d, struct dbt_window *w)
{
	uint32_t n;

	w->generation = d->generation;
	dbt_soft_forget(w);
	if (w->n_pieces > DBT_VERIFY_MAX && dbt_window_empty(d, w)) {
		return;
	}
	do {
		n = 0;
		for (uint32_t i = 0; i < w->n_slots && n < DBT_VERIFY_MAX; i++) {
			if (w->pieces[i].key && !is_true(d, w, &w->pieces[i])) {
				d->stale_keys[n++] = w->pieces[i].key;
			}
		}
		dbt_pieces_unmap_later(d, w, d->stale_keys, n);
	} while (n == DBT_VERIFY_MAX);
}

static void expose(struct dbt_engine *d, struct dbt_window *w)
{
	w->is_exposing = true;
	dbt_soft_forget(w); /* what is entered anew is exposed then */
	for (uint32_t slot = 0; w->n_pieces && slot < w->n_slots; slot++) {
		const struct dbt_piece *p = &w->pieces[slot];

		if (p->key && (p->what & MEM_W)) {
			mem_exposed(d->cfg.mem, p->what & ~(PAGE_BYTES - 1),
				    BIT(p->key % PAGE_BYTES));
		}
	}
}

/* Nobody stores through a window that is not used: when it is again, it is exposed again. */
void dbt_window_expose(struct dbt_engine *d)
{
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		struct dbt_window *w = &d->windows[i];

		if ((d->context && d->context->window == w) || w->used > d->exposed_clock) {
			expose(d, w);
		} else {
			w->is_exposing = false;
		}
	}
	d->exposed_clock = d->clock;
}

/* The window of a space: found, or the least used one made ready for it; NULL when there is no address space. */
static struct dbt_window *window_of(struct dbt_engine *d, uint64_t space)
{
	struct dbt_window *best = &d->windows[0];

	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		struct dbt_window *w = &d->windows[i];

		if (w->zero && w->space == space) {
			if (w->generation != d->generation) {
				verify(d, w);
			}
			dbt_window_unmap_stale(d, w);
			if (!w->is_exposing) {
				expose(d, w);
			}
			w->used = ++d->clock;
			return w;
		}
		if (w->used < best->used) {
			best = w;
		}
	}
	if (!best->zero) {
		best->zero = reserve();
	}
	if (!best->zero || !dbt_window_empty(d, best)) {
		return NULL;
	}
	best->space = space;
	best->cut_from = UINT64_MAX;
	best->cut_last = 0;
	best->ahead = AHEAD_MIN;
	best->is_exposing = true;
	best->generation = d->generation;
	best->used = ++d->clock;
	return best;
}

/*
 * Empty a context's table, of which most guests use little. Zero will do: it is the entry of a jump to address 0 only,
 * and that is looked up in one place.
 */
static void empty_jumps(struct dbt_context *c)
{
	for (uint32_t part = 0; part < DBT_JUMP_PARTS; part++) {
		if (c->filled & BIT(part)) {
			memset(&c->jumps[part * (EMIT_JUMPS / DBT_JUMP_PARTS)], 0,
			       EMIT_JUMPS / DBT_JUMP_PARTS * sizeof(*c->jumps));
		}
	}
	c->filled = 0;
	c->has_local = false;
	c->jumps[emit_jump_slot(0)].pc = EMIT_JUMP_EMPTY;
}

void dbt_context_enter(struct dbt_engine *d)
{
	uint32_t mode = d->front->mode(d->cpu);
	uint64_t space = d->front->space(d->cpu);
	uint64_t tables = d->front->tables ? d->front->tables(d->cpu) : 0;
	struct dbt_context *c = context_of(d, mode, space);

	c->used = ++d->clock;
	emit_returns_forget(d->em);
	if (c->generation != d->generation || c->code_generation != d->code_generation ||
	    (c->has_local && c->tables != tables)) {
		empty_jumps(c);
	}
	c->tables = tables;
	c->generation = d->generation;
	c->code_generation = d->code_generation;
	c->window = space == FRONT_SPACE_NONE ? NULL : window_of(d, space);
	d->context = c;
	d->env->window = c->window ? c->window->zero : d->empty_window;
	d->env->pages = dbt_soft_pages(c->window);
	d->env->jumps = c->jumps;
}

void dbt_translations_flush(struct dbt_engine *d)
{
	d->generation++;
	d->context = NULL;
}

/* Jumps that hold for one address space only go with any: nobody remembers which one's. */
static bool is_of(const struct dbt_context *c, uint64_t mask, uint64_t value)
{
	return (c->space & mask) == value || c->has_local;
}

void dbt_space_flush(struct dbt_engine *d, uint64_t mask, uint64_t value)
{
	if (mask == 0) {
		dbt_translations_flush(d);
		return;
	}
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		if ((d->windows[i].space & mask) == value) {
			d->windows[i].generation = 0; /* to be verified */
		}
	}
	for (size_t i = 0; i < DBT_CONTEXTS; i++) {
		if (is_of(&d->contexts[i], mask, value)) {
			d->contexts[i].generation = 0;
		}
	}
	d->context = NULL;
}

static uint32_t code_page_bit(uint64_t pc, unsigned int size)
{
	uint64_t key = (pc & ~(BIT(size) - 1)) | size;

	return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 40) % DBT_CODE_PAGES;
}

static bool is_shared(const struct dbt_context *c)
{
	return c->space & FRONT_SPACE_GLOBAL;
}

void dbt_jump_rely(struct dbt_engine *d, uint64_t pc, const struct front_page *page)
{
	unsigned int size;
	uint32_t bit;

	if (!page->leaf_bytes) {
		return;
	}
	size = (unsigned int)__builtin_ctzll(page->leaf_bytes);
	bit = code_page_bit(pc, size);
	d->code_pages[bit / 8] |= (uint8_t)BIT(bit % 8);
	d->code_sizes |= BIT(size);
	d->context->has_local |= is_shared(d->context) && !page->is_global;
}

/* Jumps to a page that is mapped anew have to be looked up again. */
static void forget_jumps(struct dbt_context *c, gva_t page)
{
	/* also those whose first instruction reaches into it */
	for (uint64_t pc = page - IR_GUEST_BYTES_MAX; pc != page + PAGE_BYTES; pc += 2) {
		struct emit_jump *j = &c->jumps[emit_jump_slot(pc)];

		if (j->pc - (page - IR_GUEST_BYTES_MAX) < PAGE_BYTES + IR_GUEST_BYTES_MAX) {
			j->pc = EMIT_JUMP_EMPTY;
		}
	}
}

/* There may be code in the page of that size: jumps to it are void. */
static void flush_code_page(struct dbt_engine *d, gva_t gva, unsigned int size, uint64_t mask,
			    uint64_t value)
{
	for (size_t i = 0; i < DBT_CONTEXTS; i++) {
		struct dbt_context *c = &d->contexts[i];

		if (!c->used || !is_of(c, mask, value)) {
			continue;
		}
		if (BIT(size) == PAGE_BYTES) {
			forget_jumps(c, gva & ~(PAGE_BYTES - 1));
		} else {
			c->generation = 0;
			d->context = NULL;
		}
	}
	emit_returns_forget(d->em);
}

void dbt_page_flush(struct dbt_engine *d, gva_t gva, uint64_t mask, uint64_t value)
{
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		struct dbt_window *w = &d->windows[i];

		if (w->zero && (w->space & mask) == value) {
			unmap_page(d, w, gva);
		}
	}
	for (uint64_t sizes = d->code_sizes; sizes; sizes &= sizes - 1) {
		unsigned int size = (unsigned int)__builtin_ctzll(sizes);
		uint32_t bit = code_page_bit(gva, size);

		if (d->code_pages[bit / 8] & BIT(bit % 8)) {
			flush_code_page(d, gva, size, mask, value);
		}
	}
}

/* Map what of a large guest page, around an address, lies in one region of RAM. */
static bool map_large(struct dbt_engine *d, struct dbt_window *w, const struct front_page *page,
		      gva_t gva, const struct mem_region *r)
{
	uint64_t bytes = piece_bytes(page);
	gpa_t gpa = page->gpa & ~(bytes - 1);
	gpa_t from = gpa < r->base_gpa ? r->base_gpa : gpa;
	gpa_t end = gpa + bytes > r->base_gpa + r->size_bytes ? r->base_gpa + r->size_bytes
							      : gpa + bytes;
	uint32_t perm = page->perm & r->perm;
	struct dbt_piece p = {
		.key = (gva & ~(bytes - 1)) | (unsigned int)__builtin_ctzll(bytes),
		.what = gpa | page->perm,
	};

	if (host_map_space_view(w->zero + (int64_t)(gva - (page->gpa - from)), end - from, r->fd,
				r->fd_off + (from - r->base_gpa), perm & MEM_R, perm & MEM_W,
				false) < 0) {
		return false;
	}
	dbt_piece_add(d, w, &p);
	if (perm & MEM_W) {
		mem_exposed(d->cfg.mem, gpa, bytes);
	}
	return true;
}

/*
 * Whether a page that nobody has asked for yet goes on, in guest physical memory and in the same region, where a page that
 * may be mapped is, and a load would be served by it in just the same way. Tables are walked as for a load: what a store
 * may do is in the permissions then, and those are the same.
 */
static bool is_neighbour(struct dbt_engine *d, const struct dbt_window *w,
			 const struct front_page *page, const struct mem_region *r,
			 int64_t distance, gva_t gva)
{
	gpa_t gpa = page->gpa + (uint64_t)distance;
	struct cpu_fault unread;
	struct front_page other;

	return range_within(gpa, PAGE_BYTES, r->base_gpa, r->size_bytes) &&
	       !dbt_piece_find(w, gva | PAGE_LOG2) &&
	       d->front->translate_address(d->cpu, gva, MEM_R, &other, &unread) &&
	       other.gpa == gpa && other.bytes == PAGE_BYTES && other.perm == page->perm &&
	       may_hold(w, &other);
}

/* How far pages like one go on, up to the limit in the table of its entry. */
static uint32_t count_neighbours(struct dbt_engine *d, const struct dbt_window *w,
				 const struct front_page *page, gva_t gva,
				 const struct mem_region *r, bool is_up)
{
	uint64_t at = gva / PAGE_BYTES % w->ahead;
	uint64_t max = is_up ? w->ahead - 1 - at : at;
	uint32_t n = 0;

	while (n < max) {
		int64_t distance = (int64_t)PAGE_BYTES * (n + 1);

		distance = is_up ? distance : -distance;
		if (!is_neighbour(d, w, page, r, distance, gva + (uint64_t)distance)) {
			break;
		}
		n++;
	}
	return n;
}

/*
 * Map a page, and with it those around it that the guest's tables already allow in the same way. Code that may be written
 * stays alone: fences would have to look at all that was mapped with it.
 */
static bool map_pages(struct dbt_engine *d, struct dbt_window *w, struct front_page *page,
		      gva_t gva, const struct mem_region *r)
{
	uint32_t perm = page->perm & r->perm;
	bool is_alone = (page->perm & (MEM_W | MEM_X)) == (MEM_W | MEM_X);
	uint32_t low;
	uint32_t n;

	gva &= ~(PAGE_BYTES - 1);
	page->gpa &= ~(PAGE_BYTES - 1);
	low = is_alone ? 0 : count_neighbours(d, w, page, gva, r, false);
	n = low + 1 + (is_alone ? 0 : count_neighbours(d, w, page, gva, r, true));
	if (n == w->ahead && n < AHEAD_MAX) {
		w->ahead *= 2;
	}
	/* their A is set, so they are in RAM: faulting them in together costs a fifth of doing it one by one */
	if (!dbt_piece_room(w, n) ||
	    host_map_space_view(w->zero + (int64_t)(gva - low * PAGE_BYTES), n * PAGE_BYTES, r->fd,
				r->fd_off + (page->gpa - low * PAGE_BYTES - r->base_gpa),
				perm & MEM_R, perm & MEM_W, true) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = ((uint64_t)i - low) * PAGE_BYTES;
		struct dbt_piece p = { .key = (gva + at) | PAGE_LOG2,
				       .what = (page->gpa + at) | page->perm };

		p.what |= i == low ? 0 : DBT_PIECE_AHEAD;
		dbt_piece_add(d, w, &p);
		if (perm & MEM_W) {
			mem_exposed(d->cfg.mem, page->gpa + at, PAGE_BYTES);
		}
	}
	return true;
}

/* Unmap what was not used longest, if there may be too many mappings; the current window last. */
static bool make_room(struct dbt_engine *d, struct dbt_window *current)
{
	while (!dbt_pieces_fit(d, AHEAD_MAX)) {
		struct dbt_window *oldest = current;

		for (size_t i = 0; i < DBT_WINDOWS; i++) {
			struct dbt_window *w = &d->windows[i];

			if (w->n_maps && w->used < oldest->used) {
				oldest = w;
			}
		}
		if (!oldest->n_maps || !dbt_window_empty(d, oldest)) {
			return false;
		}
	}
	return dbt_piece_room(current, 1);
}

/* A page like the kernel's for patching code: mapping it each time costs more than an access by a helper. */
bool dbt_window_is_refilled(struct dbt_engine *d, gva_t gva)
{
	gva_t page = gva & ~(PAGE_BYTES - 1);
	const struct dbt_refill *r = refill_of(d, page);

	return r->page == page && r->n >= DBT_REFILLS_MAX;
}

/* A page of which no piece is all: a fence of one address in it is about all of them. */
static void note_cut(struct dbt_window *w, gva_t gva, const struct front_page *page)
{
	gva_t from = gva & ~(page->leaf_bytes - 1);
	gva_t last = gva | (page->leaf_bytes - 1);

	if (page->leaf_bytes > piece_bytes(page)) {
		w->cut_from = from < w->cut_from ? from : w->cut_from;
		w->cut_last = last > w->cut_last ? last : w->cut_last;
	}
}

const struct mem_region *dbt_window_find(struct dbt_engine *d, gva_t gva, uint32_t access,
					 struct front_page *ret)
{
	struct dbt_window *w = d->context->window;
	int64_t at = (int64_t)gva;
	const struct mem_region *r;
	struct cpu_fault unread;

	if (!w || at < -(int64_t)DBT_WINDOW_HALF || at >= (int64_t)DBT_WINDOW_HALF ||
	    !d->front->translate_address(d->cpu, gva, access, ret, &unread) ||
	    ret->bytes < PAGE_BYTES || !may_hold(w, ret)) {
		return NULL;
	}
	r = dbt_ram_region(d, ret->gpa);
	if (!r || (r->perm & access) != access) {
		return NULL;
	}
	if (ret->bytes == PAGE_BYTES) {
		dbt_ram_used(d, r, ret->gpa);
	}
	note_cut(w, gva, ret);
	return r;
}

bool dbt_window_fill(struct dbt_engine *d, gva_t gva, uint32_t access)
{
	struct dbt_window *w = d->context->window;
	struct front_page page;
	const struct mem_region *r = dbt_window_find(d, gva, access, &page);

	if (!r || !r->has_file || !(page.perm & r->perm & MEM_R)) {
		return false;
	}
	if (dbt_window_is_refilled(d, gva) && dbt_soft_make(d, d->front->get_pc(d->cpu))) {
		return false;
	}
	if (!make_room(d, w)) {
		return false;
	}
	return page.bytes == PAGE_BYTES ? map_pages(d, w, &page, gva, r)
					: map_large(d, w, &page, gva, r);
}
