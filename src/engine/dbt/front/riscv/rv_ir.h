/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RISC-V instructions as IR: what the files of this folder share. */
#ifndef PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_IR_H
#define PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_IR_H

#include "cpu/riscv/rv_decode.h"
#include "engine/dbt/ir/ir.h"

/* IR registers: x0 to x31, then f0 to f31, then a few CSRs. x0 is never written. */
#define RV_IR_X(n)	((ir_val)(n))
#define RV_IR_F(n)	((ir_val)(32 + (n)))
#define RV_IR_SSCRATCH	((ir_val)64)
#define RV_IR_SEPC	((ir_val)65)
#define RV_IR_SCAUSE	((ir_val)66)
#define RV_IR_STVAL	((ir_val)67)
#define RV_IR_MSTATUS	((ir_val)68) /* is only read */
#define RV_IR_REGS	69
#define RV_IR_ROUND_DYN 7

/** What decides how instructions are translated; see front_ops.mode. */
struct rv_ir_mode {
	bool has_fp;  /* mstatus.FS is Dirty: floating point needs no bookkeeping */
	uint8_t frm;  /* rounding mode in force, 0 to 7 */
	uint8_t priv; /* enum rv_priv */
};

/** A block being made. */
struct rv_ir {
	struct ir_block *b;
	struct rv_ir_mode mode;
	struct rv_insn i;
	uint64_t pc;
	uint32_t boxed; /* bit n: fn is known to hold a boxed single */
};

struct rv_ir_rule;

/** @return false: no operation describes this instruction */
typedef bool (*rv_ir_fn)(struct rv_ir *t, const struct rv_ir_rule *r);

/** How one instruction becomes operations. */
struct rv_ir_rule {
	rv_ir_fn fn;
	uint8_t op;   /* enum ir_op */
	uint8_t type; /* enum ir_type */
	uint8_t cond;
	uint8_t flags;
};

/** Translate an access to a CSR that is a register here. @return false: it is not */
bool rv_ir_csr(struct rv_ir *t);

/** The rule for a floating-point instruction; fn is NULL for all others. */
const struct rv_ir_rule *rv_ir_fp_rule(enum rv_op op);

/**
 * Translate instructions from @p pc on, until one that ends the block, the end of @p code or the block's limit.
 * @param code instruction bytes at pc; @p n of them
 * @return false: not one whole instruction is there
 */
bool rv_ir_decode(const struct rv_ir_mode *mode, uint64_t pc, const uint8_t *code, size_t n,
		  struct ir_block *ret);

/** The registers, RV_IR_REGS of them. */
extern const struct ir_reg rv_ir_regs[RV_IR_REGS];

#endif
