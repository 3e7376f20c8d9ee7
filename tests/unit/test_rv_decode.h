/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the decoder share: random encodings. */
#ifndef PINFOLD_TESTS_UNIT_TEST_RV_DECODE_H
#define PINFOLD_TESTS_UNIT_TEST_RV_DECODE_H

#include "cpu/riscv/rv_decode.h"
#include "test.h"
#include "test_rv_float_values.h"

static uint64_t rv_decode_rng = 42;

static inline struct rv_insn decode(uint32_t raw)
{
	struct rv_insn i;

	memset(&i, 0xff, sizeof(i));
	rv_decode(raw, &i);
	return i;
}

/* An encoding of @p op with random operands; the rounding mode is not a reserved one. */
static inline uint32_t encode(enum rv_op op)
{
	enum rv_format format = rv_op_format(op);
	uint32_t raw = (uint32_t)rv_rand(&rv_decode_rng);
	uint32_t match;
	uint32_t mask;

	rv_op_encoding(op, &match, &mask);
	raw = (raw & ~mask) | match;
	if (format == RV_FMT_RM || format == RV_FMT_R4) {
		raw = (raw & ~0x7000u) | ((raw >> 12) % 5) << 12;
	}
	return raw;
}

#endif
