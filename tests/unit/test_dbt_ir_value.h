/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one operation of IR gives, said once more in plain C; it shares nothing with an emitter but ir.h. */
#ifndef PINFOLD_TESTS_UNIT_TEST_DBT_IR_VALUE_H
#define PINFOLD_TESTS_UNIT_TEST_DBT_IR_VALUE_H

#include "engine/dbt/ir/ir.h"

/** Bits of a type. */
unsigned int ir_value_width(unsigned int type);

/** The low bits of a value. */
uint64_t ir_value_zext(uint64_t v, unsigned int width);

/** The same with their sign. */
int64_t ir_value_sext(uint64_t v, unsigned int width);

/** Whether a cond b. */
bool ir_value_holds(unsigned int cond, uint64_t a, uint64_t b, unsigned int width);

/** What a FLAGS computes. */
struct ir_value_flags {
	bool n, z, c, v;
};

/** Flags; @p carry is operand c of ADC and SBC. */
struct ir_value_flags ir_value_flags_of(const struct ir_insn *i, uint64_t a, uint64_t b,
					bool carry);

/** The result of an integer operation or MOV. @param b the number, if there is one */
uint64_t ir_value_int(const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c);

/**
 * The result of an FP operation (test_dbt_ir_value_fp.c): operands as bits.
 * @param fp rounding mode and flags, as MXCSR
 * @return the result's bits
 */
uint64_t ir_value_fp(uint32_t *fp, const struct ir_insn *i, uint64_t a, uint64_t b, uint64_t c);

#endif
