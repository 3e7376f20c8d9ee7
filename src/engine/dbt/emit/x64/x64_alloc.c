// SPDX-License-Identifier: GPL-2.0-or-later
/* Where values are while a block is emitted, and what is known about them; see x64_gen.h. */
#include "engine/dbt/emit/x64/x64_gen.h"

/* rax and rdx by index. */
static const uint8_t scratch[X64_GPR_SCRATCH] = { X64_RAX, X64_RDX };

/* Operations ahead that matter to what a scratch register keeps. */
#define COPY_FAR 8u

static unsigned int scratch_index(unsigned int reg)
{
	return reg == X64_RDX;
}

static bool is_scratch(unsigned int reg)
{
	return reg == X64_RAX || reg == X64_RDX;
}

void x64_alloc_begin(struct x64_gen *g)
{
	g->gpr_owner[0] = g->gpr_owner[1] = IR_NONE;
	g->gpr_copy[0] = g->gpr_copy[1] = IR_NONE;
	g->xmm_owner[0] = g->xmm_owner[1] = g->xmm_owner[2] = IR_NONE;
	g->gpr_pins = 0;
	g->xmm_pins = 0;
	g->slots = 0;
	g->n_checked = 0;
	g->n_known = 0;
	memset(g->boxed, 0, sizeof(g->boxed));
	g->dirty = (struct x64_dirty){ 0 };
	for (size_t t = 0; t < g->b->n_temps; t++) {
		g->temps[t].place = X64_NOWHERE;
		g->last_use[t] = 0;
	}
}

struct x64_loc x64_loc_of(const struct x64_gen *g, ir_val v)
{
	if (x64_is_temp(v)) {
		return g->temps[v - IR_TEMP0];
	}
	for (unsigned int s = 0; s < X64_GPR_SCRATCH; s++) {
		if (g->gpr_copy[s] == v) {
			return (struct x64_loc){ .place = X64_IN_GPR, .reg = scratch[s] };
		}
	}
	return g->em->homes[v];
}

/* Operations look at the low bits of the type: a number may as well be sign-extended, for short encodings. */
static struct x64_loc cut(struct x64_gen *g, struct x64_loc loc)
{
	unsigned int type = g->i->type;

	if (loc.place == X64_IN_GPR) {
		g->gpr_pins |= 1u << loc.reg;
	}
	if (loc.place == X64_IS_NUMBER && type < IR_I64) {
		unsigned int shift = 64 - x64_type_bits(type);

		loc.number = (int64_t)((uint64_t)loc.number << shift) >> shift;
	}
	return loc;
}

struct x64_loc x64_loc_a(struct x64_gen *g)
{
	return cut(g, x64_loc_of(g, g->i->a));
}

struct x64_loc x64_loc_b(struct x64_gen *g)
{
	if (g->i->flags & IR_IMM) {
		return cut(g, (struct x64_loc){ .place = X64_IS_NUMBER, .number = g->i->imm });
	}
	return cut(g, x64_loc_of(g, g->i->b));
}

static int32_t slot_disp(unsigned int slot)
{
	return X64_PRIV(slots) + 8 * (int32_t)slot;
}

static int32_t slot_take(struct x64_gen *g)
{
	unsigned int slot = (unsigned int)__builtin_ctz(~g->slots);

	BUG_ON(slot >= X64_SLOTS);
	g->slots |= 1u << slot;
	return slot_disp(slot);
}

static void slot_free(struct x64_gen *g, int32_t disp)
{
	g->slots &= ~(1u << ((disp - X64_PRIV(slots)) / 8));
}

static void spill_gpr(struct x64_gen *g, unsigned int s)
{
	ir_val v = g->gpr_owner[s];
	struct x64_loc *t = &g->temps[v - IR_TEMP0];

	*t = (struct x64_loc){ .place = X64_IN_MEM, .disp = slot_take(g) };
	x64_mr(g->as, X64_MOV | X64_W, x64_env(t->disp), scratch[s]);
	g->gpr_owner[s] = IR_NONE;
}

static void spill_xmm(struct x64_gen *g, unsigned int s)
{
	ir_val v = g->xmm_owner[s];
	struct x64_loc *t = &g->temps[v - IR_TEMP0];

	*t = (struct x64_loc){ .place = X64_IN_MEM, .disp = slot_take(g) };
	x64_vmr(g->as, X64_VMOVSD_ST, x64_env(t->disp), s);
	g->xmm_owner[s] = IR_NONE;
}

bool x64_is_read_soon(const struct x64_gen *g, ir_val v, size_t far)
{
	size_t end = g->idx + 1 + far < g->b->n_insns ? g->idx + 1 + far : g->b->n_insns;

	for (size_t k = g->idx + 1; k < end; k++) {
		const struct ir_insn *i = &g->b->insns[k];
		const char *fields = ir_op_table[i->op].fields;

		if ((i->a == v && fields[1] != '-') ||
		    (i->b == v && fields[2] != '-' && !(i->flags & IR_IMM)) ||
		    (i->c == v && fields[3] != '-')) {
			return true;
		}
		if (i->dst == v) {
			return false;
		}
	}
	return false;
}

/* How much is lost when a scratch register is taken. */
static unsigned int take_cost(const struct x64_gen *g, unsigned int s)
{
	return g->gpr_owner[s] != IR_NONE ? 2 : g->gpr_copy[s] != IR_NONE ? 1 : 0;
}

/* Of two copies of registers the one that is of use sooner is kept. */
static bool is_cheaper(const struct x64_gen *g, unsigned int s, unsigned int than)
{
	unsigned int cost = take_cost(g, s);

	return cost != take_cost(g, than)
		       ? cost < take_cost(g, than)
		       : cost == 1 && !x64_is_read_soon(g, g->gpr_copy[s], COPY_FAR) &&
				 x64_is_read_soon(g, g->gpr_copy[than], COPY_FAR);
}

unsigned int x64_take(struct x64_gen *g)
{
	unsigned int pick = X64_GPR_SCRATCH;

	for (unsigned int s = X64_GPR_SCRATCH; s-- > 0;) {
		if (!(g->gpr_pins & 1u << scratch[s]) &&
		    (pick == X64_GPR_SCRATCH || is_cheaper(g, s, pick))) {
			pick = s;
		}
	}
	BUG_ON(pick == X64_GPR_SCRATCH);
	if (g->gpr_owner[pick] != IR_NONE) {
		spill_gpr(g, pick);
	}
	g->gpr_copy[pick] = IR_NONE;
	g->gpr_pins |= 1u << scratch[pick];
	return scratch[pick];
}

unsigned int x64_take_xmm(struct x64_gen *g)
{
	unsigned int pick = X64_XMM_SCRATCH;

	for (unsigned int s = X64_XMM_SCRATCH; s-- > 0;) {
		if (!(g->xmm_pins & 1u << s) &&
		    (pick == X64_XMM_SCRATCH || g->xmm_owner[s] == IR_NONE)) {
			pick = s;
		}
	}
	BUG_ON(pick == X64_XMM_SCRATCH);
	if (g->xmm_owner[pick] != IR_NONE) {
		spill_xmm(g, pick);
	}
	g->xmm_pins |= 1u << pick;
	return pick;
}

void x64_untake(struct x64_gen *g, unsigned int reg)
{
	g->gpr_pins &= ~(1u << reg);
}

void x64_load(struct x64_gen *g, unsigned int reg, struct x64_loc loc)
{
	switch (loc.place) {
	case X64_IN_GPR:
		if (loc.reg != reg) {
			x64_rr(g->as, X64_MOV | X64_W, reg, loc.reg);
		}
		break;
	case X64_IN_XMM:
		x64_vrr(g->as, X64_VMOV_R_X | X64_W, loc.reg, 0, reg);
		break;
	case X64_IN_MEM:
		x64_rm(g->as, X64_MOV | X64_W, reg, x64_env(loc.disp));
		break;
	case X64_IN_BYTE:
		x64_rm(g->as, X64_MOVZX8, reg, x64_env(loc.disp));
		break;
	default:
		BUG_ON(loc.place != X64_IS_NUMBER);
		x64_mov_imm(g->as, reg, (uint64_t)loc.number);
	}
}

void x64_load32(struct x64_gen *g, unsigned int reg, struct x64_loc loc)
{
	switch (loc.place) {
	case X64_IN_GPR:
		x64_rr(g->as, X64_MOV, reg, loc.reg);
		break;
	case X64_IN_MEM:
		x64_rm(g->as, X64_MOV, reg, x64_env(loc.disp));
		break;
	case X64_IS_NUMBER:
		x64_mov_imm(g->as, reg, (uint32_t)loc.number);
		break;
	case X64_IN_XMM:
		x64_vrr(g->as, X64_VMOV_R_X, loc.reg, 0, reg);
		break;
	default:
		x64_load(g, reg, loc);
	}
}

static int64_t number_ext(int64_t number, unsigned int type, bool is_signed)
{
	unsigned int shift = 64 - x64_type_bits(type);
	uint64_t v = (uint64_t)number << shift;

	return is_signed ? (int64_t)v >> shift : (int64_t)(v >> shift);
}

void x64_load_ext(struct x64_gen *g, unsigned int reg, struct x64_loc loc, unsigned int type,
		  bool is_signed)
{
	static const uint32_t signed_ops[] = { X64_MOVSX8 | X64_W, X64_MOVSX16 | X64_W,
					       X64_MOVSXD | X64_W };
	static const uint32_t plain_ops[] = { X64_MOVZX8, X64_MOVZX16, X64_MOV };
	uint32_t op;

	if (loc.place == X64_IS_NUMBER) {
		x64_mov_imm(g->as, reg, (uint64_t)number_ext(loc.number, type, is_signed));
		return;
	}
	if (type == IR_I64 || loc.place == X64_IN_BYTE) {
		x64_load(g, reg, loc);
		if (type == IR_I64) {
			return;
		}
		loc = (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)reg };
	}
	if (loc.place == X64_IN_XMM) {
		x64_load(g, reg, loc);
		loc = (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)reg };
	}
	op = is_signed ? signed_ops[type] : plain_ops[type];
	if (loc.place == X64_IN_GPR) {
		x64_rr(g->as, op, reg, loc.reg);
	} else {
		x64_rm(g->as, op, reg, x64_env(loc.disp));
	}
}

/* A temporary that was read from its slot stays in the register. */
static void adopt(struct x64_gen *g, ir_val v, unsigned int reg)
{
	struct x64_loc *t = &g->temps[v - IR_TEMP0];

	slot_free(g, t->disp);
	*t = (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)reg };
	g->gpr_owner[scratch_index(reg)] = v;
}

unsigned int x64_loc_in_gpr(struct x64_gen *g, struct x64_loc loc)
{
	unsigned int reg;

	if (loc.place == X64_IN_GPR) {
		if (is_scratch(loc.reg)) {
			g->gpr_pins |= 1u << loc.reg;
		}
		return loc.reg;
	}
	reg = x64_take(g);
	x64_load(g, reg, loc);
	return reg;
}

unsigned int x64_in_gpr(struct x64_gen *g, ir_val v)
{
	struct x64_loc loc = x64_loc_of(g, v);
	unsigned int reg = x64_loc_in_gpr(g, loc);

	if (loc.place == X64_IN_MEM && x64_is_temp(v)) {
		adopt(g, v, reg);
	} else if (loc.place == X64_IN_MEM) {
		g->gpr_copy[scratch_index(reg)] = v;
	}
	return reg;
}

unsigned int x64_in_xmm(struct x64_gen *g, ir_val v)
{
	struct x64_loc loc = x64_loc_of(g, v);
	unsigned int reg;
	unsigned int gpr;

	if (loc.place == X64_IN_XMM) {
		if (loc.reg < X64_XMM_SCRATCH) {
			g->xmm_pins |= 1u << loc.reg;
		}
		return loc.reg;
	}
	reg = x64_take_xmm(g);
	if (loc.place == X64_IN_MEM) {
		x64_vrm(g->as, X64_VMOVSD_LD, reg, 0, x64_env(loc.disp));
	} else if (loc.place == X64_IS_NUMBER && loc.number == 0) {
		x64_vrr(g->as, X64_VXORPS, reg, reg, reg);
	} else {
		gpr = x64_loc_in_gpr(g, loc);
		x64_vrr(g->as, X64_VMOV_X_R | X64_W, reg, 0, gpr);
		if (loc.place != X64_IN_GPR) {
			x64_untake(g, gpr);
		}
	}
	return reg;
}

void x64_evict(struct x64_gen *g)
{
	for (unsigned int s = 0; s < X64_GPR_SCRATCH; s++) {
		if (g->gpr_owner[s] != IR_NONE) {
			spill_gpr(g, s);
		}
		g->gpr_copy[s] = IR_NONE;
	}
}

void x64_evict_xmm(struct x64_gen *g)
{
	for (unsigned int s = 0; s < X64_XMM_SCRATCH; s++) {
		if (g->xmm_owner[s] != IR_NONE) {
			spill_xmm(g, s);
		}
	}
}

struct x64_loc x64_away(struct x64_gen *g, struct x64_loc loc)
{
	struct x64_loc away = { .place = X64_IN_MEM };

	if (loc.place == X64_IN_MEM || (loc.place == X64_IN_GPR && !is_scratch(loc.reg))) {
		return loc;
	}
	/* the last slot but never taken by a temporary: IR_TEMPS_LIVE_MAX is smaller */
	away.disp = slot_disp(X64_SLOTS - 1);
	if (loc.place == X64_IS_NUMBER && loc.number == (int32_t)loc.number) {
		x64_mi(g->as, X64_MOV | X64_W, x64_env(away.disp), (int32_t)loc.number);
		return away;
	}
	x64_load(g, X64_RAX, loc);
	x64_mr(g->as, X64_MOV | X64_W, x64_env(away.disp), X64_RAX);
	return away;
}

/* Whether the scratch register's content is not needed behind the operation. */
static bool is_free_behind(const struct x64_gen *g, ir_val owner)
{
	return owner == IR_NONE || g->last_use[owner - IR_TEMP0] <= g->idx;
}

unsigned int x64_def(struct x64_gen *g, unsigned int prefer, unsigned int avoid)
{
	unsigned int pick = X64_GPR_SCRATCH;

	if (g->dst != IR_NONE && !x64_is_temp(g->dst) && g->em->homes[g->dst].place == X64_IN_GPR) {
		return g->em->homes[g->dst].reg;
	}
	for (unsigned int s = 0; s < X64_GPR_SCRATCH; s++) {
		if (scratch[s] != avoid && is_free_behind(g, g->gpr_owner[s]) &&
		    (pick == X64_GPR_SCRATCH || scratch[s] == prefer ||
		     (scratch[pick] != prefer && !(g->gpr_pins & 1u << scratch[s]) &&
		      is_cheaper(g, s, pick)))) {
			pick = s;
		}
	}
	if (pick == X64_GPR_SCRATCH) {
		/* its value is still needed: it moves, and stays in the register until the result overwrites it */
		pick = avoid == X64_RAX ? 1 : 0;
		if (g->gpr_owner[pick] != IR_NONE) {
			spill_gpr(g, pick);
		}
	}
	g->gpr_copy[pick] = IR_NONE;
	g->gpr_pins |= 1u << scratch[pick];
	return scratch[pick];
}

unsigned int x64_def_xmm(struct x64_gen *g, unsigned int prefer, unsigned int avoid,
			 unsigned int avoid2)
{
	unsigned int pick = X64_XMM_SCRATCH;

	if (!x64_is_temp(g->dst) && g->em->homes[g->dst].place == X64_IN_XMM) {
		return g->em->homes[g->dst].reg;
	}
	for (unsigned int s = X64_XMM_SCRATCH; s-- > 0;) {
		if (s != avoid && s != avoid2 && is_free_behind(g, g->xmm_owner[s]) &&
		    (pick == X64_XMM_SCRATCH || s == prefer ||
		     (pick != prefer && !(g->xmm_pins & 1u << s)))) {
			pick = s;
		}
	}
	if (pick == X64_XMM_SCRATCH) {
		pick = avoid != 0 && avoid2 != 0 ? 0 : avoid != 1 && avoid2 != 1 ? 1 : 2;
		if (g->xmm_owner[pick] != IR_NONE) {
			spill_xmm(g, pick);
		}
	}
	g->xmm_pins |= 1u << pick;
	return pick;
}

/* A temporary's place, freed. */
static void temp_release(struct x64_gen *g, ir_val v)
{
	struct x64_loc *t = &g->temps[v - IR_TEMP0];

	if (t->place == X64_IN_GPR && g->gpr_owner[scratch_index(t->reg)] == v) {
		g->gpr_owner[scratch_index(t->reg)] = IR_NONE;
	} else if (t->place == X64_IN_XMM && g->xmm_owner[t->reg] == v) {
		g->xmm_owner[t->reg] = IR_NONE;
	} else if (t->place == X64_IN_MEM) {
		slot_free(g, t->disp);
	}
	t->place = X64_NOWHERE;
}

static void owner_set(struct x64_gen *g, ir_val *owner)
{
	if (*owner != IR_NONE) {
		g->temps[*owner - IR_TEMP0].place = X64_NOWHERE;
	}
	*owner = g->last_use[g->dst - IR_TEMP0] > g->idx ? g->dst : IR_NONE;
}

void x64_copy_set(struct x64_gen *g, ir_val v, unsigned int reg)
{
	if (is_scratch(reg) && g->gpr_owner[scratch_index(reg)] == IR_NONE) {
		g->gpr_copy[scratch_index(reg)] = v;
	}
}

void x64_finish(struct x64_gen *g, unsigned int reg)
{
	struct x64_loc *home;

	if (g->dst == IR_NONE) {
		return;
	}
	x64_forget(g, g->dst);
	if (x64_is_temp(g->dst)) {
		g->temps[g->dst - IR_TEMP0] =
			(struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)reg };
		owner_set(g, &g->gpr_owner[scratch_index(reg)]);
		return;
	}
	home = &g->em->homes[g->dst];
	switch (home->place) {
	case X64_IN_MEM:
		x64_mr(g->as, X64_MOV | X64_W, x64_env(home->disp), reg);
		x64_copy_set(g, g->dst, reg);
		break;
	case X64_IN_XMM:
		x64_vrr(g->as, X64_VMOV_X_R | X64_W, home->reg, 0, reg);
		break;
	case X64_IN_BYTE:
		x64_ri(g->as, X64_AND, reg, 1);
		x64_mr(g->as, X64_MOV | X64_S8, x64_env(home->disp), reg);
		break;
	default:
		BUG_ON(home->reg != reg);
	}
}

void x64_finish_xmm(struct x64_gen *g, unsigned int reg)
{
	struct x64_loc *home;

	if (g->dst == IR_NONE) {
		return;
	}
	x64_forget(g, g->dst);
	if (x64_is_temp(g->dst)) {
		g->temps[g->dst - IR_TEMP0] =
			(struct x64_loc){ .place = X64_IN_XMM, .reg = (uint8_t)reg };
		owner_set(g, &g->xmm_owner[reg]);
		return;
	}
	home = &g->em->homes[g->dst];
	if (home->place == X64_IN_MEM) {
		x64_vmr(g->as, X64_VMOVSD_ST, x64_env(home->disp), reg);
	} else {
		BUG_ON(home->place != X64_IN_XMM || home->reg != reg);
	}
}

void x64_finish_number(struct x64_gen *g, int64_t number)
{
	g->temps[g->dst - IR_TEMP0] = (struct x64_loc){ .place = X64_IS_NUMBER, .number = number };
}

void x64_op_end(struct x64_gen *g)
{
	const ir_val vals[] = { g->i->a, g->i->b, g->i->c };
	const char *fields = ir_op_table[g->i->op].fields;

	g->gpr_pins = 0;
	g->xmm_pins = 0;
	for (size_t k = 0; k < ARRAY_SIZE(vals); k++) {
		if (fields[k + 1] != '-' && x64_is_temp(vals[k]) &&
		    g->last_use[vals[k] - IR_TEMP0] <= g->idx) {
			temp_release(g, vals[k]);
		}
	}
}

bool x64_checked(const struct x64_gen *g, ir_val v, uint32_t *ret_slack)
{
	for (size_t k = 0; k < g->n_checked; k++) {
		if (g->checked[k].v == v) {
			*ret_slack = g->checked[k].slack;
			return true;
		}
	}
	return false;
}

void x64_checked_set(struct x64_gen *g, ir_val v, uint32_t slack)
{
	size_t k = 0;

	while (k < g->n_checked && g->checked[k].v != v) {
		k++;
	}
	if (k == X64_CHECKED_MAX) {
		k = 0; /* any: it will be checked again */
	}
	g->checked[k].v = v;
	g->checked[k].slack = slack;
	if (k == g->n_checked) {
		g->n_checked++;
	}
}

bool x64_known(const struct x64_gen *g, ir_val v, int64_t *ret_number)
{
	if (x64_is_temp(v)) {
		*ret_number = g->temps[v - IR_TEMP0].number;
		return g->temps[v - IR_TEMP0].place == X64_IS_NUMBER;
	}
	for (size_t k = 0; k < g->n_known; k++) {
		if (g->known[k].v == v) {
			*ret_number = g->known[k].number;
			return true;
		}
	}
	return false;
}

void x64_known_set(struct x64_gen *g, int64_t number)
{
	if (x64_is_temp(g->dst) || g->em->cfg.regs[g->dst].cls != IR_CLASS_INT) {
		return;
	}
	if (g->n_known == X64_CHECKED_MAX) {
		g->n_known--; /* any */
	}
	g->known[g->n_known].v = g->dst;
	g->known[g->n_known++].number = number;
}

void x64_forget(struct x64_gen *g, ir_val v)
{
	for (size_t k = 0; k < g->n_known; k++) {
		if (g->known[k].v == v) {
			g->known[k] = g->known[--g->n_known];
			break;
		}
	}
	for (size_t k = 0; k < g->n_checked; k++) {
		if (g->checked[k].v == v) {
			g->checked[k] = g->checked[--g->n_checked];
			break;
		}
	}
	for (unsigned int s = 0; s < X64_GPR_SCRATCH; s++) {
		if (g->gpr_copy[s] == v) {
			g->gpr_copy[s] = IR_NONE;
		}
	}
	g->boxed[v / 64] &= ~BIT(v % 64);
	if (!x64_is_temp(v) && g->em->homes[v].place == X64_IN_XMM) {
		g->dirty.f64 &= (uint16_t) ~(1u << g->em->homes[v].reg);
		g->dirty.f32 &= (uint16_t) ~(1u << g->em->homes[v].reg);
	}
}

void x64_forget_all(struct x64_gen *g)
{
	g->n_checked = 0;
	g->n_known = 0;
	g->gpr_copy[0] = g->gpr_copy[1] = IR_NONE;
	memset(g->boxed, 0, sizeof(g->boxed));
}

bool x64_is_boxed(const struct x64_gen *g, ir_val v)
{
	return g->boxed[v / 64] & BIT(v % 64);
}

void x64_boxed_set(struct x64_gen *g, ir_val v)
{
	g->boxed[v / 64] |= BIT(v % 64);
}

void x64_extend(struct x64_gen *g, unsigned int reg)
{
	bool is_signed = g->i->flags & IR_SX;

	if (g->i->type == IR_I64 || (g->i->type == IR_I32 && !is_signed)) {
		return;
	}
	x64_load_ext(g, reg, (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)reg },
		     g->i->type, is_signed);
}

void x64_alu(struct x64_gen *g, uint32_t op, unsigned int reg, struct x64_loc b)
{
	if (b.place == X64_IN_GPR) {
		x64_rr(g->as, op, reg, b.reg);
	} else if (b.place == X64_IN_MEM) {
		x64_rm(g->as, op, reg, x64_env(b.disp));
	} else {
		x64_ri(g->as, op, reg, (int32_t)b.number);
	}
}
