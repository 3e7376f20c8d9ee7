// SPDX-License-Identifier: GPL-2.0-or-later
/* The assembler against a decoder: every function with all registers and kinds of operands says what was asked for. */
#include <Zydis/Zydis.h>

#include "base/bits.h"
#include "engine/dbt/emit/x64/asm.h"
#include "test.h"

#define MAX_OPERANDS 4

/* What the decoder has to say. */
struct want {
	const char *mnemonic;
	size_t n;
	struct {
		ZydisOperandType type;
		ZydisRegister reg;
		struct x64_mem mem;
		unsigned int shift; /* of the index */
		unsigned int bits;  /* of memory (0: any), of a number */
		int64_t imm;
	} op[MAX_OPERANDS];
};

static uint8_t code[64];
static struct x64_asm as = { code, 0 };
static ZydisDecoder decoder;
static uint64_t n_checked;

static ZydisRegister gpr(uint32_t size, unsigned int n)
{
	if (size & X64_S8) {
		return n < 4 ? ZYDIS_REGISTER_AL + n : ZYDIS_REGISTER_SPL + n - 4;
	}
	if (size & X64_S16) {
		return ZYDIS_REGISTER_AX + n;
	}
	return (size & X64_W ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX) + n;
}

static ZydisRegister xmm(unsigned int n)
{
	return ZYDIS_REGISTER_XMM0 + n;
}

static unsigned int bits_of(uint32_t size)
{
	return size & X64_S8 ? 8 : size & X64_S16 ? 16 : size & X64_W ? 64 : 32;
}

static void want_reg(struct want *w, ZydisRegister reg)
{
	w->op[w->n].type = ZYDIS_OPERAND_TYPE_REGISTER;
	w->op[w->n++].reg = reg;
}

static void want_mem(struct want *w, struct x64_mem m, unsigned int bits)
{
	w->op[w->n].type = ZYDIS_OPERAND_TYPE_MEMORY;
	w->op[w->n].bits = bits;
	w->op[w->n++].mem = m;
}

static void want_imm(struct want *w, int64_t imm, unsigned int bits)
{
	w->op[w->n].type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
	w->op[w->n].bits = bits;
	w->op[w->n++].imm = imm;
}

static ZydisRegister mem_reg(unsigned int reg)
{
	return reg == X64_NOREG ? ZYDIS_REGISTER_NONE
	       : reg == X64_RIP ? ZYDIS_REGISTER_RIP
				: gpr(X64_W, reg);
}

static bool operand_is(const struct want *w, size_t k, const ZydisDecodedOperand *o)
{
	const struct x64_mem *m = &w->op[k].mem;

	if (o->type != w->op[k].type) {
		return false;
	}
	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return o->reg.value == w->op[k].reg;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return o->mem.base == mem_reg(m->base) && o->mem.index == mem_reg(m->index) &&
		       (m->index == X64_NOREG || o->mem.scale == 1u << w->op[k].shift) &&
		       o->mem.disp.value == m->disp && (!w->op[k].bits || o->size == w->op[k].bits);
	default:
		/* whether a number is shown as signed is the decoder's choice */
		return (o->imm.value.u ^ (uint64_t)w->op[k].imm) << (64 - w->op[k].bits) == 0;
	}
}

/* Decode what was assembled. */
static void check(const struct want *w)
{
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	bool is_right = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, as.at, &insn, ops)) &&
			insn.length == as.at && insn.operand_count_visible == w->n &&
			strcmp(ZydisMnemonicGetString(insn.mnemonic), w->mnemonic) == 0;

	for (size_t k = 0; is_right && k < w->n; k++) {
		is_right = operand_is(w, k, &ops[k]);
	}
	n_checked++;
	if (!is_right && test_failures++ < 20) {
		printf("wrong: %s, %zu operands:", w->mnemonic, w->n);
		for (size_t k = 0; k < as.at; k++) {
			printf(" %02x", code[k]);
		}
		printf("\n");
	}
	as.at = 0;
}

/* "ADD" is add, "MOVZX8" movzx, "VMOVSS_LD" vmovss. */
static const char *mnemonic(const char *name)
{
	static char text[32];
	size_t n = 0;
	bool is_wide = strncmp(name, "MOVZX", 5) == 0 || strncmp(name, "MOVSX8", 6) == 0 ||
		       strncmp(name, "MOVSX16", 7) == 0 || strcmp(name, "IMUL1") == 0;

	while (name[n] && name[n] != '_' && !(is_wide && name[n] >= '0' && name[n] <= '9')) {
		text[n] = (char)(name[n] | 0x20);
		n++;
	}
	text[n] = '\0';
	return text;
}

static const int32_t disps[] = { 0, 1, -1, 127, 128, -128, -129, INT32_MAX, INT32_MIN };
static const int32_t numbers[] = { 0, 1, -1, 127, 128, -128, -129, 0x7fff, INT32_MAX, INT32_MIN };

/* All forms of memory operands, one after the other. @return false: that was the last */
static bool next_mem(size_t *i, struct x64_mem *ret)
{
	size_t n = (*i)++;

	if (n >= (size_t)16 * 17 * ARRAY_SIZE(disps)) {
		return false;
	}
	*ret = x64_at2((unsigned int)(n % 16), (unsigned int)(n / 16 % 17),
		       disps[n / 16 / 17 % ARRAY_SIZE(disps)]);
	if (ret->index == X64_RSP) {
		ret->index = X64_NOREG;
	}
	return true;
}

/* ---- general registers ---- */

static const uint32_t all_sizes[] = { 0, X64_W, X64_S16, X64_S8 };

static void alu(const char *name, uint32_t op, uint32_t size)
{
	struct x64_mem m;
	const char *what = mnemonic(name);

	for (unsigned int a = 0; a < 16; a++) {
		for (unsigned int b = 0; b < 16; b++) {
			struct want w = { .mnemonic = what };

			want_reg(&w, gpr(size, a));
			want_reg(&w, gpr(size, b));
			x64_rr(&as, op | size, a, b);
			check(&w);
		}
		for (size_t i = a % 7; next_mem(&i, &m); i += 6) {
			struct want rm = { .mnemonic = what };
			struct want mr = { .mnemonic = what };

			want_reg(&rm, gpr(size, a));
			want_mem(&rm, m, bits_of(size));
			x64_rm(&as, op | size, a, m);
			check(&rm);
			want_mem(&mr, m, bits_of(size));
			want_reg(&mr, gpr(size, a));
			x64_mr(&as, op | size, m, a);
			check(&mr);
		}
	}
}

static void alu_numbers(const char *name, uint32_t op, uint32_t size)
{
	const char *what = mnemonic(name);
	struct x64_mem m;

	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
		for (unsigned int a = 0; a < 16; a++) {
			struct want w = { .mnemonic = what };

			want_reg(&w, gpr(size, a));
			want_imm(&w, numbers[k], bits_of(size));
			x64_ri(&as, op | size, a, numbers[k]);
			check(&w);
		}
		for (size_t i = k % 7; next_mem(&i, &m); i += 6) {
			struct want w = { .mnemonic = what };

			want_mem(&w, m, bits_of(size));
			want_imm(&w, numbers[k], bits_of(size));
			x64_mi(&as, op | size, m, numbers[k]);
			check(&w);
		}
	}
}

static void test_alu(void)
{
	for (size_t s = 0; s < ARRAY_SIZE(all_sizes); s++) {
#define ONE(name, number)                     \
	alu(#name, X64_##name, all_sizes[s]); \
	alu_numbers(#name, X64_##name, all_sizes[s]);
		X64_ALU_OPS(ONE)
#undef ONE
	}
}

/* Size of the source, where it is not the destination's. */
static uint32_t source_size(const char *name, uint32_t size)
{
	if (strstr(name, "X8")) {
		return X64_S8;
	}
	if (strstr(name, "X16")) {
		return X64_S16;
	}
	return strcmp(name, "MOVSXD") == 0 ? 0 : size;
}

static bool has_reversed_operands(const char *name)
{
	return strcmp(name, "TEST") == 0 || strcmp(name, "XCHG") == 0;
}

static void rm_op(const char *name, uint32_t op, uint32_t size)
{
	const char *what = mnemonic(name);
	uint32_t source = source_size(name, size);
	bool is_reversed = has_reversed_operands(name);
	struct x64_mem m;

	for (unsigned int a = 0; a < 16; a++) {
		for (unsigned int b = 0; b < 16; b++) {
			struct want w = { .mnemonic = what };

			want_reg(&w, gpr(is_reversed ? source : size, is_reversed ? b : a));
			want_reg(&w, gpr(is_reversed ? size : source, is_reversed ? a : b));
			x64_rr(&as, op | size, a, b);
			/* xchg with rax itself is a nop, and never asked for */
			check(&w);
		}
		for (size_t i = a % 7; next_mem(&i, &m); i += 6) {
			struct want w = { .mnemonic = what };

			if (is_reversed) {
				want_mem(&w, m, bits_of(source));
			}
			want_reg(&w, gpr(size, a));
			if (!is_reversed) {
				want_mem(&w, m, bits_of(source));
			}
			x64_rm(&as, op | size, a, m);
			check(&w);
		}
	}
}

static void test_rm(void)
{
#define ONE(name, number)                    \
	if (strcmp(#name, "MOVSXD") != 0) {  \
		rm_op(#name, X64_##name, 0); \
	}                                    \
	rm_op(#name, X64_##name, X64_W);
	X64_RM_OPS(ONE)
#undef ONE
}

static void test_unary(void)
{
	struct x64_mem m;

	for (size_t s = 0; s < 2; s++) {
		uint32_t size = all_sizes[s];

#define ONE(name, number, digit)                                  \
	for (unsigned int a = 0; a < 16; a++) {                   \
		struct want w = { .mnemonic = mnemonic(#name) };  \
		want_reg(&w, gpr(size, a));                       \
		x64_unary(&as, (uint32_t)X64_##name | size, a);   \
		check(&w);                                        \
	}                                                         \
	for (size_t i = 0; next_mem(&i, &m);) {                   \
		struct want w = { .mnemonic = mnemonic(#name) };  \
		want_mem(&w, m, bits_of(size));                   \
		x64_unary_m(&as, (uint32_t)X64_##name | size, m); \
		check(&w);                                        \
	}
		X64_UNARY_OPS(ONE)
#undef ONE
	}
}

static void shift(const char *name, enum x64_shift_op op, uint32_t size)
{
	const char *what = mnemonic(name);

	for (unsigned int a = 0; a < 16; a++) {
		struct want by_cl = { .mnemonic = what };

		want_reg(&by_cl, gpr(size, a));
		want_reg(&by_cl, ZYDIS_REGISTER_CL);
		x64_shift_cl(&as, op, size, a);
		check(&by_cl);
		for (unsigned int n = 1; n < 64; n++) {
			struct want w = { .mnemonic = what };

			want_reg(&w, gpr(size, a));
			want_imm(&w, n, 8);
			x64_shift_imm(&as, op, size, a, (uint8_t)n);
			check(&w);
		}
	}
}

static void test_shifts(void)
{
	for (size_t s = 0; s < ARRAY_SIZE(all_sizes); s++) {
#define ONE(name, digit) shift(#name, X64_##name, all_sizes[s]);
		X64_SHIFT_OPS(ONE)
#undef ONE
	}
}

static void lea(unsigned int base, unsigned int index, unsigned int shift, int32_t disp)
{
	static const uint32_t sizes[] = { 0, X64_W };

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		struct want w = { .mnemonic = "lea" };

		want_reg(&w, gpr(sizes[s], base % 16));
		want_mem(&w, x64_at2(base, index, disp), 0);
		w.op[1].shift = shift;
		x64_lea_scaled(&as, sizes[s], base % 16, base, index, shift, disp);
		check(&w);
	}
}

static void test_lea(void)
{
	struct x64_mem m;

	for (size_t i = 0; next_mem(&i, &m);) {
		struct want w = { .mnemonic = "lea" };

		want_reg(&w, gpr(X64_W, m.base));
		want_mem(&w, m, 0);
		x64_rm(&as, X64_LEA | X64_W, m.base, m);
		check(&w);
		for (unsigned int shift = 0; shift < 4 && m.index != X64_NOREG; shift++) {
			lea(m.base, m.index, shift, m.disp);
		}
	}
	for (unsigned int index = 0; index < 16; index++) {
		for (size_t k = 0; k < ARRAY_SIZE(disps) && index != X64_RSP; k++) {
			lea(X64_NOREG, index, 3, disps[k]);
		}
	}
}

static void condition_memory(enum x64_cc cc, const char *set_name, const char *cmov_name)
{
	struct x64_mem m;

	for (size_t i = 0; next_mem(&i, &m);) {
		struct want set = { .mnemonic = set_name };
		struct want cmov = { .mnemonic = cmov_name };

		want_mem(&set, m, 8);
		x64_setcc_m(&as, cc, m);
		check(&set);
		want_reg(&cmov, gpr(X64_W, m.base));
		want_mem(&cmov, m, 64);
		x64_cmov_m(&as, cc, X64_W, m.base, m);
		check(&cmov);
	}
}

static void condition_registers(enum x64_cc cc, const char *set_name, const char *cmov_name)
{
	for (unsigned int a = 0; a < 256; a++) {
		struct want set = { .mnemonic = set_name };
		struct want cmov = { .mnemonic = cmov_name };

		want_reg(&set, gpr(X64_S8, a % 16));
		x64_setcc(&as, cc, a % 16);
		check(&set);
		want_reg(&cmov, gpr(0, a % 16));
		want_reg(&cmov, gpr(0, a / 16));
		x64_cmov(&as, cc, 0, a % 16, a / 16);
		check(&cmov);
	}
}

static void test_conditions(void)
{
	static const char *const names[] = { "o", "no", "b", "nb", "z", "nz", "be", "nbe",
					     "s", "ns", "p", "np", "l", "nl", "le", "nle" };
	char text[3][16];

	for (unsigned int cc = 0; cc < 16; cc++) {
		struct want jump = { .mnemonic = text[2] };

		snprintf(text[0], sizeof(text[0]), "set%s", names[cc]);
		snprintf(text[1], sizeof(text[1]), "cmov%s", names[cc]);
		snprintf(text[2], sizeof(text[2]), "j%s", names[cc]);
		condition_memory(cc, text[0], text[1]);
		condition_registers(cc, text[0], text[1]);
		want_imm(&jump, 0x12345, 64);
		CHECK_INT(x64_jcc(&as, cc, 6 + 0x12345), 2);
		check(&jump);
	}
}

static void one_reg(const char *what, uint32_t size, void (*emit)(struct x64_asm *, unsigned int))
{
	for (unsigned int a = 0; a < 16; a++) {
		struct want w = { .mnemonic = what };

		want_reg(&w, gpr(size, a));
		emit(&as, a);
		check(&w);
	}
}

static void one_mem(const char *what, void (*emit)(struct x64_asm *, struct x64_mem),
		    unsigned int bits)
{
	struct x64_mem m;

	for (size_t i = 0; next_mem(&i, &m);) {
		struct want w = { .mnemonic = what };

		want_mem(&w, m, bits);
		emit(&as, m);
		check(&w);
	}
}

static void test_numbers(void)
{
	static const uint64_t wide[] = {
		0,	     1,		 0x7fffffff,	     0x80000000,	 0xffffffff,
		0x100000000, UINT64_MAX, 0xffffffff80000000, 0xffffffff7fffffff, 0x123456789abcdef0
	};

	for (unsigned int a = 0; a < 16; a++) {
		for (size_t k = 0; k < ARRAY_SIZE(wide); k++) {
			struct want w = { .mnemonic = "mov" };

			want_reg(&w, gpr(wide[k] <= UINT32_MAX ? 0 : X64_W, a));
			want_imm(&w, (int64_t)wide[k], wide[k] <= UINT32_MAX ? 32 : 64);
			x64_mov_imm(&as, a, wide[k]);
			check(&w);
		}
		for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
			for (size_t s = 0; s < ARRAY_SIZE(all_sizes); s++) {
				struct want w = { .mnemonic = "test" };

				want_reg(&w, gpr(all_sizes[s], a));
				want_imm(&w, numbers[k], bits_of(all_sizes[s]));
				x64_test_imm(&as, all_sizes[s], a, numbers[k]);
				check(&w);
			}
			for (unsigned int b = 0; b < 16; b++) {
				struct want w = { .mnemonic = "imul" };

				want_reg(&w, gpr(X64_W, a));
				want_reg(&w, gpr(X64_W, b));
				want_imm(&w, numbers[k], 64);
				x64_imul_imm(&as, X64_W, a, b, numbers[k]);
				check(&w);
			}
		}
	}
}

static void bswap32(struct x64_asm *to, unsigned int reg)
{
	x64_bswap(to, 0, reg);
}

static void bswap64(struct x64_asm *to, unsigned int reg)
{
	x64_bswap(to, X64_W, reg);
}

static void test_rest(void)
{
	struct want jump = { .mnemonic = "jmp" };
	struct want call = { .mnemonic = "call" };
	struct want barrier = { .mnemonic = "or" };

	one_reg("push", X64_W, x64_push);
	one_reg("pop", X64_W, x64_pop);
	one_reg("bswap", 0, bswap32);
	one_reg("bswap", X64_W, bswap64);
	one_mem("jmp", x64_jmp_m, 64);
	one_mem("call", x64_call_m, 64);
	one_mem("vldmxcsr", x64_ldmxcsr, 32);
	one_mem("vstmxcsr", x64_stmxcsr, 32);
	x64_ret(&as);
	check(&(struct want){ .mnemonic = "ret" });
	x64_sign_rdx(&as, 0);
	check(&(struct want){ .mnemonic = "cdq" });
	x64_sign_rdx(&as, X64_W);
	check(&(struct want){ .mnemonic = "cqo" });
	want_mem(&barrier, x64_at(X64_RSP, 0), 32);
	want_imm(&barrier, 0, 32);
	x64_barrier(&as);
	CHECK_INT(code[0], 0xf0);
	check(&barrier);
	want_imm(&jump, -5, 64);
	CHECK_INT(x64_jmp(&as, 0), 1);
	check(&jump);
	want_imm(&call, 0x1000 - 5, 64);
	x64_patch(&as, x64_call(&as, 0), 0x1000);
	check(&call);
}

/* ---- VEX ---- */

/* An operand of a VEX instruction: g, q: general register of 32 or 64 bits; x: xmm */
static ZydisRegister vex_reg(char kind, unsigned int n)
{
	return kind == 'x' ? xmm(n) : gpr(kind == 'q' ? X64_W : 0, n);
}

/*
 * Kinds of ModRM.reg, v and ModRM.rm, in the order of the operands; '-': none. `bits` of memory; 0: no such form.
 * What is stored has its operands reversed.
 */
static void vex(const char *what, uint32_t op, const char *kinds, unsigned int bits, int imm)
{
	bool is_last_first = kinds[3] == 'r';
	bool is_v_last = kinds[3] == 's';

	/* every pair of registers in every two of the three places */
	for (unsigned int n = 0; n < 16 * 16 * 16; n++) {
		unsigned int reg = n % 16;
		unsigned int v = kinds[1] == '-' ? 0 : n / 16 % 16;
		unsigned int rm = n / 256;
		struct want w = { .mnemonic = what };

		if (is_last_first) {
			want_reg(&w, vex_reg(kinds[2], rm));
		}
		want_reg(&w, vex_reg(kinds[0], reg));
		if (kinds[1] != '-' && !is_v_last) {
			want_reg(&w, vex_reg(kinds[1], v));
		}
		if (!is_last_first) {
			want_reg(&w, vex_reg(kinds[2], rm));
		}
		if (is_v_last) {
			want_reg(&w, vex_reg(kinds[1], v));
		}
		if (imm >= 0) {
			want_imm(&w, imm, 8);
			x64_vrri(&as, op, reg, v, rm, (uint8_t)imm);
		} else {
			x64_vrr(&as, op, reg, v, rm);
		}
		check(&w);
	}
	for (unsigned int n = 0; bits && n < 16 * 16; n++) {
		unsigned int reg = n % 16;
		unsigned int v = kinds[1] == '-' ? 0 : n / 16 % 16;
		struct x64_mem m;

		for (size_t i = n % 97; next_mem(&i, &m); i += 96) {
			struct want w = { .mnemonic = what };

			want_reg(&w, vex_reg(kinds[0], reg));
			if (kinds[1] != '-' && !is_v_last) {
				want_reg(&w, vex_reg(kinds[1], v));
			}
			want_mem(&w, m, bits);
			if (is_v_last) {
				want_reg(&w, vex_reg(kinds[1], v));
			}
			x64_vrm(&as, op, reg, v, m);
			check(&w);
		}
	}
}

static unsigned int vex_bits(const char *name)
{
	size_t n = strlen(name);

	if (name[n - 1] == 'S' || strcmp(name, "VCVTSS2SD") == 0) {
		return name[n - 2] == 'P' ? 128 : strcmp(name, "VCVTSD2SS") == 0 ? 64 : 32;
	}
	return name[n - 1] == 'B' ? 128 : 64;
}

static void vex_memory(const char *name, uint32_t op, bool is_store)
{
	unsigned int bits = strstr(name, "UPS") ? 128 : strstr(name, "SS") ? 32 : 64;
	struct x64_mem m;

	for (unsigned int reg = 0; reg < 16; reg++) {
		for (size_t i = reg % 7; next_mem(&i, &m); i += 6) {
			struct want w = { .mnemonic = mnemonic(name) };

			if (is_store) {
				want_mem(&w, m, bits);
			}
			want_reg(&w, xmm(reg));
			if (is_store) {
				x64_vmr(&as, op, m, reg);
			} else {
				want_mem(&w, m, bits);
				x64_vrm(&as, op, reg, 0, m);
			}
			check(&w);
		}
	}
}

static void test_vex(void)
{
#define THREE(name, number) vex(mnemonic(#name), X64_##name, "xxx", vex_bits(#name), -1);
	X64_VEX3_OPS(THREE)
#undef THREE
#define TWO(name, number) vex(mnemonic(#name), X64_##name, "x-x", vex_bits(#name), -1);
	X64_VEX2_OPS(TWO)
#undef TWO
#define LOAD(name, number) vex_memory(#name, X64_##name, false);
	X64_VLOAD_OPS(LOAD)
#undef LOAD
#define STORE(name, number) vex_memory(#name, X64_##name, true);
	X64_VSTORE_OPS(STORE)
#undef STORE
	vex("vmovd", X64_VMOV_X_R, "x-g", 0, -1);
	vex("vmovq", X64_VMOV_X_R | X64_W, "x-q", 0, -1);
	vex("vmovd", X64_VMOV_R_X, "x-gr", 0, -1);
	vex("vmovq", X64_VMOV_R_X | X64_W, "x-qr", 0, -1);
	vex("vcvtsi2ss", X64_VCVTSI2SS, "xxg", 32, -1);
	vex("vcvtsi2sd", X64_VCVTSI2SD | X64_W, "xxq", 64, -1);
	vex("vcvttss2si", X64_VCVTTSS2SI, "g-x", 32, -1);
	vex("vcvttss2si", X64_VCVTTSS2SI | X64_W, "q-x", 32, -1);
	vex("vcvttsd2si", X64_VCVTTSD2SI, "g-x", 64, -1);
	vex("vcvttsd2si", X64_VCVTTSD2SI | X64_W, "q-x", 64, -1);
	vex("vcmpss", X64_VCMPSS, "xxx", 0, 0);
	vex("vcmpsd", X64_VCMPSD, "xxx", 0, 7);
	vex("vinsertps", X64_VINSERTPS, "xxx", 0, 14);
	vex("rorx", X64_RORX, "g-g", 0, 31);
	vex("rorx", X64_RORX | X64_W, "q-q", 0, 63);
	vex("andn", X64_ANDN, "ggg", 32, -1);
	vex("andn", X64_ANDN | X64_W, "qqq", 64, -1);
#define SHIFT(name, what)                      \
	vex(what, X64_##name, "gggs", 32, -1); \
	vex(what, X64_##name | X64_W, "qqqs", 64, -1);
	SHIFT(SHLX, "shlx")
	SHIFT(SHRX, "shrx")
	SHIFT(SARX, "sarx")
#undef SHIFT
}

static void test_constants(void)
{
	struct want w = { .mnemonic = "vaddsd" };

	want_reg(&w, xmm(9));
	want_reg(&w, xmm(1));
	/* relative to the end of the instruction: 8 bytes from offset 0 */
	want_mem(&w, (struct x64_mem){ X64_RIP, X64_NOREG, 0x1230 - 8 }, 64);
	x64_vrm(&as, X64_VADDSD, 9, 1, x64_const(0x1230));
	check(&w);
	CHECK(n_checked > 200000);
	printf("%" PRIu64 " instructions\n", n_checked);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "arithmetic, moves", test_alu },
		{ "register and memory", test_rm },
		{ "one operand", test_unary },
		{ "shifts", test_shifts },
		{ "lea", test_lea },
		{ "conditions", test_conditions },
		{ "numbers", test_numbers },
		{ "jumps and the rest", test_rest },
		{ "VEX", test_vex },
		{ "constants in code memory", test_constants },
	};

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return test_main(cases, ARRAY_SIZE(cases));
}
