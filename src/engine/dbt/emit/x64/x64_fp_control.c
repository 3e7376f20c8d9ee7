/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MXCSR as the host's form of rounding mode and flags. Source: Intel SDM volume 1, 10.2.3. */
#include "engine/dbt/emit/emit_fp.h"

#define MXCSR_MASKED   0x1f80u /* no exception traps */
#define MXCSR_RC_SHIFT 13
#define MXCSR_IE       BIT(0)
#define MXCSR_ZE       BIT(2)
#define MXCSR_OE       BIT(3)
#define MXCSR_UE       BIT(4)
#define MXCSR_PE       BIT(5)

uint32_t emit_fp_control(enum emit_round round)
{
	static const uint8_t rc[] = { [EMIT_ROUND_NEAREST] = 0,
				      [EMIT_ROUND_DOWN] = 1,
				      [EMIT_ROUND_UP] = 2,
				      [EMIT_ROUND_ZERO] = 3 };

	return MXCSR_MASKED | (uint32_t)rc[round] << MXCSR_RC_SHIFT;
}

uint8_t emit_fp_flags(uint32_t fp_control)
{
	return (uint8_t)((fp_control & MXCSR_IE ? EMIT_FP_INVALID : 0) |
			 (fp_control & MXCSR_ZE ? EMIT_FP_DIVZERO : 0) |
			 (fp_control & MXCSR_OE ? EMIT_FP_OVERFLOW : 0) |
			 (fp_control & MXCSR_UE ? EMIT_FP_UNDERFLOW : 0) |
			 (fp_control & MXCSR_PE ? EMIT_FP_INEXACT : 0));
}
