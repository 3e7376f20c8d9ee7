/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulator's dice: rare things drawn together come as often, and as independently, as one by one. */
#include "sim/rng.h"
#include "test.h"

#define DRAWS 2000000

static const uint64_t ppm[] = { 200, 50000, 0, 400000, 1000 };

/* Five times the standard deviation. */
static void check_often(uint64_t n, double p)
{
	double off = (double)n - DRAWS * p;

	CHECK(off * off <= 25 * DRAWS * p * (1 - p));
}

static void as_often_as_one_by_one(void)
{
	uint64_t n[5][5] = { 0 };
	struct sim_odds odds = { 0 };
	struct sim_rng rng;
	uint64_t rest, below = 0;

	sim_rng_seed(&rng, 11);
	for (int i = 0; i < 5; i++) {
		sim_odds_add(&odds, ppm[i]);
	}
	for (int k = 0; k < DRAWS; k++) {
		bool is_low = sim_rng_split(&rng, 20000, &rest) < 10000;
		uint32_t set = sim_odds_draw(&odds, &rng, rest);

		below += is_low && (set & 2);
		for (int i = 0; i < 5; i++) {
			for (int j = 0; j < 5; j++) {
				n[i][j] += (set >> i & 1) && (set >> j & 1);
			}
		}
	}
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < 5; j++) {
			double p = (double)ppm[i] / 1e6;

			check_often(n[i][j], i == j ? p : p * (double)ppm[j] / 1e6);
		}
	}
	check_often(below, 0.05 / 2); /* nor do they depend on the number that comes with them */
}

static void never_and_always(void)
{
	struct sim_odds never = { 0 }, always = { 0 };
	struct sim_rng rng;

	sim_rng_seed(&rng, 12);
	sim_odds_add(&never, 0);
	sim_odds_add(&always, 0);
	sim_odds_add(&always, 1000000);
	for (int k = 0; k < 1000; k++) {
		CHECK(sim_odds_draw(&never, &rng, sim_rng_next(&rng)) == 0);
		CHECK(sim_odds_draw(&always, &rng, sim_rng_next(&rng)) == 2);
	}
	CHECK(sim_odds_draw(&never, &rng, 0) == 0);
}

static const struct test_case cases[] = {
	{ "as often as one by one", as_often_as_one_by_one },
	{ "never and always", never_and_always },
};

TEST_MAIN(cases)
