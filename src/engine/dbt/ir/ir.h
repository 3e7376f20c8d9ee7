/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator's intermediate representation: what a run of guest instructions does, in operations that know neither
 * a guest architecture nor a host.
 *
 * Values. An operand is a number (ir_val): a guest register, a temporary or nothing. Guest registers ("registers") live
 * on from block to block; front end and emitter agree about them through a table (struct ir_reg). Temporaries have one
 * definition, and live within one guest instruction's operations (tier 2 may prolong them); at most IR_TEMPS_LIVE_MAX
 * are alive at once. All integer values are 64 bits wide; an operation of type I8, I16 or I32 looks at that many low
 * bits of its operands, and gives its result zero-extended, or sign-extended with IR_SX. So RISC-V's addw is ADD.i32
 * with IR_SX, AArch64's `add w0` is ADD.i32, and x86's `add al, bl` is ADD.i8 followed by INSERT.i8. An immediate is
 * cut to the type like any operand.
 *
 * A number where an operation wants a value is a temporary: t0 = MOV #0, and t0 costs nothing where the host can say
 * the number itself.
 *
 * Flags. A guest's condition flags are registers of class IR_CLASS_BIT: as an operand 0 or 1, as a destination they take
 * bit 0 of the result. FLAGS computes some of them from an operation's operands (cond says which operation);
 * flags that are written again before they are read or may be seen are never computed, and a BRANCH or SET_IF
 * right behind a FLAGS that compares one of its flags with 0, or n with v, needs no compare of its own.
 *
 * Exactness. Operations belong to guest instructions (struct ir_guest): everything before the last operation of one
 * that may fault or exit (ir_op_may_stop()) must leave the registers as they were before that instruction: front ends
 * compute into temporaries first. (That last operation itself may write a register: x10 = LOAD ... is fine.)
 *
 * Control. A block has one entry and ends with one of the ends (ir_op_is_end()), which belongs to the last of its at
 * most IR_BLOCK_GUEST_MAX guest instructions. The budget (guest instructions left) is charged by the emitter at the
 * block's entry.
 *
 * Types. Which combinations exist is what ir_block_check() admits; in short: integer operations take I8 to I64, except
 * MULH*, DIV*, REM*, SHL_ADD and HELPER (I32, I64), OR_BYTES (I64), BSWAP (not I8); MOV takes I64 and F64; LOAD and
 * STORE all but V128, an FP type moving FP values and an integer type integer ones; FP operations F32 and F64.
 * Registers of class VEC and type V128 have no operation yet.
 *
 *   0x80000010  lw   a0, 4(sp)     t0 = LOAD.i32 sx [x2 + 4]        x10 = MOV t0
 *   0x80000014  addw a0, a0, a1    x10 = ADD.i32 sx x10, x11
 *   0x80000018  bnez a0, .-8       BRANCH.i64 ne x10, #0  ->  0x80000010 | 0x8000001c
 */
#ifndef PINFOLD_ENGINE_DBT_IR_IR_H
#define PINFOLD_ENGINE_DBT_IR_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

/** A register (below IR_TEMP0), a temporary, or IR_NONE. */
typedef uint16_t ir_val;

#define IR_REGS_MAX	  192u
#define IR_TEMP0	  ((ir_val)IR_REGS_MAX)
#define IR_TEMPS_MAX	  512u
#define IR_TEMPS_LIVE_MAX 12u
#define IR_NONE		  ((ir_val)0xffff)

/** What a register holds. */
enum ir_class {
	IR_CLASS_INT,  /* 64 bits */
	IR_CLASS_FP,   /* 64 bits, moved by floating-point operations */
	IR_CLASS_VEC,  /* 128 bits */
	IR_CLASS_BIT,  /* 0 or 1, one byte in memory */
	IR_CLASS_ZERO, /* reads as integer 0, costs nothing, is never written */
};

/** A guest register as the emitter knows it. */
struct ir_reg {
	const char *name;
	uint8_t cls;	 /* enum ir_class */
	uint8_t rank;	 /* 1: most worth a host register of its own; 0: lives in memory */
	uint16_t offset; /* in the guest CPU's state, from where the host's base register points */
};

/** Width of an operation. */
enum ir_type { IR_I8, IR_I16, IR_I32, IR_I64, IR_F32, IR_F64, IR_V128 };

/** Comparisons; with operands of the instruction's type. */
enum ir_cond {
	IR_EQ,
	IR_NE,
	IR_LT, /* signed */
	IR_GE,
	IR_LTU, /* unsigned */
	IR_GEU,
	IR_LE,
	IR_GT,
	IR_LEU,
	IR_GTU,
	IR_BITS,   /* (a & b) != 0 */
	IR_NOBITS, /* (a & b) == 0 */
};

/** What FLAGS looks at. */
enum ir_flags_of {
	IR_FLAGS_ADD,  /* of a + b */
	IR_FLAGS_SUB,  /* of a - b: carry is "no borrow" */
	IR_FLAGS_ADC,  /* of a + b + c, c a BIT */
	IR_FLAGS_SBC,  /* of a - b - !c */
	IR_FLAGS_LOGIC /* of a & b (without b: of a): N and Z; C and V become 0 */
};

/* Operation flags. */
#define IR_SX	BIT(0) /* sign-extend the result from the operation's width to 64 bits */
#define IR_IMM	BIT(1) /* imm stands for operand b */
#define IR_CALL BIT(2) /* JUMP, JUMP_REG: a call; the return address is imm (a guest address) */
#define IR_RET	BIT(3) /* JUMP_REG: a return */
#define IR_SAFE \
	BIT(4) /* LOAD, STORE: the address is surely in the window, or so near it that nothing is mapped there */

#define IR_SOFT \
	BIT(5) /* LOAD, STORE: by the host's table of pages instead of its window; see emit.h */

/**
 * Division where the guests differ: by zero and INT_MIN / -1. Traps are the front end's business (an explicit
 * BRANCH or STEP).
 */
enum ir_div {
	IR_DIV_RISCV, /* x / 0 = -1, x % 0 = x; overflow wraps */
	IR_DIV_ARM,   /* x / 0 = 0; overflow wraps */
};

/*
 * Every operation: name, what stands in its fields. "d" is dst. Operand b may be imm with IR_IMM in all two-operand
 * integer operations, SET_IF, BRANCH, STEP_IF and FLAGS.
 */
#define IR_OPS(X)                                                                                                           \
	X(NOP)                                                                                                              \
	X(MOV) /* d = a, or imm. Any class; INT and FP may mix (bits are moved) */                                          \
	X(ADD)                                                                                                              \
	X(SUB)                                                                                                              \
	X(AND)                                                                                                              \
	X(OR)                                                                                                               \
	X(XOR)                                                                                                              \
	X(ANDN) /* a & ~b */                                                                                                \
	X(ORN)	/* a | ~b */                                                                                                \
	X(XNOR) /* ~(a ^ b) */                                                                                              \
	X(SHL)	/* the amount is taken modulo the width */                                                                  \
	X(SHR)                                                                                                              \
	X(SAR)                                                                                                              \
	X(ROL)                                                                                                              \
	X(ROR)                                                                                                              \
	X(SHL_ADD) /* d = (a << c) + b; c is a number, 0 to 3, not a value; a zero-extended from \
		    * the type, the sum 64 bits */                          \
	X(MUL)                                                                                                              \
	X(MULH_SS) /* high half of the product */                                                                           \
	X(MULH_UU)                                                                                                          \
	X(MULH_SU) /* a signed, b unsigned */                                                                               \
	X(DIV_S)   /* cond: enum ir_div */                                                                                  \
	X(DIV_U)                                                                                                            \
	X(REM_S)                                                                                                            \
	X(REM_U)                                                                                                            \
	X(EXT)	  /* d = low bits of a of the type, zero- or sign-extended */                                               \
	X(INSERT) /* d = a with its low bits of the type replaced by those of b */                                          \
	X(CLZ)	  /* of zero: the width */                                                                                  \
	X(CTZ)                                                                                                              \
	X(POPCNT)                                                                                                           \
	X(BSWAP)                                                                                                            \
	X(OR_BYTES) /* every byte of a that is not 0 becomes 0xff */                                                        \
	X(MIN_S)                                                                                                            \
	X(MAX_S)                                                                                                            \
	X(MIN_U)                                                                                                            \
	X(MAX_U)                                                                                                            \
	X(SET_IF) /* d = a cond b ? 1 : 0 */                                                                                \
	X(SELECT) /* d = a != 0 ? b : c */                                                                                  \
	X(FLAGS)  /* cond: enum ir_flags_of; aux: index into ir_block.flag_regs */                                          \
	X(LOAD) /* d = [a + imm]; FP types: an F32 is given with all upper bits set (boxed) with IR_SX */                   \
	X(STORE) /* [a + imm] = b */                                                                                        \
	X(FENCE)                                                                                                            \
	/* Floating point: scalar IEEE 754 with the guest's rounding mode and flags, which live in the host's \
	 * control register. F32 operands are taken from the low half; results have zeros above it, with IR_SX ones. A NaN \
	 * that is a result may be any quiet one. */             \
	X(FADD)                                                                                                             \
	X(FSUB)                                                                                                             \
	X(FMUL)                                                                                                             \
	X(FDIV)                                                                                                             \
	X(FSQRT)                                                                                                            \
	X(FMADD) /* a * b + c; infinity * 0 + NaN is invalid, as the manuals of RISC-V and ARM have it */                   \
	X(FMSUB)  /* a * b - c */                                                                                           \
	X(FNMADD) /* -(a * b) - c */                                                                                        \
	X(FNMSUB) /* -(a * b) + c */                                                                                        \
	X(FNEG)	  /* sign operations move bits and raise no flag */                                                         \
	X(FABS)                                                                                                             \
	X(FCOPYSIGN) /* a with the sign of b */                                                                             \
	X(FXORSIGN)                                                                                                         \
	X(FUNBOX) /* F32: d = a if its upper half is all ones, else the canonical NaN, boxed */                             \
	X(FCANON) /* d = a, or the canonical NaN (positive, quiet, payload 0) if a is a NaN, which must be a quiet one: a \
		   * result; boxed for F32 with IR_SX */ \
	X(FSET_IF) /* d (INT) = a cond b; cond EQ quiet, LT and LE signalling; unordered: 0 */                              \
	X(FCVT_FF) /* type: of the result; from the other one */                                                            \
	X(FCVT_FI) /* to FP of the type from integer a; cond: enum ir_int */                                                \
	X(FCVT_IF) /* to integer d (cond: enum ir_int), from FP of the type; truncating, saturating as RISC-V; 32 bits \
		    * zero-extended, or sign-extended with IR_SX */    \
	/* Leaving the straight line. */                                                                                    \
	X(HELPER) /* call helper imm (the front end's table) with operands a, b; d = its result. May read and write every \
		      * register in memory: the emitter stores them before and reloads them after. If it says so, the block ends \
		      * there, with the state it left. */ \
	X(STEP_IF) /* if a cond b, leave and interpret this guest instruction: for its rare cases, which no operation \
		       * describes (a NaN, a division by zero that traps); else nothing */     \
	X(STEP) /* end: interpret this guest instruction, which no operation describes, and go on behind it */              \
	X(BRANCH)   /* end: to target if a cond b, else to next */                                                          \
	X(JUMP)	    /* end: to target */                                                                                    \
	X(JUMP_REG) /* end: to address a, whose low bit(s) the front end has cleared */

enum ir_op {
#define IR_OP_ENUM(op) IR_##op,
	IR_OPS(IR_OP_ENUM)
#undef IR_OP_ENUM
		IR_OP_COUNT,
};

/** Integer types of conversions. */
enum ir_int { IR_INT_S32, IR_INT_U32, IR_INT_S64, IR_INT_U64 };

/** Which flag registers a FLAGS writes: register numbers, or IR_NONE. */
struct ir_flag_regs {
	ir_val n, z, c, v;
};

/** One operation. */
struct ir_insn {
	uint8_t op;    /* enum ir_op */
	uint8_t type;  /* enum ir_type */
	uint8_t cond;  /* enum ir_cond, or what the operation says */
	uint8_t flags; /* IR_SX, IR_IMM, ... */
	ir_val dst, a, b, c;
	uint16_t guest; /* index of its guest instruction in the block */
	uint16_t aux;	/* FLAGS: index into ir_block.flag_regs */
	int64_t imm;
};

/** One guest instruction of a block. */
struct ir_guest {
	uint64_t pc;
	uint8_t bytes;
	uint16_t first; /* its first operation */
};

#define IR_BLOCK_GUEST_MAX 64u
#define IR_GUEST_BYTES_MAX 16u /* of an instruction */
#define IR_BLOCK_INSNS_MAX 512u
#define IR_BLOCK_FLAGS_MAX 64u

/* What one guest instruction may add at most: ir_guest_begin() sees to the space. */
#define IR_GUEST_INSNS_MAX 32u
#define IR_GUEST_FLAGS_MAX 2u

/** A run of guest instructions with one entry and, at its end, one exit operation. */
struct ir_block {
	uint64_t pc;	 /* of the first */
	uint64_t next;	 /* behind the last: where BRANCH falls through and STEP goes on */
	uint64_t target; /* of BRANCH and JUMP */
	size_t n_insns, n_guests, n_flag_regs;
	ir_val n_temps; /* temporaries are IR_TEMP0 to IR_TEMP0 + n_temps - 1 */
	struct ir_guest guests[IR_BLOCK_GUEST_MAX];
	struct ir_flag_regs flag_regs[IR_BLOCK_FLAGS_MAX];
	struct ir_insn insns[IR_BLOCK_INSNS_MAX]; /* last: most of it is not touched */
};

/** Empty a block that begins at @p pc. */
void ir_block_init(struct ir_block *b, uint64_t pc);

/**
 * Begin the next guest instruction.
 * @return false: the block is full and must be ended before it. (There is always space for one more operation that ends it.)
 */
bool ir_guest_begin(struct ir_block *b, uint64_t pc, uint8_t bytes);

/** A new temporary. */
ir_val ir_temp(struct ir_block *b);

/** Append an operation of the current guest instruction; @return it, for the rarer fields */
struct ir_insn *ir_add(struct ir_block *b, enum ir_op op, enum ir_type type, ir_val dst, ir_val a,
		       ir_val b_val);

/** Append one whose operand b is a number. */
struct ir_insn *ir_add_imm(struct ir_block *b, enum ir_op op, enum ir_type type, ir_val dst,
			   ir_val a, int64_t imm);

/** @return whether it ends a block */
bool ir_op_is_end(enum ir_op op);

/** @return whether it may fault or leave the block with registers as before its guest instruction */
bool ir_op_may_stop(enum ir_op op);

/** Append a FLAGS; the caller may set operand c or make operand b a number. */
struct ir_insn *ir_add_flags(struct ir_block *b, enum ir_flags_of of, enum ir_type type, ir_val a,
			     ir_val b_val, struct ir_flag_regs regs);

/** What stands in an operation's fields. */
struct ir_op_info {
	const char *name; /* "add", "load", ... */
	/* Of dst, a, b, c: 'i' integer (or BIT), 'f' FP, 't' of the type's kind, '*' any; upper case: may be
	 * IR_NONE; '-' nothing. */
	char fields[5];
	uint8_t types; /* BIT(enum ir_type) that exist */
	bool has_imm;  /* IR_IMM for operand b */
	bool is_end;
	bool may_stop;
};

/** The table, by enum ir_op. */
extern const struct ir_op_info ir_op_table[];

/** @return "add", "load", ... */
const char *ir_op_name(enum ir_op op);

/**
 * Check a block against the rules at the head of this file; for tests and debug builds.
 * @param ret_why static sentence; untouched if it is right
 */
bool ir_block_check(const struct ir_block *b, const struct ir_reg *regs, size_t n_regs,
		    const char **ret_why);

/** One line for people: "x10 = add.i32 sx x10, x11". @return characters written, without the NUL */
size_t ir_insn_print(const struct ir_insn *i, const struct ir_reg *regs, size_t n_regs, char *buf,
		     size_t size);

#endif
