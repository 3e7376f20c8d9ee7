/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rounding modes and accrued exceptions of floating point, in a numbering that no host has to share. */
#ifndef PINFOLD_ENGINE_DBT_EMIT_EMIT_FP_H
#define PINFOLD_ENGINE_DBT_EMIT_EMIT_FP_H

#include <stdint.h>

#include "base/bits.h"

/** Rounding modes that hosts have. */
enum emit_round { EMIT_ROUND_NEAREST, EMIT_ROUND_ZERO, EMIT_ROUND_DOWN, EMIT_ROUND_UP };

#define EMIT_FP_INEXACT	  BIT(0)
#define EMIT_FP_UNDERFLOW BIT(1)
#define EMIT_FP_OVERFLOW  BIT(2)
#define EMIT_FP_DIVZERO	  BIT(3)
#define EMIT_FP_INVALID	  BIT(4)

/** What to put into emit_env.fp_control before emit_enter(): no exception accrued yet. */
uint32_t emit_fp_control(enum emit_round round);

/** The exceptions (EMIT_FP_*) that accrued in emit_env.fp_control. */
uint8_t emit_fp_flags(uint32_t fp_control);

#endif
