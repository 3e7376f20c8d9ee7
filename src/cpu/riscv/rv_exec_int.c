/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter: integer instructions of I, M, Zba, Zbb, Zbs and Zicond that compute rd only. */
#include "cpu/riscv/rv_exec_internal.h"

typedef __int128 i128;
typedef unsigned __int128 u128;

/** rd = value, an expression of a = rs1 and b = rs2. */
#define REG(op, value)                                  \
	RV_EXEC(op)                                     \
	{                                               \
		const struct rv_state *s = &x->hart->s; \
		const uint64_t a = s->x[i->rs1];        \
		const uint64_t b = s->x[i->rs2];        \
                                                        \
		return rv_exec_result(x, i, (value));   \
	}

/** rd = value, an expression of a = rs1 and b = the immediate. */
#define IMM(op, value)                                        \
	RV_EXEC(op)                                           \
	{                                                     \
		const uint64_t a = x->hart->s.x[i->rs1];      \
		const uint64_t b = (uint64_t)(int64_t)i->imm; \
                                                              \
		return rv_exec_result(x, i, (value));         \
	}

/** rd = value, an expression of a = rs1. */
#define UNARY(op, value)                                 \
	RV_EXEC(op)                                      \
	{                                                \
		const uint64_t a = x->hart->s.x[i->rs1]; \
                                                         \
		return rv_exec_result(x, i, (value));    \
	}

/** Both forms of an operation. */
#define REG_IMM(op, op_imm, value) \
	REG(op, value)             \
	IMM(op_imm, value)

static inline uint64_t sra(uint64_t a, uint64_t n)
{
	return (uint64_t)((int64_t)a >> (n & 63));
}

static inline uint64_t sra_32(uint64_t a, uint64_t n)
{
	return (uint64_t)(int64_t)((int32_t)a >> (n & 31));
}

static inline uint64_t rotate_right(uint64_t a, uint64_t n)
{
	return a >> (n & 63) | a << (-n & 63);
}

static inline uint64_t rotate_right_32(uint64_t a, uint64_t n)
{
	uint32_t v = (uint32_t)a;

	return rv_sext_32(v >> (n & 31) | v << (-n & 31));
}

static inline uint64_t bit(uint64_t n)
{
	return BIT(n & 63);
}

REG_IMM(ADD, ADDI, a + b)
REG(SUB, a - b)
REG_IMM(SLL, SLLI, a << (b & 63))
REG_IMM(SLT, SLTI, (int64_t)a < (int64_t)b)
REG_IMM(SLTU, SLTIU, a < b)
REG_IMM(XOR, XORI, a ^ b)
REG_IMM(SRL, SRLI, a >> (b & 63))
REG_IMM(SRA, SRAI, sra(a, b))
REG_IMM(OR, ORI, a | b)
REG_IMM(AND, ANDI, (a & b))

REG_IMM(ADDW, ADDIW, rv_sext_32(a + b))
REG(SUBW, rv_sext_32(a - b))
REG_IMM(SLLW, SLLIW, rv_sext_32(a << (b & 31)))
REG_IMM(SRLW, SRLIW, rv_sext_32((uint32_t)a >> (b & 31)))
REG_IMM(SRAW, SRAIW, sra_32(a, b))

RV_EXEC(LUI)
{
	return rv_exec_result(x, i, (uint64_t)(int64_t)i->imm);
}

RV_EXEC(AUIPC)
{
	return rv_exec_result(x, i, x->hart->s.pc + (uint64_t)(int64_t)i->imm);
}

/* ---- M ---- */

static inline uint64_t mul_high_signed(uint64_t a, uint64_t b)
{
	return (uint64_t)((i128)(int64_t)a * (int64_t)b >> 64);
}

static inline uint64_t mul_high_mixed(uint64_t a, uint64_t b)
{
	return (uint64_t)((i128)(int64_t)a * (i128)b >> 64);
}

/* Division never traps: by zero gives all ones and the dividend, overflow the dividend and zero. */
static uint64_t div_signed(uint64_t a, uint64_t b)
{
	if (b == 0) {
		return UINT64_MAX;
	}
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t rem_signed(uint64_t a, uint64_t b)
{
	if (b == 0) {
		return a;
	}
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint64_t div_unsigned(uint64_t a, uint64_t b)
{
	return b ? a / b : UINT64_MAX;
}

static inline uint64_t rem_unsigned(uint64_t a, uint64_t b)
{
	return b ? a % b : a;
}

REG(MUL, (a * b))
REG(MULH, mul_high_signed(a, b))
REG(MULHSU, mul_high_mixed(a, b))
REG(MULHU, (uint64_t)((u128)a *b >> 64))
REG(DIV, div_signed(a, b))
REG(DIVU, div_unsigned(a, b))
REG(REM, rem_signed(a, b))
REG(REMU, rem_unsigned(a, b))
/* Dividing the extended operands gives the words' results, extended, for zero and overflow too. */
REG(MULW, rv_sext_32((a * b)))
REG(DIVW, rv_sext_32(div_signed(rv_sext_32(a), rv_sext_32(b))))
REG(DIVUW, rv_sext_32(div_unsigned((uint32_t)a, (uint32_t)b)))
REG(REMW, rv_sext_32(rem_signed(rv_sext_32(a), rv_sext_32(b))))
REG(REMUW, rv_sext_32(rem_unsigned((uint32_t)a, (uint32_t)b)))

/* ---- Zba ---- */

REG(SH1ADD, (a << 1) + b)
REG(SH2ADD, (a << 2) + b)
REG(SH3ADD, (a << 3) + b)
REG(ADD_UW, (uint64_t)(uint32_t)a + b)
REG(SH1ADD_UW, ((uint64_t)(uint32_t)a << 1) + b)
REG(SH2ADD_UW, ((uint64_t)(uint32_t)a << 2) + b)
REG(SH3ADD_UW, ((uint64_t)(uint32_t)a << 3) + b)
IMM(SLLI_UW, (uint64_t)(uint32_t)a << (b & 63))

/* ---- Zbb ---- */

/* Every byte that is not zero becomes 0xff. */
static inline uint64_t or_combine(uint64_t a)
{
	const uint64_t low7 = 0x7f7f7f7f7f7f7f7fULL;
	uint64_t top = (((a & low7) + low7) | a) & ~low7; /* bit 7 of each such byte */

	return (top >> 7) * 0xff;
}

static inline uint64_t leading_zeros_32(uint64_t a)
{
	return (uint32_t)a ? (uint64_t)__builtin_clz((uint32_t)a) : 32;
}

static inline uint64_t trailing_zeros_32(uint64_t a)
{
	return (uint32_t)a ? (uint64_t)__builtin_ctz((uint32_t)a) : 32;
}

REG(ANDN, a & ~b)
REG(ORN, a | ~b)
REG(XNOR, ~(a ^ b))
UNARY(CLZ, a ? (uint64_t)__builtin_clzll(a) : 64)
UNARY(CTZ, a ? (uint64_t)__builtin_ctzll(a) : 64)
UNARY(CPOP, (uint64_t)__builtin_popcountll(a))
UNARY(CLZW, leading_zeros_32(a))
UNARY(CTZW, trailing_zeros_32(a))
UNARY(CPOPW, (uint64_t)__builtin_popcount((uint32_t)a))
REG(MAX, (int64_t)a > (int64_t)b ? a : b)
REG(MAXU, a > b ? a : b)
REG(MIN, (int64_t)a < (int64_t)b ? a : b)
REG(MINU, a < b ? a : b)
UNARY(SEXT_B, (uint64_t)(int64_t)(int8_t)a)
UNARY(SEXT_H, (uint64_t)(int64_t)(int16_t)a)
UNARY(ZEXT_H, a & 0xffff)
REG(ROL, rotate_right(a, -b))
REG_IMM(ROR, RORI, rotate_right(a, b))
REG(ROLW, rotate_right_32(a, -b))
REG_IMM(RORW, RORIW, rotate_right_32(a, b))
UNARY(ORC_B, or_combine(a))
UNARY(REV8, __builtin_bswap64(a))

/* ---- Zbs ---- */

REG_IMM(BCLR, BCLRI, a & ~bit(b))
REG_IMM(BEXT, BEXTI, a >> (b & 63) & 1)
REG_IMM(BINV, BINVI, a ^ bit(b))
REG_IMM(BSET, BSETI, a | bit(b))

/* ---- Zicond ---- */

REG(CZERO_EQZ, b ? a : 0)
REG(CZERO_NEZ, b ? 0 : a)
