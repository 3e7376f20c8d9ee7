/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V disassembly by libopcodes. The library is GPL-3-or-later and this program
 * GPL-2.0-or-later, so it is loaded at run time, and into this process only: never into the VM
 * process with its GPL-2-only engines.
 */
#ifndef PINFOLD_CLI_DISAS_RISCV_H
#define PINFOLD_CLI_DISAS_RISCV_H

#include <stddef.h>
#include <stdint.h>

/**
 * Disassemble one RV64 instruction. Main thread.
 * @param ret at least DISAS_TEXT_BYTES
 * @return bytes of the instruction; 0 when it is none, or the library is missing
 */
size_t disas_riscv_one(uint64_t pc, const uint8_t *bytes, size_t n, char *ret);

/** @return why it does not work here, and what to install; NULL if it works */
const char *disas_riscv_lack(void);

/** @return name of the loaded library; "" if there is none */
const char *disas_riscv_name(void);

#endif
