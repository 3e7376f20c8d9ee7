// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * emit_block(): one pass over the operations.
 *
 *   entry:  sub  r14, guests        charge the budget
 *           js   cold               not enough
 *           ...                     operations
 *           call thunk_exit         exits, linked later
 *   cold:   ...
 */
#include <errno.h>
#include <string.h>

#include "engine/dbt/emit/x64/x64_gen.h"

/* More than an operation emits, or a piece out of line. */
#define OP_BYTES_MAX   256u
#define COLD_BYTES_MAX 128u

/* How many entries one operation may add to a table. */
#define OP_ENTRIES_MAX 4u

static void uses_scan(struct x64_gen *g)
{
	const struct ir_block *b = g->b;

	for (size_t k = 0; k < b->n_insns; k++) {
		const struct ir_insn *i = &b->insns[k];
		const char *fields = ir_op_table[i->op].fields;
		const ir_val vals[] = { i->a, i->b, i->c };

		for (size_t f = 0; f < ARRAY_SIZE(vals); f++) {
			if (fields[f + 1] != '-' && x64_is_temp(vals[f])) {
				g->last_use[vals[f] - IR_TEMP0] = (uint16_t)k;
			}
		}
	}
}

/* Whether the next operation only moves this one's result, which nobody else reads, to a register. */
static bool is_moved_at_once(const struct x64_gen *g)
{
	const struct ir_insn *i = g->i;
	const struct ir_insn *mov = i + 1;

	if (!x64_is_temp(i->dst) || i->op == IR_MOV || mov->op != IR_MOV || (mov->flags & IR_IMM) ||
	    mov->a != i->dst || x64_is_temp(mov->dst) ||
	    g->last_use[i->dst - IR_TEMP0] != g->idx + 1) {
		return false;
	}
	/* only between registers of the same kind */
	return g->em->cfg.regs[mov->dst].cls ==
	       (ir_op_table[i->op].fields[0] == 'f' ||
				(ir_op_table[i->op].fields[0] == 'T' && i->type >= IR_F32)
			? IR_CLASS_FP
			: IR_CLASS_INT);
}

/* Whether the next operation makes this one's result, which nobody else reads, canonical. */
static bool is_canonical_at_once(const struct x64_gen *g)
{
	const struct ir_insn *i = g->i;
	const struct ir_insn *canon = i + 1;

	return ((i->op >= IR_FADD && i->op <= IR_FNMSUB) || i->op == IR_FCVT_FF) &&
	       canon->op == IR_FCANON && canon->type == i->type && canon->a == i->dst &&
	       (canon->dst == i->dst ||
		(x64_is_temp(i->dst) && g->last_use[i->dst - IR_TEMP0] == g->idx + 1));
}

/* No effect but its result: FP operations raise flags. */
static bool is_pure(const struct ir_insn *i)
{
	const struct ir_op_info *info = &ir_op_table[i->op];

	return !info->may_stop && !info->is_end && !strchr(info->fields, 'f');
}

/* What emits each operation; NOP is nothing. */
static void (*const op_emitters[IR_OP_COUNT])(struct x64_gen *g) = {
	[IR_MOV] = x64_op_mov,
	[IR_ADD] = x64_op_alu,
	[IR_SUB] = x64_op_alu,
	[IR_AND] = x64_op_alu,
	[IR_OR] = x64_op_alu,
	[IR_XOR] = x64_op_alu,
	[IR_ANDN] = x64_op_alu,
	[IR_ORN] = x64_op_alu,
	[IR_XNOR] = x64_op_alu,
	[IR_SHL] = x64_op_shift,
	[IR_SHR] = x64_op_shift,
	[IR_SAR] = x64_op_shift,
	[IR_ROL] = x64_op_shift,
	[IR_ROR] = x64_op_shift,
	[IR_SHL_ADD] = x64_op_shl_add,
	[IR_MUL] = x64_op_mul,
	[IR_MULH_SS] = x64_op_mulh,
	[IR_MULH_UU] = x64_op_mulh,
	[IR_MULH_SU] = x64_op_mulh,
	[IR_DIV_S] = x64_op_div,
	[IR_DIV_U] = x64_op_div,
	[IR_REM_S] = x64_op_div,
	[IR_REM_U] = x64_op_div,
	[IR_EXT] = x64_op_ext,
	[IR_INSERT] = x64_op_insert,
	[IR_CLZ] = x64_op_count,
	[IR_CTZ] = x64_op_count,
	[IR_POPCNT] = x64_op_count,
	[IR_BSWAP] = x64_op_bswap,
	[IR_OR_BYTES] = x64_op_or_bytes,
	[IR_MIN_S] = x64_op_min_max,
	[IR_MAX_S] = x64_op_min_max,
	[IR_MIN_U] = x64_op_min_max,
	[IR_MAX_U] = x64_op_min_max,
	[IR_SET_IF] = x64_op_set_if,
	[IR_SELECT] = x64_op_select,
	[IR_FLAGS] = x64_op_flags,
	[IR_LOAD] = x64_op_load,
	[IR_STORE] = x64_op_store,
	[IR_FENCE] = x64_op_fence,
	[IR_FADD] = x64_op_fp,
	[IR_FSUB] = x64_op_fp,
	[IR_FMUL] = x64_op_fp,
	[IR_FDIV] = x64_op_fp,
	[IR_FSQRT] = x64_op_fp,
	[IR_FMADD] = x64_op_fp,
	[IR_FMSUB] = x64_op_fp,
	[IR_FNMADD] = x64_op_fp,
	[IR_FNMSUB] = x64_op_fp,
	[IR_FNEG] = x64_op_fp,
	[IR_FABS] = x64_op_fp,
	[IR_FCOPYSIGN] = x64_op_fp,
	[IR_FXORSIGN] = x64_op_fp,
	[IR_FUNBOX] = x64_op_fp,
	[IR_FCANON] = x64_op_fp,
	[IR_FSET_IF] = x64_op_fp,
	[IR_FCVT_FF] = x64_op_fp,
	[IR_FCVT_FI] = x64_op_fp,
	[IR_FCVT_IF] = x64_op_fp,
	[IR_HELPER] = x64_op_helper,
	[IR_STEP_IF] = x64_op_step_if,
	[IR_STEP] = x64_op_step,
	[IR_BRANCH] = x64_op_branch,
	[IR_JUMP] = x64_op_jump,
	[IR_JUMP_REG] = x64_op_jump_reg,
};

struct x64_mark x64_mark_save(struct emitter *em)
{
	em->as.at = (em->as.at + 15) & ~(size_t)15;
	return (struct x64_mark){ em->as.at, em->n_exits, em->n_accesses, em->n_helpers,
				  em->n_maps };
}

void x64_mark_rollback(struct emitter *em, const struct x64_mark *to)
{
	em->as.at = to->at;
	em->n_exits = to->n_exits;
	em->n_accesses = to->n_accesses;
	em->n_helpers = to->n_helpers;
	em->n_maps = to->n_maps;
}

bool x64_has_space(const struct x64_gen *g)
{
	const struct emitter *em = g->em;

	return g->as->at + OP_BYTES_MAX + COLD_BYTES_MAX * (g->n_cold + 1) < em->cfg.code_bytes &&
	       em->n_exits + g->n_cold + OP_ENTRIES_MAX < em->max_exits &&
	       em->n_accesses + OP_ENTRIES_MAX < em->max_accesses &&
	       em->n_helpers + OP_ENTRIES_MAX < em->max_helpers;
}

void x64_entry_add(struct x64_gen *g)
{
	g->em->exits[g->em->n_exits++] = (struct x64_exit){ .ret = (uint32_t)g->as->at + 5,
							    .pc = g->b->pc,
							    .exit = EMIT_EXIT_JUMP,
							    .link = X64_LINK_NONE };
}

void x64_block_charge(struct x64_gen *g)
{
	struct x64_cold *c;

	x64_ri(g->as, X64_SUB | X64_W, X64_BUDGET, (int32_t)g->b->n_guests);
	c = x64_cold_add(g, X64_COLD_EXIT, x64_jcc(g->as, X64_S, g->as->at));
	c->exit = (struct x64_exit){ .pc = g->b->pc,
				     .exit = EMIT_EXIT_BUDGET,
				     .link = X64_LINK_NONE,
				     .undo = (uint8_t)g->b->n_guests,
				     .dirty = g->dirty };
}

void x64_block_begin(struct x64_gen *g, const struct ir_block *b)
{
	g->b = b;
	g->flags = NULL;
	x64_alloc_begin(g);
	uses_scan(g);
	if (b->n_flag_regs) {
		x64_flags_scan(g);
	}
}

int x64_block_ops(struct x64_gen *g)
{
	const struct ir_block *b = g->b;
	bool is_merged; /* with the next operation */

	for (g->idx = 0; g->idx < b->n_insns; g->idx++) {
		g->i = &b->insns[g->idx];
		if (!x64_has_space(g)) {
			return -ENOSPC;
		}
		g->canon = is_canonical_at_once(g) ? g->i + 1 : NULL;
		is_merged = g->canon || is_moved_at_once(g);
		g->dst = is_merged ? g->i[1].dst : g->i->dst;
		if (g->i->op != IR_NOP && !(x64_is_temp(g->dst) && is_pure(g->i) &&
					    g->last_use[g->dst - IR_TEMP0] == 0)) {
			x64_fp_settle(g);
			op_emitters[g->i->op](g);
		}
		if (g->i->op != IR_FLAGS) {
			g->flags = NULL;
		}
		x64_op_end(g);
		g->idx += is_merged;
	}
	return 0;
}

int emit_block(struct emitter *em, const struct ir_block *b, struct emit_code *ret)
{
	struct x64_gen *g = em->gen;
	struct x64_mark start = x64_mark_save(em);
	int r;

	g->em = em;
	g->as = &em->as;
	g->region.r = NULL;
	g->region.map = 0;
	g->region.n_swaps = 0;
	g->n_cold = 0;
	if (!x64_has_space(g)) {
		return -ENOSPC;
	}
	x64_block_begin(g, b);
	x64_entry_add(g);
	x64_block_charge(g);
	r = x64_block_ops(g);
	if (r < 0) {
		x64_mark_rollback(em, &start);
		return r;
	}
	x64_cold_emit(g);
	ret->entry = em->cfg.code_rx + start.at;
	ret->bytes = em->as.at - start.at;
	return 0;
}
