/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: the integer corners that each architecture's manual fixes and C leaves open: division by zero and of the
 * least number by -1, shifts by the width and more, sign extension. Expected values are the manuals':
 *   RISC-V unprivileged ISA, table 7.1 (division) and sections 2.4, 5.2 (shifts)
 *   Arm ARM, SDIV, UDIV (0 by zero, no trap), LSL and ASR by register (A32: low byte of the count; A64: modulo size)
 *   Intel SDM volume 2, SAL/SHR (count modulo 32 or 64), MOVSX, IMUL
 */
#include "guest.h"

static uint32_t wrong;

static void expect(const char *what, uint64_t got, uint64_t want)
{
	if (got != want) {
		wrong++;
		guest_puts(what);
		guest_line_hex(": computed", got, 16);
		guest_line_hex("  manual", want, 16);
	}
}

#define LEAST32 0x80000000u
#define LEAST64 0x8000000000000000u

#if defined(__riscv)
#define OP(insn, a, b)                                                                                    \
	({                                                                                                \
		uint64_t z_;                                                                              \
		__asm__ volatile(insn " %0, %1, %2" : "=r"(z_) : "r"((uint64_t)(a)), "r"((uint64_t)(b))); \
		z_;                                                                                       \
	})

static void check_all(void)
{
	expect("div by 0", OP("div", 7, 0), UINT64_MAX);
	expect("divu by 0", OP("divu", 7, 0), UINT64_MAX);
	expect("rem by 0", OP("rem", 7, 0), 7);
	expect("remu by 0", OP("remu", 7, 0), 7);
	expect("divw by 0", OP("divw", 7, 0), UINT64_MAX);
	expect("remw by 0", OP("remw", LEAST32, 0), 0xffffffff80000000u);
	expect("divuw by 0", OP("divuw", 7, 0), UINT64_MAX);
	expect("remuw by 0", OP("remuw", LEAST32, 0), 0xffffffff80000000u);
	expect("div overflow", OP("div", LEAST64, -1), LEAST64);
	expect("rem overflow", OP("rem", LEAST64, -1), 0);
	expect("divw overflow", OP("divw", LEAST32, -1), 0xffffffff80000000u);
	expect("remw overflow", OP("remw", LEAST32, -1), 0);
	expect("div signs", OP("div", -7, 2), (uint64_t)-3);
	expect("rem signs", OP("rem", -7, 2), (uint64_t)-1);
	expect("mulh", OP("mulh", LEAST64, LEAST64), 0x4000000000000000u);
	expect("mulhu", OP("mulhu", -1, -1), UINT64_MAX - 1);
	expect("mulhsu", OP("mulhsu", -1, -1), UINT64_MAX);
	expect("sll 64", OP("sll", 1, 64), 1);
	expect("sra 65", OP("sra", LEAST64, 65), 0xc000000000000000u);
	expect("sllw 31", OP("sllw", 1, 31), 0xffffffff80000000u);
	expect("srlw 33", OP("srlw", 0xffffffff80000000u, 33), 0x40000000);
	expect("sraw 32", OP("sraw", LEAST32, 32), 0xffffffff80000000u);
	expect("addw", OP("addw", 0x7fffffff, 1), 0xffffffff80000000u);
	expect("slt", OP("slt", LEAST64, 0), 1);
	expect("sltu", OP("sltu", LEAST64, 0), 0);
}
#elif defined(__aarch64__)
#define OP(insn, a, b)                                                                                    \
	({                                                                                                \
		uint64_t z_;                                                                              \
		__asm__ volatile(insn " %x0, %x1, %x2" : "=r"(z_) : "r"((uint64_t)(a)), "r"((uint64_t)(b))); \
		z_;                                                                                       \
	})
#define OPW(insn, a, b)                                                                                   \
	({                                                                                                \
		uint64_t z_;                                                                              \
		__asm__ volatile(insn " %w0, %w1, %w2" : "=r"(z_) : "r"((uint64_t)(a)), "r"((uint64_t)(b))); \
		z_;                                                                                       \
	})

static void check_all(void)
{
	expect("sdiv by 0", OP("sdiv", 7, 0), 0);
	expect("udiv by 0", OP("udiv", 7, 0), 0);
	expect("sdiv w by 0", OPW("sdiv", 7, 0), 0);
	expect("sdiv overflow", OP("sdiv", LEAST64, -1), LEAST64);
	expect("sdiv w overflow", OPW("sdiv", LEAST32, -1), LEAST32);
	expect("sdiv signs", OP("sdiv", -7, 2), (uint64_t)-3);
	expect("lsl 64", OP("lsl", 1, 64), 1);
	expect("asr 65", OP("asr", LEAST64, 65), 0xc000000000000000u);
	expect("lsl w 33", OPW("lsl", 1, 33), 2);
	expect("asr w 63", OPW("asr", LEAST32, 63), 0xffffffff);
	expect("ror 65", OP("ror", 1, 65), LEAST64);
	expect("umulh", OP("umulh", -1, -1), UINT64_MAX - 1);
	expect("smulh", OP("smulh", LEAST64, LEAST64), 0x4000000000000000u);
	expect("add w clears", OPW("add", UINT64_MAX, 1), 0);
}
#elif defined(__arm__)
#define OP(insn, a, b)                                                                                    \
	({                                                                                                \
		uint32_t z_;                                                                              \
		__asm__ volatile(insn " %0, %1, %2" : "=r"(z_) : "r"((uint32_t)(a)), "r"((uint32_t)(b))); \
		z_;                                                                                       \
	})

static void check_all(void)
{
	expect("sdiv by 0", OP("sdiv", 7, 0), 0);
	expect("udiv by 0", OP("udiv", 7, 0), 0);
	expect("sdiv overflow", OP("sdiv", LEAST32, -1), LEAST32);
	expect("sdiv signs", OP("sdiv", -7, 2), (uint32_t)-3);
	expect("lsl 32", OP("lsl", 1, 32), 0);
	expect("lsl 255", OP("lsl", 1, 255), 0);
	expect("lsl 256", OP("lsl", 1, 256), 1);
	expect("lsr 32", OP("lsr", LEAST32, 32), 0);
	expect("asr 32", OP("asr", LEAST32, 32), UINT32_MAX);
	expect("asr 200", OP("asr", 0x7fffffff, 200), 0);
	expect("ror 33", OP("ror", 1, 33), LEAST32);
	expect("qadd", OP("qadd", 0x7fffffff, 1), 0x7fffffff);
	expect("qsub", OP("qsub", LEAST32, 1), LEAST32);
	expect("smmul", OP("smmul", LEAST32, LEAST32), 0x40000000);
	expect("uadd8", OP("uadd8", 0xff01ff01, 0x01ff0101), 0x00000002);
}
#else
/* Two operands; the count of a shift is in cl. */
#define SHIFT(insn, a, count)                                                                             \
	({                                                                                                \
		uint32_t z_ = (a);                                                                        \
		__asm__ volatile(insn " %%cl, %0" : "+r"(z_) : "c"(count) : "cc");                        \
		z_;                                                                                       \
	})

static uint64_t multiply_signed(uint32_t a, uint32_t b)
{
	uint32_t low;
	uint32_t high;

	__asm__ volatile("imull %3" : "=a"(low), "=d"(high) : "a"(a), "r"(b) : "cc");
	return (uint64_t)high << 32 | low;
}

/* Quotient in the low half, remainder in the high one. */
static uint64_t divide_signed(int64_t a, uint32_t b)
{
	uint32_t quotient;
	uint32_t remainder;

	__asm__ volatile("idivl %4"
			 : "=a"(quotient), "=d"(remainder)
			 : "a"((uint32_t)a), "d"((uint32_t)((uint64_t)a >> 32)), "r"(b)
			 : "cc");
	return (uint64_t)remainder << 32 | quotient;
}

static void check_all(void)
{
	uint32_t z;

	expect("shl 32", SHIFT("shll", 1u, 32), 1);
	expect("shl 33", SHIFT("shll", 1u, 33), 2);
	expect("sar 63", SHIFT("sarl", LEAST32, 63), UINT32_MAX);
	expect("shr 31", SHIFT("shrl", LEAST32, 31), 1);
	expect("rol 33", SHIFT("roll", LEAST32, 33), 1);
	expect("imul least", multiply_signed(LEAST32, LEAST32), 0x4000000000000000u);
	expect("imul signs", multiply_signed(UINT32_MAX, 5), (uint64_t)-5);
	expect("idiv signs", divide_signed(-7, 2), 0xfffffffffffffffdu);
	expect("idiv least fits", divide_signed(INT32_MIN, 1), LEAST32);
	__asm__ volatile("movsbl %1, %0" : "=r"(z) : "q"((uint8_t)0x80));
	expect("movsx", z, 0xffffff80);
	__asm__ volatile("movzbl %1, %0" : "=r"(z) : "q"((uint8_t)0x80));
	expect("movzx", z, 0x80);
#ifdef __x86_64__
	uint64_t w = UINT64_MAX;

	__asm__ volatile("movslq %1, %0" : "=r"(w) : "r"(LEAST32));
	expect("movsxd", w, 0xffffffff80000000u);
	w = UINT64_MAX;
	__asm__ volatile("addl $1, %k0" : "+r"(w) : : "cc");
	expect("32 bits clear the upper half", w, 0);
	w = 1;
	__asm__ volatile("shlq %%cl, %0" : "+r"(w) : "c"(65) : "cc");
	expect("shl 65", w, 2);
#endif
}
#endif

int main(void)
{
	check_all();
	guest_line_dec("wrong", wrong);
	return guest_verdict(wrong == 0);
}
