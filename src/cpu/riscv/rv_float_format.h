/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two floating-point formats, for the files rv_float*.c. */
#ifndef PINFOLD_CPU_RISCV_RV_FLOAT_FORMAT_H
#define PINFOLD_CPU_RISCV_RV_FLOAT_FORMAT_H

#include "base/bits.h"
#include "cpu/riscv/rv_float.h"

static inline unsigned int rv_frac_bits(enum rv_width w)
{
	return w == RV_F64 ? 52 : 23;
}

static inline uint64_t rv_sign_bit(enum rv_width w)
{
	return w == RV_F64 ? BIT(63) : BIT(31);
}

static inline uint64_t rv_infinity(enum rv_width w)
{
	return w == RV_F64 ? 0x7ffULL << 52 : 0xffULL << 23;
}

static inline uint64_t rv_nan(enum rv_width w)
{
	return w == RV_F64 ? RV_NAN_F64 : RV_NAN_F32;
}

static inline uint64_t rv_magnitude(enum rv_width w, uint64_t a)
{
	return a & (rv_sign_bit(w) - 1);
}

static inline bool rv_is_nan(enum rv_width w, uint64_t a)
{
	return rv_magnitude(w, a) > rv_infinity(w);
}

static inline bool rv_is_signalling(enum rv_width w, uint64_t a)
{
	return rv_is_nan(w, a) && !(a & BIT(rv_frac_bits(w) - 1));
}

static inline bool rv_is_negative(enum rv_width w, uint64_t a)
{
	return a & rv_sign_bit(w);
}

#endif
