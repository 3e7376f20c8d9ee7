// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instructions as IR: conditions, branches, and what makes blocks of instructions. The first rule that fits says what an
 * instruction is; one without a rule is interpreted.
 *
 * The flags are registers of class BIT; FLAGS computes them.
 */
#include "tiny.h"

struct ir_insn *tiny_flags(struct tiny_ir *t, enum ir_flags_of of, ir_val a, ir_val b)
{
	return ir_add_flags(t->b, of, tiny_sf(t), a, b,
			    (struct ir_flag_regs){ TINY_N, TINY_Z, TINY_C, TINY_V });
}

/* ---- conditions ---- */

/* Codes 0 to 7 by what they look at; the odd one of a pair is its opposite, and 14 and 15 are always true. */
struct ir_insn *tiny_cond(struct tiny_ir *t, enum ir_op op, ir_val dst, uint32_t code)
{
	static const uint16_t single[] = { TINY_Z, TINY_C, TINY_N, TINY_V };
	bool is_opposite = (code & 1) && code < 14;
	struct ir_insn *i;
	ir_val a;

	if (code >> 1 == 5) { /* GE */
		i = ir_add(t->b, op, IR_I64, dst, TINY_N, TINY_V);
		is_opposite = !is_opposite;
	} else {
		switch (code >> 1) {
		case 4: /* HI */
			a = tiny_op(t, IR_ANDN, IR_I64, TINY_C, TINY_Z);
			break;
		case 6: /* GT */
			a = tiny_op(t, IR_OR, IR_I64, TINY_Z,
				    tiny_op(t, IR_XOR, IR_I64, TINY_N, TINY_V));
			is_opposite = !is_opposite;
			break;
		case 7:
			a = TINY_ZERO;
			is_opposite = true;
			break;
		default:
			a = single[code >> 1];
		}
		i = ir_add_imm(t->b, op, IR_I64, dst, a, 0);
	}
	i->cond = is_opposite ? IR_EQ : IR_NE;
	return i;
}

static ir_val condition(struct tiny_ir *t)
{
	ir_val d = ir_temp(t->b);

	tiny_cond(t, IR_SET_IF, d, tiny_bits(t, 15, 12));
	return d;
}

/* CSEL, CSINC, CSINV, CSNEG. */
static bool select_if(struct tiny_ir *t)
{
	enum ir_type type = tiny_sf(t);
	ir_val is = condition(t);
	ir_val other = tiny_x(tiny_rm(t));

	switch (tiny_bits(t, 30, 30) << 1 | tiny_bits(t, 10, 10)) {
	case 1:
		other = tiny_op_imm(t, IR_ADD, type, other, 1);
		break;
	case 2:
		other = tiny_op(t, IR_XNOR, type, other, TINY_ZERO);
		break;
	case 3:
		other = tiny_op(t, IR_SUB, type, TINY_ZERO, other);
		break;
	default:
		break;
	}
	ir_add(t->b, IR_SELECT, type, tiny_dst(t, tiny_rd(t)), is, tiny_x(tiny_rn(t)))->c = other;
	return true;
}

/* CCMP, CCMN: the flags of a comparison if the condition holds, else those of the instruction. */
static bool compare_if(struct tiny_ir *t)
{
	static const uint16_t all[] = { TINY_V, TINY_C, TINY_Z, TINY_N };
	ir_val is = condition(t);
	ir_val b = tiny_x(tiny_rm(t));

	if (tiny_bits(t, 11, 11)) {
		b = ir_temp(t->b);
		tiny_mov_imm(t, b, tiny_rm(t));
	}
	tiny_flags(t, tiny_bits(t, 30, 30) ? IR_FLAGS_SUB : IR_FLAGS_ADD, tiny_x(tiny_rn(t)),
	      b);
	for (unsigned int k = 0; k < ARRAY_SIZE(all); k++) {
		/* a BIT takes bit 0 of a result: 1 of ~0 */
		ir_add(t->b, tiny_bits(t, k, k) ? IR_ORN : IR_AND, IR_I64, all[k], all[k], is);
	}
	return true;
}

/* ---- branches ---- */

static bool branch_if(struct tiny_ir *t)
{
	tiny_cond(t, IR_BRANCH, IR_NONE, tiny_bits(t, 3, 0));
	t->b->target = t->pc + (uint64_t)tiny_signed(t, 23, 5) * 4;
	return true;
}

static bool branch_if_zero(struct tiny_ir *t)
{
	ir_add_imm(t->b, IR_BRANCH, tiny_sf(t), IR_NONE, tiny_x(tiny_rd(t)), 0)->cond =
		tiny_bits(t, 24, 24) ? IR_NE : IR_EQ;
	t->b->target = t->pc + (uint64_t)tiny_signed(t, 23, 5) * 4;
	return true;
}

static bool branch_if_bit(struct tiny_ir *t)
{
	unsigned int bit = tiny_bits(t, 31, 31) << 5 | tiny_bits(t, 23, 19);

	ir_add_imm(t->b, IR_BRANCH, IR_I64, IR_NONE, tiny_x(tiny_rd(t)), (int64_t)BIT(bit))->cond =
		tiny_bits(t, 24, 24) ? IR_BITS : IR_NOBITS;
	t->b->target = t->pc + (uint64_t)tiny_signed(t, 18, 5) * 4;
	return true;
}

static bool branch(struct tiny_ir *t)
{
	bool is_call = t->w >> 31;
	struct ir_insn *i;

	if (is_call) {
		tiny_mov_imm(t, TINY_X(30), t->pc + 4);
	}
	i = ir_add(t->b, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	i->imm = (int64_t)(t->pc + 4);
	i->flags |= is_call ? IR_CALL : 0;
	t->b->target = t->pc + (uint64_t)tiny_signed(t, 25, 0) * 4;
	return true;
}

/* BR, BLR, RET. */
static bool branch_reg(struct tiny_ir *t)
{
	uint32_t opc = tiny_bits(t, 22, 21);
	struct ir_insn *i;
	ir_val to = ir_temp(t->b);

	if (opc == 3) {
		return false;
	}
	tiny_mov(t, to, tiny_x(tiny_rn(t))); /* before it becomes the link */
	if (opc == 1) {
		tiny_mov_imm(t, TINY_X(30), t->pc + 4);
	}
	i = ir_add(t->b, IR_JUMP_REG, IR_I64, IR_NONE, to, IR_NONE);
	i->imm = (int64_t)(t->pc + 4);
	i->flags |= opc == 1 ? IR_CALL : opc == 2 ? IR_RET : 0;
	return true;
}

/* NOP and its like; WFI waits. */
static bool hint(struct tiny_ir *t)
{
	return tiny_bits(t, 11, 5) != 3;
}

/* DC CVAU: instructions are fetched from where data goes. */
static bool clean(struct tiny_ir *t)
{
	(void)t;
	return true;
}

/* DSB, DMB. */
static bool barrier(struct tiny_ir *t)
{
	ir_add(t->b, IR_FENCE, IR_I64, IR_NONE, IR_NONE, IR_NONE);
	return true;
}

static const struct tiny_rule rules[] = {
	{ 0x3fe00800, 0x1a800000, select_if },
	{ 0x3fe00410, 0x3a400000, compare_if },
	{ 0xff000010, 0x54000000, branch_if },
	{ 0x7e000000, 0x34000000, branch_if_zero },
	{ 0x7e000000, 0x36000000, branch_if_bit },
	{ 0x7c000000, 0x14000000, branch },
	{ 0xff9ffc1f, 0xd61f0000, branch_reg },
	{ 0xfffff01f, 0xd503201f, hint },
	{ 0xffffffe0, 0xd50b7b20, clean },
	{ 0xfffff0df, 0xd503309f, barrier },
};

/* ---- blocks ---- */

static bool apply(struct tiny_ir *t, const struct tiny_rule *r, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		if ((t->w & r[k].mask) == r[k].value) {
			return r[k].fn(t);
		}
	}
	return false;
}

static bool translate(struct tiny_ir *t)
{
	return apply(t, rules, ARRAY_SIZE(rules)) || apply(t, tiny_int_rules, tiny_int_n_rules) ||
	       apply(t, tiny_mem_rules, tiny_mem_n_rules) || apply(t, tiny_fp_rules, tiny_fp_n_rules);
}

static bool is_ended(const struct ir_block *b)
{
	return b->n_insns && ir_op_is_end((enum ir_op)b->insns[b->n_insns - 1].op);
}

bool tiny_ir_decode(uint64_t pc, const uint8_t *code, size_t n, size_t guests_max,
		    struct ir_block *ret)
{
	struct tiny_ir t = { .b = ret, .pc = pc };

	ir_block_init(ret, pc);
	while (!is_ended(ret) && ret->n_guests < guests_max && n >= 4 && pc % 4 == 0 &&
	       ir_guest_begin(ret, t.pc, 4)) {
		t.w = (uint32_t)load_le(code, 4);
		if (!translate(&t)) {
			ir_add(ret, IR_STEP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		}
		t.pc += 4;
		code += 4;
		n -= 4;
	}
	ret->next = t.pc;
	if (ret->n_guests && !is_ended(ret)) {
		ir_add(ret, IR_JUMP, IR_I64, IR_NONE, IR_NONE, IR_NONE);
		ret->target = t.pc;
	}
	return ret->n_guests != 0;
}
