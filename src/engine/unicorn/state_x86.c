/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 and x64 state.
 *
 * The library opens an x86 CPU in one of three modes and keeps up that fiction: hidden segment
 * parts, for one, are out of reach. Here the CPU is always opened as 64-bit, whose interface hides
 * the least, and put into whatever mode the state says by writing the library's own state where it
 * has no interface. Offsets are learnt at create(): a value written through the interface is
 * looked up in the state, and its neighbours follow from the order of the fields:
 *
 *     regs[16] eip ... hflags hflags2 segs[6] ldt tr gdt idt cr[5]
 *     kernelgsbase tsc tsc_adjust tsc_deadline tsc_aux xcr0
 *     error_code exception_is_int exception_next_eip dr[8]
 */
#include <errno.h>

#include "cpu/x86/x86.h"
#include "engine/unicorn/unicorn_priv.h"

#define SEG_BYTES	      24 /* selector u32, pad, base u64, limit u32, flags u32 */
#define SEG_BASE	      8
#define SEG_LIMIT	      16
#define SEG_FLAGS	      20
#define RIP_OFFSET	      128
#define XCR0_FROM_GSBASE      40
#define ERROR_FROM_DR	      (-16)
#define OLD_EXCEPTION_FROM_DR 96

#define MSR_SYSENTER_CS	 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_PAT		 0x277u
#define MSR_EFER	 0xc0000080u
#define MSR_STAR	 0xc0000081u
#define MSR_LSTAR	 0xc0000082u
#define MSR_CSTAR	 0xc0000083u
#define MSR_FMASK	 0xc0000084u
#define MSR_KERNEL_GS	 0xc0000102u

/* The library's summary of the state that translation depends on. */
#define HF_CS32	    BIT(4)
#define HF_SS32	    BIT(5)
#define HF_ADDSEG   BIT(6)
#define HF_PE	    BIT(7)
#define HF_LMA	    BIT(14)
#define HF_CS64	    BIT(15)
#define HF_OSFXSR   BIT(22)
#define HF_SMAP	    BIT(23)
#define HF_CR0_BITS 9 /* MP, EM, TS lie at 9..11 */
#define HF_EFLAGS   (X86_FLAGS_TF | X86_FLAGS_IOPL | X86_FLAGS_RF | X86_FLAGS_VM | X86_FLAGS_AC)

/* Which field each MSR is. */
static const struct {
	uint32_t msr;
	size_t offset;
} msrs[] = {
	{ MSR_SYSENTER_CS, offsetof(struct x86_state, sysenter_cs) },
	{ MSR_SYSENTER_ESP, offsetof(struct x86_state, sysenter_esp) },
	{ MSR_SYSENTER_EIP, offsetof(struct x86_state, sysenter_eip) },
	{ MSR_PAT, offsetof(struct x86_state, pat) },
	{ MSR_STAR, offsetof(struct x86_state, star) },
	{ MSR_LSTAR, offsetof(struct x86_state, lstar) },
	{ MSR_CSTAR, offsetof(struct x86_state, cstar) },
	{ MSR_FMASK, offsetof(struct x86_state, fmask) },
	{ MSR_KERNEL_GS, offsetof(struct x86_state, kernel_gs_base) },
};

static uint64_t msr_get(struct unicorn_engine *u, uint32_t msr)
{
	uc_x86_msr m = { .rid = msr };

	u->lib->uc_reg_read(u->uc, UC_X86_REG_MSR, &m);
	return m.value;
}

static void msr_set(struct unicorn_engine *u, uint32_t msr, uint64_t value)
{
	uc_x86_msr m = { .rid = msr, .value = value };

	u->lib->uc_reg_write(u->uc, UC_X86_REG_MSR, &m);
}

static size_t seg_offset(const struct unicorn_engine *u, size_t idx)
{
	return u->at.x86.ldt - (6 - idx) * SEG_BYTES;
}

static size_t tr_offset(const struct unicorn_engine *u)
{
	return u->at.x86.ldt + SEG_BYTES;
}

static size_t efer_offset(const struct unicorn_engine *u)
{
	/* cr[5], a20_mask, 4 bounds of 16 bytes and 2 words, their configuration */
	return u->at.x86.cr + 40 + 8 + 64 + 16 + 8;
}

/* Feature words of CPUID, in the library's order. */
enum { FEAT_1_EDX, FEAT_1_ECX, FEAT_7_EBX, FEAT_EXT_EDX = 6, FEAT_EXT_ECX = 7 };

/* What the library sets in its first two words, whatever the model. */
static const uint64_t features_raw[2] = {
	BIT(8) | BIT(15) | BIT(19) | BIT(24) | BIT(25) | BIT(26),
	BIT(9) | BIT(13) | BIT(19) | BIT(20) | BIT(25),
};

#define FEATURES_SCAN_BYTES 512
#define EXT_EDX_64BIT	    (BIT(11) | BIT(29)) /* SYSCALL, LM */

/*
 * The library can do more than it announces, and refuses what it does not announce: POPCNT, SSE3,
 * NX. Left out: RDRAND (a run could not be repeated), MONITOR, SVM, MPX (state we don't carry).
 * Bits: Intel SDM volume 2, CPUID.
 */
static void announce_features(struct unicorn_engine *u)
{
	uint8_t *from = u->env + u->env_bytes;
	uint64_t *f = memmem(from, FEATURES_SCAN_BYTES, features_raw, sizeof(features_raw));

	if (!f) {
		return; /* another library: it keeps its own choice */
	}
	f[FEAT_1_EDX] |= BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(11) | BIT(13) |
			 BIT(16) | BIT(17) | BIT(23);
	f[FEAT_1_ECX] |= BIT(0) | BIT(1) | BIT(22) | BIT(23) | BIT(26);
	f[FEAT_7_EBX] |=
		BIT(0) | BIT(3) | BIT(7) | BIT(8) | BIT(9) | BIT(19) | BIT(20) | BIT(23) | BIT(24);
	f[FEAT_EXT_EDX] |= BIT(20) | BIT(22) | BIT(26) | BIT(27) | EXT_EDX_64BIT;
	f[FEAT_EXT_ECX] = BIT(0) | BIT(4) | BIT(5) | BIT(6); /* without SKINIT */
	if (u->arch->id == CPU_ARCH_X86) {
		f[FEAT_EXT_EDX] &= ~EXT_EDX_64BIT;
	}
}

static int x86_init(struct unicorn_engine *u, struct errmsg *e)
{
	static const uint64_t mark = 0x00517e11a5517e77ULL; /* canonical */
	uc_x86_mmr mmr = { .selector = 0x28, .base = mark, .limit = 0x1234, .flags = 0x8200 };
	size_t base;

	u->lib->uc_reg_write(u->uc, UC_X86_REG_LDTR, &mmr);
	base = unicorn_env_find(u, &mark, sizeof(mark));
	mmr = (uc_x86_mmr){ 0 };
	u->lib->uc_reg_write(u->uc, UC_X86_REG_LDTR, &mmr);
	msr_set(u, MSR_KERNEL_GS, mark);
	u->at.x86.gsbase = unicorn_env_find(u, &mark, sizeof(mark));
	msr_set(u, MSR_KERNEL_GS, 0);
	unicorn_reg_set(u, UC_X86_REG_DR0, mark);
	u->at.x86.dr = unicorn_env_find(u, &mark, sizeof(mark));
	unicorn_reg_set(u, UC_X86_REG_DR0, 0);
	if (base == SIZE_MAX || u->at.x86.gsbase == SIZE_MAX || u->at.x86.dr == SIZE_MAX) {
		return errmsg_set(e, -ENODEV,
				  "this " UNICORN_LIB_FILE " keeps x86 state elsewhere");
	}
	u->at.x86.ldt = base - SEG_BASE;
	u->at.x86.cr = u->at.x86.ldt + 4 * SEG_BYTES;
	if (unicorn_env(u, efer_offset(u), 8) != msr_get(u, MSR_EFER) ||
	    unicorn_env(u, u->at.x86.cr, 8) != unicorn_reg(u, UC_X86_REG_CR0)) {
		return errmsg_set(e, -ENODEV,
				  "this " UNICORN_LIB_FILE " orders x86 state otherwise");
	}
	announce_features(u);
	return 0;
}

static void seg_get(const struct unicorn_engine *u, size_t offset, struct x86_seg *ret)
{
	ret->sel = (uint16_t)unicorn_env(u, offset, 2);
	ret->base = unicorn_env(u, offset + SEG_BASE, 8);
	ret->limit = (uint32_t)unicorn_env(u, offset + SEG_LIMIT, 4);
	/* the descriptor's second word, with bits of base and limit in it */
	ret->attr = (uint16_t)(unicorn_env(u, offset + SEG_FLAGS, 4) >> 8) & 0xf0ff;
}

static void seg_set(struct unicorn_engine *u, size_t offset, const struct x86_seg *seg)
{
	unicorn_env_set(u, offset, seg->sel, 4);
	unicorn_env_set(u, offset + SEG_BASE, seg->base, 8);
	unicorn_env_set(u, offset + SEG_LIMIT, seg->limit, 4);
	unicorn_env_set(u, offset + SEG_FLAGS, (uint64_t)seg->attr << 8, 4);
}

static void dtr_get(const struct unicorn_engine *u, size_t offset, struct x86_dtr *ret)
{
	ret->base = unicorn_env(u, offset + SEG_BASE, 8);
	ret->limit = (uint16_t)unicorn_env(u, offset + SEG_LIMIT, 4);
}

static void dtr_set(struct unicorn_engine *u, size_t offset, const struct x86_dtr *dtr)
{
	unicorn_env_set(u, offset + SEG_BASE, dtr->base, 8);
	unicorn_env_set(u, offset + SEG_LIMIT, dtr->limit, 4);
}

/* Two bits per register, 3 = empty, against one, 1 = in use. */
static uint8_t tags_abridge(uint16_t tags)
{
	uint8_t ftw = 0;

	for (unsigned int i = 0; i < 8; i++) {
		if (((tags >> (2 * i)) & 3) != 3) {
			ftw = (uint8_t)(ftw | BIT(i));
		}
	}
	return ftw;
}

static uint16_t tags_expand(uint8_t ftw)
{
	uint16_t tags = 0;

	for (unsigned int i = 0; i < 8; i++) {
		tags |= (uint16_t)((ftw >> i & 1 ? 0 : 3) << (2 * i));
	}
	return tags;
}

static void fpu_get(struct unicorn_engine *u, struct x86_state *x)
{
	bool is_64 = x86_is_64bit_code(x);

	x->fcw = (uint16_t)unicorn_reg(u, UC_X86_REG_FPCW);
	x->fsw = (uint16_t)unicorn_reg(u, UC_X86_REG_FPSW);
	x->fop = (uint16_t)unicorn_reg(u, UC_X86_REG_FOP);
	x->ftw = tags_abridge((uint16_t)unicorn_reg(u, UC_X86_REG_FPTAG));
	x->mxcsr = (uint32_t)unicorn_reg(u, UC_X86_REG_MXCSR);
	x->fip = unicorn_reg(u, UC_X86_REG_FIP);
	x->fdp = unicorn_reg(u, UC_X86_REG_FDP);
	if (!is_64) {
		x->fip = (uint32_t)x->fip | unicorn_reg(u, UC_X86_REG_FCS) << 32;
		x->fdp = (uint32_t)x->fdp | unicorn_reg(u, UC_X86_REG_FDS) << 32;
	}
	for (int i = 0; i < 8; i++) {
		u->lib->uc_reg_read(u->uc, UC_X86_REG_ST0 + i, x->st[i]);
	}
	for (int i = 0; i < 16; i++) {
		u->lib->uc_reg_read(u->uc, UC_X86_REG_YMM0 + i, x->ymm[i]);
	}
}

static void fpu_set(struct unicorn_engine *u, const struct x86_state *x)
{
	bool is_64 = x86_is_64bit_code(x);

	unicorn_reg_set(u, UC_X86_REG_FPCW, x->fcw);
	unicorn_reg_set(u, UC_X86_REG_FPSW, x->fsw); /* before the registers: it has their top */
	unicorn_reg_set(u, UC_X86_REG_FOP, x->fop);
	unicorn_reg_set(u, UC_X86_REG_FPTAG, tags_expand(x->ftw));
	unicorn_reg_set(u, UC_X86_REG_MXCSR, x->mxcsr);
	unicorn_reg_set(u, UC_X86_REG_FIP, is_64 ? x->fip : (uint32_t)x->fip);
	unicorn_reg_set(u, UC_X86_REG_FDP, is_64 ? x->fdp : (uint32_t)x->fdp);
	unicorn_reg_set(u, UC_X86_REG_FCS, is_64 ? 0 : (uint16_t)(x->fip >> 32));
	unicorn_reg_set(u, UC_X86_REG_FDS, is_64 ? 0 : (uint16_t)(x->fdp >> 32));
	for (int i = 0; i < 8; i++) {
		u->lib->uc_reg_write(u->uc, UC_X86_REG_ST0 + i, x->st[i]);
	}
	for (int i = 0; i < 16; i++) {
		u->lib->uc_reg_write(u->uc, UC_X86_REG_YMM0 + i, x->ymm[i]);
	}
}

static int x86_get_state(struct unicorn_engine *u, struct cpu_state *ret, struct errmsg *e)
{
	struct x86_state *x = x86_state(ret);
	const size_t cr = u->at.x86.cr;

	(void)e;
	memcpy(x->gpr, u->env, sizeof(x->gpr));
	x->rip = unicorn_env(u, RIP_OFFSET, 8);
	x->rflags = unicorn_reg(u, UC_X86_REG_RFLAGS);
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		seg_get(u, seg_offset(u, i), &x->seg[i]);
	}
	seg_get(u, u->at.x86.ldt, &x->ldtr);
	seg_get(u, tr_offset(u), &x->tr);
	dtr_get(u, tr_offset(u) + SEG_BYTES, &x->gdtr);
	dtr_get(u, tr_offset(u) + 2 * SEG_BYTES, &x->idtr);
	x->cr0 = unicorn_env(u, cr, 8);
	x->cr2 = unicorn_env(u, cr + 16, 8);
	x->cr3 = unicorn_env(u, cr + 24, 8);
	x->cr4 = unicorn_env(u, cr + 32, 8);
	memcpy(x->dr, u->env + u->at.x86.dr, sizeof(x->dr));
	x->efer = unicorn_env(u, efer_offset(u), 8);
	x->xcr0 = unicorn_env(u, u->at.x86.gsbase + XCR0_FROM_GSBASE, 8);
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		store_le((uint8_t *)x + msrs[i].offset, msr_get(u, msrs[i].msr), 8);
	}
	fpu_get(u, x);
	return 0;
}

static uint64_t hflags_of(const struct x86_state *x)
{
	uint64_t h = x86_cpl(x) | (x->rflags & HF_EFLAGS);
	uint64_t bases = x->seg[X86_DS].base | x->seg[X86_ES].base | x->seg[X86_SS].base;

	h |= x->cr0 & X86_CR0_PE ? HF_PE : 0;
	h |= (x->cr0 & (X86_CR0_MP | X86_CR0_EM | X86_CR0_TS)) << (HF_CR0_BITS - 1);
	h |= x->cr4 & X86_CR4_OSFXSR ? HF_OSFXSR : 0;
	h |= x->cr4 & X86_CR4_SMAP ? HF_SMAP : 0;
	h |= x->efer & X86_EFER_LMA ? HF_LMA : 0;
	if (x86_is_64bit_code(x)) {
		return h | HF_CS32 | HF_SS32 | HF_CS64;
	}
	h |= x->seg[X86_CS].attr & BIT(14) ? HF_CS32 : 0;
	h |= x->seg[X86_SS].attr & BIT(14) ? HF_SS32 : 0;
	if (!(x->cr0 & X86_CR0_PE) || (x->rflags & X86_FLAGS_VM) || !(h & HF_CS32) || bases) {
		h |= HF_ADDSEG;
	}
	return h;
}

static int x86_check(const struct x86_state *x, struct errmsg *e)
{
	if (x->cr8 != 0) {
		return errmsg_set(e, -EINVAL, "libunicorn has no task priority: cr8 must be 0");
	}
	return 0;
}

static int x86_set_state(struct unicorn_engine *u, const struct cpu_state *s, struct errmsg *e)
{
	const struct x86_state *x = x86_state_const(s);
	const size_t cr = u->at.x86.cr;
	int r;

	r = x86_check(x, e);
	if (r < 0) {
		return r;
	}
	memcpy(u->env, x->gpr, sizeof(x->gpr));
	unicorn_env_set(u, RIP_OFFSET, x->rip, 8);
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		msr_set(u, msrs[i].msr, load_le((const uint8_t *)x + msrs[i].offset, 8));
	}
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		seg_set(u, seg_offset(u, i), &x->seg[i]);
	}
	seg_set(u, u->at.x86.ldt, &x->ldtr);
	seg_set(u, tr_offset(u), &x->tr);
	dtr_set(u, tr_offset(u) + SEG_BYTES, &x->gdtr);
	dtr_set(u, tr_offset(u) + 2 * SEG_BYTES, &x->idtr);
	unicorn_env_set(u, cr, x->cr0, 8);
	unicorn_env_set(u, cr + 16, x->cr2, 8);
	unicorn_env_set(u, cr + 24, x->cr3, 8);
	unicorn_env_set(u, cr + 32, x->cr4, 8);
	memcpy(u->env + u->at.x86.dr, x->dr, sizeof(x->dr));
	unicorn_env_set(u, efer_offset(u), x->efer, 8);
	unicorn_env_set(u, u->at.x86.gsbase + XCR0_FROM_GSBASE, x->xcr0, 8);
	unicorn_env_set(u, seg_offset(u, 0) - 8, hflags_of(x), 4);
	unicorn_reg_set(u, UC_X86_REG_RFLAGS, x->rflags);
	fpu_set(u, x);
	unicorn_tlb_flush(UNICORN_TARGET_X86, u->ip.cpu);
	return 0;
}

static uint64_t x86_start_pc(struct unicorn_engine *u)
{
	return unicorn_env(u, RIP_OFFSET, 8);
}

static gva_t x86_linear_pc_of(struct unicorn_engine *u)
{
	uint64_t rip = unicorn_env(u, RIP_OFFSET, 8);

	if (unicorn_env(u, seg_offset(u, 0) - 8, 4) & HF_CS64) {
		return rip;
	}
	return (uint32_t)(rip + unicorn_env(u, seg_offset(u, X86_CS) + SEG_BASE, 8));
}

static void x86_describe(struct unicorn_engine *u, uint32_t intno, struct cpu_fault *ret)
{
	uint64_t error = unicorn_env(u, u->at.x86.dr + (size_t)ERROR_FROM_DR, 4);

	/* This one is delivered as far as the library knows: a later one is no double fault. */
	unicorn_env_set(u, u->at.x86.dr + OLD_EXCEPTION_FROM_DR, UINT32_MAX, 4);
	/* An INT's pc is already behind it. */
	unicorn_env_set(u, RIP_OFFSET,
			unicorn_env(u, RIP_OFFSET, 8) - (uint64_t)u->ip.x86_soft_int_bytes, 8);
	*ret = x86_fault_from_vector(intno, error, 0, unicorn_env(u, u->at.x86.cr + 16, 8));
	/* Without NX the error code does not tell fetches from reads. */
	if (intno == X86_PF && ret->address == u->target->linear_pc(u)) {
		ret->access = MEM_X;
	}
}

static void x86_describe_invalid(struct unicorn_engine *u, struct cpu_fault *ret)
{
	(void)u;
	*ret = x86_fault_from_vector(X86_UD, 0, 0, 0);
}

unsigned int unicorn_x86_code_bits(const struct unicorn_engine *u)
{
	uint64_t hflags = unicorn_env(u, seg_offset(u, 0) - 8, 4);

	return hflags & HF_CS64 ? 64 : hflags & HF_CS32 ? 32 : 16;
}

static bool x86_is_paging(struct unicorn_engine *u)
{
	return unicorn_env(u, u->at.x86.cr, 8) & X86_CR0_PG;
}

const struct unicorn_target unicorn_target_x86 = {
	.id = UNICORN_TARGET_X86,
	.arch = UC_ARCH_X86,
	.mode = UC_MODE_64,
	.cpu_model = UC_CPU_X86_ICELAKE_CLIENT,
	.probe_offset = 0,
	.probe_reg = UC_X86_REG_RAX,
	.init = x86_init,
	.get_state = x86_get_state,
	.set_state = x86_set_state,
	.start_pc = x86_start_pc,
	.linear_pc = x86_linear_pc_of,
	.describe = x86_describe,
	.describe_invalid = x86_describe_invalid,
	.is_paging = x86_is_paging,
	.finish_insn = unicorn_x86_system_call,
	.limit_block = unicorn_x86_limit_block,
};
