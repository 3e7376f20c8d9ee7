/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One random item of a sequence. Operations are drawn from rv_insns.def, so that none is forgotten. */
#include <string.h>

#include "../../unit/test_rv_float_values.h"
#include "base/bits.h"
#include "base/bug.h"
#include "rv_diff.h"

#define OPCODE_LOAD	0x03
#define OPCODE_FP_LOAD	0x07
#define OPCODE_FP_STORE 0x27
#define OPCODE_SYSTEM	0x73

#define CSR_FFLAGS 1
#define CSR_FRM	   2

#define INSN_EBREAK   0x00100073u
#define INSN_C_EBREAK 0x9002u
#define INSN_AUIPC    0x17u
#define INSN_ADDI     0x13u
#define INSN_JALR     0x67u

/* An x register that may be written. */
static uint32_t any_rd(uint64_t *rng)
{
	uint32_t r;

	do {
		r = rv_below(rng, 28);
	} while (r == RV_REG_SP || r == RV_REG_BASE_C);
	return r;
}

static uint32_t any_reg(uint64_t *rng)
{
	return rv_below(rng, 32);
}

static void put(struct rv_item *item, uint32_t insn, uint8_t bytes)
{
	BUG_ON(item->n_bytes + bytes > RV_ITEM_BYTES_MAX);
	store_le(item->bytes + item->n_bytes, insn, bytes);
	item->n_bytes = (uint8_t)(item->n_bytes + bytes);
}

static uint32_t opcode_of(enum rv_op op)
{
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	return match & 0x7f;
}

/* Operations that qemu 7.2 doesn't know; test_rv_exec.c has their checks. */
static bool is_unknown_to_referee(enum rv_op op)
{
	switch (op) {
	case RV_OP_CBO_INVAL:
	case RV_OP_CBO_CLEAN:
	case RV_OP_CBO_FLUSH:
	case RV_OP_CBO_ZERO:
	case RV_OP_CZERO_EQZ:
	case RV_OP_CZERO_NEZ:
		return true;
	default:
		return false;
	}
}

bool rv_is_generated(enum rv_op op)
{
	if (op == RV_OP_ILLEGAL || is_unknown_to_referee(op)) {
		return false;
	}
	/* Privileged, and the system call. */
	return opcode_of(op) != OPCODE_SYSTEM || op == RV_OP_EBREAK ||
	       rv_op_format(op) == RV_FMT_CSR;
}

/* x28 is aligned for doubles, x29 for words only. */
static uint32_t amo_address(uint64_t *rng, enum rv_op op)
{
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	return (match >> 12 & 7) == 3 || (rv_rand(rng) & 1) ? RV_REG_DOUBLE : RV_REG_WORD;
}

static uint32_t amo(uint64_t *rng, enum rv_op op, uint32_t rs1)
{
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	match |= ((uint32_t)rv_rand(rng) & 0x07f00000u & ~mask) | any_rd(rng) << 7;
	return match | rs1 << 15;
}

/*
 * A reservation never outlives its item: what stores do to it, and whether the sizes of LR and SC may differ, is left
 * to implementations. An SC is paired with an LR of the same or of another address, or alone.
 */
static void make_atomic(uint64_t *rng, enum rv_op op, struct rv_item *item)
{
	uint32_t rs1 = amo_address(rng, op);
	bool is_lr = op == RV_OP_LR_W || op == RV_OP_LR_D;
	bool is_sc = op == RV_OP_SC_W || op == RV_OP_SC_D;
	bool is_word = op == RV_OP_LR_W || op == RV_OP_SC_W;

	if (is_lr || (is_sc && rv_below(rng, 4))) {
		put(item, amo(rng, is_word ? RV_OP_LR_W : RV_OP_LR_D, rs1), 4);
		if (rv_rand(rng) & 1) {
			put(item, INSN_ADDI | any_rd(rng) << 7 | 1u << 20, 4);
		}
		op = is_word ? RV_OP_SC_W : RV_OP_SC_D;
		rs1 = rv_below(rng, 4) ? rs1 : amo_address(rng, op);
	}
	put(item, amo(rng, op, rs1), 4);
}

/* fflags, frm, fcsr; modes mostly valid. */
static void make_csr(uint64_t *rng, enum rv_op op, struct rv_item *item)
{
	uint32_t csr = 1 + rv_below(rng, 3);
	uint32_t match;
	uint32_t mask;

	if (csr != CSR_FFLAGS && rv_below(rng, 4)) {
		csr = CSR_FRM;
		op = RV_OP_CSRRWI;
	}
	rv_op_encoding(op, &match, &mask);
	if (csr == CSR_FRM && op == RV_OP_CSRRWI) {
		match |= rv_below(rng, 5) << 15;
	} else {
		match |= any_reg(rng) << 15;
	}
	put(item, match | csr << 20 | any_rd(rng) << 7, 4);
}

/* Addresses within the first or last quarter of data are reached from the middle by any offset below 768. */
static void make_access(uint64_t *rng, enum rv_op op, struct rv_item *item)
{
	int32_t offset = (int32_t)rv_below(rng, 2 * 760) - 760;
	uint32_t imm = (uint32_t)offset & 0xfff;
	bool is_store = rv_op_format(op) == RV_FMT_S;
	bool is_float = opcode_of(op) == OPCODE_FP_LOAD || opcode_of(op) == OPCODE_FP_STORE;
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	match |= (rv_rand(rng) & 1 ? RV_REG_BASE : RV_REG_BASE_C) << 15;
	if (is_store) {
		match |= any_reg(rng) << 20 | (imm & 31) << 7 | imm >> 5 << 25;
	} else {
		match |= imm << 20 | (is_float ? any_reg(rng) : any_rd(rng)) << 7;
	}
	put(item, match, 4);
}

static void make_branch(uint64_t *rng, enum rv_op op, struct rv_item *item)
{
	uint32_t match;
	uint32_t mask;
	uint32_t rs2 = any_reg(rng);

	rv_op_encoding(op, &match, &mask);
	put(item, match | rs2 << 20 | (rv_below(rng, 4) ? any_reg(rng) : rs2) << 15, 4);
	item->jump = RV_JUMP_BRANCH;
	item->skip = (uint8_t)rv_below(rng, 4);
}

/* Indirect jumps have their target from auipc; JALR also clears bit 0, which is set sometimes. */
static void make_register_jump(uint64_t *rng, struct rv_item *item)
{
	uint32_t r;

	do {
		r = any_rd(rng);
	} while (r == 0);
	put(item, INSN_AUIPC | r << 7, 4);
	item->skip = (uint8_t)rv_below(rng, 4);
	if (rv_rand(rng) & 1) {
		uint32_t is_odd = (uint32_t)rv_rand(rng) & 1;

		put(item, INSN_JALR | any_rd(rng) << 7 | r << 15 | is_odd << 20, 4);
		item->jump = RV_JUMP_REGISTER;
		return;
	}
	put(item, INSN_ADDI | r << 7 | r << 15, 4);
	put(item, 0x8002u | r << 7 | ((uint32_t)rv_rand(rng) & 0x1000), 2);
	item->jump = RV_JUMP_C_REGISTER;
}

/* Whether rd is an f register. */
static bool writes_float(enum rv_op op)
{
	const char *name = rv_op_name(op);

	return name[0] == 'f' && strncmp(name, "feq", 3) != 0 && strncmp(name, "flt", 3) != 0 &&
	       strncmp(name, "fle", 3) != 0 && strncmp(name, "fclass", 6) != 0 &&
	       strncmp(name, "fmv.x", 5) != 0 && strncmp(name, "fcvt.w", 6) != 0 &&
	       strncmp(name, "fcvt.l", 6) != 0;
}

/* Operands anywhere, rd where it may be. */
static void make_plain(uint64_t *rng, enum rv_op op, struct rv_item *item)
{
	enum rv_format format = rv_op_format(op);
	uint32_t insn = (uint32_t)rv_rand(rng);
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	insn = (insn & ~mask) | match;
	if (!(mask & 0xf80) && !writes_float(op)) {
		insn = (insn & ~0xf80u) | any_rd(rng) << 7;
	}
	if (format == RV_FMT_RM || format == RV_FMT_R4) {
		uint32_t rm = rv_below(rng, 16);

		/* Half dynamic; a reserved mode once in a while. */
		rm = rm < 5 ? rm : rm == 5 && rv_below(rng, 8) == 0 ? 5 + (insn >> 12 & 1) : 7;
		insn = (insn & ~0x7000u) | rm << 12;
	}
	put(item, insn, 4);
}

/* Whether a compressed instruction may stand anywhere. */
static bool is_harmless(const struct rv_insn *i)
{
	bool is_access = i->op == RV_OP_LW || i->op == RV_OP_LD || i->op == RV_OP_SW ||
			 i->op == RV_OP_SD || i->op == RV_OP_FLD || i->op == RV_OP_FSD;
	bool is_jump = i->op == RV_OP_JAL || i->op == RV_OP_JALR || i->op == RV_OP_BEQ ||
		       i->op == RV_OP_BNE;
	bool has_rd = rv_op_format((enum rv_op)i->op) != RV_FMT_S && i->op != RV_OP_FLD;
	bool is_kept = i->rd == RV_REG_SP || i->rd == RV_REG_BASE_C || i->rd >= RV_REG_DOUBLE;

	if (i->op == RV_OP_ILLEGAL || i->op == RV_OP_EBREAK || is_jump || (has_rd && is_kept)) {
		return false;
	}
	return !is_access || i->rs1 == RV_REG_SP || i->rs1 == RV_REG_BASE_C;
}

static void make_compressed(uint64_t *rng, struct rv_item *item)
{
	struct rv_insn i;
	uint32_t raw;

	do {
		raw = (uint32_t)rv_rand(rng) & 0xffff;
		rv_decode(raw, &i);
	} while ((raw & 3) == 3 || !is_harmless(&i));
	put(item, raw, 2);
}

/* c.addi16sp there and back; c.beqz, c.bnez, c.j. */
static void make_compressed_group(uint64_t *rng, struct rv_item *item)
{
	uint32_t which = rv_below(rng, 4);

	if (which == 0) {
		uint32_t imm = 16 + 16 * rv_below(rng, 31);

		for (int i = 0; i < 2; i++) {
			put(item,
			    0x6101u | (imm >> 9 & 1) << 12 | (imm >> 4 & 1) << 6 |
				    (imm >> 6 & 1) << 5 | (imm >> 7 & 3) << 3 | (imm >> 5 & 1) << 2,
			    2);
			imm = -imm;
		}
		return;
	}
	item->skip = (uint8_t)rv_below(rng, 4);
	if (which == 1) {
		put(item, 0xa001u, 2);
		item->jump = RV_JUMP_C_J;
	} else {
		put(item, (which == 2 ? 0xc001u : 0xe001u) | rv_below(rng, 8) << 7, 2);
		item->jump = RV_JUMP_C_BRANCH;
	}
}

static void make_op(uint64_t *rng, enum rv_op op, struct rv_item *item)
{
	enum rv_format format = rv_op_format(op);

	if (format == RV_FMT_AMO) {
		make_atomic(rng, op, item);
	} else if (format == RV_FMT_CSR) {
		make_csr(rng, op, item);
	} else if (format == RV_FMT_S || opcode_of(op) == OPCODE_LOAD ||
		   opcode_of(op) == OPCODE_FP_LOAD) {
		make_access(rng, op, item);
	} else if (format == RV_FMT_B) {
		make_branch(rng, op, item);
	} else if (op == RV_OP_JALR) {
		make_register_jump(rng, item);
	} else if (op == RV_OP_JAL) {
		put(item, 0x6fu | any_rd(rng) << 7, 4);
		item->jump = RV_JUMP_JAL;
		item->skip = (uint8_t)rv_below(rng, 4);
	} else if (op == RV_OP_EBREAK) {
		put(item, rv_rand(rng) & 1 ? INSN_EBREAK : INSN_C_EBREAK, 4);
	} else {
		make_plain(rng, op, item);
	}
}

void rv_item_make(uint64_t *rng, struct rv_item *ret)
{
	uint32_t kind = rv_below(rng, 32);
	enum rv_op op;

	memset(ret, 0, sizeof(*ret));
	if (kind < 6) {
		make_compressed(rng, ret);
		return;
	}
	if (kind < 7) {
		make_compressed_group(rng, ret);
		return;
	}
	do {
		op = (enum rv_op)(1 + rv_below(rng, RV_OP_COUNT - 1));
	} while (!rv_is_generated(op) || (op == RV_OP_EBREAK && rv_below(rng, 8)));
	make_op(rng, op, ret);
}
