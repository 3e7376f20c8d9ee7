/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The referee's CPU is the host's: x64 code, and x86 code in the same process through the kernel's 32-bit code
 * segment, which a signal frame may name like any other.
 */
#include <string.h>

#include "referee.h"

#define SEL_USER_CODE32 0x23u
#define SEL_USER_DATA	0x2bu
#define SEL_USER_CODE64 0x33u
#define CONTEXT_SS	0x2u /* UC_SIGCONTEXT_SS: the frame's SS is meant */
#define FLAGS_KEPT	0x8d5u

/* In order of the encoding. */
static const int gregs[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
			       REG_R8,	REG_R9,	 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

void referee_prepare(void)
{
	/* 64-bit code runs with null selectors here; 32-bit code can't. */
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(SEL_USER_DATA));
}

void referee_context_load(ucontext_t *uc, const struct wire_case *c)
{
	greg_t *g = uc->uc_mcontext.gregs;
	uint64_t cs = c->isa == WIRE_ISA_X86 ? SEL_USER_CODE32 : SEL_USER_CODE64;

	for (int i = 0; i < 16; i++) {
		g[gregs[i]] = (greg_t)c->start.gpr[i];
	}
	g[REG_RIP] = WIRE_CODE_ADDR;
	g[REG_EFL] = (greg_t)(c->start.flags & FLAGS_KEPT) | 0x202;
	g[REG_CSGSFS] = (greg_t)(cs | (uint64_t)SEL_USER_DATA << 48);
	uc->uc_flags |= CONTEXT_SS;
	uc->uc_mcontext.fpregs->mxcsr = (uint32_t)c->start.fp_control;
	memcpy(uc->uc_mcontext.fpregs->_xmm, c->start.vec, sizeof(uc->uc_mcontext.fpregs->_xmm));
}

void referee_context_save(const ucontext_t *uc, struct wire_state *ret)
{
	const greg_t *g = uc->uc_mcontext.gregs;

	for (int i = 0; i < 16; i++) {
		ret->gpr[i] = (uint64_t)g[gregs[i]];
	}
	ret->pc = (uint64_t)g[REG_RIP];
	ret->flags = (uint64_t)g[REG_EFL];
	ret->fp_control = uc->uc_mcontext.fpregs->mxcsr;
	memcpy(ret->vec, uc->uc_mcontext.fpregs->_xmm, sizeof(uc->uc_mcontext.fpregs->_xmm));
}
