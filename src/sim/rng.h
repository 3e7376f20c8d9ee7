/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64. */
#ifndef PINFOLD_SIM_RNG_H
#define PINFOLD_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_ODDS_MAX 6

struct sim_rng {
	uint64_t s[4];
};

static inline void sim_rng_seed(struct sim_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
		r->s[i] = z ^ z >> 31;
	}
}

static inline uint64_t sim_rng_next(struct sim_rng *r)
{
	uint64_t x = r->s[1] * 5;
	uint64_t result = (x << 7 | x >> 57) * 9;
	uint64_t t = r->s[1] << 17;

	r->s[2] ^= r->s[0];
	r->s[3] ^= r->s[1];
	r->s[1] ^= r->s[2];
	r->s[0] ^= r->s[3];
	r->s[2] ^= t;
	r->s[3] = r->s[3] << 45 | r->s[3] >> 19;
	return result;
}

/** A number below @p n (1 or more). */
static inline uint64_t sim_rng_below(struct sim_rng *r, uint64_t n)
{
	return (uint64_t)(((__uint128_t)sim_rng_next(r) * n) >> 64);
}

/** As sim_rng_below(), and of the same number, as good as independent, another one of 64 bits. */
static inline uint64_t sim_rng_split(struct sim_rng *r, uint64_t n, uint64_t *ret_rest)
{
	__uint128_t both = (__uint128_t)sim_rng_next(r) * n;

	*ret_rest = (uint64_t)both;
	return (uint64_t)(both >> 64);
}

/** True @p ppm times in a million. */
static inline bool sim_rng_ppm(struct sim_rng *r, uint64_t ppm)
{
	return ppm && sim_rng_below(r, 1000000) < ppm;
}

/** Rare things that may happen on the same occasion, each or none, independent of each other. */
struct sim_odds {
	uint32_t n;
	uint64_t ppm[SIM_ODDS_MAX];
	uint64_t any[SIM_ODDS_MAX]; /* that one of those up to this one happens, in parts of 2^64 */
};

/** One thing more. */
static inline void sim_odds_add(struct sim_odds *o, uint64_t ppm)
{
	uint64_t none = UINT64_MAX - (o->n ? o->any[o->n - 1] : 0);

	o->ppm[o->n] = ppm;
	o->any[o->n++] = UINT64_MAX - (uint64_t)((__uint128_t)none * (1000000 - ppm) / 1000000);
}

/**
 * Draw what happens. Mostly nothing does, and the one number tells.
 * @param rest uniform in 64 bits: of sim_rng_split()
 * @return bit i: the thing that was added as number i
 */
static inline uint32_t sim_odds_draw(const struct sim_odds *o, struct sim_rng *r, uint64_t rest)
{
	uint32_t first = 0;
	uint32_t set;

	if (rest >= o->any[o->n - 1]) {
		return 0;
	}
	while (rest >= o->any[first]) {
		first++;
	}
	set = 1U << first;
	for (uint32_t i = first + 1; i < o->n; i++) {
		set |= (uint32_t)sim_rng_ppm(r, o->ppm[i]) << i;
	}
	return set;
}

/** About @p mean: uniform between a half and one and a half of it. */
static inline uint64_t sim_rng_about(struct sim_rng *r, uint64_t mean)
{
	return mean / 2 + sim_rng_below(r, mean + 1);
}

#endif
