// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * emit_region(): blocks, and the edges between them.
 *
 *   entry:  guards, else the fallback
 *   block:  sub  r14, guests        as in emit_block()
 *           ...                     operations; edges that need nothing are plain jumps
 *   cold:   edges that make NaNs canonical or have guards, exits, ...
 *
 * NaNs that are to be made canonical (x64_fp.c) may stay so along an edge where the next block knows about them.
 */
#include <errno.h>
#include <string.h>

#include "engine/dbt/emit/x64/x64_gen.h"

/* Of loops: the host fetches code by such lines. Measured: a copying loop takes 1.7 times as long across two of them. */
#define LOOP_ALIGN 64u

/* What emit_kill() and emit_redirect() overwrite, which must not be the first block. */
#define ENTRY_BYTES_MIN 5u

/* The longest edge. */
#define EDGE_BYTES_MAX 1024u

static struct x64_dirty minus(struct x64_dirty a, struct x64_dirty b)
{
	return (struct x64_dirty){ (uint16_t)(a.f64 & ~b.f64), (uint16_t)(a.f32 & ~b.f32) };
}

static bool is_clean(struct x64_dirty d)
{
	return !(d.f64 | d.f32);
}

static uint16_t xmm_mask(const struct x64_gen *g, const struct ir_set *s)
{
	uint16_t mask = 0;

	for (unsigned int i = 0; i < X64_XMMS_MAPPED; i++) {
		if (g->em->xmm_regs[i] != IR_NONE && ir_set_has(s, g->em->xmm_regs[i])) {
			mask |= (uint16_t)(1u << (X64_XMM_MAP_BASE + i));
		}
	}
	return mask;
}

/* Registers that may still be dirty where a block begins. */
static struct x64_dirty may_be_dirty(const struct x64_gen *g, size_t k)
{
	const struct ir_region_block *rb = &g->region.r->blocks[k];

	return (struct x64_dirty){ xmm_mask(g, &rb->canon64), xmm_mask(g, &rb->canon32) };
}

/* What has to be made canonical on an edge. */
static struct x64_dirty to_settle(const struct x64_gen *g, const struct ir_edge *e)
{
	return is_clean(g->dirty) || e->to == IR_BLOCK_NONE || e->n_guards
		       ? g->dirty
		       : minus(g->dirty, may_be_dirty(g, e->to));
}

static bool is_plain(const struct x64_gen *g, const struct ir_edge *e)
{
	return e->to != IR_BLOCK_NONE && !e->n_guards && is_clean(to_settle(g, e));
}

/* The jump whose distance is at @p field goes to a block. */
static void jump_to_block(struct x64_gen *g, size_t field, size_t to)
{
	struct x64_region *r = &g->region;

	if (r->labels[to]) {
		x64_patch(g->as, field, r->labels[to]);
		return;
	}
	BUG_ON(r->n_jumps == X64_REGION_JUMPS_MAX);
	r->jumps[r->n_jumps].field = (uint32_t)field;
	r->jumps[r->n_jumps++].to = (uint8_t)to;
}

/* What stays dirty along an edge, when all that must be settled has been. */
static void carry_dirty(struct x64_gen *g, const struct ir_edge *e)
{
	struct x64_dirty stays = minus(g->dirty, to_settle(g, e));

	if (e->to != IR_BLOCK_NONE) {
		g->region.dirty[e->to].f64 |= stays.f64;
		g->region.dirty[e->to].f32 |= stays.f32;
	}
}

/* ---- guards ---- */

static size_t guard_window(struct x64_gen *g, ir_val v)
{
	struct x64_loc home = g->em->homes[v];

	if (home.place != X64_IN_GPR) {
		x64_load(g, X64_RAX, home);
		home.reg = X64_RAX;
	}
	x64_imul_imm(g->as, X64_W, X64_RAX, home.reg, (int32_t)BIT(63 - g->em->cfg.window_bits));
	return x64_jcc(g->as, X64_O, g->as->at);
}

/* Without a comparison of floating point, which would raise a flag for a signalling NaN. */
static size_t guard_number(struct x64_gen *g, ir_val v)
{
	x64_load(g, X64_RAX, g->em->homes[v]);
	x64_rr(g->as, X64_ADD | X64_W, X64_RAX, X64_RAX);
	x64_mov_imm(g->as, X64_RDX, 0xffeULL << 52);
	x64_rr(g->as, X64_CMP | X64_W, X64_RAX, X64_RDX);
	return x64_jcc(g->as, X64_A, g->as->at);
}

static size_t guard_emit(struct x64_gen *g, const struct ir_guard *guard)
{
	return guard->kind == IR_GUARD_WINDOW ? guard_window(g, guard->reg)
					      : guard_number(g, guard->reg);
}

/* ---- edges ---- */

void x64_edge_inline(struct x64_gen *g, const struct ir_edge *e, uint64_t pc)
{
	struct x64_dirty before = g->dirty;

	carry_dirty(g, e);
	x64_fp_settle_regs(g, to_settle(g, e));
	for (size_t k = 0; k < e->n_guards; k++) {
		x64_exit_far(g, guard_emit(g, &e->guards[k]), pc);
	}
	if (e->to == IR_BLOCK_NONE) {
		x64_exit_inline(g, pc);
	} else if (e->to != g->region.k + 1) {
		jump_to_block(g, x64_jmp(g->as, g->as->at), e->to);
	}
	g->dirty = before;
}

/* Along an edge when the condition holds. */
static void edge_taken(struct x64_gen *g, enum x64_cc cc, const struct ir_edge *e, uint64_t pc)
{
	bool is_back = is_plain(g, e) && g->region.labels[e->to];
	struct x64_cold *c;
	size_t field;

	if (is_back && x64_jcc_short(g->as, cc, g->region.labels[e->to])) {
		carry_dirty(g, e);
		return;
	}
	field = x64_jcc(g->as, cc, g->as->at);
	if (is_plain(g, e)) {
		carry_dirty(g, e);
		jump_to_block(g, field, e->to);
	} else if (e->to == IR_BLOCK_NONE && is_clean(g->dirty)) {
		x64_exit_far(g, field, pc);
	} else {
		carry_dirty(g, e);
		c = x64_cold_add(g, X64_COLD_EDGE, field);
		c->edge = e;
		c->exit.pc = pc;
		c->exit.dirty = g->dirty;
	}
}

void x64_region_branch(struct x64_gen *g, enum x64_cc cc)
{
	const struct ir_region_block *rb = &g->region.r->blocks[g->region.k];

	if (rb->target.to == g->region.k + 1) {
		edge_taken(g, cc ^ 1, &rb->next, g->b->next);
		x64_edge_inline(g, &rb->target, g->b->target);
	} else {
		edge_taken(g, cc, &rb->target, g->b->target);
		x64_edge_inline(g, &rb->next, g->b->next);
	}
}

void x64_cold_edge(struct x64_gen *g, const struct x64_cold *c)
{
	g->dirty = c->exit.dirty;
	g->region.k = IR_REGION_BLOCKS_MAX; /* nothing follows */
	x64_edge_inline(g, c->edge, c->exit.pc);
}

/* ---- the region's own map of registers ---- */

/* A register in memory must be named this much more often than one in a host register to take its place. */
#define SWAP_GAIN 16u

/* The last block that jumps back to the head of a loop. */
static size_t last_of_loop(const struct ir_region *r, size_t head)
{
	size_t k = r->n;

	while (k > head && r->blocks[k - 1].next.to != head && r->blocks[k - 1].target.to != head) {
		k--;
	}
	return k - 1;
}

/* How many loops are around each block: from their heads to the last block that jumps back. */
static void loop_depths(const struct ir_region *r, unsigned int depths[IR_REGION_BLOCKS_MAX])
{
	memset(depths, 0, r->n * sizeof(depths[0]));
	for (size_t head = 0; head < r->n; head++) {
		size_t end = r->blocks[head].is_loop_head ? last_of_loop(r, head) + 1 : head;

		for (size_t k = head; k < end; k++) {
			depths[k]++;
		}
	}
}

static void weigh_block(const struct ir_block *b, uint32_t factor, uint32_t weights[IR_REGS_MAX])
{
	for (size_t n = 0; n < b->n_insns; n++) {
		const struct ir_insn *i = &b->insns[n];
		const char *fields = ir_op_table[i->op].fields;
		const ir_val vals[] = { i->dst, i->a, (i->flags & IR_IMM) ? IR_NONE : i->b, i->c };

		for (size_t f = 0; f < ARRAY_SIZE(vals); f++) {
			if (fields[f] != '-' && vals[f] < IR_REGS_MAX) {
				weights[vals[f]] += factor;
			}
		}
	}
}

/* The best register to come in, and the host register that it would get; false: not worth it. */
static bool pick_swap(const struct x64_gen *g, const uint32_t weights[IR_REGS_MAX], ir_val *ret_in,
		      size_t *ret_host)
{
	const struct emitter *em = g->em;
	const ir_val *mapped = x64_map_at(em, g->region.map)->gpr_regs;
	ir_val in = IR_NONE;
	size_t host = SIZE_MAX;

	for (ir_val v = 0; v < em->cfg.n_regs; v++) {
		if (em->cfg.regs[v].cls == IR_CLASS_INT && em->homes[v].place == X64_IN_MEM &&
		    (in == IR_NONE || weights[v] > weights[in])) {
			in = v;
		}
	}
	for (size_t k = 0; k < X64_GPRS_MAPPED; k++) {
		if (mapped[k] != IR_NONE &&
		    (host == SIZE_MAX || weights[mapped[k]] < weights[mapped[host]])) {
			host = k;
		}
	}
	*ret_in = in;
	*ret_host = host;
	return in != IR_NONE && host != SIZE_MAX && weights[in] > weights[mapped[host]] + SWAP_GAIN;
}

static void swap(struct x64_gen *g, ir_val in, size_t host)
{
	struct emitter *em = g->em;
	struct x64_region *r = &g->region;
	ir_val *mapped = &em->maps[r->map].gpr_regs[host];
	ir_val out = *mapped;

	r->swaps[r->n_swaps].host = x64_gpr_map[host];
	r->swaps[r->n_swaps].in = in;
	r->swaps[r->n_swaps++].out = out;
	em->homes[in] = em->homes[out];
	em->homes[out] = (struct x64_loc){ .place = X64_IN_MEM, .disp = em->cfg.regs[out].offset };
	*mapped = in;
}

/* Calls would change maps twice; helpers know the static one only. */
static bool may_swap(const struct x64_gen *g)
{
	const struct ir_region *r = g->region.r;

	for (size_t k = 0; k < r->n; k++) {
		for (size_t n = 0; n < r->blocks[k].b->n_insns; n++) {
			const struct ir_insn *i = &r->blocks[k].b->insns[n];

			if (i->op == IR_HELPER ||
			    (i->flags & IR_CALL && ir_op_table[i->op].is_end)) {
				return false;
			}
		}
	}
	return g->em->n_maps < X64_MAPS_MAX;
}

/* Choose the map; homes are the region's from now on. */
static void map_choose(struct x64_gen *g)
{
	unsigned int depths[IR_REGION_BLOCKS_MAX];
	uint32_t weights[IR_REGS_MAX] = { 0 };
	struct emitter *em = g->em;
	ir_val in;
	size_t host;

	if (!may_swap(g)) {
		return;
	}
	loop_depths(g->region.r, depths);
	for (size_t k = 0; k < g->region.r->n; k++) {
		weigh_block(g->region.r->blocks[k].b, 1u << 3 * (depths[k] < 4 ? depths[k] : 4),
			    weights);
	}
	while (g->region.n_swaps < X64_GPRS_MAPPED && pick_swap(g, weights, &in, &host)) {
		if (!g->region.map) {
			g->region.map = em->n_maps++;
			em->maps[g->region.map] = em->map;
		}
		swap(g, in, host);
	}
}

static struct x64_mem in_memory(const struct x64_gen *g, ir_val v)
{
	return x64_env(g->em->cfg.regs[v].offset);
}

static void map_enter(struct x64_gen *g)
{
	for (size_t k = 0; k < g->region.n_swaps; k++) {
		unsigned int host = g->region.swaps[k].host;

		x64_mr(g->as, X64_MOV | X64_W, in_memory(g, g->region.swaps[k].out), host);
		x64_rm(g->as, X64_MOV | X64_W, host, in_memory(g, g->region.swaps[k].in));
	}
}

void x64_map_restore(struct x64_gen *g)
{
	for (size_t k = g->region.n_swaps; k-- > 0;) {
		unsigned int host = g->region.swaps[k].host;

		x64_mr(g->as, X64_MOV | X64_W, in_memory(g, g->region.swaps[k].in), host);
		x64_rm(g->as, X64_MOV | X64_W, host, in_memory(g, g->region.swaps[k].out));
	}
}

/* ---- the region ---- */

static void guards_at_entry(struct x64_gen *g)
{
	const struct ir_edge *e = &g->region.r->entry;

	for (size_t k = 0; k < e->n_guards; k++) {
		x64_patch(g->as, guard_emit(g, &e->guards[k]), g->region.fallback);
	}
}

static int blocks_emit(struct x64_gen *g)
{
	const struct ir_region *r = g->region.r;
	int result;

	for (size_t k = 0; k < r->n; k++) {
		g->region.k = k;
		x64_block_begin(g, r->blocks[k].b);
		if (r->blocks[k].is_loop_head) {
			x64_nops(g->as, -g->as->at & (LOOP_ALIGN - 1));
		}
		g->region.labels[k] = (uint32_t)g->as->at;
		g->dirty = r->blocks[k].is_loop_head ? may_be_dirty(g, k) : g->region.dirty[k];
		x64_block_charge(g);
		result = x64_block_ops(g);
		if (result < 0) {
			return result;
		}
	}
	for (size_t k = 0; k < g->region.n_jumps; k++) {
		x64_patch(g->as, g->region.jumps[k].field, g->region.labels[g->region.jumps[k].to]);
	}
	x64_cold_emit(g);
	return 0;
}

/* Edges may be longer than what x64_has_space() reckons with. */
static bool has_space(const struct x64_gen *g)
{
	const struct emitter *em = g->em;

	return g->as->at + (size_t)EDGE_BYTES_MAX * 2 * (g->region.r->n + 1) + 65536u <
		       em->cfg.code_bytes &&
	       em->n_exits + X64_COLD_MAX < em->max_exits;
}

/* What comes before the first block. The guards still find registers where the static map says. */
static size_t entry_emit(struct x64_gen *g)
{
	struct x64_loc homes[IR_REGS_MAX];
	struct x64_loc own[IR_REGS_MAX];
	struct emitter *em = g->em;
	size_t entry;

	memcpy(homes, em->homes, sizeof(homes));
	map_choose(g);
	if (g->region.n_swaps) {
		g->region.exit = g->as->at;
		x64_map_restore(g);
		x64_jmp(g->as, em->thunks.exit);
	}
	memcpy(own, em->homes, sizeof(own));
	memcpy(em->homes, homes, sizeof(homes));
	entry = g->as->at;
	x64_entry_add(g);
	guards_at_entry(g);
	memcpy(em->homes, own, sizeof(own));
	map_enter(g);
	if (g->as->at - entry < ENTRY_BYTES_MIN) {
		x64_nops(g->as, ENTRY_BYTES_MIN);
	}
	return entry;
}

int emit_region(struct emitter *em, const struct ir_region *r, const void *fallback,
		struct emit_code *ret)
{
	struct x64_gen *g = em->gen;
	struct x64_loc homes[IR_REGS_MAX];
	struct x64_mark start = x64_mark_save(em);
	size_t entry;
	int result;

	g->em = em;
	g->as = &em->as;
	g->b = r->blocks[0].b;
	g->n_cold = 0;
	memset(&g->region, 0, sizeof(g->region));
	g->region.r = r;
	g->region.fallback = (size_t)((const uint8_t *)fallback - em->cfg.code_rx);
	if (!has_space(g)) {
		return -ENOSPC;
	}
	memcpy(homes, em->homes, sizeof(homes));
	entry = entry_emit(g);
	result = blocks_emit(g);
	memcpy(em->homes, homes, sizeof(homes));
	if (result < 0) {
		x64_mark_rollback(em, &start);
		return result;
	}
	ret->entry = em->cfg.code_rx + entry;
	ret->bytes = em->as.at - start.at;
	return 0;
}
