/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AArch64: Armv8.0-A with the CRC instructions. Source: Arm ARM (DDI 0487), chapter C4.
 *
 * x28 is the base register and is not written; the stack pointer is a second one.
 */
#include "base/bits.h"
#include "gen.h"

enum { BRANCH_19 = 1, BRANCH_26, BRANCH_14 };

#define BASE 28
#define SP   31

#define I(name, bits)	   { name, bits, NULL, 0, false }
#define F(name, bits)	   { name, bits, NULL, 0, true }
#define BR(name, bits, k)  { name, bits, NULL, k, false }
#define TWO(name, op)	   I(name, "x 0 0 11010110 MMMMM " op " NNNNN DDDDD")
#define ONE(name, bits)	   I(name, bits " NNNNN DDDDD")
#define FP2(name, op)	   F(name, "000 11110 0q 1 hhhhh " op " 10 ggggg fffff")
#define FP1(name, op)	   F(name, "000 11110 0q 1 " op " 10000 ggggg fffff")
#define FP3(name, o1, o0)  F(name, "000 11111 0q " o1 " hhhhh " o0 " kkkkk ggggg fffff")
#define FTOI(name, rm, op) F(name, "x 00 11110 0q 1 " rm " " op " 000000 ggggg DDDDD")
/* Three vectors of one kind: size 00, 01, 10 in 64 or 128 bits; 11 in 128 bits. */
#define V3(name, u, op)	   F(name, "0 x " u " 01110 ww 1 hhhhh " op " 1 ggggg fffff")
#define V3D(name, u, op)   F(name, "0 1 " u " 01110 11 1 hhhhh " op " 1 ggggg fffff")
#define V3L(name, u, sz)   F(name, "0 x " u " 01110 " sz " 1 hhhhh 00011 1 ggggg fffff")
/* Three vectors of singles or doubles. */
#define VF(name, u, s, op) F(name, "0 x " u " 01110 " s "0 1 hhhhh " op " 1 ggggg fffff"), \
			   F(name ".2d", "0 1 " u " 01110 " s "1 1 hhhhh " op " 1 ggggg fffff")
#define V2(name, u, op)	   F(name, "0 x " u " 01110 ww 10000 " op " 10 ggggg fffff")
#define V2F(name, u, s, op) F(name, "0 x " u " 01110 " s "0 10000 " op " 10 ggggg fffff"), \
			    F(name ".2d", "0 1 " u " 01110 " s "1 10000 " op " 10 ggggg fffff")
#define VL(name, u, op)	   F(name, "0 x " u " 01110 ww 1 hhhhh " op " 00 ggggg fffff")
#define VP(name, op)	   F(name, "0 x 001110 ww 0 hhhhh 0 " op " 10 ggggg fffff"), \
			   F(name ".2d", "0 1 001110 11 0 hhhhh 0 " op " 10 ggggg fffff")
#define SH(name, u, op)	   F(name, "0 x " u " 011110 01xx xxx " op " 1 ggggg fffff")

static const struct gen_pattern patterns[] = {
	I("add imm", "x 0 0 100010 x xxxxxxxxxxxx nnnnn ddddd"), I("adds imm", "x 0 1 100010 x xxxxxxxxxxxx nnnnn DDDDD"),
	I("sub imm", "x 1 0 100010 x xxxxxxxxxxxx nnnnn ddddd"), I("subs imm", "x 1 1 100010 x xxxxxxxxxxxx nnnnn DDDDD"),
	I("add shifted", "1 0 x 01011 ss 0 MMMMM xxxxxx NNNNN DDDDD"), I("sub shifted", "1 1 x 01011 ss 0 MMMMM xxxxxx NNNNN DDDDD"),
	I("add shifted w", "0 0 x 01011 ss 0 MMMMM 0xxxxx NNNNN DDDDD"), I("sub shifted w", "0 1 x 01011 ss 0 MMMMM 0xxxxx NNNNN DDDDD"),
	I("add extended", "x 0 0 01011 00 1 MMMMM xxx eee nnnnn ddddd"), I("subs extended", "x 1 1 01011 00 1 MMMMM xxx eee nnnnn DDDDD"),
	I("and shifted", "1 00 01010 xx 0 MMMMM xxxxxx NNNNN DDDDD"), I("bic shifted", "1 00 01010 xx 1 MMMMM xxxxxx NNNNN DDDDD"),
	I("orr shifted", "1 01 01010 xx x MMMMM xxxxxx NNNNN DDDDD"), I("eor shifted", "1 10 01010 xx x MMMMM xxxxxx NNNNN DDDDD"),
	I("ands shifted", "1 11 01010 xx x MMMMM xxxxxx NNNNN DDDDD"), I("logic w", "0 xx 01010 xx x MMMMM 0xxxxx NNNNN DDDDD"),
	I("logic imm", "1 xx 100100 LLLLLLLLLLLLL NNNNN ddddd"), I("logic imm w", "0 xx 100100 lllllllllllll NNNNN ddddd"),
	I("adc", "x 0 x 11010000 MMMMM 000000 NNNNN DDDDD"), I("sbc", "x 1 x 11010000 MMMMM 000000 NNNNN DDDDD"),
	I("movn", "1 00 100101 xx xxxxxxxxxxxxxxxx DDDDD"), I("movz", "1 10 100101 xx xxxxxxxxxxxxxxxx DDDDD"),
	I("movk", "1 11 100101 xx xxxxxxxxxxxxxxxx DDDDD"), I("mov w", "0 1x 100101 0x xxxxxxxxxxxxxxxx DDDDD"),
	I("adr", "0 xx 10000 xxxxxxxxxxxxxxxxxxx DDDDD"), I("adrp", "1 xx 10000 xxxxxxxxxxxxxxxxxxx DDDDD"),
	I("sbfm", "1 00 100110 1 xxxxxx xxxxxx NNNNN DDDDD"), I("bfm", "1 01 100110 1 xxxxxx xxxxxx NNNNN DDDDD"),
	I("ubfm", "1 10 100110 1 xxxxxx xxxxxx NNNNN DDDDD"), I("sbfm w", "0 00 100110 0 0xxxxx 0xxxxx NNNNN DDDDD"),
	I("bfm w", "0 01 100110 0 0xxxxx 0xxxxx NNNNN DDDDD"), I("ubfm w", "0 10 100110 0 0xxxxx 0xxxxx NNNNN DDDDD"),
	I("extr", "1 00 100111 1 0 MMMMM xxxxxx NNNNN DDDDD"), I("extr w", "0 00 100111 0 0 MMMMM 0xxxxx NNNNN DDDDD"),
	I("csel", "x 0 0 11010100 MMMMM cccc 00 NNNNN DDDDD"), I("csinc", "x 0 0 11010100 MMMMM cccc 01 NNNNN DDDDD"),
	I("csinv", "x 1 0 11010100 MMMMM cccc 00 NNNNN DDDDD"), I("csneg", "x 1 0 11010100 MMMMM cccc 01 NNNNN DDDDD"),
	I("ccmn", "x 0 1 11010010 MMMMM cccc 00 NNNNN 0 xxxx"), I("ccmp", "x 1 1 11010010 MMMMM cccc 00 NNNNN 0 xxxx"),
	I("ccmn imm", "x 0 1 11010010 xxxxx cccc 10 NNNNN 0 xxxx"), I("ccmp imm", "x 1 1 11010010 xxxxx cccc 10 NNNNN 0 xxxx"),
	I("madd", "x 00 11011 000 MMMMM 0 AAAAA NNNNN DDDDD"), I("msub", "x 00 11011 000 MMMMM 1 AAAAA NNNNN DDDDD"),
	I("smaddl", "1 00 11011 001 MMMMM x AAAAA NNNNN DDDDD"), I("umaddl", "1 00 11011 101 MMMMM x AAAAA NNNNN DDDDD"),
	I("smulh", "1 00 11011 010 MMMMM 0 11111 NNNNN DDDDD"), I("umulh", "1 00 11011 110 MMMMM 0 11111 NNNNN DDDDD"),
	TWO("udiv", "000010"), TWO("sdiv", "000011"), TWO("lslv", "001000"), TWO("lsrv", "001001"), TWO("asrv", "001010"),
	TWO("rorv", "001011"),
	I("crc32b", "0 0 0 11010110 MMMMM 010 x 00 NNNNN DDDDD"), I("crc32w", "0 0 0 11010110 MMMMM 010 x 10 NNNNN DDDDD"),
	I("crc32h", "0 0 0 11010110 MMMMM 010 x 01 NNNNN DDDDD"), I("crc32x", "1 0 0 11010110 MMMMM 010 x 11 NNNNN DDDDD"),
	ONE("rbit", "x 1 0 11010110 00000 000000"), ONE("rev16", "x 1 0 11010110 00000 000001"),
	ONE("rev w", "0 1 0 11010110 00000 000010"), ONE("rev32", "1 1 0 11010110 00000 000010"),
	ONE("rev", "1 1 0 11010110 00000 000011"), ONE("clz", "x 1 0 11010110 00000 000100"), ONE("cls", "x 1 0 11010110 00000 000101"),
	/* Loads and stores: base register or stack pointer */
	I("ldur/stur", "xx 111 0 00 00 0 iiiiiiiii 00 11100 TTTTT"), I("ldur", "xx 111 0 00 01 0 iiiiiiiii 00 11100 DDDDD"),
	I("ldurs x", "00 111 0 00 10 0 iiiiiiiii 00 11100 DDDDD"), I("ldurs w", "0x 111 0 00 11 0 iiiiiiiii 00 11100 DDDDD"),
	I("ldursw", "10 111 0 00 10 0 iiiiiiiii 00 11100 DDDDD"), I("str imm", "xx 111 0 01 00 000000 xxxxxx 11100 TTTTT"),
	I("ldr imm", "xx 111 0 01 01 000000 xxxxxx 11100 DDDDD"), I("ldr sp", "1x 111 0 01 01 000000 xxxxxx 11111 DDDDD"),
	I("stp", "x0 101 0 010 0 jjjjjjj TTTTT 11100 SSSSS"),
	{ "ldp", "x0 101 0 010 1 jjjjjjj DDDDD 11100 EEEEE", "DE", 0, false },
	{ "ldpsw", "01 101 0 010 1 jjjjjjj DDDDD 11100 EEEEE", "DE", 0, false },
	I("ldr reg zero", "xx 111 0 00 01 1 11111 011 x 10 11100 DDDDD"), I("ldar", "xx 001000 1 1 0 11111 1 11111 11100 DDDDD"),
	I("stlr", "xx 001000 1 0 0 11111 1 11111 11100 TTTTT"), I("ldxr", "xx 001000 0 1 0 11111 x 11111 11100 DDDDD"),
	I("ldr beyond", "11 111 0 01 01 000001000000 11100 DDDDD"), I("str beyond", "11 111 0 01 00 000001000000 11100 TTTTT"),
	BR("b.cond", "0101010 0 0000000000000000000 0 cccc", BRANCH_19), BR("cbz", "x 011010 0 0000000000000000000 NNNNN", BRANCH_19),
	BR("cbnz", "x 011010 1 0000000000000000000 NNNNN", BRANCH_19), BR("tbz", "x 011011 0 xxxxx 00000000000000 NNNNN", BRANCH_14),
	BR("tbnz", "x 011011 1 xxxxx 00000000000000 NNNNN", BRANCH_14), BR("b", "000101 00000000000000000000000000", BRANCH_26),
	BR("bl", "100101 00000000000000000000000000", BRANCH_26),
	/* Scalar floating point */
	FP2("fmul", "0000"), FP2("fdiv", "0001"), FP2("fadd", "0010"), FP2("fsub", "0011"), FP2("fmax", "0100"), FP2("fmin", "0101"),
	FP2("fmaxnm", "0110"), FP2("fminnm", "0111"), FP2("fnmul", "1000"), FP1("fmov", "000000"), FP1("fabs", "000001"),
	FP1("fneg", "000010"), FP1("fsqrt", "000011"), FP1("frintn", "001000"), FP1("frintp", "001001"), FP1("frintm", "001010"),
	FP1("frintz", "001011"), FP1("frinta", "001100"), FP1("frintx", "001110"), FP1("frinti", "001111"),
	F("fcvt d s", "000 11110 00 1 000101 10000 ggggg fffff"), F("fcvt s d", "000 11110 01 1 000100 10000 ggggg fffff"),
	F("fcvt h s", "000 11110 00 1 000111 10000 ggggg fffff"), F("fcvt h d", "000 11110 01 1 000111 10000 ggggg fffff"),
	F("fcvt s h", "000 11110 11 1 000100 10000 ggggg fffff"), F("fcvt d h", "000 11110 11 1 000101 10000 ggggg fffff"),
	FP3("fmadd", "0", "0"), FP3("fmsub", "0", "1"), FP3("fnmadd", "1", "0"), FP3("fnmsub", "1", "1"),
	F("fcmp", "000 11110 0q 1 hhhhh 00 1000 ggggg x0 000"), F("fcmp zero", "000 11110 0q 1 00000 00 1000 ggggg x1 000"),
	F("fccmp", "000 11110 0q 1 hhhhh cccc 01 ggggg x xxxx"), F("fcsel", "000 11110 0q 1 hhhhh cccc 11 ggggg fffff"),
	F("fmov imm", "000 11110 0q 1 xxxxxxxx 100 00000 fffff"), FTOI("fcvtns", "00", "000"), FTOI("fcvtnu", "00", "001"),
	FTOI("fcvtas", "00", "100"), FTOI("fcvtau", "00", "101"), FTOI("fcvtps", "01", "000"), FTOI("fcvtpu", "01", "001"),
	FTOI("fcvtms", "10", "000"), FTOI("fcvtmu", "10", "001"), FTOI("fcvtzs", "11", "000"), FTOI("fcvtzu", "11", "001"),
	F("scvtf", "x 00 11110 0q 1 00 010 000000 NNNNN fffff"), F("ucvtf", "x 00 11110 0q 1 00 011 000000 NNNNN fffff"),
	F("fcvtzs fixed", "1 00 11110 0q 0 11 000 xxxxxx ggggg DDDDD"), F("scvtf fixed", "1 00 11110 0q 0 00 010 xxxxxx NNNNN fffff"),
	F("fmov w s", "0 00 11110 00 1 00 110 000000 ggggg DDDDD"), F("fmov s w", "0 00 11110 00 1 00 111 000000 NNNNN fffff"),
	F("fmov x d", "1 00 11110 01 1 00 110 000000 ggggg DDDDD"), F("fmov d x", "1 00 11110 01 1 00 111 000000 NNNNN fffff"),
	F("str s d", "1x 111 1 01 00 000000 xxxxxx 11100 fffff"), F("ldr s d", "1x 111 1 01 01 000000 xxxxxx 11100 fffff"),
	F("ldur q", "00 111 1 00 11 0 iiiiiiiii 00 11100 fffff"), F("stur q", "00 111 1 00 10 0 iiiiiiiii 00 11100 fffff"),
	F("ldr b h", "0x 111 1 01 01 000000 xxxxxx 11100 fffff"),
	/* Vectors */
	V3("shadd", "0", "00000"), V3("uhadd", "1", "00000"), V3("sqadd", "0", "00001"), V3("uqadd", "1", "00001"),
	V3D("sqadd.2d", "0", "00001"), V3("srhadd", "0", "00010"), V3("urhadd", "1", "00010"), V3("shsub", "0", "00100"),
	V3("sqsub", "0", "00101"), V3("uqsub", "1", "00101"), V3("cmgt", "0", "00110"), V3("cmhi", "1", "00110"),
	V3D("cmgt.2d", "0", "00110"), V3("cmge", "0", "00111"), V3("cmhs", "1", "00111"), V3("sshl", "0", "01000"),
	V3("ushl", "1", "01000"), V3D("sshl.2d", "0", "01000"), V3("sqshl", "0", "01001"), V3("uqshl", "1", "01001"),
	V3("srshl", "0", "01010"), V3("urshl", "1", "01010"), V3("sqrshl", "0", "01011"), V3("uqrshl", "1", "01011"),
	V3("smax", "0", "01100"), V3("umax", "1", "01100"), V3("smin", "0", "01101"), V3("umin", "1", "01101"),
	V3("sabd", "0", "01110"), V3("uabd", "1", "01110"), V3("saba", "0", "01111"), V3("uaba", "1", "01111"),
	V3("add.v", "0", "10000"), V3("sub.v", "1", "10000"), V3D("add.2d", "0", "10000"), V3D("sub.2d", "1", "10000"),
	V3("cmtst", "0", "10001"), V3("cmeq", "1", "10001"), V3("mla", "0", "10010"), V3("mls", "1", "10010"),
	V3("mul", "0", "10011"), V3("smaxp", "0", "10100"), V3("uminp", "1", "10101"), V3("addp", "0", "10111"),
	F("sqdmulh", "0 x 0 01110 uu 1 hhhhh 10110 1 ggggg fffff"), F("sqrdmulh", "0 x 1 01110 uu 1 hhhhh 10110 1 ggggg fffff"),
	V3L("and.v", "0", "00"), V3L("bic.v", "0", "01"), V3L("orr.v", "0", "10"), V3L("orn.v", "0", "11"), V3L("eor.v", "1", "00"),
	V3L("bsl", "1", "01"), V3L("bit", "1", "10"), V3L("bif", "1", "11"),
	VF("fadd.v", "0", "0", "11010"), VF("fsub.v", "0", "1", "11010"), VF("fmul.v", "1", "0", "11011"), VF("fdiv.v", "1", "0", "11111"),
	VF("fmla", "0", "0", "11001"), VF("fmls", "0", "1", "11001"), VF("fmax.v", "0", "0", "11110"), VF("fmin.v", "0", "1", "11110"),
	VF("fmaxnm.v", "0", "0", "11000"), VF("fminnm.v", "0", "1", "11000"), VF("fcmeq", "0", "0", "11100"), VF("fcmge", "1", "0", "11100"),
	VF("fcmgt", "1", "1", "11100"), VF("facge", "1", "0", "11101"), VF("fabd", "1", "1", "11010"), VF("fmulx", "0", "0", "11011"),
	VF("frecps", "0", "0", "11111"), VF("frsqrts", "0", "1", "11111"), VF("faddp", "1", "0", "11010"),
	V2("rev64", "0", "00000"), V2("saddlp", "0", "00010"), V2("uaddlp", "1", "00010"), V2("suqadd", "0", "00011"),
	V2("usqadd", "1", "00011"), V2("cls.v", "0", "00100"), V2("clz.v", "1", "00100"), V2("sqabs", "0", "00111"),
	V2("sqneg", "1", "00111"), V2("cmgt zero", "0", "01000"), V2("cmge zero", "1", "01000"), V2("cmlt zero", "0", "01010"),
	V2("abs", "0", "01011"), V2("neg", "1", "01011"), V2("xtn", "0", "10010"), V2("sqxtun", "1", "10010"),
	V2("sqxtn", "0", "10100"), V2("uqxtn", "1", "10100"), V2("shll", "1", "10011"),
	F("cnt", "0 x 0 01110 00 10000 00101 10 ggggg fffff"), F("not", "0 x 1 01110 00 10000 00101 10 ggggg fffff"),
	F("rbit.v", "0 x 1 01110 01 10000 00101 10 ggggg fffff"),
	V2F("frintn.v", "0", "0", "11000"), V2F("fcvtzs.v", "0", "1", "11011"), V2F("fcvtzu.v", "1", "1", "11011"),
	V2F("scvtf.v", "0", "0", "11101"), V2F("ucvtf.v", "1", "0", "11101"), V2F("fsqrt.v", "1", "1", "11111"),
	V2F("frecpe", "0", "1", "11101"), V2F("frsqrte", "1", "1", "11101"), V2F("fabs.v", "0", "1", "01111"), V2F("fneg.v", "1", "1", "01111"),
	F("fcvtl", "0 x 0 01110 01 10000 10111 10 ggggg fffff"), F("fcvtn", "0 x 0 01110 01 10000 10110 10 ggggg fffff"),
	VL("saddl", "0", "0000"), VL("uaddl", "1", "0000"), VL("saddw", "0", "0001"), VL("ssubl", "0", "0010"), VL("addhn", "0", "0100"),
	VL("raddhn", "1", "0100"), VL("subhn", "0", "0110"), VL("sabal", "0", "0101"), VL("smlal", "0", "1000"), VL("umlal", "1", "1000"),
	VL("smull", "0", "1100"), VL("umull", "1", "1100"), F("pmull", "0 x 0 01110 00 1 hhhhh 1110 00 ggggg fffff"),
	F("sqdmull", "0 x 0 01110 uu 1 hhhhh 1101 00 ggggg fffff"), F("sqdmlal", "0 x 0 01110 uu 1 hhhhh 1001 00 ggggg fffff"),
	VP("uzp1", "001"), VP("trn1", "010"), VP("zip1", "011"), VP("uzp2", "101"), VP("trn2", "110"), VP("zip2", "111"),
	F("ext", "0 1 101110 00 0 hhhhh 0 xxxx 0 ggggg fffff"), F("ext.8b", "0 0 101110 00 0 hhhhh 0 0xxx 0 ggggg fffff"),
	F("tbl", "0 x 001110 00 0 hhhhh 0 xx x 00 ggggg fffff"), F("dup b", "0 x 0 01110000 xxxx1 0 0000 1 ggggg fffff"),
	F("dup x", "0 1 0 01110000 x1000 0 0001 1 NNNNN fffff"), F("ins b", "0 1 0 01110000 xxxx1 0 0011 1 NNNNN fffff"),
	F("ins elem", "0 1 1 01110000 xxx10 0 xxxx 1 ggggg fffff"), F("umov", "0 0 0 01110000 xxx10 0 0111 1 ggggg DDDDD"),
	F("smov", "0 1 0 01110000 xx100 0 0101 1 ggggg DDDDD"), F("movi", "0 x 0 0111100000 xxx 0xxx 01 xxxxx fffff"),
	F("mvni", "0 x 1 0111100000 xxx 0xx0 01 xxxxx fffff"), F("fmov.v", "0 x 0 0111100000 xxx 1111 01 xxxxx fffff"),
	SH("sshr", "0", "00000"), SH("ushr", "1", "00000"), SH("ssra", "0", "00010"), SH("srshr", "0", "00100"), SH("ursra", "1", "00110"),
	SH("shl", "0", "01010"), SH("sli", "1", "01010"), SH("sri", "1", "01000"), SH("sqshlu", "1", "01100"), SH("sqshl imm", "0", "01110"),
	F("shrn", "0 x 0 011110 001x xxx 10000 1 ggggg fffff"), F("sqrshrn", "0 x 0 011110 001x xxx 10011 1 ggggg fffff"),
	F("sshll", "0 x 0 011110 001x xxx 10100 1 ggggg fffff"), F("ushll", "0 x 1 011110 01xx xxx 10100 1 ggggg fffff"),
	F("addv", "0 1 0 01110 ww 11000 11011 10 ggggg fffff"), F("smaxv", "0 1 0 01110 ww 11000 01010 10 ggggg fffff"),
	F("uaddlv", "0 1 1 01110 ww 11000 00011 10 ggggg fffff"), F("fmaxv", "0 1 1 01110 00 11000 01111 10 ggggg fffff"),
	F("ld1", "0 x 001100 0 1 0 00000 0111 xx 11100 fffff"), F("st1", "0 x 001100 0 0 0 00000 0111 xx 11100 fffff"),
	F("ld1r", "0 1 001101 0 1 0 00000 110 0 xx 11100 fffff"), F("ld2", "0 1 001100 0 1 0 00000 1000 xx 11100 fffff"),
	F("st4", "0 1 001100 0 0 0 00000 0000 xx 11100 fffff"),
};

/* N:immr:imms of a logical immediate for registers of so many bits. */
static uint32_t pick_logical(struct rng *r, unsigned int bits)
{
	unsigned int log = 1 + rng_below(r, bits == 64 ? 6 : 5);
	uint32_t size = 1u << log;
	uint32_t ones = rng_below(r, size - 1); /* so many and one */
	uint32_t imms = ((~(size * 2 - 1)) & 0x3f) | ones;
	uint32_t n = size == 64;

	if (n) {
		imms = ones;
	}
	return n << 12 | rng_below(r, size) << 6 | imms;
}

static uint32_t pick(struct rng *r, char letter, unsigned int bits)
{
	uint32_t v;

	switch (letter) {
	case 'd': /* written, 31 would be the stack pointer */
	case 'D': /* written, 31 is nothing */
	case 'E':
		do {
			v = rng_below(r, letter == 'd' ? 31 : 32);
		} while (v == BASE);
		return v;
	case 'n':
		return rng_below(r, 32);
	case 's': /* kind of shift: not ROR */
		return rng_below(r, 3);
	case 'e': /* left shift of an extended register */
		return rng_below(r, 5);
	case 'w': /* size of an element, not 64 bits */
		return rng_below(r, 3);
	case 'u': /* 16 or 32 bits */
		return 1 + rng_below(r, 2);
	case 'i': /* offset of 9 bits */
		return (uint32_t)((int32_t)rng_below(r, 512) - 256) & 0x1ff;
	case 'j': /* of 7 bits, in units */
		return (uint32_t)((int32_t)rng_below(r, 128) - 64) & 0x7f;
	case 'L':
		return pick_logical(r, 64);
	case 'l':
		return pick_logical(r, 32);
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
	for (int i = 0; i < 31; i++) {
		ret->gpr[i] = gen_integer(r);
	}
	for (int i = 0; i < 32; i++) {
		gen_vector(r, ret->vec[i]);
	}
	ret->gpr[BASE] = WIRE_BASE_ADDR;
	ret->gpr[SP] = WIRE_STACK_ADDR;
	ret->flags = (rng_next(r) & 15) << 28;
	ret->fp_control = (uint64_t)rng_below(r, 4) << 22; /* rounding mode */
}

static void branch(struct diff_insn *i, uint8_t *bytes, uint32_t d)
{
	uint32_t word = (uint32_t)load_le(bytes, 4);

	word |= i->branch == BRANCH_26 ? d / 4 : d / 4 << 5;
	store_le(bytes, word, 4);
}

static uint32_t put(uint8_t *code, const uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		store_le(code + 4 * i, words[i], 4);
	}
	return (uint32_t)(4 * n);
}

/* The counter lies where no sequence gets, at the begin of the data page. */
static uint32_t loop_head(uint8_t *code, uint32_t turns)
{
	const uint32_t words[] = {
		0xd2a0001c | WIRE_DATA_ADDR >> 16 << 5, /* mov x28, #data */
		0x9100039f,				/* mov sp, x28 */
		0x5280001c | turns << 5,		/* mov w28, #turns */
		0xb90003fc,				/* str w28, [sp] */
		/* each turn: base register and stack pointer */
		0xd2a0001c | WIRE_BASE_ADDR >> 16 << 5,
		0xf280001c | (WIRE_BASE_ADDR & 0xffff) << 5,
		0xd100039f | (WIRE_BASE_ADDR - WIRE_STACK_ADDR) << 10,
	};

	return put(code, words, ARRAY_SIZE(words));
}

static uint32_t loop_tail(uint8_t *code, uint32_t body_bytes)
{
	uint32_t words[] = {
		0xd2a0001c | WIRE_DATA_ADDR >> 16 << 5, /* mov x28, #data */
		0x9100039f,				/* mov sp, x28 */
		0xb94003fc,				/* ldr w28, [sp] */
		0x5100079c,				/* sub w28, w28, #1 */
		0xb90003fc,				/* str w28, [sp] */
		0x3500001c,				/* cbnz w28, head */
	};
	/* from the last word over the sequence to where a turn begins */
	uint32_t back = body_bytes / 4 + (uint32_t)ARRAY_SIZE(words) - 1 + 3;

	words[5] |= ((0u - back) & 0x7ffff) << 5;
	return put(code, words, ARRAY_SIZE(words));
}

const struct diff_isa diff_isa_a64 = {
	.name = "arm64",
	.isa = WIRE_ISA_A64,
	.arch = "arm64",
	.referee = "referee_arm64",
	.referee_args = "qemu-aarch64 -cpu cortex-a72",
	.objdump = "aarch64-linux-gnu-objdump -D -b binary -m aarch64",
	.flags_mask = 0xf0000000u,
	.fp_control_mask = 0x07c00000u,
	.fp_status_mask = 0x0800009fu,
	.n_gpr = 32,
	.n_vec = 32,
	.vec_bytes = 16,
	.gpr_mask = UINT64_MAX,
	.end = { 0, 0, 0, 0 }, /* udf #0 */
	.end_bytes = 4,
	.gen = gen,
	.start = start,
	.loop_head = loop_head,
	.loop_tail = loop_tail,
	.branch = branch,
};
