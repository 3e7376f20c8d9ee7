/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PMP: named cases, then random entries against a check of every single byte. --count says how many
 * random cases, --seed where they begin.
 */
#include "test_rv.h"

enum { OFF, TOR = 0x08, NA4 = 0x10, NAPOT = 0x18, LOCK = 0x80 };

struct entry {
	uint8_t cfg;
	uint64_t addr; /* as in pmpaddr: divided by 4 */
};

static struct rv_state state_of(const struct entry *e, size_t n)
{
	struct rv_state s = { 0 };

	for (size_t i = 0; i < n; i++) {
		((uint8_t *)s.pmpcfg)[i] = e[i].cfg;
		s.pmpaddr[i] = e[i].addr;
	}
	return s;
}

static void named_cases(void)
{
	static const struct {
		const char *what;
		struct entry e[4];
		gpa_t gpa;
		uint64_t bytes;
		uint32_t priv, want; /* MEM_* */
	} rows[] = {
		{ "nothing set up", { { 0 } }, 0x1000, 8, RV_PRIV_S, 0 },
		{ "nothing set up, M", { { 0 } }, 0x1000, 8, RV_PRIV_M, 7 },
		{ "NA4", { { NA4 | 5, 0x400 } }, 0x1000, 4, RV_PRIV_U, 5 },
		{ "NA4, half of 8", { { NA4 | 7, 0x400 } }, 0x1000, 8, RV_PRIV_U, 0 },
		{ "NA4, half of 8, M", { { NA4 | 7, 0x400 } }, 0x1000, 8, RV_PRIV_M, 0 },
		{ "NA4, byte before", { { NA4 | 7, 0x400 } }, 0xfff, 1, RV_PRIV_U, 0 },
		{ "NA4, last byte", { { NA4 | 1, 0x400 } }, 0x1003, 1, RV_PRIV_U, 1 },
		{ "NAPOT 8", { { NAPOT | 3, 0x400 } }, 0x1000, 8, RV_PRIV_S, 3 },
		{ "NAPOT 16", { { NAPOT | 3, 0x401 } }, 0x1008, 8, RV_PRIV_S, 3 },
		{ "NAPOT 16, one over", { { NAPOT | 3, 0x401 } }, 0x1009, 8, RV_PRIV_S, 0 },
		{ "NAPOT all",
		  { { NAPOT | 7, (1ULL << 54) - 1 } },
		  0xfffffffffffff8,
		  8,
		  RV_PRIV_S,
		  7 },
		{ "NAPOT half",
		  { { NAPOT | 7, (1ULL << 52) - 1 } },
		  0x7ffffffffffff8,
		  8,
		  RV_PRIV_S,
		  7 },
		{ "NAPOT half, above",
		  { { NAPOT | 7, (1ULL << 52) - 1 } },
		  1ULL << 55,
		  8,
		  RV_PRIV_S,
		  0 },
		{ "TOR from 0", { { TOR | 1, 0x400 } }, 0xff8, 8, RV_PRIV_S, 1 },
		{ "TOR ends", { { TOR | 1, 0x400 } }, 0x1000, 1, RV_PRIV_S, 0 },
		{ "TOR above OFF",
		  { { OFF, 0x400 }, { TOR | 1, 0x800 } },
		  0x1000,
		  8,
		  RV_PRIV_S,
		  1 },
		{ "TOR below its start",
		  { { OFF, 0x400 }, { TOR | 1, 0x800 } },
		  0xff8,
		  8,
		  RV_PRIV_S,
		  0 },
		{ "TOR empty", { { OFF, 0x800 }, { TOR | 7, 0x800 } }, 0x2000, 4, RV_PRIV_S, 0 },
		{ "TOR backwards",
		  { { OFF, 0x900 }, { TOR | 7, 0x800 } },
		  0x2100,
		  4,
		  RV_PRIV_S,
		  0 },
		{ "TOR of nothing", { { TOR | 7, 0 } }, 0, 4, RV_PRIV_S, 0 },
		{ "lower number wins",
		  { { NA4, 0x400 }, { NAPOT | 7, 0x401 } },
		  0x1000,
		  4,
		  RV_PRIV_S,
		  0 },
		{ "lower number cuts",
		  { { NA4 | 7, 0x400 }, { NAPOT | 7, 0x401 } },
		  0x1000,
		  8,
		  RV_PRIV_S,
		  0 },
		{ "beside the lower",
		  { { NA4, 0x400 }, { NAPOT | 7, 0x401 } },
		  0x1004,
		  4,
		  RV_PRIV_S,
		  7 },
		{ "unlocked does not bind M", { { NAPOT, 0x401 } }, 0x1000, 8, RV_PRIV_M, 7 },
		{ "locked binds M", { { LOCK | NAPOT | 4, 0x401 } }, 0x1000, 8, RV_PRIV_M, 4 },
		{ "locked binds S", { { LOCK | NAPOT | 4, 0x401 } }, 0x1000, 8, RV_PRIV_S, 4 },
		{ "locked but OFF", { { LOCK | OFF, 0x401 } }, 0x1000, 8, RV_PRIV_M, 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rv_state s = state_of(rows[i].e, ARRAY_SIZE(rows[i].e));
		uint32_t got = 0;

		for (uint32_t access = 1; access <= 4; access *= 2) {
			got |= rv_pmp_allows(&s, rows[i].gpa, rows[i].bytes, access, rows[i].priv)
				       ? access
				       : 0;
		}
		if (got != rows[i].want) {
			printf("%s: %u, want %u\n", rows[i].what, got, rows[i].want);
			test_failures++;
		}
	}
}

static void accesses_do_not_wrap(void)
{
	struct rv_state s = { 0 };

	CHECK(rv_pmp_allows(&s, UINT64_MAX, 1, MEM_R, RV_PRIV_M));
	CHECK(!rv_pmp_allows(&s, UINT64_MAX, 2, MEM_R, RV_PRIV_M));
}

/* Entries that crowd in a small place, so that they cut accesses and each other. */
static void random_entries(struct rv_state *s)
{
	uint64_t place = rv_once_in(4) ? rv_random() & ((1ULL << 54) - 1) & ~0xffULL : 0;

	*s = (struct rv_state){ 0 };
	for (int i = 0; i < 16; i++) {
		uint64_t addr = place | rv_below(256);
		unsigned int ones = (unsigned int)rv_below(10);

		if (rv_once_in(2)) {
			continue;
		}
		addr = rv_once_in(2) ? addr | (BIT(ones) - 1) : addr;
		addr = rv_once_in(20) ? BIT(rv_below(55)) - 1 : addr;
		s->pmpaddr[i] = addr;
		((uint8_t *)s->pmpcfg)[i] = (uint8_t)(rv_random() & (rv_once_in(4) ? 0x9f : 0x1f));
	}
}

static gpa_t random_gpa(const struct rv_state *s)
{
	uint64_t near = s->pmpaddr[rv_below(16)] * 4;

	return (rv_once_in(8) ? near : near & ~0x3ffULL) + rv_below(0x440) - rv_below(2) * 16;
}

static void bytes_decide(void)
{
	static const uint32_t privs[] = { RV_PRIV_U, RV_PRIV_S, RV_PRIV_M };
	struct rv_state s;
	uint64_t allowed = 0;

	for (uint64_t i = 0; i < rv_count && test_failures < 10; i++) {
		uint32_t priv = privs[rv_below(3)];
		uint32_t access = 1u << rv_below(3);
		uint64_t bytes = 1u << rv_below(5);
		gpa_t gpa;
		bool want;

		if (i % 16 == 0) {
			random_entries(&s);
		}
		gpa = random_gpa(&s);
		gpa = rv_once_in(2) ? gpa & ~(bytes - 1) : gpa;
		want = gpa + bytes - 1 >= gpa && rv_oracle_pmp(&s, gpa, bytes, access, priv);
		allowed += want;
		if (rv_pmp_allows(&s, gpa, bytes, access, priv) != want) {
			printf("case %" PRIu64 ": %" PRIu64 " bytes at 0x%" PRIx64 ", want %d\n", i,
			       bytes, gpa, want);
			test_failures++;
		}
	}
	CHECK(allowed > rv_count / 10 && allowed < rv_count / 10 * 9); /* the cases are worth it */
}

static bool is_alike(const struct rv_state *s, gpa_t gpa, uint64_t bytes)
{
	int entry = rv_oracle_entry(s, align_down(gpa, bytes));

	for (uint64_t i = 4; i < bytes; i += 4) {
		if (rv_oracle_entry(s, align_down(gpa, bytes) + i) != entry) {
			return false;
		}
	}
	return true;
}

/* As large as possible, and no larger. */
static void blocks_are_alike(void)
{
	uint64_t sizes[13] = { 0 };
	struct rv_state s;

	for (uint64_t i = 0; i < rv_count / 50 && test_failures < 10; i++) {
		uint32_t priv = rv_once_in(2) ? RV_PRIV_M : RV_PRIV_S;
		gpa_t gpa;
		uint64_t bytes;
		uint32_t perm = 0;

		random_entries(&s);
		gpa = random_gpa(&s);
		bytes = rv_pmp_block(&s, gpa, PAGE_BYTES, priv, &perm);
		CHECK(bytes >= 4 && bytes <= PAGE_BYTES && (bytes & (bytes - 1)) == 0);
		CHECK(is_alike(&s, gpa, bytes));
		CHECK(bytes == PAGE_BYTES || !is_alike(&s, gpa, bytes * 2));
		for (uint32_t access = 1; access <= 4; access *= 2) {
			CHECK((perm & access) ==
			      (rv_oracle_pmp(&s, align_down(gpa, 4), 4, access, priv) ? access
										      : 0));
		}
		sizes[__builtin_ctzll(bytes)]++;
	}
	for (unsigned int k = 2; k < ARRAY_SIZE(sizes); k++) {
		CHECK(sizes[k] > 0);
	}
}

static void large_blocks(void)
{
	static const struct entry e[] = { { NAPOT | 7, (1ULL << 54) - 1 } };
	struct rv_state s = state_of(e, 1);
	uint32_t perm = 0;

	CHECK_INT(rv_pmp_block(&s, 0x80001234, 1ULL << 48, RV_PRIV_S, &perm), 1ULL << 48);
	CHECK_INT(perm, 7);
	s.pmpcfg[0] = NA4 | 7;
	s.pmpaddr[0] = 0x80002000 / 4;
	CHECK_INT(rv_pmp_block(&s, 0x80001234, 1ULL << 48, RV_PRIV_M, &perm), 0x2000);
	CHECK_INT(rv_pmp_block(&s, 0x80002003, 1ULL << 48, RV_PRIV_M, &perm), 4);
}

static const struct test_case cases[] = {
	{ "named_cases", named_cases },	  { "accesses_do_not_wrap", accesses_do_not_wrap },
	{ "bytes_decide", bytes_decide }, { "blocks_are_alike", blocks_are_alike },
	{ "large_blocks", large_blocks },
};

RV_TEST_MAIN(cases)
