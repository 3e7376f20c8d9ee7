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
#include <sys/mman.h>

#include "base/bug.h"

#define WINDOW_BYTES (2 * DBT_WINDOW_HALF + 2 * DBT_GUARD_BYTES)
/* As much of a large page as one fault maps. */
#define PIECE_BYTES_MAX (1024 * BIT(20))
#define VERIFY_AT_ONCE	64

/* As much of a guest page as is mapped at once. */
static uint64_t piece_bytes(const struct front_page *page)
{
	return page->bytes < PIECE_BYTES_MAX ? page->bytes : PIECE_BYTES_MAX;
}

static uint8_t *reserve(void)
{
	void *p = mmap(NULL, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);

	return p == MAP_FAILED ? NULL : (uint8_t *)p + DBT_GUARD_BYTES + DBT_WINDOW_HALF;
}

static uint8_t *start_of(uint8_t *zero)
{
	return zero - DBT_WINDOW_HALF - DBT_GUARD_BYTES;
}

/* Unmap all that is in it, and keep the address space. */
static bool empty(struct dbt_window *w)
{
	if (w->zero && w->n_pieces &&
	    mmap(start_of(w->zero), WINDOW_BYTES, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
		return false;
	}
	if (w->n_pieces) {
		memset(w->pieces, 0, sizeof(w->pieces));
	}
	w->n_pieces = 0;
	w->sizes = 0;
	return true;
}

static uint32_t piece_slot(uint64_t key)
{
	return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 40) & (DBT_WINDOW_SLOTS - 1);
}

static void piece_add(struct dbt_window *w, const struct dbt_piece *p)
{
	uint32_t slot = piece_slot(p->key);

	while (w->pieces[slot].key && w->pieces[slot].key != p->key) {
		slot = (slot + 1) & (DBT_WINDOW_SLOTS - 1);
	}
	w->n_pieces += w->pieces[slot].key == 0;
	w->pieces[slot] = *p;
	w->sizes |= BIT(p->key % PAGE_BYTES);
}

/* Take a key out, and move up those behind it that would not be found any more. */
static bool piece_remove(struct dbt_window *w, uint64_t key)
{
	uint32_t slot = piece_slot(key);
	uint32_t next;

	while (w->pieces[slot].key != key) {
		if (!w->pieces[slot].key) {
			return false;
		}
		slot = (slot + 1) & (DBT_WINDOW_SLOTS - 1);
	}
	for (next = slot;;) {
		next = (next + 1) & (DBT_WINDOW_SLOTS - 1);
		if (!w->pieces[next].key) {
			break;
		}
		if (((next - piece_slot(w->pieces[next].key)) & (DBT_WINDOW_SLOTS - 1)) >=
		    ((next - slot) & (DBT_WINDOW_SLOTS - 1))) {
			w->pieces[slot] = w->pieces[next];
			slot = next;
		}
	}
	w->pieces[slot].key = 0;
	w->n_pieces--;
	return true;
}

static void unmap_range(const struct dbt_window *w, gva_t gva, uint64_t bytes)
{
	/* It fails only when the kernel is out of mappings, which a window never comes near. */
	BUG_ON(mmap(w->zero + (int64_t)gva, bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED);
}

static void unmap_page(struct dbt_window *w, gva_t gva)
{
	for (uint64_t sizes = w->sizes; sizes; sizes &= sizes - 1) {
		unsigned int size = (unsigned int)__builtin_ctzll(sizes);
		gva_t from = gva & ~(BIT(size) - 1);

		if (piece_remove(w, from | size)) {
			unmap_range(w, from, BIT(size));
		}
	}
}

int dbt_window_init(struct dbt_engine *d, struct errmsg *e)
{
	d->generation = 1;
	d->contexts = calloc(DBT_CONTEXTS, sizeof(*d->contexts));
	d->empty_window = reserve();
	if (!d->contexts || !d->empty_window) {
		return errmsg_set(e, -ENOMEM, "no address space for guest memory");
	}
	return 0;
}

void dbt_window_done(struct dbt_engine *d)
{
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		if (d->windows[i].zero) {
			munmap(start_of(d->windows[i].zero), WINDOW_BYTES);
		}
	}
	if (d->empty_window) {
		munmap(start_of(d->empty_window), WINDOW_BYTES);
	}
	free(d->contexts);
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
	       p->what == ((page.gpa & ~(PAGE_BYTES - 1)) | page.perm);
}

/*
 * Translations are void, which mostly means that one of them has changed: those that still hold stay mapped. A look
 * costs a hundredth of mapping a page anew.
 */
static void verify(struct dbt_engine *d, struct dbt_window *w)
{
	struct dbt_piece stale[VERIFY_AT_ONCE];
	size_t n;

	do {
		n = 0;
		for (uint32_t i = 0; i < DBT_WINDOW_SLOTS && n < VERIFY_AT_ONCE; i++) {
			if (w->pieces[i].key && !is_true(d, w, &w->pieces[i])) {
				stale[n++] = w->pieces[i];
			}
		}
		for (size_t i = 0; i < n; i++) {
			piece_remove(w, stale[i].key);
			unmap_range(w, stale[i].key & ~(PAGE_BYTES - 1),
				    BIT(stale[i].key % PAGE_BYTES));
		}
	} while (n == VERIFY_AT_ONCE);
	w->generation = d->generation;
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
	if (!best->zero || !empty(best)) {
		return NULL;
	}
	best->space = space;
	best->generation = d->generation;
	best->used = ++d->clock;
	return best;
}

void dbt_context_enter(struct dbt_engine *d)
{
	uint32_t mode = d->front->mode(d->cpu);
	uint64_t space = d->front->space(d->cpu);
	struct dbt_context *c = context_of(d, mode, space);

	c->used = ++d->clock;
	emit_returns_forget(d->em);
	if (c->generation != d->generation || c->code_generation != d->code_generation) {
		for (size_t i = 0; i < EMIT_JUMPS; i++) {
			c->jumps[i].pc = EMIT_JUMP_EMPTY;
		}
	}
	c->generation = d->generation;
	c->code_generation = d->code_generation;
	c->window = space == FRONT_SPACE_NONE ? NULL : window_of(d, space);
	d->context = c;
	d->env->window = c->window ? c->window->zero : d->empty_window;
	d->env->jumps = c->jumps;
}

void dbt_translations_flush(struct dbt_engine *d)
{
	d->generation++;
	d->context = NULL;
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
		if ((d->contexts[i].space & mask) == value) {
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

void dbt_code_page_add(struct dbt_engine *d, uint64_t pc, uint64_t page_bytes)
{
	unsigned int size = (unsigned int)__builtin_ctzll(page_bytes);
	uint32_t bit = code_page_bit(pc, size);

	d->code_pages[bit / 8] |= (uint8_t)BIT(bit % 8);
	d->code_sizes |= BIT(size);
}

/* Jumps to a page that is mapped anew have to be looked up again. */
static void forget_jumps(struct dbt_context *c, gva_t page)
{
	for (uint64_t pc = page; pc < page + PAGE_BYTES; pc += 2) {
		struct emit_jump *j = &c->jumps[emit_jump_slot(pc)];

		if ((j->pc & ~(PAGE_BYTES - 1)) == page) {
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

		if (!c->used || (c->space & mask) != value) {
			continue;
		}
		if (BIT(size) <= PAGE_BYTES) {
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
			unmap_page(w, gva);
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

uint8_t *dbt_ram(void *engine, gpa_t gpa, uint8_t bytes, uint32_t access)
{
	struct dbt_engine *d = engine;

	for (size_t i = 0; i < d->n_regions; i++) {
		const struct mem_region *r = &d->regions[i];

		if (range_within(gpa, bytes, r->base_gpa, r->size_bytes)) {
			return (r->perm & access) == access ? r->hva + (gpa - r->base_gpa) : NULL;
		}
	}
	return NULL;
}

static const struct mem_region *region_of(const struct dbt_engine *d, gpa_t gpa)
{
	for (size_t i = 0; i < d->n_regions; i++) {
		if (range_within(gpa, 1, d->regions[i].base_gpa, d->regions[i].size_bytes)) {
			return &d->regions[i];
		}
	}
	return NULL;
}

/* Map what of a guest page, around an address, lies in one region of RAM. */
static bool map_page(struct dbt_window *w, const struct front_page *page, gva_t gva,
		     const struct mem_region *r)
{
	uint64_t bytes = piece_bytes(page);
	gpa_t gpa = page->gpa & ~(bytes - 1);
	gpa_t from = gpa < r->base_gpa ? r->base_gpa : gpa;
	gpa_t end = gpa + bytes > r->base_gpa + r->size_bytes ? r->base_gpa + r->size_bytes
							      : gpa + bytes;
	uint32_t perm = page->perm & r->perm;
	int prot = (perm & MEM_R ? PROT_READ : 0) | (perm & MEM_W ? PROT_WRITE : 0);
	struct dbt_piece p = {
		.key = (gva & ~(bytes - 1)) | (unsigned int)__builtin_ctzll(bytes),
		.what = gpa | page->perm,
	};

	if (mmap(w->zero + (int64_t)(gva - (page->gpa - from)), end - from, prot,
		 MAP_SHARED | MAP_FIXED, r->fd,
		 (off_t)(r->fd_off + (from - r->base_gpa))) == MAP_FAILED) {
		return false;
	}
	piece_add(w, &p);
	return true;
}

bool dbt_window_fill(struct dbt_engine *d, gva_t gva, uint32_t access)
{
	struct dbt_window *w = d->context->window;
	int64_t at = (int64_t)gva;
	const struct mem_region *r;
	struct cpu_fault unread;
	struct front_page page;

	if (!w || at < -(int64_t)DBT_WINDOW_HALF || at >= (int64_t)DBT_WINDOW_HALF ||
	    !d->front->translate_address(d->cpu, gva, access, &page, &unread) ||
	    page.bytes < PAGE_BYTES || !may_hold(w, &page)) {
		return false;
	}
	r = region_of(d, page.gpa);
	if (!r || !r->has_file || (r->perm & access) != access || !(page.perm & r->perm & MEM_R)) {
		return false;
	}
	if (w->n_pieces >= DBT_WINDOW_PIECES && !empty(w)) {
		return false;
	}
	return map_page(w, &page, gva, r);
}
