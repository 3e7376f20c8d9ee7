// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where jumps lead when what addresses mean has changed: page tables, address spaces, PMP. A program jumps from page to page, and
 * within one, so often that links and regions are made, changes something, and jumps again. Translated code and the
 * interpreter end with the same registers: the code that is there then was executed, or the same exception was raised.
 */
#include "test.h"
#include "test_dbt_sides.h"

/* Two pages of code one behind the other, what may take the second one's place, a large page, a second address space. */
#define HERE	(LARGE - 2 * PAGE_BYTES)
#define THERE	(LARGE - PAGE_BYTES)
#define OTHER	(LARGE - 4 * PAGE_BYTES)
#define LARGE	(RAM_GPA + 0x200000)
#define SPACE_2 (TABLES + 4 * PAGE_BYTES)
#define LEAF_AT (TABLES + 2 * PAGE_BYTES + (THERE - RAM_GPA) / PAGE_BYTES * 8) /* of THERE */

#define DATA_IN 0x800 /* a large page: what is added to s1 */

#define SATP(asid, root)  (8ULL << 60 | (uint64_t)(asid) << 44 | (root) >> 12)
#define NAPOT(gpa, bytes) ((gpa) >> 2 | ((bytes) / 8 - 1))
#define PMP_LAST	  15 /* all of memory, for whomever no other entry says something else */
#define PMP_X		  0x1f
#define PMP_NO_X	  0x1b
#define PMP_L		  0x80

enum {
	S1 = 9,
	DATA_AT = 10,
	LOOPS = 18,
	VALUE,
	COUNT,
	ROUNDS,
	WHERE,
	PAGE_AT,
	END,
	CAUSES,
	TRAPS,
	ASID
};

/* Instructions. */
enum { NOP = 0x13, ECALL = 0x73, SET_SATP = 0x18099073, SET_PMP = 0x3a099073, STORE = 0x013b3023 };
enum {
	FENCE = 0x12000073,
	FENCE_PAGE = 0x120b8073,
	FENCE_ASID = 0x13b00073,
	FENCE_BOTH = 0x13bb8073
};

/* What is tried. */
struct trial {
	const char *what;
	uint32_t priv;
	uint64_t status;
	uint64_t satp;
	gva_t target;	     /* of the jump */
	gpa_t other;	     /* other code, which may come to be there */
	gva_t data;	     /* from which the code there takes what it adds */
	uint32_t change[2];  /* instructions */
	uint64_t value;	     /* that the first one writes, ... */
	gva_t where;	     /* ... and where; a call has the handler write it to pmpcfg0 */
	uint64_t page, asid; /* of a fence */
	uint64_t pmpcfg;     /* of entries 0 to 7 */
	uint64_t pmpaddr0;
	uint64_t there;	   /* leaf of the second page in the first address space, ... */
	uint64_t there_2;  /* ... and in the second */
	uint64_t one, two; /* what s1 is to be with 1 and with 40 loops */
};

static struct side sides[2];
static struct side *const fast = &sides[0];
static struct side *const slow = &sides[1];

static uint32_t jump(gva_t from, gva_t to)
{
	uint32_t by = (uint32_t)(to - from);

	return 0x6f | (by >> 20 & 1) << 31 | (by >> 1 & 0x3ff) << 21 | (by >> 11 & 1) << 20 |
	       (by >> 12 & 0xff) << 12;
}

static uint32_t add(uint32_t reg, int32_t by)
{
	return 0x13 | reg << 7 | reg << 15 | (uint32_t)by << 20;
}

static uint64_t leaf(gpa_t gpa, uint64_t bits)
{
	return gpa >> 2 | V | R | W | X | A | D | bits;
}

static void make_tables(gpa_t root, uint64_t there)
{
	side_put(fast, root + (RAM_GPA >> 30) * 8, (root + PAGE_BYTES) >> 2 | V);
	side_put(fast, root + PAGE_BYTES, (root + 2 * PAGE_BYTES) >> 2 | V);
	side_put(fast, root + PAGE_BYTES + 8, leaf(LARGE, 0));
	for (uint64_t i = 0; i < 512; i++) {
		gpa_t page = RAM_GPA + i * PAGE_BYTES;

		side_put(fast, root + 2 * PAGE_BYTES + i * 8,
			 page == THERE ? there : leaf(page, G));
	}
}

static void make_program(const struct trial *t)
{
	static const uint32_t handler[] = {
		0x34202373, /* csrr t1, mcause */
		0xff830393, /* addi t2, t1, -8 */
		0x0023b393, /* sltiu t2, t2, 2: a call? */
		0x00039a63, /* bnez t2, call */
		0x006c8cb3, /* add s9, s9, t1 */
		0x001d0d13, /* addi s10, s10, 1 */
		0x341c1073, /* csrw mepc, s8 */
		0x30200073, /* mret */
		SET_PMP,    /* call: csrw pmpcfg0, s3 */
		0x341022f3, /* csrr t0, mepc */
		0x00428293, /* addi t0, t0, 4 */
		0x34129073, /* csrw mepc, t0 */
		0x30200073, /* mret */
	};
	const uint32_t here[] = {
		0x00090a13,			  /* again: mv s4, s2 */
		jump(HERE + 4, t->target),	  /* loop: */
		add(COUNT, -1),			  /* back: */
		0xfe0a1ce3,			  /* bnez s4, loop */
		add(ROUNDS, -1),		  /**/
		0x000a8863,			  /* beqz s5, end */
		t->change[0],			  /**/
		t->change[1],			  /**/
		jump(HERE + 8 * 4, HERE),	  /**/
		jump(HERE + 9 * 4, HERE + 9 * 4), /* end: j . */
	};
	const uint32_t take[] = {
		0x00053e03, /* ld t3, 0(a0) */
		0x01c484b3, /* add s1, s1, t3 */
		jump(t->target + 8, HERE + 8),
	};
	uint32_t there[] = { add(S1, 1), jump(t->target + 4, HERE + 8) };
	uint32_t other[] = { add(S1, 100), there[1] };

	side_code(fast, HANDLER, handler, sizeof(handler));
	side_code(fast, HERE, here, sizeof(here));
	side_code(fast, t->target, there, sizeof(there));
	if (t->data) {
		side_code(fast, t->target, take, sizeof(take));
	}
	if (t->other) {
		side_code(fast, t->other, other, sizeof(other));
	}
}

static void start(struct side *s, const struct trial *t, uint64_t loops)
{
	struct cpu_mode mode = { 0 };
	struct cpu_state st = { 0 };
	struct rv_state *rv = rv_state(&st);

	rv64_arch.reset(&st, &mode);
	rv->pc = HERE;
	rv->priv = t->priv;
	rv->mstatus |= t->status;
	rv->mtvec = HANDLER;
	rv->satp = t->satp;
	rv->x[DATA_AT] = t->data;
	rv->x[LOOPS] = loops;
	rv->x[VALUE] = t->value;
	rv->x[ROUNDS] = 2;
	rv->x[WHERE] = t->where;
	rv->x[PAGE_AT] = t->page;
	rv->x[END] = HERE + 9 * 4;
	rv->x[ASID] = t->asid;
	rv->pmpcfg[0] = t->pmpcfg;
	rv->pmpaddr[0] = rv->pmpaddr[1] = t->pmpaddr0;
	rv->pmpcfg[1] = (uint64_t)PMP_X << 56;
	rv->pmpaddr[PMP_LAST] = UINT64_MAX >> 10;
	side_start(s, &st);
}

static void try(const struct trial *t, uint64_t loops, uint64_t want)
{
	uint64_t insns = 2 * (loops * 6 + 20) + 20;
	struct cpu_state one = { 0 };
	struct cpu_state two = { 0 };
	struct errmsg e = { "" };
	int before = test_failures;

	memset(fast->ram, 0, RAM_BYTES);
	make_tables(TABLES, t->there);
	make_tables(SPACE_2, t->there_2);
	make_program(t);
	side_put(fast, LARGE + DATA_IN, 1);
	side_put(fast, RAM_GPA + DATA_IN, 100);
	memcpy(slow->ram, fast->ram, RAM_BYTES);
	start(fast, t, loops);
	start(slow, t, loops);
	dbt_code_reset(side_dbt(fast));
	side_run(fast, insns, UINT64_MAX);
	side_run(slow, insns, 1);
	fast->eng->ops->get_state(fast->eng, &one, &e);
	slow->eng->ops->get_state(slow->eng, &two, &e);
	CHECK_INT(rv_state(&one)->pc, HERE + 9 * 4);
	CHECK_INT(rv_state(&one)->x[S1], want);
	CHECK_INT(rv_state(&one)->x[CAUSES], rv_state(&two)->x[CAUSES]);
	CHECK(memcmp(&one, &two, sizeof(one)) == 0);
	if (test_failures != before) {
		printf("%s, %" PRIu64 " loops: s1 is %" PRIu64 ", not %" PRIu64 "; causes %" PRIu64
		       ", not %" PRIu64 "\n",
		       t->what, loops, rv_state(&one)->x[S1], rv_state(&two)->x[S1],
		       rv_state(&one)->x[CAUSES], rv_state(&two)->x[CAUSES]);
	}
}

static void try_all(const struct trial *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		try(&t[i], 1, t[i].one);
		try(&t[i], 40, t[i].two);
	}
}

/* How the kernel may look at memory: with contexts of its own for each space, or not. */
static const uint64_t looks[] = { 0, RV_MSTATUS_SUM, RV_MSTATUS_MXR };

/* S-mode links pages while addresses are physical. */
static void paging_begins(void)
{
	static const struct trial trials[] = {
		{ .what = "unmapped",
		  .priv = RV_PRIV_S,
		  .target = THERE,
		  .change = { SET_SATP, FENCE },
		  .value = SATP(0, TABLES),
		  .one = 1,
		  .two = 40 },
		{ .what = "elsewhere",
		  .priv = RV_PRIV_S,
		  .target = THERE,
		  .change = { SET_SATP, FENCE },
		  .value = SATP(0, TABLES),
		  .other = OTHER,
		  .there = OTHER >> 2 | V | R | X | A,
		  .one = 101,
		  .two = 4040 },
		{ .what = "not executable",
		  .priv = RV_PRIV_S,
		  .target = THERE,
		  .change = { SET_SATP, FENCE },
		  .value = SATP(0, TABLES),
		  .there = THERE >> 2 | V | R | A,
		  .one = 1,
		  .two = 40 },
	};

	try_all(trials, ARRAY_SIZE(trials));
}

/* PMP takes a page, or part of one, away. */
static void pmp_changes(void)
{
	static const struct trial trials[] = {
		{ .what = "a page of the user's",
		  .priv = RV_PRIV_U,
		  .target = THERE,
		  .change = { ECALL, NOP },
		  .value = PMP_NO_X,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(THERE, PAGE_BYTES),
		  .one = 1,
		  .two = 40 },
		{ .what = "a page of S-mode's",
		  .priv = RV_PRIV_S,
		  .target = THERE,
		  .change = { ECALL, NOP },
		  .value = PMP_NO_X,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(THERE, PAGE_BYTES),
		  .one = 1,
		  .two = 40 },
		{ .what = "half of a page",
		  .priv = RV_PRIV_U,
		  .target = HERE + 0x800,
		  .change = { ECALL, NOP },
		  .value = PMP_NO_X,
		  .pmpaddr0 = NAPOT(HERE + 0x800, 0x800),
		  .one = 1,
		  .two = 40 },
		{ .what = "half of a page, which it had said something about",
		  .priv = RV_PRIV_U,
		  .target = HERE + 0x800,
		  .change = { ECALL, NOP },
		  .value = PMP_NO_X,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(HERE + 0x800, 0x800),
		  .one = 1,
		  .two = 40 },
		{ .what = "a page of M-mode's",
		  .priv = RV_PRIV_M,
		  .target = THERE,
		  .change = { SET_PMP, NOP },
		  .value = PMP_NO_X | PMP_L,
		  .pmpaddr0 = NAPOT(THERE, PAGE_BYTES),
		  .one = 1,
		  .two = 40 },
		{ .what = "half of a page of M-mode's",
		  .priv = RV_PRIV_M,
		  .target = HERE + 0x800,
		  .change = { SET_PMP, NOP },
		  .value = PMP_NO_X | PMP_L,
		  .pmpaddr0 = NAPOT(HERE + 0x800, 0x800),
		  .one = 1,
		  .two = 40 },
		{ .what = "a page of M-mode's, uncovered",
		  .priv = RV_PRIV_M,
		  .target = THERE,
		  .change = { SET_PMP, NOP },
		  .value = 0,
		  .pmpcfg = PMP_X | (uint64_t)(PMP_NO_X | PMP_L) << 8,
		  .pmpaddr0 = NAPOT(THERE, PAGE_BYTES),
		  .one = 1,
		  .two = 40 },
		{ .what = "nothing of M-mode's",
		  .priv = RV_PRIV_M,
		  .target = THERE,
		  .change = { SET_PMP, NOP },
		  .value = PMP_NO_X,
		  .pmpaddr0 = NAPOT(THERE, PAGE_BYTES),
		  .one = 2,
		  .two = 80 },
	};

	try_all(trials, ARRAY_SIZE(trials));
}

/* A page that PMP cuts up moves: the fence names an address in another part. */
static void cut_pages_move(void)
{
	static const struct trial trials[] = {
		{ .what = "a jump into it",
		  .priv = RV_PRIV_S,
		  .satp = SATP(0, TABLES),
		  .target = THERE,
		  .other = OTHER,
		  .change = { STORE, FENCE_PAGE },
		  .value = OTHER >> 2 | V | R | X | A,
		  .where = LEAF_AT,
		  .page = THERE + 0xc00,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(THERE, 0x800),
		  .there = THERE >> 2 | V | R | X | A,
		  .one = 101,
		  .two = 4040 },
		{ .what = "an instruction that reaches into it",
		  .priv = RV_PRIV_S,
		  .satp = SATP(0, TABLES),
		  .target = THERE - 2,
		  .other = OTHER - 2,
		  .change = { STORE, FENCE_PAGE },
		  .value = OTHER >> 2 | V | R | X | A,
		  .where = LEAF_AT,
		  .page = THERE + 0xc00,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(THERE, 0x800),
		  .there = THERE >> 2 | V | R | X | A,
		  .one = 101,
		  .two = 4040 },
		{ .what = "a large one",
		  .priv = RV_PRIV_S,
		  .satp = SATP(0, TABLES),
		  .target = LARGE + 0x100,
		  .other = RAM_GPA + 0x100,
		  .change = { STORE, FENCE_PAGE },
		  .value = RAM_GPA >> 2 | V | R | X | A,
		  .where = TABLES + PAGE_BYTES + 8,
		  .page = LARGE + 0x180000,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(LARGE, 0x100000),
		  .one = 101,
		  .two = 4040 },
		{ .what = "a large one of data",
		  .priv = RV_PRIV_S,
		  .satp = SATP(0, TABLES),
		  .target = THERE,
		  .there = THERE >> 2 | V | R | X | A | G,
		  .data = LARGE + DATA_IN,
		  .change = { STORE, FENCE_PAGE },
		  .value = RAM_GPA >> 2 | V | R | A,
		  .where = TABLES + PAGE_BYTES + 8,
		  .page = LARGE + 0x180000,
		  .pmpcfg = PMP_X,
		  .pmpaddr0 = NAPOT(LARGE, 0x100000),
		  .one = 101,
		  .two = 4040 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		struct trial t = trials[ARRAY_SIZE(trials) - 1];

		t.status = looks[i];
		try_all(&t, 1);
	}
	try_all(trials, ARRAY_SIZE(trials) - 1);
}

/* Another address space with a number of its own wants no fence. */
static void spaces_change(void)
{
	struct trial t = { .what = "another space",
			   .priv = RV_PRIV_S,
			   .satp = SATP(1, TABLES),
			   .change = { SET_SATP, NOP },
			   .value = SATP(2, SPACE_2) };

	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		t.status = looks[i];
		t.there = THERE >> 2 | V | R | X | A;
		t.there_2 = OTHER >> 2 | V | R | X | A;
		t.one = 101;
		t.two = 4040;
		for (unsigned int across = 0; across <= 2; across += 2) {
			t.target = THERE - across;
			t.other = OTHER - across;
			try_all(&t, 1);
		}
		t.there |= G;
		t.there_2 = t.there;
		t.one = 2;
		t.two = 80;
		try_all(&t, 1);
		CHECK(!side_dbt(fast)->context->has_local);
	}
}

/* A page moves within a space, and the fence says which one. */
static void pages_move(void)
{
	static const uint32_t fences[] = { FENCE, FENCE_PAGE, FENCE_ASID, FENCE_BOTH };
	struct trial t = { .what = "another page",
			   .priv = RV_PRIV_S,
			   .satp = SATP(2, TABLES),
			   .value = OTHER >> 2 | V | R | X | A,
			   .where = LEAF_AT,
			   .page = THERE,
			   .asid = 2,
			   .there = THERE >> 2 | V | R | X | A,
			   .one = 101,
			   .two = 4040 };

	for (size_t i = 0; i < ARRAY_SIZE(looks) * ARRAY_SIZE(fences); i++) {
		t.status = looks[i / ARRAY_SIZE(fences)];
		t.change[0] = STORE;
		t.change[1] = fences[i % ARRAY_SIZE(fences)];
		for (unsigned int across = 0; across <= 2; across += 2) {
			t.target = THERE - across;
			t.other = OTHER - across;
			try_all(&t, 1);
		}
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "pages cut by PMP move", cut_pages_move }, /* first: what a fence is about is never forgotten */
		{ "paging begins", paging_begins },	     { "PMP changes", pmp_changes },
		{ "address spaces change", spaces_change },  { "pages move", pages_move },
	};

	return sides_init(sides, ARRAY_SIZE(sides)) ? test_main(cases, ARRAY_SIZE(cases)) : 77;
}
