// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Integer instructions as IR.
 *
 * A W register is the low half of an X register: operations of type I32 look at no more, and their results are
 * zero-extended, as the guest wants it.
 */
#include "tiny.h"

/* ADD(S), SUB(S) to rd. The flags come first: rd may be an operand. */
static bool add_sub(struct tiny_ir *t, ir_val d, ir_val a, ir_val b)
{
	bool is_sub = tiny_bits(t, 30, 30);

	if (tiny_bits(t, 29, 29)) {
		tiny_flags(t, is_sub ? IR_FLAGS_SUB : IR_FLAGS_ADD, a, b);
	}
	if (d != IR_NONE) {
		ir_add(t->b, is_sub ? IR_SUB : IR_ADD, tiny_sf(t), d, a, b);
	}
	return true;
}

/* Of instructions that set flags 31 is zero, of the others the stack pointer. */
static ir_val add_sub_dst(const struct tiny_ir *t)
{
	if (tiny_rd(t) == 31) {
		return tiny_bits(t, 29, 29) ? IR_NONE : TINY_SP;
	}
	return TINY_X(tiny_rd(t));
}

static bool add_sub_imm(struct tiny_ir *t)
{
	ir_val imm = ir_temp(t->b);

	tiny_mov_imm(t, imm, tiny_bits(t, 21, 10) << (tiny_bits(t, 22, 22) ? 12 : 0));
	return add_sub(t, add_sub_dst(t), tiny_xsp(tiny_rn(t)), imm);
}

/* Rm, shifted by the field. */
static ir_val shifted(struct tiny_ir *t)
{
	static const uint8_t ops[] = { IR_SHL, IR_SHR, IR_SAR, IR_ROR };
	ir_val m = tiny_x(tiny_rm(t));
	uint32_t by = tiny_bits(t, 15, 10);

	return by ? tiny_op_imm(t, (enum ir_op)ops[tiny_bits(t, 23, 22)], tiny_sf(t), m, by) : m;
}

static bool is_shift_too_far(const struct tiny_ir *t)
{
	return tiny_sf(t) == IR_I32 && tiny_bits(t, 15, 15);
}

static bool add_sub_shifted(struct tiny_ir *t)
{
	if (tiny_bits(t, 23, 22) == 3 || is_shift_too_far(t)) {
		return false;
	}
	return add_sub(t, tiny_rd(t) == 31 ? IR_NONE : TINY_X(tiny_rd(t)), tiny_x(tiny_rn(t)),
		       shifted(t));
}

ir_val tiny_extended(struct tiny_ir *t, uint32_t rm, uint32_t option, unsigned int shift)
{
	ir_val v = tiny_x(rm);

	if ((option & 3) != 3) {
		v = ir_temp(t->b);
		ir_add(t->b, IR_EXT, (enum ir_type)(option & 3), v, tiny_x(rm), IR_NONE)->flags |=
			option & 4 ? IR_SX : 0;
	}
	return shift ? tiny_op_imm(t, IR_SHL, IR_I64, v, shift) : v;
}

static bool add_sub_extended(struct tiny_ir *t)
{
	if (tiny_bits(t, 12, 10) > 4) {
		return false;
	}
	return add_sub(t, add_sub_dst(t), tiny_xsp(tiny_rn(t)),
		       tiny_extended(t, tiny_rm(t), tiny_bits(t, 15, 13), tiny_bits(t, 12, 10)));
}

static bool add_carry(struct tiny_ir *t)
{
	bool is_sub = tiny_bits(t, 30, 30);
	enum ir_type type = tiny_sf(t);
	ir_val a = tiny_x(tiny_rn(t));
	ir_val b = tiny_x(tiny_rm(t));
	ir_val sum = tiny_op(t, is_sub ? IR_SUB : IR_ADD, type, a, b);

	sum = is_sub ? tiny_op_imm(t, IR_SUB, type, sum, 1) : sum;
	sum = tiny_op(t, IR_ADD, type, sum, TINY_C);
	if (tiny_bits(t, 29, 29)) {
		tiny_flags(t, is_sub ? IR_FLAGS_SBC : IR_FLAGS_ADC, a, b)->c = TINY_C;
	}
	tiny_mov(t, tiny_dst(t, tiny_rd(t)), sum);
	return true;
}

/* ---- logic ---- */

static bool logic(struct tiny_ir *t, ir_val d, ir_val b, bool is_inverse)
{
	static const uint8_t ops[] = { IR_AND,	IR_OR,	IR_XOR,	 IR_AND,
				       IR_ANDN, IR_ORN, IR_XNOR, IR_ANDN };
	uint32_t opc = tiny_bits(t, 30, 29);
	ir_val v;

	v = tiny_op(t, (enum ir_op)ops[opc + (is_inverse ? 4 : 0)], tiny_sf(t), tiny_x(tiny_rn(t)),
		    b);
	tiny_mov(t, d, v);
	if (opc == 3) {
		tiny_flags(t, IR_FLAGS_LOGIC, v, IR_NONE);
	}
	return true;
}

static bool logic_shifted(struct tiny_ir *t)
{
	if (is_shift_too_far(t)) {
		return false;
	}
	return logic(t, tiny_dst(t, tiny_rd(t)), shifted(t), tiny_bits(t, 21, 21));
}

/* A run of ones, rotated, and repeated: DecodeBitMasks(). @return false: it is none */
static bool bit_mask(const struct tiny_ir *t, uint64_t *ret)
{
	uint32_t imms = tiny_bits(t, 15, 10);
	uint32_t key = tiny_bits(t, 22, 22) << 6 | (~imms & 63);
	unsigned int log = key ? 31u - (unsigned int)__builtin_clz(key) : 0;
	unsigned int size = 1u << log;
	unsigned int ones = imms & (size - 1);
	unsigned int by = tiny_bits(t, 21, 16) & (size - 1);
	uint64_t v;

	if (log == 0 || ones == size - 1 || (size == 64 && tiny_sf(t) == IR_I32)) {
		return false;
	}
	v = BIT(ones + 1) - 1;
	if (by) {
		v = v >> by | v << (size - by);
	}
	v &= size == 64 ? UINT64_MAX : BIT(size) - 1;
	for (; size < 64; size *= 2) {
		v |= v << size;
	}
	*ret = v;
	return true;
}

static bool logic_imm(struct tiny_ir *t)
{
	bool has_flags = tiny_bits(t, 30, 29) == 3;
	ir_val imm = ir_temp(t->b);
	uint64_t mask;

	if (!bit_mask(t, &mask)) {
		return false;
	}
	tiny_mov_imm(t, imm, mask);
	return logic(t, has_flags ? tiny_dst(t, tiny_rd(t)) : tiny_xsp(tiny_rd(t)), imm, false);
}

static bool move_wide(struct tiny_ir *t)
{
	uint64_t imm = (uint64_t)tiny_bits(t, 20, 5) << 16 * tiny_bits(t, 22, 21);
	uint64_t field = 0xffffULL << 16 * tiny_bits(t, 22, 21);
	uint64_t all = tiny_sf(t) == IR_I64 ? UINT64_MAX : UINT32_MAX;
	ir_val d = tiny_dst(t, tiny_rd(t));

	if (field & ~all) {
		return false;
	}
	switch (tiny_bits(t, 30, 29)) {
	case 0: /* MOVN */
		tiny_mov_imm(t, d, ~imm & all);
		return true;
	case 2: /* MOVZ */
		tiny_mov_imm(t, d, imm);
		return true;
	case 3: /* MOVK */
		ir_add_imm(t->b, IR_OR, tiny_sf(t), d,
			   tiny_op_imm(t, IR_AND, IR_I64, tiny_x(tiny_rd(t)), ~field),
			   (int64_t)imm);
		return true;
	default:
		return false;
	}
}

static bool address(struct tiny_ir *t)
{
	uint64_t imm = (uint64_t)tiny_signed(t, 23, 5) << 2 | tiny_bits(t, 30, 29);
	bool is_page = t->w >> 31;

	tiny_mov_imm(t, tiny_dst(t, tiny_rd(t)),
		     is_page ? (t->pc & ~4095ULL) + (imm << 12) : t->pc + imm);
	return true;
}

/* ---- shifts and fields ---- */

static bool bitfield(struct tiny_ir *t)
{
	enum ir_type type = tiny_sf(t);
	unsigned int width = type == IR_I64 ? 64 : 32;
	unsigned int r = tiny_bits(t, 21, 16);
	unsigned int s = tiny_bits(t, 15, 10);
	bool is_right = s >= r; /* the field s..r goes down to 0; else s..0 goes up to width - r */
	unsigned int top = width - 1 - s;
	unsigned int down = is_right ? top + r : r - s - 1; /* with the field at the top */
	uint32_t opc = tiny_bits(t, 30, 29);
	ir_val v;
	uint64_t field;

	if (opc == 3 || tiny_bits(t, 22, 22) != (width == 64) || r >= width || s >= width) {
		return false;
	}
	v = top ? tiny_op_imm(t, IR_SHL, type, tiny_x(tiny_rn(t)), top) : tiny_x(tiny_rn(t));
	v = tiny_op_imm(t, opc ? IR_SHR : IR_SAR, type, v, down);
	if (opc == 1) { /* BFM keeps what is around the field */
		field = UINT64_MAX >> (63 - (is_right ? s - r : s)) << (is_right ? 0 : width - r);
		ir_add(t->b, IR_OR, type, tiny_dst(t, tiny_rd(t)), v,
		       tiny_op_imm(t, IR_AND, type, tiny_x(tiny_rd(t)), ~field));
	} else {
		tiny_mov(t, tiny_dst(t, tiny_rd(t)), v);
	}
	return true;
}

static bool extract(struct tiny_ir *t)
{
	enum ir_type type = tiny_sf(t);
	unsigned int width = type == IR_I64 ? 64 : 32;
	unsigned int by = tiny_bits(t, 15, 10);
	ir_val low = tiny_x(tiny_rm(t));

	if (tiny_bits(t, 22, 22) != (width == 64) || by >= width) {
		return false;
	}
	if (by == 0) {
		ir_add(t->b, IR_EXT, type, tiny_dst(t, tiny_rd(t)), low, IR_NONE);
		return true;
	}
	low = tiny_op_imm(t, IR_SHR, type, low, by);
	ir_add(t->b, IR_OR, type, tiny_dst(t, tiny_rd(t)),
	       tiny_op_imm(t, IR_SHL, type, tiny_x(tiny_rn(t)), width - by), low);
	return true;
}

static bool two_sources(struct tiny_ir *t)
{
	static const uint8_t ops[] = { [2] = IR_DIV_U, [3] = IR_DIV_S, [8] = IR_SHL,
				       [9] = IR_SHR,   [10] = IR_SAR,  [11] = IR_ROR };
	uint32_t opcode = tiny_bits(t, 15, 10);
	struct ir_insn *i;

	if (opcode >= ARRAY_SIZE(ops) || !ops[opcode]) {
		return false;
	}
	i = ir_add(t->b, (enum ir_op)ops[opcode], tiny_sf(t), tiny_dst(t, tiny_rd(t)),
		   tiny_x(tiny_rn(t)), tiny_x(tiny_rm(t)));
	i->cond = opcode < 8 ? IR_DIV_ARM : 0;
	return true;
}

/* Neighbouring fields of so many bits change places. */
static ir_val swap_fields(struct tiny_ir *t, ir_val v, unsigned int bits, uint64_t mask)
{
	ir_val up = tiny_op_imm(t, IR_SHL, IR_I64, tiny_op_imm(t, IR_AND, IR_I64, v, mask), bits);
	ir_val down = tiny_op_imm(t, IR_AND, IR_I64, tiny_op_imm(t, IR_SHR, IR_I64, v, bits), mask);

	return tiny_op(t, IR_OR, IR_I64, up, down);
}

static ir_val reverse_bits(struct tiny_ir *t, ir_val v)
{
	v = swap_fields(t, v, 1, 0x5555555555555555);
	v = swap_fields(t, v, 2, 0x3333333333333333);
	v = swap_fields(t, v, 4, 0x0f0f0f0f0f0f0f0f);
	return tiny_op(t, IR_BSWAP, tiny_sf(t), v, IR_NONE);
}

static bool one_source(struct tiny_ir *t)
{
	enum ir_type type = tiny_sf(t);
	ir_val v = tiny_x(tiny_rn(t));

	switch (tiny_bits(t, 20, 10)) {
	case 0:
		v = reverse_bits(t, v);
		break;
	case 1: /* REV16 */
		v = swap_fields(t, v, 8, 0x00ff00ff00ff00ff);
		break;
	case 2: /* REV of a W register, REV32 */
		v = tiny_op(t, IR_BSWAP, type, v, IR_NONE);
		v = type == IR_I64 ? tiny_op_imm(t, IR_ROR, IR_I64, v, 32) : v;
		break;
	case 3:
		if (type == IR_I32) {
			return false;
		}
		v = tiny_op(t, IR_BSWAP, type, v, IR_NONE);
		break;
	case 4:
		v = tiny_op(t, IR_CLZ, type, v, IR_NONE);
		break;
	case 5: /* CLS: bits like the one above them */
		v = tiny_op(t, IR_XOR, type, v, tiny_op_imm(t, IR_SAR, type, v, 1));
		v = tiny_op_imm(t, IR_SUB, type, tiny_op(t, IR_CLZ, type, v, IR_NONE), 1);
		break;
	default:
		return false;
	}
	ir_add(t->b, IR_EXT, type, tiny_dst(t, tiny_rd(t)), v, IR_NONE);
	return true;
}

/* ---- multiplication ---- */

/* To rd: ra plus or minus the product. */
static bool add_product(struct tiny_ir *t, enum ir_type type, ir_val n, ir_val m)
{
	ir_val a = tiny_x(tiny_bits(t, 14, 10));
	ir_val product = tiny_op(t, IR_MUL, type, n, m);

	ir_add(t->b, tiny_bits(t, 15, 15) ? IR_SUB : IR_ADD, type, tiny_dst(t, tiny_rd(t)), a,
	       product);
	return true;
}

static bool multiply(struct tiny_ir *t)
{
	return add_product(t, tiny_sf(t), tiny_x(tiny_rn(t)), tiny_x(tiny_rm(t)));
}

/* 32 bits by 32 bits: options 2 and 6 extend them as an address would. */
static bool multiply_long(struct tiny_ir *t)
{
	uint32_t option = tiny_bits(t, 23, 23) ? 2 : 6;
	ir_val n = tiny_extended(t, tiny_rn(t), option, 0);

	return add_product(t, IR_I64, n, tiny_extended(t, tiny_rm(t), option, 0));
}

static bool multiply_high(struct tiny_ir *t)
{
	ir_add(t->b, tiny_bits(t, 23, 23) ? IR_MULH_UU : IR_MULH_SS, IR_I64,
	       tiny_dst(t, tiny_rd(t)), tiny_x(tiny_rn(t)), tiny_x(tiny_rm(t)));
	return true;
}

const struct tiny_rule tiny_int_rules[] = {
	{ 0x1f800000, 0x11000000, add_sub_imm },
	{ 0x1f200000, 0x0b000000, add_sub_shifted },
	{ 0x1fe00000, 0x0b200000, add_sub_extended },
	{ 0x1fe0fc00, 0x1a000000, add_carry },
	{ 0x1f800000, 0x12000000, logic_imm },
	{ 0x1f000000, 0x0a000000, logic_shifted },
	{ 0x1f800000, 0x12800000, move_wide },
	{ 0x1f000000, 0x10000000, address },
	{ 0x1f800000, 0x13000000, bitfield },
	{ 0x7fa00000, 0x13800000, extract },
	{ 0x7fe00000, 0x1ac00000, two_sources },
	{ 0x7fe00000, 0x5ac00000, one_source },
	{ 0x7fe00000, 0x1b000000, multiply },
	{ 0xff600000, 0x9b200000, multiply_long },
	{ 0xff60fc00, 0x9b407c00, multiply_high },
};
const size_t tiny_int_n_rules = ARRAY_SIZE(tiny_int_rules);
