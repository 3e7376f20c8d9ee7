/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small x86-64 assembler: one function per form of instruction, writing bytes through the writable view of code
 * memory. An instruction is named by a number that holds its encoding (opcode, map, prefix), so that form and
 * operation are independent: x64_rr(as, X64_ADD | X64_W, X64_RBX, X64_RCX) is `add rbx, rcx`.
 *
 *   x64_rr  reg <- reg          x64_vrr  xmm <- xmm, xmm   (VEX)
 *   x64_rm  reg <- memory       x64_vrm  xmm <- xmm, memory
 *   x64_mr  memory <- reg       x64_ri, x64_mi, x64_rri, x64_rmi: a number as last operand
 *
 * Positions are offsets from the start of code memory, the same in both views. The caller has made sure that there is
 * space: no instruction is longer than X64_INSN_MAX.
 *
 * Source: Intel 64 SDM volume 2, chapter 2 (REX, VEX, ModRM, SIB).
 */
#ifndef PINFOLD_ENGINE_DBT_EMIT_X64_ASM_H
#define PINFOLD_ENGINE_DBT_EMIT_X64_ASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X64_INSN_MAX 15u

/** General registers, in encoding order. */
enum x64_gpr {
	X64_RAX,
	X64_RCX,
	X64_RDX,
	X64_RBX,
	X64_RSP,
	X64_RBP,
	X64_RSI,
	X64_RDI,
	X64_R8,
	X64_R9,
	X64_R10,
	X64_R11,
	X64_R12,
	X64_R13,
	X64_R14,
	X64_R15,
	X64_NOREG, /* in struct x64_mem: no base, no index */
	X64_RIP,   /* in struct x64_mem as base: disp is an offset in code memory */
};

/** Condition codes, in encoding order. */
enum x64_cc {
	X64_O,
	X64_NO,
	X64_B,
	X64_AE,
	X64_E,
	X64_NE,
	X64_BE,
	X64_A,
	X64_S,
	X64_NS,
	X64_P,
	X64_NP,
	X64_L,
	X64_GE,
	X64_LE,
	X64_G,
};

/** Where code goes. */
struct x64_asm {
	uint8_t *base; /* writable view */
	size_t at;     /* next byte */
};

/** [base + index + disp]; scale 1. */
struct x64_mem {
	uint8_t base, index; /* enum x64_gpr */
	int32_t disp;
};

/* Encoding of an operation's number: opcode, then these. */
#define X64_MAP(n) ((uint32_t)(n) << 8)	 /* 0: one byte; 1: 0F; 2: 0F38; 3: 0F3A */
#define X64_PP(n)  ((uint32_t)(n) << 10) /* 0: none; 1: 66; 2: F3; 3: F2 */
#define X64_W	   (1u << 12)		 /* 64-bit operands */
#define X64_VEX	   (1u << 13)
#define X64_B_REG  (1u << 14) /* byte register in ModRM.reg ... */
#define X64_B_RM   (1u << 15) /* ... in ModRM.rm */
#define X64_S16	   (1u << 16) /* 16-bit operands */
#define X64_S8	   (1u << 17) /* 8-bit operands: arithmetic and x64_mr(X64_MOV) only */

/* Register or memory to register: X(name, number). Size: X64_W, none (32), X64_S16, X64_S8. */
#define X64_ALU_OPS(X) \
	X(ADD, 0x03)   \
	X(OR, 0x0b)    \
	X(ADC, 0x13)   \
	X(SBB, 0x1b)   \
	X(AND, 0x23)   \
	X(SUB, 0x2b)   \
	X(XOR, 0x33)   \
	X(CMP, 0x3b)   \
	X(MOV, 0x8b)

/* Register or memory to register; 32 or 64 bits (MOVSXD: 64). */
#define X64_RM_OPS(X)                            \
	X(IMUL, 0xaf | X64_MAP(1))               \
	X(MOVZX8, 0xb6 | X64_MAP(1) | X64_B_RM)  \
	X(MOVZX16, 0xb7 | X64_MAP(1))            \
	X(MOVSX8, 0xbe | X64_MAP(1) | X64_B_RM)  \
	X(MOVSX16, 0xbf | X64_MAP(1))            \
	X(MOVSXD, 0x63)                          \
	X(LZCNT, 0xbd | X64_MAP(1) | X64_PP(2))  \
	X(TZCNT, 0xbc | X64_MAP(1) | X64_PP(2))  \
	X(POPCNT, 0xb8 | X64_MAP(1) | X64_PP(2)) \
	X(TEST, 0x85)                            \
	X(XCHG, 0x87)

/* One operand and a number in ModRM.reg: X(name, number, digit). */
#define X64_UNARY_OPS(X)  \
	X(NOT, 0xf7, 2)   \
	X(NEG, 0xf7, 3)   \
	X(MUL, 0xf7, 4)   \
	X(IMUL1, 0xf7, 5) \
	X(DIV, 0xf7, 6)   \
	X(IDIV, 0xf7, 7)  \
	X(INC, 0xff, 0)   \
	X(DEC, 0xff, 1)

/** Shifts and rotations, by their digit. */
#define X64_SHIFT_OPS(X) \
	X(ROL, 0)        \
	X(ROR, 1)        \
	X(SHL, 4)        \
	X(SHR, 5)        \
	X(SAR, 7)

/* VEX, general registers: x64_vrr(as, op, d, v, rm). ANDN: d = ~v & rm; shifts: d = rm by v. */
#define X64_BMI_OPS(X)                                   \
	X(ANDN, 0xf2 | X64_MAP(2) | X64_VEX)             \
	X(SHLX, 0xf7 | X64_MAP(2) | X64_PP(1) | X64_VEX) \
	X(SHRX, 0xf7 | X64_MAP(2) | X64_PP(3) | X64_VEX) \
	X(SARX, 0xf7 | X64_MAP(2) | X64_PP(2) | X64_VEX)

/* VEX, xmm <- xmm, xmm or memory. */
#define X64_VEX3_OPS(X)                                                  \
	X(VADDSS, 0x58 | X64_MAP(1) | X64_PP(2) | X64_VEX)               \
	X(VADDSD, 0x58 | X64_MAP(1) | X64_PP(3) | X64_VEX)               \
	X(VSUBSS, 0x5c | X64_MAP(1) | X64_PP(2) | X64_VEX)               \
	X(VSUBSD, 0x5c | X64_MAP(1) | X64_PP(3) | X64_VEX)               \
	X(VMULSS, 0x59 | X64_MAP(1) | X64_PP(2) | X64_VEX)               \
	X(VMULSD, 0x59 | X64_MAP(1) | X64_PP(3) | X64_VEX)               \
	X(VDIVSS, 0x5e | X64_MAP(1) | X64_PP(2) | X64_VEX)               \
	X(VDIVSD, 0x5e | X64_MAP(1) | X64_PP(3) | X64_VEX)               \
	X(VSQRTSS, 0x51 | X64_MAP(1) | X64_PP(2) | X64_VEX)              \
	X(VSQRTSD, 0x51 | X64_MAP(1) | X64_PP(3) | X64_VEX)              \
	X(VCVTSS2SD, 0x5a | X64_MAP(1) | X64_PP(2) | X64_VEX)            \
	X(VCVTSD2SS, 0x5a | X64_MAP(1) | X64_PP(3) | X64_VEX)            \
	X(VANDPS, 0x54 | X64_MAP(1) | X64_VEX)                           \
	X(VANDNPS, 0x55 | X64_MAP(1) | X64_VEX)                          \
	X(VORPS, 0x56 | X64_MAP(1) | X64_VEX)                            \
	X(VXORPS, 0x57 | X64_MAP(1) | X64_VEX)                           \
	X(VPCMPEQB, 0x74 | X64_MAP(1) | X64_PP(1) | X64_VEX)             \
	X(VFMADD213SS, 0xa9 | X64_MAP(2) | X64_PP(1) | X64_VEX)          \
	X(VFMADD213SD, 0xa9 | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W)  \
	X(VFMSUB213SS, 0xab | X64_MAP(2) | X64_PP(1) | X64_VEX)          \
	X(VFMSUB213SD, 0xab | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W)  \
	X(VFNMADD213SS, 0xad | X64_MAP(2) | X64_PP(1) | X64_VEX)         \
	X(VFNMADD213SD, 0xad | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W) \
	X(VFNMSUB213SS, 0xaf | X64_MAP(2) | X64_PP(1) | X64_VEX)         \
	X(VFNMSUB213SD, 0xaf | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W) \
	X(VFMADD231SS, 0xb9 | X64_MAP(2) | X64_PP(1) | X64_VEX)          \
	X(VFMADD231SD, 0xb9 | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W)  \
	X(VFMSUB231SS, 0xbb | X64_MAP(2) | X64_PP(1) | X64_VEX)          \
	X(VFMSUB231SD, 0xbb | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W)  \
	X(VFNMADD231SS, 0xbd | X64_MAP(2) | X64_PP(1) | X64_VEX)         \
	X(VFNMADD231SD, 0xbd | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W) \
	X(VFNMSUB231SS, 0xbf | X64_MAP(2) | X64_PP(1) | X64_VEX)         \
	X(VFNMSUB231SD, 0xbf | X64_MAP(2) | X64_PP(1) | X64_VEX | X64_W)

/* VEX, xmm and xmm or memory; v is 0. */
#define X64_VEX2_OPS(X)                                      \
	X(VUCOMISS, 0x2e | X64_MAP(1) | X64_VEX)             \
	X(VUCOMISD, 0x2e | X64_MAP(1) | X64_PP(1) | X64_VEX) \
	X(VCOMISS, 0x2f | X64_MAP(1) | X64_VEX)              \
	X(VCOMISD, 0x2f | X64_MAP(1) | X64_PP(1) | X64_VEX)  \
	X(VMOVAPS, 0x28 | X64_MAP(1) | X64_VEX)

/* VEX, memory forms of moves: loads (x64_vrm with v 0) and stores (x64_vmr). */
#define X64_VLOAD_OPS(X)                                      \
	X(VMOVSS_LD, 0x10 | X64_MAP(1) | X64_PP(2) | X64_VEX) \
	X(VMOVSD_LD, 0x10 | X64_MAP(1) | X64_PP(3) | X64_VEX) \
	X(VMOVUPS_LD, 0x10 | X64_MAP(1) | X64_VEX)
#define X64_VSTORE_OPS(X)                                     \
	X(VMOVSS_ST, 0x11 | X64_MAP(1) | X64_PP(2) | X64_VEX) \
	X(VMOVSD_ST, 0x11 | X64_MAP(1) | X64_PP(3) | X64_VEX) \
	X(VMOVUPS_ST, 0x11 | X64_MAP(1) | X64_VEX)

/* VEX, between xmm and general registers; 32 or 64 bits (X64_W). */
#define X64_VGPR_OPS(X)                                                                  \
	X(VMOV_X_R, 0x6e | X64_MAP(1) | X64_PP(1) | X64_VEX)  /* reg: xmm, rm: gpr */    \
	X(VMOV_R_X, 0x7e | X64_MAP(1) | X64_PP(1) | X64_VEX)  /* reg: xmm, rm: gpr */    \
	X(VCVTSI2SS, 0x2a | X64_MAP(1) | X64_PP(2) | X64_VEX) /* reg, v: xmm; rm: gpr */ \
	X(VCVTSI2SD, 0x2a | X64_MAP(1) | X64_PP(3) | X64_VEX)                            \
	X(VCVTTSS2SI, 0x2c | X64_MAP(1) | X64_PP(2) | X64_VEX) /* reg: gpr, rm: xmm */   \
	X(VCVTTSD2SI, 0x2c | X64_MAP(1) | X64_PP(3) | X64_VEX)

/* VEX with an immediate: x64_vrri(as, op, d, v, rm, imm). */
#define X64_VIMM_OPS(X)                                       \
	X(VCMPSS, 0xc2 | X64_MAP(1) | X64_PP(2) | X64_VEX)    \
	X(VCMPSD, 0xc2 | X64_MAP(1) | X64_PP(3) | X64_VEX)    \
	X(VINSERTPS, 0x21 | X64_MAP(3) | X64_PP(1) | X64_VEX) \
	X(RORX, 0xf0 | X64_MAP(3) | X64_PP(3) | X64_VEX) /* general registers, v is 0 */

enum x64_op {
#define X64_ENUM(name, number, ...) X64_##name = (number),
	X64_ALU_OPS(X64_ENUM) X64_RM_OPS(X64_ENUM) X64_BMI_OPS(X64_ENUM) X64_VEX3_OPS(X64_ENUM)
		X64_VEX2_OPS(X64_ENUM) X64_VLOAD_OPS(X64_ENUM) X64_VSTORE_OPS(X64_ENUM)
			X64_VGPR_OPS(X64_ENUM) X64_VIMM_OPS(X64_ENUM)
#undef X64_ENUM
				X64_LEA = 0x8d, /* memory only */
};

/* x64_unary(): the digit in the upper half. */
#define X64_DIGIT(n) ((uint32_t)(n) << 24)
enum x64_unary_op {
#define X64_ENUM(name, number, digit) X64_##name = (number) | (int)X64_DIGIT(digit),
	X64_UNARY_OPS(X64_ENUM)
#undef X64_ENUM
};

enum x64_shift_op {
#define X64_ENUM(name, digit) X64_##name = (digit),
	X64_SHIFT_OPS(X64_ENUM)
#undef X64_ENUM
};

/** [base + disp] */
static inline struct x64_mem x64_at(unsigned int base, int32_t disp)
{
	return (struct x64_mem){ (uint8_t)base, X64_NOREG, disp };
}

/** [base + index + disp]; @p index is not rsp */
static inline struct x64_mem x64_at2(unsigned int base, unsigned int index, int32_t disp)
{
	return (struct x64_mem){ (uint8_t)base, (uint8_t)index, disp };
}

/** A constant in code memory at offset @p at; not for instructions with an immediate. */
static inline struct x64_mem x64_const(uint32_t at)
{
	return (struct x64_mem){ X64_RIP, X64_NOREG, (int32_t)at };
}

/** reg <- reg */
void x64_rr(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int rm);
/** reg <- memory */
void x64_rm(struct x64_asm *as, uint32_t op, unsigned int reg, struct x64_mem m);
/** memory <- reg: X64_ALU_OPS. */
void x64_mr(struct x64_asm *as, uint32_t op, struct x64_mem m, unsigned int reg);
/** reg <- number: X64_ALU_OPS; MOV writes 64 bits, sign-extended with X64_W. */
void x64_ri(struct x64_asm *as, uint32_t op, unsigned int rm, int32_t imm);
/** memory <- number: X64_ALU_OPS. */
void x64_mi(struct x64_asm *as, uint32_t op, struct x64_mem m, int32_t imm);
/** Any 64-bit number, in the shortest form that changes no flags. */
void x64_mov_imm(struct x64_asm *as, unsigned int reg, uint64_t imm);
/** test reg, number. */
void x64_test_imm(struct x64_asm *as, uint32_t size, unsigned int reg, int32_t imm);
/** imul reg, rm, number. */
void x64_imul_imm(struct x64_asm *as, uint32_t size, unsigned int reg, unsigned int rm,
		  int32_t imm);
/** enum x64_unary_op, on a register. */
void x64_unary(struct x64_asm *as, uint32_t op, unsigned int rm);
/** The same on memory. */
void x64_unary_m(struct x64_asm *as, uint32_t op, struct x64_mem m);
/** enum x64_shift_op by a number; @p size as above. */
void x64_shift_imm(struct x64_asm *as, enum x64_shift_op op, uint32_t size, unsigned int rm,
		   uint8_t n);
/** enum x64_shift_op by cl. */
void x64_shift_cl(struct x64_asm *as, enum x64_shift_op op, uint32_t size, unsigned int rm);
/** lea reg, [base + index * 2^shift + disp]; @p base may be X64_NOREG. */
void x64_lea_scaled(struct x64_asm *as, uint32_t size, unsigned int reg, unsigned int base,
		    unsigned int index, unsigned int shift, int32_t disp);
/** Set a byte register to the condition. */
void x64_setcc(struct x64_asm *as, enum x64_cc cc, unsigned int rm);
/** Set a byte in memory to the condition. */
void x64_setcc_m(struct x64_asm *as, enum x64_cc cc, struct x64_mem m);
/** cmov of 32 or 64 bits. */
void x64_cmov(struct x64_asm *as, enum x64_cc cc, uint32_t size, unsigned int reg, unsigned int rm);
/** The same from memory. */
void x64_cmov_m(struct x64_asm *as, enum x64_cc cc, uint32_t size, unsigned int reg,
		struct x64_mem m);
/** bswap of 32 or 64 bits. */
void x64_bswap(struct x64_asm *as, uint32_t size, unsigned int reg);
/** cdq or cqo. */
void x64_sign_rdx(struct x64_asm *as, uint32_t size);
/** push of a general register. */
void x64_push(struct x64_asm *as, unsigned int reg);
/** pop of a general register. */
void x64_pop(struct x64_asm *as, unsigned int reg);
/** ret */
void x64_ret(struct x64_asm *as);
/** lock or dword [rsp], 0: orders everything before it with everything behind it. */
void x64_barrier(struct x64_asm *as);
/** @p n bytes that do nothing. */
void x64_nops(struct x64_asm *as, size_t n);
/** jmp [m] */
void x64_jmp_m(struct x64_asm *as, struct x64_mem m);
/** call [m] */
void x64_call_m(struct x64_asm *as, struct x64_mem m);
/** ldmxcsr */
void x64_ldmxcsr(struct x64_asm *as, struct x64_mem m);
/** stmxcsr */
void x64_stmxcsr(struct x64_asm *as, struct x64_mem m);

/** VEX: reg <- v, rm. @p v is 0 where the instruction has two operands */
void x64_vrr(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int v, unsigned int rm);
/** VEX: reg <- v, memory. */
void x64_vrm(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int v, struct x64_mem m);
/** VEX: memory <- reg. */
void x64_vmr(struct x64_asm *as, uint32_t op, struct x64_mem m, unsigned int reg);
/** VEX with an immediate. */
void x64_vrri(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int v, unsigned int rm,
	      uint8_t imm);

/*
 * Jumps are written with a 32-bit distance: to a known offset, or to be patched when it is known. All give the offset
 * of the distance's four bytes.
 */
/** jmp rel32 */
size_t x64_jmp(struct x64_asm *as, size_t to);
/** call rel32 */
size_t x64_call(struct x64_asm *as, size_t to);
/** jcc rel32 */
size_t x64_jcc(struct x64_asm *as, enum x64_cc cc, size_t to);
/** jcc rel8 to a known offset, which cannot be patched. @return false: it is too far away */
bool x64_jcc_short(struct x64_asm *as, enum x64_cc cc, size_t to);
/** Make the jump whose distance is at @p field go to @p to. */
void x64_patch(struct x64_asm *as, size_t field, size_t to);

#endif
