/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a block of IR does, said once more in plain C: the referee of the emitter. It shares nothing with it but ir.h. */
#ifndef PINFOLD_TESTS_UNIT_TEST_DBT_IR_EVAL_H
#define PINFOLD_TESTS_UNIT_TEST_DBT_IR_EVAL_H

#include "test_dbt_emit_rig.h"
#include "test_dbt_ir_value.h"

/** The evaluator's machine. */
struct ir_eval {
	struct rig_state s;
	struct rig_world w;
	uint32_t fp; /* rounding mode and flags, as MXCSR */
	uint64_t temps[IR_TEMPS_MAX];
	bool is_border; /* the last access was so near the window's border that it may end either way */
};

/** Evaluate a block that ir_block_check() admits. */
struct rig_result ir_eval_block(struct ir_eval *m, const struct ir_block *b, int64_t budget);

/** Whether rig and evaluator ended with the same machine and result; says what differs. */
bool ir_eval_is_same(const struct ir_eval *want, struct rig_result got, struct rig_result expected);

#endif
