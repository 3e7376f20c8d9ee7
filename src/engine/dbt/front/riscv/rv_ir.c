/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V integer, memory and control instructions as IR. Source: RISC-V unprivileged ISA 20191213; Zba, Zbb, Zbs
 * 1.0.0; Zicond 1.0.
 *
 * One rule per instruction; those without a rule (CSRs, atomics, system instructions, what is illegal) call a
 * helper or end the block with STEP. x0 as a source is register 0, which always holds 0; as a destination it drops the result, but not a load's
 * access.
 */
#include "engine/dbt/front/riscv/rv_ir.h"

#include "base/bug.h"
#include "engine/dbt/front/riscv/rv_helper.h"

#define LINK_REG     1u /* ra */
#define LINK_REG_ALT 5u /* t0 */

static bool is_link(unsigned int reg)
{
	return reg == LINK_REG || reg == LINK_REG_ALT;
}

/* Where an integer result goes: a temporary that nobody reads for x0. */
static ir_val dest(struct rv_ir *t)
{
	return t->i.rd ? RV_IR_X(t->i.rd) : ir_temp(t->b);
}

static bool reg_reg(struct rv_ir *t, const struct rv_ir_rule *r)
{
	struct ir_insn *i;

	if (t->i.rd) {
		i = ir_add(t->b, (enum ir_op)r->op, (enum ir_type)r->type, RV_IR_X(t->i.rd),
			   RV_IR_X(t->i.rs1), RV_IR_X(t->i.rs2));
		i->cond = r->cond;
		i->flags |= r->flags;
	}
	return true;
}

static bool reg_imm(struct rv_ir *t, const struct rv_ir_rule *r)
{
	struct ir_insn *i;

	if (t->i.rd) {
		i = ir_add_imm(t->b, (enum ir_op)r->op, (enum ir_type)r->type, RV_IR_X(t->i.rd),
			       RV_IR_X(t->i.rs1), t->i.imm);
		i->cond = r->cond;
		i->flags |= r->flags;
	}
	return true;
}

static bool one_reg(struct rv_ir *t, const struct rv_ir_rule *r)
{
	if (t->i.rd) {
		ir_add(t->b, (enum ir_op)r->op, (enum ir_type)r->type, RV_IR_X(t->i.rd),
		       RV_IR_X(t->i.rs1), IR_NONE)
			->flags |= r->flags;
	}
	return true;
}

static void move_imm(struct rv_ir *t, uint64_t value)
{
	if (t->i.rd) {
		ir_add_imm(t->b, IR_MOV, IR_I64, RV_IR_X(t->i.rd), IR_NONE, (int64_t)value);
	}
}

/* li and mv are what most of them are. */
static bool addi(struct rv_ir *t, const struct rv_ir_rule *r)
{
	if (t->i.rs1 == 0) {
		move_imm(t, (uint64_t)(int64_t)t->i.imm);
		return true;
	}
	if (t->i.imm == 0 && r->type == IR_I64) {
		if (t->i.rd) {
			ir_add(t->b, IR_MOV, IR_I64, RV_IR_X(t->i.rd), RV_IR_X(t->i.rs1), IR_NONE);
		}
		return true;
	}
	if (t->i.imm == 0 && t->i.rd) { /* sext.w */
		ir_add(t->b, IR_EXT, IR_I32, RV_IR_X(t->i.rd), RV_IR_X(t->i.rs1), IR_NONE)->flags |=
			IR_SX;
		return true;
	}
	return reg_imm(t, r);
}

static bool lui(struct rv_ir *t, const struct rv_ir_rule *r)
{
	(void)r;
	move_imm(t, (uint64_t)(int64_t)t->i.imm);
	return true;
}

static bool auipc(struct rv_ir *t, const struct rv_ir_rule *r)
{
	(void)r;
	move_imm(t, t->pc + (uint64_t)(int64_t)t->i.imm);
	return true;
}

static bool shift_add(struct rv_ir *t, const struct rv_ir_rule *r)
{
	if (t->i.rd) {
		ir_add(t->b, IR_SHL_ADD, (enum ir_type)r->type, RV_IR_X(t->i.rd), RV_IR_X(t->i.rs1),
		       RV_IR_X(t->i.rs2))
			->c = r->cond;
	}
	return true;
}

static ir_val low_word(struct rv_ir *t)
{
	ir_val low = ir_temp(t->b);

	ir_add(t->b, IR_EXT, IR_I32, low, RV_IR_X(t->i.rs1), IR_NONE);
	return low;
}

static bool add_uw(struct rv_ir *t, const struct rv_ir_rule *r)
{
	(void)r;
	if (t->i.rd) {
		ir_add(t->b, IR_ADD, IR_I64, RV_IR_X(t->i.rd), low_word(t), RV_IR_X(t->i.rs2));
	}
	return true;
}

static bool slli_uw(struct rv_ir *t, const struct rv_ir_rule *r)
{
	(void)r;
	if (t->i.rd) {
		ir_add_imm(t->b, IR_SHL, IR_I64, RV_IR_X(t->i.rd), low_word(t), t->i.imm);
	}
	return true;
}

/* Zbs: the bit's number is in rs2; cond of the rule is not used. */
static bool one_bit(struct rv_ir *t, const struct rv_ir_rule *r)
{
	ir_val one;
	ir_val bit;

	if (!t->i.rd) {
		return true;
	}
	one = ir_temp(t->b);
	bit = ir_temp(t->b);
	ir_add_imm(t->b, IR_MOV, IR_I64, one, IR_NONE, 1);
	ir_add(t->b, IR_SHL, IR_I64, bit, one, RV_IR_X(t->i.rs2));
	ir_add(t->b, (enum ir_op)r->op, IR_I64, RV_IR_X(t->i.rd), RV_IR_X(t->i.rs1), bit);
	return true;
}

static bool one_bit_imm(struct rv_ir *t, const struct rv_ir_rule *r)
{
	uint64_t bit = BIT((unsigned int)t->i.imm);

	if (t->i.rd) {
		ir_add_imm(t->b, (enum ir_op)r->op, IR_I64, RV_IR_X(t->i.rd), RV_IR_X(t->i.rs1),
			   (int64_t)(r->cond ? ~bit : bit));
	}
	return true;
}

static bool bext(struct rv_ir *t, const struct rv_ir_rule *r)
{
	ir_val bits;

	(void)r;
	if (t->i.rd) {
		bits = ir_temp(t->b);
		ir_add(t->b, IR_SHR, IR_I64, bits, RV_IR_X(t->i.rs1), RV_IR_X(t->i.rs2));
		ir_add_imm(t->b, IR_AND, IR_I64, RV_IR_X(t->i.rd), bits, 1);
	}
	return true;
}

static bool bexti(struct rv_ir *t, const struct rv_ir_rule *r)
{
	ir_val bits;

	(void)r;
	if (t->i.rd) {
		bits = ir_temp(t->b);
		ir_add_imm(t->b, IR_SHR, IR_I64, bits, RV_IR_X(t->i.rs1), t->i.imm);
		ir_add_imm(t->b, IR_AND, IR_I64, RV_IR_X(t->i.rd), bits, 1);
	}
	return true;
}

/* Zicond: rs1, or 0 if rs2 is (cond: is not) 0. */
static bool czero(struct rv_ir *t, const struct rv_ir_rule *r)
{
	ir_val x0 = RV_IR_X(0);
	ir_val rs1 = RV_IR_X(t->i.rs1);

	if (t->i.rd) {
		ir_add(t->b, IR_SELECT, IR_I64, RV_IR_X(t->i.rd), RV_IR_X(t->i.rs2),
		       r->cond ? x0 : rs1)
			->c = r->cond ? rs1 : x0;
	}
	return true;
}

static bool load(struct rv_ir *t, const struct rv_ir_rule *r)
{
	struct ir_insn *i =
		ir_add(t->b, IR_LOAD, (enum ir_type)r->type, dest(t), RV_IR_X(t->i.rs1), IR_NONE);

	i->imm = t->i.imm;
	i->flags |= r->flags;
	return true;
}

static bool store(struct rv_ir *t, const struct rv_ir_rule *r)
{
	ir_add(t->b, IR_STORE, (enum ir_type)r->type, IR_NONE, RV_IR_X(t->i.rs1), RV_IR_X(t->i.rs2))
		->imm = t->i.imm;
	return true;
}

static bool fence(struct rv_ir *t, const struct rv_ir_rule *r)
{
	(void)r;
	ir_add(t->b, IR_FENCE, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	return true;
}

static bool branch(struct rv_ir *t, const struct rv_ir_rule *r)
{
	struct ir_insn *i;

	if (t->i.rs2 == 0) {
		i = ir_add_imm(t->b, IR_BRANCH, IR_I64, IR_NONE, RV_IR_X(t->i.rs1), 0);
	} else {
		i = ir_add(t->b, IR_BRANCH, IR_I64, IR_NONE, RV_IR_X(t->i.rs1), RV_IR_X(t->i.rs2));
	}
	i->cond = r->cond;
	t->b->target = t->pc + (uint64_t)(int64_t)t->i.imm;
	return true;
}

static bool jal(struct rv_ir *t, const struct rv_ir_rule *r)
{
	uint64_t next = t->pc + t->i.bytes;
	struct ir_insn *i;

	(void)r;
	move_imm(t, next);
	i = ir_add(t->b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	i->imm = (int64_t)next;
	i->flags |= is_link(t->i.rd) ? IR_CALL : 0;
	t->b->target = t->pc + (uint64_t)(int64_t)t->i.imm;
	return true;
}

/* Hints for the return stack: unprivileged ISA, table 2.1. */
static bool jalr(struct rv_ir *t, const struct rv_ir_rule *r)
{
	uint64_t next = t->pc + t->i.bytes;
	ir_val sum = ir_temp(t->b);
	ir_val to = ir_temp(t->b);
	struct ir_insn *i;

	(void)r;
	ir_add_imm(t->b, IR_ADD, IR_I64, sum, RV_IR_X(t->i.rs1), t->i.imm);
	ir_add_imm(t->b, IR_AND, IR_I64, to, sum, ~1LL);
	move_imm(t, next);
	i = ir_add(t->b, IR_JUMP_REG, IR_I64, IR_NONE, to, IR_NONE);
	i->imm = (int64_t)next;
	if (is_link(t->i.rd)) {
		i->flags |= IR_CALL;
	} else if (is_link(t->i.rs1)) {
		i->flags |= IR_RET;
	}
	return true;
}

#define OP(name, fn, op, type)		    [RV_OP_##name] = { fn, IR_##op, IR_##type, 0, 0 }
#define OPC(name, fn, op, type, cond)	    [RV_OP_##name] = { fn, IR_##op, IR_##type, cond, 0 }
#define OPF(name, fn, op, type, cond, flag) [RV_OP_##name] = { fn, IR_##op, IR_##type, cond, flag }

static const struct rv_ir_rule rules[RV_OP_COUNT] = {
	OP(LUI, lui, MOV, I64),
	OP(AUIPC, auipc, MOV, I64),
	OP(ADDI, addi, ADD, I64),
	OPF(ADDIW, addi, ADD, I32, 0, IR_SX),
	OP(XORI, reg_imm, XOR, I64),
	OP(ORI, reg_imm, OR, I64),
	OP(ANDI, reg_imm, AND, I64),
	OPC(SLTI, reg_imm, SET_IF, I64, IR_LT),
	OPC(SLTIU, reg_imm, SET_IF, I64, IR_LTU),
	OP(SLLI, reg_imm, SHL, I64),
	OP(SRLI, reg_imm, SHR, I64),
	OP(SRAI, reg_imm, SAR, I64),
	OP(RORI, reg_imm, ROR, I64),
	OPF(SLLIW, reg_imm, SHL, I32, 0, IR_SX),
	OPF(SRLIW, reg_imm, SHR, I32, 0, IR_SX),
	OPF(SRAIW, reg_imm, SAR, I32, 0, IR_SX),
	OPF(RORIW, reg_imm, ROR, I32, 0, IR_SX),
	OP(ADD, reg_reg, ADD, I64),
	OP(SUB, reg_reg, SUB, I64),
	OP(AND, reg_reg, AND, I64),
	OP(OR, reg_reg, OR, I64),
	OP(XOR, reg_reg, XOR, I64),
	OP(ANDN, reg_reg, ANDN, I64),
	OP(ORN, reg_reg, ORN, I64),
	OP(XNOR, reg_reg, XNOR, I64),
	OP(SLL, reg_reg, SHL, I64),
	OP(SRL, reg_reg, SHR, I64),
	OP(SRA, reg_reg, SAR, I64),
	OP(ROL, reg_reg, ROL, I64),
	OP(ROR, reg_reg, ROR, I64),
	OPC(SLT, reg_reg, SET_IF, I64, IR_LT),
	OPC(SLTU, reg_reg, SET_IF, I64, IR_LTU),
	OPF(ADDW, reg_reg, ADD, I32, 0, IR_SX),
	OPF(SUBW, reg_reg, SUB, I32, 0, IR_SX),
	OPF(SLLW, reg_reg, SHL, I32, 0, IR_SX),
	OPF(SRLW, reg_reg, SHR, I32, 0, IR_SX),
	OPF(SRAW, reg_reg, SAR, I32, 0, IR_SX),
	OPF(ROLW, reg_reg, ROL, I32, 0, IR_SX),
	OPF(RORW, reg_reg, ROR, I32, 0, IR_SX),
	OP(MUL, reg_reg, MUL, I64),
	OP(MULH, reg_reg, MULH_SS, I64),
	OP(MULHU, reg_reg, MULH_UU, I64),
	OP(MULHSU, reg_reg, MULH_SU, I64),
	OPF(MULW, reg_reg, MUL, I32, 0, IR_SX),
	OPC(DIV, reg_reg, DIV_S, I64, IR_DIV_RISCV),
	OPC(DIVU, reg_reg, DIV_U, I64, IR_DIV_RISCV),
	OPC(REM, reg_reg, REM_S, I64, IR_DIV_RISCV),
	OPC(REMU, reg_reg, REM_U, I64, IR_DIV_RISCV),
	OPF(DIVW, reg_reg, DIV_S, I32, IR_DIV_RISCV, IR_SX),
	OPF(DIVUW, reg_reg, DIV_U, I32, IR_DIV_RISCV, IR_SX),
	OPF(REMW, reg_reg, REM_S, I32, IR_DIV_RISCV, IR_SX),
	OPF(REMUW, reg_reg, REM_U, I32, IR_DIV_RISCV, IR_SX),
	OP(MIN, reg_reg, MIN_S, I64),
	OP(MAX, reg_reg, MAX_S, I64),
	OP(MINU, reg_reg, MIN_U, I64),
	OP(MAXU, reg_reg, MAX_U, I64),
	OPC(SH1ADD, shift_add, SHL_ADD, I64, 1),
	OPC(SH2ADD, shift_add, SHL_ADD, I64, 2),
	OPC(SH3ADD, shift_add, SHL_ADD, I64, 3),
	OPC(SH1ADD_UW, shift_add, SHL_ADD, I32, 1),
	OPC(SH2ADD_UW, shift_add, SHL_ADD, I32, 2),
	OPC(SH3ADD_UW, shift_add, SHL_ADD, I32, 3),
	OP(ADD_UW, add_uw, ADD, I64),
	OP(SLLI_UW, slli_uw, SHL, I64),
	OP(CLZ, one_reg, CLZ, I64),
	OP(CTZ, one_reg, CTZ, I64),
	OP(CPOP, one_reg, POPCNT, I64),
	OP(CLZW, one_reg, CLZ, I32),
	OP(CTZW, one_reg, CTZ, I32),
	OP(CPOPW, one_reg, POPCNT, I32),
	OPF(SEXT_B, one_reg, EXT, I8, 0, IR_SX),
	OPF(SEXT_H, one_reg, EXT, I16, 0, IR_SX),
	OP(ZEXT_H, one_reg, EXT, I16),
	OP(REV8, one_reg, BSWAP, I64),
	OP(ORC_B, one_reg, OR_BYTES, I64),
	OP(BSET, one_bit, OR, I64),
	OP(BCLR, one_bit, ANDN, I64),
	OP(BINV, one_bit, XOR, I64),
	OP(BSETI, one_bit_imm, OR, I64),
	OPC(BCLRI, one_bit_imm, AND, I64, 1),
	OP(BINVI, one_bit_imm, XOR, I64),
	OP(BEXT, bext, AND, I64),
	OP(BEXTI, bexti, AND, I64),
	OPC(CZERO_EQZ, czero, SELECT, I64, 0),
	OPC(CZERO_NEZ, czero, SELECT, I64, 1),
	OPF(LB, load, LOAD, I8, 0, IR_SX),
	OPF(LH, load, LOAD, I16, 0, IR_SX),
	OPF(LW, load, LOAD, I32, 0, IR_SX),
	OP(LD, load, LOAD, I64),
	OP(LBU, load, LOAD, I8),
	OP(LHU, load, LOAD, I16),
	OP(LWU, load, LOAD, I32),
	OP(SB, store, STORE, I8),
	OP(SH, store, STORE, I16),
	OP(SW, store, STORE, I32),
	OP(SD, store, STORE, I64),
	OP(FENCE, fence, FENCE, I64),
	OPC(BEQ, branch, BRANCH, I64, IR_EQ),
	OPC(BNE, branch, BRANCH, I64, IR_NE),
	OPC(BLT, branch, BRANCH, I64, IR_LT),
	OPC(BGE, branch, BRANCH, I64, IR_GE),
	OPC(BLTU, branch, BRANCH, I64, IR_LTU),
	OPC(BGEU, branch, BRANCH, I64, IR_GEU),
	OP(JAL, jal, JUMP, I64),
	OP(JALR, jalr, JUMP_REG, I64),
};

static bool translate_one(struct rv_ir *t)
{
	const struct rv_ir_rule *r = &rules[t->i.op];

	if (!r->fn && t->mode.has_fp) {
		r = rv_ir_fp_rule((enum rv_op)t->i.op);
	}
	return r->fn && r->fn(t, r);
}

/* By the interpreter, but in the middle of the block. */
static void help(struct rv_ir *t)
{
	ir_val packed = ir_temp(t->b);

	ir_add_imm(t->b, IR_MOV, IR_I64, packed, IR_NONE, (int64_t)rv_helper_pack(&t->i));
	ir_add(t->b, IR_HELPER, IR_I64, IR_NONE, packed, IR_NONE)->imm = RV_HELPER_EXEC;
	if (rv_helper_ends(&t->i)) { /* nobody gets there */
		ir_add(t->b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		t->b->target = t->pc + t->i.bytes;
	}
}

static bool is_ended(const struct ir_block *b)
{
	return b->n_insns && ir_op_is_end((enum ir_op)b->insns[b->n_insns - 1].op);
}

/* The instruction at the head of the bytes, if all of it is there. */
static bool fetch(const uint8_t *code, size_t n, struct rv_insn *ret)
{
	if (n < 2 || (n < 4 && (code[0] & 3) == 3)) {
		return false;
	}
	rv_decode((uint32_t)load_le(code, n < 4 ? 2 : 4), ret);
	return true;
}

bool rv_ir_decode(const struct rv_ir_mode *mode, uint64_t pc, const uint8_t *code, size_t n,
		  struct ir_block *ret)
{
	struct rv_ir t = { .b = ret, .mode = *mode, .pc = pc };

	ir_block_init(ret, pc);
	while (!is_ended(ret) && fetch(code, n, &t.i) && ir_guest_begin(ret, t.pc, t.i.bytes)) {
		if (rv_ir_csr(&t)) {
			/* no more than registers */
		} else if (rv_helper_has(&t.i)) {
			help(&t);
		} else if (!translate_one(&t)) {
			ir_add(ret, IR_STEP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		}
		t.pc += t.i.bytes;
		code += t.i.bytes;
		n -= t.i.bytes;
	}
	ret->next = t.pc;
	if (ret->n_guests == 0) {
		return false;
	}
	if (!is_ended(ret)) {
		ir_add(ret, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		ret->target = t.pc;
	}
	return true;
}
