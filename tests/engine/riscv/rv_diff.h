/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random instruction sequences: the interpreter against qemu-riscv64. What the files share.
 *
 *   rv_gen.c      a sequence, its registers and memory, as bytes
 *   rv_gen_insn.c one random item of it
 *   rv_run.c      the interpreter's side
 *   rv_diff.c     options, the referee's process, comparison, shortening
 *   rv_referee*   the other side
 */
#ifndef TESTS_ENGINE_RISCV_RV_DIFF_H
#define TESTS_ENGINE_RISCV_RV_DIFF_H

#include <stdbool.h>

#include "cpu/riscv/rv_decode.h"
#include "rv_wire.h"

#define RV_ITEMS_MAX	  24
#define RV_ITEM_BYTES_MAX 16

/** What an item's displacement goes into when the sequence is put together. */
enum rv_jump {
	RV_JUMP_NONE,
	RV_JUMP_BRANCH,	    /* B format */
	RV_JUMP_JAL,	    /* J format */
	RV_JUMP_C_BRANCH,   /* c.beqz, c.bnez */
	RV_JUMP_C_J,	    /* c.j */
	RV_JUMP_REGISTER,   /* auipc; jalr */
	RV_JUMP_C_REGISTER, /* auipc; addi; c.jr or c.jalr */
};

/** One instruction, or a few that only make sense together. */
struct rv_item {
	uint8_t bytes[RV_ITEM_BYTES_MAX];
	uint8_t n_bytes;
	uint8_t jump; /* enum rv_jump: forward, over the next @p skip items */
	uint8_t skip;
};

/** A sequence with all that it starts from. */
struct rv_seq {
	struct rv_item items[RV_ITEMS_MAX];
	uint32_t n;
	struct rv_wire_state start;    /* x1 and pointers are set for a slot when put together */
	uint32_t amo_word, amo_double; /* offsets in data of what x29 and x28 point to */
};

/** A sequence as both sides get it: at a slot's addresses. */
struct rv_case {
	uint8_t code[RV_WIRE_CODE_BYTES];
	uint32_t end; /* offset of the way out */
	struct rv_wire_state state;
};

/** Registers that sequences don't write: pointers to the middle of data. */
#define RV_REG_SP     2u
#define RV_REG_BASE_C 8u
#define RV_REG_DOUBLE 28u
#define RV_REG_WORD   29u
#define RV_REG_BASE   30u
#define RV_REG_EXIT   31u

/** Sequence number @p index of a seed: the same whatever was made before. */
void rv_seq_make(uint64_t seed, uint64_t index, struct rv_seq *ret);

/** Put a sequence together for slot @p slot. */
void rv_seq_assemble(const struct rv_seq *s, uint32_t slot, struct rv_case *ret);

/** Drop one item. */
void rv_seq_drop(struct rv_seq *s, uint32_t at);

/** One random item. */
void rv_item_make(uint64_t *rng, struct rv_item *ret);

/** @return whether sequences have it: all that user mode may execute and the referee knows */
bool rv_is_generated(enum rv_op op);

/** What the interpreter is asked to do wrong, and what it has executed. */
struct rv_run {
	enum rv_op spoil; /* its result is one too large; RV_OP_ILLEGAL: none */
	/*
	 * qemu 7.2's ctzw counts on into the upper half when the word is zero and that is not
	 * (mended in 8.0). Where a probe shows that, the interpreter's 32, which test_rv_exec.c
	 * checks, is replaced, so that whatever follows is still compared.
	 */
	bool is_ctzw_wrong;
	uint64_t imitated;
	uint64_t executed[RV_OP_COUNT];
	uint64_t exceptions;
};

/** Run the case of slot @p slot on the interpreter; @p c.state becomes the state at its end. */
void rv_run_case(struct rv_run *run, struct rv_case *c, uint32_t slot);

#endif
