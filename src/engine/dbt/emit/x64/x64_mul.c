// SPDX-License-Identifier: GPL-2.0-or-later
/* Multiplication and division. The host's division faults where no guest's does: those operands go out of line. */
#include "engine/dbt/emit/x64/x64_gen.h"

/* ---- multiplication ---- */

void x64_op_mul(struct x64_gen *g)
{
	uint32_t size = x64_size(g->i->type);
	struct x64_loc a = x64_loc_a(g);
	struct x64_loc b = x64_loc_b(g);
	unsigned int d;

	if (b.place == X64_IS_NUMBER && x64_is_imm32(b.number)) {
		unsigned int a_reg = x64_loc_in_gpr(g, a);

		d = x64_def(g, a_reg, X64_NOREG);
		x64_imul_imm(g->as, size, d, a_reg, (int32_t)b.number);
	} else {
		if (b.place != X64_IN_MEM) {
			b = (struct x64_loc){ .place = X64_IN_GPR,
					      .reg = (uint8_t)x64_loc_in_gpr(g, b) };
		}
		d = x64_def(g, x64_reg_or_none(a), x64_reg_or_none(b));
		if (x64_is_reg(b, d)) {
			b = a;
			if (b.place != X64_IN_GPR && b.place != X64_IN_MEM) {
				b.place = X64_IN_GPR;
				b.reg = (uint8_t)x64_loc_in_gpr(g, a);
			}
		} else {
			x64_load(g, d, a);
		}
		if (b.place == X64_IN_GPR) {
			x64_rr(g->as, X64_IMUL | size, d, b.reg);
		} else {
			x64_rm(g->as, X64_IMUL | size, d, x64_env(b.disp));
		}
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

static void result_from(struct x64_gen *g, unsigned int reg)
{
	unsigned int d = x64_def(g, reg, X64_NOREG);

	x64_load(g, d, (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)reg });
	x64_extend(g, d);
	x64_finish(g, d);
}

static void mulh32(struct x64_gen *g)
{
	x64_load_ext(g, X64_RAX, x64_loc_a(g), IR_I32, g->i->op != IR_MULH_UU);
	x64_load_ext(g, X64_RDX, x64_loc_b(g), IR_I32, g->i->op == IR_MULH_SS);
	x64_rr(g->as, X64_IMUL | X64_W, X64_RAX, X64_RDX);
	x64_shift_imm(g->as, X64_SHR, X64_W, X64_RAX, 32);
	result_from(g, X64_RAX);
}

static void unary_at(struct x64_gen *g, uint32_t op, struct x64_loc loc)
{
	if (loc.place == X64_IN_GPR) {
		x64_unary(g->as, op, loc.reg);
	} else {
		x64_unary_m(g->as, op, x64_env(loc.disp));
	}
}

void x64_op_mulh(struct x64_gen *g)
{
	struct x64_loc b;

	x64_evict(g);
	if (g->i->type == IR_I32) {
		mulh32(g);
		return;
	}
	b = x64_away(g, x64_loc_b(g));
	x64_load(g, X64_RAX, x64_loc_a(g));
	unary_at(g, (g->i->op == IR_MULH_SS ? X64_IMUL1 : X64_MUL) | X64_W, b);
	if (g->i->op == IR_MULH_SU) {
		x64_load(g, X64_RAX, x64_loc_a(g));
		x64_shift_imm(g->as, X64_SAR, X64_W, X64_RAX, 63);
		x64_alu(g, X64_AND | X64_W, X64_RAX, b);
		x64_rr(g->as, X64_SUB | X64_W, X64_RDX, X64_RAX);
	}
	result_from(g, X64_RDX);
}

/* ---- division: never faults ---- */

static bool is_remainder(const struct ir_insn *i)
{
	return i->op == IR_REM_S || i->op == IR_REM_U;
}

void x64_op_div(struct x64_gen *g)
{
	uint32_t size = x64_size(g->i->type);
	bool is_signed = g->i->op == IR_DIV_S || g->i->op == IR_REM_S;
	struct x64_cold *cold;
	struct x64_loc b;

	x64_evict(g);
	b = x64_away(g, x64_loc_b(g));
	/* the divisor's neighbourhood: 0, and if signed -1, are out of the ordinary */
	if (size) {
		x64_load(g, X64_RDX, b);
	} else {
		x64_load32(g, X64_RDX, b);
	}
	if (is_signed) {
		x64_unary(g->as, X64_INC | size, X64_RDX);
		x64_ri(g->as, X64_CMP | size, X64_RDX, 1);
	} else {
		x64_rr(g->as, X64_TEST | size, X64_RDX, X64_RDX);
	}
	cold = x64_cold_add(g, is_signed ? X64_COLD_DIV_S : X64_COLD_DIV_U,
			    x64_jcc(g->as, is_signed ? X64_BE : X64_E, g->as->at));
	x64_load(g, X64_RAX, x64_loc_a(g));
	cold->loc = x64_loc_a(g);
	if (is_signed) {
		x64_sign_rdx(g->as, size);
		unary_at(g, X64_IDIV | size, b);
	} else {
		x64_rr(g->as, X64_XOR, X64_RDX, X64_RDX);
		unary_at(g, X64_DIV | size, b);
	}
	cold->back = (uint32_t)g->as->at;
	result_from(g, is_remainder(g->i) ? X64_RDX : X64_RAX);
}

/* Signed: rdx is the divisor plus 1, so 1 for 0 and 0 for -1. Results to rax and rdx. */
void x64_cold_div(struct x64_gen *g, const struct x64_cold *c)
{
	uint32_t size = x64_size(c->insn->type);
	bool is_signed = c->kind == X64_COLD_DIV_S;
	size_t minus_one = 0;

	if (is_signed) {
		x64_rr(g->as, X64_TEST, X64_RDX, X64_RDX);
		minus_one = x64_jcc(g->as, X64_E, g->as->at);
	}
	x64_load_ext(g, X64_RDX, c->loc, c->insn->type, false);
	x64_ri(g->as, X64_MOV | size, X64_RAX, c->insn->cond == IR_DIV_RISCV ? -1 : 0);
	x64_jmp(g->as, c->back);
	if (is_signed) {
		x64_patch(g->as, minus_one, g->as->at);
		x64_load(g, X64_RAX, c->loc);
		x64_unary(g->as, X64_NEG | size, X64_RAX);
		x64_rr(g->as, X64_XOR, X64_RDX, X64_RDX);
		x64_jmp(g->as, c->back);
	}
}
