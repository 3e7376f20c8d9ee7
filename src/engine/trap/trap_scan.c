/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and patching what must trap; see trap_scan.h. */
#include "engine/trap/trap_scan.h"

#include <string.h>

#define C_EBREAK      0x9002u
#define OPCODE_MASK   0x7fu
#define OPCODE_SYSTEM 0x73u
#define OPCODE_FENCE  0x0fu
#define ECALL_LOW     0x0073u
#define CSR_SHIFT     4 /* of a CSR's number in the upper halfword */

/* CSRs that user mode reaches, and so would show the host's own. */
#define CSR_FP_LAST	 0x003u
#define CSR_VECTOR_FIRST 0x008u
#define CSR_VECTOR_LAST	 0x00fu
#define CSR_SEED	 0x015u
#define CSR_COUNTERS	 0xc00u
#define CSR_COUNTERS_END 0xcffu

/** A page on its way. */
struct scan {
	const uint16_t *code;
	uint16_t *copy;
	bool is_fp_trapped;
	bool is_patched, is_unsuitable;
};

/* Whether an instruction that begins so has 4 bytes. */
static bool is_long(uint16_t low)
{
	return (low & 3) == 3;
}

static unsigned int funct3(uint16_t low)
{
	return low >> 12 & 7u;
}

static bool is_csr_low(uint16_t low)
{
	return (low & OPCODE_MASK) == OPCODE_SYSTEM && (funct3(low) & 3u) != 0;
}

static bool is_csr_sensitive(uint32_t csr, bool is_fp_trapped)
{
	if (csr >= 1 && csr <= CSR_FP_LAST) {
		return is_fp_trapped;
	}
	return (csr >= CSR_VECTOR_FIRST && csr <= CSR_VECTOR_LAST) || csr == CSR_SEED ||
	       (csr >= CSR_COUNTERS && csr <= CSR_COUNTERS_END);
}

/* cbo.*: whether user mode may depends on the host's kernel. */
static bool is_block_operation(uint16_t low, uint16_t high)
{
	uint32_t operation = high >> CSR_SHIFT;

	return (low & 0x7fffu) == (0x2000u | OPCODE_FENCE) && operation <= 4 && operation != 3;
}

/* Whether the pair, executed, would not trap by itself and must; a trap follows from changing its second half. */
static bool is_sensitive(uint16_t low, uint16_t high, bool is_fp_trapped)
{
	if (low == ECALL_LOW) {
		return high == 0;
	}
	return (is_csr_low(low) && is_csr_sensitive(high >> CSR_SHIFT, is_fp_trapped)) ||
	       is_block_operation(low, high);
}

static void patch(struct scan *s, size_t at)
{
	s->copy[at] = C_EBREAK;
	s->is_patched = true;
}

/*
 * Let the instruction that begins at @p at trap at its first half. If that may also be the second half of a longer one before
 * it, that one must not run with a changed half: it traps too, and so on backwards.
 */
static void patch_beginning(struct scan *s, size_t at)
{
	patch(s, at);
	while (at > 0 && is_long(s->code[at - 1])) {
		at--;
		patch(s, at);
	}
	/* Its first half would be on the page before this one. */
	s->is_unsuitable = s->is_unsuitable || at == 0;
}

/* The second half is on another page: all depends on the first. */
static void patch_end(struct scan *s)
{
	uint16_t low = s->code[TRAP_HALVES - 1];

	if (low == ECALL_LOW || is_csr_low(low) || (low & 0x7fffu) == (0x2000u | OPCODE_FENCE)) {
		patch_beginning(s, TRAP_HALVES - 1);
	}
}

static bool is_fp(uint16_t low)
{
	switch (low & OPCODE_MASK) {
	case 0x07: /* LOAD-FP */
	case 0x27: /* STORE-FP */
	case 0x43: /* FMADD, ... */
	case 0x47:
	case 0x4b:
	case 0x4f:
	case 0x53: /* OP-FP */
		return true;
	default:
		/* c.fld, c.fsd; c.fldsp, c.fsdsp */
		return (low & 3) != 1 && (low & 3) != 3 && (low >> 13 == 1 || low >> 13 == 5);
	}
}

static void patch_fp(struct scan *s, size_t from)
{
	for (size_t i = from; i < TRAP_HALVES; i += is_long(s->code[i]) ? 2 : 1) {
		if (is_fp(s->code[i])) {
			patch_beginning(s, i);
		}
	}
}

enum trap_scan_result trap_scan(const uint16_t code[TRAP_HALVES], bool is_fp_trapped,
				uint16_t ret[TRAP_HALVES])
{
	struct scan s = { .code = code, .copy = ret, .is_fp_trapped = is_fp_trapped };

	memcpy(ret, code, PAGE_BYTES);
	for (size_t i = 0; i + 1 < TRAP_HALVES; i++) {
		if (is_sensitive(code[i], code[i + 1], is_fp_trapped)) {
			patch(&s, i + 1);
		}
	}
	patch_end(&s);
	if (is_fp_trapped) {
		patch_fp(&s, 0);
		patch_fp(&s, 1);
	}
	return s.is_unsuitable ? TRAP_SCAN_UNSUITABLE
	       : s.is_patched  ? TRAP_SCAN_PATCHED
			       : TRAP_SCAN_CLEAN;
}
