/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A region: blocks that are translated together, with the edges between them. It is entered at its first block only.
 *
 *   region_init(), one block after the other    the engine
 *   ir_region_connect()                         edges, by addresses
 *   opt_region()                                facts: what holds where blocks begin, what edges have to test
 *   emit_region()                               the emitter
 *
 * Guards. An edge may have to test something before it is taken: its block was analysed under that assumption. When a
 * guard fails, the region is left towards other code for the same address, with nothing changed.
 */
#ifndef PINFOLD_ENGINE_DBT_IR_IR_REGION_H
#define PINFOLD_ENGINE_DBT_IR_IR_REGION_H

#include "engine/dbt/ir/ir.h"

#define IR_REGION_BLOCKS_MAX 32u
#define IR_REGION_GUESTS_MAX 200u
#define IR_REGION_INSNS_MAX  512u
#define IR_GUARDS_MAX	     16u

/** Instead of a block: the edge leaves the region. */
#define IR_BLOCK_NONE 0xffu

/** What a guard tests. */
enum ir_guard_kind {
	IR_GUARD_WINDOW, /* an integer register is an address in the window */
	IR_GUARD_NUMBER, /* an FP register is no NaN as a double */
};

/** A guard. */
struct ir_guard {
	ir_val reg;
	uint8_t kind; /* enum ir_guard_kind */
};

/** A way from one block to another. */
struct ir_edge {
	uint8_t to; /* index of a block, or IR_BLOCK_NONE */
	uint8_t n_guards;
	struct ir_guard guards[IR_GUARDS_MAX];
};

/** A set of registers. */
struct ir_set {
	uint64_t bits[IR_REGS_MAX / 64];
};

/** A block of a region. */
struct ir_region_block {
	struct ir_block *b;
	struct ir_edge next;   /* BRANCH: not taken; a call: where it comes back to */
	struct ir_edge target; /* BRANCH, JUMP that is no call */
	/* FP registers in which any NaN stands for the canonical one, as a double or as a boxed single: it may be made
	 * canonical when somebody looks. */
	struct ir_set canon64, canon32;
	bool is_loop_head; /* an edge from itself or from a later block leads here */
};

/** A region. */
struct ir_region {
	size_t n;
	struct ir_edge entry; /* to block 0 */
	struct ir_region_block blocks[IR_REGION_BLOCKS_MAX];
};

static inline bool ir_set_has(const struct ir_set *s, ir_val v)
{
	return v < IR_REGS_MAX && (s->bits[v / 64] & BIT(v % 64));
}

static inline void ir_set_add(struct ir_set *s, ir_val v)
{
	s->bits[v / 64] |= BIT(v % 64);
}

static inline void ir_set_remove(struct ir_set *s, ir_val v)
{
	if (v < IR_REGS_MAX) {
		s->bits[v / 64] &= ~BIT(v % 64);
	}
}

/** The operation that ends a block. */
static inline const struct ir_insn *ir_block_end(const struct ir_block *b)
{
	return &b->insns[b->n_insns - 1];
}

/** Find the edges of a region whose n and blocks[].b are set; all else is set to nothing known. */
void ir_region_connect(struct ir_region *r);

#endif
