// SPDX-License-Identifier: GPL-2.0-or-later
/* Integer operations without conditions: moves, arithmetic, logic, shifts, bit counting. */
#include "engine/dbt/emit/x64/x64_gen.h"

/* What "op reg, operand" can take as it is: a register, a short number, or 8 bytes of memory. */
static struct x64_loc operand(struct x64_gen *g, struct x64_loc loc)
{
	switch (loc.place) {
	case X64_IN_GPR:
	case X64_IN_MEM:
		return loc;
	case X64_IS_NUMBER:
		if (x64_is_imm32(loc.number)) {
			return loc;
		}
		break;
	default:
		break;
	}
	return (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)x64_loc_in_gpr(g, loc) };
}

/* ---- moves ---- */

static void mov_to_xmm(struct x64_gen *g, struct x64_loc from)
{
	unsigned int to = g->em->homes[g->dst].reg;

	if (from.place == X64_IN_XMM) {
		if (from.reg != to) {
			x64_vrr(g->as, X64_VMOVAPS, to, 0, from.reg);
		}
	} else if (from.place == X64_IN_MEM) {
		x64_vrm(g->as, X64_VMOVSD_LD, to, 0, x64_env(from.disp));
	} else if (from.place == X64_IS_NUMBER && from.number == 0) {
		x64_vrr(g->as, X64_VXORPS, to, to, to);
	} else {
		x64_vrr(g->as, X64_VMOV_X_R | X64_W, to, 0, x64_loc_in_gpr(g, from));
	}
	x64_finish_xmm(g, to);
}

static void mov_to_mem(struct x64_gen *g, struct x64_loc from)
{
	struct x64_mem m = x64_env(g->em->homes[g->dst].disp);
	unsigned int reg = X64_NOREG;

	if (from.place == X64_IN_XMM) {
		x64_vmr(g->as, X64_VMOVSD_ST, m, from.reg);
	} else if (from.place == X64_IS_NUMBER && x64_is_imm32(from.number)) {
		x64_mi(g->as, X64_MOV | X64_W, m, (int32_t)from.number);
	} else {
		reg = x64_loc_in_gpr(g, from);
		x64_mr(g->as, X64_MOV | X64_W, m, reg);
	}
	x64_forget(g, g->dst);
	if (reg != X64_NOREG) {
		x64_copy_set(g, g->dst, reg);
	}
}

void x64_op_mov(struct x64_gen *g)
{
	struct x64_loc from = { .place = X64_IS_NUMBER, .number = g->i->imm };
	bool is_box = false;
	uint32_t slack = 0;
	/* an address that is known needs no check */
	bool is_checked = x64_is_in_window(g, g->i->imm);
	unsigned int reg;

	if (!(g->i->flags & IR_IMM)) {
		from = x64_loc_a(g);
		is_box = x64_is_boxed(g, g->i->a);
		is_checked = x64_checked(g, g->i->a, &slack);
	}
	if (x64_is_temp(g->dst) && from.place == X64_IS_NUMBER) {
		x64_finish_number(g, from.number);
		return;
	}
	if (x64_is_temp(g->dst) && from.place == X64_IN_XMM) {
		reg = x64_def_xmm(g, from.reg, X64_XMM_SCRATCH, X64_XMM_SCRATCH);
		if (reg != from.reg) {
			x64_vrr(g->as, X64_VMOVAPS, reg, 0, from.reg);
		}
		x64_finish_xmm(g, reg);
	} else if (!x64_is_temp(g->dst) && g->em->homes[g->dst].place == X64_IN_XMM) {
		mov_to_xmm(g, from);
	} else if (!x64_is_temp(g->dst) && g->em->homes[g->dst].place == X64_IN_MEM) {
		mov_to_mem(g, from);
	} else {
		reg = x64_def(g, x64_reg_or_none(from), X64_NOREG);
		if (from.place == X64_IS_NUMBER && from.number == 0) {
			x64_rr(g->as, X64_XOR, reg, reg);
		} else {
			x64_load(g, reg, from);
		}
		x64_finish(g, reg);
	}
	if (g->i->flags & IR_IMM) {
		x64_known_set(g, g->i->imm);
	}
	if (is_box) {
		x64_boxed_set(g, g->dst);
	}
	if (is_checked) {
		x64_checked_set(g, g->dst, slack);
	}
}

/* ---- arithmetic and logic ---- */

static bool is_commutative(unsigned int op)
{
	return op == IR_ADD || op == IR_AND || op == IR_OR || op == IR_XOR || op == IR_XNOR;
}

static uint32_t host_op(unsigned int op)
{
	switch (op) {
	case IR_ADD:
		return X64_ADD;
	case IR_SUB:
		return X64_SUB;
	case IR_AND:
		return X64_AND;
	case IR_OR:
		return X64_OR;
	default:
		return X64_XOR;
	}
}

/* d = a + b for registers or a number, leaving both alone */
static void lea_add(struct x64_gen *g, uint32_t size, unsigned int d, struct x64_loc a,
		    struct x64_loc b)
{
	struct x64_mem m = b.place == X64_IS_NUMBER ? x64_at(a.reg, (int32_t)b.number)
						    : x64_at2(a.reg, b.reg, 0);

	x64_rm(g->as, X64_LEA | size, d, m);
}

static void three_operands(struct x64_gen *g, unsigned int op, unsigned int d, struct x64_loc a,
			   struct x64_loc b)
{
	uint32_t size = x64_size(g->i->type);
	uint32_t host = host_op(op) | size;

	if (x64_is_reg(a, d)) {
		x64_alu(g, host, d, b);
	} else if (x64_is_reg(b, d) && is_commutative(op)) {
		x64_alu(g, host, d, operand(g, a));
	} else if (x64_is_reg(b, d)) {
		a = operand(g, a);
		x64_unary(g->as, X64_NEG | size, d);
		x64_alu(g, X64_ADD | size, d, a);
	} else if (op == IR_ADD && b.place == X64_IS_NUMBER && b.number == 0 && size) {
		x64_load(g, d, a);
	} else if (op == IR_ADD && a.place == X64_IN_GPR && b.place != X64_IN_MEM) {
		lea_add(g, size, d, a, b);
	} else {
		if (size) {
			x64_load(g, d, a);
		} else {
			x64_load32(g, d, a);
		}
		x64_alu(g, host, d, b);
	}
	if (op == IR_XNOR) {
		x64_unary(g->as, X64_NOT | size, d);
	}
}

/* Reading what has just been stored takes as long as so many operations. */
#define STORE_FAR 4u

/* x = x op b in memory, if nobody waits for it */
static bool alu_in_memory(struct x64_gen *g, unsigned int op, struct x64_loc b)
{
	struct x64_mem m;

	if (g->i->type != IR_I64 || g->dst != g->i->a || x64_is_temp(g->dst) || op == IR_XNOR ||
	    x64_loc_of(g, g->dst).place != X64_IN_MEM || b.place == X64_IN_MEM ||
	    x64_is_read_soon(g, g->dst, STORE_FAR)) {
		return false;
	}
	m = x64_env(g->em->homes[g->dst].disp);
	if (b.place == X64_IN_GPR) {
		x64_mr(g->as, host_op(op) | X64_W, m, b.reg);
	} else {
		x64_mi(g->as, host_op(op) | X64_W, m, (int32_t)b.number);
	}
	x64_forget(g, g->dst);
	return true;
}

/* A sum of a checked base and a small number stays checked. */
static bool sum_slack(const struct x64_gen *g, unsigned int op, struct x64_loc b,
		      uint32_t *ret_slack)
{
	const int64_t limit = INT64_C(1) << 29;

	if ((op != IR_ADD && op != IR_SUB) || g->i->type != IR_I64 || b.place != X64_IS_NUMBER ||
	    !x64_checked(g, g->i->a, ret_slack) || b.number >= limit || b.number <= -limit) {
		return false;
	}
	*ret_slack += (uint32_t)(b.number < 0 ? -b.number : b.number);
	return *ret_slack < 1u << 30;
}

static void alu_plain(struct x64_gen *g, unsigned int op, struct x64_loc a, struct x64_loc b)
{
	uint32_t slack = 0;
	bool is_checked = sum_slack(g, op, b, &slack);
	unsigned int d;

	if (is_commutative(op) && a.place == X64_IS_NUMBER && b.place != X64_IS_NUMBER) {
		struct x64_loc t = a;

		a = b;
		b = t;
	}
	if (op == IR_SUB && b.place == X64_IS_NUMBER && b.number != INT64_MIN) {
		op = IR_ADD;
		b.number = -b.number;
	}
	b = operand(g, b);
	if (!alu_in_memory(g, op, b)) {
		d = x64_def(g, x64_reg_or_none(a), x64_reg_or_none(b));
		three_operands(g, op, d, a, b);
		x64_extend(g, d);
		x64_finish(g, d);
	}
	if (is_checked) {
		x64_checked_set(g, g->dst, slack);
	}
}

/* What compilers do to make addresses from two numbers. @return false: it is not that */
static bool alu_known(struct x64_gen *g, unsigned int op, struct x64_loc b)
{
	int64_t number;
	unsigned int d;

	if (g->i->type != IR_I64 || (op != IR_ADD && op != IR_AND) || b.place != X64_IS_NUMBER ||
	    !x64_known(g, g->i->a, &number)) {
		return false;
	}
	number = (int64_t)(op == IR_AND ? (uint64_t)number & (uint64_t)b.number
					: (uint64_t)number + (uint64_t)b.number);
	if (x64_is_temp(g->dst)) {
		x64_finish_number(g, number);
		return true;
	}
	d = x64_def(g, X64_NOREG, X64_NOREG);
	x64_mov_imm(g->as, d, (uint64_t)number);
	x64_finish(g, d);
	x64_known_set(g, number);
	if (x64_is_in_window(g, number)) {
		x64_checked_set(g, g->dst, 0);
	}
	return true;
}

static void andn(struct x64_gen *g, struct x64_loc a)
{
	uint32_t size = x64_size(g->i->type);
	unsigned int b_reg = x64_loc_in_gpr(g, x64_loc_b(g));
	unsigned int d;

	if (a.place == X64_IN_MEM) {
		d = x64_def(g, X64_NOREG, X64_NOREG);
		x64_vrm(g->as, X64_ANDN | size, d, b_reg, x64_env(a.disp));
	} else {
		unsigned int a_reg = x64_loc_in_gpr(g, a);

		d = x64_def(g, a_reg, X64_NOREG);
		x64_vrr(g->as, X64_ANDN | size, d, b_reg, a_reg);
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

static void orn(struct x64_gen *g, struct x64_loc a)
{
	uint32_t size = x64_size(g->i->type);
	struct x64_loc b = x64_loc_b(g);
	unsigned int d;

	a = operand(g, a);
	d = x64_def(g, x64_reg_or_none(b), x64_reg_or_none(a));
	if (x64_is_reg(a, d) && x64_is_reg(b, d)) {
		x64_ri(g->as, X64_MOV | size, d, -1);
	} else if (x64_is_reg(a, d)) {
		/* a | ~b is ~(~a & b) */
		b = operand(g, b);
		x64_unary(g->as, X64_NOT | size, d);
		x64_alu(g, X64_AND | size, d, b);
		x64_unary(g->as, X64_NOT | size, d);
	} else {
		x64_load(g, d, b);
		x64_unary(g->as, X64_NOT | size, d);
		x64_alu(g, X64_OR | size, d, a);
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

void x64_op_alu(struct x64_gen *g)
{
	struct x64_loc a = x64_loc_a(g);
	struct x64_loc b = x64_loc_b(g);
	unsigned int op = g->i->op;

	if (b.place == X64_IS_NUMBER && (op == IR_ANDN || op == IR_ORN)) {
		op = op == IR_ANDN ? IR_AND : IR_OR;
		b.number = ~b.number;
	}
	if (op == IR_ANDN) {
		andn(g, a);
	} else if (op == IR_ORN) {
		orn(g, a);
	} else if (!alu_known(g, op, b)) {
		alu_plain(g, op, a, b);
	}
}

/* ---- shifts ---- */

static enum x64_shift_op shift_op(unsigned int op)
{
	switch (op) {
	case IR_SHL:
		return X64_SHL;
	case IR_SHR:
		return X64_SHR;
	case IR_SAR:
		return X64_SAR;
	case IR_ROL:
		return X64_ROL;
	default:
		return X64_ROR;
	}
}

/* Load a with the upper bits that a right shift brings in. */
static void shift_load(struct x64_gen *g, unsigned int reg, struct x64_loc a)
{
	if (g->i->type == IR_I64) {
		x64_load(g, reg, a);
	} else if (g->i->type == IR_I32 || g->i->op == IR_SHL || g->i->op == IR_ROL ||
		   g->i->op == IR_ROR) {
		if (!x64_is_reg(a, reg)) {
			x64_load32(g, reg, a);
		}
	} else {
		x64_load_ext(g, reg, a, g->i->type, g->i->op == IR_SAR);
	}
}

static void shift_by_number(struct x64_gen *g, struct x64_loc a, uint8_t n)
{
	uint32_t size = x64_size(g->i->type);
	unsigned int d = x64_def(g, x64_reg_or_none(a), X64_NOREG);
	bool is_rotation = g->i->op == IR_ROL || g->i->op == IR_ROR;
	unsigned int width = x64_type_bits(g->i->type);

	if (n == 0) {
		x64_load_ext(g, d, a, g->i->type, g->i->flags & IR_SX);
		x64_finish(g, d);
		return;
	}
	if (is_rotation && g->i->type >= IR_I32 && a.place == X64_IN_GPR && a.reg != d) {
		if (g->i->op == IR_ROL) {
			n = (uint8_t)((width - n) & (width - 1));
		}
		x64_vrri(g->as, X64_RORX | size, d, 0, a.reg, n);
	} else {
		shift_load(g, d, a);
		x64_shift_imm(g->as, shift_op(g->i->op),
			      is_rotation ? x64_exact_size(g->i->type) : size, d, n);
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

/* By a register, modulo 32 or 64. */
static void shift_by_register(struct x64_gen *g, struct x64_loc a)
{
	static const uint32_t ops[] = {
		[IR_SHL - IR_SHL] = X64_SHLX,
		[IR_SHR - IR_SHL] = X64_SHRX,
		[IR_SAR - IR_SHL] = X64_SARX,
	};
	uint32_t op = ops[g->i->op - IR_SHL] | x64_size(g->i->type);
	unsigned int by = x64_loc_in_gpr(g, x64_loc_b(g));
	unsigned int d;

	if (a.place == X64_IN_MEM) {
		d = x64_def(g, X64_NOREG, X64_NOREG);
		x64_vrm(g->as, op, d, by, x64_env(a.disp));
	} else {
		unsigned int a_reg = x64_loc_in_gpr(g, a);

		d = x64_def(g, a_reg, X64_NOREG);
		x64_vrr(g->as, op, d, by, a_reg);
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

/* Bytes and words, and rotations: the amount in cl. */
static void shift_by_cl(struct x64_gen *g)
{
	struct x64_loc b;
	bool is_rotation = g->i->op == IR_ROL || g->i->op == IR_ROR;
	uint32_t size = is_rotation ? x64_exact_size(g->i->type) : x64_size(g->i->type);
	unsigned int d;

	x64_evict(g);
	b = x64_loc_b(g);
	shift_load(g, X64_RAX, x64_loc_a(g));
	x64_rr(g->as, X64_MOV | X64_W, X64_RDX, X64_RCX);
	x64_load32(g, X64_RCX, b);
	x64_ri(g->as, X64_AND, X64_RCX, (int32_t)x64_type_bits(g->i->type) - 1);
	x64_shift_cl(g->as, shift_op(g->i->op), size, X64_RAX);
	x64_rr(g->as, X64_MOV | X64_W, X64_RCX, X64_RDX);
	d = x64_def(g, X64_RAX, X64_NOREG);
	x64_load(g, d, (struct x64_loc){ .place = X64_IN_GPR, .reg = X64_RAX });
	x64_extend(g, d);
	x64_finish(g, d);
}

void x64_op_shift(struct x64_gen *g)
{
	struct x64_loc a = x64_loc_a(g);
	struct x64_loc b = x64_loc_b(g);

	if (b.place == X64_IS_NUMBER) {
		shift_by_number(g, a,
				(uint8_t)((uint64_t)b.number & (x64_type_bits(g->i->type) - 1)));
	} else if (g->i->type >= IR_I32 && g->i->op != IR_ROL && g->i->op != IR_ROR) {
		shift_by_register(g, a);
	} else {
		shift_by_cl(g);
	}
}

void x64_op_shl_add(struct x64_gen *g)
{
	struct x64_loc a;
	struct x64_loc b;
	unsigned int a_reg;
	unsigned int b_reg = X64_NOREG;
	int32_t disp = 0;
	unsigned int d;

	if (g->i->type == IR_I32) {
		x64_evict(g);
		x64_load32(g, X64_RAX, x64_loc_a(g));
		g->gpr_pins |= 1u << X64_RAX;
		a = (struct x64_loc){ .place = X64_IN_GPR, .reg = X64_RAX };
	} else {
		a = x64_loc_a(g);
	}
	b = (struct x64_loc){ .place = X64_IS_NUMBER, .number = g->i->imm };
	if (!(g->i->flags & IR_IMM)) {
		b = x64_loc_of(g, g->i->b);
	}
	if (b.place == X64_IN_GPR) {
		g->gpr_pins |= 1u << b.reg;
	}
	a_reg = x64_loc_in_gpr(g, a);
	if (b.place == X64_IS_NUMBER && x64_is_imm32(b.number)) {
		disp = (int32_t)b.number;
	} else {
		b_reg = x64_loc_in_gpr(g, b);
	}
	d = x64_def(g, a_reg, X64_NOREG);
	x64_lea_scaled(g->as, X64_W, d, b_reg, a_reg, g->i->c, disp);
	x64_finish(g, d);
}

/* ---- widths ---- */

void x64_op_ext(struct x64_gen *g)
{
	struct x64_loc a = x64_loc_a(g);
	unsigned int d = x64_def(g, x64_reg_or_none(a), X64_NOREG);

	x64_load_ext(g, d, a, g->i->type, g->i->flags & IR_SX);
	x64_finish(g, d);
}

void x64_op_insert(struct x64_gen *g)
{
	unsigned int d;

	x64_evict(g);
	x64_load(g, X64_RAX, x64_loc_of(g, g->i->a));
	x64_load(g, X64_RDX, x64_loc_b(g));
	switch (g->i->type) {
	case IR_I8:
	case IR_I16:
		x64_rr(g->as, X64_MOV | x64_exact_size(g->i->type), X64_RAX, X64_RDX);
		break;
	case IR_I32:
		x64_shift_imm(g->as, X64_SHR, X64_W, X64_RAX, 32);
		x64_shift_imm(g->as, X64_SHL, X64_W, X64_RAX, 32);
		x64_rr(g->as, X64_MOV, X64_RDX, X64_RDX);
		x64_rr(g->as, X64_OR | X64_W, X64_RAX, X64_RDX);
		break;
	default:
		x64_rr(g->as, X64_MOV | X64_W, X64_RAX, X64_RDX);
	}
	d = x64_def(g, X64_RAX, X64_NOREG);
	x64_load(g, d, (struct x64_loc){ .place = X64_IN_GPR, .reg = X64_RAX });
	x64_finish(g, d);
}

void x64_op_bswap(struct x64_gen *g)
{
	struct x64_loc a = x64_loc_a(g);
	unsigned int d = x64_def(g, x64_reg_or_none(a), X64_NOREG);

	x64_load(g, d, a);
	if (g->i->type == IR_I16) {
		x64_shift_imm(g->as, X64_ROL, X64_S16, d, 8);
	} else {
		x64_bswap(g->as, x64_size(g->i->type), d);
	}
	x64_extend(g, d);
	x64_finish(g, d);
}

void x64_op_count(struct x64_gen *g)
{
	uint32_t size = x64_size(g->i->type);
	unsigned int width = x64_type_bits(g->i->type);
	struct x64_loc a = x64_loc_a(g);
	uint32_t op = g->i->op == IR_CLZ ? X64_LZCNT : g->i->op == IR_CTZ ? X64_TZCNT : X64_POPCNT;
	unsigned int d = x64_def(g, x64_reg_or_none(a), X64_NOREG);

	if (g->i->type < IR_I32 || (a.place != X64_IN_GPR && a.place != X64_IN_MEM)) {
		x64_load_ext(g, d, a, g->i->type, false);
		a = (struct x64_loc){ .place = X64_IN_GPR, .reg = (uint8_t)d };
	}
	if (g->i->type < IR_I32 && g->i->op == IR_CTZ) {
		x64_ri(g->as, X64_OR, d, g->i->type == IR_I8 ? 0x100 : 0x10000);
	}
	if (a.place == X64_IN_GPR) {
		x64_rr(g->as, op | size, d, a.reg);
	} else {
		x64_rm(g->as, op | size, d, x64_env(a.disp));
	}
	if (g->i->type < IR_I32 && g->i->op == IR_CLZ) {
		x64_ri(g->as, X64_SUB, d, (int32_t)(32 - width));
	}
	x64_finish(g, d);
}

void x64_op_or_bytes(struct x64_gen *g)
{
	unsigned int x = x64_take_xmm(g);
	unsigned int zero = x64_take_xmm(g);
	unsigned int a_reg = x64_in_gpr(g, g->i->a);
	unsigned int d;

	x64_vrr(g->as, X64_VMOV_X_R | X64_W, x, 0, a_reg);
	x64_vrr(g->as, X64_VXORPS, zero, zero, zero);
	x64_vrr(g->as, X64_VPCMPEQB, x, x, zero);
	d = x64_def(g, a_reg, X64_NOREG);
	x64_vrr(g->as, X64_VMOV_R_X | X64_W, x, 0, d);
	x64_unary(g->as, X64_NOT | X64_W, d);
	x64_finish(g, d);
}
