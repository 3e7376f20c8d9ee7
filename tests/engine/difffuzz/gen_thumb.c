/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * T32 of Armv7-A with hardware divide. Source: Arm ARM (DDI 0406), chapter A6.
 *
 * r7 is the base register, sp a second one. Floating point is the same as in A32 but for the first four bits, so
 * gen_arm.c covers it. IT blocks are one instruction here: what they make conditional comes with them.
 */
#include "base/bits.h"
#include "gen.h"

enum { BRANCH_T1 = 1, BRANCH_T2, BRANCH_CBZ, BRANCH_T3, BRANCH_T4 };

#define BASE 7
#define SP   13

#define I(name, bits)	     { name, bits, NULL, 0, false }
#define D(name, bits, pairs) { name, bits, pairs, 0, false }
#define BR(name, bits, k)    { name, bits, NULL, k, false }
#define DPI(name, op)	     I(name " imm.w", "11110 k 0 " op " x nnnn 0 kkk dddd kkkkkkkk")
#define DPR(name, op)	     I(name ".w", "11101 01 " op " x nnnn 0 xxx dddd xx xx mmmm")
#define DPC(name, op)                                                                         \
	I(name " imm.w", "11110 k 0 " op " 1 nnnn 0 kkk 1111 kkkkkkkk"),                      \
	I(name ".w", "11101 01 " op " 1 nnnn 0 xxx 1111 xx xx mmmm")
#define PAR(name, op)                                                                         \
	I(name "add8", "11111 010 1000 nnnn 1111 dddd 0" op " mmmm"),                         \
	I(name "add16", "11111 010 1001 nnnn 1111 dddd 0" op " mmmm"),                        \
	I(name "asx", "11111 010 1010 nnnn 1111 dddd 0" op " mmmm"),                          \
	I(name "sub8", "11111 010 1100 nnnn 1111 dddd 0" op " mmmm"),                         \
	I(name "sub16", "11111 010 1101 nnnn 1111 dddd 0" op " mmmm"),                        \
	I(name "sax", "11111 010 1110 nnnn 1111 dddd 0" op " mmmm")

/* Also allowed in an IT block. */
static const struct gen_pattern patterns[] = {
	I("lsl imm", "000 00 xxxxx LLL DDD"), I("lsr imm", "000 01 xxxxx LLL DDD"), I("asr imm", "000 10 xxxxx LLL DDD"),
	I("add", "000 110 0 LLL LLL DDD"), I("sub", "000 110 1 xxx LLL DDD"), I("add imm3", "000 111 0 xxx LLL DDD"),
	I("sub imm3", "000 111 1 xxx LLL DDD"), I("mov imm", "001 00 DDD xxxxxxxx"), I("cmp imm", "001 01 LLL xxxxxxxx"),
	I("add imm8", "001 10 DDD xxxxxxxx"), I("sub imm8", "001 11 DDD xxxxxxxx"), I("and", "010000 0000 LLL DDD"),
	I("eor", "010000 0001 LLL DDD"), I("lsl", "010000 0010 LLL DDD"), I("lsr", "010000 0011 LLL DDD"), I("asr", "010000 0100 LLL DDD"),
	I("adc", "010000 0101 LLL DDD"), I("sbc", "010000 0110 LLL DDD"), I("ror", "010000 0111 LLL DDD"), I("tst", "010000 1000 LLL LLL"),
	I("rsb", "010000 1001 LLL DDD"), I("cmp", "010000 1010 xxx LLL"), I("cmn", "010000 1011 xxx LLL"), I("orr", "010000 1100 LLL DDD"),
	I("mul", "010000 1101 LLL DDD"), I("bic", "010000 1110 LLL DDD"), I("mvn", "010000 1111 LLL DDD"),
	I("add high", "010001 00 1 mmmm hhh"), I("mov high", "010001 10 1 mmmm hhh"), I("mov low", "010001 10 0 mmmm DDD"),
	I("cmp high", "010001 01 1 mmmm hhh"), I("str", "0110 0 xxxxx 111 LLL"), I("ldr", "0110 1 xxxxx 111 DDD"),
	I("strb", "0111 0 xxxxx 111 LLL"), I("ldrb", "0111 1 xxxxx 111 DDD"), I("strh", "1000 0 xxxxx 111 LLL"),
	I("ldrh", "1000 1 xxxxx 111 DDD"), I("str sp", "1001 0 LLL xxxxxxxx"), I("ldr sp", "1001 1 DDD xxxxxxxx"),
	I("add rd sp", "1010 1 DDD xxxxxxxx"), I("adr", "1010 0 DDD xxxxxxxx"), I("sxth", "1011 0010 00 LLL DDD"),
	I("sxtb", "1011 0010 01 LLL DDD"), I("uxth", "1011 0010 10 LLL DDD"), I("uxtb", "1011 0010 11 LLL DDD"),
	I("rev", "1011 1010 00 LLL DDD"), I("rev16", "1011 1010 01 LLL DDD"), I("revsh", "1011 1010 11 LLL DDD"),
	DPI("and", "0000"), DPI("bic", "0001"), DPI("orr", "0010"), DPI("orn", "0011"), DPI("eor", "0100"), DPI("add", "1000"),
	DPI("adc", "1010"), DPI("sbc", "1011"), DPI("sub", "1101"), DPI("rsb", "1110"), DPR("and", "0000"), DPR("bic", "0001"),
	DPR("orr", "0010"), DPR("orn", "0011"), DPR("eor", "0100"), DPR("add", "1000"), DPR("adc", "1010"), DPR("sbc", "1011"),
	DPR("sub", "1101"), DPR("rsb", "1110"), DPC("tst", "0000"), DPC("teq", "0100"), DPC("cmn", "1000"), DPC("cmp", "1101"),
	I("mov imm.w", "11110 k 0 0010 x 1111 0 kkk dddd kkkkkkkk"), I("mvn imm.w", "11110 k 0 0011 x 1111 0 kkk dddd kkkkkkkk"),
	I("mov.w", "11101 01 0010 x 1111 0 xxx dddd xx xx mmmm"), I("mvn.w", "11101 01 0011 x 1111 0 xxx dddd xx xx mmmm"),
	I("pkh", "11101 01 0110 0 nnnn 0 xxx dddd xx x0 mmmm"), I("addw", "11110 x 10000 0 nnnn 0 xxx dddd xxxxxxxx"),
	I("subw", "11110 x 10101 0 nnnn 0 xxx dddd xxxxxxxx"), I("movw", "11110 x 10010 0 xxxx 0 xxx dddd xxxxxxxx"),
	I("movt", "11110 x 10110 0 xxxx 0 xxx dddd xxxxxxxx"), I("ssat", "11110 0 1100 x 0 nnnn 0 xxx dddd x1 0 xxxxx"),
	I("usat", "11110 0 1110 x 0 nnnn 0 xxx dddd x1 0 xxxxx"), I("sbfx", "11110 0 11010 0 nnnn 0 0xx dddd xx 0 0xxxx"),
	I("ubfx", "11110 0 11110 0 nnnn 0 0xx dddd xx 0 0xxxx"), I("bfi", "11110 0 11011 0 nnnn 0 0xx dddd xx 0 1xxxx"),
	I("bfc", "11110 0 11011 0 1111 0 0xx dddd xx 0 1xxxx"), I("lsl.w", "11111 010 000 x nnnn 1111 dddd 0000 mmmm"),
	I("lsr.w", "11111 010 001 x nnnn 1111 dddd 0000 mmmm"), I("asr.w", "11111 010 010 x nnnn 1111 dddd 0000 mmmm"),
	I("ror.w", "11111 010 011 x nnnn 1111 dddd 0000 mmmm"), I("sxth.w", "11111 010 000 x 1111 1111 dddd 10 xx mmmm"),
	I("sxtb16.w", "11111 010 001 x 1111 1111 dddd 10 xx mmmm"), I("sxtb.w", "11111 010 010 x 1111 1111 dddd 10 xx mmmm"),
	I("sxtah", "11111 010 000 x nnnn 1111 dddd 10 xx mmmm"), I("sxtab16", "11111 010 001 x nnnn 1111 dddd 10 xx mmmm"),
	PAR("s", "000"), PAR("q", "001"), PAR("sh", "010"), PAR("u", "100"), PAR("uq", "101"), PAR("uh", "110"),
	I("qadd", "11111 010 1000 nnnn 1111 dddd 1000 mmmm"), I("qdadd", "11111 010 1000 nnnn 1111 dddd 1001 mmmm"),
	I("qsub", "11111 010 1000 nnnn 1111 dddd 1010 mmmm"), I("qdsub", "11111 010 1000 nnnn 1111 dddd 1011 mmmm"),
	I("sel", "11111 010 1010 nnnn 1111 dddd 1000 mmmm"),
	{ "rev.w", "11111 010 1001 1010 1111 dddd 1000 1010", NULL, 0, false },
	{ "rbit", "11111 010 1001 0011 1111 dddd 1010 0011", NULL, 0, false },
	{ "clz", "11111 010 1011 0100 1111 dddd 1000 0100", NULL, 0, false },
	I("mul.w", "11111 0110 000 nnnn 1111 dddd 0000 mmmm"), I("mla", "11111 0110 000 nnnn aaaa dddd 0000 mmmm"),
	I("mls", "11111 0110 000 nnnn aaaa dddd 0001 mmmm"), I("smlaxy", "11111 0110 001 nnnn aaaa dddd 00xx mmmm"),
	I("smulxy", "11111 0110 001 nnnn 1111 dddd 00xx mmmm"), I("smlad", "11111 0110 010 nnnn aaaa dddd 000x mmmm"),
	I("smlawy", "11111 0110 011 nnnn aaaa dddd 000x mmmm"), I("smlsd", "11111 0110 100 nnnn aaaa dddd 000x mmmm"),
	I("smmla", "11111 0110 101 nnnn aaaa dddd 000x mmmm"), I("smmls", "11111 0110 110 nnnn aaaa dddd 000x mmmm"),
	I("usada8", "11111 0110 111 nnnn aaaa dddd 0000 mmmm"), D("smull", "11111 0111 000 nnnn dddd eeee 0000 mmmm", "de"),
	I("sdiv", "11111 0111 001 nnnn 1111 dddd 1111 mmmm"), D("umull", "11111 0111 010 nnnn dddd eeee 0000 mmmm", "de"),
	I("udiv", "11111 0111 011 nnnn 1111 dddd 1111 mmmm"), D("smlal", "11111 0111 100 nnnn dddd eeee 0000 mmmm", "de"),
	D("smlalxy", "11111 0111 100 nnnn dddd eeee 10xx mmmm", "de"), D("smlald", "11111 0111 100 nnnn dddd eeee 110x mmmm", "de"),
	D("umlal", "11111 0111 110 nnnn dddd eeee 0000 mmmm", "de"), D("umaal", "11111 0111 110 nnnn dddd eeee 0110 mmmm", "de"),
	I("ldrb.w", "11111 00 0 1 00 1 0111 dddd 00oooooooooo"), I("ldrh.w", "11111 00 0 1 01 1 0111 dddd 00oooooooooo"),
	I("ldr.w", "11111 00 0 1 10 1 0111 dddd 00oooooooooo"), I("strb.w", "11111 00 0 1 00 0 0111 tttt 00oooooooooo"),
	I("strh.w", "11111 00 0 1 01 0 0111 tttt 00oooooooooo"), I("str.w", "11111 00 0 1 10 0 0111 tttt 00oooooooooo"),
	I("ldrsb.w", "11111 00 1 1 00 1 0111 dddd 00oooooooooo"), I("ldrsh.w", "11111 00 1 1 01 1 0111 dddd 00oooooooooo"),
	I("ldr neg", "11111 00 0 0 10 1 0111 dddd 1100 xxxxxxxx"), I("str neg", "11111 00 0 0 10 0 0111 tttt 1100 xxxxxxxx"),
	D("ldrd", "11101 00 1 x 1 0 1 0111 dddd eeee 00xxxxxx", "de"), I("strd", "11101 00 1 x 1 0 0 0111 tttt aaaa 00xxxxxx"),
	I("stm", "11101 00 010 0 0 0111 000x xxxxx 11 xxxxx"), I("ldm", "11101 00 010 0 1 0111 0000 1111 0xxxxxxx"),
	I("mrs", "11110 0 1111 1 0 1111 10 0 0 dddd 00000000"), I("msr flags", "11110 0 1110 0 0 mmmm 10 0 0 1x00 00000000"),
};

/* Last in a block or outside. */
static const struct gen_pattern branches[] = {
	BR("b cond", "1101 cccc 00000000", BRANCH_T1), BR("b", "11100 00000000000", BRANCH_T2),
	BR("cbz", "1011 x0 0 1 00000 LLL", BRANCH_CBZ), BR("b.w cond", "11110 0 cccc 000000 10 0 0 0 00000000000", BRANCH_T3),
	BR("b.w", "11110 0 0000000000 10 1 1 1 00000000000", BRANCH_T4),
};

/* A modified immediate: of the four forms that repeat a byte only the first may repeat 0. */
static uint32_t pick_modified(struct rng *r)
{
	uint32_t v;

	do {
		v = (uint32_t)rng_next(r) & 0xfff;
	} while ((v & 0xff) == 0 && v >> 8 != 0 && v >> 10 == 0);
	return v;
}

static uint32_t pick(struct rng *r, char letter, unsigned int bits)
{
	uint32_t v;

	switch (letter) {
	case 'o': /* offset, sometimes beyond the end of the page */
		return rng_below(r, 532);
	case 'c':
		return rng_below(r, 14);
	case 'd':
	case 'e':
		do {
			v = rng_below(r, 15);
		} while (v == BASE || v == SP);
		return v;
	case 'D': /* low, written */
		return rng_below(r, 7);
	case 'h': /* high, written: r8 to r12 and lr */
		v = rng_below(r, 6);
		return v == 5 ? 6 : v;
	case 'n':
	case 'm':
	case 'a':
	case 't':
		do {
			v = rng_below(r, 15);
		} while (v == SP);
		return v;
	case 'k':
		return pick_modified(r);
	default:
		return (uint32_t)rng_next(r) & (uint32_t)((1ull << bits) - 1);
	}
}

static const struct gen_set set = { patterns, ARRAY_SIZE(patterns), pick, true };
static const struct gen_set branch_set = { branches, ARRAY_SIZE(branches), pick, true };

/* IT with one to four instructions behind it. */
static void gen_it_block(struct rng *r, struct diff_insn *ret)
{
	uint32_t n = 1 + rng_below(r, 4);
	uint32_t cond = rng_below(r, 14);
	uint32_t mask = 0;

	for (uint32_t i = 1; i < n; i++) {
		mask = mask << 1 | rng_below(r, 2);
	}
	mask = (mask << 1 | 1) << (4 - n);
	*ret = (struct diff_insn){ .name = "it", .n_bytes = 2 };
	store_le(ret->bytes, 0xbf00u | cond << 4 | mask, 2);
	for (uint32_t i = 0; i < n; i++) {
		gen_append(&set, &patterns[rng_below(r, ARRAY_SIZE(patterns))], r, ret);
	}
}

static void gen(struct rng *r, bool has_fp, struct diff_insn *ret)
{
	switch (rng_below(r, 16)) {
	case 0:
	case 1:
		gen_it_block(r, ret);
		return;
	case 2:
		gen_any(&branch_set, r, has_fp, ret);
		return;
	default:
		gen_any(&set, r, has_fp, ret);
		return;
	}
}

static void start(struct rng *r, struct wire_state *ret)
{
	diff_isa_arm.start(r, ret);
	ret->gpr[10] = (uint32_t)gen_integer(r);
	ret->gpr[BASE] = WIRE_BASE_ADDR;
}

static void branch(struct diff_insn *i, uint8_t *bytes, uint32_t distance)
{
	uint32_t d = distance - 4; /* behind the next but one; all ones above */
	uint32_t word = (uint32_t)load_le(bytes, i->n_bytes);

	switch (i->branch) {
	case BRANCH_T1:
		word |= (d / 2) & 0xff;
		break;
	case BRANCH_T2:
		word |= (d / 2) & 0x7ff;
		break;
	case BRANCH_CBZ: /* can't reach the next instruction: a nop then */
		word = distance < 4 ? 0xbf00 : word | ((d / 2) & 0x1f) << 3 | ((d / 64) & 1) << 9;
		break;
	case BRANCH_T3:
		word |= ((d / 2) & 0x7ff) << 16 | ((d >> 12) & 0x3f);
		word |= (d >> 31) << 10 | (d >> 31) << 27 | (d >> 31) << 29;
		break;
	default: /* BRANCH_T4: J1 and J2 are 1 with a sign of 0 and with a sign of 1 */
		word |= ((d / 2) & 0x7ff) << 16 | ((d >> 12) & 0x3ff) | (d >> 31) << 10;
		break;
	}
	store_le(bytes, word, i->n_bytes);
}

const struct diff_isa diff_isa_thumb = {
	.name = "thumb",
	.isa = WIRE_ISA_THUMB,
	.arch = "arm",
	.referee = "referee_arm",
	.referee_args = "qemu-arm -cpu cortex-a15",
	.objdump = "arm-linux-gnueabihf-objdump -D -b binary -m arm -M force-thumb",
	.flags_mask = 0xf80f0000u,
	.fp_control_mask = 0xffc0009fu,
	.n_gpr = 15,
	.n_vec = 16,
	.vec_bytes = 16,
	.gpr_mask = UINT32_MAX,
	.end = { 0x00, 0xde }, /* udf #0 */
	.end_bytes = 2,
	.gen = gen,
	.start = start,
	.branch = branch,
};
