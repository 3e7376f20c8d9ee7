/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding: the major opcode and funct3 (OP-FP: funct5) choose a group of encodings that are neighbours in
 * rv_insns.def, at most 11; mask and match decide within it. Formats then say where the operands are.
 *
 * Reserved encodings are illegal. So are the reserved static rounding modes 5 and 6; mode 7 (dynamic) is for
 * execution to judge.
 */
#include "cpu/riscv/rv_decode.h"

#include "base/bits.h"
#include "base/bug.h"
#include "cpu/riscv/rv_compressed.h"

struct encoding {
	uint32_t match, mask;
};

static const struct encoding encodings[RV_OP_COUNT] = {
#define RV_INSN(op, name, format, match, mask) [RV_OP_##op] = { match, mask },
#include "cpu/riscv/rv_insns.def"
#undef RV_INSN
};

static const uint8_t formats[RV_OP_COUNT] = {
	[RV_OP_ILLEGAL] = RV_FMT_NONE,
#define RV_INSN(op, name, format, match, mask) [RV_OP_##op] = RV_FMT_##format,
#include "cpu/riscv/rv_insns.def"
#undef RV_INSN
};

static const char *const names[RV_OP_COUNT] = {
	[RV_OP_ILLEGAL] = "illegal",
#define RV_INSN(op, name, format, match, mask) [RV_OP_##op] = (name),
#include "cpu/riscv/rv_insns.def"
#undef RV_INSN
};

_Static_assert(RV_OP_COUNT <= 255, "groups hold operations in a byte");

/** Neighbours in rv_insns.def; n = 0: reserved. */
struct group {
	uint8_t first, n;
};

#define OPCODES_FP	    0x14
#define KEY(opcode, funct3) ((opcode) << 3 | (funct3))
#define GROUP(first, last)                                      \
	{                                                       \
		RV_OP_##first, RV_OP_##last - RV_OP_##first + 1 \
	}
#define ONE(opcode, f3, op)    [KEY(opcode, f3)] = GROUP(op, op)
#define SOME(opcode, f3, a, b) [KEY(opcode, f3)] = GROUP(a, b)
#define WHOLE(opcode, a, b)    [KEY(opcode, 0)... KEY(opcode, 7)] = GROUP(a, b)

/* By bits 6:2 (opcode) and 14:12 (funct3). */
static const struct group groups[256] = {
	ONE(0x00, 0, LB),
	ONE(0x00, 1, LH),
	ONE(0x00, 2, LW),
	ONE(0x00, 3, LD),
	ONE(0x00, 4, LBU),
	ONE(0x00, 5, LHU),
	ONE(0x00, 6, LWU),
	ONE(0x01, 2, FLW),
	ONE(0x01, 3, FLD),
	ONE(0x03, 0, FENCE),
	ONE(0x03, 1, FENCE_I),
	SOME(0x03, 2, CBO_INVAL, CBO_ZERO),
	ONE(0x04, 0, ADDI),
	SOME(0x04, 1, SLLI, SEXT_H),
	ONE(0x04, 2, SLTI),
	ONE(0x04, 3, SLTIU),
	ONE(0x04, 4, XORI),
	SOME(0x04, 5, SRLI, REV8),
	ONE(0x04, 6, ORI),
	ONE(0x04, 7, ANDI),
	WHOLE(0x05, AUIPC, AUIPC),
	ONE(0x06, 0, ADDIW),
	SOME(0x06, 1, SLLIW, CPOPW),
	SOME(0x06, 5, SRLIW, RORIW),
	ONE(0x08, 0, SB),
	ONE(0x08, 1, SH),
	ONE(0x08, 2, SW),
	ONE(0x08, 3, SD),
	ONE(0x09, 2, FSW),
	ONE(0x09, 3, FSD),
	SOME(0x0b, 2, LR_W, AMOMAXU_W),
	SOME(0x0b, 3, LR_D, AMOMAXU_D),
	SOME(0x0c, 0, ADD, MUL),
	SOME(0x0c, 1, SLL, ROL),
	SOME(0x0c, 2, SLT, SH1ADD),
	SOME(0x0c, 3, SLTU, MULHU),
	SOME(0x0c, 4, XOR, XNOR),
	SOME(0x0c, 5, SRL, ROR),
	SOME(0x0c, 6, OR, ORN),
	SOME(0x0c, 7, AND, ANDN),
	WHOLE(0x0d, LUI, LUI),
	SOME(0x0e, 0, ADDW, ADD_UW),
	SOME(0x0e, 1, SLLW, ROLW),
	ONE(0x0e, 2, SH1ADD_UW),
	SOME(0x0e, 4, DIVW, SH2ADD_UW),
	SOME(0x0e, 5, SRLW, RORW),
	SOME(0x0e, 6, REMW, SH3ADD_UW),
	ONE(0x0e, 7, REMUW),
	WHOLE(0x10, FMADD_S, FMADD_D),
	WHOLE(0x11, FMSUB_S, FMSUB_D),
	WHOLE(0x12, FNMSUB_S, FNMSUB_D),
	WHOLE(0x13, FNMADD_S, FNMADD_D),
	ONE(0x18, 0, BEQ),
	ONE(0x18, 1, BNE),
	ONE(0x18, 4, BLT),
	ONE(0x18, 5, BGE),
	ONE(0x18, 6, BLTU),
	ONE(0x18, 7, BGEU),
	ONE(0x19, 0, JALR),
	WHOLE(0x1b, JAL, JAL),
	SOME(0x1c, 0, ECALL, SINVAL_VMA),
	ONE(0x1c, 1, CSRRW),
	ONE(0x1c, 2, CSRRS),
	ONE(0x1c, 3, CSRRC),
	ONE(0x1c, 5, CSRRWI),
	ONE(0x1c, 6, CSRRSI),
	ONE(0x1c, 7, CSRRCI),
};

/* OP-FP by bits 31:27 (funct5). */
static const struct group fp_groups[32] = {
	[0x00] = GROUP(FADD_S, FADD_D),	     [0x01] = GROUP(FSUB_S, FSUB_D),
	[0x02] = GROUP(FMUL_S, FMUL_D),	     [0x03] = GROUP(FDIV_S, FDIV_D),
	[0x04] = GROUP(FSGNJ_S, FSGNJX_D),   [0x05] = GROUP(FMIN_S, FMAX_D),
	[0x08] = GROUP(FCVT_S_D, FCVT_D_S),  [0x0b] = GROUP(FSQRT_S, FSQRT_D),
	[0x14] = GROUP(FLE_S, FEQ_D),	     [0x18] = GROUP(FCVT_W_S, FCVT_LU_D),
	[0x1a] = GROUP(FCVT_S_W, FCVT_D_LU), [0x1c] = GROUP(FMV_X_W, FCLASS_D),
	[0x1e] = GROUP(FMV_W_X, FMV_D_X),
};

static uint8_t field(uint32_t raw, unsigned int at)
{
	return raw >> at & 31;
}

/* Bits hi:lo of the word, moved to bit @p to. */
static uint32_t bits(uint32_t raw, unsigned int hi, unsigned int lo, unsigned int to)
{
	return (raw >> lo & (uint32_t)(BIT(hi - lo + 1) - 1)) << to;
}

static int32_t imm_s(uint32_t raw)
{
	return (int32_t)(raw & 0xfe000000u) >> 20 | (int32_t)bits(raw, 11, 7, 0);
}

static int32_t imm_b(uint32_t raw)
{
	return (int32_t)(raw & 0x80000000u) >> 19 |
	       (int32_t)(bits(raw, 7, 7, 11) | bits(raw, 30, 25, 5) | bits(raw, 11, 8, 1));
}

static int32_t imm_j(uint32_t raw)
{
	return (int32_t)(raw & 0x80000000u) >> 11 |
	       (int32_t)(bits(raw, 19, 12, 12) | bits(raw, 20, 20, 11) | bits(raw, 30, 21, 1));
}

static enum rv_op find(uint32_t raw)
{
	uint32_t opcode = bits(raw, 6, 2, 0);
	struct group g = groups[KEY(opcode, bits(raw, 14, 12, 0))];

	if (opcode == OPCODES_FP) {
		g = fp_groups[raw >> 27];
	}
	for (unsigned int i = 0; i < g.n; i++) {
		const struct encoding *e = &encodings[g.first + i];

		if ((raw & e->mask) == e->match) {
			return (enum rv_op)(g.first + i);
		}
	}
	return RV_OP_ILLEGAL;
}

static bool has_rounding(enum rv_format format)
{
	return format == RV_FMT_RM || format == RV_FMT_R4;
}

static int32_t immediate(uint32_t raw, enum rv_format format)
{
	switch (format) {
	case RV_FMT_I:
		return (int32_t)raw >> 20;
	case RV_FMT_SHIFT:
		return (int32_t)bits(raw, 25, 20, 0);
	case RV_FMT_S:
		return imm_s(raw);
	case RV_FMT_B:
		return imm_b(raw);
	case RV_FMT_U:
		return (int32_t)(raw & 0xfffff000u);
	case RV_FMT_J:
		return imm_j(raw);
	case RV_FMT_CSR:
		return (int32_t)(raw >> 20);
	case RV_FMT_AMO:
		return (int32_t)bits(raw, 26, 25, 0);
	case RV_FMT_R:
	case RV_FMT_R4:
	case RV_FMT_RM:
	case RV_FMT_NONE:
		break;
	}
	return 0;
}

/* Which register fields a format has. */
#define RD  1
#define RS1 2
#define RS2 4
#define RS3 8

static const uint8_t fields[] = {
	[RV_FMT_R] = RD | RS1 | RS2,
	[RV_FMT_R4] = RD | RS1 | RS2 | RS3,
	[RV_FMT_RM] = RD | RS1 | RS2,
	[RV_FMT_I] = RD | RS1,
	[RV_FMT_SHIFT] = RD | RS1,
	[RV_FMT_S] = RS1 | RS2,
	[RV_FMT_B] = RS1 | RS2,
	[RV_FMT_U] = RD,
	[RV_FMT_J] = RD,
	[RV_FMT_CSR] = RD | RS1,
	[RV_FMT_AMO] = RD | RS1 | RS2,
	[RV_FMT_NONE] = 0,
};

static void decode_word(uint32_t raw, struct rv_insn *ret)
{
	enum rv_op op = find(raw);
	enum rv_format format = formats[op];
	uint8_t has = fields[format];
	uint8_t rm = (uint8_t)bits(raw, 14, 12, 0);

	if (has_rounding(format) && (rm == 5 || rm == 6)) {
		op = RV_OP_ILLEGAL;
		has = 0;
		format = RV_FMT_NONE;
	}
	*ret = (struct rv_insn){
		.op = (uint16_t)op,
		.bytes = 4,
		.rd = has & RD ? field(raw, 7) : 0,
		.rs1 = has & RS1 ? field(raw, 15) : 0,
		.rs2 = has & RS2 ? field(raw, 20) : 0,
		.rs3 = has & RS3 ? field(raw, 27) : 0,
		.rm = has_rounding(format) ? rm : 0,
		.imm = immediate(raw, format),
		.raw = raw,
	};
}

void rv_decode(uint32_t raw, struct rv_insn *ret)
{
	if ((raw & 3) == 3) {
		decode_word(raw, ret);
	} else {
		rv_decode_compressed((uint16_t)raw, ret);
	}
}

const char *rv_op_name(enum rv_op op)
{
	BUG_ON(op >= RV_OP_COUNT);
	return names[op];
}

enum rv_format rv_op_format(enum rv_op op)
{
	BUG_ON(op >= RV_OP_COUNT);
	return formats[op];
}

void rv_op_encoding(enum rv_op op, uint32_t *ret_match, uint32_t *ret_mask)
{
	BUG_ON(op >= RV_OP_COUNT);
	*ret_match = encodings[op].match;
	*ret_mask = encodings[op].mask;
}
