/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's CPU as a signal frame of AArch64 shows it. Source: Linux, arch/arm64/include/uapi/asm/sigcontext.h. */
#include <string.h>

#include "referee.h"

#define NZCV 0xf0000000u

void referee_prepare(void)
{
}

/* The kernel puts the floating-point record first. */
static struct fpsimd_context *fp_record(const ucontext_t *uc)
{
	struct fpsimd_context *fp = (struct fpsimd_context *)(uintptr_t)uc->uc_mcontext.__reserved;

	return fp->head.magic == FPSIMD_MAGIC ? fp : NULL;
}

void referee_context_load(ucontext_t *uc, const struct wire_case *c)
{
	struct fpsimd_context *fp = fp_record(uc);

	for (int i = 0; i < 31; i++) {
		uc->uc_mcontext.regs[i] = c->start.gpr[i];
	}
	uc->uc_mcontext.sp = c->start.gpr[31];
	uc->uc_mcontext.pc = WIRE_CODE_ADDR;
	uc->uc_mcontext.pstate = (uc->uc_mcontext.pstate & ~(unsigned long long)NZCV) | (c->start.flags & NZCV);
	if (fp) {
		memcpy(fp->vregs, c->start.vec, sizeof(fp->vregs));
		fp->fpcr = (uint32_t)c->start.fp_control;
		fp->fpsr = (uint32_t)c->start.fp_status;
	}
}

void referee_context_save(const ucontext_t *uc, struct wire_state *ret)
{
	const struct fpsimd_context *fp = fp_record(uc);

	for (int i = 0; i < 31; i++) {
		ret->gpr[i] = uc->uc_mcontext.regs[i];
	}
	ret->gpr[31] = uc->uc_mcontext.sp;
	ret->pc = uc->uc_mcontext.pc;
	ret->flags = uc->uc_mcontext.pstate;
	if (fp) {
		memcpy(ret->vec, fp->vregs, sizeof(fp->vregs));
		ret->fp_control = fp->fpcr;
		ret->fp_status = fp->fpsr;
	}
}
