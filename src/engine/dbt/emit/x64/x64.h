/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the x86-64 emitter.
 *
 * Host registers while translated code runs:
 *
 *   rbp            guest CPU state and X64_BIAS; struct emit_env ends where it begins
 *   r15            window: host address of guest address 0
 *   r14            budget; X64_TAKEN less when it was taken away
 *   rsp            return stack (x64_run.c)
 *   rbx rcx rsi rdi r8-r13   the ten integer registers of best rank
 *   xmm3-xmm15     the thirteen FP registers of best rank
 *   rax rdx xmm0-xmm2        temporaries and scratch
 *
 * Code memory: constants, thunks, and then blocks. Every way out of a block is a `call thunk_exit`, whose return
 * address finds what it means in a table (struct x64_exit): nothing but five bytes are spent on it, and linking turns
 * it into a jump.
 */
#ifndef PINFOLD_ENGINE_DBT_EMIT_X64_X64_H
#define PINFOLD_ENGINE_DBT_EMIT_X64_X64_H

#include "engine/dbt/emit/emit.h"
#include "engine/dbt/emit/x64/asm.h"

#define X64_STATE  X64_RBP
#define X64_WINDOW X64_R15
#define X64_BUDGET X64_R14

#define X64_GPRS_MAPPED	 10u
#define X64_XMMS_MAPPED	 13u
#define X64_XMM_SCRATCH	 3u /* xmm0 to xmm2 */
#define X64_XMM_MAP_BASE 3u
#define X64_SLOTS	 16u /* of temporaries without a register */

/* What emit_interrupt() takes from the budget: more than any budget, and to be given back exactly. */
#define X64_TAKEN (INT64_C(1) << 62)

/** The emitter's part of struct emit_env (scratch). */
struct x64_private {
	struct emitter *em;
	uint64_t host_rsp;
	uint64_t returns;     /* rsp of translated code while other code runs */
	uint64_t returns_top; /* rsp of the empty return stack */
	uint64_t target;      /* where to enter */
	uint64_t site;	      /* return address of `call thunk_exit`, or 0 */
	uint64_t result;      /* of a helper */
	uint64_t helper_fn;   /* x64_helper_call */
	uint32_t host_fp_control;
	uint32_t fp_saved; /* between two instructions of one operation */
	uint32_t helper_idx;
	uint8_t is_interrupted;
	uint64_t slots[X64_SLOTS];
};

_Static_assert(sizeof(struct x64_private) <= sizeof(((struct emit_env *)NULL)->scratch),
	       "the emitter's part fits");

/** Distance of a field of struct emit_env, or of struct x64_private in it, from the guest CPU state. */
#define X64_ENV(field) \
	((int32_t)offsetof(struct emit_env, field) - (int32_t)sizeof(struct emit_env))
#define X64_PRIVATE_AT \
	((int32_t)sizeof(((struct emit_env *)NULL)->scratch) - (int32_t)sizeof(struct x64_private))
#define X64_PRIV(field) \
	(X64_ENV(scratch) + X64_PRIVATE_AT + (int32_t)offsetof(struct x64_private, field))

static inline struct x64_private *x64_private(struct emit_env *env)
{
	return (struct x64_private *)(void *)((uint8_t *)env->scratch + X64_PRIVATE_AT);
}

/* rbp points into the guest CPU state, so that twice as much of it is reached with a byte. */
#define X64_BIAS 128

/** In the guest CPU state, or struct emit_env before it: by distance from where they meet. */
static inline struct x64_mem x64_env(int32_t disp)
{
	return x64_at(X64_STATE, disp - X64_BIAS);
}

/** Where a value is. */
enum x64_place { X64_NOWHERE, X64_IN_GPR, X64_IN_XMM, X64_IN_MEM, X64_IN_BYTE, X64_IS_NUMBER };

/** A value's place. */
struct x64_loc {
	uint8_t place; /* enum x64_place */
	uint8_t reg;
	int32_t disp; /* for x64_env() */
	int64_t number;
};

/** Mapped xmm registers, by bit, that may hold a NaN which is still to be made canonical. */
struct x64_dirty {
	uint16_t f64, f32;
};

#define X64_LINK_NONE 0 /* cannot be linked */
#define X64_LINK_JUMP 1 /* `call thunk_exit` itself becomes the jump */
#define X64_LINK_FAR  2 /* a jcc or call elsewhere has its distance at `field` */

/** A way out of a block; sorted by ret. */
struct x64_exit {
	uint32_t ret;	 /* offset behind its `call thunk_exit` */
	uint32_t field;	 /* offset of the distance to patch */
	uint32_t lookup; /* offset of its jump through env->jumps, or 0 */
	uint64_t pc;
	uint64_t from; /* first instruction of its block */
	uint8_t exit;  /* enum emit_exit */
	uint8_t link;
	uint8_t undo; /* guest instructions charged but not executed */
	struct x64_dirty dirty;
};

/* Exits whose index is kept after a search; a power of 2. */
#define X64_EXITS_FOUND 4096u

/* How an access was made. */
#define X64_ACCESS_WRITE  BIT(0)
#define X64_ACCESS_SIGNED BIT(1) /* a load extends its sign */
#define X64_ACCESS_XMM	  BIT(2)
#define X64_ACCESS_ZERO	  BIT(3) /* what is stored is the number 0 */

/** A host instruction that accesses guest memory; sorted by at. */
struct x64_access {
	uint32_t at;
	int32_t disp;
	uint64_t pc;
	uint8_t base;  /* X64_NOREG: none */
	uint8_t reg;   /* loaded or stored */
	uint8_t bytes; /* of the access */
	uint8_t how;
	uint8_t undo;
	uint8_t length; /* of the instruction */
	struct x64_dirty dirty;
	uint16_t map; /* index into emitter.maps */
};

/** Which guest registers are in x64_gpr_map[] in one region, or IR_NONE. Map 0 is the static one. */
struct x64_map {
	ir_val gpr_regs[X64_GPRS_MAPPED];
};

#define X64_MAPS_MAX 4096u

/** A call of a helper, by env's helper_idx. */
struct x64_helper {
	uint64_t pc;
	uint32_t number;
	uint8_t undo;
};

/** Constants at the beginning of code memory, 16 bytes each. */
enum x64_constant {
	X64_C_SIGN64,
	X64_C_SIGN32,
	X64_C_ABS64,
	X64_C_ABS32,
	X64_C_BOX,
	X64_C_NAN64,
	X64_C_NAN32,	   /* boxed */
	X64_C_NAN32_PLAIN, /* not boxed */
	X64_C_TWO63_F64,
	X64_C_TWO63_F32,
	X64_C_TAKEN,
	X64_C_COUNT,
};

static inline struct x64_mem x64_constant(enum x64_constant c)
{
	return x64_const((uint32_t)c * 16);
}

/** Offsets of thunks. */
struct x64_thunks {
	size_t enter, enter_critical, enter_critical_end;
	size_t exit;	      /* called: the way out is known by its return address */
	size_t exit_no_store; /* registers are in memory already */
	size_t helper, helper_critical, helper_critical_end;
	size_t code; /* from here on r14 may be changed by emit_interrupt() at any instruction */
	size_t indirect; /* look rax up, or leave */
	size_t miss;	 /* leave: the table does not know rax */
	size_t mismatch; /* forget the return stack, then the same */
};

struct x64_gen;

struct emitter {
	struct emit_config cfg;
	struct x64_asm as;
	struct x64_loc homes[IR_REGS_MAX];
	struct x64_map map; /* the static one */
	ir_val xmm_regs[X64_XMMS_MAPPED];
	struct x64_thunks thunks;
	size_t blocks_at; /* offset of the first block */

	struct x64_exit *exits;
	struct x64_access *accesses;
	struct x64_helper *helpers;
	struct x64_map *maps; /* X64_MAPS_MAX */
	size_t n_maps;
	size_t n_exits, n_accesses, n_helpers, max_exits, max_accesses, max_helpers;
	uint32_t exits_found
		[X64_EXITS_FOUND]; /* indices that were looked up; or any: they are compared */

	uint8_t *stack; /* return stack, with its guard page first */
	uint64_t stack_top;
	uint64_t returns;     /* its state between runs */
	bool is_returns_void; /* it was forgotten during the run */

	struct emit_env *env; /* of the run that is under way */
	int64_t start_budget;
	uint64_t start_insns;
	volatile sig_atomic_t is_interrupted;

	struct x64_gen *gen; /* work space of emit_block() */
};

extern const uint8_t x64_gpr_map[X64_GPRS_MAPPED];

/** A region's map, or the static one. */
static inline const struct x64_map *x64_map_at(const struct emitter *em, size_t idx)
{
	return idx ? &em->maps[idx] : &em->map;
}

/** Make the tables, each from a page on (x64_store.c). @return 0; -ENOMEM with a sentence */
int x64_tables_init(struct emitter *em, struct errmsg *e);

/** Free them. Accepts an emitter without. */
void x64_tables_done(struct emitter *em);

/** Emit constants and thunks (x64_thunks.c). */
void x64_thunks_emit(struct emitter *em);

/** Emit a jump to what env->jumps says about a guest address (x64_thunks.c). */
void x64_lookup_emit(struct emitter *em, uint64_t pc);

/** Called by the helper thunk (x64_run.c). @return 0: go on; 1: leave */
int x64_helper_call(struct emit_env *env, uint64_t a, uint64_t b);

#endif
