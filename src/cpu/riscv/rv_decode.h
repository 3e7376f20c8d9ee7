/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V instructions, decoded: one table of encodings (rv_insns.def) for interpreter, translator, tests and
 * coverage. Compressed instructions decode to the instruction that they stand for, with bytes = 2.
 *
 * Source: RISC-V unprivileged ISA 20191213; bit manipulation 1.0.0 (Zba, Zbb, Zbs); Zicond 1.0; CMO 1.0 (Zicbom,
 * Zicboz); privileged architecture 1.12; Svinval 1.0.
 */
#ifndef PINFOLD_CPU_RISCV_RV_DECODE_H
#define PINFOLD_CPU_RISCV_RV_DECODE_H

#include <stdbool.h>
#include <stdint.h>

/** How operands lie in an instruction word. */
enum rv_format {
	RV_FMT_R,     /* rd rs1 rs2 */
	RV_FMT_R4,    /* rd rs1 rs2 rs3 rm */
	RV_FMT_RM,    /* rd rs1 rs2 rm: floating point with rounding mode */
	RV_FMT_I,     /* rd rs1 imm */
	RV_FMT_SHIFT, /* rd rs1 imm = shift amount, 6 bits */
	RV_FMT_S,     /* rs1 rs2 imm */
	RV_FMT_B,
	RV_FMT_U,
	RV_FMT_J,
	RV_FMT_CSR,  /* rd, imm = CSR number, rs1 = register or 5-bit immediate */
	RV_FMT_AMO,  /* rd rs1 rs2, imm = aq << 1 | rl */
	RV_FMT_NONE, /* no operands, or (fences) none that we look at */
};

/** Every instruction; RV_OP_ILLEGAL is 0. */
enum rv_op {
	RV_OP_ILLEGAL,
#define RV_INSN(op, name, format, match, mask) RV_OP_##op,
#include "cpu/riscv/rv_insns.def"
#undef RV_INSN
	RV_OP_COUNT,
};

/** A decoded instruction. */
struct rv_insn {
	uint16_t op;   /* enum rv_op */
	uint8_t bytes; /* 2 or 4 */
	uint8_t rd, rs1, rs2, rs3;
	uint8_t rm;   /* rounding mode as encoded, 0 to 7 */
	int32_t imm;  /* sign-extended; U: imm << 12 */
	uint32_t raw; /* for mtval */
};

/**
 * Decode.
 * @param raw the word at pc; for a 2-byte instruction the upper half is ignored
 * @param ret op ILLEGAL for what is no instruction of ours: bytes and raw are filled
 */
void rv_decode(uint32_t raw, struct rv_insn *ret);

/** @return "addi", "c.addi" is named "addi" too; for traces and tests */
const char *rv_op_name(enum rv_op op);

/** @return how its operands lie */
enum rv_format rv_op_format(enum rv_op op);

/** An encoding of @p op with all operand fields zero, and the mask of its fixed bits; for generators. */
void rv_op_encoding(enum rv_op op, uint32_t *ret_match, uint32_t *ret_mask);

#endif
