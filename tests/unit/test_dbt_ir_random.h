/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random blocks of IR that ir_block_check() admits, and random states for them. */
#ifndef PINFOLD_TESTS_UNIT_TEST_DBT_IR_RANDOM_H
#define PINFOLD_TESTS_UNIT_TEST_DBT_IR_RANDOM_H

#include "test_dbt_ir_eval.h"

/** A generator of numbers. */
struct rng {
	uint64_t s;
};

/** 64 random bits. */
uint64_t rng_next(struct rng *r);
/** Below @p n. */
uint32_t rng_below(struct rng *r, uint32_t n);
/** True @p pct times of 100. */
bool rng_pct(struct rng *r, uint32_t pct);
/** A number that is worth a test more often than not. */
uint64_t rng_corner(struct rng *r);

#define RANDOM_INT    BIT(0)
#define RANDOM_MEMORY BIT(1)
#define RANDOM_FP     BIT(2)
#define RANDOM_FLAGS  BIT(3)
#define RANDOM_HELPER BIT(4)

/** A block with operations of those kinds. */
void random_block(struct rng *r, uint32_t kinds, struct ir_block *b);
/** Registers, memory, device and rounding mode. */
void random_state(struct rng *r, struct ir_eval *m);

#endif
