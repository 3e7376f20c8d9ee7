/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding of RISC-V instructions: every encoding of rv_insns.def there and back, operands at their places, and
 * what is reserved. test_rv_decode_binutils.c compares with tables that others wrote.
 */
#include "test_rv_decode.h"

#include "base/bits.h"

#define PER_OP 100

static void check_encoding(enum rv_op op)
{
	uint32_t raw = encode(op);
	struct rv_insn i = decode(raw);

	CHECK_STR(rv_op_name((enum rv_op)i.op), rv_op_name(op));
	CHECK_INT(i.raw, raw);
	CHECK_INT(i.bytes, 4);
}

static void every_encoding_decodes_to_its_operation(void)
{
	for (enum rv_op op = 1; op < RV_OP_COUNT; op++) {
		uint32_t match;
		uint32_t mask;

		rv_op_encoding(op, &match, &mask);
		CHECK_INT(match & ~mask, 0);
		CHECK_INT(mask & match & 3, 3);
		for (int n = 0; n < PER_OP; n++) {
			check_encoding(op);
		}
	}
}

static bool is_overlap(enum rv_op a, enum rv_op b)
{
	uint32_t match[2];
	uint32_t mask[2];

	rv_op_encoding(a, &match[0], &mask[0]);
	rv_op_encoding(b, &match[1], &mask[1]);
	return ((match[0] ^ match[1]) & mask[0] & mask[1]) == 0;
}

/* No word has two meanings: where the fixed bits of two operations meet, they differ. */
static void encodings_do_not_overlap(void)
{
	for (enum rv_op a = 1; a < RV_OP_COUNT; a++) {
		unsigned int n = 0;

		for (enum rv_op b = a + 1; b < RV_OP_COUNT; b++) {
			n += is_overlap(a, b);
		}
		CHECK_INT(n, 0);
	}
}

static void operands_are_at_their_places(void)
{
	static const struct {
		uint32_t raw;
		struct rv_insn want;
	} cases[] = {
		/* add x1, x2, x3 */
		{ 0x003100b3, { RV_OP_ADD, 4, 1, 2, 3, 0, 0, 0, 0 } },
		/* addi x31, x30, -2048 */
		{ 0x800f0f93, { RV_OP_ADDI, 4, 31, 30, 0, 0, 0, -2048, 0 } },
		/* slli x1, x2, 63 */
		{ 0x03f11093, { RV_OP_SLLI, 4, 1, 2, 0, 0, 0, 63, 0 } },
		/* sraiw x1, x2, 31 */
		{ 0x41f1509b, { RV_OP_SRAIW, 4, 1, 2, 0, 0, 0, 31, 0 } },
		/* lui x5, 0x80000 */
		{ 0x800002b7, { RV_OP_LUI, 4, 5, 0, 0, 0, 0, INT32_MIN, 0 } },
		/* sd x3, -8(x2) */
		{ 0xfe313c23, { RV_OP_SD, 4, 0, 2, 3, 0, 0, -8, 0 } },
		/* fsd f31, 2047(x2) */
		{ 0x7ff13fa7, { RV_OP_FSD, 4, 0, 2, 31, 0, 0, 2047, 0 } },
		/* beq x1, x2, -4096 */
		{ 0x80208063, { RV_OP_BEQ, 4, 0, 1, 2, 0, 0, -4096, 0 } },
		/* bgeu x1, x2, 4094 */
		{ 0x7e20ffe3, { RV_OP_BGEU, 4, 0, 1, 2, 0, 0, 4094, 0 } },
		/* jal x1, -1048576 */
		{ 0x800000ef, { RV_OP_JAL, 4, 1, 0, 0, 0, 0, -1048576, 0 } },
		/* jal x0, 1048574 */
		{ 0x7ffff06f, { RV_OP_JAL, 4, 0, 0, 0, 0, 0, 1048574, 0 } },
		/* fmadd.d f1, f2, f3, f4, rmm */
		{ 0x223140c3, { RV_OP_FMADD_D, 4, 1, 2, 3, 4, 4, 0, 0 } },
		/* fsqrt.s f1, f2, dyn */
		{ 0x580170d3, { RV_OP_FSQRT_S, 4, 1, 2, 0, 0, 7, 0, 0 } },
		/* csrrwi x1, 0xfff, 31: CSR numbers have no sign */
		{ 0xffffd0f3, { RV_OP_CSRRWI, 4, 1, 31, 0, 0, 0, 0xfff, 0 } },
		/* amoadd.w.aq x1, x2, (x3); lr.d.aqrl x1, (x3) */
		{ 0x0421a0af, { RV_OP_AMOADD_W, 4, 1, 3, 2, 0, 0, 2, 0 } },
		{ 0x1601b0af, { RV_OP_LR_D, 4, 1, 3, 0, 0, 0, 3, 0 } },
		/* Compressed, the upper half being another instruction's: c.addi4spn x8, sp, 1020 */
		{ 0xffff1fe0, { RV_OP_ADDI, 2, 8, 2, 0, 0, 0, 1020, 0 } },
		{ 0x6105, { RV_OP_ADDI, 2, 2, 2, 0, 0, 0, 32, 0 } },   /* c.addi16sp sp, 32 */
		{ 0x7101, { RV_OP_ADDI, 2, 2, 2, 0, 0, 0, -512, 0 } }, /* c.addi16sp sp, -512 */
		{ 0x70fd, { RV_OP_LUI, 2, 1, 0, 0, 0, 0, -4096, 0 } }, /* c.lui x1, -1 */
		{ 0x5fe0, { RV_OP_LW, 2, 8, 15, 0, 0, 0, 124, 0 } },   /* c.lw x8, 124(x15) */
		{ 0xffe0, { RV_OP_SD, 2, 0, 15, 8, 0, 0, 248, 0 } },   /* c.sd x8, 248(x15) */
		{ 0x50fe, { RV_OP_LW, 2, 1, 2, 0, 0, 0, 252, 0 } },    /* c.lwsp x1, 252(sp) */
		{ 0x70fe, { RV_OP_LD, 2, 1, 2, 0, 0, 0, 504, 0 } },    /* c.ldsp x1, 504(sp) */
		{ 0xdf86, { RV_OP_SW, 2, 0, 2, 1, 0, 0, 252, 0 } },    /* c.swsp x1, 252(sp) */
		{ 0xbf86, { RV_OP_FSD, 2, 0, 2, 1, 0, 0, 504, 0 } },   /* c.fsdsp f1, 504(sp) */
		{ 0xb001, { RV_OP_JAL, 2, 0, 0, 0, 0, 0, -2048, 0 } }, /* c.j -2048 */
		{ 0xd001, { RV_OP_BEQ, 2, 0, 8, 0, 0, 0, -256, 0 } },  /* c.beqz x8, -256 */
		{ 0x9082, { RV_OP_JALR, 2, 1, 1, 0, 0, 0, 0, 0 } },    /* c.jalr x1 */
		{ 0x8f95, { RV_OP_SUB, 2, 15, 15, 13, 0, 0, 0, 0 } },  /* c.sub x15, x13 */
		{ 0x9ffd, { RV_OP_ILLEGAL, 2, 0, 0, 0, 0, 0, 0, 0 } },
	};

	for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
		struct rv_insn i = decode(cases[n].raw);
		const struct rv_insn *w = &cases[n].want;
		int before = test_failures;

		CHECK_STR(rv_op_name((enum rv_op)i.op), rv_op_name((enum rv_op)w->op));
		CHECK_INT(i.bytes, w->bytes);
		CHECK_INT(i.rd, w->rd);
		CHECK_INT(i.rs1, w->rs1);
		CHECK_INT(i.rs2, w->rs2);
		CHECK_INT(i.rs3, w->rs3);
		CHECK_INT(i.rm, w->rm);
		CHECK_INT(i.imm, w->imm);
		CHECK_INT(i.raw, i.bytes == 2 ? cases[n].raw & 0xffff : cases[n].raw);
		if (test_failures != before) {
			printf("that was %08x\n", cases[n].raw);
		}
	}
}

static void reserved_encodings_are_illegal(void)
{
	static const uint32_t words[] = {
		0x00000000, /* all zero */
		0xffffffff, /* all ones: longer than 32 bits */
		0x0000001f,
		0x0000003f,
		0x0200109b,	       /* slliw by 32 */
		0x4000109b,	       /* slliw with bit 30 */
		0x0031d0d3,	       /* fadd.s, mode 5 */
		0x0031e0d3,	       /* fadd.s, mode 6 */
		0x040170d3,	       /* fadd of half precision */
		0x060170d3,	       /* fadd of quad precision */
		0x0431f0c3,	       /* fmadd of half precision */
		0x580970d3 | 1u << 20, /* fsqrt.s with rs2 */
		0xe00110d3 | 1u << 20, /* fclass.s with rs2 */
		0x1001a0af | 1u << 20, /* lr.w with rs2 */
		0x00002063,
		0x00003063,	       /* BRANCH, funct3 2 and 3 */
		0x00001067,	       /* JALR, funct3 1 */
		0x00007003,	       /* LOAD, funct3 7 */
		0x00004023,	       /* STORE, funct3 4 */
		0x00001007,	       /* half-precision load */
		0x0030200f,	       /* cbo number 3 */
		0x0000208f,	       /* cbo with rd */
		0x00004073,	       /* SYSTEM, funct3 4 */
		0x00200073,	       /* uret */
		0x7b200073,	       /* dret */
		0x30200173,	       /* mret with rd */
		0x22000073,	       /* hfence.bvma */
		0x0a0010b3,	       /* clmul: Zbc */
		0x0000100b,	       /* custom-0 */
		0x00001057,	       /* vector */
		0x0800403b | 1u << 20, /* zext.h with rs2: packw */
		0x2080a0b3 | 2u << 25, /* OP, unknown funct7 */
	};

	for (size_t n = 0; n < ARRAY_SIZE(words); n++) {
		struct rv_insn i = decode(words[n]);

		if (i.op != RV_OP_ILLEGAL) {
			printf("%08x is %s\n", words[n], rv_op_name((enum rv_op)i.op));
		}
		CHECK_INT(i.op, RV_OP_ILLEGAL);
		CHECK_INT(i.bytes, (words[n] & 3) == 3 ? 4 : 2);
		CHECK_INT(i.raw, words[n]);
	}
}

static void fences_ignore_reserved_fields(void)
{
	CHECK_INT(decode(0x0000000f).op, RV_OP_FENCE);
	CHECK_INT(decode(0xfff98f8f).op, RV_OP_FENCE);
	CHECK_INT(decode(0x8330000f).op, RV_OP_FENCE); /* fence.tso */
	CHECK_INT(decode(0x0100000f).op, RV_OP_FENCE); /* pause */
	CHECK_INT(decode(0xfff99f8f).op, RV_OP_FENCE_I);
}

static const struct test_case cases[] = {
	{ "every_encoding_decodes_to_its_operation", every_encoding_decodes_to_its_operation },
	{ "encodings_do_not_overlap", encodings_do_not_overlap },
	{ "operands_are_at_their_places", operands_are_at_their_places },
	{ "reserved_encodings_are_illegal", reserved_encodings_are_illegal },
	{ "fences_ignore_reserved_fields", fences_ignore_reserved_fields },
};

TEST_MAIN(cases)
