/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A32 of Armv7-A with hardware divide, VFPv4 and Advanced SIMD. Source: Arm ARM (DDI 0406), chapters A5 to A8.
 *
 * r10 is the base register, sp a second one. The program counter is neither read nor written by name.
 */
#include "base/bits.h"
#include "gen.h"

enum { BRANCH_24 = 1 };

#define BASE 10
#define SP   13

#define I(name, bits)	     { name, bits, NULL, 0, false }
#define D(name, bits, pairs) { name, bits, pairs, 0, false }
#define F(name, bits)	     { name, bits, NULL, 0, true }
/* Data processing: register shifted by a number, by a register, immediate. */
#define DP(name, op)                                                                          \
	I(name, "cccc 000 " op " x nnnn dddd xxxxx xx 0 mmmm"),                               \
	I(name " rs", "cccc 000 " op " x nnnn dddd ssss 0 xx 1 mmmm"),                        \
	I(name " imm", "cccc 001 " op " x nnnn dddd xxxx xxxxxxxx")
#define MOV(name, op)                                                                         \
	I(name, "cccc 000 " op " x 0000 dddd xxxxx xx 0 mmmm"),                               \
	I(name " rs", "cccc 000 " op " x 0000 dddd ssss 0 xx 1 mmmm"),                        \
	I(name " imm", "cccc 001 " op " x 0000 dddd xxxx xxxxxxxx")
#define CMP(name, op)                                                                         \
	I(name, "cccc 000 " op " 1 nnnn 0000 xxxxx xx 0 mmmm"),                               \
	I(name " rs", "cccc 000 " op " 1 nnnn 0000 ssss 0 xx 1 mmmm"),                        \
	I(name " imm", "cccc 001 " op " 1 nnnn 0000 xxxx xxxxxxxx")
#define PAR(name, op1) /* parallel: add16 asx sax sub16 add8 sub8 */                          \
	I(name "add16", "cccc 01100" op1 " nnnn dddd 1111 0001 mmmm"),                        \
	I(name "asx", "cccc 01100" op1 " nnnn dddd 1111 0011 mmmm"),                          \
	I(name "sax", "cccc 01100" op1 " nnnn dddd 1111 0101 mmmm"),                          \
	I(name "sub16", "cccc 01100" op1 " nnnn dddd 1111 0111 mmmm"),                        \
	I(name "add8", "cccc 01100" op1 " nnnn dddd 1111 1001 mmmm"),                         \
	I(name "sub8", "cccc 01100" op1 " nnnn dddd 1111 1111 mmmm")
#define EXT(name, op)                                                                         \
	I(name, "cccc 0110 1" op " 1111 dddd xx 00 0111 mmmm"),                               \
	I(name " add", "cccc 0110 1" op " nnnn dddd xx 00 0111 mmmm")
/* VFP with three registers; singles and doubles. */
#define VFP3(name, o1, o2, o3)                                                                \
	F(name ".f32", "cccc 1110 " o1 "g" o2 " gggg ffff 1010 h" o3 "x0 hhhh"),              \
	F(name ".f64", "cccc 1110 " o1 "g" o2 " gggg ffff 1011 h" o3 "x0 hhhh")
#define VFP2(name, o1, o2)                                                                    \
	F(name ".f32", "cccc 1110 1f11 " o1 " ffff 1010 " o2 "h0 hhhh"),                      \
	F(name ".f64", "cccc 1110 1f11 " o1 " ffff 1011 " o2 "h0 hhhh")
/* Advanced SIMD, doubleword registers, and quadwords with even numbers. */
#define N3(name, u, size, op, x)                                                              \
	F(name ".d", "1111 001 " u " 0 f " size " gggg ffff " op " g 0 h " x " hhhh"),        \
	F(name ".q", "1111 001 " u " 0 f " size " ggg0 fff0 " op " g 1 h " x " hhh0")
#define N2(name, size, a, op)                                                                 \
	F(name ".d", "1111 00111 f 11 " size " " a " ffff 0 " op " 0 h 0 hhhh"),              \
	F(name ".q", "1111 00111 f 11 " size " " a " fff0 0 " op " 1 h 0 hhh0")
#define NS(name, u, imm, op)                                                                  \
	F(name ".d", "1111 001 " u " 1 f " imm " ffff " op " 0 0 h 1 hhhh"),                  \
	F(name ".q", "1111 001 " u " 1 f " imm " fff0 " op " 0 1 h 1 hhh0")

static const struct gen_pattern patterns[] = {
	DP("and", "0000"), DP("eor", "0001"), DP("sub", "0010"), DP("rsb", "0011"), DP("add", "0100"), DP("adc", "0101"),
	DP("sbc", "0110"), DP("rsc", "0111"), DP("orr", "1100"), DP("bic", "1110"), MOV("mov", "1101"), MOV("mvn", "1111"),
	CMP("tst", "1000"), CMP("teq", "1001"), CMP("cmp", "1010"), CMP("cmn", "1011"),
	I("movw", "cccc 0011 0000 xxxx dddd xxxxxxxxxxxx"), I("movt", "cccc 0011 0100 xxxx dddd xxxxxxxxxxxx"),
	I("mul", "cccc 0000 000 x dddd 0000 mmmm 1001 nnnn"), I("mla", "cccc 0000 001 x dddd aaaa mmmm 1001 nnnn"),
	I("mls", "cccc 0000 0110 dddd aaaa mmmm 1001 nnnn"), D("umull", "cccc 0000 100 x dddd eeee mmmm 1001 nnnn", "de"),
	D("umlal", "cccc 0000 101 x dddd eeee mmmm 1001 nnnn", "de"), D("smull", "cccc 0000 110 x dddd eeee mmmm 1001 nnnn", "de"),
	D("smlal", "cccc 0000 111 x dddd eeee mmmm 1001 nnnn", "de"), D("umaal", "cccc 0000 0100 dddd eeee mmmm 1001 nnnn", "de"),
	I("smlaxy", "cccc 0001 0000 dddd aaaa mmmm 1xx0 nnnn"), I("smulxy", "cccc 0001 0110 dddd 0000 mmmm 1xx0 nnnn"),
	I("smlawy", "cccc 0001 0010 dddd aaaa mmmm 1x00 nnnn"), I("smulwy", "cccc 0001 0010 dddd 0000 mmmm 1x10 nnnn"),
	D("smlalxy", "cccc 0001 0100 dddd eeee mmmm 1xx0 nnnn", "de"), I("qadd", "cccc 0001 0000 nnnn dddd 0000 0101 mmmm"),
	I("qsub", "cccc 0001 0010 nnnn dddd 0000 0101 mmmm"), I("qdadd", "cccc 0001 0100 nnnn dddd 0000 0101 mmmm"),
	I("qdsub", "cccc 0001 0110 nnnn dddd 0000 0101 mmmm"), I("clz", "cccc 0001 0110 1111 dddd 1111 0001 mmmm"),
	I("sdiv", "cccc 0111 0001 dddd 1111 mmmm 0001 nnnn"), I("udiv", "cccc 0111 0011 dddd 1111 mmmm 0001 nnnn"),
	PAR("s", "001"), PAR("q", "010"), PAR("sh", "011"), PAR("u", "101"), PAR("uq", "110"), PAR("uh", "111"),
	I("pkh", "cccc 0110 1000 nnnn dddd xxxxx x 01 mmmm"), I("ssat", "cccc 0110 101 xxxxx dddd xxxxx x 01 nnnn"),
	I("usat", "cccc 0110 111 xxxxx dddd xxxxx x 01 nnnn"), I("ssat16", "cccc 0110 1010 xxxx dddd 1111 0011 nnnn"),
	I("usat16", "cccc 0110 1110 xxxx dddd 1111 0011 nnnn"), I("sel", "cccc 0110 1000 nnnn dddd 1111 1011 mmmm"),
	EXT("sxtb16", "000"), EXT("sxtb", "010"), EXT("sxth", "011"), EXT("uxtb16", "100"), EXT("uxtb", "110"), EXT("uxth", "111"),
	I("rev", "cccc 0110 1011 1111 dddd 1111 0011 mmmm"), I("rev16", "cccc 0110 1011 1111 dddd 1111 1011 mmmm"),
	I("rbit", "cccc 0110 1111 1111 dddd 1111 0011 mmmm"), I("revsh", "cccc 0110 1111 1111 dddd 1111 1011 mmmm"),
	I("usad8", "cccc 0111 1000 dddd 1111 mmmm 0001 nnnn"), I("usada8", "cccc 0111 1000 dddd aaaa mmmm 0001 nnnn"),
	I("smuad", "cccc 0111 0000 dddd 1111 mmmm 00x1 nnnn"), I("smusd", "cccc 0111 0000 dddd 1111 mmmm 01x1 nnnn"),
	I("smlad", "cccc 0111 0000 dddd aaaa mmmm 00x1 nnnn"), I("smlsd", "cccc 0111 0000 dddd aaaa mmmm 01x1 nnnn"),
	D("smlald", "cccc 0111 0100 dddd eeee mmmm 00x1 nnnn", "de"), D("smlsld", "cccc 0111 0100 dddd eeee mmmm 01x1 nnnn", "de"),
	I("smmla", "cccc 0111 0101 dddd aaaa mmmm 00x1 nnnn"), I("smmls", "cccc 0111 0101 dddd aaaa mmmm 11x1 nnnn"),
	I("smmul", "cccc 0111 0101 dddd 1111 mmmm 00x1 nnnn"),
	I("sbfx low", "cccc 0111 101 0xxxx dddd 0xxxx 101 nnnn"), I("ubfx low", "cccc 0111 111 0xxxx dddd 0xxxx 101 nnnn"),
	I("bfi", "cccc 0111 110 1xxxx dddd 0xxxx 001 nnnn"), I("bfc", "cccc 0111 110 1xxxx dddd 0xxxx 001 1111"),
	I("mrs", "cccc 0001 0000 1111 dddd 000000000000"), I("msr flags", "cccc 0001 0010 1x00 1111 00000000 mmmm"),
	/* Loads and stores */
	I("ldr imm", "cccc 010 1 x 0 0 1 1010 dddd 00oooooooooo"), I("ldrb imm", "cccc 010 1 x 1 0 1 1010 dddd 00oooooooooo"),
	I("str imm", "cccc 010 1 x 0 0 0 1010 tttt 00oooooooooo"), I("strb imm", "cccc 010 1 x 1 0 0 1010 tttt 00oooooooooo"),
	I("ldrh", "cccc 000 1 x 1 0 1 1010 dddd xxxx 1011 xxxx"), I("ldrsb", "cccc 000 1 x 1 0 1 1010 dddd xxxx 1101 xxxx"),
	I("ldrsh", "cccc 000 1 x 1 0 1 1010 dddd xxxx 1111 xxxx"), I("strh", "cccc 000 1 x 1 0 0 1010 tttt xxxx 1011 xxxx"),
	I("ldrd", "cccc 000 1 x 1 0 0 1010 vvv0 xxxx 1101 xx00"), I("strd", "cccc 000 1 x 1 0 0 1010 VVV0 xxxx 1111 xx00"),
	I("ldm", "cccc 100 xx 0 0 1 1010 000 xx 0 zzzzzzzzzz"), I("stm", "cccc 100 xx 0 0 0 1010 0x0x xxxxxxxxxxx z"),
	I("ldr sp", "cccc 010 1 x 0 0 1 1101 dddd 0000xxxxxx00"), I("ldrex", "cccc 0001 1001 1010 dddd 1111 1001 1111"),
	{ "b", "cccc 1010 000000000000000000000000", NULL, BRANCH_24, false },
	{ "bl", "cccc 1011 000000000000000000000000", NULL, BRANCH_24, false },
	/* VFP */
	VFP3("vmla", "0", "00", "0"), VFP3("vmls", "0", "00", "1"), VFP3("vnmls", "0", "01", "0"), VFP3("vnmla", "0", "01", "1"),
	VFP3("vmul", "0", "10", "0"), VFP3("vnmul", "0", "10", "1"), VFP3("vadd", "0", "11", "0"), VFP3("vsub", "0", "11", "1"),
	VFP3("vdiv", "1", "00", "0"), VFP3("vfma", "1", "10", "0"), VFP3("vfms", "1", "10", "1"), VFP3("vfnma", "1", "01", "1"),
	VFP3("vfnms", "1", "01", "0"), VFP2("vmov", "0000", "01"), VFP2("vabs", "0000", "11"), VFP2("vneg", "0001", "01"),
	VFP2("vsqrt", "0001", "11"), VFP2("vcmp", "0100", "x1"), F("vcmp zero", "cccc 1110 1f11 0101 ffff 101x x100 0000"),
	F("vcvt f64 f32", "cccc 1110 1f11 0111 ffff 1010 11h0 hhhh"), F("vcvt f32 f64", "cccc 1110 1f11 0111 ffff 1011 11h0 hhhh"),
	F("vcvt f32 int", "cccc 1110 1f11 1000 ffff 1010 x1h0 hhhh"), F("vcvt f64 int", "cccc 1110 1f11 1000 ffff 1011 x1h0 hhhh"),
	F("vcvt int f32", "cccc 1110 1f11 110x ffff 1010 x1h0 hhhh"), F("vcvt int f64", "cccc 1110 1f11 110x ffff 1011 x1h0 hhhh"),
	F("vcvtb f16", "cccc 1110 1f11 001x ffff 1010 x1h0 hhhh"), F("vmov imm", "cccc 1110 1f11 xxxx ffff 101x 0000 xxxx"),
	F("vmrs flags", "cccc 1110 1111 0001 1111 1010 0001 0000"), F("vmrs", "cccc 1110 1111 0001 dddd 1010 0001 0000"),
	F("vmov r s", "cccc 1110 0001 gggg dddd 1010 g001 0000"), F("vmov s r", "cccc 1110 0000 gggg tttt 1010 g001 0000"),
	F("vldr", "cccc 1101 xf01 1010 ffff 101x 00xxxxxx"), F("vstr", "cccc 1101 xf00 1010 ffff 101x 00xxxxxx"),
	/* Advanced SIMD */
	N3("vhadd", "x", "ww", "0000", "0"), N3("vqadd", "x", "xx", "0000", "1"), N3("vrhadd", "x", "ww", "0001", "0"),
	N3("vand", "0", "00", "0001", "1"), N3("vbic", "0", "01", "0001", "1"), N3("vorr", "0", "10", "0001", "1"),
	N3("vorn", "0", "11", "0001", "1"), N3("veor", "1", "00", "0001", "1"), N3("vbsl", "1", "01", "0001", "1"),
	N3("vbit", "1", "10", "0001", "1"), N3("vbif", "1", "11", "0001", "1"), N3("vhsub", "x", "ww", "0010", "0"),
	N3("vqsub", "x", "xx", "0010", "1"), N3("vcgt", "x", "ww", "0011", "0"), N3("vcge", "x", "ww", "0011", "1"),
	N3("vshl", "x", "xx", "0100", "0"), N3("vqshl", "x", "xx", "0100", "1"), N3("vrshl", "x", "xx", "0101", "0"),
	N3("vqrshl", "x", "xx", "0101", "1"), N3("vmax", "x", "ww", "0110", "0"), N3("vmin", "x", "ww", "0110", "1"),
	N3("vabd", "x", "ww", "0111", "0"), N3("vaba", "x", "ww", "0111", "1"), N3("vadd.i", "0", "xx", "1000", "0"),
	N3("vsub.i", "1", "xx", "1000", "0"), N3("vtst", "0", "ww", "1000", "1"), N3("vceq", "1", "ww", "1000", "1"),
	N3("vmla.i", "x", "ww", "1001", "0"), N3("vmul.i", "0", "ww", "1001", "1"), N3("vqdmulh", "x", "uu", "1011", "0"),
	F("vpadd", "1111 001 0 0 f ww gggg ffff 1011 g 0 h 1 hhhh"), F("vpmax", "1111 001 x 0 f ww gggg ffff 1010 g 0 h x hhhh"),
	N3("vadd.f", "0", "00", "1101", "0"), N3("vsub.f", "0", "10", "1101", "0"), N3("vmul.f", "1", "00", "1101", "1"),
	N3("vmla.f", "0", "x0", "1101", "1"), N3("vabd.f", "1", "10", "1101", "0"), N3("vceq.f", "0", "00", "1110", "0"),
	N3("vcge.f", "1", "x0", "1110", "0"), N3("vacge.f", "1", "x0", "1110", "1"), N3("vmax.f", "0", "x0", "1111", "0"),
	N3("vfma.f", "0", "x0", "1100", "1"), N3("vrecps", "0", "00", "1111", "1"), N3("vrsqrts", "0", "10", "1111", "1"),
	N2("vrev64", "ww", "00", "0000"), N2("vcls", "ww", "00", "1000"), N2("vclz", "ww", "00", "1001"), N2("vcnt", "00", "00", "1010"),
	N2("vmvn", "00", "00", "1011"), N2("vqabs", "ww", "00", "1110"), N2("vqneg", "ww", "00", "1111"), N2("vpaddl", "ww", "00", "010x"),
	N2("vabs.i", "ww", "01", "0110"), N2("vneg.i", "ww", "01", "0111"), N2("vcgt0", "ww", "01", "0000"), N2("vclt0", "ww", "01", "0100"),
	N2("vcvt.f", "10", "11", "11xx"), N2("vrecpe", "10", "11", "10x0"), N2("vrsqrte", "10", "11", "10x1"),
	{ "vtrn.q", "1111 00111 f 11 ww 10 fff0 0 0001 1 h 0 hhh0", "fh", 0, true },
	{ "vzip.q", "1111 00111 f 11 ww 10 fff0 0 0011 1 h 0 hhh0", "fh", 0, true },
	F("vmovn", "1111 00111 f 11 ww 10 ffff 0 0100 0 h 0 hhh0"), F("vqmovn", "1111 00111 f 11 ww 10 ffff 0 0101 x h 0 hhh0"),
	NS("vshr", "x", "1xxxxx", "0000"), NS("vsra", "x", "1xxxxx", "0001"), NS("vrshr", "x", "01xxxx", "0010"),
	NS("vsri", "1", "001xxx", "0100"), NS("vshl imm", "0", "1xxxxx", "0101"), NS("vqshl imm", "x", "01xxxx", "0111"),
	F("vshrn", "1111 001 0 1 f 01xxxx ffff 1000 0 0 h 1 hhh0"), F("vshll", "1111 001 x 1 f 01xxxx fff0 1010 0 0 h 1 hhhh"),
	F("vaddl", "1111 001 x 1 f ww gggg fff0 0000 g 0 h 0 hhhh"), F("vmull", "1111 001 x 1 f ww gggg fff0 1100 g 0 h 0 hhhh"),
	F("vmlal", "1111 001 x 1 f ww gggg fff0 1000 g 0 h 0 hhhh"), F("vqdmull", "1111 001 0 1 f uu gggg fff0 1101 g 0 h 0 hhhh"),
	F("vaddhn", "1111 001 x 1 f ww ggg0 ffff 0100 g 0 h 0 hhh0"), F("vext", "1111 001 0 1 f 11 gggg ffff 0xxx g 0 h 0 hhhh"),
	F("vdup", "1111 00111 f 11 xxx1 ffff 11000 0 h 0 hhhh"), F("vtbl", "1111 00111 f 11 gggg ffff 1000 g x h 0 hhhh"),
	F("vmov.i", "1111 001 x 1 f 000 xxx ffff 0xx0 0 0 x 1 xxxx"), F("vld1", "1111 0100 0 f 10 1010 ffff 0111 ww 00 1111"),
	F("vst1", "1111 0100 0 f 00 1010 ffff 0111 ww 00 1111"),
};

static uint32_t pick(struct rng *r, char letter, unsigned int bits)
{
	uint32_t v;

	switch (letter) {
	case 'o': /* offset, sometimes beyond the end of the page */
		return rng_below(r, 532);
	case 'c': /* condition; half of them always */
		return rng_below(r, 2) ? 14 : rng_below(r, 15);
	case 'd': /* written */
	case 'e':
		do {
			v = rng_below(r, 15);
		} while (v == BASE || v == SP);
		return v;
	case 'n': /* read */
	case 'm':
	case 's':
	case 'a':
	case 't':
		return rng_below(r, 15);
	case 'v': /* r0, r2 .. r8, written in pairs */
		return rng_below(r, 5);
	case 'V': /* r0 .. r12 in pairs */
		return rng_below(r, 6);
	case 'w':
		return rng_below(r, 3);
	case 'u':
		return 1 + rng_below(r, 2);
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
	for (int i = 0; i < 15; i++) {
		ret->gpr[i] = (uint32_t)gen_integer(r);
	}
	for (int i = 0; i < 16; i++) {
		gen_vector(r, ret->vec[i]); /* d0 to d31, two by two */
	}
	ret->gpr[BASE] = WIRE_BASE_ADDR;
	ret->gpr[SP] = WIRE_STACK_ADDR;
	ret->flags = (rng_next(r) & 15) << 28 | (rng_next(r) & 15) << 16;
	ret->fp_control = (uint64_t)rng_below(r, 4) << 22;
}

static void branch(struct diff_insn *i, uint8_t *bytes, uint32_t d)
{
	store_le(bytes, load_le(bytes, 4) | (((d - 8) / 4) & 0xffffff), i->n_bytes);
}

const struct diff_isa diff_isa_arm = {
	.name = "arm",
	.isa = WIRE_ISA_ARM,
	.arch = "arm",
	.referee = "referee_arm",
	.referee_args = "qemu-arm -cpu cortex-a15",
	.objdump = "arm-linux-gnueabihf-objdump -D -b binary -m arm",
	.flags_mask = 0xf80f0000u,
	.fp_control_mask = 0xffc0009fu,
	.n_gpr = 15,
	.n_vec = 16,
	.vec_bytes = 16,
	.gpr_mask = UINT32_MAX,
	.end = { 0xf0, 0x00, 0xf0, 0xe7 }, /* udf #0 */
	.end_bytes = 4,
	.gen = gen,
	.start = start,
	.branch = branch,
};
