/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the privileged model share: random numbers, a hart with a clock, PMP by bytes. */
#ifndef PINFOLD_TESTS_UNIT_TEST_RV_H
#define PINFOLD_TESTS_UNIT_TEST_RV_H

#include <getopt.h>

#include "cpu/riscv/rv_hart.h"
#include "test.h"

/** How many random cases; set by --count. */
static uint64_t rv_count = 1000000;
/** Where they begin; set by --seed. */
static uint64_t rv_seed = 1;

/** xorshift64*: the same numbers everywhere. */
static inline uint64_t rv_random(void)
{
	rv_seed ^= rv_seed >> 12;
	rv_seed ^= rv_seed << 25;
	rv_seed ^= rv_seed >> 27;
	return rv_seed * 0x2545f4914f6cdd1dULL;
}

/** @return a number below @p n, which is small */
static inline uint64_t rv_below(uint64_t n)
{
	return (rv_random() >> 32) % n;
}

/** @return true once in @p n */
static inline bool rv_once_in(uint64_t n)
{
	return rv_below(n) == 0;
}

/** What the harts of a test see as `time`. */
static uint64_t rv_now;

static inline uint64_t rv_ticks(void *opaque)
{
	return *(const uint64_t *)opaque;
}

/** A hart out of reset, with hart number 3. */
static inline void rv_open(struct rv_hart *h, struct mem *mem)
{
	rv_hart_init(h, &(struct rv_hart_config){
				.hartid = 3, .mem = mem, .clock = { &rv_now, rv_ticks } });
}

/** Write a CSR as M-mode would; it must succeed. */
static inline void rv_put(struct rv_hart *h, uint32_t csr, uint64_t value)
{
	uint32_t priv = h->s.priv;
	uint32_t effects = 0;

	h->s.priv = RV_PRIV_M;
	CHECK(rv_csr_access(h, csr, RV_CSR_WRITE, value, NULL, &effects));
	h->s.priv = priv;
}

/* ---- PMP as the manual's table says it: one byte, one entry ---- */

static inline bool rv_oracle_matches(const struct rv_state *s, int entry, gpa_t byte)
{
	unsigned int cfg = ((const uint8_t *)s->pmpcfg)[entry];
	uint64_t word = byte / 4;
	uint64_t care = UINT64_MAX;

	switch (cfg >> 3 & 3) {
	case 0:
		return false;
	case 1:
		return word < s->pmpaddr[entry] && (entry == 0 || word >= s->pmpaddr[entry - 1]);
	case 2:
		return word == s->pmpaddr[entry];
	default:
		for (uint64_t bit = 1; bit && (s->pmpaddr[entry] & bit); bit *= 2) {
			care -= bit;
		}
		care &= care - 1; /* the zero above the ones */
		return ((word ^ s->pmpaddr[entry]) & care) == 0;
	}
}

/** @return the first entry that matches a byte; 16: none */
static inline int rv_oracle_entry(const struct rv_state *s, gpa_t byte)
{
	int entry = 0;

	while (entry < 16 && !rv_oracle_matches(s, entry, byte)) {
		entry++;
	}
	return entry;
}

/** What rv_pmp_allows() must say about a few bytes. */
static inline bool rv_oracle_pmp(const struct rv_state *s, gpa_t gpa, uint64_t bytes,
				 uint32_t access, uint32_t priv)
{
	int lowest = 16;
	unsigned int cfg;

	for (uint64_t i = 0; i < bytes; i++) {
		int entry = rv_oracle_entry(s, gpa + i);

		lowest = entry < lowest ? entry : lowest;
	}
	if (lowest == 16) {
		return priv == RV_PRIV_M;
	}
	for (uint64_t i = 0; i < bytes; i++) {
		if (!rv_oracle_matches(s, lowest, gpa + i)) {
			return false;
		}
	}
	cfg = ((const uint8_t *)s->pmpcfg)[lowest];
	return (priv == RV_PRIV_M && cfg < 0x80) || (cfg & 7 & access) == access;
}

/** Read --count and --seed. @return false, and what is possible on stderr, for anything else */
static inline bool rv_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c') {
			rv_count = strtoull(optarg, NULL, 0);
		} else if (c == 's') {
			rv_seed = strtoull(optarg, NULL, 0) | 1; /* 0 stays 0 for ever */
		} else {
			fprintf(stderr, "usage: %s [--count CASES] [--seed NUMBER]\n", argv[0]);
			return false;
		}
	}
	return true;
}

#define RV_TEST_MAIN(cases)                                                              \
	int main(int argc, char **argv)                                                  \
	{                                                                                \
		return rv_options(argc, argv) ? test_main(cases, ARRAY_SIZE(cases)) : 1; \
	}

#endif
