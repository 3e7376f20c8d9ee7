/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 and x64: integer instructions of the i686, SSE2 for floating point. Source: Intel SDM volume 2, whose
 * "Flags Affected" sections give the flags that an instruction leaves undefined.
 *
 * rbx is the base register; neither it nor rsp is written but by push and pop.
 */
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "gen.h"

enum { BRANCH_SHORT = 1 };

#define BASE 3
#define SP   4
#define RAX  0
#define RCX  1
#define RDX  2
#define RSI  6
#define RDI  7

/** One instruction under construction. */
struct enc {
	struct rng *r;
	struct diff_insn *i;
	bool is_64;
};

/** An operand that the ModRM byte names: a register or memory at the base register. */
struct rm {
	bool is_mem;
	uint8_t reg;
	int32_t disp;
};

static void put(struct enc *e, uint64_t v, unsigned int bytes)
{
	BUG_ON(e->i->n_bytes + bytes > DIFF_INSN_BYTES_MAX);
	store_le(e->i->bytes + e->i->n_bytes, v, bytes);
	e->i->n_bytes = (uint8_t)(e->i->n_bytes + bytes);
}

/* Without REX, 4 to 7 of the byte registers are ah, ch, dh, bh. */
static bool is_legacy_byte(const struct enc *e, unsigned int size)
{
	return size == 1 && !e->is_64;
}

static uint8_t any_reg(struct enc *e)
{
	return (uint8_t)rng_below(e->r, e->is_64 ? 16 : 8);
}

/* A register that may be written. In 64-bit mode byte registers always come with REX. */
static uint8_t free_reg(struct enc *e, unsigned int size)
{
	uint8_t v;

	do {
		v = any_reg(e);
	} while (v == BASE || (v == SP && !is_legacy_byte(e, size)) ||
		 (v == BASE + 4 && is_legacy_byte(e, size)));
	return v;
}

static struct rm memory(struct enc *e)
{
	return (struct rm){ .is_mem = true, .disp = (int32_t)rng_below(e->r, 1024) - 508 };
}

/* Aligned to 16 bytes, inside the page. */
static struct rm aligned_memory(struct enc *e)
{
	return (struct rm){ .is_mem = true, .disp = ((int32_t)rng_below(e->r, 60) - 30) * 16 };
}

static struct rm source(struct enc *e)
{
	return rng_below(e->r, 3) ? (struct rm){ .reg = any_reg(e) } : memory(e);
}

static struct rm destination(struct enc *e, unsigned int size)
{
	return rng_below(e->r, 3) ? (struct rm){ .reg = free_reg(e, size) } : memory(e);
}

static unsigned int any_size(struct enc *e)
{
	unsigned int s = 1u << rng_below(e->r, e->is_64 ? 4 : 3);

	return s;
}

/* Not a byte. */
static unsigned int word_size(struct enc *e)
{
	return 2u << rng_below(e->r, e->is_64 ? 3 : 2);
}

/*
 * Prefixes, opcode and operands. @p opcode is one to three bytes, most significant first; @p prefix 0, 0x66, 0xf2
 * or 0xf3 is a mandatory one.
 */
static void put_op(struct enc *e, unsigned int size, uint8_t prefix, uint32_t opcode, uint8_t reg, struct rm rm)
{
	uint8_t rex = (uint8_t)((size == 8 ? 8 : 0) | (reg & 8 ? 4 : 0) | (!rm.is_mem && (rm.reg & 8) ? 1 : 0));

	if (size == 2) {
		put(e, 0x66, 1);
	}
	if (prefix) {
		put(e, prefix, 1);
	}
	if (e->is_64 && (rex || size == 1)) {
		put(e, 0x40u | rex, 1);
	}
	for (int shift = 16; shift >= 0; shift -= 8) {
		if (opcode >> shift || shift == 0) {
			put(e, (opcode >> shift) & 0xff, 1);
		}
	}
	if (!rm.is_mem) {
		put(e, 0xc0u | (reg & 7u) << 3 | (rm.reg & 7u), 1);
	} else if (rm.disp >= -128 && rm.disp < 128) {
		put(e, 0x40u | (reg & 7u) << 3 | BASE, 1);
		put(e, (uint8_t)rm.disp, 1);
	} else {
		put(e, 0x80u | (reg & 7u) << 3 | BASE, 1);
		put(e, (uint32_t)rm.disp, 4);
	}
}

static void flags(struct enc *e, uint16_t uses, uint16_t defines, uint16_t undefines)
{
	e->i->uses = uses;
	e->i->defines = defines;
	e->i->undefines = undefines;
}

static uint8_t byte_opcode(unsigned int size)
{
	return size == 1 ? 0 : 1;
}

static void put_imm(struct enc *e, unsigned int size)
{
	put(e, gen_integer(e->r), size > 4 ? 4 : size);
}

static void put_mov(struct enc *e, uint8_t reg, uint32_t v)
{
	put(e, 0xb8u + reg, 1);
	put(e, v, 4);
}

static void gen_alu(struct enc *e)
{
	static const char *const names[] = { "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp" };
	uint8_t op = (uint8_t)rng_below(e->r, 8);
	unsigned int size = any_size(e);
	bool is_logic = op == 1 || op == 4 || op == 6;

	e->i->name = names[op];
	flags(e, op == 2 || op == 3 ? X86F_CF : 0, is_logic ? X86F_ALL & ~X86F_AF : X86F_ALL, is_logic ? X86F_AF : 0);
	switch (rng_below(e->r, 4)) {
	case 0:
		put_op(e, size, 0, (uint32_t)(op * 8 + byte_opcode(size)), any_reg(e), destination(e, size));
		break;
	case 1:
		put_op(e, size, 0, (uint32_t)(op * 8 + 2 + byte_opcode(size)), free_reg(e, size), source(e));
		break;
	case 2:
		put_op(e, size, 0, size == 1 ? 0x80 : 0x81, op, destination(e, size));
		put_imm(e, size);
		break;
	default:
		size = word_size(e);
		put_op(e, size, 0, 0x83, op, destination(e, size));
		put(e, gen_integer(e->r), 1);
		break;
	}
}

static void gen_test(struct enc *e)
{
	unsigned int size = any_size(e);

	e->i->name = "test";
	flags(e, 0, X86F_ALL & ~X86F_AF, X86F_AF);
	if (rng_below(e->r, 2)) {
		put_op(e, size, 0, 0x84u + byte_opcode(size), any_reg(e), source(e));
	} else {
		put_op(e, size, 0, 0xf6u + byte_opcode(size), 0, source(e));
		put_imm(e, size);
	}
}

static void gen_unary(struct enc *e)
{
	static const struct {
		const char *name;
		uint8_t opcode, ext;
		uint16_t defines;
	} ops[] = {
		{ "not", 0xf6, 2, 0 }, { "neg", 0xf6, 3, X86F_ALL }, { "inc", 0xfe, 0, X86F_ALL & ~X86F_CF },
		{ "dec", 0xfe, 1, X86F_ALL & ~X86F_CF },
	};
	uint32_t k = rng_below(e->r, ARRAY_SIZE(ops));
	unsigned int size = any_size(e);

	e->i->name = ops[k].name;
	flags(e, 0, ops[k].defines, 0);
	put_op(e, size, 0, (uint32_t)(ops[k].opcode + byte_opcode(size)), ops[k].ext, destination(e, size));
}

static void gen_move(struct enc *e)
{
	unsigned int size = any_size(e);

	switch (rng_below(e->r, 6)) {
	case 0:
		e->i->name = "mov load";
		put_op(e, size, 0, 0x8au + byte_opcode(size), free_reg(e, size), source(e));
		break;
	case 1:
		e->i->name = "mov store";
		put_op(e, size, 0, 0x88u + byte_opcode(size), any_reg(e), destination(e, size));
		break;
	case 2:
		e->i->name = "mov imm";
		put_op(e, size, 0, 0xc6u + byte_opcode(size), 0, destination(e, size));
		put_imm(e, size);
		break;
	case 3:
		e->i->name = "movzx/movsx";
		size = word_size(e);
		put_op(e, size, 0, (rng_below(e->r, 2) ? 0x0fb7u : 0x0fbfu), free_reg(e, size), source(e));
		break;
	case 4:
		e->i->name = "lea";
		size = word_size(e);
		put_op(e, size, 0, 0x8d, free_reg(e, size), memory(e));
		break;
	default:
		e->i->name = "xchg";
		put_op(e, size, 0, 0x86u + byte_opcode(size), free_reg(e, size), destination(e, size));
		break;
	}
}

static void gen_extend(struct enc *e)
{
	unsigned int size = word_size(e);

	switch (rng_below(e->r, 4)) {
	case 0: /* the source is a byte register: with REX always, so that the numbers mean the same */
		e->i->name = "movzx/movsx byte";
		put_op(e, size, 0, rng_below(e->r, 2) ? 0x0fb6u : 0x0fbeu, free_reg(e, size), memory(e));
		break;
	case 1:
		e->i->name = "cbw/cwde/cdqe";
		if (size != 4) {
			put(e, size == 2 ? 0x66 : 0x48, 1);
		}
		put(e, 0x98, 1);
		break;
	case 2:
		e->i->name = "cwd/cdq/cqo";
		if (size != 4) {
			put(e, size == 2 ? 0x66 : 0x48, 1);
		}
		put(e, 0x99, 1);
		break;
	default: {
		uint8_t reg = free_reg(e, 8);

		e->i->name = "bswap";
		size = size == 2 ? 4 : size;
		if (e->is_64) {
			put(e, 0x40u | (size == 8 ? 8 : 0) | (reg & 8 ? 1 : 0), 1);
		}
		put(e, 0x0f, 1);
		put(e, 0xc8u + (reg & 7u), 1);
		break;
	}
	}
}

static void shift_flags(struct enc *e, uint8_t op, unsigned int size, uint32_t count)
{
	uint32_t bits = size * 8;
	uint16_t of = count == 1 ? X86F_OF : 0;
	uint16_t no_of = count == 1 ? 0 : X86F_OF;

	if (count == 0) {
		flags(e, 0, 0, 0);
	} else if (op == 2 || op == 3) { /* rcl, rcr; a full turn of 8 or 16 bits changes nothing */
		flags(e, X86F_CF, of | X86F_CF, no_of);
	} else if (op < 2) {
		flags(e, 0, of | X86F_CF, no_of);
	} else {
		bool is_cf_lost = op != 7 && count >= bits;
		uint16_t defined = (uint16_t)(X86F_PF | X86F_ZF | X86F_SF | of | (is_cf_lost ? 0 : X86F_CF));

		flags(e, 0, defined, X86F_ALL & (uint16_t)~defined);
	}
}

static void gen_shift(struct enc *e)
{
	static const char *const names[] = { "rol", "ror", "rcl", "rcr", "shl", "shr", NULL, "sar" };
	uint8_t op;
	unsigned int size = any_size(e);
	uint32_t count = rng_below(e->r, 3) ? rng_below(e->r, 70) : 1;
	uint32_t masked = count & (size == 8 ? 63 : 31);
	uint32_t form = rng_below(e->r, 3);

	do {
		op = (uint8_t)rng_below(e->r, 8);
	} while (!names[op]);
	e->i->name = names[op];
	if (form == 0) {
		masked = 1;
		put_op(e, size, 0, 0xd0u + byte_opcode(size), op, destination(e, size));
	} else if (form == 1) {
		put_op(e, size, 0, 0xc0u + byte_opcode(size), op, destination(e, size));
		put(e, count, 1);
	} else {
		put_mov(e, RCX, count);
		put_op(e, size, 0, 0xd2u + byte_opcode(size), op, destination(e, size));
	}
	shift_flags(e, op, size, masked);
}

static void gen_double_shift(struct enc *e)
{
	unsigned int size = word_size(e);
	uint32_t count = rng_below(e->r, size == 2 ? 16 : size * 8);
	bool is_right = rng_below(e->r, 2);
	uint16_t defined = X86F_CF | X86F_PF | X86F_ZF | X86F_SF | (count == 1 ? X86F_OF : 0);

	e->i->name = is_right ? "shrd" : "shld";
	put_op(e, size, 0, is_right ? 0x0facu : 0x0fa4u, any_reg(e), destination(e, size));
	put(e, count, 1);
	if (count) {
		flags(e, 0, defined, X86F_ALL & (uint16_t)~defined);
	}
}

static void gen_multiply(struct enc *e)
{
	unsigned int size = any_size(e);
	const uint16_t lost = X86F_SF | X86F_ZF | X86F_AF | X86F_PF;

	flags(e, 0, X86F_CF | X86F_OF, lost);
	switch (rng_below(e->r, 4)) {
	case 0:
		e->i->name = "mul";
		put_op(e, size, 0, 0xf6u + byte_opcode(size), 4, source(e));
		break;
	case 1:
		e->i->name = "imul";
		put_op(e, size, 0, 0xf6u + byte_opcode(size), 5, source(e));
		break;
	case 2:
		e->i->name = "imul 2";
		size = word_size(e);
		put_op(e, size, 0, 0x0faf, free_reg(e, size), source(e));
		break;
	default:
		e->i->name = "imul 3";
		size = word_size(e);
		put_op(e, size, 0, 0x69, free_reg(e, size), source(e));
		put_imm(e, size);
		break;
	}
}

/* The least number divided by -1: the one overflow that a C program must not leave to its own division. */
static void gen_divide_least(struct enc *e)
{
	unsigned int size = rng_below(e->r, 2) ? 4 : 2;

	e->i->name = "idiv least";
	flags(e, 0, 0, X86F_ALL);
	put_mov(e, RAX, 0);
	put_mov(e, RDX, size == 4 ? 0x80000000u : 0x8000u);
	put_mov(e, RCX, UINT32_MAX);
	put_op(e, size, 0, 0xf7, 7, (struct rm){ .reg = RCX });
}

/* Most divisions get a high part that usually lets the quotient fit. */
static void gen_divide(struct enc *e)
{
	unsigned int size = any_size(e);
	bool is_signed = rng_below(e->r, 2);
	struct rm by = source(e);

	if (rng_below(e->r, 32) == 0) {
		gen_divide_least(e);
		return;
	}

	e->i->name = is_signed ? "idiv" : "div";
	flags(e, 0, 0, X86F_ALL);
	if (rng_below(e->r, 8) && size > 1) {
		if (is_signed) { /* cwd, cdq, cqo */
			if (size != 4) {
				put(e, size == 2 ? 0x66 : 0x48, 1);
			}
			put(e, 0x99, 1);
		} else { /* mov edx, 0: leaves the flags alone, even if the division faults */
			put_mov(e, RDX, 0);
		}
	}
	put_op(e, size, 0, 0xf6u + byte_opcode(size), is_signed ? 7 : 6, by);
}

static void gen_bits(struct enc *e)
{
	static const char *const names[] = { "bt", "bts", "btr", "btc" };
	uint8_t op = (uint8_t)rng_below(e->r, 4);
	unsigned int size = word_size(e);

	e->i->name = names[op];
	flags(e, 0, X86F_CF, X86F_OF | X86F_SF | X86F_AF | X86F_PF);
	if (rng_below(e->r, 2)) {
		put_op(e, size, 0, 0x0fba, (uint8_t)(4 + op), destination(e, size));
		put(e, rng_below(e->r, 256), 1);
	} else {
		put_op(e, size, 0, 0x0fa3u + op * 8u, any_reg(e), (struct rm){ .reg = free_reg(e, size) });
	}
}

/* or reg, 1 (or the sign) first: without a set bit the result is undefined. */
static void gen_scan(struct enc *e)
{
	unsigned int size = word_size(e);
	bool is_reverse = rng_below(e->r, 2);
	uint8_t from = free_reg(e, size);

	e->i->name = is_reverse ? "bsr" : "bsf";
	put_op(e, size, 0, 0x83, 1, (struct rm){ .reg = from });
	put(e, rng_below(e->r, 2) ? 1 : 0x80, 1);
	put_op(e, size, 0, is_reverse ? 0x0fbdu : 0x0fbcu, free_reg(e, size), (struct rm){ .reg = from });
	flags(e, 0, X86F_ZF, X86F_ALL & ~X86F_ZF);
}

/* Flags that a condition code looks at. */
static uint16_t condition_flags(uint32_t cc)
{
	static const uint16_t of_pair[8] = { X86F_OF,	       X86F_CF,		  X86F_ZF,
					     X86F_CF | X86F_ZF, X86F_SF,	  X86F_PF,
					     X86F_SF | X86F_OF, X86F_ZF | X86F_SF | X86F_OF };

	return of_pair[cc >> 1];
}

static void gen_condition(struct enc *e)
{
	uint32_t cc = rng_below(e->r, 16);
	unsigned int size;

	flags(e, condition_flags(cc), 0, 0);
	switch (rng_below(e->r, 3)) {
	case 0:
		e->i->name = "setcc";
		put_op(e, 1, 0, 0x0f90u + cc, 0, destination(e, 1));
		break;
	case 1:
		e->i->name = "cmovcc";
		size = word_size(e);
		put_op(e, size, 0, 0x0f40u + cc, free_reg(e, size), source(e));
		break;
	default:
		e->i->name = "jcc";
		e->i->branch = BRANCH_SHORT;
		put(e, 0x70u + cc, 1);
		put(e, 0, 1);
		break;
	}
}

static void gen_flags(struct enc *e)
{
	static const struct {
		const char *name;
		uint8_t opcode;
		uint16_t uses, defines;
	} ops[] = {
		{ "clc", 0xf8, 0, X86F_CF },	     { "stc", 0xf9, 0, X86F_CF },
		{ "cmc", 0xf5, X86F_CF, X86F_CF },   { "sahf", 0x9e, 0, X86F_ALL & ~X86F_OF },
		{ "lahf", 0x9f, X86F_ALL & ~X86F_OF, 0 }, { "nop", 0x90, 0, 0 },
	};
	uint32_t k = rng_below(e->r, ARRAY_SIZE(ops));

	e->i->name = ops[k].name;
	flags(e, ops[k].uses, ops[k].defines, 0);
	put(e, ops[k].opcode, 1);
}

static void gen_exchange(struct enc *e)
{
	unsigned int size = any_size(e);

	flags(e, 0, X86F_ALL, 0);
	if (rng_below(e->r, 2)) {
		e->i->name = "xadd";
		put_op(e, size, 0, 0x0fc0u + byte_opcode(size), free_reg(e, size), destination(e, size));
	} else {
		e->i->name = "cmpxchg";
		put_op(e, size, 0, 0x0fb0u + byte_opcode(size), any_reg(e), destination(e, size));
	}
}

static void gen_stack(struct enc *e)
{
	uint8_t reg = free_reg(e, 8);
	bool is_pop = rng_below(e->r, 2);

	e->i->name = is_pop ? "pop" : "push";
	if (reg & 8) {
		put(e, 0x41, 1);
	}
	put(e, (is_pop ? 0x58u : 0x50u) + (reg & 7u), 1);
}

/* mov edi and esi to the window, mov ecx, a small number; then a repeated string instruction. */
static void gen_string(struct enc *e)
{
	static const struct {
		const char *name;
		uint8_t opcode;
		bool is_compare;
	} ops[] = {
		{ "rep movs", 0xa4, false }, { "rep stos", 0xaa, false }, { "rep lods", 0xac, false },
		{ "repe cmps", 0xa6, true }, { "repne scas", 0xae, true },
	};
	uint32_t k = rng_below(e->r, ARRAY_SIZE(ops));
	unsigned int size = any_size(e);
	uint32_t count = rng_below(e->r, 12);

	e->i->name = ops[k].name;
	put_mov(e, RDI, WIRE_BASE_ADDR + rng_below(e->r, 500));
	put_mov(e, RSI, WIRE_BASE_ADDR - rng_below(e->r, 500));
	put_mov(e, RCX, count);
	if (size == 2) {
		put(e, 0x66, 1);
	}
	put(e, ops[k].is_compare && rng_below(e->r, 2) ? 0xf2 : 0xf3, 1);
	if (size == 8) {
		put(e, 0x48, 1);
	}
	put(e, (uint32_t)(ops[k].opcode + byte_opcode(size)), 1);
	flags(e, 0, ops[k].is_compare && count ? X86F_ALL : 0, 0);
}

/* Registers or memory; xmm, xmm/m. 'a': memory must be aligned, 'u': any; 'x': from r/m32, 'g': to r32. */
struct sse_op {
	const char *name;
	uint8_t prefix;
	uint16_t opcode;
	char kind;
	bool has_imm;
};

/* All four forms of an arithmetic operation. */
#define SSE4(name, op)                                                                  \
	{ name "ps", 0, op, 'a', false }, { name "pd", 0x66, op, 'a', false },          \
	{ name "ss", 0xf3, op, 'u', false }, { name "sd", 0xf2, op, 'u', false }
#define P(name, op) { name, 0x66, op, 'a', false }

static const struct sse_op sse_ops[] = {
	SSE4("add", 0x0f58), SSE4("mul", 0x0f59), SSE4("sub", 0x0f5c), SSE4("min", 0x0f5d), SSE4("div", 0x0f5e),
	SSE4("max", 0x0f5f), SSE4("sqrt", 0x0f51),
	{ "cmpps", 0, 0x0fc2, 'a', true }, { "cmppd", 0x66, 0x0fc2, 'a', true }, { "cmpss", 0xf3, 0x0fc2, 'u', true },
	{ "cmpsd", 0xf2, 0x0fc2, 'u', true }, { "shufps", 0, 0x0fc6, 'a', true }, { "shufpd", 0x66, 0x0fc6, 'a', true },
	{ "andps", 0, 0x0f54, 'a', false }, { "andnps", 0, 0x0f55, 'a', false }, { "orps", 0, 0x0f56, 'a', false },
	{ "xorps", 0, 0x0f57, 'a', false }, { "unpcklps", 0, 0x0f14, 'a', false }, { "unpckhpd", 0x66, 0x0f15, 'a', false },
	{ "ucomiss", 0, 0x0f2e, 'c', false }, { "ucomisd", 0x66, 0x0f2e, 'c', false }, { "comiss", 0, 0x0f2f, 'c', false },
	{ "comisd", 0x66, 0x0f2f, 'c', false }, { "cvtps2pd", 0, 0x0f5a, 'u', false }, { "cvtpd2ps", 0x66, 0x0f5a, 'a', false },
	{ "cvtss2sd", 0xf3, 0x0f5a, 'u', false }, { "cvtsd2ss", 0xf2, 0x0f5a, 'u', false },
	{ "cvtdq2ps", 0, 0x0f5b, 'a', false }, { "cvtps2dq", 0x66, 0x0f5b, 'a', false }, { "cvttps2dq", 0xf3, 0x0f5b, 'a', false },
	{ "cvtdq2pd", 0xf3, 0x0fe6, 'u', false }, { "cvtpd2dq", 0xf2, 0x0fe6, 'a', false }, { "cvttpd2dq", 0x66, 0x0fe6, 'a', false },
	{ "cvtsi2ss", 0xf3, 0x0f2a, 'x', false }, { "cvtsi2sd", 0xf2, 0x0f2a, 'x', false }, { "cvttss2si", 0xf3, 0x0f2c, 'g', false },
	{ "cvttsd2si", 0xf2, 0x0f2c, 'g', false }, { "cvtss2si", 0xf3, 0x0f2d, 'g', false }, { "cvtsd2si", 0xf2, 0x0f2d, 'g', false },
	{ "movd load", 0x66, 0x0f6e, 'x', false }, { "movups", 0, 0x0f10, 'u', false }, { "movss", 0xf3, 0x0f10, 'u', false },
	{ "movsd", 0xf2, 0x0f10, 'u', false }, { "movdqa", 0x66, 0x0f6f, 'a', false }, { "movdqu", 0xf3, 0x0f6f, 'u', false },
	{ "movups store", 0, 0x0f11, 's', false }, { "movss store", 0xf3, 0x0f11, 's', false }, { "movq", 0xf3, 0x0f7e, 'u', false },
	{ "pshufd", 0x66, 0x0f70, 'a', true }, { "pshufhw", 0xf3, 0x0f70, 'a', true }, { "pshuflw", 0xf2, 0x0f70, 'a', true },
	{ "pmovmskb", 0x66, 0x0fd7, 'm', false }, { "movmskps", 0, 0x0f50, 'm', false }, { "movmskpd", 0x66, 0x0f50, 'm', false },
	P("punpcklbw", 0x0f60), P("punpcklwd", 0x0f61), P("punpckldq", 0x0f62), P("packsswb", 0x0f63), P("pcmpgtb", 0x0f64),
	P("pcmpgtw", 0x0f65), P("pcmpgtd", 0x0f66), P("packuswb", 0x0f67), P("punpckhbw", 0x0f68), P("packssdw", 0x0f6b),
	P("punpcklqdq", 0x0f6c), P("pcmpeqb", 0x0f74), P("pcmpeqd", 0x0f76), P("psrlw", 0x0fd1), P("psrld", 0x0fd2),
	P("psrlq", 0x0fd3), P("paddq", 0x0fd4), P("pmullw", 0x0fd5), P("psubusb", 0x0fd8), P("psubusw", 0x0fd9), P("pminub", 0x0fda),
	P("pand", 0x0fdb), P("paddusb", 0x0fdc), P("paddusw", 0x0fdd), P("pmaxub", 0x0fde), P("pandn", 0x0fdf), P("pavgb", 0x0fe0),
	P("psraw", 0x0fe1), P("psrad", 0x0fe2), P("pavgw", 0x0fe3), P("pmulhuw", 0x0fe4), P("pmulhw", 0x0fe5), P("psubsb", 0x0fe8),
	P("psubsw", 0x0fe9), P("pminsw", 0x0fea), P("por", 0x0feb), P("paddsb", 0x0fec), P("paddsw", 0x0fed), P("pmaxsw", 0x0fee),
	P("pxor", 0x0fef), P("psllw", 0x0ff1), P("pslld", 0x0ff2), P("psllq", 0x0ff3), P("pmuludq", 0x0ff4), P("pmaddwd", 0x0ff5),
	P("psadbw", 0x0ff6), P("psubb", 0x0ff8), P("psubw", 0x0ff9), P("psubd", 0x0ffa), P("psubq", 0x0ffb), P("paddb", 0x0ffc),
	P("paddw", 0x0ffd), P("paddd", 0x0ffe),
};

static void gen_sse(struct enc *e)
{
	const struct sse_op *op = &sse_ops[rng_below(e->r, ARRAY_SIZE(sse_ops))];
	uint8_t xmm = any_reg(e);
	struct rm rm = { .reg = any_reg(e) };
	unsigned int size = e->is_64 && rng_below(e->r, 2) ? 8 : 4;

	e->i->name = op->name;
	if (op->kind == 'c') {
		flags(e, 0, X86F_ALL, 0);
	}
	if (op->kind == 'g' || op->kind == 'm') {
		xmm = free_reg(e, 8);
	}
	if (op->kind == 'a' && rng_below(e->r, 3) == 0) {
		rm = aligned_memory(e);
	} else if (op->kind != 'a' && op->kind != 'm' && rng_below(e->r, 3) == 0) {
		rm = memory(e);
	}
	put_op(e, op->kind == 'x' || op->kind == 'g' ? size : 4, op->prefix, op->opcode, xmm, rm);
	if (op->has_imm) {
		put(e, op->opcode == 0x0fc2 ? rng_below(e->r, 8) : rng_below(e->r, 256), 1);
	}
}

static void gen(struct rng *r, bool has_fp, bool is_64, struct diff_insn *ret)
{
	static void (*const groups[])(struct enc *e) = {
		gen_alu, gen_alu, gen_alu, gen_test, gen_unary, gen_move, gen_move, gen_extend, gen_shift, gen_shift,
		gen_double_shift, gen_multiply, gen_divide, gen_bits, gen_scan, gen_condition, gen_condition, gen_flags,
		gen_exchange, gen_stack, gen_string,
	};
	struct enc e = { .r = r, .i = ret, .is_64 = is_64 };

	*ret = (struct diff_insn){ 0 };
	if (has_fp && rng_below(r, 3) == 0) {
		gen_sse(&e);
	} else {
		groups[rng_below(r, ARRAY_SIZE(groups))](&e);
	}
}

static void gen_x86(struct rng *r, bool has_fp, struct diff_insn *ret)
{
	gen(r, has_fp, false, ret);
}

static void gen_x64(struct rng *r, bool has_fp, struct diff_insn *ret)
{
	gen(r, has_fp, true, ret);
}

static void start(struct rng *r, unsigned int n, uint64_t mask, struct wire_state *ret)
{
	for (unsigned int i = 0; i < n; i++) {
		ret->gpr[i] = gen_integer(r) & mask;
		gen_vector(r, ret->vec[i]);
	}
	ret->gpr[BASE] = WIRE_BASE_ADDR;
	ret->gpr[SP] = WIRE_STACK_ADDR;
	ret->flags = (rng_next(r) & X86F_ALL) | 2;
	ret->fp_control = 0x1f80u | rng_below(r, 4) << 13; /* all exceptions masked; rounding mode */
}

static void start_x86(struct rng *r, struct wire_state *ret)
{
	start(r, 8, UINT32_MAX, ret);
}

static void start_x64(struct rng *r, struct wire_state *ret)
{
	start(r, 16, UINT64_MAX, ret);
}

static void branch(struct diff_insn *i, uint8_t *bytes, uint32_t distance)
{
	bytes[1] = (uint8_t)(distance - i->n_bytes);
}

const struct diff_isa diff_isa_x86 = {
	.name = "x86",
	.isa = WIRE_ISA_X86,
	.arch = "x86",
	.referee = "referee_x64",
	.objdump = "objdump -D -b binary -m i386",
	.flags_mask = X86F_ALL,
	.fp_control_mask = 0xffff,
	.n_gpr = 8,
	.n_vec = 8,
	.vec_bytes = 16,
	.gpr_mask = UINT32_MAX,
	.end = { 0xf4 }, /* hlt */
	.end_bytes = 1,
	.gen = gen_x86,
	.start = start_x86,
	.branch = branch,
};

const struct diff_isa diff_isa_x64 = {
	.name = "x64",
	.isa = WIRE_ISA_X64,
	.arch = "x64",
	.referee = "referee_x64",
	.objdump = "objdump -D -b binary -m i386:x86-64",
	.flags_mask = X86F_ALL,
	.fp_control_mask = 0xffff,
	.n_gpr = 16,
	.n_vec = 16,
	.vec_bytes = 16,
	.gpr_mask = UINT64_MAX,
	.end = { 0xf4 },
	.end_bytes = 1,
	.gen = gen_x64,
	.start = start_x64,
	.branch = branch,
};
