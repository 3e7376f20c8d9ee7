/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces: Sv39 page tables, three levels of 512 entries. Source: RISC-V privileged specification, "Sv39".
 *
 *   va  [ 38..30 | 29..21 | 20..12 | 11..0 ]
 *         level 2  level 1  level 0  byte in the page
 *
 * Lower half: the process. Upper half: all of physical memory (riscv.h), the same in every space.
 *
 * Harts remember translations, each by itself, under the number of the address space (ASID). A process runs on one hart at a
 * time and its tables are changed by itself only, but another hart may remember it from before. So each space
 * has a version, and a hart that takes it up in another version than it knew forgets what it remembers of it.
 */
#include "kernel.h"

enum { ENTRIES = 512, USER_ENTRIES = 256, LEVELS = 3 };

static uint64_t *kernel_root; /* with nothing in the lower half */
static uint64_t last_version;
static bool has_asids;

static uint64_t satp_of(const pte_t *root, uint64_t asid)
{
	return SATP_SV39 | asid << SATP_ASID_SHIFT | pa_of(root) >> PAGE_SHIFT;
}

void space_init(void)
{
	kernel_root = page_new();
	memcpy(kernel_root + USER_ENTRIES, root_pages, sizeof(root_pages));
	csr_write(satp, satp_of(kernel_root, PROCESSES_MAX));
	has_asids = csr_read(satp) ==
		    satp_of(kernel_root, PROCESSES_MAX); /* bits that are not there stay 0 */
	space_enter(NULL);
}

void space_enter(const struct space *s)
{
	struct hart *h = this_hart();

	csr_write(satp, s ? satp_of(s->root, s->asid) : satp_of(kernel_root, 0));
	if (!has_asids) {
		tlb_flush();
	}
	if (s && h->versions[s->asid] != s->version) {
		tlb_flush_space(s->asid);
		instructions_flush(); /* there may be another program in the pages than this hart knew */
		h->versions[s->asid] = s->version;
	}
}

/* The running process' tables were changed. */
static void changed(struct space *s)
{
	s->version = ++last_version;
	this_hart()->versions[s->asid] = s->version;
}

static void *table_of(pte_t pte)
{
	return physical(pte >> PTE_SHIFT << PAGE_SHIFT);
}

static pte_t pte_make(const void *page, unsigned int flags)
{
	return pa_of(page) >> PAGE_SHIFT << PTE_SHIFT | flags | PTE_VALID;
}

/* The entry of level 0 for va, with the tables above it. NULL: there are none, or, with is_new, no memory for them. */
static pte_t *walk(pte_t *table, uint64_t va, bool is_new)
{
	for (int level = LEVELS - 1; level > 0; level--) {
		pte_t *pte = &table[va >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1)];

		if (!(*pte & PTE_VALID)) {
			void *page = is_new ? page_new() : NULL;

			if (!page) {
				return NULL;
			}
			*pte = pte_make(page, 0);
		}
		table = table_of(*pte);
	}
	return &table[va >> PAGE_SHIFT & (ENTRIES - 1)];
}

int space_new(struct space *ret, unsigned int asid)
{
	pte_t *root = page_new();

	if (!root) {
		return -E_NOMEM;
	}
	memcpy(root + USER_ENTRIES, root_pages, sizeof(root_pages));
	*ret = (struct space){ .root = root, .version = ++last_version, .asid = asid };
	return 0;
}

/* Give back a table of this level and all that hangs below it. */
static void free_table(pte_t *table, int level, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!(table[i] & PTE_VALID)) {
			continue;
		}
		if (level > 0) {
			free_table(table_of(table[i]), level - 1, ENTRIES);
		} else {
			page_put(table_of(table[i]));
		}
	}
	page_put(table);
}

void space_free(struct space *s)
{
	if (s->root) {
		free_table(s->root, LEVELS - 1, USER_ENTRIES);
	}
	*s = (struct space){ .root = NULL };
}

int space_map(struct space *s, uint64_t va, unsigned int flags, uint8_t **ret_page)
{
	pte_t *pte = walk(s->root, va, true);
	uint8_t *page;

	if (!pte) {
		return -E_NOMEM;
	}
	if (*pte & PTE_VALID) {
		return -E_INVAL;
	}
	page = page_new();
	if (!page) {
		return -E_NOMEM;
	}
	/* Accessed and dirty are set at once: whether hardware or a fault sets them differs from machine to machine. */
	*pte = pte_make(page, flags | PTE_USER | PTE_ACCESSED | PTE_DIRTY);
	s->pages++;
	*ret_page = page;
	return 0;
}

/* One table of a fork, and those below it. */
static int copy_table(struct space *to, pte_t *table, int level, uint64_t va, unsigned int n)
{
	for (uint64_t i = 0; i < n; i++, va += PAGE_BYTES << (9 * level)) {
		pte_t *pte;
		int r;

		if (!(table[i] & PTE_VALID)) {
			continue;
		}
		if (level > 0) {
			r = copy_table(to, table_of(table[i]), level - 1, va, ENTRIES);
			if (r < 0) {
				return r;
			}
			continue;
		}
		pte = walk(to->root, va, true);
		if (!pte) {
			return -E_NOMEM;
		}
		if (table[i] & PTE_WRITE) {
			table[i] = (table[i] & ~(pte_t)PTE_WRITE) | PTE_COPY;
		}
		page_get(table_of(table[i]));
		*pte = table[i];
		to->pages++;
	}
	return 0;
}

int space_copy(struct space *from, struct space *ret, unsigned int asid)
{
	struct space to;
	int r;

	r = space_new(&to, asid);
	if (r < 0) {
		return r;
	}
	to.heap_start = from->heap_start;
	to.heap_end = from->heap_end;
	r = copy_table(&to, from->root, LEVELS - 1, 0, USER_ENTRIES);
	tlb_flush_space(from->asid); /* what could be written to no longer can */
	changed(from);
	if (r < 0) {
		space_free(&to);
		return r;
	}
	*ret = to;
	return 0;
}

int space_grow(struct space *s, int64_t bytes)
{
	uint64_t end = s->heap_end + (uint64_t)bytes;
	uint64_t va = (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	bool is_more = bytes > 0;

	/* A quarter of the space for the heap; the sum can't wrap around unseen then. */
	if (is_more ? end < s->heap_end || end > USER_END / 4
		    : end > s->heap_end || end < s->heap_start) {
		return -E_NOMEM;
	}
	for (; !is_more && va < s->heap_end; va += PAGE_BYTES) {
		pte_t *pte = walk(s->root, va, false);

		if (pte && (*pte & PTE_VALID)) {
			page_put(table_of(*pte));
			*pte = 0;
			s->pages--;
		}
	}
	if (!is_more) {
		tlb_flush_space(s->asid);
		changed(s);
	}
	s->heap_end = end;
	return 0;
}

static bool may_appear(const struct space *s, uint64_t va)
{
	return (va >= s->heap_start && va < s->heap_end) ||
	       (va >= USER_END - USER_STACK_MAX && va < USER_END);
}

/* The first write to a page that was shared: a copy, or, if nobody else has it any more, the page itself. */
static int unshare(pte_t *pte)
{
	void *old = table_of(*pte);
	unsigned int flags = (*pte & PTE_FLAGS & ~(unsigned int)PTE_COPY) | PTE_WRITE;
	void *page = old;

	if (page_users(old) > 1) {
		page = page_new();
		if (!page) {
			return -E_NOMEM;
		}
		memcpy(page, old, PAGE_BYTES);
		page_put(old);
	}
	*pte = pte_make(page, flags);
	return 0;
}

int space_fault(struct space *s, uint64_t va, enum access access)
{
	uint8_t *page;
	pte_t *pte;
	int r;

	if (va >= USER_END) {
		return -E_FAULT;
	}
	pte = walk(s->root, va, false);
	if (pte && (*pte & PTE_VALID)) {
		if (access != ACCESS_WRITE || !(*pte & PTE_COPY)) {
			return *pte & access ? 0 : -E_FAULT;
		}
		r = unshare(pte);
		changed(s);
	} else if (access != ACCESS_FETCH && may_appear(s, va)) {
		r = space_map(s, va, PTE_READ | PTE_WRITE, &page);
	} else {
		return -E_FAULT;
	}
	tlb_flush_page(s->asid, va);
	return r;
}

int space_reach(struct space *s, uint64_t va, enum access access, uint8_t **ret)
{
	int r;

	r = space_fault(s, va, access); /* as if the program did it itself */
	if (r < 0) {
		return r;
	}
	*ret = (uint8_t *)table_of(*walk(s->root, va, false)) + va % PAGE_BYTES;
	return 0;
}

/* Copy page by page; the pages need not lie together. */
static int transfer(struct space *s, uint64_t va, uint8_t *ours, size_t n, enum access access)
{
	while (n > 0) {
		size_t bytes = PAGE_BYTES - va % PAGE_BYTES;
		uint8_t *theirs;
		int r;

		r = space_reach(s, va, access, &theirs);
		if (r < 0) {
			return r;
		}
		bytes = bytes < n ? bytes : n;
		if (access == ACCESS_WRITE) {
			memcpy(theirs, ours, bytes);
		} else {
			memcpy(ours, theirs, bytes);
		}
		va += bytes;
		ours += bytes;
		n -= bytes;
	}
	return 0;
}

int space_read(struct space *s, void *to, uint64_t va, size_t n)
{
	return transfer(s, va, to, n, ACCESS_READ);
}

int space_write(struct space *s, uint64_t va, const void *from, size_t n)
{
	return transfer(s, va, (uint8_t *)(uintptr_t)from, n, ACCESS_WRITE);
}

int space_read_text(struct space *s, char *to, uint64_t va, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int r;

		r = space_read(s, to + i, va + i, 1);
		if (r < 0) {
			return r;
		}
		if (!to[i]) {
			return (int)i;
		}
	}
	return -E_2BIG;
}
