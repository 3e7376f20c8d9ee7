/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The optimiser: analyses over regions that know neither a guest architecture nor a host. What they find becomes part
 * of the IR: other operations, flags, guards on edges. Whatever it is given, a region does the same as before, with every
 * register and all of memory exact wherever an operation may stop and wherever the region is left.
 */
#ifndef PINFOLD_ENGINE_DBT_OPT_OPT_H
#define PINFOLD_ENGINE_DBT_OPT_OPT_H

#include "engine/dbt/ir/ir_region.h"

/** Values that something may have: lo to hi, signed. */
struct opt_range {
	int64_t lo, hi;
};

#define OPT_RANGE_ALL ((struct opt_range){ INT64_MIN, INT64_MAX })

/** What is known of registers where an operation stands. */
struct opt_state {
	struct ir_set canon64, canon32; /* see struct ir_region_block */
	bool is_reached;
	struct opt_range regs[IR_REGS_MAX];
};

/** About registers and windows; see struct emit_config. */
struct opt_config {
	const struct ir_reg *regs;
	size_t n_regs;
	uint8_t window_bits;
	uint64_t slack_bytes; /* what is never mapped before and behind a window */
};

/** Work space of opt_region(), to be allocated once. */
struct opt_work {
	struct opt_config cfg;
	struct ir_region *r;
	struct opt_state in[IR_REGION_BLOCKS_MAX]; /* where blocks begin */
	struct opt_state now, out;
	struct opt_range temps[IR_TEMPS_MAX]; /* of the block that is looked at */
	/* Of loops, by the index of their heads. */
	struct {
		size_t last; /* block that jumps back to it */
		struct ir_set
			bases; /* registers that addresses in the loop are made of: to be in the window */
		struct ir_set results; /* FP registers that get canonical doubles in the loop */
	} loops[IR_REGION_BLOCKS_MAX];
	struct ir_set exposed[IR_REGION_BLOCKS_MAX];
	bool is_changed
		[IR_REGION_BLOCKS_MAX]; /* what is known where they begin: others are to be looked at anew */
	uint32_t rounds;
};

/**
 * Analyse a region, mark accesses that need no check, drop extensions of what is extended, and set guards.
 * @param r connected; its blocks are changed
 */
void opt_region(struct opt_work *w, struct ir_region *r);

/**
 * Rewrite what can be said shorter inside a block: rotations and extensions that are made of two shifts, results or halves
 * of results that nobody sees.
 */
void opt_block(const struct opt_config *cfg, struct ir_block *b);

/* ---- opt_range.c ---- */

/** What is known of a value. */
struct opt_range opt_range_of(const struct opt_work *w, const struct opt_state *s, ir_val v);
/** The range that an integer operation's result has. */
struct opt_range opt_range_result(const struct opt_work *w, const struct opt_state *s,
				  const struct ir_insn *i);
/** Addresses that may be accessed without a check: in the window, or where nothing is mapped. */
bool opt_is_safe(const struct opt_work *w, struct opt_range base, int64_t disp);

static inline bool opt_range_within(struct opt_range r, int64_t lo, int64_t hi)
{
	return r.lo >= lo && r.hi <= hi;
}

#endif
