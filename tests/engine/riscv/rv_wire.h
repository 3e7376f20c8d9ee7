/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes between the comparison (rv_diff) and its referee (rv_referee.c, a RISC-V program that
 * qemu runs): batches of cases one way, their states the other.
 *
 *   to the referee:   uint32_t n, then n code slots, then n states; n = 0: end
 *   from the referee: n states
 *
 * Code and states lie at the same guest addresses on both sides, so that addresses in registers
 * are equal too.
 */
#ifndef TESTS_ENGINE_RISCV_RV_WIRE_H
#define TESTS_ENGINE_RISCV_RV_WIRE_H

#include <stdint.h>

#define RV_WIRE_CASES_MAX  256
#define RV_WIRE_CODE_ADDR  0x10000000
#define RV_WIRE_CODE_BYTES 512
#define RV_WIRE_STATE_ADDR 0x20000000
#define RV_WIRE_DATA_BYTES 2048

/* The last instructions of a case load the referee's way out from here; x31 is spoilt. */
#define RV_WIRE_EXIT_ADDR 0x18000000

/** A case's registers and the memory that it may use. 4096 bytes, at offsets that assembly knows. */
struct rv_wire_state {
	uint64_t x[32]; /* x1: entry; x31: anything, not compared */
	uint64_t f[32];
	uint64_t fcsr;
	uint64_t pc;	 /* of an exception; else 0 */
	uint64_t signal; /* 0, SIGILL or SIGTRAP */
	uint8_t spare[2048 - 67 * 8];
	uint8_t data[RV_WIRE_DATA_BYTES];
};

_Static_assert(sizeof(struct rv_wire_state) == 4096, "a page per state");

#endif
