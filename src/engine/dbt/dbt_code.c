/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translated blocks: a hash table of them, their links, and what makes them void.
 *
 * A block is known by its virtual address (its code contains addresses), the physical address of its bytes and the mode,
 * so processes that share a page of code share its translations. Whoever enters a block by a link or by a context's
 * table for jumps does not look at the physical address again, nor at whether it may be executed: links stay within a page
 * (where nothing but the mode decides about addresses, they need not), and the tables are emptied when translations of
 * addresses become void. A page of which only parts may be executed has no translations.
 *
 * Guests say when they have written code (RISC-V: fence.i): see dbt_source.c. A block that has changed is killed, and leads to
 * its successor when there is one.
 */
#include "engine/dbt/dbt_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "host/map.h"

/* In the signal handler: what the access needs is done outside of it. */
static enum emit_access_result on_access(struct emit_env *env, struct emit_access *a)
{
	struct dbt_engine *d = env->opaque;

	env->access_gva = a->address;
	d->access_bytes = a->bytes;
	d->is_access_write = a->is_write;
	return EMIT_ACCESS_LEAVE;
}

static const struct emit_ops emit_ops = {
	.access = on_access,
};

int dbt_code_init(struct dbt_engine *d, struct errmsg *e)
{
	struct emit_config ec = {
		.regs = d->front->regs,
		.n_regs = d->front->n_regs,
		.code_bytes = DBT_CODE_BYTES,
		.window_bits = DBT_WINDOW_BITS,
		.ops = &emit_ops,
	};
	int r;

	r = host_map_code(DBT_CODE_BYTES, &d->code_rw, &d->code_rx, e);
	if (r < 0) {
		return r;
	}
	ec.code_rw = d->code_rw;
	ec.code_rx = d->code_rx;
	r = dbt_tables_init(d, e);
	if (r < 0) {
		return r;
	}
	dbt_source_init(d);
	d->code_generation = 1;
	return emitter_new(&ec, &d->em, e);
}

void dbt_code_done(struct dbt_engine *d)
{
	emitter_free(d->em);
	dbt_tables_done(d);
	dbt_region_done(d);
	host_map_free(d->code_rw, DBT_CODE_BYTES);
	host_map_free((uint8_t *)(uintptr_t)d->code_rx, DBT_CODE_BYTES);
}

void dbt_code_kill(struct dbt_engine *d, struct dbt_block *b)
{
	uint32_t slot = emit_jump_slot(b->pc);

	if (b->is_stale) {
		return;
	}
	b->is_stale = true;
	emit_kill(d->em, dbt_block_code(d, b));
	if (b->is_region) {
		emit_returns_forget(d->em); /* calls would come back into its middle */
	}
	for (size_t i = 0; i < DBT_CONTEXTS; i++) {
		if (d->contexts[i].jumps[slot].pc == b->pc) {
			d->contexts[i].jumps[slot].pc = EMIT_JUMP_EMPTY;
		}
	}
}

void dbt_code_reset(struct dbt_engine *d)
{
	d->code_generation++;
	d->context = NULL;
	memset(d->block_heads, 0, DBT_BLOCK_HEADS * sizeof(*d->block_heads));
	d->n_blocks = 0;
	dbt_source_reset(d);
	emitter_reset(d->em);
}

/* Blocks of one guest page lie side by side: a small guest touches few pages of the table. */
static uint32_t *head_of(struct dbt_engine *d, uint64_t pc, gpa_t gpa)
{
	uint64_t h =
		(pc >> 12) ^ (gpa >> 12) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)d->context->mode << 48;

	h *= 0x9e3779b97f4a7c15ULL;
	return &d->block_heads[((h >> 40) + (pc % PAGE_BYTES >> 1)) & (DBT_BLOCK_HEADS - 1)];
}

bool dbt_code_page(struct dbt_engine *d, uint64_t pc, struct front_page *ret)
{
	struct cpu_fault unread;

	return d->front->translate_address(d->cpu, pc, MEM_X, ret, &unread) &&
	       (ret->bytes >= PAGE_BYTES || d->front->is_physical(d->cpu)) &&
	       dbt_ram(d, ret->gpa, 2, MEM_X);
}

/* The page behind that of the pc. */
static bool tail_find(struct dbt_engine *d, uint64_t pc, struct front_page *ret)
{
	return dbt_code_page(d, (pc | (PAGE_BYTES - 1)) + 1, ret);
}

/* A loaded block is about to be used. */
static void adopt(struct dbt_engine *d, struct dbt_block *b)
{
	b->is_foreign = false;
	dbt_source_adopt(d, b->gpa);
	if (b->has_tail) {
		dbt_source_adopt(d, b->tail_gpa);
	}
}

struct dbt_block *dbt_code_at(struct dbt_engine *d, uint64_t pc, gpa_t gpa)
{
	struct front_page tail;

	for (uint32_t i = *head_of(d, pc, gpa); i; i = d->blocks[i].next) {
		struct dbt_block *b = &d->blocks[i];

		if (b->pc != pc || b->gpa != gpa || b->mode != d->context->mode) {
			continue;
		}
		if (!b->has_tail || (tail_find(d, pc, &tail) && tail.gpa == b->tail_gpa)) {
			if (b->is_foreign) {
				adopt(d, b);
			}
			return b;
		}
	}
	return NULL;
}

size_t dbt_code_ahead(const struct dbt_engine *d, uint64_t pc, const struct front_page *page)
{
	uint64_t span = page->bytes < PAGE_BYTES ? page->bytes : PAGE_BYTES;
	size_t n = (size_t)(span - pc % span);

	for (size_t i = 0; i < d->n_breaks; i++) {
		if (d->breaks[i] >= pc && d->breaks[i] - pc < n) {
			n = (size_t)(d->breaks[i] - pc);
		}
	}
	return n;
}

/* Whether code on both addresses is surely mapped together. */
static bool is_lasting(const struct dbt_engine *d, uint64_t from_pc, uint64_t pc)
{
	return d->front->is_physical(d->cpu) || ((from_pc ^ pc) & ~(PAGE_BYTES - 1)) == 0;
}

/* An instruction at the end of a page whose last bytes are in the next one: decode it alone. */
static bool decode_across(struct dbt_engine *d, uint64_t pc, size_t n, const uint8_t *bytes,
			  struct front_page *ret_tail)
{
	uint8_t both[2 * IR_GUEST_BYTES_MAX];
	const uint8_t *behind;

	if (n >= IR_GUEST_BYTES_MAX || (pc + n) % PAGE_BYTES || !tail_find(d, pc, ret_tail)) {
		return false;
	}
	behind = dbt_source_bytes(d, ret_tail->gpa);
	if (!behind) {
		return false;
	}
	memcpy(both, bytes, n);
	for (size_t k = 1; k < IR_GUEST_BYTES_MAX; k++) {
		both[n + k - 1] = behind[k - 1];
		if (d->front->decode(d->cpu, both, n + k, &d->ir)) {
			return true;
		}
	}
	return false;
}

/* Decode what is at the pc into d->ir. */
static bool decode(struct dbt_engine *d, uint64_t pc, const struct front_page *page,
		   bool *ret_has_tail, struct front_page *ret_tail)
{
	const uint8_t *bytes = dbt_source_bytes(d, page->gpa);
	size_t n = dbt_code_ahead(d, pc, page);

	*ret_has_tail = false;
	if (!bytes) {
		return false;
	}
	if (!d->front->decode(d->cpu, bytes, n, &d->ir)) {
		*ret_has_tail = decode_across(d, pc, n, bytes, ret_tail);
		if (!*ret_has_tail) {
			return false;
		}
	}
	dbt_soft_mark(d, &d->ir);
	return true;
}

void dbt_code_depend(struct dbt_engine *d, uint32_t block, gpa_t gpa, uint16_t bytes)
{
	d->blocks[++d->n_blocks] = (struct dbt_block){
		.gpa = gpa,
		.guest_bytes = bytes,
		.is_tail = true,
		.twin = block,
	};
	dbt_source_link(d, d->n_blocks);
}

/* Enter a new block and its tail, if it has one, into the tables. */
static struct dbt_block *block_add(struct dbt_engine *d, uint64_t pc, const struct front_page *page,
				   const struct front_page *tail)
{
	uint32_t *head = head_of(d, pc, page->gpa);
	uint32_t i = ++d->n_blocks;
	struct dbt_block *b = &d->blocks[i];

	BUG_ON(d->front->mode(d->cpu) !=
	       d->context->mode); /* it was decoded for the one and is found by the other */
	*b = (struct dbt_block){
		.pc = pc,
		.gpa = page->gpa,
		.mode = (uint8_t)d->context->mode,
		.guest_bytes = (uint16_t)(d->ir.next - pc),
		.next = *head,
	};
	*head = i;
	dbt_source_link(d, i);
	if (tail) {
		b->has_tail = true;
		b->tail_gpa = tail->gpa;
		dbt_code_depend(d, i, tail->gpa, (uint16_t)(d->ir.next % PAGE_BYTES));
	}
	return b;
}

bool dbt_code_is_full(const struct dbt_engine *d, uint32_t n)
{
	return d->n_blocks + n > DBT_BLOCKS_MAX || d->n_sources + n > DBT_SOURCES_MAX;
}

static struct dbt_block *translate(struct dbt_engine *d, uint64_t pc, const struct front_page *page,
				   struct dbt_block *old)
{
	struct front_page tail;
	struct emit_code code;
	bool has_tail;
	int r;

	if (dbt_code_is_full(d, 2)) {
		dbt_code_reset(d);
		dbt_context_enter(d);
		old = NULL;
	}
	if (!decode(d, pc, page, &has_tail, &tail)) {
		return NULL;
	}
	r = emit_block(d->em, &d->ir, &code);
	if (r == -ENOSPC) {
		dbt_code_reset(d);
		dbt_context_enter(d);
		return translate(d, pc, page, NULL);
	}
	if (r < 0) {
		return NULL;
	}
	if (old && !old->has_tail && !has_tail) {
		emit_redirect(d->em, dbt_block_code(d, old), code.entry);
		old->guest_bytes = (uint16_t)(d->ir.next - pc);
		old->is_stale = false;
		old->is_region = false;
		old->heat = 0;
	} else {
		old = block_add(d, pc, page, has_tail ? &tail : NULL);
	}
	dbt_block_code_set(d, old, code.entry);
	d->n_made++;
	return old;
}

/* A block goes into the context's table, in which it stays while its pages are where they are. */
static void rely(struct dbt_engine *d, const struct dbt_block *b, const struct front_page *page)
{
	struct front_page tail;

	dbt_jump_rely(d, b->pc, page);
	if (b->has_tail && tail_find(d, b->pc, &tail)) {
		dbt_jump_rely(d, b->pc + PAGE_BYTES, &tail);
	}
}

const void *dbt_code_find(struct dbt_engine *d, uint64_t pc)
{
	struct emit_jump *jump = &d->context->jumps[emit_jump_slot(pc)];
	struct front_page page;
	struct dbt_block *b;

	if (jump->pc == pc) {
		return jump->code;
	}
	if (!dbt_code_page(d, pc, &page)) {
		return NULL;
	}
	b = dbt_code_at(d, pc, page.gpa);
	if (!b || b->is_stale) {
		b = translate(d, pc, &page, b);
		if (!b) {
			return NULL;
		}
	}
	rely(d, b, &page);
	/* another context's, if all code was dropped */
	jump = &d->context->jumps[emit_jump_slot(pc)];
	*jump = (struct emit_jump){ pc, dbt_block_code(d, b) };
	d->context->filled |= 1u << emit_jump_slot(pc) / (EMIT_JUMPS / DBT_JUMP_PARTS);
	return jump->code;
}

void dbt_code_link(struct dbt_engine *d, void *link, uint64_t from_pc, uint64_t pc,
		   const void *code)
{
	/* An instruction that reaches into another page may come to mean another one. */
	bool may_reach = pc % PAGE_BYTES > PAGE_BYTES - IR_GUEST_BYTES_MAX;

	if (is_lasting(d, from_pc, pc) && !may_reach) {
		emit_link(d->em, link, code);
	} else {
		emit_link_lookup(d->em, link); /* without space it goes on leaving */
	}
}
