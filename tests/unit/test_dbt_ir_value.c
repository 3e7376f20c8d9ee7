// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_ir_value.h. Written for clearness: bit loops rather than tricks. */
#include "test_dbt_ir_value.h"

unsigned int ir_value_width(unsigned int type)
{
	switch (type) {
	case IR_I8:
		return 8;
	case IR_I16:
		return 16;
	case IR_I32:
	case IR_F32:
		return 32;
	default:
		return 64;
	}
}

static uint64_t mask_of(unsigned int width)
{
	return width == 64 ? UINT64_MAX : (1ULL << width) - 1;
}

uint64_t ir_value_zext(uint64_t v, unsigned int width)
{
	return v & mask_of(width);
}

int64_t ir_value_sext(uint64_t v, unsigned int width)
{
	uint64_t sign = 1ULL << (width - 1);

	return (int64_t)((ir_value_zext(v, width) ^ sign) - sign);
}

bool ir_value_holds(unsigned int cond, uint64_t a, uint64_t b, unsigned int width)
{
	int64_t sa = ir_value_sext(a, width);
	int64_t sb = ir_value_sext(b, width);

	a = ir_value_zext(a, width);
	b = ir_value_zext(b, width);
	switch (cond) {
	case IR_EQ:
		return a == b;
	case IR_NE:
		return a != b;
	case IR_LT:
		return sa < sb;
	case IR_GE:
		return sa >= sb;
	case IR_LTU:
		return a < b;
	case IR_GEU:
		return a >= b;
	case IR_LE:
		return sa <= sb;
	case IR_GT:
		return sa > sb;
	case IR_LEU:
		return a <= b;
	case IR_GTU:
		return a > b;
	case IR_BITS:
		return (a & b) != 0;
	default:
		return (a & b) == 0;
	}
}

static uint64_t rotate_left(uint64_t a, uint64_t by, unsigned int width)
{
	for (uint64_t n = 0; n < by; n++) {
		a = ir_value_zext(a << 1 | (a >> (width - 1) & 1), width);
	}
	return a;
}

static uint64_t shift(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	uint64_t by = b % width;

	switch (i->op) {
	case IR_SHL:
		return a << by;
	case IR_SHR:
		return ir_value_zext(a, width) >> by;
	case IR_SAR:
		return (uint64_t)(ir_value_sext(a, width) >> by);
	case IR_ROL:
		return rotate_left(ir_value_zext(a, width), by, width);
	default:
		return rotate_left(ir_value_zext(a, width), (width - by) % width, width);
	}
}

static uint64_t divide(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	bool is_signed = i->op == IR_DIV_S || i->op == IR_REM_S;
	bool is_rem = i->op == IR_REM_S || i->op == IR_REM_U;

	if (ir_value_zext(b, width) == 0) {
		return is_rem ? a : i->cond == IR_DIV_RISCV ? UINT64_MAX : 0;
	}
	if (!is_signed) {
		return is_rem ? ir_value_zext(a, width) % ir_value_zext(b, width)
			      : ir_value_zext(a, width) / ir_value_zext(b, width);
	}
	if (ir_value_sext(b, width) == -1) {
		return is_rem ? 0 : 0 - a;
	}
	return (uint64_t)(is_rem ? ir_value_sext(a, width) % ir_value_sext(b, width)
				 : ir_value_sext(a, width) / ir_value_sext(b, width));
}

static uint64_t multiply_high(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	__int128 x = i->op == IR_MULH_UU ? (__int128)ir_value_zext(a, width)
					 : (__int128)ir_value_sext(a, width);
	__int128 y = i->op == IR_MULH_SS ? (__int128)ir_value_sext(b, width)
					 : (__int128)ir_value_zext(b, width);
	unsigned __int128 product = (unsigned __int128)x * (unsigned __int128)y;

	return (uint64_t)(product >> width);
}

static uint64_t count_bits(const struct ir_insn *i, uint64_t a, unsigned int width)
{
	uint64_t n = 0;

	for (unsigned int k = 0; k < width; k++) {
		unsigned int at = i->op == IR_CLZ ? width - 1 - k : k;
		bool is_set = a >> at & 1;

		if (i->op == IR_POPCNT) {
			n += is_set;
		} else if (is_set) {
			break;
		} else {
			n++;
		}
	}
	return n;
}

static uint64_t bytes_op(const struct ir_insn *i, uint64_t a, unsigned int width)
{
	uint64_t v = 0;

	for (unsigned int k = 0; k < width; k += 8) {
		uint64_t byte = a >> k & 0xff;

		v |= i->op == IR_BSWAP ? byte << (width - 8 - k) : (byte ? 0xffULL : 0) << k;
	}
	return v;
}

static uint64_t least_or_most(const struct ir_insn *i, uint64_t a, uint64_t b, unsigned int width)
{
	switch (i->op) {
	case IR_MIN_S:
		return ir_value_holds(IR_LT, a, b, width) ? a : b;
	case IR_MAX_S:
		return ir_value_holds(IR_GT, a, b, width) ? a : b;
	case IR_MIN_U:
		return ir_value_holds(IR_LTU, a, b, width) ? a : b;
	default:
		return ir_value_holds(IR_GTU, a, b, width) ? a : b;
	}
}

/* An integer result, before it is cut to the type. */
static uint64_t compute(const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c,
			unsigned int width)
{
	switch (i->op) {
	case IR_ADD:
		return a + b;
	case IR_SUB:
		return a - b;
	case IR_AND:
		return a & b;
	case IR_OR:
		return a | b;
	case IR_XOR:
		return a ^ b;
	case IR_ANDN:
		return a & ~b;
	case IR_ORN:
		return a | ~b;
	case IR_XNOR:
		return ~(a ^ b);
	case IR_MUL:
		return a * b;
	case IR_EXT:
		return a;
	case IR_SHL:
	case IR_SHR:
	case IR_SAR:
	case IR_ROL:
	case IR_ROR:
		return shift(i, a, b, width);
	case IR_MULH_SS:
	case IR_MULH_UU:
	case IR_MULH_SU:
		return multiply_high(i, a, b, width);
	case IR_DIV_S:
	case IR_DIV_U:
	case IR_REM_S:
	case IR_REM_U:
		return divide(i, a, b, width);
	case IR_CLZ:
	case IR_CTZ:
	case IR_POPCNT:
		return count_bits(i, a, width);
	case IR_BSWAP:
	case IR_OR_BYTES:
		return bytes_op(i, a, width);
	case IR_SELECT:
		return ir_value_zext(a, width) != 0 ? b : c;
	default:
		return least_or_most(i, a, b, width);
	}
}

struct ir_value_flags ir_value_flags_of(const struct ir_insn *i, uint64_t a, uint64_t b, bool carry)
{
	unsigned int width = ir_value_width(i->type);
	bool is_sub = i->cond == IR_FLAGS_SUB || i->cond == IR_FLAGS_SBC;
	bool has_carry = i->cond == IR_FLAGS_ADC || i->cond == IR_FLAGS_SBC;
	__int128 carry_in = has_carry ? carry : is_sub;
	struct ir_value_flags f = { 0 };
	__int128 unsigned_sum;
	__int128 signed_sum;
	uint64_t result;

	if (i->cond == IR_FLAGS_LOGIC) {
		result = i->b == IR_NONE && !(i->flags & IR_IMM) ? a : a & b;
	} else {
		if (is_sub) {
			b = ~b;
		}
		unsigned_sum = (__int128)ir_value_zext(a, width) +
			       (__int128)ir_value_zext(b, width) + carry_in;
		signed_sum = (__int128)ir_value_sext(a, width) + (__int128)ir_value_sext(b, width) +
			     carry_in;
		result = (uint64_t)unsigned_sum;
		f.c = unsigned_sum >> width & 1;
		f.v = signed_sum != (__int128)ir_value_sext(result, width);
	}
	f.n = ir_value_sext(result, width) < 0;
	f.z = ir_value_zext(result, width) == 0;
	return f;
}

uint64_t ir_value_int(const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c)
{
	unsigned int width = ir_value_width(i->type);
	uint64_t v;

	switch (i->op) {
	case IR_MOV:
		return (i->flags & IR_IMM) ? (uint64_t)i->imm : a;
	case IR_SHL_ADD:
		return (ir_value_zext(a, width) << i->c) + b;
	case IR_INSERT:
		return (a & ~mask_of(width)) | ir_value_zext(b, width);
	case IR_SET_IF:
		return ir_value_holds(i->cond, a, b, width);
	default:
		v = compute(i, a, b, c, width);
		return (i->flags & IR_SX) ? (uint64_t)ir_value_sext(v, width)
					  : ir_value_zext(v, width);
	}
}
