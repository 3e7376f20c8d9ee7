// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What translated code may access through windows and tables of pages: random page tables and PMP, random loads and
 * stores in them, changes of entries with fences, of address spaces, SUM, MXR and PMP while it runs; in U- and S-mode, and
 * from M-mode with MPRV. Translated code and the interpreter end with the same registers and memory.
 */
#include "test.h"
#include "test_dbt_ir_random.h"
#include "test_dbt_sides.h"

#define PAGES	 64u
#define ACCESSES 400u
#define WORLDS	 (1200u / TEST_SLOWDOWN)
#define INSNS	 6000u
#define SPACES	 2u

/* Of an entry of the list, beside the address. */
enum { STORE = 1, CHANGE = 2, SYSTEM = 4 };
/* What SYSTEM writes. */
enum { SYSTEM_PMP, SYSTEM_SPACE, SYSTEM_STATUS };
/* Places of instructions in the program. */
enum { AT_STATUS, AT_LOAD = 10, AT_STORE = 13, AT_FENCE = 20 };

#define STATUS_MASK  (RV_MSTATUS_SUM | RV_MSTATUS_MXR)
#define STATUS_MPRV  (1ULL << 17)
#define STATUS_MPP_S 0x800ULL

/* What one world is like. */
struct world {
	uint32_t priv;
	uint64_t user; /* U, if the program's accesses are the user's */
	uint64_t status;
	bool has_spaces, is_soft, is_mprv;
	bool is_crooked; /* its accesses are not aligned, and some go across pages */
	uint32_t fence;
};

static struct side sides[2];
static struct side *const fast = &sides[0];
static struct side *const slow = &sides[1];
static uint64_t n_faults, n_ahead, n_soft_pages;

static gpa_t root_of(size_t space)
{
	return TABLES + space * 0x3000;
}

static gpa_t middle_of(size_t space)
{
	return root_of(space) + 0x1000;
}

static gpa_t leaf_of(size_t space)
{
	return root_of(space) + 0x2000;
}

static uint64_t satp_of(const struct world *w, size_t space)
{
	return 8ULL << 60 | (w->has_spaces ? space + 1 : 0) << 44 | root_of(space) >> 12;
}

/* What nobody may access without the interpreter's leave is one page in three. */
static uint64_t leaf(struct rng *r, const struct world *w, uint64_t page)
{
	uint64_t pte = V | R | W | A | D | G | w->user;

	page = rng_pct(r, 8) ? rng_below(r, PAGES) : page;
	pte &= ~(rng_pct(r, 8) ? (uint64_t)V : 0) & ~(rng_pct(r, 15) ? (uint64_t)W : 0);
	pte &= ~(rng_pct(r, 8) ? (uint64_t)A : 0) & ~(rng_pct(r, 12) ? (uint64_t)D : 0);
	pte &= ~(w->has_spaces || rng_pct(r, 4) ? (uint64_t)G : 0);
	pte ^= rng_pct(r, 8) ? U : 0;
	pte |= rng_pct(r, 8) ? X : 0;
	pte = rng_pct(r, 6) ? (pte & ~(uint64_t)(R | W)) | X : pte;
	return pte | (DATA + page * PAGE_BYTES) >> 2;
}

static void make_tables(struct rng *r, const struct world *w)
{
	gpa_t low = root_of(SPACES); /* the middle table of what is mapped as it is */

	side_put(fast, low, RAM_GPA >> 2 | V | R | W | X | G | A | D | w->user);
	for (size_t s = 0; s < SPACES; s++) {
		side_put(fast, root_of(s) + (VA >> 30) * 8, middle_of(s) >> 2 | V);
		side_put(fast, root_of(s) + (RAM_GPA >> 30) * 8, low >> 2 | V);
		side_put(fast, middle_of(s), leaf_of(s) >> 2 | V);
		for (uint64_t i = 0; i < PAGES; i++) {
			side_put(fast, leaf_of(s) + i * 8, leaf(r, w, i));
		}
	}
	for (uint64_t at = DATA; at < DATA + PAGES * PAGE_BYTES; at += 512) {
		side_put(fast, at, rng_next(r));
	}
}

static uint64_t pmp(struct rng *r)
{
	return 0x1f18 | (rng_pct(r, 50) ? 1U : 0) | (rng_pct(r, 20) ? 2U : 0);
}

static gpa_t put_system(struct rng *r, const struct world *w, gpa_t at)
{
	uint64_t what = rng_below(r, SYSTEM_STATUS + 1);
	uint64_t value = what == SYSTEM_PMP ? pmp(r)
			 : what == SYSTEM_SPACE
				 ? satp_of(w, rng_below(r, w->has_spaces ? SPACES : 1))
				 : rng_next(r);

	side_put(fast, at, VA | SYSTEM);
	side_put(fast, at + 8, value);
	side_put(fast, at + 16, what);
	side_put(fast, at + 24, what == SYSTEM_STATUS ? STATUS_MASK : UINT64_MAX);
	return at + 32;
}

static gpa_t put_change(struct rng *r, const struct world *w, gpa_t at, uint64_t va, uint64_t page)
{
	size_t s = w->has_spaces ? rng_below(r, SPACES) : 0;

	side_put(fast, at, va | CHANGE);
	side_put(fast, at + 8, leaf(r, w, page));
	side_put(fast, at + 16, leaf_of(s) + page * 8);
	side_put(fast, at + 24, w->has_spaces ? s + 1 : 0);
	return at + 32;
}

static void make_list(struct rng *r, const struct world *w)
{
	bool has_system = rng_pct(r, 50);
	gpa_t at = LIST;

	for (uint32_t i = 0; i < ACCESSES; i++) {
		uint64_t page = rng_below(r, PAGES);
		uint64_t va = VA + page * PAGE_BYTES + rng_below(r, 8) * 512;

		if (has_system && rng_pct(r, 4)) {
			at = put_system(r, w, at);
		} else if (w->priv != RV_PRIV_U && rng_pct(r, 15)) {
			at = put_change(r, w, at, va, page);
		} else {
			side_put(fast, at, va | (rng_pct(r, 40) ? STORE : 0));
			at += 8;
		}
	}
	side_put(fast, at, 0);
}

static void make_program(const struct world *w)
{
	static const uint32_t handler[] = {
		0x341022f3, /* csrr t0, mepc */
		0x00428293, /* addi t0, t0, 4 */
		0x34129073, /* csrw mepc, t0 */
		0x34202373, /* csrr t1, mcause */
		0x00191393, /* slli t2, s2, 1 */
		0x00790933, /* add s2, s2, t2 */
		0x00690933, /* add s2, s2, t1 */
		0x00148493, /* addi s1, s1, 1 */
		0xff830393, /* addi t2, t1, -8 */
		0x0043b393, /* sltiu t2, t2, 4: a call? */
		0x02038863, /* beqz t2, out */
		0xfff48493, /* addi s1, s1, -1 */
		0x0157f7b3, /* and a5, a5, s5 */
		0x00080c63, /* beqz a6, pmp */
		0xfff80393, /* addi t2, a6, -1 */
		0x00038c63, /* beqz t2, space */
		0x3009b073, /* csrc mstatus, s3 */
		0x3007a073, /* csrs mstatus, a5 */
		0x30200073, /* mret */
		0x3a079073, /* pmp: csrw pmpcfg0, a5 */
		0x30200073, /* mret */
		0x18079073, /* space: csrw satp, a5 */
		0x30200073, /* out: mret */
	};
	const uint32_t code[] = {
		w->is_mprv ? 0x300a2073 : 0x00000013,	 /* loop: csrs mstatus, s4 */
		0x00053583,				 /* ld a1, 0(a0) */
		0x00850513,				 /* addi a0, a0, 8 */
		0x06058263,				 /* beqz a1, end */
		0x0015f613,				 /* andi a2, a1, 1 */
		0x02061063,				 /* bnez a2, store */
		0x0025f613,				 /* andi a2, a1, 2 */
		0x02061063,				 /* bnez a2, change */
		0x0045f613,				 /* andi a2, a1, 4 */
		0x02061a63,				 /* bnez a2, system */
		w->is_crooked ? 0x1fd5b683 : 0x0005b683, /* ld a3, 0(a1); or 509(a1) */
		0x00d70733,				 /* add a4, a4, a3 */
		0xfd1ff06f,				 /* j loop */
		w->is_crooked ? 0x1ea5be23 : 0xfea5bfa3, /* store: sd a0, -1(a1); or 508(a1) */
		0xfc9ff06f,				 /* j loop */
		0x00053783,				 /* change: ld a5, 0(a0) */
		0x00853803,				 /* ld a6, 8(a0) */
		0x01053b03,				 /* ld s6, 16(a0) */
		0x01850513,				 /* addi a0, a0, 24 */
		0x00f83023,				 /* sd a5, 0(a6) */
		w->fence,				 /* sfence.vma */
		0xfadff06f,				 /* j loop */
		0x00053783,				 /* system: ld a5, 0(a0) */
		0x00853803,				 /* ld a6, 8(a0) */
		0x01053a83,				 /* ld s5, 16(a0) */
		0x01850513,				 /* addi a0, a0, 24 */
		0x00000073,				 /* ecall */
		0xf95ff06f,				 /* j loop */
		0x0000006f,				 /* end: j . */
	};

	side_code(fast, HANDLER, handler, sizeof(handler));
	side_code(fast, CODE, code, sizeof(code));
}

static struct world make_world(struct rng *r)
{
	/* of everything, of an address; those of an address space want pages that are not global */
	static const uint32_t fences[] = { 0x12000073, 0x12058073, 0x13600073, 0x13658073 };
	struct world w = { .priv = RV_PRIV_S };

	if (rng_pct(r, 30)) {
		w.priv = RV_PRIV_U;
		w.user = U;
	} else if (rng_pct(r, 25)) {
		w.priv = RV_PRIV_M;
		w.is_mprv = true;
		w.status = STATUS_MPRV;
	}
	w.status |= rng_pct(r, 40) ? RV_MSTATUS_SUM : 0;
	w.status |= rng_pct(r, 15) ? RV_MSTATUS_MXR : 0;
	w.has_spaces = rng_pct(r, 40);
	w.is_soft = rng_pct(r, 40);
	w.is_crooked = rng_pct(r, 20);
	w.fence = fences[rng_below(r, w.has_spaces ? 4 : 2)];
	return w;
}

static void start(struct side *s, const struct world *w, struct rng r)
{
	struct cpu_mode mode = { 0 };
	struct cpu_state st = { 0 };
	struct rv_state *rv = rv_state(&st);

	rv64_arch.reset(&st, &mode);
	rv->pc = CODE;
	rv->priv = w->priv;
	rv->mstatus |= w->status;
	rv->mtvec = HANDLER;
	rv->satp = satp_of(w, 0);
	rv->x[10] = LIST;
	rv->x[19] = STATUS_MASK;
	rv->x[20] = STATUS_MPP_S;
	/* two pages without stores, or without anything; then all memory */
	rv->pmpaddr[0] = (DATA + rng_below(&r, PAGES / 2) * 2 * PAGE_BYTES) >> 2 | 0x3ff;
	rv->pmpaddr[1] = UINT64_MAX >> 10;
	rv->pmpcfg[0] = pmp(&r);
	side_start(s, &st);
}

/* All of the program's accesses go by the table of pages, if the world wants it; none did before. */
static void soften(const struct world *w)
{
	struct dbt_engine *d = side_dbt(fast);

	memset(d->sites, 0, sizeof(d->sites));
	d->n_soft = 0;
	dbt_code_reset(d);
	for (uint64_t pc = CODE; w->is_soft && pc < CODE + AT_FENCE * 4; pc += 4) {
		CHECK(dbt_soft_make(d, pc));
	}
}

static bool is_same(void)
{
	struct cpu_state one = { 0 };
	struct cpu_state two = { 0 };
	struct errmsg e = { "" };
	int before = test_failures;

	fast->eng->ops->get_state(fast->eng, &one, &e);
	slow->eng->ops->get_state(slow->eng, &two, &e);
	for (size_t k = 0; k < 32; k++) {
		CHECK_INT(rv_state(&one)->x[k], rv_state(&two)->x[k]);
	}
	CHECK(memcmp(&one, &two, sizeof(one)) == 0);
	CHECK(memcmp(fast->ram, slow->ram, RAM_BYTES) == 0);
	n_faults += rv_state(&one)->x[9];
	return test_failures == before;
}

/* Pages that are mapped without having been asked for, pages in tables; and mappings are counted. */
static void count_pages(void)
{
	const struct dbt_engine *d = side_dbt(fast);
	uint32_t n_maps = 0;

	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		const struct dbt_window *w = &d->windows[i];

		for (uint32_t k = 0; k < w->n_slots; k++) {
			n_ahead += w->pieces[k].key && (w->pieces[k].what & DBT_PIECE_AHEAD);
		}
		for (uint32_t k = 0; w->has_pages && k < EMIT_PAGES; k++) {
			n_soft_pages += w->pages[k].read != emit_page_none(k);
		}
		CHECK(w->n_maps <= 2 * PAGES * 2);
		n_maps += w->n_maps;
	}
	CHECK_INT(d->n_maps, n_maps);
}

static void test_worlds(void)
{
	struct rng r = { 7 };

	for (unsigned int n = 0; n < WORLDS; n++) {
		struct world w = make_world(&r);

		memset(fast->ram, 0, RAM_BYTES);
		make_tables(&r, &w);
		make_list(&r, &w);
		make_program(&w);
		memcpy(slow->ram, fast->ram, RAM_BYTES);
		start(fast, &w, r);
		start(slow, &w, r);
		soften(&w);
		side_run_on(fast, INSNS, UINT64_MAX);
		side_run_on(slow, INSNS, 1);
		count_pages();
		if (!is_same()) {
			printf("world %u: priv %u, status %" PRIx64 ", fence %08x%s%s%s\n", n,
			       w.priv, w.status, w.fence, w.has_spaces ? ", two spaces" : "",
			       w.is_soft ? ", soft" : "", w.is_crooked ? ", not aligned" : "");
			return;
		}
	}
	printf("%u worlds, %" PRIu64 " faults, %" PRIu64 " pages ahead, %" PRIu64
	       " pages in tables\n",
	       WORLDS, n_faults, n_ahead, n_soft_pages);
	CHECK(n_faults > WORLDS * 20ULL);
	CHECK(n_ahead > WORLDS / 2);
	CHECK(n_soft_pages > WORLDS * 5ULL);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "random tables and accesses", test_worlds },
	};

	return sides_init(sides, ARRAY_SIZE(sides)) ? test_main(cases, ARRAY_SIZE(cases)) : 77;
}
