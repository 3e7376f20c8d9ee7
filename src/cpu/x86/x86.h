/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of a 32-bit or 64-bit x86 CPU. Source: Intel SDM volume 3, chapters 2 to 6. */
#ifndef PINFOLD_CPU_X86_X86_H
#define PINFOLD_CPU_X86_X86_H

#include "cpu/cpu.h"

/** Order of gpr[]: the encoding's. */
enum x86_gpr {
	X86_RAX,
	X86_RCX,
	X86_RDX,
	X86_RBX,
	X86_RSP,
	X86_RBP,
	X86_RSI,
	X86_RDI,
	X86_R8,
	X86_R9,
	X86_R10,
	X86_R11,
	X86_R12,
	X86_R13,
	X86_R14,
	X86_R15,
};

/** Order of seg[]: the encoding's. */
enum x86_seg_idx { X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS };

/** A segment register with its hidden part. */
struct x86_seg {
	uint16_t sel;
	uint16_t
		attr; /* descriptor bits 40..55: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15 */
	uint32_t limit; /* in bytes, G already applied */
	uint64_t base;
};

/** GDTR or IDTR. */
struct x86_dtr {
	uint64_t base;
	uint16_t limit;
	uint16_t pad[3];
};

#define X86_CR0_PE	   BIT(0)
#define X86_CR0_MP	   BIT(1)
#define X86_CR0_EM	   BIT(2)
#define X86_CR0_TS	   BIT(3)
#define X86_CR0_ET	   BIT(4)
#define X86_CR0_NE	   BIT(5)
#define X86_CR0_WP	   BIT(16)
#define X86_CR0_PG	   BIT(31)
#define X86_CR4_PSE	   BIT(4)
#define X86_CR4_PAE	   BIT(5)
#define X86_CR4_SMEP	   BIT(20)
#define X86_CR4_SMAP	   BIT(21)
#define X86_CR4_OSFXSR	   BIT(9)
#define X86_CR4_OSXMMEXCPT BIT(10)
#define X86_EFER_SCE	   BIT(0)
#define X86_EFER_LME	   BIT(8)
#define X86_EFER_LMA	   BIT(10)
#define X86_EFER_NXE	   BIT(11)
#define X86_FLAGS_FIXED	   BIT(1)
#define X86_FLAGS_TF	   BIT(8)
#define X86_FLAGS_IF	   BIT(9)
#define X86_FLAGS_IOPL	   (BIT(12) | BIT(13))
#define X86_FLAGS_NT	   BIT(14)
#define X86_FLAGS_RF	   BIT(16)
#define X86_FLAGS_VM	   BIT(17)
#define X86_FLAGS_AC	   BIT(18)

/** Exception vectors. */
enum x86_vector {
	X86_DE = 0,
	X86_DB = 1,
	X86_NMI = 2,
	X86_BP = 3,
	X86_OF = 4,
	X86_BR = 5,
	X86_UD = 6,
	X86_NM = 7,
	X86_DF = 8,
	X86_TS = 10,
	X86_NP = 11,
	X86_SSF = 12,
	X86_GP = 13,
	X86_PF = 14,
	X86_MF = 16,
	X86_AC = 17,
	X86_MC = 18,
	X86_XM = 19,
};

struct x86_state {
	uint64_t gpr[16];
	uint64_t rip;
	uint64_t rflags;
	struct x86_seg seg[6];
	struct x86_seg ldtr;
	struct x86_seg tr;
	struct x86_dtr gdtr;
	struct x86_dtr idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t dr[8]; /* 4 and 5 unused */
	uint64_t efer;
	uint64_t star, lstar, cstar, fmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat;
	uint64_t xcr0;
	uint16_t fcw, fsw, fop;
	uint8_t ftw; /* abridged as in FXSAVE: bit set = register in use */
	uint8_t pad0;
	uint32_t mxcsr;
	uint64_t fip, fdp;   /* as in FXSAVE: outside 64-bit code bits 32..47 are the selector */
	uint8_t st[8][16];   /* 10 bytes each, in stack order: st[0] is ST(0) */
	uint8_t ymm[16][32]; /* low half is XMM */
};

static inline struct x86_state *x86_state(struct cpu_state *s)
{
	return (struct x86_state *)(void *)s->bytes; /* bytes[] is aligned to 16 */
}

static inline const struct x86_state *x86_state_const(const struct cpu_state *s)
{
	return (const struct x86_state *)(const void *)s->bytes;
}

/** Whether CS makes this 64-bit code now. */
static inline bool x86_is_64bit_code(const struct x86_state *x)
{
	return (x->efer & X86_EFER_LMA) && (x->seg[X86_CS].attr & BIT(13));
}

/** Privilege level, 0 to 3. */
static inline unsigned int x86_cpl(const struct x86_state *x)
{
	if (!(x->cr0 & X86_CR0_PE)) {
		return 0;
	}
	return x->rflags & X86_FLAGS_VM ? 3 : x->seg[X86_CS].sel & 3;
}

/** Turn vector, error code and CR2 into the shared description. @p pc is the linear address. */
struct cpu_fault x86_fault_from_vector(uint32_t vector, uint64_t error_code, gva_t pc, gva_t cr2);

/**
 * Fill the hidden part of a segment from its descriptor, as a load would (real mode: from the
 * selector). For engines that show only selectors.
 * @return false when the descriptor can't be read; the hidden part is a flat default then
 */
bool x86_seg_reload(const struct x86_state *x, const struct mem *m, struct x86_seg *seg);

extern const struct cpu_arch x86_arch;
extern const struct cpu_arch x64_arch;

#endif
