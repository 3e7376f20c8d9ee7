/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random numbers that are the same on every machine: xoshiro256** seeded by splitmix64. */
#ifndef PINFOLD_SIM_RNG_H
#define PINFOLD_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

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

/** True @p ppm times in a million. */
static inline bool sim_rng_ppm(struct sim_rng *r, uint64_t ppm)
{
	return ppm && sim_rng_below(r, 1000000) < ppm;
}

/** About @p mean: uniform between a half and one and a half of it. */
static inline uint64_t sim_rng_about(struct sim_rng *r, uint64_t mean)
{
	return mean / 2 + sim_rng_below(r, mean + 1);
}

#endif
