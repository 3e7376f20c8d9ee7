/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disassembly of single instructions: Capstone for x86, ARM and AArch64; for RISC-V, which
 * Capstone 4 lacks, libopcodes, loaded at run time when the first such instruction comes.
 */
#ifndef PINFOLD_CLI_DISAS_H
#define PINFOLD_CLI_DISAS_H

#include <stddef.h>
#include <stdint.h>

#define DISAS_TEXT_BYTES       192
#define DISAS_BYTES_TEXT_BYTES (16 * 3 + 1)

struct disas;

/** @return a disassembler for an architecture (enum proto_arch); NULL when out of memory */
struct disas *disas_new(uint32_t arch);

/** Accepts NULL. */
void disas_free(struct disas *d);

/**
 * Disassemble one instruction. Bytes that are none, or that no disassembler here knows, become
 * data: ".byte 0xff" or ".word 0x00000013".
 * @param flags PROTO_CFG_16BIT, BIG_ENDIAN, THUMB: how the CPU decodes them
 * @param n     bytes that are there, at most 16; 0 gives ""
 * @param ret   DISAS_TEXT_BYTES
 * @return bytes of the instruction; 0 when it could not be disassembled
 */
size_t disas_one(struct disas *d, uint32_t flags, uint64_t pc, const uint8_t *bytes, size_t n,
		 char *ret);

/**
 * Bytes as text, "e8 00 00".
 * @param n   at most 16
 * @param ret DISAS_BYTES_TEXT_BYTES
 */
void disas_bytes(const uint8_t *bytes, size_t n, char *ret);

/** @return why there is no disassembly for this architecture here; NULL if there is */
const char *disas_lack(struct disas *d);

/** @return what disassembles this architecture: "Capstone 4.0.2" */
const char *disas_name(struct disas *d);

#endif
