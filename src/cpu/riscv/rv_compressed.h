/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compressed instructions; for rv_decode.c. Source: RISC-V unprivileged ISA 20191213, chapter 16. */
#ifndef PINFOLD_CPU_RISCV_RV_COMPRESSED_H
#define PINFOLD_CPU_RISCV_RV_COMPRESSED_H

#include "cpu/riscv/rv_decode.h"

/**
 * Decode a compressed instruction to what it stands for.
 * @param raw its lowest two bits are not 3
 * @param ret op ILLEGAL for a reserved encoding; bytes (2) and raw are filled in any case
 */
void rv_decode_compressed(uint16_t raw, struct rv_insn *ret);

#endif
