/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressed instructions of RV64GC. Source: RISC-V unprivileged ISA 20191213, chapter 16.
 *
 * Hints (c.nop with an immediate, c.li to x0, shifts by 0 ...) decode to the instruction that they
 * encode, which changes nothing. Reserved encodings stay ILLEGAL.
 */
#include "cpu/riscv/rv_compressed.h"

#include "base/bits.h"

#define REG_RA 1
#define REG_SP 2

/* Bits hi:lo of the instruction, moved to bit @p to. */
static int32_t bits(uint32_t raw, unsigned int hi, unsigned int lo, unsigned int to)
{
	return (int32_t)((raw >> lo & (uint32_t)(BIT(hi - lo + 1) - 1)) << to);
}

/* Bit 12, which is the sign, moved to bit @p to and copied above it. */
static int32_t sign(uint32_t raw, unsigned int to)
{
	return raw & 0x1000 ? -(int32_t)BIT(to) : 0;
}

static uint8_t reg(uint32_t raw, unsigned int at)
{
	return raw >> at & 31;
}

/* The three-bit fields mean x8 to x15. */
static uint8_t reg_short(uint32_t raw, unsigned int at)
{
	return 8 + (raw >> at & 7);
}

static int32_t imm6(uint32_t raw)
{
	return sign(raw, 5) | bits(raw, 6, 2, 0);
}

static int32_t shamt(uint32_t raw)
{
	return bits(raw, 12, 12, 5) | bits(raw, 6, 2, 0);
}

/* Offsets of c.lw and c.ld, c.lwsp and c.ldsp, c.swsp and c.sdsp. */
static int32_t offset_w(uint32_t raw)
{
	return bits(raw, 12, 10, 3) | bits(raw, 6, 6, 2) | bits(raw, 5, 5, 6);
}

static int32_t offset_d(uint32_t raw)
{
	return bits(raw, 12, 10, 3) | bits(raw, 6, 5, 6);
}

static int32_t offset_lwsp(uint32_t raw)
{
	return bits(raw, 12, 12, 5) | bits(raw, 6, 4, 2) | bits(raw, 3, 2, 6);
}

static int32_t offset_ldsp(uint32_t raw)
{
	return bits(raw, 12, 12, 5) | bits(raw, 6, 5, 3) | bits(raw, 4, 2, 6);
}

static int32_t offset_swsp(uint32_t raw)
{
	return bits(raw, 12, 9, 2) | bits(raw, 8, 7, 6);
}

static int32_t offset_sdsp(uint32_t raw)
{
	return bits(raw, 12, 10, 3) | bits(raw, 9, 7, 6);
}

static int32_t offset_j(uint32_t raw)
{
	return sign(raw, 11) | bits(raw, 11, 11, 4) | bits(raw, 10, 9, 8) | bits(raw, 8, 8, 10) |
	       bits(raw, 7, 7, 6) | bits(raw, 6, 6, 7) | bits(raw, 5, 3, 1) | bits(raw, 2, 2, 5);
}

static int32_t offset_b(uint32_t raw)
{
	return sign(raw, 8) | bits(raw, 11, 10, 3) | bits(raw, 6, 5, 6) | bits(raw, 4, 3, 1) |
	       bits(raw, 2, 2, 5);
}

static void with_imm(struct rv_insn *i, enum rv_op op, uint8_t rd, uint8_t rs1, int32_t imm)
{
	i->op = (uint16_t)op;
	i->rd = rd;
	i->rs1 = rs1;
	i->imm = imm;
}

static void with_regs(struct rv_insn *i, enum rv_op op, uint8_t rd, uint8_t rs1, uint8_t rs2)
{
	i->op = (uint16_t)op;
	i->rd = rd;
	i->rs1 = rs1;
	i->rs2 = rs2;
}

/* A store or a branch. */
static void with_source(struct rv_insn *i, enum rv_op op, uint8_t rs1, uint8_t rs2, int32_t imm)
{
	i->op = (uint16_t)op;
	i->rs1 = rs1;
	i->rs2 = rs2;
	i->imm = imm;
}

static void addi4spn(uint32_t raw, struct rv_insn *i)
{
	int32_t imm = bits(raw, 12, 11, 4) | bits(raw, 10, 7, 6) | bits(raw, 6, 6, 2) |
		      bits(raw, 5, 5, 3);

	if (imm) {
		with_imm(i, RV_OP_ADDI, reg_short(raw, 2), REG_SP, imm);
	}
}

static void quadrant_0(uint32_t raw, struct rv_insn *i)
{
	uint8_t rs1 = reg_short(raw, 7);
	uint8_t rx = reg_short(raw, 2);

	switch (raw >> 13) {
	case 0:
		addi4spn(raw, i);
		break;
	case 1:
		with_imm(i, RV_OP_FLD, rx, rs1, offset_d(raw));
		break;
	case 2:
		with_imm(i, RV_OP_LW, rx, rs1, offset_w(raw));
		break;
	case 3:
		with_imm(i, RV_OP_LD, rx, rs1, offset_d(raw));
		break;
	case 5:
		with_source(i, RV_OP_FSD, rs1, rx, offset_d(raw));
		break;
	case 6:
		with_source(i, RV_OP_SW, rs1, rx, offset_w(raw));
		break;
	case 7:
		with_source(i, RV_OP_SD, rs1, rx, offset_d(raw));
		break;
	default:
		break; /* reserved */
	}
}

/* c.addi16sp and c.lui. */
static void lui_or_sp(uint32_t raw, struct rv_insn *i)
{
	uint8_t rd = reg(raw, 7);
	int32_t imm = sign(raw, 9) | bits(raw, 6, 6, 4) | bits(raw, 5, 5, 6) | bits(raw, 4, 3, 7) |
		      bits(raw, 2, 2, 5);

	if (!imm) {
		return; /* reserved; the bits of both immediates are the same */
	}
	if (rd == REG_SP) {
		with_imm(i, RV_OP_ADDI, REG_SP, REG_SP, imm);
	} else {
		with_imm(i, RV_OP_LUI, rd, 0, imm6(raw) * 4096);
	}
}

/* c.srli, c.srai, c.andi, and operations on two registers. */
static void arithmetic(uint32_t raw, struct rv_insn *i)
{
	static const uint8_t ops[8] = { RV_OP_SUB,  RV_OP_XOR,	RV_OP_OR,      RV_OP_AND,
					RV_OP_SUBW, RV_OP_ADDW, RV_OP_ILLEGAL, RV_OP_ILLEGAL };
	uint8_t rd = reg_short(raw, 7);
	unsigned int which = (raw >> 10 & 4) | (raw >> 5 & 3);

	switch (raw >> 10 & 3) {
	case 0:
		with_imm(i, RV_OP_SRLI, rd, rd, shamt(raw));
		break;
	case 1:
		with_imm(i, RV_OP_SRAI, rd, rd, shamt(raw));
		break;
	case 2:
		with_imm(i, RV_OP_ANDI, rd, rd, imm6(raw));
		break;
	default:
		if (ops[which] != RV_OP_ILLEGAL) {
			with_regs(i, ops[which], rd, rd, reg_short(raw, 2));
		}
		break;
	}
}

static void quadrant_1(uint32_t raw, struct rv_insn *i)
{
	uint8_t rd = reg(raw, 7);

	switch (raw >> 13) {
	case 0:
		with_imm(i, RV_OP_ADDI, rd, rd, imm6(raw));
		break;
	case 1:
		if (rd) {
			with_imm(i, RV_OP_ADDIW, rd, rd, imm6(raw));
		}
		break;
	case 2:
		with_imm(i, RV_OP_ADDI, rd, 0, imm6(raw));
		break;
	case 3:
		lui_or_sp(raw, i);
		break;
	case 4:
		arithmetic(raw, i);
		break;
	case 5:
		with_imm(i, RV_OP_JAL, 0, 0, offset_j(raw));
		break;
	case 6:
		with_source(i, RV_OP_BEQ, reg_short(raw, 7), 0, offset_b(raw));
		break;
	default:
		with_source(i, RV_OP_BNE, reg_short(raw, 7), 0, offset_b(raw));
		break;
	}
}

/* c.jr, c.mv, c.ebreak, c.jalr, c.add. */
static void move_or_jump(uint32_t raw, struct rv_insn *i)
{
	bool is_second = raw & 0x1000;
	uint8_t rd = reg(raw, 7);
	uint8_t rs2 = reg(raw, 2);

	if (rs2) {
		with_regs(i, RV_OP_ADD, rd, is_second ? rd : 0, rs2);
	} else if (rd) {
		with_imm(i, RV_OP_JALR, is_second ? REG_RA : 0, rd, 0);
	} else if (is_second) {
		i->op = RV_OP_EBREAK;
	}
}

static void quadrant_2(uint32_t raw, struct rv_insn *i)
{
	uint8_t rd = reg(raw, 7);
	uint8_t rs2 = reg(raw, 2);

	switch (raw >> 13) {
	case 0:
		with_imm(i, RV_OP_SLLI, rd, rd, shamt(raw));
		break;
	case 1:
		with_imm(i, RV_OP_FLD, rd, REG_SP, offset_ldsp(raw));
		break;
	case 2:
		if (rd) {
			with_imm(i, RV_OP_LW, rd, REG_SP, offset_lwsp(raw));
		}
		break;
	case 3:
		if (rd) {
			with_imm(i, RV_OP_LD, rd, REG_SP, offset_ldsp(raw));
		}
		break;
	case 4:
		move_or_jump(raw, i);
		break;
	case 5:
		with_source(i, RV_OP_FSD, REG_SP, rs2, offset_sdsp(raw));
		break;
	case 6:
		with_source(i, RV_OP_SW, REG_SP, rs2, offset_swsp(raw));
		break;
	default:
		with_source(i, RV_OP_SD, REG_SP, rs2, offset_sdsp(raw));
		break;
	}
}

void rv_decode_compressed(uint16_t raw, struct rv_insn *ret)
{
	*ret = (struct rv_insn){ .op = RV_OP_ILLEGAL, .bytes = 2, .raw = raw };
	switch (raw & 3) {
	case 0:
		quadrant_0(raw, ret);
		break;
	case 1:
		quadrant_1(raw, ret);
		break;
	default:
		quadrant_2(raw, ret);
		break;
	}
}
