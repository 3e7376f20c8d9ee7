/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random hot programs, and engines to run them on: what tests of the whole engine share. */
#ifndef PINFOLD_TESTS_UNIT_TEST_DBT_HOT_RIG_H
#define PINFOLD_TESTS_UNIT_TEST_DBT_HOT_RIG_H

#include "cpu/riscv/riscv.h"
#include "engine/dbt/dbt_engine.h"
#include "test_dbt_ir_random.h"
#include "test_engine_side.h"

#define CODE_GPA   0x80000000ULL
#define DATA_GPA   0x80010000ULL /* what is before and behind it is not mapped */
#define RAM_BYTES  65536u
#define DATA_BYTES 8192u

/* Registers with a meaning. */
enum { RA = 1, OUTER = 5, INNER = 6, DEEP = 7, PTR = 8, OTHER = 9, FIRST = 10, LEAF_RA = 1 };

struct program {
	struct rng *r;
	uint32_t at; /* where it begins, behind CODE_GPA */
	uint32_t code[512];
	size_t n;
};

/** With code in its RAM, and data. @return false: skipped, and said so */
bool hot_side_open(struct side *s);

/** Loops in loops, for ever, with a call of a leaf and accesses that may fault. */
void make_program(struct program *p);

/** A program and its data into memory, and random registers. */
void start(struct side *s, const struct program *p, uint64_t seed);

/** Compare, and complain of what differs. @param a how the one's run ended; @param b the other's */
bool is_same(const struct side *one, enum vm_exit_kind a, const struct side *two,
	     enum vm_exit_kind b);

#endif
