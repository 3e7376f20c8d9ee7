/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emitting one block: where temporaries are, what is known about values, what is still to be emitted out of line.
 *
 * An operation asks for its operands (x64_loc_of, x64_in_gpr, x64_in_xmm), then for a place for its result (x64_def...),
 * writes instructions, and ends with x64_finish(). Scratch registers that hold operands are pinned until the operation
 * has ended; others may be taken from the temporaries in them, which move to slots in memory.
 */
#ifndef PINFOLD_ENGINE_DBT_EMIT_X64_X64_GEN_H
#define PINFOLD_ENGINE_DBT_EMIT_X64_X64_GEN_H

#include "base/bug.h"
#include "engine/dbt/emit/x64/x64.h"
#include "engine/dbt/ir/ir_region.h"

#define X64_GPR_SCRATCH 2u /* rax, rdx: index 0, 1 */

/** Out-of-line pieces. */
enum x64_cold_kind {
	X64_COLD_EXIT,	    /* leave */
	X64_COLD_DIV_S,	    /* divisor 0 or -1 */
	X64_COLD_DIV_U,	    /* divisor 0 */
	X64_COLD_CALL_MISS, /* indirect call of what the table does not know */
	X64_COLD_NAN,	    /* write a constant, go on */
	X64_COLD_NANS,	    /* one of two registers is a NaN */
	X64_COLD_FMA,	    /* the result is a NaN: raise what the host does not */
	X64_COLD_CVT,	    /* a conversion to integer that does not fit */
	X64_COLD_CVT_BIG,   /* the same, from 2^63 on, to unsigned */
	X64_COLD_SOFT,	    /* a page that is not in the table */
	X64_COLD_EDGE, /* to another block of the region, or out of it, with something to do before */
};

/** One of them. */
struct x64_cold {
	uint8_t kind;
	uint8_t reg, reg2, reg3; /* as the kind wants them */
	uint8_t flag;
	uint32_t field; /* distance to patch with its beginning */
	uint32_t back;	/* where it goes on */
	const struct ir_insn *insn;
	const struct ir_block *b;
	const struct ir_edge
		*edge; /* X64_COLD_EDGE; exit.pc is where it leads, exit.dirty as it begins */
	struct x64_loc loc;
	struct x64_exit exit; /* X64_COLD_EXIT, X64_COLD_SOFT */
};

/* Operations may add two each; in a region edges and their guards too. */
#define X64_COLD_MAX	(2 * IR_BLOCK_INSNS_MAX + 2 + IR_REGION_BLOCKS_MAX * 24)
#define X64_CHECKED_MAX 8u

#define X64_REGION_JUMPS_MAX (2 * IR_REGION_BLOCKS_MAX)

/** Of emit_region(). */
struct x64_region {
	const struct ir_region *r;		      /* NULL: emit_block() */
	size_t k;				      /* the block */
	uint32_t labels[IR_REGION_BLOCKS_MAX];	      /* where blocks begin; 0: not emitted yet */
	struct x64_dirty dirty[IR_REGION_BLOCKS_MAX]; /* what edges brought there so far */
	/* Jumps to blocks that were not emitted yet. */
	struct {
		uint32_t field;
		uint8_t to;
	} jumps[X64_REGION_JUMPS_MAX];
	size_t n_jumps;
	size_t fallback; /* where to go when a guard of the entry fails */
	size_t map;	 /* index of the region's own map of registers, or 0 */
	/* How it differs from the static one. */
	struct {
		uint8_t host;
		ir_val out; /* the register that has to live in memory for this one */
		ir_val in;
	} swaps[X64_GPRS_MAPPED];
	size_t n_swaps;
	size_t exit; /* offset of code that restores the static map and leaves; called */
};

/** State of emit_block() and emit_region(). */
struct x64_gen {
	struct emitter *em;
	struct x64_asm *as;
	const struct ir_block *b;
	const struct ir_insn *i; /* the operation */
	size_t idx;		 /* its index */
	ir_val dst; /* where its result goes: i->dst, or what the next operation makes of it */
	const struct ir_insn
		*canon; /* the next one is a FCANON of the result, done along with it; or NULL */

	uint16_t last_use[IR_TEMPS_MAX];
	struct x64_loc temps[IR_TEMPS_MAX];
	ir_val gpr_owner[X64_GPR_SCRATCH];
	ir_val gpr_copy
		[X64_GPR_SCRATCH]; /* register in memory whose value it also holds, or IR_NONE */
	ir_val xmm_owner[X64_XMM_SCRATCH];
	uint32_t gpr_pins, xmm_pins; /* by register number */
	uint32_t slots;		     /* taken */

	/* Base registers known to be in the window, give or take slack bytes. */
	struct {
		ir_val v;
		uint32_t slack;
	} checked[X64_CHECKED_MAX];
	size_t n_checked;

	/* Registers whose value is a number, which was also written to them: for addresses. */
	struct {
		ir_val v;
		int64_t number;
	} known[X64_CHECKED_MAX];
	size_t n_known;

	uint64_t boxed[(IR_REGS_MAX + IR_TEMPS_MAX) / 64]; /* FP values with upper half all ones */

	struct x64_dirty dirty;

	uint8_t flags_dead[IR_BLOCK_FLAGS_MAX]; /* BIT(0) n, 1 z, 2 c, 3 v: nobody reads it */
	const struct ir_insn *flags;		/* FLAGS whose host flags are still there */

	struct x64_region region;

	struct x64_cold cold[X64_COLD_MAX];
	size_t n_cold;
};

static inline bool x64_is_temp(ir_val v)
{
	return v >= IR_TEMP0 && v != IR_NONE;
}

static inline uint32_t x64_size(unsigned int type)
{
	return type == IR_I64 ? X64_W : 0;
}

/** Sizes of compares and flags. */
static inline uint32_t x64_exact_size(unsigned int type)
{
	return type == IR_I64 ? X64_W : type == IR_I32 ? 0 : type == IR_I16 ? X64_S16 : X64_S8;
}

static inline unsigned int x64_type_bits(unsigned int type)
{
	return 8u << type;
}

static inline bool x64_is_imm32(int64_t v)
{
	return v == (int32_t)v;
}

static inline bool x64_is_reg(struct x64_loc loc, unsigned int reg)
{
	return loc.place == X64_IN_GPR && loc.reg == reg;
}

static inline unsigned int x64_reg_or_none(struct x64_loc loc)
{
	return loc.place == X64_IN_GPR ? loc.reg : X64_NOREG;
}

/* ---- x64_alloc.c ---- */

/** Forget everything: a new block. */
void x64_alloc_begin(struct x64_gen *g);
/** Where a value is now; it may be moved when a scratch register is taken. */
struct x64_loc x64_loc_of(const struct x64_gen *g, ir_val v);
/** Where operand a is, pinned; a number is cut to the type. */
struct x64_loc x64_loc_a(struct x64_gen *g);
/** Where operand b is, which may be the immediate. */
struct x64_loc x64_loc_b(struct x64_gen *g);
/** A free scratch register, pinned. */
unsigned int x64_take(struct x64_gen *g);
/** A free scratch xmm register, pinned. */
unsigned int x64_take_xmm(struct x64_gen *g);
/** Give one back before the operation ends. */
void x64_untake(struct x64_gen *g, unsigned int reg);
/** All 64 bits of a value in a general register; pinned if it is a scratch one. */
unsigned int x64_in_gpr(struct x64_gen *g, ir_val v);
/** The same for what x64_loc_b() says. */
unsigned int x64_loc_in_gpr(struct x64_gen *g, struct x64_loc loc);
/** The low 64 bits of a value in an xmm register. */
unsigned int x64_in_xmm(struct x64_gen *g, ir_val v);
/** Move a place's 64 bits to a register; changes no host flags. */
void x64_load(struct x64_gen *g, unsigned int reg, struct x64_loc loc);
/** Its low 32 bits, zero-extended. */
void x64_load32(struct x64_gen *g, unsigned int reg, struct x64_loc loc);
/** Its low bits of a type, zero- or sign-extended to 64. */
void x64_load_ext(struct x64_gen *g, unsigned int reg, struct x64_loc loc, unsigned int type,
		  bool is_signed);
/** A result of a 32-bit operation: give it the type's upper bits. */
void x64_extend(struct x64_gen *g, unsigned int reg);
/** An X64_ALU_OPS operation on a register and a register, short number or 8 bytes of memory. */
void x64_alu(struct x64_gen *g, uint32_t op, unsigned int reg, struct x64_loc b);
/** Move all temporaries out of rax and rdx, which the operation may then use freely. */
void x64_evict(struct x64_gen *g);
/** Move them out of the scratch xmm registers. */
void x64_evict_xmm(struct x64_gen *g);
/** After x64_evict(): operand as a register other than rax and rdx, or in memory. */
struct x64_loc x64_away(struct x64_gen *g, struct x64_loc loc);
/**
 * A register for the result.
 * @param prefer a register that the caller would like, if it is free
 * @param avoid  a register that it must not be, unless it is the destination's own
 */
unsigned int x64_def(struct x64_gen *g, unsigned int prefer, unsigned int avoid);
/** The same for FP results; @p avoid2 too. */
unsigned int x64_def_xmm(struct x64_gen *g, unsigned int prefer, unsigned int avoid,
			 unsigned int avoid2);
/** Whether one of the next @p far operations of the block reads the value as it will be behind this one. */
bool x64_is_read_soon(const struct x64_gen *g, ir_val v, size_t far);
/** A register in memory has the value of a scratch register now: that serves for reading it. */
void x64_copy_set(struct x64_gen *g, ir_val v, unsigned int reg);
/** The result is in @p reg: note or store it. */
void x64_finish(struct x64_gen *g, unsigned int reg);
/** The result is in an xmm register. */
void x64_finish_xmm(struct x64_gen *g, unsigned int reg);
/** The destination is a temporary that is a number. */
void x64_finish_number(struct x64_gen *g, int64_t number);
/** End an operation: unpin, and forget temporaries that nobody reads any more. */
void x64_op_end(struct x64_gen *g);

/* ---- facts (x64_alloc.c) ---- */

/** Slack of a checked base register. @return false: it was not checked */
bool x64_checked(const struct x64_gen *g, ir_val v, uint32_t *ret_slack);
/** Note that a register is in the window give or take slack. */
void x64_checked_set(struct x64_gen *g, ir_val v, uint32_t slack);
/** Whether a register or temporary is a number that is known now. */
bool x64_known(const struct x64_gen *g, ir_val v, int64_t *ret_number);
/** Note that the operation's destination, an integer register, is a number. */
void x64_known_set(struct x64_gen *g, int64_t number);
/** A value was redefined: nothing is known about it. */
void x64_forget(struct x64_gen *g, ir_val v);
/** Every register may have changed. */
void x64_forget_all(struct x64_gen *g);
/** Whether the upper half of an FP value is known to be all ones. */
bool x64_is_boxed(const struct x64_gen *g, ir_val v);
/** Note it. */
void x64_boxed_set(struct x64_gen *g, ir_val v);

/* ---- out of line (x64_cold.c) ---- */

/** A new piece; its jump has its distance at @p field. */
struct x64_cold *x64_cold_add(struct x64_gen *g, enum x64_cold_kind kind, size_t field);
/** Leave when the jump at @p field is taken: the guest instruction of the operation has not happened. */
void x64_cold_step(struct x64_gen *g, size_t field);
/** Emit all pieces. */
void x64_cold_emit(struct x64_gen *g);
/** Add to the table of exits; the `call thunk_exit` has just been emitted. */
void x64_exit_add(struct x64_gen *g, struct x64_exit x);
/** Guest instructions that a stop at the operation's would give back. */
uint8_t x64_undo(const struct x64_gen *g);
/** pc of the operation's guest instruction. */
uint64_t x64_pc(const struct x64_gen *g);

/* ---- emitting blocks (x64_block.c) ---- */

/** How far the emitter has come. */
struct x64_mark {
	size_t at, n_exits, n_accesses, n_helpers, n_maps;
};

/** Where something new begins: on a border of 16 bytes. */
struct x64_mark x64_mark_save(struct emitter *em);
/** Forget what has been emitted since: not all of it fits. */
void x64_mark_rollback(struct emitter *em, const struct x64_mark *to);
/** Prepare for the operations of a block. */
void x64_block_begin(struct x64_gen *g, const struct ir_block *b);
/** Charge the budget, or leave. */
void x64_block_charge(struct x64_gen *g);
/** All operations. @return 0; -ENOSPC */
int x64_block_ops(struct x64_gen *g);
/** Whether there is space for another operation. */
bool x64_has_space(const struct x64_gen *g);
/** Note that something enters here from outside: what emit_kill() may put here. */
void x64_entry_add(struct x64_gen *g);

/* ---- edges (x64_region.c) ---- */

/** Follow an edge here; @p pc is where it leads. */
void x64_edge_inline(struct x64_gen *g, const struct ir_edge *e, uint64_t pc);
/** The end of a block in a region: a branch when the condition holds. */
void x64_region_branch(struct x64_gen *g, enum x64_cc cc);
/** Back to the static map: before code that is not the region's. Changes no flags, and no scratch register. */
void x64_map_restore(struct x64_gen *g);
/** Out-of-line part of an edge. */
void x64_cold_edge(struct x64_gen *g, const struct x64_cold *c);
/** Leave to a known address: the exit itself can become a jump (x64_ctl.c). */
void x64_exit_inline(struct x64_gen *g, uint64_t pc);
/** The same behind a jcc or call whose distance is at @p field (x64_ctl.c). */
void x64_exit_far(struct x64_gen *g, size_t field, uint64_t pc);
/** Make canonical what is in both (x64_fp.c). */
void x64_fp_settle_regs(struct x64_gen *g, struct x64_dirty regs);

/* ---- operations ---- */

/** Integer operations (x64_int.c, x64_div.c). */
void x64_op_mov(struct x64_gen *g);
/** ADD to XNOR. */
void x64_op_alu(struct x64_gen *g);
/** SHL to ROR. */
void x64_op_shift(struct x64_gen *g);
/** SHL_ADD. */
void x64_op_shl_add(struct x64_gen *g);
/** MUL. */
void x64_op_mul(struct x64_gen *g);
/** MULH_*. */
void x64_op_mulh(struct x64_gen *g);
/** DIV_*, REM_*. */
void x64_op_div(struct x64_gen *g);
/** EXT, INSERT, BSWAP. */
void x64_op_ext(struct x64_gen *g);
/** FENCE. */
void x64_op_fence(struct x64_gen *g);
/** See x64_op_ext(). */
void x64_op_insert(struct x64_gen *g);
/** See x64_op_ext(). */
void x64_op_bswap(struct x64_gen *g);
/** CLZ, CTZ, POPCNT. */
void x64_op_count(struct x64_gen *g);
/** OR_BYTES. */
void x64_op_or_bytes(struct x64_gen *g);
/** MIN_*, MAX_*. */
void x64_op_min_max(struct x64_gen *g);
/** Conditions (x64_cond.c). */
void x64_op_set_if(struct x64_gen *g);
/** SELECT. */
void x64_op_select(struct x64_gen *g);
/** FLAGS. */
void x64_op_flags(struct x64_gen *g);
/** Find flags that nobody reads. */
void x64_flags_scan(struct x64_gen *g);
/** Compare a and b of the operation by its condition. @return condition that holds then */
enum x64_cc x64_compare(struct x64_gen *g);
/** Whether an address that is known now is in the window (x64_mem.c). */
bool x64_is_in_window(const struct x64_gen *g, int64_t address);
/** Memory (x64_mem.c). */
void x64_op_load(struct x64_gen *g);
/** STORE. */
void x64_op_store(struct x64_gen *g);
/** Out-of-line part of accesses with IR_SOFT; a way out follows. */
void x64_cold_soft(struct x64_gen *g, const struct x64_cold *c);
/** Control (x64_ctl.c). */
void x64_op_branch(struct x64_gen *g);
/** JUMP. */
void x64_op_jump(struct x64_gen *g);
/** JUMP_REG. */
void x64_op_jump_reg(struct x64_gen *g);
/** STEP. */
void x64_op_step(struct x64_gen *g);
/** STEP_IF. */
void x64_op_step_if(struct x64_gen *g);
/** HELPER. */
void x64_op_helper(struct x64_gen *g);
/** Out-of-line part of an indirect call. */
void x64_cold_call_miss(struct x64_gen *g, const struct x64_cold *c);
/** Out-of-line parts of divisions. */
void x64_cold_div(struct x64_gen *g, const struct x64_cold *c);

/** Make canonical what the operation wants to be so (x64_fp.c). */
void x64_fp_settle(struct x64_gen *g);
/** Floating point (x64_fp.c). */
void x64_op_fp(struct x64_gen *g);
/** Its out-of-line parts. */
void x64_cold_fp(struct x64_gen *g, const struct x64_cold *c);

#endif
