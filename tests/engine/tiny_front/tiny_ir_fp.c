// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Scalar floating point and vectors as IR.
 *
 * Which NaN comes of two, and whether a tiny result was so before it was rounded, is the guest's own affair and rare: such
 * instructions are left to the interpreter by STEP_IF (tiny_fp.c). All else is what IEEE 754 says, and operations do it.
 *
 * A vector is two integers of 64 bits. What works on lanes keeps carries from crossing them by masks.
 */
#include "tiny.h"

#define SINGLE 0u
#define DOUBLE 1u

static bool type_of(const struct tiny_ir *t, enum ir_type *ret)
{
	uint32_t kind = tiny_bits(t, 23, 22);

	*ret = kind == DOUBLE ? IR_F64 : IR_F32;
	return kind <= DOUBLE;
}

/* A scalar result clears what is above it. */
static void set_scalar(struct tiny_ir *t, ir_val v)
{
	tiny_mov(t, TINY_D(tiny_rd(t)), v);
	tiny_mov_imm(t, TINY_UP(tiny_rd(t)), 0);
}

static ir_val ordered(struct tiny_ir *t, enum ir_type type, ir_val v)
{
	return tiny_op(t, IR_FSET_IF, type, v, v); /* cond is EQ: no NaN */
}

static void step_if_nan(struct tiny_ir *t, enum ir_type type, ir_val v)
{
	ir_add_imm(t->b, IR_STEP_IF, IR_I64, IR_NONE, ordered(t, type, v), 0)->cond = IR_EQ;
}

/* The least normal number may have been rounded up to. */
static void step_if_least(struct tiny_ir *t, enum ir_type type, ir_val v)
{
	enum ir_type same = type == IR_F64 ? IR_I64 : IR_I32;
	ir_val bits = ir_temp(t->b);

	tiny_mov(t, bits, v);
	ir_add_imm(t->b, IR_STEP_IF, same, IR_NONE, tiny_op_imm(t, IR_SHL, same, bits, 1),
		   (int64_t)(type == IR_F64 ? BIT(53) : BIT(24)))
		->cond = IR_EQ;
}

static bool two_sources(struct tiny_ir *t)
{
	static const uint8_t ops[] = {
		[0] = IR_FMUL, [1] = IR_FDIV, [2] = IR_FADD, [3] = IR_FSUB, [8] = IR_FMUL
	};
	uint32_t opcode = tiny_bits(t, 15, 12);
	enum ir_type type;
	ir_val v;

	if (!type_of(t, &type) || opcode >= ARRAY_SIZE(ops) || !ops[opcode]) {
		return false;
	}
	v = tiny_op(t, (enum ir_op)ops[opcode], type, TINY_D(tiny_rn(t)), TINY_D(tiny_rm(t)));
	step_if_nan(t, type, v);
	if (ops[opcode] == IR_FMUL || ops[opcode] == IR_FDIV) {
		step_if_least(t, type, v);
	}
	set_scalar(t, opcode == 8 ? tiny_op(t, IR_FNEG, type, v, IR_NONE) : v);
	return true;
}

/* To the other format: never tiny from single to double. */
static ir_val convert(struct tiny_ir *t, enum ir_type type)
{
	enum ir_type to = type == IR_F64 ? IR_F32 : IR_F64;
	ir_val v = tiny_op(t, IR_FCVT_FF, to, TINY_D(tiny_rn(t)), IR_NONE);

	step_if_nan(t, to, v);
	if (to == IR_F32) {
		step_if_least(t, to, v);
	}
	return v;
}

static bool one_source(struct tiny_ir *t)
{
	ir_val n = TINY_D(tiny_rn(t));
	enum ir_type type;
	ir_val v;

	if (!type_of(t, &type)) {
		return false;
	}
	switch (tiny_bits(t, 20, 15)) {
	case 0: /* of a single only its half */
		v = ir_temp(t->b);
		tiny_mov(t, v, n);
		v = tiny_op(t, IR_EXT, type == IR_F64 ? IR_I64 : IR_I32, v, IR_NONE);
		break;
	case 1:
		v = tiny_op(t, IR_FABS, type, n, IR_NONE);
		break;
	case 2:
		v = tiny_op(t, IR_FNEG, type, n, IR_NONE);
		break;
	case 3:
		v = tiny_op(t, IR_FSQRT, type, n, IR_NONE);
		step_if_nan(t, type, v);
		break;
	case 4:
	case 5:
		if (tiny_bits(t, 15, 15) != (type == IR_F32)) {
			return false;
		}
		v = convert(t, type);
		break;
	default:
		return false;
	}
	set_scalar(t, v);
	return true;
}

/* FCMP, FCMPE to the flags. Unordered ones are interpreted: which of them is invalid is not alike for both. */
static bool compare(struct tiny_ir *t)
{
	ir_val a = TINY_D(tiny_rn(t));
	ir_val b = TINY_D(tiny_rm(t));
	enum ir_type type;
	ir_val is_less;

	if (!type_of(t, &type)) {
		return false;
	}
	step_if_nan(t, type, a);
	if (tiny_bits(t, 3, 3)) { /* with zero */
		b = ir_temp(t->b);
		ir_add_imm(t->b, IR_MOV, IR_F64, b, IR_NONE, 0);
	} else {
		step_if_nan(t, type, b);
	}
	is_less = ir_temp(t->b);
	ir_add(t->b, IR_FSET_IF, type, is_less, a, b)->cond = IR_LT;
	ir_add(t->b, IR_FSET_IF, type, TINY_Z, a, b);
	tiny_mov(t, TINY_N, is_less);
	ir_add_imm(t->b, IR_XOR, IR_I64, TINY_C, is_less, 1);
	tiny_mov_imm(t, TINY_V, 0);
	return true;
}

static bool select_if(struct tiny_ir *t)
{
	ir_val is = ir_temp(t->b);
	ir_val n = ir_temp(t->b);
	ir_val m = ir_temp(t->b);
	ir_val v = ir_temp(t->b);
	enum ir_type type;

	if (!type_of(t, &type)) {
		return false;
	}
	tiny_cond(t, IR_SET_IF, is, tiny_bits(t, 15, 12));
	tiny_mov(t, n, TINY_D(tiny_rn(t)));
	tiny_mov(t, m, TINY_D(tiny_rm(t)));
	ir_add(t->b, IR_SELECT, type == IR_F64 ? IR_I64 : IR_I32, v, is, n)->c = m;
	set_scalar(t, v);
	return true;
}

/* A small number: sign, three bits of exponent, four of fraction. */
static uint64_t expand(uint32_t imm, bool is_double)
{
	uint64_t sign = imm >> 7;
	uint64_t low = imm & 63;
	uint64_t b = imm >> 6 & 1;

	if (is_double) {
		return sign << 63 | (b ? 0xffULL << 54 : BIT(62)) | low << 48;
	}
	return sign << 31 | (b ? 0x1fULL << 25 : BIT(30)) | low << 19;
}

static bool move_imm(struct tiny_ir *t)
{
	ir_val v = ir_temp(t->b);
	enum ir_type type;

	if (!type_of(t, &type)) {
		return false;
	}
	tiny_mov_imm(t, v, expand(tiny_bits(t, 20, 13), type == IR_F64));
	set_scalar(t, v);
	return true;
}

/* FMOV between register files: as many bits as both have. */
static bool move_general(struct tiny_ir *t)
{
	ir_val v = ir_temp(t->b);

	if (tiny_bits(t, 23, 22) != (tiny_sf(t) == IR_I64 ? DOUBLE : SINGLE)) {
		return false;
	}
	if (tiny_bits(t, 16, 16)) {
		ir_add(t->b, IR_EXT, tiny_sf(t), v, tiny_x(tiny_rn(t)), IR_NONE);
		set_scalar(t, v);
	} else {
		tiny_mov(t, v, TINY_D(tiny_rn(t)));
		ir_add(t->b, IR_EXT, tiny_sf(t), tiny_dst(t, tiny_rd(t)), v, IR_NONE);
	}
	return true;
}

static uint8_t integer_kind(const struct tiny_ir *t)
{
	bool is_unsigned = tiny_bits(t, 16, 16);

	if (tiny_sf(t) == IR_I64) {
		return is_unsigned ? IR_INT_U64 : IR_INT_S64;
	}
	return is_unsigned ? IR_INT_U32 : IR_INT_S32;
}

static bool from_integer(struct tiny_ir *t)
{
	ir_val v = ir_temp(t->b);
	enum ir_type type;

	if (!type_of(t, &type)) {
		return false;
	}
	ir_add(t->b, IR_FCVT_FI, type, v, tiny_x(tiny_rn(t)), IR_NONE)->cond = integer_kind(t);
	set_scalar(t, v);
	return true;
}

/* From the integer in a vector register, of the same size. */
static bool from_scalar(struct tiny_ir *t)
{
	bool is_double = tiny_bits(t, 22, 22);
	bool is_unsigned = tiny_bits(t, 29, 29);
	ir_val n = ir_temp(t->b);
	ir_val v = ir_temp(t->b);
	static const uint8_t kinds[] = { IR_INT_S32, IR_INT_U32, IR_INT_S64, IR_INT_U64 };

	tiny_mov(t, n, TINY_D(tiny_rn(t)));
	ir_add(t->b, IR_FCVT_FI, is_double ? IR_F64 : IR_F32, v, n, IR_NONE)->cond =
		kinds[is_double * 2 + is_unsigned];
	set_scalar(t, v);
	return true;
}

/* Truncating and saturating; here a NaN becomes 0. */
static bool to_integer(struct tiny_ir *t)
{
	ir_val v = ir_temp(t->b);
	enum ir_type type;

	if (!type_of(t, &type)) {
		return false;
	}
	ir_add(t->b, IR_FCVT_IF, type, v, TINY_D(tiny_rn(t)), IR_NONE)->cond = integer_kind(t);
	ir_add(t->b, IR_SELECT, IR_I64, tiny_dst(t, tiny_rd(t)),
	       ordered(t, type, TINY_D(tiny_rn(t))), v)
		->c = TINY_ZERO;
	return true;
}

/* ---- vectors ---- */

/* Half of a vector register as an integer. */
static ir_val half(struct tiny_ir *t, uint32_t n, bool is_up)
{
	ir_val v;

	if (is_up) {
		return TINY_UP(n);
	}
	v = ir_temp(t->b);
	tiny_mov(t, v, TINY_D(n));
	return v;
}

static void set_half(struct tiny_ir *t, bool is_up, ir_val v)
{
	tiny_mov(t, is_up ? TINY_UP(tiny_rd(t)) : TINY_D(tiny_rd(t)), v);
}

/* AND, BIC, ORR, ORN; EOR, BSL, BIT, BIF. */
static ir_val logic_half(struct tiny_ir *t, bool is_up)
{
	static const uint8_t ops[] = { IR_AND, IR_ANDN, IR_OR, IR_ORN, IR_XOR };
	uint32_t kind = tiny_bits(t, 29, 29) << 2 | tiny_bits(t, 23, 22);
	ir_val n = half(t, tiny_rn(t), is_up);
	ir_val m = half(t, tiny_rm(t), is_up);
	ir_val d;

	if (kind < ARRAY_SIZE(ops)) {
		return tiny_op(t, (enum ir_op)ops[kind], IR_I64, n, m);
	}
	d = half(t, tiny_rd(t), is_up);
	if (kind == 5) { /* n where d has ones, else m */
		n = tiny_op(t, IR_AND, IR_I64, tiny_op(t, IR_XOR, IR_I64, n, m), d);
		return tiny_op(t, IR_XOR, IR_I64, n, m);
	}
	n = tiny_op(t, IR_XOR, IR_I64, n, d);
	n = tiny_op(t, kind == 6 ? IR_AND : IR_ANDN, IR_I64, n, m);
	return tiny_op(t, IR_XOR, IR_I64, n, d);
}

/* Bit 0 of each lane, by the lanes' size. */
static const uint64_t ones[] = { 0x0101010101010101, 0x0001000100010001, 0x0000000100000001, 1 };

/* The top bit of each lane. */
static uint64_t tops(uint32_t size)
{
	return ones[size] << ((8u << size) - 1);
}

/* Lane by lane: the sum without the lanes' top bits, and those by XOR. A difference borrows from a top bit that is set for it. */
static ir_val add_half(struct tiny_ir *t, bool is_up)
{
	uint64_t top = tops(tiny_bits(t, 23, 22));
	bool is_sub = tiny_bits(t, 29, 29);
	ir_val n = half(t, tiny_rn(t), is_up);
	ir_val m = half(t, tiny_rm(t), is_up);
	ir_val a = tiny_op_imm(t, is_sub ? IR_OR : IR_AND, IR_I64, n, is_sub ? top : ~top);
	ir_val b = tiny_op_imm(t, IR_AND, IR_I64, m, ~top);
	ir_val tops_of = tiny_op(t, is_sub ? IR_XNOR : IR_XOR, IR_I64, n, m);

	tops_of = tiny_op_imm(t, IR_AND, IR_I64, tops_of, top);
	return tiny_op(t, IR_XOR, IR_I64, tiny_op(t, is_sub ? IR_SUB : IR_ADD, IR_I64, a, b),
		       tops_of);
}

/* All ones where lanes are equal: their difference has no bit, top or other, that makes a carry into the top. */
static ir_val equal(struct tiny_ir *t, ir_val n, ir_val m)
{
	uint32_t size = tiny_bits(t, 23, 22);
	uint64_t top = tops(size);
	ir_val x = tiny_op(t, IR_XOR, IR_I64, n, m);
	ir_val v = tiny_op_imm(t, IR_ADD, IR_I64, tiny_op_imm(t, IR_AND, IR_I64, x, ~top), ~top);

	v = tiny_op(t, IR_OR, IR_I64, v, x);
	v = tiny_op_imm(t, IR_AND, IR_I64, tiny_op(t, IR_XNOR, IR_I64, v, TINY_ZERO), top);
	v = tiny_op_imm(t, IR_SHR, IR_I64, v, (8u << size) - 1);
	return tiny_op_imm(t, IR_MUL, IR_I64, v, UINT64_MAX >> (64 - (8u << size)));
}

static ir_val equal_half(struct tiny_ir *t, bool is_up)
{
	return equal(t, half(t, tiny_rn(t), is_up), half(t, tiny_rm(t), is_up));
}

static ir_val zero_half(struct tiny_ir *t, bool is_up)
{
	return equal(t, half(t, tiny_rn(t), is_up), TINY_ZERO);
}

/* Two products of 32 bits. */
static ir_val multiply_half(struct tiny_ir *t, bool is_up)
{
	ir_val n = half(t, tiny_rn(t), is_up);
	ir_val m = half(t, tiny_rm(t), is_up);
	ir_val low = tiny_op(t, IR_MUL, IR_I32, n, m);
	ir_val high = tiny_op(t, IR_MUL, IR_I32, tiny_op_imm(t, IR_SHR, IR_I64, n, 32),
			      tiny_op_imm(t, IR_SHR, IR_I64, m, 32));

	return tiny_op(t, IR_OR, IR_I64, low, tiny_op_imm(t, IR_SHL, IR_I64, high, 32));
}

/* SHL and USHR: the halves shift as a whole, and lose what came from other lanes. */
static ir_val shift_half(struct tiny_ir *t, bool is_up)
{
	uint32_t number = tiny_bits(t, 22, 16);
	unsigned int size =
		28u - (unsigned int)__builtin_clz(number); /* its top bit says the lanes' size */
	unsigned int width = 8u << size;
	bool is_left = tiny_bits(t, 14, 14);
	unsigned int by = is_left ? number - width : 2 * width - number;
	uint64_t all = UINT64_MAX >> (64 - width);
	uint64_t keep = (by == width ? 0 : is_left ? all << by & all : all >> by) * ones[size];
	ir_val v = half(t, tiny_rn(t), is_up);

	v = tiny_op_imm(t, is_left ? IR_SHL : IR_SHR, IR_I64, v, by);
	return tiny_op_imm(t, IR_AND, IR_I64, v, keep);
}

/* Both halves, or the lower one and nothing above it. */
static bool halves(struct tiny_ir *t, ir_val (*fn)(struct tiny_ir *t, bool is_up))
{
	set_half(t, false, fn(t, false));
	if (tiny_bits(t, 30, 30)) {
		set_half(t, true, fn(t, true));
	} else {
		tiny_mov_imm(t, TINY_UP(tiny_rd(t)), 0);
	}
	return true;
}

static bool three_alike(struct tiny_ir *t)
{
	uint32_t opcode = tiny_bits(t, 15, 11);

	if (opcode == 3) {
		return halves(t, logic_half);
	}
	if (tiny_bits(t, 23, 22) == 3 && !tiny_bits(t, 30, 30)) {
		return false;
	}
	if (opcode == 17 && tiny_bits(t, 29, 29)) {
		return halves(t, equal_half);
	}
	if (opcode == 19 && !tiny_bits(t, 29, 29) && tiny_bits(t, 23, 22) == 2) {
		return halves(t, multiply_half);
	}
	return opcode == 16 && halves(t, add_half);
}

static bool is_zero(struct tiny_ir *t)
{
	return (tiny_bits(t, 23, 22) != 3 || tiny_bits(t, 30, 30)) && halves(t, zero_half);
}

static bool shift(struct tiny_ir *t)
{
	uint32_t immh = tiny_bits(t, 22, 19);

	if (immh == 0 || ((immh & 8) && !tiny_bits(t, 30, 30))) {
		return false;
	}
	return halves(t, shift_half);
}

/* A general register in all lanes. */
static ir_val duplicate_half(struct tiny_ir *t, bool is_up)
{
	unsigned int size = (unsigned int)__builtin_ctz(tiny_bits(t, 20, 16));
	ir_val v = tiny_op(t, IR_EXT, (enum ir_type)size, tiny_x(tiny_rn(t)), IR_NONE);

	(void)is_up;
	return tiny_op_imm(t, IR_MUL, IR_I64, v, ones[size]);
}

static bool duplicate(struct tiny_ir *t)
{
	uint32_t imm5 = tiny_bits(t, 20, 16);

	if ((imm5 & 15) == 0 || ((imm5 & 7) == 0 && !tiny_bits(t, 30, 30))) {
		return false;
	}
	return halves(t, duplicate_half);
}

/* The number of MOVI, MVNI, ORR, BIC and FMOV of vectors. */
static bool vector_imm(const struct tiny_ir *t, uint64_t *ret)
{
	uint64_t imm = tiny_bits(t, 18, 16) << 5 | tiny_bits(t, 9, 5);
	uint32_t cmode = tiny_bits(t, 15, 12);
	bool op = tiny_bits(t, 29, 29);
	uint64_t v = 0;

	if (cmode < 8) {
		v = (imm << 4 * (cmode & 6)) * 0x0000000100000001;
	} else if (cmode < 12) {
		v = (imm << 4 * (cmode & 2)) * 0x0001000100010001;
	} else if (cmode < 14) { /* ones come in from below */
		v = (cmode == 12 ? imm << 8 | 0xff : imm << 16 | 0xffff) * 0x0000000100000001;
	} else if (cmode == 15) {
		v = op ? expand((uint32_t)imm, true)
		       : expand((uint32_t)imm, false) * 0x0000000100000001;
	} else if (!op) {
		v = imm * 0x0101010101010101;
	} else {
		for (unsigned int k = 0; k < 8; k++) {
			v |= (imm >> k & 1) * 0xffULL << 8 * k;
		}
	}
	*ret = op && cmode < 14 ? ~v : v;
	return cmode != 15 || !op || tiny_bits(t, 30, 30);
}

static ir_val imm_half(struct tiny_ir *t, bool is_up)
{
	uint32_t cmode = tiny_bits(t, 15, 12);
	ir_val v = ir_temp(t->b);
	uint64_t imm = 0;

	(void)vector_imm(t, &imm);
	tiny_mov_imm(t, v, imm);
	if (cmode < 12 && (cmode & 1)) { /* ORR; BIC, whose number is inverted already */
		return tiny_op(t, tiny_bits(t, 29, 29) ? IR_AND : IR_OR, IR_I64,
			       half(t, tiny_rd(t), is_up), v);
	}
	return v;
}

static bool move_vector_imm(struct tiny_ir *t)
{
	uint64_t imm;

	return vector_imm(t, &imm) && halves(t, imm_half);
}

/* UMOV: a lane to a general register. */
static bool move_lane(struct tiny_ir *t)
{
	uint32_t imm5 = tiny_bits(t, 20, 16);
	unsigned int size = imm5 & 15 ? (unsigned int)__builtin_ctz(imm5) : 4;
	unsigned int bit;
	ir_val v;

	if (size > 3 || (size == 3) != tiny_bits(t, 30, 30)) {
		return false;
	}
	bit = (imm5 >> (size + 1)) * (8u << size);
	v = half(t, tiny_rn(t), bit >= 64);
	v = tiny_op_imm(t, IR_SHR, IR_I64, v, bit % 64);
	ir_add(t->b, IR_EXT, (enum ir_type)size, tiny_dst(t, tiny_rd(t)), v, IR_NONE);
	return true;
}

const struct tiny_rule tiny_fp_rules[] = {
	{ 0xff200c00, 0x1e200800, two_sources },
	{ 0xff207c00, 0x1e204000, one_source },
	{ 0xff20fc07, 0x1e202000, compare },
	{ 0xff200c00, 0x1e200c00, select_if },
	{ 0xff201fe0, 0x1e201000, move_imm },
	{ 0x7f3efc00, 0x1e260000, move_general },
	{ 0x7f3efc00, 0x1e220000, from_integer },
	{ 0x7f3efc00, 0x1e380000, to_integer },
	{ 0x9f200400, 0x0e200400, three_alike },
	{ 0xbfe0fc00, 0x0e000c00, duplicate },
	{ 0xdfbffc00, 0x5e21d800, from_scalar },
	{ 0xbf3ffc00, 0x0e209800, is_zero },
	{ 0x9ff80c00, 0x0f000400, move_vector_imm },
	{ 0xbf80fc00, 0x0f005400, shift },
	{ 0xbf80fc00, 0x2f000400, shift },
	{ 0xbfe0fc00, 0x0e003c00, move_lane },
};
const size_t tiny_fp_n_rules = ARRAY_SIZE(tiny_fp_rules);
