/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces: which carrier holds which, and which pages are mapped there. What is mapped is a cache of the guest's
 * page tables: filled when the interpreter had to do an access, checked page by page, not emptied, when translations have
 * become void.
 *
 * A view is all that decides what an address leads to: page tables, privilege, SUM, MXR, and whether floating-point
 * instructions trap. A few views are kept, each in a carrier of its own, so that going from kernel to user and back
 * changes no mapping.
 */
#include "engine/trap/trap_priv.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define HOW_DATA_SHIFT 2
#define HOW_SUM	       BIT(4)
#define HOW_MXR	       BIT(5)
#define HOW_FP	       BIT(6)

#define MMAP_MIN_VA 65536u /* Linux's default; what is lower is interpreted */

const struct mem_region *trap_region(const struct trap_engine *t, gpa_t gpa)
{
	for (size_t i = 0; i < t->n_regions; i++) {
		if (range_within(gpa, PAGE_BYTES, t->regions[i].base_gpa,
				 t->regions[i].size_bytes)) {
			return &t->regions[i];
		}
	}
	return NULL;
}

bool trap_space_has_fp(const struct trap_engine *t)
{
	return (t->hart.s.mstatus & RV_MSTATUS_FS) == RV_MSTATUS_FS;
}

static struct trap_view view_of(const struct trap_engine *t)
{
	const struct rv_state *s = &t->hart.s;
	uint32_t data = rv_data_priv(&t->hart);
	struct trap_view v = { .how = s->priv | data << HOW_DATA_SHIFT };

	v.how |= trap_space_has_fp(t) ? HOW_FP : 0;
	if (s->priv == RV_PRIV_M && data == RV_PRIV_M) {
		return v;
	}
	v.satp = s->satp;
	v.how |= s->mstatus & RV_MSTATUS_SUM ? HOW_SUM : 0;
	v.how |= s->mstatus & RV_MSTATUS_MXR ? HOW_MXR : 0;
	return v;
}

static bool is_view(const struct trap_view *a, const struct trap_view *b)
{
	return a->satp == b->satp && a->how == b->how;
}

/* ---- pages of a carrier ---- */

static size_t slot_of(gva_t gva)
{
	return (size_t)((gva / PAGE_BYTES * 0x9e3779b97f4a7c15ULL) >> 40) % TRAP_PAGES;
}

static struct trap_page *find_page(struct trap_carrier *c, gva_t gva)
{
	for (size_t i = slot_of(gva);; i = (i + 1) % TRAP_PAGES) {
		if (c->pages[i].key == (gva | 1)) {
			return &c->pages[i];
		}
		if (c->pages[i].key == 0) {
			return NULL;
		}
	}
}

static void drop_page(struct trap_engine *t, struct trap_carrier *c, struct trap_page *p)
{
	struct trap_call call = { .nr = SYS_munmap, .arg = { p->key & ~1ULL, PAGE_BYTES } };

	p->key = TRAP_PAGE_GONE;
	trap_carrier_call(t, c, &call); /* one that is lost has nothing mapped */
}

static void drop_all(struct trap_engine *t, struct trap_carrier *c)
{
	for (size_t i = 0; i < TRAP_PAGES && c->n_pages; i++) {
		if (c->pages[i].key & 1) {
			drop_page(t, c, &c->pages[i]);
		}
		c->pages[i].key = 0;
	}
	c->n_pages = 0;
}

static struct trap_page *add_page(struct trap_engine *t, struct trap_carrier *c, gva_t gva)
{
	size_t i;

	if (c->n_pages >= TRAP_PAGES_USED) {
		drop_all(t, c);
	}
	for (i = slot_of(gva); c->pages[i].key; i = (i + 1) % TRAP_PAGES) {
	}
	c->n_pages++;
	c->pages[i] = (struct trap_page){ .key = gva | 1 };
	return &c->pages[i];
}

/* Whether the page tables still grant what is mapped. */
static bool is_right(struct trap_engine *t, const struct trap_page *p)
{
	struct rv_translation tr;
	uint64_t cause;

	for (uint32_t access = MEM_R; access <= MEM_X; access <<= 1) {
		uint32_t priv = access == MEM_X ? t->hart.s.priv : rv_data_priv(&t->hart);

		if (!(p->perm & access)) {
			continue;
		}
		if (!rv_translate(&t->hart, p->key & ~1ULL, priv, access, &tr, &cause) ||
		    tr.gpa != p->gpa || tr.bytes < PAGE_BYTES) {
			return false;
		}
	}
	return true;
}

static void check_all(struct trap_engine *t, struct trap_carrier *c)
{
	for (size_t i = 0; i < TRAP_PAGES; i++) {
		if ((c->pages[i].key & 1) && !is_right(t, &c->pages[i])) {
			drop_page(t, c, &c->pages[i]);
		}
	}
	c->generation = t->generation;
}

/* ---- carriers ---- */

/* A carrier for a view that has none: a free one, else that which has not been used longest. */
static struct trap_carrier *take_carrier(struct trap_engine *t, const struct trap_view *v)
{
	struct trap_carrier *c = &t->carriers[0];

	for (size_t i = 1; i < TRAP_CARRIERS; i++) {
		if (t->carriers[i].used < c->used) {
			c = &t->carriers[i];
		}
	}
	if (c->pid) {
		drop_all(t, c);
	} else {
		trap_carrier_done(c);
		if (trap_carrier_init(t, c, &t->trouble) < 0) {
			return NULL;
		}
	}
	c->view = *v;
	c->generation = t->generation;
	return c;
}

struct trap_carrier *trap_space_enter(struct trap_engine *t)
{
	struct trap_view v = view_of(t);
	struct trap_carrier *c = t->current;

	if (c && c->pid && c->generation == t->generation && is_view(&c->view, &v)) {
		return c;
	}
	c = NULL;
	for (size_t i = 0; i < TRAP_CARRIERS; i++) {
		if (t->carriers[i].pid && is_view(&t->carriers[i].view, &v)) {
			c = &t->carriers[i];
		}
	}
	c = c ? c : take_carrier(t, &v);
	t->current = c;
	if (c) {
		c->used = ++t->clock;
		if (c->generation != t->generation) {
			check_all(t, c);
		}
	}
	return c;
}

void trap_space_reset(struct trap_engine *t)
{
	for (size_t i = 0; i < TRAP_CARRIERS; i++) {
		trap_carrier_done(&t->carriers[i]);
	}
	t->current = NULL;
}

/* ---- filling ---- */

static bool can_map(const struct trap_engine *t, gva_t gva)
{
	return gva >= MMAP_MIN_VA && gva < TRAP_VA_END &&
	       !range_overlaps(gva, PAGE_BYTES, t->stub_va, PAGE_BYTES + sizeof(struct trap_area));
}

static void map_page(struct trap_engine *t, gva_t gva, gpa_t gpa, uint32_t perm, int fd,
		     uint64_t fd_off)
{
	struct trap_carrier *c = t->current;
	struct trap_page *p = find_page(c, gva);
	uint64_t prot = (perm & MEM_R ? PROT_READ : 0) | (perm & MEM_W ? PROT_WRITE : 0) |
			(perm & MEM_X ? PROT_EXEC : 0);
	struct trap_call call = {
		.nr = SYS_mmap,
		.arg = { gva, PAGE_BYTES, prot, MAP_SHARED | MAP_FIXED, (uint64_t)fd, fd_off },
	};

	p = p ? p : add_page(t, c, gva);
	p->gpa = gpa;
	p->perm = perm;
	t->counts.fills++;
	trap_carrier_call(t, c, &call);
}

void trap_space_fill(struct trap_engine *t, gva_t gva, const struct rv_translation *tr,
		     uint32_t access)
{
	gva_t page = align_down(gva, PAGE_BYTES);
	gpa_t gpa = align_down(tr->gpa, PAGE_BYTES);
	const struct mem_region *r = trap_region(t, gpa);
	uint32_t perm = tr->perm & (MEM_R | MEM_W);
	struct trap_page *p;

	if (!can_map(t, page) || !r || !r->has_file || tr->bytes < PAGE_BYTES ||
	    trap_space_enter(t) == NULL) {
		return;
	}
	perm &= r->perm & (access == MEM_W ? MEM_R | MEM_W : MEM_R);
	p = find_page(t->current, page);
	if (!(perm & access) || (p && p->gpa == gpa && (p->perm & (access | MEM_X)))) {
		return; /* it can't be, it is, or it is a hidden page, which stays */
	}
	map_page(t, page, gpa, perm, r->fd, r->fd_off + (gpa - r->base_gpa));
}

bool trap_space_can_execute(struct trap_engine *t, gva_t pc)
{
	gva_t page = align_down(pc, PAGE_BYTES);
	const struct trap_page *p = find_page(t->current, page);
	struct trap_exec x;
	struct rv_translation tr;
	uint64_t cause;
	bool is_hidden;

	if (p && (p->perm & MEM_X)) {
		return true;
	}
	if (!can_map(t, page) ||
	    !rv_translate(&t->hart, page, t->hart.s.priv, MEM_X, &tr, &cause) ||
	    tr.bytes < PAGE_BYTES || !trap_code_execute(t, tr.gpa, !trap_space_has_fp(t), &x)) {
		return false;
	}
	is_hidden = x.is_hidden || !(tr.perm & MEM_R) || rv_data_priv(&t->hart) != t->hart.s.priv;
	if (is_hidden && !trap_code_may_hide(x.is_hidden)) {
		return false;
	}
	map_page(t, page, tr.gpa, is_hidden ? MEM_X : MEM_X | MEM_R, x.fd, x.fd_off);
	return true;
}

/* ---- dropping ---- */

static void drop_in(struct trap_engine *t, struct trap_carrier *c, gpa_t gpa, uint32_t perm)
{
	for (size_t i = 0; i < TRAP_PAGES && c->n_pages; i++) {
		struct trap_page *p = &c->pages[i];

		if ((p->key & 1) && p->gpa == gpa && (p->perm & perm)) {
			drop_page(t, c, p);
		}
	}
}

void trap_space_drop(struct trap_engine *t, gpa_t gpa, uint32_t perm)
{
	for (struct trap_engine *other = trap_engines; other; other = other->next) {
		for (size_t i = 0; i < TRAP_CARRIERS && other->cfg.mem == t->cfg.mem; i++) {
			drop_in(other, &other->carriers[i], gpa, perm);
		}
	}
}
