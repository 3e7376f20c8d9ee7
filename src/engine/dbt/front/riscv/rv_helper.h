/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions that are interpreted without leaving translated code. */
#ifndef PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_HELPER_H
#define PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_HELPER_H

#include "cpu/riscv/rv_decode.h"
#include "engine/dbt/emit/emit.h"

/** Numbers of IR_HELPER. */
enum rv_helper_number {
	RV_HELPER_EXEC, /* operand a: rv_helper_pack() */
};

/** front_ops.helpers. */
extern const emit_helper_fn rv_helpers[];

/** @return whether RV_HELPER_EXEC executes it */
bool rv_helper_has(const struct rv_insn *i);

/** @return whether RV_HELPER_EXEC never goes on behind it */
bool rv_helper_ends(const struct rv_insn *i);

/** An instruction in one number. */
uint64_t rv_helper_pack(const struct rv_insn *i);

#endif
