/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RV64GC. Source: RISC-V unprivileged ISA, 20191213, chapter 24.
 *
 * s0 (x8) is the base register and sp the stack pointer, so that compressed loads and stores have one: neither is
 * written. f0 to f7 hold singles, the others doubles: Unicorn has no NaN boxing (docs/known-differences.md).
 */
#include "base/bits.h"
#include "gen.h"

enum { BRANCH_B = 1, BRANCH_CB, BRANCH_J, BRANCH_CJ };

#define BASE 8
#define SP   2
#define SINGLES DIFF_RV_SINGLES

#define OP(name, f7, f3)    { name, f7 " ttttt sssss " f3 " ddddd 0110011", NULL, 0, false }
#define OPW(name, f7, f3)   { name, f7 " ttttt sssss " f3 " ddddd 0111011", NULL, 0, false }
#define OPI(name, f3)	    { name, "xxxxxxxxxxxx sssss " f3 " ddddd 0010011", NULL, 0, false }
#define LOAD(name, f3)	    { name, "iiiiiiiiiiii 01000 " f3 " ddddd 0000011", NULL, 0, false }
#define STORE(name, f3)	    { name, "iiiiiii ttttt 01000 " f3 " iiiii 0100011", NULL, 0, false }
#define BRANCH(name, f3)    { name, "0000000 ttttt sssss " f3 " 00000 1100011", NULL, BRANCH_B, false }
#define AMO(name, f5, size) { name, f5 " xx ttttt 01000 " size " ddddd 0101111", NULL, 0, false }
/* Registers of F: "ooooo"; of D: "fffff". */
#define S5 "ooooo"
#define D5 "fffff"
#define TWO(name, f7, f3, t, q)	      { name, f7 " " q " " q " " f3 " " t " 1010011", NULL, 0, true }
#define ONE(name, f7, rs2, f3, t, q)  { name, f7 " " rs2 " " q " " f3 " " t " 1010011", NULL, 0, true }
#define FMA(name, fmt, op, q)	      { name, q " " fmt " " q " " q " rrr " q " " op, NULL, 0, true }
#define C(name, bits)	    { name, bits, NULL, 0, false }
#define CF(name, bits)	    { name, bits, NULL, 0, true }

static const struct gen_pattern patterns[] = {
	OP("add", "0000000", "000"), OP("sub", "0100000", "000"), OP("sll", "0000000", "001"),
	OP("slt", "0000000", "010"), OP("sltu", "0000000", "011"), OP("xor", "0000000", "100"),
	OP("srl", "0000000", "101"), OP("sra", "0100000", "101"), OP("or", "0000000", "110"),
	OP("and", "0000000", "111"), OPW("addw", "0000000", "000"), OPW("subw", "0100000", "000"),
	OPW("sllw", "0000000", "001"), OPW("srlw", "0000000", "101"), OPW("sraw", "0100000", "101"),
	OP("mul", "0000001", "000"), OP("mulh", "0000001", "001"), OP("mulhsu", "0000001", "010"),
	OP("mulhu", "0000001", "011"), OP("div", "0000001", "100"), OP("divu", "0000001", "101"),
	OP("rem", "0000001", "110"), OP("remu", "0000001", "111"), OPW("mulw", "0000001", "000"),
	OPW("divw", "0000001", "100"), OPW("divuw", "0000001", "101"), OPW("remw", "0000001", "110"),
	OPW("remuw", "0000001", "111"),
	OPI("addi", "000"), OPI("slti", "010"), OPI("sltiu", "011"), OPI("xori", "100"), OPI("ori", "110"),
	OPI("andi", "111"),
	{ "slli", "000000 xxxxxx sssss 001 ddddd 0010011", NULL, 0, false },
	{ "srli", "000000 xxxxxx sssss 101 ddddd 0010011", NULL, 0, false },
	{ "srai", "010000 xxxxxx sssss 101 ddddd 0010011", NULL, 0, false },
	{ "addiw", "xxxxxxxxxxxx sssss 000 ddddd 0011011", NULL, 0, false },
	{ "slliw", "0000000 xxxxx sssss 001 ddddd 0011011", NULL, 0, false },
	{ "srliw", "0000000 xxxxx sssss 101 ddddd 0011011", NULL, 0, false },
	{ "sraiw", "0100000 xxxxx sssss 101 ddddd 0011011", NULL, 0, false },
	{ "lui", "xxxxxxxxxxxxxxxxxxxx ddddd 0110111", NULL, 0, false },
	{ "auipc", "xxxxxxxxxxxxxxxxxxxx ddddd 0010111", NULL, 0, false },
	LOAD("lb", "000"), LOAD("lh", "001"), LOAD("lw", "010"), LOAD("ld", "011"), LOAD("lbu", "100"),
	LOAD("lhu", "101"), LOAD("lwu", "110"), STORE("sb", "000"), STORE("sh", "001"),
	STORE("sw", "010"), STORE("sd", "011"),
	BRANCH("beq", "000"), BRANCH("bne", "001"), BRANCH("blt", "100"), BRANCH("bge", "101"),
	BRANCH("bltu", "110"), BRANCH("bgeu", "111"),
	{ "jal", "00000000000000000000 ddddd 1101111", NULL, BRANCH_J, false },
	{ "fence", "0000 xxxx xxxx 00000 000 00000 0001111", NULL, 0, false },
	AMO("amoswap.w", "00001", "010"), AMO("amoadd.w", "00000", "010"), AMO("amoxor.w", "00100", "010"),
	AMO("amoand.w", "01100", "010"), AMO("amoor.w", "01000", "010"), AMO("amomin.w", "10000", "010"),
	AMO("amomax.w", "10100", "010"), AMO("amominu.w", "11000", "010"), AMO("amomaxu.w", "11100", "010"),
	AMO("amoswap.d", "00001", "011"), AMO("amoadd.d", "00000", "011"), AMO("amoxor.d", "00100", "011"),
	AMO("amoand.d", "01100", "011"), AMO("amoor.d", "01000", "011"), AMO("amomin.d", "10000", "011"),
	AMO("amomax.d", "10100", "011"), AMO("amominu.d", "11000", "011"), AMO("amomaxu.d", "11100", "011"),
	{ "lr.w", "00010 xx 00000 01000 010 ddddd 0101111", NULL, 0, false },
	{ "lr.d", "00010 xx 00000 01000 011 ddddd 0101111", NULL, 0, false },
	/* CSRs of user level: fflags, frm, fcsr */
	{ "csrrs fflags", "000000000001 00000 010 ddddd 1110011", NULL, 0, true },
	{ "csrrs fcsr", "000000000011 00000 010 ddddd 1110011", NULL, 0, true },
	{ "csrrwi frm", "000000000010 00yyy 101 ddddd 1110011", NULL, 0, true },
	{ "csrrw fflags", "000000000001 sssss 001 ddddd 1110011", NULL, 0, true },
	{ "csrrci fflags", "000000000001 xxxxx 111 ddddd 1110011", NULL, 0, true },
	/* F and D */
	TWO("fadd.s", "0000000", "rrr", S5, S5), TWO("fsub.s", "0000100", "rrr", S5, S5), TWO("fmul.s", "0001000", "rrr", S5, S5),
	TWO("fdiv.s", "0001100", "rrr", S5, S5), TWO("fadd.d", "0000001", "rrr", D5, D5), TWO("fsub.d", "0000101", "rrr", D5, D5),
	TWO("fmul.d", "0001001", "rrr", D5, D5), TWO("fdiv.d", "0001101", "rrr", D5, D5), ONE("fsqrt.s", "0101100", "00000", "rrr", S5, S5),
	ONE("fsqrt.d", "0101101", "00000", "rrr", D5, D5), TWO("fsgnj.s", "0010000", "000", S5, S5), TWO("fsgnjn.s", "0010000", "001", S5, S5),
	TWO("fsgnjx.s", "0010000", "010", S5, S5), TWO("fsgnj.d", "0010001", "000", D5, D5), TWO("fsgnjn.d", "0010001", "001", D5, D5),
	TWO("fsgnjx.d", "0010001", "010", D5, D5), TWO("fmin.s", "0010100", "000", S5, S5), TWO("fmax.s", "0010100", "001", S5, S5),
	TWO("fmin.d", "0010101", "000", D5, D5), TWO("fmax.d", "0010101", "001", D5, D5), ONE("fcvt.s.d", "0100000", "00001", "rrr", S5, D5),
	ONE("fcvt.d.s", "0100001", "00000", "rrr", D5, S5), TWO("feq.s", "1010000", "010", "ddddd", S5), TWO("flt.s", "1010000", "001", "ddddd", S5),
	TWO("fle.s", "1010000", "000", "ddddd", S5), TWO("feq.d", "1010001", "010", "ddddd", D5), TWO("flt.d", "1010001", "001", "ddddd", D5),
	TWO("fle.d", "1010001", "000", "ddddd", D5),
	{ "fclass.s", "1110000 00000 ooooo 001 ddddd 1010011", NULL, 0, true },
	{ "fclass.d", "1110001 00000 fffff 001 ddddd 1010011", NULL, 0, true },
	{ "fmv.x.w", "1110000 00000 ooooo 000 ddddd 1010011", NULL, 0, true },
	{ "fmv.x.d", "1110001 00000 fffff 000 ddddd 1010011", NULL, 0, true },
	{ "fmv.w.x", "1111000 00000 sssss 000 ooooo 1010011", NULL, 0, true },
	{ "fmv.d.x", "1111001 00000 sssss 000 fffff 1010011", NULL, 0, true },
	ONE("fcvt.w.s", "1100000", "00000", "rrr", "ddddd", S5), ONE("fcvt.wu.s", "1100000", "00001", "rrr", "ddddd", S5),
	ONE("fcvt.l.s", "1100000", "00010", "rrr", "ddddd", S5), ONE("fcvt.lu.s", "1100000", "00011", "rrr", "ddddd", S5),
	ONE("fcvt.w.d", "1100001", "00000", "rrr", "ddddd", D5), ONE("fcvt.wu.d", "1100001", "00001", "rrr", "ddddd", D5),
	ONE("fcvt.l.d", "1100001", "00010", "rrr", "ddddd", D5), ONE("fcvt.lu.d", "1100001", "00011", "rrr", "ddddd", D5),
	ONE("fcvt.s.w", "1101000", "00000", "rrr", S5, "sssss"), ONE("fcvt.s.wu", "1101000", "00001", "rrr", S5, "sssss"),
	ONE("fcvt.s.l", "1101000", "00010", "rrr", S5, "sssss"), ONE("fcvt.s.lu", "1101000", "00011", "rrr", S5, "sssss"),
	ONE("fcvt.d.w", "1101001", "00000", "rrr", D5, "sssss"), ONE("fcvt.d.wu", "1101001", "00001", "rrr", D5, "sssss"),
	ONE("fcvt.d.l", "1101001", "00010", "rrr", D5, "sssss"), ONE("fcvt.d.lu", "1101001", "00011", "rrr", D5, "sssss"),
	FMA("fmadd.s", "00", "1000011", S5), FMA("fmsub.s", "00", "1000111", S5), FMA("fnmsub.s", "00", "1001011", S5),
	FMA("fnmadd.s", "00", "1001111", S5), FMA("fmadd.d", "01", "1000011", D5), FMA("fmsub.d", "01", "1000111", D5),
	FMA("fnmsub.d", "01", "1001011", D5), FMA("fnmadd.d", "01", "1001111", D5),
	{ "flw", "iiiiiiiiiiii 01000 010 ooooo 0000111", NULL, 0, true },
	{ "fld", "iiiiiiiiiiii 01000 011 fffff 0000111", NULL, 0, true },
	{ "fsw", "iiiiiii ooooo 01000 010 iiiii 0100111", NULL, 0, true },
	{ "fsd", "iiiiiii fffff 01000 011 iiiii 0100111", NULL, 0, true },
	/* C; D, S: x8 to x15 */
	C("c.addi4spn", "000 zzzzzzzz DDD 00"), C("c.lw", "010 xxx 000 xx DDD 00"), C("c.ld", "011 xxx 000 xx DDD 00"),
	C("c.sw", "110 xxx 000 xx SSS 00"), C("c.sd", "111 xxx 000 xx SSS 00"), C("c.nop", "000 0 00000 00000 01"),
	C("c.addi", "000 x eeeee xxxx1 01"), C("c.addiw", "001 x eeeee xxxxx 01"), C("c.li", "010 x eeeee xxxxx 01"),
	C("c.lui", "011 x eeeee xxxx1 01"), C("c.srli", "100 x 00 DDD xxxx1 01"), C("c.srai", "100 x 01 DDD xxxx1 01"),
	C("c.andi", "100 x 10 DDD xxxxx 01"), C("c.sub", "100 0 11 DDD 00 SSS 01"), C("c.xor", "100 0 11 DDD 01 SSS 01"),
	C("c.or", "100 0 11 DDD 10 SSS 01"), C("c.and", "100 0 11 DDD 11 SSS 01"), C("c.subw", "100 1 11 DDD 00 SSS 01"),
	C("c.addw", "100 1 11 DDD 01 SSS 01"), C("c.slli", "000 x eeeee xxxx1 10"), C("c.lwsp", "010 x eeeee xxxxx 10"),
	C("c.ldsp", "011 x eeeee xxxxx 10"), C("c.mv", "100 0 eeeee wwwww 10"), C("c.add", "100 1 eeeee wwwww 10"),
	C("c.swsp", "110 xxxxxx sssss 10"), C("c.sdsp", "111 xxxxxx sssss 10"),
	CF("c.fld", "001 xxx 000 xx FFF 00"), CF("c.fsd", "101 xxx 000 xx FFF 00"), CF("c.fldsp", "001 x fffff xxxxx 10"),
	CF("c.fsdsp", "101 xxxxxx fffff 10"),
	{ "c.beqz", "110 000 SSS 00000 01", NULL, BRANCH_CB, false },
	{ "c.bnez", "111 000 SSS 00000 01", NULL, BRANCH_CB, false },
	{ "c.j", "101 00000000000 01", NULL, BRANCH_CJ, false },
};

/* Near the base register, sometimes beyond the end of the page. */
static uint32_t pick_offset(struct rng *r)
{
	return (uint32_t)((int32_t)rng_below(r, 1020) - 500) & 0xfff;
}

static uint32_t pick_written(struct rng *r, bool is_zero_allowed)
{
	uint32_t v;

	do {
		v = rng_below(r, 32);
	} while (v == BASE || v == SP || (v == 0 && !is_zero_allowed));
	return v;
}

/* One or more registers of n, from the first. */
static uint32_t pick_fp(struct rng *r, unsigned int bits, uint32_t first, uint32_t n)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < bits; i += 5) {
		v = v << 5 | (first + rng_below(r, n));
	}
	return v;
}

static uint32_t pick(struct rng *r, char letter, unsigned int bits)
{
	static const uint32_t modes[] = { 0, 1, 2, 3, 4, 7, 7, 0 };

	switch (letter) {
	case 'd': /* written */
		return pick_written(r, true);
	case 'e': /* written, not x0 */
		return pick_written(r, false);
	case 'w': /* read, not x0 */
		return 1 + rng_below(r, 31);
	case 'D': /* written, x8 to x15 */
		return 1 + rng_below(r, 7);
	case 'o': /* holds singles */
		return pick_fp(r, bits, 0, SINGLES);
	case 'f': /* holds doubles */
		return pick_fp(r, bits, SINGLES, 32 - SINGLES);
	case 'i':
		return pick_offset(r);
	case 'r': /* rounding mode */
		return modes[rng_below(r, ARRAY_SIZE(modes))];
	case 'y': /* valid value of frm */
		return rng_below(r, 5);
	case 'z': /* not 0 */
		return 1 + rng_below(r, (1u << bits) - 1);
	default:
		return (uint32_t)rng_next(r) & (uint32_t)((1ull << bits) - 1);
	}
}

static const struct gen_set set = { patterns, ARRAY_SIZE(patterns), pick, false };

static void gen(struct rng *r, bool has_fp, struct diff_insn *ret)
{
	gen_any(&set, r, has_fp, ret);
}

static void start(struct rng *r, struct wire_state *ret)
{
	for (int i = 0; i < 32; i++) {
		ret->gpr[i] = i ? gen_integer(r) : 0;
		ret->vec[i][0] = i < SINGLES ? ~(uint64_t)UINT32_MAX | gen_single(r) : gen_double(r);
	}
	ret->gpr[BASE] = WIRE_BASE_ADDR;
	ret->gpr[SP] = WIRE_STACK_ADDR;
	ret->fp_control = rng_below(r, 5) << 5;
}

/* Bits [from, from + n) of a value. */
static uint32_t part(uint32_t v, unsigned int from, unsigned int n)
{
	return (v >> from) & ((1u << n) - 1);
}

static void branch(struct diff_insn *i, uint8_t *bytes, uint32_t d)
{
	uint32_t word = (uint32_t)load_le(bytes, i->n_bytes);

	switch (i->branch) {
	case BRANCH_B:
		word |= part(d, 5, 6) << 25 | part(d, 1, 4) << 8 | part(d, 11, 1) << 7;
		break;
	case BRANCH_J:
		word |= part(d, 1, 10) << 21 | part(d, 11, 1) << 20 | part(d, 12, 8) << 12;
		break;
	case BRANCH_CB:
		word |= part(d, 3, 2) << 10 | part(d, 6, 2) << 5 | part(d, 1, 2) << 3 | part(d, 5, 1) << 2;
		break;
	default: /* BRANCH_CJ */
		word |= part(d, 4, 1) << 11 | part(d, 8, 2) << 9 | part(d, 10, 1) << 8 | part(d, 6, 1) << 7 |
			part(d, 7, 1) << 6 | part(d, 1, 3) << 3 | part(d, 5, 1) << 2;
		break;
	}
	store_le(bytes, word, i->n_bytes);
}

const struct diff_isa diff_isa_rv64 = {
	.name = "riscv64",
	.isa = WIRE_ISA_RV64,
	.arch = "riscv64",
	.referee = "referee_riscv64",
	.referee_args = "qemu-riscv64",
	.objdump = "riscv64-linux-gnu-objdump -D -b binary -m riscv:rv64",
	.fp_control_mask = 0xff,
	.n_gpr = 31,
	.first_gpr = 1,
	.n_vec = 32,
	.n_single = SINGLES,
	.vec_bytes = 8,
	.gpr_mask = UINT64_MAX,
	.end = { 0, 0, 0, 0 },
	.end_bytes = 4,
	.gen = gen,
	.start = start,
	.branch = branch,
};
