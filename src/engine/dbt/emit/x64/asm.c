// SPDX-License-Identifier: GPL-2.0-or-later
/* See asm.h. */
#include "engine/dbt/emit/x64/asm.h"

#include <string.h>

#include "base/bug.h"

static void put8(struct x64_asm *as, unsigned int v)
{
	as->base[as->at++] = (uint8_t)v;
}

static void put32(struct x64_asm *as, int32_t v)
{
	memcpy(as->base + as->at, &v, 4);
	as->at += 4;
}

static bool is_imm8(int32_t v)
{
	return v == (int8_t)v;
}

/* ModRM (and SIB, displacement) of a memory operand. */
static void put_mem(struct x64_asm *as, unsigned int reg, struct x64_mem m)
{
	unsigned int r = (reg & 7) << 3;
	unsigned int mod;

	if (m.base == X64_RIP) {
		put8(as, r | 5);
		put32(as, (int32_t)(m.disp - (int64_t)(as->at + 4)));
		return;
	}
	/* rbp and r13 as base have no form without displacement */
	mod = m.disp == 0 && (m.base & 7) != X64_RBP ? 0u : is_imm8(m.disp) ? 0x40u : 0x80u;
	if (m.index != X64_NOREG) {
		put8(as, mod | r | 4);
		put8(as, ((m.index & 7u) << 3) | (m.base & 7u));
	} else if ((m.base & 7) == X64_RSP) {
		put8(as, mod | r | 4);
		put8(as, 0x24);
	} else {
		put8(as, mod | r | (m.base & 7u));
	}
	if (mod == 0x40) {
		put8(as, (uint8_t)m.disp);
	} else if (mod == 0x80) {
		put32(as, m.disp);
	}
}

static void put_reg(struct x64_asm *as, unsigned int reg, unsigned int rm)
{
	put8(as, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* Prefixes, REX and opcode. r, x, b: the registers in ModRM.reg, SIB.index, ModRM.rm or base. */
static void put_op(struct x64_asm *as, uint32_t op, unsigned int r, unsigned int x, unsigned int b)
{
	static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
	unsigned int pp = (op >> 10) & 3;
	unsigned int map = (op >> 8) & 3;
	unsigned int rex = (r >> 3 & 1) << 2 | (x >> 3 & 1) << 1 | (b >> 3 & 1);

	if (op & X64_S16) {
		put8(as, 0x66);
	}
	if (pp) {
		put8(as, prefixes[pp]);
	}
	if (op & X64_W) {
		rex |= 8;
	}
	/* spl, bpl, sil, dil need a REX prefix to be meant */
	if (((op & (X64_B_REG | X64_S8)) && r >= 4) || ((op & X64_B_RM) && b >= 4)) {
		rex |= 0x40;
	}
	if (rex) {
		put8(as, 0x40 | rex);
	}
	if (map) {
		put8(as, 0x0f);
	}
	if (map >= 2) {
		put8(as, map == 2 ? 0x38 : 0x3a);
	}
	put8(as, (op & X64_S8) ? (op & 0xfe) : (op & 0xff));
}

static unsigned int mem_x(struct x64_mem m)
{
	return m.index == X64_NOREG ? 0 : m.index;
}

static unsigned int mem_b(struct x64_mem m)
{
	return m.base >= X64_NOREG ? 0 : m.base;
}

void x64_rr(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int rm)
{
	put_op(as, (op & X64_S8) ? op | X64_B_RM : op, reg, 0, rm);
	put_reg(as, reg, rm);
}

void x64_rm(struct x64_asm *as, uint32_t op, unsigned int reg, struct x64_mem m)
{
	put_op(as, op & ~X64_B_RM, reg, mem_x(m), mem_b(m));
	put_mem(as, reg, m);
}

void x64_mr(struct x64_asm *as, uint32_t op, struct x64_mem m, unsigned int reg)
{
	put_op(as, op - 2, reg, mem_x(m), mem_b(m));
	put_mem(as, reg, m);
}

static void put_imm(struct x64_asm *as, uint32_t size, int32_t imm)
{
	if (size & X64_S8) {
		put8(as, (uint8_t)imm);
	} else if (size & X64_S16) {
		put8(as, (uint8_t)imm);
		put8(as, (uint8_t)(imm >> 8));
	} else {
		put32(as, imm);
	}
}

/* Opcode of "operation with a number", and whether the number is one byte. */
static uint32_t imm_op(uint32_t op, int32_t imm, bool *ret_short)
{
	uint32_t size = op & (X64_W | X64_S16 | X64_S8);

	*ret_short = false;
	if ((op & 0xff) == X64_MOV) {
		return 0xc7 | size;
	}
	if (!(op & X64_S8) && is_imm8(imm)) {
		*ret_short = true;
		return 0x83 | size;
	}
	return 0x81 | size;
}

static unsigned int alu_digit(uint32_t op)
{
	return (op & 0xff) == X64_MOV ? 0 : (op >> 3) & 7;
}

void x64_ri(struct x64_asm *as, uint32_t op, unsigned int rm, int32_t imm)
{
	bool is_short;
	uint32_t code = imm_op(op, imm, &is_short);

	put_op(as, (code & X64_S8) ? code | X64_B_RM : code, 0, 0, rm);
	put_reg(as, alu_digit(op), rm);
	put_imm(as, is_short ? X64_S8 : op, imm);
}

void x64_mi(struct x64_asm *as, uint32_t op, struct x64_mem m, int32_t imm)
{
	bool is_short;
	uint32_t code = imm_op(op, imm, &is_short);

	put_op(as, code, 0, mem_x(m), mem_b(m));
	put_mem(as, alu_digit(op), m);
	put_imm(as, is_short ? X64_S8 : op, imm);
}

void x64_mov_imm(struct x64_asm *as, unsigned int reg, uint64_t imm)
{
	if (imm <= UINT32_MAX) {
		put_op(as, 0xb8 | (reg & 7), 0, 0, reg);
		put32(as, (int32_t)imm);
	} else if ((int64_t)imm == (int32_t)imm) {
		x64_ri(as, X64_MOV | X64_W, reg, (int32_t)imm);
	} else {
		put_op(as, 0xb8 | (reg & 7) | X64_W, 0, 0, reg);
		memcpy(as->base + as->at, &imm, 8);
		as->at += 8;
	}
}

void x64_test_imm(struct x64_asm *as, uint32_t size, unsigned int reg, int32_t imm)
{
	if (reg == X64_RAX) {
		put_op(as, 0xa9 | size, 0, 0, 0);
	} else {
		put_op(as, 0xf7 | size | ((size & X64_S8) ? X64_B_RM : 0), 0, 0, reg);
		put_reg(as, 0, reg);
	}
	put_imm(as, size, imm);
}

void x64_imul_imm(struct x64_asm *as, uint32_t size, unsigned int reg, unsigned int rm, int32_t imm)
{
	put_op(as, (is_imm8(imm) ? 0x6b : 0x69) | size, reg, 0, rm);
	put_reg(as, reg, rm);
	put_imm(as, is_imm8(imm) ? X64_S8 : 0, imm);
}

void x64_unary(struct x64_asm *as, uint32_t op, unsigned int rm)
{
	put_op(as, op | ((op & X64_S8) ? X64_B_RM : 0), 0, 0, rm);
	put_reg(as, op >> 24, rm);
}

void x64_unary_m(struct x64_asm *as, uint32_t op, struct x64_mem m)
{
	put_op(as, op, 0, mem_x(m), mem_b(m));
	put_mem(as, op >> 24, m);
}

void x64_shift_imm(struct x64_asm *as, enum x64_shift_op op, uint32_t size, unsigned int rm,
		   uint8_t n)
{
	put_op(as, 0xc1 | size | ((size & X64_S8) ? X64_B_RM : 0), 0, 0, rm);
	put_reg(as, (unsigned int)op, rm);
	put8(as, n);
}

void x64_shift_cl(struct x64_asm *as, enum x64_shift_op op, uint32_t size, unsigned int rm)
{
	put_op(as, 0xd3 | size | ((size & X64_S8) ? X64_B_RM : 0), 0, 0, rm);
	put_reg(as, (unsigned int)op, rm);
}

void x64_lea_scaled(struct x64_asm *as, uint32_t size, unsigned int reg, unsigned int base,
		    unsigned int index, unsigned int shift, int32_t disp)
{
	unsigned int r = (reg & 7) << 3;
	unsigned int sib = shift << 6 | (index & 7) << 3;

	put_op(as, X64_LEA | size, reg, index, base == X64_NOREG ? 0 : base);
	if (base == X64_NOREG) {
		put8(as, r | 4);
		put8(as, sib | 5);
		put32(as, disp);
	} else if (disp == 0 && (base & 7) != X64_RBP) {
		put8(as, r | 4);
		put8(as, sib | (base & 7));
	} else {
		put8(as, (is_imm8(disp) ? 0x40u : 0x80u) | r | 4);
		put8(as, sib | (base & 7));
		put_imm(as, is_imm8(disp) ? X64_S8 : 0, disp);
	}
}

void x64_setcc(struct x64_asm *as, enum x64_cc cc, unsigned int rm)
{
	put_op(as, (0x90u + cc) | X64_MAP(1) | X64_B_RM, 0, 0, rm);
	put_reg(as, 0, rm);
}

void x64_setcc_m(struct x64_asm *as, enum x64_cc cc, struct x64_mem m)
{
	x64_rm(as, (0x90u + cc) | X64_MAP(1), 0, m);
}

void x64_cmov(struct x64_asm *as, enum x64_cc cc, uint32_t size, unsigned int reg, unsigned int rm)
{
	x64_rr(as, (0x40u + cc) | X64_MAP(1) | size, reg, rm);
}

void x64_cmov_m(struct x64_asm *as, enum x64_cc cc, uint32_t size, unsigned int reg,
		struct x64_mem m)
{
	x64_rm(as, (0x40u + cc) | X64_MAP(1) | size, reg, m);
}

void x64_bswap(struct x64_asm *as, uint32_t size, unsigned int reg)
{
	put_op(as, 0xc8 | (reg & 7) | X64_MAP(1) | size, 0, 0, reg);
}

void x64_sign_rdx(struct x64_asm *as, uint32_t size)
{
	put_op(as, 0x99 | size, 0, 0, 0);
}

void x64_push(struct x64_asm *as, unsigned int reg)
{
	put_op(as, 0x50 | (reg & 7), 0, 0, reg);
}

void x64_pop(struct x64_asm *as, unsigned int reg)
{
	put_op(as, 0x58 | (reg & 7), 0, 0, reg);
}

void x64_ret(struct x64_asm *as)
{
	put8(as, 0xc3);
}

void x64_barrier(struct x64_asm *as)
{
	put8(as, 0xf0);
	x64_mi(as, X64_OR, x64_at(X64_RSP, 0), 0);
}

void x64_nops(struct x64_asm *as, size_t n)
{
	static const uint8_t nine[] = { 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };

	for (; n >= sizeof(nine); n -= sizeof(nine)) {
		for (size_t k = 0; k < sizeof(nine); k++) {
			put8(as, nine[k]);
		}
	}
	while (n-- > 0) {
		put8(as, 0x90);
	}
}

void x64_jmp_m(struct x64_asm *as, struct x64_mem m)
{
	x64_rm(as, 0xff, 4, m);
}

void x64_call_m(struct x64_asm *as, struct x64_mem m)
{
	x64_rm(as, 0xff, 2, m);
}

void x64_ldmxcsr(struct x64_asm *as, struct x64_mem m)
{
	x64_vrm(as, 0xae | X64_MAP(1) | X64_VEX, 2, 0, m);
}

void x64_stmxcsr(struct x64_asm *as, struct x64_mem m)
{
	x64_vrm(as, 0xae | X64_MAP(1) | X64_VEX, 3, 0, m);
}

/* The VEX prefix, in two bytes where it fits, and the opcode. */
static void put_vex(struct x64_asm *as, uint32_t op, unsigned int r, unsigned int x, unsigned int b,
		    unsigned int v)
{
	unsigned int pp = (op >> 10) & 3;
	unsigned int map = (op >> 8) & 3;
	unsigned int tail = (~v & 15) << 3 | pp;

	if (map == 1 && !(op & X64_W) && x < 8 && b < 8) {
		put8(as, 0xc5);
		put8(as, (r < 8 ? 0x80u : 0) | tail);
	} else {
		put8(as, 0xc4);
		put8(as, (r < 8 ? 0x80u : 0) | (x < 8 ? 0x40u : 0) | (b < 8 ? 0x20u : 0) | map);
		put8(as, ((op & X64_W) ? 0x80u : 0) | tail);
	}
	put8(as, op & 0xff);
}

void x64_vrr(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int v, unsigned int rm)
{
	put_vex(as, op, reg, 0, rm, v);
	put_reg(as, reg, rm);
}

void x64_vrm(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int v, struct x64_mem m)
{
	put_vex(as, op, reg, mem_x(m), mem_b(m), v);
	put_mem(as, reg, m);
}

void x64_vmr(struct x64_asm *as, uint32_t op, struct x64_mem m, unsigned int reg)
{
	x64_vrm(as, op, reg, 0, m);
}

void x64_vrri(struct x64_asm *as, uint32_t op, unsigned int reg, unsigned int v, unsigned int rm,
	      uint8_t imm)
{
	x64_vrr(as, op, reg, v, rm);
	put8(as, imm);
}

void x64_patch(struct x64_asm *as, size_t field, size_t to)
{
	int64_t distance = (int64_t)to - (int64_t)(field + 4);
	int32_t d = (int32_t)distance;

	BUG_ON(d != distance);
	memcpy(as->base + field, &d, 4);
}

static size_t put_target(struct x64_asm *as, size_t to)
{
	size_t field = as->at;

	x64_patch(as, field, to);
	as->at += 4;
	return field;
}

size_t x64_jmp(struct x64_asm *as, size_t to)
{
	put8(as, 0xe9);
	return put_target(as, to);
}

size_t x64_call(struct x64_asm *as, size_t to)
{
	put8(as, 0xe8);
	return put_target(as, to);
}

bool x64_jcc_short(struct x64_asm *as, enum x64_cc cc, size_t to)
{
	int64_t distance = (int64_t)to - (int64_t)(as->at + 2);

	if (distance < INT8_MIN || distance > INT8_MAX) {
		return false;
	}
	put8(as, 0x70u + cc);
	put8(as, (uint8_t)distance);
	return true;
}

size_t x64_jcc(struct x64_asm *as, enum x64_cc cc, size_t to)
{
	put8(as, 0x0f);
	put8(as, 0x80u + cc);
	return put_target(as, to);
}
