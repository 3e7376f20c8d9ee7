/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second tier: a block to which jumps lead backwards again and again begins a region, of the blocks around it that
 * have run already.
 *
 * Blocks are found breadth first along branches and jumps, and laid out by address, the first one first. Where links stay within
 * a page, regions do. The block's own code becomes a jump to the region, so all that
 * is linked to it goes there; a copy of it serves when a guard of the region's entry fails.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/dbt/dbt_priv.h"

#define BLOCK_BYTES(n_insns) (offsetof(struct ir_block, insns) + (n_insns) * sizeof(struct ir_insn))

_Static_assert(BLOCK_BYTES(1) % _Alignof(struct ir_block) == 0 &&
		       sizeof(struct ir_insn) % _Alignof(struct ir_block) == 0,
	       "blocks may lie one behind the other");

struct dbt_region_work {
	struct ir_region r;
	struct opt_work opt;
	/* One behind the other, each as long as it came to be: less memory is touched. The last may need all of its own. */
	_Alignas(struct ir_block)
		uint8_t blocks[IR_REGION_BLOCKS_MAX * BLOCK_BYTES(0) +
			       BLOCK_BYTES(IR_REGION_INSNS_MAX) + sizeof(struct ir_block)];
	size_t used;
	struct ir_block *sorted[IR_REGION_BLOCKS_MAX];
	size_t n, n_guests, n_insns;
	uint64_t head;
	gpa_t head_gpa;
	uint64_t queue[2 * IR_REGION_BLOCKS_MAX + 2];
	size_t n_queue;
};

void dbt_region_done(struct dbt_engine *d)
{
	free(d->region);
	d->region = NULL;
}

static struct dbt_region_work *work_of(struct dbt_engine *d)
{
	if (!d->region) {
		d->region = calloc(1, sizeof(*d->region));
	}
	if (d->region) {
		d->region->opt.cfg = (struct opt_config){
			.regs = d->front->regs,
			.n_regs = d->front->n_regs,
			.window_bits = DBT_WINDOW_BITS,
			.slack_bytes = EMIT_WINDOW_SLACK,
		};
	}
	return d->region;
}

/* Whether code there may be part of the region. */
static bool is_near(const struct dbt_engine *d, const struct dbt_region_work *w, uint64_t pc)
{
	return d->front->is_physical(d->cpu)
		       ? pc - w->head + DBT_REGION_BYTES / 2 < DBT_REGION_BYTES
		       : ((pc ^ w->head) & ~(PAGE_BYTES - 1)) == 0;
}

static void queue(struct dbt_region_work *w, uint64_t pc)
{
	for (size_t k = 0; k < w->n_queue; k++) {
		if (w->queue[k] == pc) {
			return;
		}
	}
	if (w->n_queue < ARRAY_SIZE(w->queue)) {
		w->queue[w->n_queue++] = pc;
	}
}

static void queue_successors(struct dbt_region_work *w, const struct ir_block *b)
{
	const struct ir_insn *end = ir_block_end(b);

	if (end->flags & IR_CALL) {
		queue(w, (uint64_t)end->imm);
	} else if (end->op == IR_BRANCH) {
		queue(w, b->next);
		queue(w, b->target);
	} else if (end->op == IR_JUMP) {
		queue(w, b->target);
	}
}

/* Decode the block at an address once more, if it has been translated and has not changed. */
static bool decode(struct dbt_engine *d, struct dbt_region_work *w, uint64_t pc,
		   struct ir_block *ret)
{
	const struct dbt_block *b;
	struct front_page page;
	const uint8_t *bytes;
	bool is_decoded;

	if (!dbt_code_page(d, pc, &page) || page.gpa - w->head_gpa != pc - w->head) {
		return false;
	}
	bytes = dbt_source_bytes(d, page.gpa);
	b = dbt_code_at(d, pc, page.gpa);
	if (!bytes || !b || b->is_stale || b->has_tail) {
		return false;
	}
	d->front->set_pc(d->cpu, pc);
	is_decoded = d->front->decode(d->cpu, bytes, dbt_code_ahead(d, pc, &page), ret);
	d->front->set_pc(d->cpu, w->head);
	dbt_soft_mark(d, ret);
	return is_decoded;
}

static bool fits(const struct dbt_region_work *w, const struct ir_block *b)
{
	return w->n == 0 || (w->n_guests + b->n_guests <= IR_REGION_GUESTS_MAX &&
			     w->n_insns + b->n_insns <= IR_REGION_INSNS_MAX);
}

static void collect(struct dbt_engine *d, struct dbt_region_work *w)
{
	for (size_t k = 0; k < w->n_queue && w->n < IR_REGION_BLOCKS_MAX; k++) {
		struct ir_block *b = (struct ir_block *)(void *)(w->blocks + w->used);
		uint64_t pc = w->queue[k];

		if (!is_near(d, w, pc) || !decode(d, w, pc, b) || !fits(w, b)) {
			continue;
		}
		w->sorted[w->n++] = b;
		w->used += BLOCK_BYTES(b->n_insns);
		w->n_guests += b->n_guests;
		w->n_insns += b->n_insns;
		queue_successors(w, b);
	}
}

/* By address from the head on, those before it last. */
static void sort(struct dbt_region_work *w)
{
	for (size_t k = 1; k < w->n; k++) {
		struct ir_block *b = w->sorted[k];
		size_t at = k;

		for (; at > 1 && w->sorted[at - 1]->pc - w->head > b->pc - w->head; at--) {
			w->sorted[at] = w->sorted[at - 1];
		}
		w->sorted[at] = b;
	}
	w->r.n = w->n;
	for (size_t k = 0; k < w->n; k++) {
		w->r.blocks[k].b = w->sorted[k];
	}
}

/* The region is to be killed with any of its blocks: one entry per page. */
static void depend(struct dbt_engine *d, const struct dbt_region_work *w, uint32_t block)
{
	for (size_t k = 0; k < w->n; k++) {
		uint64_t page = w->sorted[k]->pc & ~(PAGE_BYTES - 1);
		uint64_t from = UINT64_MAX;
		uint64_t to = 0;
		bool is_first = true;

		for (size_t j = 0; j < w->n; j++) {
			const struct ir_block *b = w->sorted[j];

			if ((b->pc & ~(PAGE_BYTES - 1)) == page) {
				is_first &= j >= k;
				from = b->pc < from ? b->pc : from;
				to = b->next > to ? b->next : to;
			}
		}
		if (is_first) {
			dbt_code_depend(d, block, w->head_gpa + (from - w->head),
					(uint16_t)(to - from));
		}
	}
}

static bool has_loop(const struct dbt_region_work *w)
{
	for (size_t k = 0; k < w->n; k++) {
		if (w->r.blocks[k].is_loop_head) {
			return true;
		}
	}
	return false;
}

static void make(struct dbt_engine *d, struct dbt_region_work *w, struct dbt_block *b)
{
	struct emit_jump *jump = &d->context->jumps[emit_jump_slot(b->pc)];
	struct emit_code fallback;
	struct emit_code code;

	w->n = w->n_guests = w->n_insns = w->used = 0;
	w->head = b->pc;
	w->head_gpa = b->gpa;
	w->queue[0] = b->pc;
	w->n_queue = 1;
	collect(d, w);
	if (w->n == 0 || w->sorted[0]->pc != b->pc || b->is_stale ||
	    dbt_code_is_full(d, DBT_REGION_BYTES / PAGE_BYTES + 2)) {
		return;
	}
	sort(w);
	ir_region_connect(&w->r);
	if (!has_loop(w) || emit_block(d->em, w->sorted[0], &fallback) < 0) {
		return;
	}
	opt_region(&w->opt, &w->r);
	if (emit_region(d->em, &w->r, fallback.entry, &code) < 0) {
		return;
	}
	emit_redirect(d->em, dbt_block_code(d, b), code.entry);
	dbt_block_code_set(d, b, code.entry);
	b->is_region = true;
	d->n_region_guests += w->n_guests;
	d->n_made++;
	depend(d, w, (uint32_t)(b - d->blocks));
	*jump = (struct emit_jump){ b->pc, code.entry };
}

bool dbt_region_count(struct dbt_engine *d, uint64_t pc)
{
	struct dbt_region_work *w = work_of(d);
	struct front_page page;
	struct dbt_block *b;

	if (!w || !dbt_code_page(d, pc, &page)) {
		return true;
	}
	b = dbt_code_at(d, pc, page.gpa);
	if (!b || b->is_stale || b->has_tail || b->is_region || b->heat >= DBT_HOT) {
		return true;
	}
	if (++b->heat < DBT_HOT) {
		return false;
	}
	make(d, w, b);
	return true;
}
