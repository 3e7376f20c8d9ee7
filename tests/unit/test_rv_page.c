/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page walks: named cases, then random walks through random tables of all modes against a second
 * walker, which is recursive and reads tables byte by byte, and PMP against single bytes. --count
 * says how many random walks, --seed where they begin.
 */
#include "test_rv.h"

#define POOL_GPA   0x80000000ULL
#define POOL_PAGES 16
#define SLOTS	   8

static _Alignas(4096) uint8_t pool[POOL_PAGES * PAGE_BYTES];
/* Only these entries of a table are filled, and walked through. */
static const unsigned int slots[SLOTS] = { 0, 1, 2, 3, 255, 256, 510, 511 };

struct walk {
	gva_t gva;
	uint32_t priv, access;
};

struct answer {
	bool is_ok;
	uint64_t cause;
	gpa_t gpa;
	uint64_t page_bytes;
	bool is_global;
};

/* ---- the second walker ---- */

struct pte {
	unsigned int v : 1, r : 1, w : 1, x : 1, u : 1, g : 1, a : 1, d : 1, rsw : 2;
	uint64_t ppn; /* no bit-field: its arithmetic would be done in 44 bits */
	unsigned int zero : 7, pbmt : 2;
	bool n;
};

static struct answer fault(const struct walk *w, bool is_access)
{
	uint64_t cause = w->access == MEM_X ? 12 : w->access == MEM_R ? 13 : 15;

	if (is_access) {
		cause = w->access == MEM_X ? 1 : w->access == MEM_R ? 5 : 7;
	}
	return (struct answer){ .cause = cause };
}

static bool oracle_pte(const struct rv_state *s, gpa_t at, struct pte *ret)
{
	uint64_t raw = 0;

	for (unsigned int i = 0; i < 8; i++) {
		if (at + i < POOL_GPA || at + i >= POOL_GPA + sizeof(pool)) {
			return false;
		}
		raw |= (uint64_t)pool[at + i - POOL_GPA] << 8 * i;
	}
	if (!rv_oracle_pmp(s, at, 8, MEM_R, RV_PRIV_S)) {
		return false;
	}
	ret->v = raw & 1;
	ret->r = raw >> 1 & 1;
	ret->w = raw >> 2 & 1;
	ret->x = raw >> 3 & 1;
	ret->u = raw >> 4 & 1;
	ret->g = raw >> 5 & 1;
	ret->a = raw >> 6 & 1;
	ret->d = raw >> 7 & 1;
	ret->ppn = raw >> 10 & 0xfffffffffff;
	ret->zero = raw >> 54 & 0x7f;
	ret->pbmt = raw >> 61 & 3;
	ret->n = raw >> 63 != 0;
	return true;
}

/* Section 4.3.2, steps 3 and 5 to 7, and what Svnapot and Svpbmt add, for a leaf. */
static bool oracle_leaf_ok(const struct rv_state *s, const struct walk *w, struct pte p, int level)
{
	bool sum = s->mstatus >> 18 & 1;
	bool mxr = s->mstatus >> 19 & 1;
	uint64_t low = p.ppn % (1ULL << 9 * level);

	if (p.n && (level > 0 || (p.ppn & 15) != 8)) {
		return false;
	}
	if (w->priv == 0 && !p.u) {
		return false;
	}
	if (w->priv == 1 && p.u && (!sum || w->access == MEM_X)) {
		return false;
	}
	if ((w->access == MEM_R && !p.r && !(mxr && p.x)) || (w->access == MEM_W && !p.w) ||
	    (w->access == MEM_X && !p.x)) {
		return false;
	}
	return low == 0 && p.a && (w->access != MEM_W || p.d);
}

static struct answer oracle_level(const struct rv_state *s, const struct walk *w,
				  uint64_t table_ppn, int level, bool is_global)
{
	uint64_t vpn = w->gva / 4096 >> 9 * level;
	struct pte p;
	struct answer ok = { .is_ok = true };

	if (!oracle_pte(s, table_ppn * 4096 + vpn % 512 * 8, &p)) {
		return fault(w, true);
	}
	is_global |= p.g;
	if (!p.v || (!p.r && p.w) || p.zero || p.pbmt == 3 || (p.pbmt && !(s->menvcfg >> 62 & 1))) {
		return fault(w, false);
	}
	if (!p.r && !p.x) {
		if (level == 0 || p.a || p.d || p.u || p.n || p.pbmt) {
			return fault(w, false);
		}
		return oracle_level(s, w, p.ppn, level - 1, is_global);
	}
	if (!oracle_leaf_ok(s, w, p, level)) {
		return fault(w, false);
	}
	ok.page_bytes = p.n ? 65536 : 4096ULL << 9 * level;
	ok.gpa = (p.n ? p.ppn - 8 : p.ppn) * 4096 + w->gva % ok.page_bytes;
	ok.is_global = is_global;
	return ok;
}

static struct answer oracle(const struct rv_state *s, const struct walk *w)
{
	struct answer a = { .is_ok = true, .gpa = w->gva, .page_bytes = 1ULL << 30 };
	uint64_t mode = s->satp >> 60;

	if (w->priv != 3 && mode != 0) {
		int bits = mode == 8 ? 39 : mode == 9 ? 48 : 57;
		uint64_t top = w->gva >> (bits - 1);

		if (top != 0 && top != UINT64_MAX >> (bits - 1)) {
			return fault(w, false);
		}
		a = oracle_level(s, w, s->satp & 0xfffffffffff, (bits - 12) / 9 - 1, false);
	}
	if (a.is_ok && !rv_oracle_pmp(s, a.gpa, 1, w->access, w->priv)) {
		return fault(w, true);
	}
	return a;
}

/* ---- the comparison ---- */

static struct mem *open_mem(void)
{
	struct mem *m = mem_new();

	CHECK_INT(mem_region_add(m,
				 &(struct mem_region){ .base_gpa = POOL_GPA,
						       .size_bytes = sizeof(pool),
						       .perm = MEM_RWX,
						       .hva = pool,
						       .name = "ram" },
				 NULL),
		  0);
	return m;
}

/* Everything about one translation; @return whether it succeeded. */
static bool compare(const struct rv_hart *h, const struct walk *w)
{
	const struct rv_translation none = { 1, 2, 3, true };
	struct rv_translation t = none;
	struct answer want = oracle(&h->s, w);
	uint64_t cause = 0x99;
	uint32_t perm = 0;
	bool is_ok = rv_translate(h, w->gva, w->priv, w->access, &t, &cause);

	if (is_ok != want.is_ok || (!is_ok && cause != want.cause) ||
	    (is_ok && (t.gpa != want.gpa || t.is_global != want.is_global))) {
		printf("gva 0x%" PRIx64 " priv %u access %u satp 0x%" PRIx64
		       ": ok %d cause %" PRIu64 " gpa 0x%" PRIx64 ", want %d %" PRIu64 " 0x%" PRIx64
		       "\n",
		       w->gva, w->priv, w->access, h->s.satp, is_ok, cause, t.gpa, want.is_ok,
		       want.cause, want.gpa);
		test_failures++;
		return is_ok;
	}
	if (!is_ok) {
		CHECK(memcmp(&t, &none, sizeof(t)) == 0);
		return false;
	}
	CHECK_INT(cause, 0x99);
	CHECK_INT(t.bytes, rv_pmp_block(&h->s, want.gpa, want.page_bytes, w->priv, &perm));
	for (uint32_t access = 1; access <= 4; access *= 2) {
		struct walk other = { w->gva, w->priv, access };

		CHECK((t.perm & access ? true : false) == oracle(&h->s, &other).is_ok);
	}
	return true;
}

/* The ends of what a translation is good for are translated alike. A NAPOT page is left out: its
 * other 15 entries, which software has to make equal, are random here, and any of them may hold. */
static void compare_ends(const struct rv_hart *h, const struct walk *w)
{
	struct rv_translation t = { 0 };
	uint64_t cause;
	struct answer a;

	if (oracle(&h->s, w).page_bytes == 65536 ||
	    !rv_translate(h, w->gva, w->priv, w->access, &t, &cause)) {
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct walk end = { align_down(w->gva, t.bytes) + (i ? t.bytes - 1 : 0), w->priv,
				    w->access };

		a = oracle(&h->s, &end);
		CHECK(a.is_ok);
		CHECK_INT(a.gpa, align_down(t.gpa, t.bytes) + (i ? t.bytes - 1 : 0));
	}
}

/* ---- random worlds ---- */

static uint64_t random_ppn(void)
{
	uint64_t page = (POOL_GPA >> 12) + rv_below(POOL_PAGES);

	switch (rv_below(8)) {
	case 0:
		return rv_random() & 0xfffffffffff;
	case 1: /* aligned for every level */
		return rv_random() & 0xfffffffffff & ~0xfffffffffULL;
	case 2:
		return rv_random() & 0xfffffffffff & ~0x1ffULL;
	case 3:
		return rv_random() & 0xfffffffffff & ~0x3ffffULL;
	case 4: /* 64 KiB */
		return (rv_random() & 0xffffffffff0) | 8;
	default:
		return page;
	}
}

static uint64_t random_pte(void)
{
	uint64_t p = random_ppn() << 10 | 1;

	if (rv_once_in(2)) { /* a pointer */
		p |= rv_once_in(8) ? 0x20 : 0;
		p |= rv_once_in(30) ? BIT(4 + rv_below(4)) : 0;
	} else {
		p |= rv_random() & 0x3e;
		p |= rv_once_in(5) ? rv_random() & 0xc0 : 0xc0;
		p |= rv_once_in(4) ? 1ULL << 63 : 0;
		p |= rv_once_in(6) ? rv_random() & 3ULL << 61 : 0;
	}
	p ^= rv_once_in(40) ? 1 : 0;
	p |= rv_once_in(4) ? rv_random() & 0x300 : 0; /* software's */
	p |= rv_once_in(60) ? BIT(54 + rv_below(10)) : 0;
	return rv_once_in(100) ? rv_random() : p;
}

static void random_tables(void)
{
	for (size_t page = 0; page < POOL_PAGES; page++) {
		for (size_t i = 0; i < SLOTS; i++) {
			store_le(pool + page * PAGE_BYTES + slots[i] * 8, random_pte(), 8);
		}
	}
}

/* Mostly open; some worlds have holes in the pool and elsewhere. */
static void random_pmp(struct rv_state *s)
{
	memset(s->pmpcfg, 0, sizeof(s->pmpcfg));
	memset(s->pmpaddr, 0, sizeof(s->pmpaddr));
	s->pmpaddr[15] = (1ULL << 54) - 1;
	((uint8_t *)s->pmpcfg)[15] = rv_once_in(10) ? (uint8_t)(0x18 + rv_below(8)) : 0x1f;
	for (int i = 0; rv_once_in(3) && i < 4; i++) {
		uint64_t at = POOL_GPA + rv_below(POOL_PAGES) * PAGE_BYTES;

		at += rv_once_in(2) ? slots[rv_below(SLOTS)] * 8 + rv_below(2) * 4 : 0;
		s->pmpaddr[i] = rv_once_in(3) ? random_ppn() << 10 | (BIT(rv_below(40)) - 1)
					      : at >> 2 | (BIT(rv_below(10)) - 1);
		s->pmpaddr[i] &= (1ULL << 54) - 1;
		((uint8_t *)s->pmpcfg)[i] = (uint8_t)(rv_random() & 0x9f);
	}
}

static void random_world(struct rv_hart *h)
{
	static const uint8_t modes[] = { 0, 8, 8, 9, 9, 10, 10, 10 };
	uint64_t mode = modes[rv_below(ARRAY_SIZE(modes))];

	random_tables();
	random_pmp(&h->s);
	h->s.satp = mode << 60 | (rv_random() & 0xffff) << 44 |
		    (rv_once_in(50) ? random_ppn() : (POOL_GPA >> 12) + rv_below(POOL_PAGES));
	h->s.menvcfg = rv_once_in(2) ? 1ULL << 62 : 0;
}

static gva_t random_gva(const struct rv_state *s)
{
	unsigned int mode = (unsigned int)(s->satp >> 60);
	unsigned int bits = mode ? 9 * (mode - 5) + 12 : 57;
	gva_t gva = rv_random() & 0xfff;

	for (unsigned int at = 12; at < bits; at += 9) {
		gva |= (uint64_t)slots[rv_below(SLOTS)] << at;
	}
	if (gva >> (bits - 1) & 1) {
		gva |= UINT64_MAX << (bits - 1);
	}
	gva = mode || rv_once_in(4) ? gva : POOL_GPA + gva % sizeof(pool);
	return rv_once_in(50) ? gva ^ BIT(rv_below(64)) : gva;
}

/* Which answers came how often: all must, or the tables are not worth their time. */
struct seen {
	uint64_t ok[3], cause[16], size[64];
};

static void check_seen(const struct seen *n)
{
	static const uint8_t causes[] = { 1, 5, 7, 12, 13, 15 };
	static const uint8_t sizes[] = { 12, 16, 21, 30, 39, 48 };

	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		CHECK(n->cause[causes[i]] > rv_count / 1000);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK(n->size[sizes[i]] > rv_count / 100000);
	}
	CHECK(n->ok[0] > rv_count / 100 && n->ok[1] > rv_count / 100 && n->ok[2] > rv_count / 100);
}

static void random_walks(void)
{
	static const uint32_t privs[] = { RV_PRIV_U, RV_PRIV_S, RV_PRIV_U, RV_PRIV_S, RV_PRIV_M };
	struct mem *m = open_mem();
	struct seen seen = { 0 };
	struct rv_hart h;

	rv_open(&h, m);
	for (uint64_t i = 0; i < rv_count && test_failures < 10; i++) {
		struct walk w = { .access = 1u << rv_below(3), .priv = privs[rv_below(5)] };
		struct answer a;

		if (i % 32 == 0) {
			random_world(&h);
		}
		h.s.mstatus = rv_random() & (RV_MSTATUS_SUM | RV_MSTATUS_MXR);
		w.gva = random_gva(&h.s);
		compare(&h, &w);
		if (i % 8 == 0) {
			compare_ends(&h, &w);
		}
		a = oracle(&h.s, &w);
		seen.ok[__builtin_ctz(w.access)] += a.is_ok;
		seen.cause[a.cause] += !a.is_ok;
		seen.size[a.is_ok ? __builtin_ctzll(a.page_bytes) : 0]++;
	}
	check_seen(&seen);
	mem_free(m);
}

/* ---- named cases ---- */

enum {
	V = 1,
	R = 2,
	W = 4,
	X = 8,
	U = 16,
	G = 32,
	A = 64,
	D = 128,
	RWXAD = R | W | X | A | D,
};

#define ROOT	POOL_GPA
#define NEXT	(POOL_GPA + 0x1000)
#define LAST	(POOL_GPA + 0x2000)
#define SUM	RV_MSTATUS_SUM
#define MXR	RV_MSTATUS_MXR
#define N	(1ULL << 63)
#define PBMT(n) ((uint64_t)(n) << 61)

static uint64_t pte(gpa_t gpa, uint64_t bits)
{
	return gpa >> 2 | bits | V;
}

/* Sv39: 0x0000xxxx is led by ROOT[0], NEXT[0], LAST[n]. */
static void named_walks(void)
{
	static const struct {
		const char *what;
		int level; /* where the entry lies: 2 in ROOT, 1 in NEXT, 0 in LAST[1] */
		uint64_t entry;
		uint32_t priv, access;
		uint64_t status, want; /* cause, or 0 */
		gpa_t gpa;
	} rows[] = {
		{ "4 KiB", 0, RWXAD | V | 0x2000, RV_PRIV_S, MEM_W, 0, 0, 0x8abc },
		{ "A clear", 0, R | D | V, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "D clear, load", 0, R | W | A | V, RV_PRIV_S, MEM_R, 0, 0, 0xabc },
		{ "D clear, store", 0, R | W | A | V, RV_PRIV_S, MEM_W, 0, 15, 0 },
		{ "W without R", 0, W | A | D | V, RV_PRIV_S, MEM_W, 0, 15, 0 },
		{ "W and X without R", 0, W | X | A | D | V, RV_PRIV_S, MEM_X, 0, 12, 0 },
		{ "not valid", 0, RWXAD, RV_PRIV_S, MEM_X, 0, 12, 0 },
		{ "X only, load", 0, X | A | V, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "X only, load, MXR", 0, X | A | V, RV_PRIV_S, MEM_R, MXR, 0, 0xabc },
		{ "X only, store, MXR", 0, X | A | D | V, RV_PRIV_S, MEM_W, MXR, 15, 0 },
		{ "U page from S", 0, U | RWXAD | V, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "U page from S, SUM", 0, U | RWXAD | V, RV_PRIV_S, MEM_R, SUM, 0, 0xabc },
		{ "U page fetched by S, SUM", 0, U | RWXAD | V, RV_PRIV_S, MEM_X, SUM, 12, 0 },
		{ "S page from U", 0, RWXAD | V, RV_PRIV_U, MEM_R, SUM, 13, 0 },
		{ "U page from U", 0, U | RWXAD | V, RV_PRIV_U, MEM_X, 0, 0, 0xabc },
		{ "software's bits", 0, RWXAD | V | 0x300, RV_PRIV_S, MEM_R, 0, 0, 0xabc },
		{ "bit 54", 0, RWXAD | V | BIT(54), RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "bit 60", 0, RWXAD | V | BIT(60), RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "PBMT", 0, RWXAD | V | PBMT(1), RV_PRIV_S, MEM_R, 0, 0, 0xabc },
		{ "PBMT reserved", 0, RWXAD | V | PBMT(3), RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "64 KiB", 0, RWXAD | V | N | 0x36000, RV_PRIV_S, MEM_R, 0, 0, 0xd1abc },
		{ "napot of 32 KiB", 0, RWXAD | V | N | 0x35000, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "napot of 128 KiB", 0, RWXAD | V | N | 0x34000, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "napot of 4 KiB", 0, RWXAD | V | N | 0x36400, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "pointer at the end", 0, V | 0x400, RV_PRIV_S, MEM_W, 0, 15, 0 },
		{ "2 MiB", 1, RWXAD | V | 0x180000, RV_PRIV_S, MEM_R, 0, 0, 0x601abc },
		{ "2 MiB misaligned", 1, RWXAD | V | 0x180400, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "2 MiB napot", 1, RWXAD | V | N | 0x182000, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "1 GiB", 2, RWXAD | V | 0x10000000, RV_PRIV_S, MEM_X, 0, 0, 0x40001abc },
		{ "1 GiB misaligned", 2, RWXAD | V | 0x10080000, RV_PRIV_S, MEM_X, 0, 12, 0 },
		{ "pointer with A", 1, A | V | LAST >> 2, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "pointer with D", 1, D | V | LAST >> 2, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "pointer with U", 1, U | V | LAST >> 2, RV_PRIV_U, MEM_R, 0, 13, 0 },
		{ "pointer with N", 1, N | V | LAST >> 2, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "pointer with PBMT", 1, PBMT(1) | V | LAST >> 2, RV_PRIV_S, MEM_R, 0, 13, 0 },
		{ "table in no memory", 1, V | 0x400, RV_PRIV_S, MEM_R, 0, 5, 0 },
		{ "table in no memory, store", 1, V | 0x400, RV_PRIV_S, MEM_W, 0, 7, 0 },
		{ "table in no memory, fetch", 2, V | 0x400, RV_PRIV_S, MEM_X, 0, 1, 0 },
		{ "M-mode", 0, 0, RV_PRIV_M, MEM_X, 0, 0, 0x1abc },
	};
	struct mem *m = open_mem();
	struct rv_hart h;

	rv_open(&h, m);
	h.s.menvcfg = RV_ENVCFG_PBMTE;
	h.s.satp = 8ULL << 60 | ROOT >> 12;
	h.s.pmpaddr[0] = (1ULL << 54) - 1;
	h.s.pmpcfg[0] = 0x1f;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const gpa_t at[] = { LAST + 8, NEXT, ROOT };
		struct rv_translation t = { 0 };
		uint64_t cause = 0;

		memset(pool, 0, sizeof(pool));
		store_le(pool, pte(NEXT, 0), 8);
		store_le(pool + 0x1000, pte(LAST, 0), 8);
		store_le(pool + (at[rows[i].level] - POOL_GPA), rows[i].entry, 8);
		h.s.mstatus = rows[i].status;
		rv_translate(&h, 0x1abc, rows[i].priv, rows[i].access, &t, &cause);
		if (cause != rows[i].want || t.gpa != rows[i].gpa) {
			printf("%s: cause %" PRIu64 " gpa 0x%" PRIx64 "\n", rows[i].what, cause,
			       t.gpa);
			test_failures++;
		}
	}
	mem_free(m);
}

static void pbmt_needs_menvcfg(void)
{
	struct mem *m = open_mem();
	struct rv_translation t;
	uint64_t cause = 0;
	struct rv_hart h;

	rv_open(&h, m);
	memset(pool, 0, sizeof(pool));
	store_le(pool, pte(0, RWXAD) | PBMT(2), 8);
	h.s.satp = 8ULL << 60 | ROOT >> 12;
	h.s.pmpaddr[0] = (1ULL << 54) - 1;
	h.s.pmpcfg[0] = 0x1f;
	CHECK(!rv_translate(&h, 0, RV_PRIV_S, MEM_R, &t, &cause));
	CHECK_INT(cause, RV_LOAD_PAGE);
	rv_put(&h, 0x30a, RV_ENVCFG_PBMTE);
	CHECK(rv_translate(&h, 0, RV_PRIV_S, MEM_R, &t, &cause));
	CHECK_INT(t.bytes, 1 << 30);
	mem_free(m);
}

static void data_privilege_may_be_lent(void)
{
	struct rv_hart h;

	rv_open(&h, NULL);
	CHECK_INT(rv_data_priv(&h), RV_PRIV_M);
	h.s.mstatus |= RV_MSTATUS_MPRV;
	CHECK_INT(rv_data_priv(&h), RV_PRIV_U);
	h.s.mstatus |= (uint64_t)RV_PRIV_S << RV_MPP_SHIFT;
	CHECK_INT(rv_data_priv(&h), RV_PRIV_S);
	h.s.priv = RV_PRIV_U; /* not where it is not M-mode that lends */
	CHECK_INT(rv_data_priv(&h), RV_PRIV_U);
}

/* What monitors ask: no A, no D, no PMP, and with access 0 no permission at all. */
static void monitors_walk_leniently(void)
{
	struct mem *m = open_mem();
	struct cpu_state s = { .arch = CPU_ARCH_RV64 };
	struct cpu_fault f = { 0 };
	gpa_t gpa = 0;

	memset(pool, 0, sizeof(pool));
	store_le(pool, pte(0x40000000, R | W), 8);
	rv64_arch.reset(&s, &(struct cpu_mode){ 0 });
	rv_state(&s)->priv = RV_PRIV_S;
	rv_state(&s)->satp = 8ULL << 60 | ROOT >> 12;
	CHECK(rv64_arch.page_walk(&s, m, 0x123, MEM_W, &gpa, &f));
	CHECK_INT(gpa, 0x40000123);
	CHECK(!rv64_arch.page_walk(&s, m, 0x123, MEM_X, &gpa, &f));
	CHECK_INT(f.vector, RV_INSN_PAGE);
	gpa = 0;
	CHECK(rv64_arch.page_walk(&s, m, 0x123, 0, &gpa, &f));
	CHECK_INT(gpa, 0x40000123);
	mem_free(m);
}

static const struct test_case cases[] = {
	{ "named_walks", named_walks },
	{ "pbmt_needs_menvcfg", pbmt_needs_menvcfg },
	{ "data_privilege_may_be_lent", data_privilege_may_be_lent },
	{ "monitors_walk_leniently", monitors_walk_leniently },
	{ "random_walks", random_walks },
};

RV_TEST_MAIN(cases)
