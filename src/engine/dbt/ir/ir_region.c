/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ir_region.h. */
#include "engine/dbt/ir/ir_region.h"

#include <string.h>

static struct ir_edge edge_to(struct ir_region *r, size_t from, uint64_t pc)
{
	size_t k = 0;

	while (k < r->n && r->blocks[k].b->pc != pc) {
		k++;
	}
	if (k == r->n) {
		return (struct ir_edge){ .to = IR_BLOCK_NONE };
	}
	r->blocks[k].is_loop_head |= k <= from;
	return (struct ir_edge){ .to = (uint8_t)k };
}

void ir_region_connect(struct ir_region *r)
{
	for (size_t k = 0; k < r->n; k++) {
		struct ir_region_block *rb = &r->blocks[k];

		*rb = (struct ir_region_block){ .b = rb->b,
						.next = { .to = IR_BLOCK_NONE },
						.target = { .to = IR_BLOCK_NONE } };
	}
	r->entry = (struct ir_edge){ .to = 0 };
	for (size_t k = 0; k < r->n; k++) {
		struct ir_region_block *rb = &r->blocks[k];
		const struct ir_insn *end = ir_block_end(rb->b);

		if (end->flags & IR_CALL) {
			rb->next = edge_to(r, k, (uint64_t)end->imm);
		} else if (end->op == IR_BRANCH) {
			rb->next = edge_to(r, k, rb->b->next);
			rb->target = edge_to(r, k, rb->b->target);
		} else if (end->op == IR_JUMP) {
			rb->target = edge_to(r, k, rb->b->target);
		}
	}
}
