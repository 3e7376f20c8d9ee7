/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floating point of RISC-V on bit patterns: results, canonical NaNs and flags of F and D.
 * Source: RISC-V unprivileged ISA 20191213, chapters 11 and 12; IEEE 754-2008.
 *
 * Two ways to the same bits. Sums, products, quotients, roots and fused multiply-adds run on the
 * host's unit when it has the rounding mode; the unit's control register is set, read and restored
 * within a single assembler statement, so that neither the compiler nor the rest of the process
 * ever sees a changed one. Everything else - round to nearest with ties away (RMM), which x86 does
 * not have, all conversions, hosts without a fast way - is exact integer arithmetic with one
 * rounding at the end (rv_float_soft.c), the same for all five modes. Tests hold the two against
 * each other in the four modes that both have, which is what vouches for the fifth.
 *
 * Underflow is tininess after rounding, as on x86. NaN results are the canonical NaN. Values of 32
 * bits are passed in the low half, not boxed; the upper half of results is 0. Pure functions but
 * for @p flags, into which exception flags are ORed.
 */
#ifndef PINFOLD_CPU_RISCV_RV_FLOAT_H
#define PINFOLD_CPU_RISCV_RV_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

/** Rounding modes, as in instructions and frm. */
enum rv_round { RV_RNE = 0, RV_RTZ = 1, RV_RDN = 2, RV_RUP = 3, RV_RMM = 4 };

/** Width of a floating-point number. */
enum rv_width { RV_F32, RV_F64 };

/** Integers to convert from and to: fcvt.*.w, wu, l, lu. */
enum rv_int_kind { RV_INT_W, RV_INT_WU, RV_INT_L, RV_INT_LU };

#define RV_FLAG_NX 1u
#define RV_FLAG_UF 2u
#define RV_FLAG_OF 4u
#define RV_FLAG_DZ 8u
#define RV_FLAG_NV 16u

#define RV_NAN_F32 0x7fc00000ULL
#define RV_NAN_F64 0x7ff8000000000000ULL

/** a + b */
uint64_t rv_float_add(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags);
/** a - b */
uint64_t rv_float_sub(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags);
/** a * b */
uint64_t rv_float_mul(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags);
/** a / b */
uint64_t rv_float_div(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm, uint32_t *flags);
/** The square root of a. */
uint64_t rv_float_sqrt(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags);

/** Operands of a fused multiply-add. */
struct rv_fma {
	uint64_t a, b, c;
};

/** a * b + c, rounded once; infinity times zero is invalid even when c is a quiet NaN. */
uint64_t rv_float_fma(enum rv_width w, const struct rv_fma *in, enum rv_round rm, uint32_t *flags);

/** The exact integer way of each, for any mode; for tests, and used where the host has none. */
uint64_t rv_float_soft_add(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags);
/** See rv_float_soft_add(). */
uint64_t rv_float_soft_mul(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags);
/** See rv_float_soft_add(). */
uint64_t rv_float_soft_div(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
			   uint32_t *flags);
/** See rv_float_soft_add(). */
uint64_t rv_float_soft_sqrt(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags);
/** See rv_float_soft_add(). */
uint64_t rv_float_soft_fma(enum rv_width w, const struct rv_fma *in, enum rv_round rm,
			   uint32_t *flags);

/** A number of the other width: @p w is that of @p a. */
uint64_t rv_float_convert(enum rv_width w, uint64_t a, enum rv_round rm, uint32_t *flags);

/**
 * To an integer; what does not fit becomes the nearest that does, NaN the largest, with NV alone.
 * @return sign-extended from 32 bits where the kind has 32
 */
uint64_t rv_float_to_int(enum rv_width w, uint64_t a, enum rv_int_kind kind, enum rv_round rm,
			 uint32_t *flags);

/** From an integer of which the kind's bits count. */
uint64_t rv_float_from_int(enum rv_width w, uint64_t v, enum rv_int_kind kind, enum rv_round rm,
			   uint32_t *flags);

/** The smaller number (minimumNumber: a NaN loses, -0 < +0); signalling NaNs are invalid. */
uint64_t rv_float_min(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);
/** The larger number; see rv_float_min(). */
uint64_t rv_float_max(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);

/** a == b: invalid for signalling NaNs. */
bool rv_float_eq(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);
/** a < b: invalid for any NaN. */
bool rv_float_lt(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);
/** a <= b: invalid for any NaN. */
bool rv_float_le(enum rv_width w, uint64_t a, uint64_t b, uint32_t *flags);

/** @return what fclass gives: one bit of ten */
uint64_t rv_float_class(enum rv_width w, uint64_t a);

#endif
