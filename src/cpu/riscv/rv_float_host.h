/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic on the host's floating-point unit, for rv_float.c. x86-64: SSE, and FMA3 if there.
 *
 * One assembler statement sets MXCSR (guest's rounding, everything masked, no flags, denormals
 * honoured), computes, reads the flags and restores: nothing can be moved in between. Signal
 * handlers start with a control register of their own. Tininess is detected after rounding and
 * invalid operations agree with RISC-V's, but for infinity times zero plus a quiet NaN.
 */
#ifndef PINFOLD_CPU_RISCV_RV_FLOAT_HOST_H
#define PINFOLD_CPU_RISCV_RV_FLOAT_HOST_H

#include "cpu/riscv/rv_float.h"

#ifdef __x86_64__

#define MXCSR_MASKED 0x1f80u
#define MXCSR_RC_AT  13

/* Flags: invalid, divide by zero, overflow, underflow, precision; bit 1 (denormal) has no counterpart. */
static inline uint32_t host_flags(uint32_t mxcsr)
{
	return (mxcsr & 1) << 4 | (mxcsr & 4) << 1 | (mxcsr & 8) >> 1 | (mxcsr & 16) >> 3 |
	       (mxcsr & 32) >> 5;
}

static inline uint32_t host_control(enum rv_round rm)
{
	static const uint32_t rc[] = { [RV_RNE] = 0, [RV_RTZ] = 3, [RV_RDN] = 1, [RV_RUP] = 2 };

	return MXCSR_MASKED | rc[rm] << MXCSR_RC_AT;
}

/* Whether the unit has the mode. */
static inline bool host_can(enum rv_round rm)
{
	return rm < RV_RMM;
}

static inline bool host_can_fma(enum rv_round rm)
{
	return rm < RV_RMM && __builtin_cpu_supports("fma");
}

#define HOST_CALC(insn, a, b, rm, flags)                                                        \
	do {                                                                                    \
		uint32_t old_, with_ = host_control(rm);                                        \
		__asm__ volatile("stmxcsr %[old]\n\tldmxcsr %[with]\n\t" insn " %[y], %[x]\n\t" \
				 "stmxcsr %[with]\n\tldmxcsr %[old]"                            \
				 : [x] "+x"(a), [old] "=m"(old_), [with] "+m"(with_)            \
				 : [y] "x"(b));                                                 \
		*(flags) |= host_flags(with_);                                                  \
	} while (0)

#define HOST_FMA(insn, a, b, c, rm, flags)                                                \
	do {                                                                              \
		uint32_t old_, with_ = host_control(rm);                                  \
		__asm__ volatile("stmxcsr %[old]\n\tldmxcsr %[with]\n\t" insn             \
				 " %[z], %[y], %[x]\n\tstmxcsr %[with]\n\tldmxcsr %[old]" \
				 : [x] "+x"(a), [old] "=m"(old_), [with] "+m"(with_)      \
				 : [y] "x"(b), [z] "x"(c));                               \
		*(flags) |= host_flags(with_);                                            \
	} while (0)

static inline float host_single(uint64_t bits)
{
	union {
		uint32_t u;
		float f;
	} v = { .u = (uint32_t)bits };

	return v.f;
}

static inline uint64_t host_single_bits(float f)
{
	union {
		float f;
		uint32_t u;
	} v = { .f = f };

	return v.u;
}

static inline double host_double(uint64_t bits)
{
	union {
		uint64_t u;
		double f;
	} v = { .u = bits };

	return v.f;
}

static inline uint64_t host_double_bits(double f)
{
	union {
		double f;
		uint64_t u;
	} v = { .f = f };

	return v.u;
}

#define HOST_BINARY(name)                                                           \
	static inline uint64_t host_##name(enum rv_width w, uint64_t a, uint64_t b, \
					   enum rv_round rm, uint32_t *flags)       \
	{                                                                           \
		if (w == RV_F64) {                                                  \
			double x = host_double(a);                                  \
			double y = host_double(b);                                  \
                                                                                    \
			HOST_CALC(#name "sd", x, y, rm, flags);                     \
			return host_double_bits(x);                                 \
		}                                                                   \
		float x = host_single(a);                                           \
		float y = host_single(b);                                           \
                                                                                    \
		HOST_CALC(#name "ss", x, y, rm, flags);                             \
		return host_single_bits(x);                                         \
	}

HOST_BINARY(add)
HOST_BINARY(mul)
HOST_BINARY(div)

/* sqrtsd has its source apart: the first operand is only written. */
HOST_BINARY(sqrt)

static inline uint64_t host_fma(enum rv_width w, const struct rv_fma *in, enum rv_round rm,
				uint32_t *flags)
{
	if (w == RV_F64) {
		double x = host_double(in->a);
		double y = host_double(in->b);
		double z = host_double(in->c);

		HOST_FMA("vfmadd213sd", x, y, z, rm, flags);
		return host_double_bits(x);
	}
	float x = host_single(in->a);
	float y = host_single(in->b);
	float z = host_single(in->c);

	HOST_FMA("vfmadd213ss", x, y, z, rm, flags);
	return host_single_bits(x);
}

#undef HOST_BINARY
#undef HOST_FMA
#undef HOST_CALC

#else

/* A host whose unit is not known: everything the integer way. */
static inline bool host_can(enum rv_round rm)
{
	(void)rm;
	return false;
}

#define host_can_fma host_can
#define host_add     rv_float_soft_add
#define host_mul     rv_float_soft_mul
#define host_div     rv_float_soft_div
#define host_fma     rv_float_soft_fma

static inline uint64_t host_sqrt(enum rv_width w, uint64_t a, uint64_t b, enum rv_round rm,
				 uint32_t *flags)
{
	(void)b;
	return rv_float_soft_sqrt(w, a, rm, flags);
}

#endif

#endif
