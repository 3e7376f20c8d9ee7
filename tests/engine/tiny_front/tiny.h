/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A second front end for the translator, as small as it can be and still run programs: a subset of AArch64 at EL1, without
 * MMU, interrupts and exclusive accesses. It proves that IR, optimiser, emitter and engine know no guest architecture, and
 * shows who writes a front end what one is made of (docs/porting-dbt.md).
 *
 *   tiny_front.c   the table: the guest CPU, its interpreter
 *   tiny_ir.c      instructions as IR: conditions and branches; blocks
 *   tiny_ir_int.c  integers
 *   tiny_ir_mem.c  loads and stores
 *   tiny_ir_fp.c   floating point and vectors
 *   tiny_fp.c      what is rare in floating point, in C
 *   tiny_table.c   takes the place of front_table.c in the programs of this folder
 *
 * Source: Arm ARM (DDI 0487), chapter C4 and following.
 */
#ifndef PINFOLD_TESTS_ENGINE_TINY_FRONT_TINY_H
#define PINFOLD_TESTS_ENGINE_TINY_FRONT_TINY_H

#include "cpu/a64/a64.h"
#include "engine/dbt/front/front.h"

/*
 * IR registers: x0 to x30, sp, zero; the flags; v0 to v31 as two halves of 64 bits. The lower ones are scalar floating point
 * too, the upper ones are reached as integers only.
 */
#define TINY_X(n)	  ((ir_val)(n))
#define TINY_SP		  ((ir_val)31)
#define TINY_ZERO	  ((ir_val)32)
#define TINY_N		  ((ir_val)33)
#define TINY_Z		  ((ir_val)34)
#define TINY_C		  ((ir_val)35)
#define TINY_V		  ((ir_val)36)
#define TINY_D(n)	  ((ir_val)(37 + (n)))
#define TINY_UP(n)	  ((ir_val)(69 + (n)))
#define TINY_REGS	  101u
#define TINY_PSTATE_SHIFT 28 /* of V; C, Z, N follow */

/** The guest CPU object. */
struct tiny_cpu {
	struct a64_state s; /* but for the flags, which are here: */
	uint8_t n, z, c, v;
	struct front_memory memory;
	const struct mem *mem;
	struct ir_block block; /* of the interpreter */
	uint64_t temps[IR_TEMPS_MAX];
};

/** A block being made. */
struct tiny_ir {
	struct ir_block *b;
	uint32_t w; /* the instruction */
	uint64_t pc;
};

extern const struct front_ops tiny_front_ops;
extern const struct ir_reg tiny_regs[TINY_REGS];

/** Bits @p lo to @p hi of the instruction. */
static inline uint32_t tiny_bits(const struct tiny_ir *t, unsigned int hi, unsigned int lo)
{
	return t->w >> lo & (uint32_t)(BIT(hi - lo + 1) - 1);
}

/** The same, signed. */
static inline int64_t tiny_signed(const struct tiny_ir *t, unsigned int hi, unsigned int lo)
{
	unsigned int up = 63 - (hi - lo);

	return (int64_t)((uint64_t)tiny_bits(t, hi, lo) << up) >> up;
}

/* Fields that are in the same place wherever they are. */
static inline uint32_t tiny_rd(const struct tiny_ir *t)
{
	return t->w & 31;
}

static inline uint32_t tiny_rn(const struct tiny_ir *t)
{
	return t->w >> 5 & 31;
}

static inline uint32_t tiny_rm(const struct tiny_ir *t)
{
	return t->w >> 16 & 31;
}

static inline enum ir_type tiny_sf(const struct tiny_ir *t)
{
	return t->w >> 31 ? IR_I64 : IR_I32;
}

/** Register @p n as an operand, 31 being zero. */
static inline ir_val tiny_x(uint32_t n)
{
	return n == 31 ? TINY_ZERO : TINY_X(n);
}

/** The same, 31 being the stack pointer. */
static inline ir_val tiny_xsp(uint32_t n)
{
	return n == 31 ? TINY_SP : TINY_X(n);
}

/** Register @p n as a destination; 31: a temporary that nobody reads. */
static inline ir_val tiny_dst(struct tiny_ir *t, uint32_t n)
{
	return n == 31 ? ir_temp(t->b) : TINY_X(n);
}

/** Append an operation whose result is a new temporary. */
static inline ir_val tiny_op(struct tiny_ir *t, enum ir_op op, enum ir_type type, ir_val a,
			     ir_val b)
{
	ir_val d = ir_temp(t->b);

	ir_add(t->b, op, type, d, a, b);
	return d;
}

/** The same with a number for operand b. */
static inline ir_val tiny_op_imm(struct tiny_ir *t, enum ir_op op, enum ir_type type, ir_val a,
				 uint64_t imm)
{
	ir_val d = ir_temp(t->b);

	ir_add_imm(t->b, op, type, d, a, (int64_t)imm);
	return d;
}

/** Move a value to a register. */
static inline void tiny_mov(struct tiny_ir *t, ir_val dst, ir_val a)
{
	ir_add(t->b, IR_MOV, IR_I64, dst, a, IR_NONE);
}

/** Move a number to a register. */
static inline void tiny_mov_imm(struct tiny_ir *t, ir_val dst, uint64_t imm)
{
	ir_add_imm(t->b, IR_MOV, IR_I64, dst, IR_NONE, (int64_t)imm);
}

/** A rule: what an instruction looks like, and what makes operations of it. */
struct tiny_rule {
	uint32_t mask, value;
	bool (*fn)(struct tiny_ir *t); /* false: it is none, or one that is interpreted */
};

extern const struct tiny_rule tiny_int_rules[], tiny_mem_rules[], tiny_fp_rules[];
extern const size_t tiny_int_n_rules, tiny_mem_n_rules, tiny_fp_n_rules;

/**
 * front_ops.decode.
 * @param guests_max so many instructions
 */
bool tiny_ir_decode(uint64_t pc, const uint8_t *code, size_t n, size_t guests_max,
		    struct ir_block *ret);

/**
 * Register @p rm, extended and shifted left.
 * @param option UXTB, UXTH ... SXTX, as the instructions have it
 */
ir_val tiny_extended(struct tiny_ir *t, uint32_t rm, uint32_t option, unsigned int shift);

/** Append a FLAGS of all four flags, in the width of the instruction; @p b may be IR_NONE with LOGIC. */
struct ir_insn *tiny_flags(struct tiny_ir *t, enum ir_flags_of of, ir_val a, ir_val b);

/** Append a SET_IF or BRANCH of a condition code. */
struct ir_insn *tiny_cond(struct tiny_ir *t, enum ir_op op, ir_val dst, uint32_t code);

/**
 * Floating point in C, for NaNs and results next to the least normal number: the arithmetic instruction or comparison @p w.
 * @return false: it is none
 */
bool tiny_fp_exact(struct tiny_cpu *c, uint32_t w);

#endif
