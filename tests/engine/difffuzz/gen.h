/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions as bit patterns, for the instruction sets with fixed fields. "0" and "1" are themselves, blanks are
 * for the reader, and a letter stands for a bit of a field, most significant first, even when other bits lie
 * between. What a letter means is the instruction set's own affair (struct gen_set): which registers are free to be
 * written, which ranges of offsets stay near the base register.
 *
 *   { "add", "0000000 ttttt sssss 000 ddddd 0110011" }
 */
#ifndef TESTS_DIFFFUZZ_GEN_H
#define TESTS_DIFFFUZZ_GEN_H

#include "diff.h"

/** One instruction. */
struct gen_pattern {
	const char *name;
	const char *bits;
	const char *differ; /* pairs of letters whose fields must not be equal: "dn da"; or NULL */
	uint8_t branch;	    /* kind of branch, or 0 */
	bool is_fp;
};

/** An instruction set's patterns. */
struct gen_set {
	const struct gen_pattern *patterns;
	size_t n;
	/** Value of a field. */
	uint32_t (*pick)(struct rng *r, char letter, unsigned int bits);
	bool is_thumb; /* 32-bit instructions are two halfwords, the first one first */
};

/** Append an instruction of the pattern to @p i. */
void gen_append(const struct gen_set *set, const struct gen_pattern *p, struct rng *r, struct diff_insn *i);

/** Make @p ret a random instruction of the set. */
void gen_any(const struct gen_set *set, struct rng *r, bool has_fp, struct diff_insn *ret);

/** An integer as programs have them: small, all ones, a sign bit, anything. */
uint64_t gen_integer(struct rng *r);

/** Bits of a double: ordinary, zero, subnormal, infinite, NaN, any. */
uint64_t gen_double(struct rng *r);

/** Bits of a single. */
uint32_t gen_single(struct rng *r);

/** 16 bytes of doubles, singles or integers. */
void gen_vector(struct rng *r, uint64_t ret[2]);

#endif
