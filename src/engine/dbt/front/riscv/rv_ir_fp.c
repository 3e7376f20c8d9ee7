/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V floating point as IR. Source: RISC-V unprivileged ISA 20191213, chapters 11 and 12.
 *
 * Only while mstatus.FS is Dirty, so that nothing but the registers changes; and only in the rounding mode that is
 * in force, which is the host's while translated code runs. What the host does differently is said by operations of its own:
 * FUNBOX before a single is read, FCANON behind what may give a NaN.
 */
#include "engine/dbt/front/riscv/rv_ir.h"

#define FRM_RTZ 1u
#define FRM_RMM 4u

/* Of struct rv_ir_rule.flags, besides IR_SX. */
#define EXACT BIT(7) /* no rounding happens: any rounding mode will do */

static bool has_rounding(const struct rv_ir *t, const struct rv_ir_rule *r)
{
	bool is_known = t->i.rm == RV_IR_ROUND_DYN || t->i.rm == t->mode.frm;

	/* The host rounds to nearest-even, zero, down, up; reserved modes are illegal instructions. */
	return r->flags & EXACT ? t->i.rm < 5 || (t->i.rm == RV_IR_ROUND_DYN && t->mode.frm < 5)
				: is_known && t->mode.frm < FRM_RMM;
}

/* A source of the operation's type. */
static ir_val source(struct rv_ir *t, unsigned int reg, enum ir_type type)
{
	ir_val v;

	if (type != IR_F32 || (t->boxed & BIT(reg))) {
		return RV_IR_F(reg);
	}
	v = ir_temp(t->b);
	ir_add(t->b, IR_FUNBOX, IR_F32, v, RV_IR_F(reg), IR_NONE);
	return v;
}

static void wrote(struct rv_ir *t, enum ir_type type)
{
	if (type == IR_F32) {
		t->boxed |= (uint32_t)BIT(t->i.rd);
	} else {
		t->boxed &= ~(uint32_t)BIT(t->i.rd);
	}
}

/* The instruction's result, with the guest's idea of a NaN. */
static void finish(struct rv_ir *t, ir_val value, enum ir_type type)
{
	ir_add(t->b, IR_FCANON, type, RV_IR_F(t->i.rd), value, IR_NONE)->flags |=
		type == IR_F32 ? IR_SX : 0;
	wrote(t, type);
}

static bool arith(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	bool is_root = r->op == IR_FSQRT;
	ir_val result;
	ir_val a;
	ir_val b;

	if (!has_rounding(t, r)) {
		return false;
	}
	a = source(t, t->i.rs1, type);
	b = is_root ? IR_NONE : source(t, t->i.rs2, type);
	result = ir_temp(t->b);
	ir_add(t->b, (enum ir_op)r->op, type, result, a, b);
	finish(t, result, type);
	return true;
}

static bool fused(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	ir_val result;
	ir_val a;
	ir_val b;
	ir_val c;

	if (!has_rounding(t, r)) {
		return false;
	}
	a = source(t, t->i.rs1, type);
	b = source(t, t->i.rs2, type);
	c = source(t, t->i.rs3, type);
	result = ir_temp(t->b);
	ir_add(t->b, (enum ir_op)r->op, type, result, a, b)->c = c;
	finish(t, result, type);
	return true;
}

/* fsgnj, fsgnjn (cond: of the negated sign), fsgnjx. */
static bool sign(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	uint8_t box = type == IR_F32 ? IR_SX : 0;
	ir_val rd = RV_IR_F(t->i.rd);
	ir_val a = source(t, t->i.rs1, type);
	ir_val b;

	if (t->i.rs1 == t->i.rs2 && r->op == IR_FXORSIGN) {
		ir_add(t->b, IR_FABS, type, rd, a, IR_NONE)->flags |= box;
	} else if (t->i.rs1 == t->i.rs2 && r->cond) {
		ir_add(t->b, IR_FNEG, type, rd, a, IR_NONE)->flags |= box;
	} else if (t->i.rs1 == t->i.rs2) {
		ir_add(t->b, IR_MOV, IR_F64, rd, a, IR_NONE); /* of a single: boxed already */
	} else {
		b = source(t, t->i.rs2, type);
		if (r->cond) {
			ir_val n = ir_temp(t->b);

			ir_add(t->b, IR_FNEG, type, n, b, IR_NONE)->flags |= box;
			b = n;
		}
		ir_add(t->b, (enum ir_op)r->op, type, rd, a, b)->flags |= box;
	}
	wrote(t, type);
	return true;
}

static bool compare(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	ir_val a = source(t, t->i.rs1, type);
	ir_val b = source(t, t->i.rs2, type);
	ir_val rd = t->i.rd ? RV_IR_X(t->i.rd) : ir_temp(t->b); /* flags are raised for x0 too */

	ir_add(t->b, IR_FSET_IF, type, rd, a, b)->cond = r->cond;
	return true;
}

/* fcvt.s.d, fcvt.d.s: type is the result's. */
static bool resize(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	ir_val result;
	ir_val a;

	if (!has_rounding(t, r)) {
		return false;
	}
	a = source(t, t->i.rs1, type == IR_F32 ? IR_F64 : IR_F32);
	result = ir_temp(t->b);
	ir_add(t->b, IR_FCVT_FF, type, result, a, IR_NONE);
	finish(t, result, type);
	return true;
}

static bool from_int(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	struct ir_insn *i;

	if (!has_rounding(t, r)) {
		return false;
	}
	i = ir_add(t->b, IR_FCVT_FI, type, RV_IR_F(t->i.rd), RV_IR_X(t->i.rs1), IR_NONE);
	i->cond = r->cond;
	i->flags |= type == IR_F32 ? IR_SX : 0;
	wrote(t, type);
	return true;
}

/* C's conversions truncate; others are rare. */
static bool to_int(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	unsigned int rm = t->i.rm == RV_IR_ROUND_DYN ? t->mode.frm : t->i.rm;
	bool is_word = r->cond == IR_INT_S32 || r->cond == IR_INT_U32;
	struct ir_insn *i;
	ir_val rd;

	if (rm != FRM_RTZ) {
		return false;
	}
	rd = t->i.rd ? RV_IR_X(t->i.rd) : ir_temp(t->b);
	i = ir_add(t->b, IR_FCVT_IF, type, rd, source(t, t->i.rs1, type), IR_NONE);
	i->cond = r->cond;
	i->flags |= is_word ? IR_SX : 0;
	return true;
}

static bool to_bits(struct rv_ir *t, const struct rv_ir_rule *r)
{
	ir_val bits;

	if (!t->i.rd) {
		return true;
	}
	if (r->type == IR_F64) {
		ir_add(t->b, IR_MOV, IR_I64, RV_IR_X(t->i.rd), RV_IR_F(t->i.rs1), IR_NONE);
		return true;
	}
	bits = ir_temp(t->b);
	ir_add(t->b, IR_MOV, IR_I64, bits, RV_IR_F(t->i.rs1), IR_NONE);
	ir_add(t->b, IR_EXT, IR_I32, RV_IR_X(t->i.rd), bits, IR_NONE)->flags |= IR_SX;
	return true;
}

static bool from_bits(struct rv_ir *t, const struct rv_ir_rule *r)
{
	enum ir_type type = (enum ir_type)r->type;
	ir_val bits = RV_IR_X(t->i.rs1);

	if (type == IR_F32) {
		ir_val boxed = ir_temp(t->b);

		ir_add_imm(t->b, IR_OR, IR_I64, boxed, bits, (int64_t)0xffffffff00000000ULL);
		/* OR keeps the upper half of x: all ones win. */
		bits = boxed;
	}
	ir_add(t->b, IR_MOV, IR_I64, RV_IR_F(t->i.rd), bits, IR_NONE);
	wrote(t, type);
	return true;
}

static bool fp_load(struct rv_ir *t, const struct rv_ir_rule *r)
{
	struct ir_insn *i = ir_add(t->b, IR_LOAD, (enum ir_type)r->type, RV_IR_F(t->i.rd),
				   RV_IR_X(t->i.rs1), IR_NONE);

	i->imm = t->i.imm;
	i->flags |= r->type == IR_F32 ? IR_SX : 0;
	wrote(t, (enum ir_type)r->type);
	return true;
}

static bool fp_store(struct rv_ir *t, const struct rv_ir_rule *r)
{
	/* A single is stored as its low half, boxed or not. */
	ir_add(t->b, IR_STORE, (enum ir_type)r->type, IR_NONE, RV_IR_X(t->i.rs1), RV_IR_F(t->i.rs2))
		->imm = t->i.imm;
	return true;
}

#define BOTH(name, fn, op, cond, flags)                                       \
	[RV_OP_##name##_S] = { fn, IR_##op, IR_F32, cond, (uint8_t)(flags) }, \
	[RV_OP_##name##_D] = { fn, IR_##op, IR_F64, cond, (uint8_t)(flags) }
#define ONE(name, fn, op, type, cond, flags) \
	[RV_OP_##name] = { fn, IR_##op, IR_##type, cond, (uint8_t)(flags) }

static const struct rv_ir_rule rules[RV_OP_COUNT] = {
	ONE(FLW, fp_load, LOAD, F32, 0, 0),
	ONE(FLD, fp_load, LOAD, F64, 0, 0),
	ONE(FSW, fp_store, STORE, F32, 0, 0),
	ONE(FSD, fp_store, STORE, F64, 0, 0),
	BOTH(FADD, arith, FADD, 0, 0),
	BOTH(FSUB, arith, FSUB, 0, 0),
	BOTH(FMUL, arith, FMUL, 0, 0),
	BOTH(FDIV, arith, FDIV, 0, 0),
	BOTH(FSQRT, arith, FSQRT, 0, 0),
	BOTH(FMADD, fused, FMADD, 0, 0),
	BOTH(FMSUB, fused, FMSUB, 0, 0),
	BOTH(FNMADD, fused, FNMADD, 0, 0),
	BOTH(FNMSUB, fused, FNMSUB, 0, 0),
	BOTH(FSGNJ, sign, FCOPYSIGN, 0, 0),
	BOTH(FSGNJN, sign, FCOPYSIGN, 1, 0),
	BOTH(FSGNJX, sign, FXORSIGN, 0, 0),
	BOTH(FEQ, compare, FSET_IF, IR_EQ, 0),
	BOTH(FLT, compare, FSET_IF, IR_LT, 0),
	BOTH(FLE, compare, FSET_IF, IR_LE, 0),
	ONE(FCVT_S_D, resize, FCVT_FF, F32, 0, 0),
	ONE(FCVT_D_S, resize, FCVT_FF, F64, 0, EXACT),
	ONE(FCVT_S_W, from_int, FCVT_FI, F32, IR_INT_S32, 0),
	ONE(FCVT_S_WU, from_int, FCVT_FI, F32, IR_INT_U32, 0),
	ONE(FCVT_S_L, from_int, FCVT_FI, F32, IR_INT_S64, 0),
	ONE(FCVT_S_LU, from_int, FCVT_FI, F32, IR_INT_U64, 0),
	ONE(FCVT_D_W, from_int, FCVT_FI, F64, IR_INT_S32, EXACT),
	ONE(FCVT_D_WU, from_int, FCVT_FI, F64, IR_INT_U32, EXACT),
	ONE(FCVT_D_L, from_int, FCVT_FI, F64, IR_INT_S64, 0),
	ONE(FCVT_D_LU, from_int, FCVT_FI, F64, IR_INT_U64, 0),
	ONE(FCVT_W_S, to_int, FCVT_IF, F32, IR_INT_S32, 0),
	ONE(FCVT_WU_S, to_int, FCVT_IF, F32, IR_INT_U32, 0),
	ONE(FCVT_L_S, to_int, FCVT_IF, F32, IR_INT_S64, 0),
	ONE(FCVT_LU_S, to_int, FCVT_IF, F32, IR_INT_U64, 0),
	ONE(FCVT_W_D, to_int, FCVT_IF, F64, IR_INT_S32, 0),
	ONE(FCVT_WU_D, to_int, FCVT_IF, F64, IR_INT_U32, 0),
	ONE(FCVT_L_D, to_int, FCVT_IF, F64, IR_INT_S64, 0),
	ONE(FCVT_LU_D, to_int, FCVT_IF, F64, IR_INT_U64, 0),
	ONE(FMV_X_W, to_bits, MOV, F32, 0, 0),
	ONE(FMV_X_D, to_bits, MOV, F64, 0, 0),
	ONE(FMV_W_X, from_bits, MOV, F32, 0, 0),
	ONE(FMV_D_X, from_bits, MOV, F64, 0, 0),
};

const struct rv_ir_rule *rv_ir_fp_rule(enum rv_op op)
{
	return &rules[op];
}
