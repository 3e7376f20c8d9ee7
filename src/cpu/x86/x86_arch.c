/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 and x64: register tables, reset state, program counter and stack, fault names.
 *
 * Names, order and sizes follow gdb's features org.gnu.gdb.i386.core, .sse, .avx and .segments.
 * gdb wants x87 tags as the full 16-bit word; the state holds FXSAVE's abridged byte, from which
 * the word follows with the contents of the stack (SDM volume 1, 10.5.1.1 and 8.1.7).
 * The upper half of RFLAGS is always zero, so "rflags" is its low half.
 *
 * reset() gives the state that a board starts a program in rather than that of a cold processor
 * (which starts in real mode at F000:FFF0 whatever it runs later):
 *   16-bit   real mode, all selectors 0, interrupt table at 0
 *   x86      flat 32-bit protected mode, CS 8, data 0x10, no IDT, GDT up to the board
 *   x64      long mode, CS 8, data 0x10, no IDT; the board owes page tables and CR3
 */
#include <string.h>

#include "cpu/x86/x86_internal.h"

#define CORE	 "org.gnu.gdb.i386.core"
#define SSE	 "org.gnu.gdb.i386.sse"
#define AVX	 "org.gnu.gdb.i386.avx"
#define SEGMENTS "org.gnu.gdb.i386.segments"
#define SYSTEM	 "org.pinfold.x86.system"
#define AT(f)	 offsetof(struct x86_state, f)

enum x87_tag { X87_VALID, X87_ZERO, X87_SPECIAL, X87_EMPTY };

static enum x87_tag tag_of(const uint8_t value[10])
{
	uint64_t significand = load_le(value, 8);
	uint64_t exponent = load_le(value + 8, 2) & 0x7fff;

	if (exponent == 0 && significand == 0) {
		return X87_ZERO;
	}
	if (exponent == 0 || exponent == 0x7fff || !(significand & BIT(63))) {
		return X87_SPECIAL;
	}
	return X87_VALID;
}

static uint64_t get_ftag(const struct cpu_state *s)
{
	const struct x86_state *x = x86_state_const(s);
	unsigned int top = (x->fsw >> 11) & 7;
	uint64_t word = 0;

	for (unsigned int i = 0; i < 8; i++) {
		enum x87_tag tag = x->ftw & BIT(i) ? tag_of(x->st[(i - top) & 7]) : X87_EMPTY;

		word |= (uint64_t)tag << (2 * i);
	}
	return word;
}

/* Only "empty" can be chosen; the other tags follow from the values. */
static bool set_ftag(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	uint8_t abridged = 0;

	(void)r;
	for (unsigned int i = 0; i < 8; i++) {
		if (((value >> (2 * i)) & 3) != X87_EMPTY) {
			abridged |= (uint8_t)BIT(i);
		}
	}
	x86_state(s)->ftw = abridged;
	return true;
}

static bool set_flags(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	(void)r;
	x86_state(s)->rflags = value | X86_FLAGS_FIXED;
	return true;
}

/* In real mode a selector is all there is; in protected mode only a load reads the descriptor. */
static bool set_selector(struct cpu_state *s, const struct cpu_reg *r, uint64_t value)
{
	struct x86_state *x = x86_state(s);
	struct x86_seg *seg = &x->seg[(r->offset - AT(seg)) / sizeof(struct x86_seg)];

	seg->sel = (uint16_t)value;
	if (!(x->cr0 & X86_CR0_PE)) {
		seg->base = value << 4;
	}
	return true;
}

#define GPR32(nm, idx)                                                              \
	{                                                                           \
		.name = nm, .offset = AT(gpr[idx]), .bytes = 4, .cls = CPU_REG_GPR, \
		.gdb_feature = CORE, .gdb_type = "int32"                            \
	}
#define GPR64(nm, idx, type)                                                        \
	{                                                                           \
		.name = nm, .offset = AT(gpr[idx]), .bytes = 8, .cls = CPU_REG_GPR, \
		.gdb_feature = CORE, .gdb_type = type                               \
	}
#define SEL(nm, idx)                                                                    \
	{                                                                               \
		.name = nm, .offset = AT(seg[idx].sel), .bytes = 2, .cls = CPU_REG_SEG, \
		.gdb_feature = CORE, .gdb_type = "int16", .set = set_selector           \
	}
#define ST(n)                                                                         \
	{                                                                             \
		.name = "st" #n, .offset = AT(st[n]), .bytes = 10, .cls = CPU_REG_FP, \
		.gdb_feature = CORE, .gdb_type = "i387_ext"                           \
	}
#define X87(nm, other, fld, part, size, type)                                          \
	{                                                                              \
		.name = nm, .alias = other, .offset = AT(fld) + (part), .bytes = size, \
		.cls = CPU_REG_FP, .gdb_feature = CORE, .gdb_type = type               \
	}
#define XMM(n)                                                                           \
	{                                                                                \
		.name = "xmm" #n, .offset = AT(ymm[n]), .bytes = 16, .cls = CPU_REG_VEC, \
		.gdb_feature = SSE, .gdb_type = "vec128"                                 \
	}
#define YMMH(n)                                                                                   \
	{                                                                                         \
		.name = "ymm" #n "h", .offset = AT(ymm[n]) + 16, .bytes = 16, .cls = CPU_REG_VEC, \
		.gdb_feature = AVX, .gdb_type = "uint128"                                         \
	}
#define SYS(nm, fld, size)                                                        \
	{                                                                         \
		.name = nm, .offset = AT(fld), .bytes = size, .cls = CPU_REG_SYS, \
		.gdb_feature = SYSTEM,                                            \
		.gdb_type = (size) == 8	  ? "uint64"                              \
			    : (size) == 4 ? "uint32"                              \
					  : "uint16"                              \
	}

#define FLAGS(nm)                                                                                 \
	{                                                                                         \
		.name = nm, .alias = "flags", .gdb_name = "eflags", .offset = AT(rflags),         \
		.bytes = 4, .cls = CPU_REG_FLAGS, .gdb_feature = CORE, .gdb_type = "i386_eflags", \
		.set = set_flags                                                                  \
	}
#define SELECTORS                                                                   \
	SEL("cs", X86_CS), SEL("ss", X86_SS), SEL("ds", X86_DS), SEL("es", X86_ES), \
		SEL("fs", X86_FS), SEL("gs", X86_GS)
/* In 32-bit FXSAVE images, and so in the state, the selectors follow the offsets. */
#define X87_ALL                                                                                    \
	ST(0), ST(1), ST(2), ST(3), ST(4), ST(5), ST(6), ST(7),                                    \
		X87("fctrl", "fcw", fcw, 0, 2, "uint16"),                                          \
		X87("fstat", "fsw", fsw, 0, 2, "uint16"),                                          \
		{ .name = "ftag",                                                                  \
		  .offset = AT(ftw),                                                               \
		  .bytes = 2,                                                                      \
		  .cls = CPU_REG_FP,                                                               \
		  .gdb_feature = CORE,                                                             \
		  .gdb_type = "uint16",                                                            \
		  .get = get_ftag,                                                                 \
		  .set = set_ftag },                                                               \
		X87("fiseg", NULL, fip, 4, 4, "uint32"), X87("fioff", "fip", fip, 0, 4, "uint32"), \
		X87("foseg", NULL, fdp, 4, 4, "uint32"), X87("fooff", "fdp", fdp, 0, 4, "uint32"), \
		X87("fop", NULL, fop, 0, 2, "uint16")
#define XMM_LOW	  XMM(0), XMM(1), XMM(2), XMM(3), XMM(4), XMM(5), XMM(6), XMM(7)
#define XMM_HIGH  XMM(8), XMM(9), XMM(10), XMM(11), XMM(12), XMM(13), XMM(14), XMM(15)
#define YMMH_LOW  YMMH(0), YMMH(1), YMMH(2), YMMH(3), YMMH(4), YMMH(5), YMMH(6), YMMH(7)
#define YMMH_HIGH YMMH(8), YMMH(9), YMMH(10), YMMH(11), YMMH(12), YMMH(13), YMMH(14), YMMH(15)
#define MXCSR                                                                         \
	{                                                                             \
		.name = "mxcsr", .offset = AT(mxcsr), .bytes = 4, .cls = CPU_REG_VEC, \
		.gdb_feature = SSE, .gdb_type = "i386_mxcsr"                          \
	}
/* n: width of a control register */
#define SYSTEM_ALL(n)                                                                         \
	SYS("cr0", cr0, n), SYS("cr2", cr2, n), SYS("cr3", cr3, n), SYS("cr4", cr4, n),       \
		SYS("dr0", dr[0], n), SYS("dr1", dr[1], n), SYS("dr2", dr[2], n),             \
		SYS("dr3", dr[3], n), SYS("dr6", dr[6], n), SYS("dr7", dr[7], n),             \
		SYS("gdtr_base", gdtr.base, n), SYS("gdtr_limit", gdtr.limit, 2),             \
		SYS("idtr_base", idtr.base, n), SYS("idtr_limit", idtr.limit, 2),             \
		SYS("ldtr", ldtr.sel, 2), SYS("tr", tr.sel, 2), SYS("efer", efer, 8),         \
		SYS("pat", pat, 8), SYS("xcr0", xcr0, 8), SYS("sysenter_cs", sysenter_cs, 8), \
		SYS("sysenter_esp", sysenter_esp, 8), SYS("sysenter_eip", sysenter_eip, 8)

static const struct cpu_reg x86_regs[] = {
	GPR32("eax", X86_RAX),
	GPR32("ecx", X86_RCX),
	GPR32("edx", X86_RDX),
	GPR32("ebx", X86_RBX),
	{ .name = "esp",
	  .offset = AT(gpr[X86_RSP]),
	  .bytes = 4,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "data_ptr" },
	{ .name = "ebp",
	  .offset = AT(gpr[X86_RBP]),
	  .bytes = 4,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "data_ptr" },
	GPR32("esi", X86_RSI),
	GPR32("edi", X86_RDI),
	{ .name = "eip",
	  .alias = "ip",
	  .offset = AT(rip),
	  .bytes = 4,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "code_ptr" },
	FLAGS("eflags"),
	SELECTORS,
	X87_ALL,
	XMM_LOW,
	MXCSR,
	YMMH_LOW,
	SYSTEM_ALL(4),
};

static const struct cpu_reg x64_regs[] = {
	GPR64("rax", X86_RAX, "int64"),
	GPR64("rbx", X86_RBX, "int64"),
	GPR64("rcx", X86_RCX, "int64"),
	GPR64("rdx", X86_RDX, "int64"),
	GPR64("rsi", X86_RSI, "int64"),
	GPR64("rdi", X86_RDI, "int64"),
	GPR64("rbp", X86_RBP, "data_ptr"),
	GPR64("rsp", X86_RSP, "data_ptr"),
	GPR64("r8", X86_R8, "int64"),
	GPR64("r9", X86_R9, "int64"),
	GPR64("r10", X86_R10, "int64"),
	GPR64("r11", X86_R11, "int64"),
	GPR64("r12", X86_R12, "int64"),
	GPR64("r13", X86_R13, "int64"),
	GPR64("r14", X86_R14, "int64"),
	GPR64("r15", X86_R15, "int64"),
	{ .name = "rip",
	  .offset = AT(rip),
	  .bytes = 8,
	  .cls = CPU_REG_GPR,
	  .gdb_feature = CORE,
	  .gdb_type = "code_ptr" },
	FLAGS("rflags"),
	SELECTORS,
	X87_ALL,
	XMM_LOW,
	XMM_HIGH,
	MXCSR,
	YMMH_LOW,
	YMMH_HIGH,
	{ .name = "fs_base",
	  .offset = AT(seg[X86_FS].base),
	  .bytes = 8,
	  .cls = CPU_REG_SYS,
	  .gdb_feature = SEGMENTS,
	  .gdb_type = "int64" },
	{ .name = "gs_base",
	  .offset = AT(seg[X86_GS].base),
	  .bytes = 8,
	  .cls = CPU_REG_SYS,
	  .gdb_feature = SEGMENTS,
	  .gdb_type = "int64" },
	SYSTEM_ALL(8),
	SYS("cr8", cr8, 8),
	SYS("kernel_gs_base", kernel_gs_base, 8),
	SYS("star", star, 8),
	SYS("lstar", lstar, 8),
	SYS("cstar", cstar, 8),
	SYS("fmask", fmask, 8),
};

#define DR6_RESET   0xffff0ff0u
#define DR7_RESET   0x400u
#define PAT_RESET   0x0007040600070406ULL
#define FCW_RESET   0x37fu
#define MXCSR_RESET 0x1f80u

/* Present, DPL 0, accessed. */
#define ATTR_REAL_CODE 0x009bu
#define ATTR_REAL_DATA 0x0093u
#define ATTR_CODE32    0xc09bu
#define ATTR_CODE64    0xa09bu
#define ATTR_DATA      0xc093u
#define ATTR_LDT       0x0082u
#define ATTR_TSS_BUSY  0x008bu

static void set_segments(struct x86_state *x, const struct x86_seg *code,
			 const struct x86_seg *data)
{
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		x->seg[i] = i == X86_CS ? *code : *data;
	}
	x->ldtr = (struct x86_seg){ .attr = ATTR_LDT, .limit = 0xffff };
	x->tr = (struct x86_seg){ .attr = ATTR_TSS_BUSY, .limit = 0x67 };
}

static void reset_common(struct cpu_state *s, enum cpu_arch_id id)
{
	struct x86_state *x = x86_state(s);

	memset(s, 0, sizeof(*s));
	s->arch = id;
	x->rflags = X86_FLAGS_FIXED;
	x->cr0 = X86_CR0_ET;
	x->dr[6] = DR6_RESET;
	x->dr[7] = DR7_RESET;
	x->pat = PAT_RESET;
	x->xcr0 = 1;
	x->fcw = FCW_RESET;
	x->mxcsr = MXCSR_RESET;
}

static void reset_real(struct x86_state *x)
{
	struct x86_seg code = { .attr = ATTR_REAL_CODE, .limit = 0xffff };
	struct x86_seg data = { .attr = ATTR_REAL_DATA, .limit = 0xffff };

	set_segments(x, &code, &data);
	x->gdtr.limit = 0xffff;
	x->idtr.limit = 0x3ff;
}

static void reset_flat(struct x86_state *x, uint16_t code_attr)
{
	struct x86_seg code = { .sel = 8, .attr = code_attr, .limit = 0xffffffff };
	struct x86_seg data = { .sel = 0x10, .attr = ATTR_DATA, .limit = 0xffffffff };

	set_segments(x, &code, &data);
	x->cr0 |= X86_CR0_PE | X86_CR0_MP | X86_CR0_NE;
	x->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
}

static void x86_reset(struct cpu_state *s, const struct cpu_mode *mode)
{
	reset_common(s, CPU_ARCH_X86);
	if (mode->is_16bit) {
		reset_real(x86_state(s));
	} else {
		reset_flat(x86_state(s), ATTR_CODE32);
	}
}

static void x64_reset(struct cpu_state *s, const struct cpu_mode *mode)
{
	struct x86_state *x = x86_state(s);

	(void)mode;
	reset_common(s, CPU_ARCH_X64);
	reset_flat(x, ATTR_CODE64);
	x->cr0 |= X86_CR0_PG | X86_CR0_WP;
	x->cr4 |= X86_CR4_PAE;
	x->efer = X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE;
}

static gva_t linear(const struct x86_state *x, enum x86_seg_idx seg, uint64_t offset)
{
	if (x86_is_64bit_code(x)) {
		return offset;
	}
	return (uint32_t)(x->seg[seg].base + offset);
}

gva_t x86_linear_pc(const struct x86_state *x)
{
	return linear(x, X86_CS, x->rip);
}

/* Offset of a linear address in its segment. Real mode moves the segment if it must. */
static uint64_t offset_in(struct x86_state *x, enum x86_seg_idx idx, gva_t addr, gva_t last)
{
	struct x86_seg *seg = &x->seg[idx];

	if (x86_is_64bit_code(x)) {
		return addr;
	}
	if (x->cr0 & X86_CR0_PE) {
		return (uint32_t)(addr - seg->base);
	}
	if (last - seg->base > 0xffff) {
		seg->sel = (uint16_t)((last >> 4) & 0xf000);
		seg->base = (uint64_t)seg->sel << 4;
	}
	return (addr - seg->base) & 0xffff;
}

static struct cpu_mode get_mode(const struct cpu_state *s)
{
	const struct x86_state *x = x86_state_const(s);

	return (struct cpu_mode){
		.is_16bit = !x86_is_64bit_code(x) && !(x->seg[X86_CS].attr & X86_ATTR_DB),
	};
}

static gva_t get_pc(const struct cpu_state *s)
{
	return x86_linear_pc(x86_state_const(s));
}

static void set_pc(struct cpu_state *s, gva_t pc)
{
	struct x86_state *x = x86_state(s);

	x->rip = offset_in(x, X86_CS, pc, pc);
}

static gva_t get_sp(const struct cpu_state *s)
{
	const struct x86_state *x = x86_state_const(s);

	return linear(x, X86_SS, x->gpr[X86_RSP]);
}

/* The first byte pushed lies below sp: that one must be inside the segment. */
static void set_sp(struct cpu_state *s, gva_t sp)
{
	struct x86_state *x = x86_state(s);

	x->gpr[X86_RSP] = offset_in(x, X86_SS, sp, sp ? sp - 1 : 0);
}

static void set_boot_args(struct cpu_state *s, uint64_t arg0, uint64_t arg1)
{
	(void)s; /* x86 boot protocols pass no device tree */
	(void)arg0;
	(void)arg1;
}

static size_t insn_bytes(const struct cpu_state *s, const uint8_t *bytes, size_t n)
{
	(void)s; /* takes a decoder */
	(void)bytes;
	(void)n;
	return 0;
}

static enum cpu_semihost semihost_match(const struct cpu_state *s, const struct mem *m,
					const struct cpu_fault *f,
					struct cpu_semihost_call *ret_call)
{
	(void)s;
	(void)m;
	(void)f;
	(void)ret_call;
	return CPU_SEMIHOST_NONE;
}

static void semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result)
{
	(void)s; /* never called: nothing matches */
	(void)m;
	(void)result;
}

static enum cpu_fault_kind kind_of(uint32_t vector)
{
	static const enum cpu_fault_kind kinds[32] = {
		[X86_DE] = CPU_FAULT_DIVIDE,	 [X86_DB] = CPU_FAULT_BREAKPOINT,
		[X86_BP] = CPU_FAULT_BREAKPOINT, [X86_UD] = CPU_FAULT_ILLEGAL_INSN,
		[X86_DF] = CPU_FAULT_DOUBLE,	 [X86_TS] = CPU_FAULT_GENERAL,
		[X86_NP] = CPU_FAULT_GENERAL,	 [X86_SSF] = CPU_FAULT_GENERAL,
		[X86_GP] = CPU_FAULT_GENERAL,	 [X86_PF] = CPU_FAULT_PAGE,
		[X86_MF] = CPU_FAULT_FP,	 [X86_AC] = CPU_FAULT_UNALIGNED,
		[X86_XM] = CPU_FAULT_FP,
	};

	if (vector >= ARRAY_SIZE(kinds)) {
		return CPU_FAULT_SYSCALL;
	}
	return kinds[vector] == CPU_FAULT_NONE ? CPU_FAULT_OTHER : kinds[vector];
}

/* SDM volume 3, 4.7: bit 1 write, bit 4 instruction fetch. */
static uint32_t access_of(uint64_t error_code)
{
	if (error_code & BIT(4)) {
		return MEM_X;
	}
	return error_code & BIT(1) ? MEM_W : MEM_R;
}

struct cpu_fault x86_fault_from_vector(uint32_t vector, uint64_t error_code, gva_t pc, gva_t cr2)
{
	struct cpu_fault f = {
		.kind = kind_of(vector),
		.vector = vector,
		.syndrome = error_code,
		.pc = pc,
	};

	if (vector == X86_PF) {
		f.address = cr2;
		f.has_address = true;
		f.access = access_of(error_code);
	}
	return f;
}

#define X86_OPERATIONS                                                                        \
	.get_mode = get_mode, .get_pc = get_pc, .set_pc = set_pc, .get_sp = get_sp,           \
	.set_sp = set_sp, .set_boot_args = set_boot_args, .insn_bytes = insn_bytes,           \
	.page_walk = x86_page_walk, .deliver = x86_deliver, .semihost_match = semihost_match, \
	.semihost_return = semihost_return, .state_bytes = sizeof(struct x86_state),          \
	.insn_bytes_max = 15, .insn_align = 1

const struct cpu_arch x86_arch = {
	.id = CPU_ARCH_X86,
	.name = "x86",
	.title = "x86 (32-bit)",
	.word_bytes = 4,
	.gdb_arch = "i386",
	.regs = x86_regs,
	.n_regs = ARRAY_SIZE(x86_regs),
	.reset = x86_reset,
	X86_OPERATIONS,
};

const struct cpu_arch x64_arch = {
	.id = CPU_ARCH_X64,
	.name = "x64",
	.title = "x86-64",
	.word_bytes = 8,
	.gdb_arch = "i386:x86-64",
	.regs = x64_regs,
	.n_regs = ARRAY_SIZE(x64_regs),
	.reset = x64_reset,
	X86_OPERATIONS,
};
