// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that come and go: instructions that meet page faults all the time become soft, and are so no longer when they don't; what
 * happens when there are more pages than mappings, the engine's own share or the process's.
 */
#include <sys/mman.h>

#include "test.h"
#include "test_dbt_sides.h"

#define ROOT	 TABLES
#define LOW	 (TABLES + 0x1000)
#define MIDDLE	 (TABLES + 0x2000)
#define LEAVES	 (TABLES + 0x3000)
#define PAGES	 64u
#define MANY	 36000u /* one mapping each is more than half of what a process may have */
#define MAPS_MAX 70000u

static struct side sides[2]; /* the second has a share of the mappings, and is the interpreter's */

/* Tables of @p n pages that the user may access, absent if there is no @p frame_of. */
static void make_tables(const struct side *s, uint64_t n, uint64_t (*frame_of)(uint64_t page))
{
	memset(s->ram, 0, RAM_BYTES);
	side_put(s, ROOT + (VA >> 30) * 8, MIDDLE >> 2 | V);
	side_put(s, ROOT + (RAM_GPA >> 30) * 8, LOW >> 2 | V);
	side_put(s, LOW, RAM_GPA >> 2 | V | R | W | X | U | A | D);
	for (uint64_t i = 0; i < n; i++) {
		if (i % 512 == 0) {
			side_put(s, MIDDLE + i / 512 * 8, (LEAVES + i * 8) >> 2 | V);
		}
		if (frame_of) {
			side_put(s, LEAVES + i * 8,
				 (DATA + frame_of(i) * PAGE_BYTES) >> 2 | V | R | W | U | A | D);
		}
	}
	for (uint64_t k = 0; k < PAGES; k++) {
		side_put(s, DATA + k * PAGE_BYTES, k * k + 1);
	}
}

static struct rv_state *user_state(struct cpu_state *st)
{
	struct cpu_mode mode = { 0 };
	struct rv_state *rv = rv_state(st);

	rv64_arch.reset(st, &mode);
	rv->pc = CODE;
	rv->priv = RV_PRIV_U;
	rv->mtvec = HANDLER;
	rv->satp = 8ULL << 60 | ROOT >> 12;
	rv->pmpaddr[0] = UINT64_MAX >> 10;
	rv->pmpcfg[0] = 0x1f;
	rv->x[20] = VA;
	rv->x[21] = PAGE_BYTES;
	return rv;
}

static struct rv_state state_of(struct side *s)
{
	struct cpu_state st = { 0 };
	struct errmsg e = { "" };

	s->eng->ops->get_state(s->eng, &st, &e);
	return *rv_state(&st);
}

/* ---- pages mapped by the guest when they are touched ---- */

/* Maps the page of a page fault, and unmaps all of them in a call. */
static const uint32_t pager[] = {
	0x34202373, /* csrr t1, mcause */
	0xff830313, /* addi t1, t1, -8 */
	0x02030863, /* beqz t1, call */
	0x343022f3, /* csrr t0, mtval */
	0x00c2d293, /* srli t0, t0, 12 */
	0x1ff2f293, /* andi t0, t0, 511 */
	0x00a29313, /* slli t1, t0, 10 */
	0x01230333, /* add t1, t1, s2 */
	0x00329293, /* slli t0, t0, 3 */
	0x009282b3, /* add t0, t0, s1 */
	0x0062b023, /* sd t1, 0(t0) */
	0x12000073, /* sfence.vma */
	0x00198993, /* addi s3, s3, 1 */
	0x30200073, /* mret */
	0x341022f3, /* call: csrr t0, mepc */
	0x00428293, /* addi t0, t0, 4 */
	0x34129073, /* csrw mepc, t0 */
	0x00048293, /* mv t0, s1 */
	0x04000313, /* li t1, 64 */
	0x0002b023, /* 1: sd zero, 0(t0) */
	0x00828293, /* addi t0, t0, 8 */
	0xfff30313, /* addi t1, t1, -1 */
	0xfe031ae3, /* bnez t1, 1b */
	0x12000073, /* sfence.vma */
	0x30200073, /* mret */
};

/* Adds one to a word of each of 64 pages, again and again; with s6 it has them unmapped in between. */
static const uint32_t toucher[] = {
	0x000a0593, /* start: mv a1, s4 */
	0x04000613, /* li a2, 64 */
	0x0005b683, /* 2: ld a3, 0(a1) */
	0x00168693, /* addi a3, a3, 1 */
	0x00d5b023, /* sd a3, 0(a1) */
	0x015585b3, /* add a1, a1, s5 */
	0xfff60613, /* addi a2, a2, -1 */
	0xfe0616e3, /* bnez a2, 2b */
	0xfe0b00e3, /* beqz s6, start */
	0x00000073, /* ecall */
	0xfd9ff06f, /* j start */
};

#define TOUCH_PC (CODE + 8)

static void start_toucher(struct side *s)
{
	struct cpu_state st = { 0 };
	struct rv_state *rv = user_state(&st);

	make_tables(s, PAGES, NULL);
	side_code(s, HANDLER, pager, sizeof(pager));
	side_code(s, CODE, toucher, sizeof(toucher));
	rv->x[9] = LEAVES;
	rv->x[18] = DATA >> 2 | V | R | W | U | A | D;
	rv->x[22] = 1;
	side_start(s, &st);
}

static void set_unmapping(struct side *s, bool is_unmapping)
{
	struct cpu_state st = { 0 };
	struct errmsg e = { "" };

	s->eng->ops->get_state(s->eng, &st, &e);
	rv_state(&st)->x[22] = is_unmapping;
	CHECK_INT(s->eng->ops->set_state(s->eng, &st, &e), 0);
}

static uint64_t count_of(const struct side *s)
{
	return load_le(s->ram + (DATA - RAM_GPA), 8);
}

static void test_soft(void)
{
	struct side *s = &sides[0];
	struct dbt_engine *d = side_dbt(s);
	uint64_t n;

	start_toucher(s);
	side_run_on(s, 100000, UINT64_MAX);
	CHECK(dbt_soft_is(d, TOUCH_PC));
	CHECK(!dbt_soft_is(d, TOUCH_PC + 8)); /* finds what the load has just faulted in */
	CHECK(state_of(s).x[19] > 64 * 30);
	n = count_of(s);
	CHECK(n > 30);
	for (uint64_t k = 1; k < PAGES; k++) {
		uint64_t other = load_le(s->ram + (DATA - RAM_GPA) + k * PAGE_BYTES, 8);

		CHECK(other - k * k + 1 - n <= 1);
	}

	/* without faults it stays so for some time */
	set_unmapping(s, false);
	side_run_on(s, 100000, UINT64_MAX);
	s->eng->ops->kick(s->eng, NULL);
	side_run_on(s, 100, UINT64_MAX);
	CHECK(dbt_soft_is(d, TOUCH_PC));
	n = state_of(s).x[19];
	side_run_on(s, 200000, UINT64_MAX);
	s->eng->ops->kick(s->eng, NULL);
	side_run_on(s, 20000, UINT64_MAX);
	CHECK(!dbt_soft_is(d, TOUCH_PC));
	CHECK_INT(d->n_soft, 0);
	CHECK_INT(state_of(s).x[19], n);
	set_unmapping(s, true);
	side_run_on(s, 100000, UINT64_MAX);
	CHECK(dbt_soft_is(d, TOUCH_PC));
}

/* The same number of instructions, step by step. */
static void test_soft_exact(void)
{
	for (size_t k = 0; k < 2; k++) {
		start_toucher(&sides[k]);
		side_run_on(&sides[k], 60000, k == 0 ? UINT64_MAX : 1);
	}
	CHECK(dbt_soft_is(side_dbt(&sides[0]), TOUCH_PC));
	CHECK(memcmp(sides[0].ram, sides[1].ram, RAM_BYTES) == 0);
	CHECK_INT(state_of(&sides[0]).pc, state_of(&sides[1]).pc);
}

/* ---- more pages than mappings ---- */

/* No two in a row. */
static uint64_t scattered(uint64_t page)
{
	return page * 7 % PAGES;
}

/* Adds up the first words of all pages, twice. */
static const uint32_t adder[] = {
	0x000a0593, /* mv a1, s4 */
	0x0005b683, /* 3: ld a3, 0(a1) */
	0x00d70733, /* add a4, a4, a3 */
	0x015585b3, /* add a1, a1, s5 */
	0xfec59ae3, /* bne a1, a2, 3b */
	0xfffb0b13, /* addi s6, s6, -1 */
	0xfe0b14e3, /* bnez s6, start */
	0x0000006f, /* j . */
};

static uint64_t add_all(struct side *s)
{
	struct cpu_state st = { 0 };
	struct rv_state *rv = user_state(&st);

	make_tables(s, MANY, scattered);
	side_code(s, CODE, adder, sizeof(adder));
	rv->x[12] = VA + MANY * PAGE_BYTES;
	rv->x[22] = 2;
	side_start(s, &st);
	side_run_on(s, MANY * 8 + 100, UINT64_MAX);
	return state_of(s).x[14];
}

static uint64_t sum_of_all(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		sum += 2 * (scattered(i) * scattered(i) + 1);
	}
	return sum;
}

static void test_share(void)
{
	struct dbt_engine *d = side_dbt(&sides[0]);
	uint32_t n_pieces = 0;

	CHECK_INT(add_all(&sides[0]), sum_of_all());
	for (size_t i = 0; i < DBT_WINDOWS; i++) {
		n_pieces += d->windows[i].n_pieces;
	}
	CHECK(d->n_maps <= 30000);
	CHECK(n_pieces > 1000);
	CHECK(n_pieces < MANY); /* it was emptied on the way */
}

/* Somebody else in the process has taken all mappings but a few. */
static void test_none_left(void)
{
	uint8_t *taken = mmap(NULL, MAPS_MAX * PAGE_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t n = 0;

	CHECK(taken != MAP_FAILED);
	while (n < MAPS_MAX && mprotect(taken + n * PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0) {
		n += 2;
	}
	CHECK(n < MAPS_MAX);
	for (uint64_t k = 0; k < 200 && k < n; k += 2) {
		CHECK(mprotect(taken + k * PAGE_BYTES, PAGE_BYTES, PROT_NONE) == 0);
	}
	CHECK_INT(add_all(&sides[0]), sum_of_all());
	munmap(taken, MAPS_MAX * PAGE_BYTES);
	CHECK_INT(add_all(&sides[0]), sum_of_all());
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "instructions that meet page faults", test_soft },
		{ "the same, exactly", test_soft_exact },
		{ "more pages than an engine may map", test_share },
		{ "no mappings left", test_none_left },
	};

	return sides_init(sides, ARRAY_SIZE(sides)) ? test_main(cases, ARRAY_SIZE(cases)) : 77;
}
