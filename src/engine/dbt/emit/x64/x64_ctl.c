// SPDX-License-Identifier: GPL-2.0-or-later
/* Ways out of a block: branches, jumps, calls, returns, helpers; and what is emitted out of line. */
#include "engine/dbt/emit/x64/x64_gen.h"

uint8_t x64_undo(const struct x64_gen *g)
{
	return (uint8_t)(g->b->n_guests - g->i->guest);
}

uint64_t x64_pc(const struct x64_gen *g)
{
	return g->b->guests[g->i->guest].pc;
}

void x64_exit_add(struct x64_gen *g, struct x64_exit x)
{
	struct emitter *em = g->em;

	x.ret = (uint32_t)g->as->at;
	x.from = g->b->pc;
	em->exits[em->n_exits++] = x;
}

struct x64_cold *x64_cold_add(struct x64_gen *g, enum x64_cold_kind kind, size_t field)
{
	struct x64_cold *c = &g->cold[g->n_cold++];

	BUG_ON(g->n_cold > X64_COLD_MAX);
	*c = (struct x64_cold){
		.kind = (uint8_t)kind, .field = (uint32_t)field, .insn = g->i, .b = g->b
	};
	return c;
}

void x64_cold_step(struct x64_gen *g, size_t field)
{
	struct x64_cold *c = x64_cold_add(g, X64_COLD_EXIT, field);

	c->exit = (struct x64_exit){ .pc = x64_pc(g),
				     .exit = EMIT_EXIT_STEP,
				     .link = X64_LINK_NONE,
				     .undo = x64_undo(g),
				     .dirty = g->dirty };
}

/* Leave for good: what is behind the call says how. @return offset of the call's distance */
static size_t exit_call(struct x64_gen *g)
{
	return x64_call(g->as, g->region.n_swaps ? g->region.exit : g->em->thunks.exit);
}

static void cold_exit(struct x64_gen *g, const struct x64_cold *c)
{
	struct x64_exit x = c->exit;

	if (g->region.n_swaps && x.link == X64_LINK_FAR) {
		x64_map_restore(g);
		x.field = (uint32_t)x64_call(g->as, g->em->thunks.exit);
		x.link = X64_LINK_JUMP;
	} else {
		exit_call(g);
	}
	x64_exit_add(g, x);
}

static void cold_one(struct x64_gen *g, struct x64_cold *c)
{
	x64_patch(g->as, c->field, g->as->at);
	g->b = c->b;
	switch (c->kind) {
	case X64_COLD_EDGE:
		x64_cold_edge(g, c);
		break;
	case X64_COLD_SOFT:
		x64_cold_soft(g, c);
		cold_exit(g, c);
		break;
	case X64_COLD_EXIT:
		cold_exit(g, c);
		break;
	case X64_COLD_DIV_S:
	case X64_COLD_DIV_U:
		x64_cold_div(g, c);
		break;
	case X64_COLD_CALL_MISS:
		x64_cold_call_miss(g, c);
		break;
	default:
		x64_cold_fp(g, c);
	}
}

void x64_cold_emit(struct x64_gen *g)
{
	for (size_t k = 0; k < g->n_cold; k++) {
		cold_one(g, &g->cold[k]);
	}
}

void x64_exit_inline(struct x64_gen *g, uint64_t pc)
{
	size_t field;

	x64_map_restore(g);
	field = x64_call(g->as, g->em->thunks.exit);
	x64_exit_add(g, (struct x64_exit){ .field = (uint32_t)field,
					   .pc = pc,
					   .exit = EMIT_EXIT_JUMP,
					   .link = X64_LINK_JUMP });
}

void x64_exit_far(struct x64_gen *g, size_t field, uint64_t pc)
{
	struct x64_cold *c = x64_cold_add(g, X64_COLD_EXIT, field);

	c->exit = (struct x64_exit){
		.field = (uint32_t)field, .pc = pc, .exit = EMIT_EXIT_JUMP, .link = X64_LINK_FAR
	};
}

void x64_op_branch(struct x64_gen *g)
{
	enum x64_cc cc = x64_compare(g);

	if (g->region.r) {
		x64_region_branch(g, cc);
		return;
	}
	x64_exit_far(g, x64_jcc(g->as, cc, g->as->at), g->b->target);
	x64_exit_inline(g, g->b->next);
}

/* Where a call comes back to, rax being the address that the guest returns to. */
static void landing(struct x64_gen *g)
{
	uint64_t pc = (uint64_t)g->i->imm;

	if (pc == (uint64_t)(int32_t)pc) {
		x64_ri(g->as, X64_CMP | X64_W, X64_RAX, (int32_t)pc);
	} else {
		x64_mov_imm(g->as, X64_RDX, pc);
		x64_rr(g->as, X64_CMP | X64_W, X64_RAX, X64_RDX);
	}
	x64_jcc(g->as, X64_NE, g->em->thunks.mismatch);
	if (g->region.r) {
		x64_edge_inline(g, &g->region.r->blocks[g->region.k].next, pc);
	} else {
		x64_exit_inline(g, pc);
	}
}

static void jump_to(struct x64_gen *g, uint64_t pc)
{
	if (!(g->i->flags & IR_CALL)) {
		x64_exit_inline(g, pc);
		return;
	}
	x64_exit_far(g, x64_call(g->as, g->as->at), pc);
	landing(g);
}

void x64_op_jump(struct x64_gen *g)
{
	if (g->region.r && !(g->i->flags & IR_CALL)) {
		x64_edge_inline(g, &g->region.r->blocks[g->region.k].target, g->b->target);
		return;
	}
	jump_to(g, g->b->target);
}

/* rdx: the entry of env->jumps for the address in @p reg. */
static void jumps_entry(struct x64_gen *g, unsigned int reg)
{
	x64_rr(g->as, X64_MOV, X64_RDX, reg);
	x64_ri(g->as, X64_AND, X64_RDX, (int32_t)((EMIT_JUMPS - 1) << 1));
	x64_shift_imm(g->as, X64_SHL, 0, X64_RDX, 3);
	x64_rm(g->as, X64_ADD | X64_W, X64_RDX, x64_env(X64_ENV(jumps)));
	x64_rm(g->as, X64_CMP | X64_W, reg, x64_at(X64_RDX, offsetof(struct emit_jump, pc)));
}

void x64_op_jump_reg(struct x64_gen *g)
{
	int64_t pc;

	if (!(g->i->flags & IR_RET) && x64_known(g, g->i->a, &pc)) {
		jump_to(g, (uint64_t)pc);
		return;
	}
	x64_load(g, X64_RAX, x64_loc_of(g, g->i->a));
	x64_map_restore(g);
	if (g->i->flags & IR_RET) {
		x64_ret(g->as);
		return;
	}
	jumps_entry(g, X64_RAX);
	if (g->i->flags & IR_CALL) {
		size_t field = x64_jcc(g->as, X64_NE, g->as->at);

		x64_call_m(g->as, x64_at(X64_RDX, offsetof(struct emit_jump, code)));
		x64_cold_add(g, X64_COLD_CALL_MISS, field)->back = (uint32_t)g->as->at;
		landing(g);
	} else {
		x64_jcc(g->as, X64_NE, g->em->thunks.indirect);
		x64_jmp_m(g->as, x64_at(X64_RDX, offsetof(struct emit_jump, code)));
	}
}

/* The call happens all the same: its landing is pushed. */
void x64_cold_call_miss(struct x64_gen *g, const struct x64_cold *c)
{
	x64_rm(g->as, X64_LEA | X64_W, X64_RDX, x64_const(c->back));
	x64_push(g->as, X64_RDX);
	x64_jmp(g->as, g->em->thunks.indirect);
}

void x64_op_step(struct x64_gen *g)
{
	exit_call(g);
	x64_exit_add(g, (struct x64_exit){ .pc = x64_pc(g),
					   .exit = EMIT_EXIT_STEP,
					   .link = X64_LINK_NONE,
					   .undo = x64_undo(g) });
}

void x64_op_step_if(struct x64_gen *g)
{
	enum x64_cc cc = x64_compare(g);

	x64_cold_step(g, x64_jcc(g->as, cc, g->as->at));
}

void x64_op_helper(struct x64_gen *g)
{
	struct emitter *em = g->em;
	unsigned int d;

	x64_evict(g);
	x64_evict_xmm(g);
	if (g->i->a != IR_NONE) {
		x64_load(g, X64_RAX, x64_loc_of(g, g->i->a));
	}
	if (g->i->b != IR_NONE) {
		x64_load(g, X64_RDX, x64_loc_of(g, g->i->b));
	}
	x64_mi(g->as, X64_MOV, x64_env(X64_PRIV(helper_idx)), (int32_t)em->n_helpers);
	em->helpers[em->n_helpers++] = (struct x64_helper){ .pc = x64_pc(g),
							    .number = (uint32_t)g->i->imm,
							    .undo = x64_undo(g) };
	x64_call(g->as, em->thunks.helper);
	x64_forget_all(g);
	if (g->dst != IR_NONE) {
		d = x64_def(g, X64_RAX, X64_NOREG);
		x64_load(g, d, (struct x64_loc){ .place = X64_IN_GPR, .reg = X64_RAX });
		x64_finish(g, d);
	}
}
