/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzer and a referee tell each other, over two pipes. Both are little endian and use the same fixed layout:
 *
 *   fuzzer -> referee   struct wire_head, then so many struct wire_case
 *   referee -> fuzzer   as many struct wire_result
 *
 * The referee reads a whole batch before it runs the first case, so that nobody waits for the other's pipe.
 */
#ifndef TESTS_DIFFFUZZ_WIRE_H
#define TESTS_DIFFFUZZ_WIRE_H

#include <stdint.h>

/* Where code and data lie, in the referee and in the guest. The pages around both are empty. */
#define WIRE_CODE_ADDR	0x50000000u
#define WIRE_CODE_BYTES 4096u
#define WIRE_DATA_ADDR	0x50200000u
#define WIRE_DATA_BYTES 4096u
/* The end of the data page is what cases use; behind it is nothing, so that some accesses fault. */
#define WIRE_WINDOW_BYTES 1024u
#define WIRE_WINDOW_ADDR  (WIRE_DATA_ADDR + WIRE_DATA_BYTES - WIRE_WINDOW_BYTES)
#define WIRE_BASE_ADDR	  (WIRE_WINDOW_ADDR + 512u) /* in the base register */
#define WIRE_STACK_ADDR	  (WIRE_WINDOW_ADDR + 256u) /* in the stack pointer */

#define WIRE_CASE_CODE_BYTES 512u
#define WIRE_BATCH_MAX	     64u
#define WIRE_MAGIC	     0x66666964u

/** User-level registers of any of the architectures. */
struct wire_state {
	uint64_t gpr[32];
	uint64_t pc;
	uint64_t flags;	     /* EFLAGS, CPSR or PSTATE */
	uint64_t fp_control; /* MXCSR, FPSCR, FPCR or FCSR */
	uint64_t fp_status;  /* FPSR */
	uint64_t vec[32][2];
};

/** Instruction sets: what differs between cases of one referee. */
enum wire_isa { WIRE_ISA_X86, WIRE_ISA_X64, WIRE_ISA_ARM, WIRE_ISA_THUMB, WIRE_ISA_A64, WIRE_ISA_RV64 };

/** One sequence. */
struct wire_case {
	uint32_t isa;
	uint32_t code_bytes; /* with the instruction that ends it */
	struct wire_state start;
	uint8_t code[WIRE_CASE_CODE_BYTES];
	uint8_t data[WIRE_WINDOW_BYTES];
};

/** How a case ended; which of them is the regular end can be told by pc. */
enum wire_end {
	WIRE_END_ILLEGAL = 1,
	WIRE_END_UNMAPPED,
	WIRE_END_PROTECTION,
	WIRE_END_UNALIGNED,
	WIRE_END_DIVIDE,
	WIRE_END_GENERAL,
	WIRE_END_FP,
	WIRE_END_BREAKPOINT,
	WIRE_END_OTHER,
};

/** What became of it. */
struct wire_result {
	uint32_t end;
	uint32_t has_address;
	uint64_t address;
	struct wire_state state;
	uint8_t data[WIRE_WINDOW_BYTES];
};

/** In front of each batch. */
struct wire_head {
	uint32_t magic;
	uint32_t count; /* 1 .. WIRE_BATCH_MAX */
};

#endif
