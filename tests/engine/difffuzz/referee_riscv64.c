/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's CPU as a signal frame of RV64 shows it: register 0 is the program counter. */
#include <string.h>

#include "referee.h"

void referee_prepare(void)
{
}

void referee_context_load(ucontext_t *uc, const struct wire_case *c)
{
	for (int i = 1; i < 32; i++) {
		uc->uc_mcontext.__gregs[i] = c->start.gpr[i];
	}
	uc->uc_mcontext.__gregs[0] = WIRE_CODE_ADDR;
	for (int i = 0; i < 32; i++) {
		uc->uc_mcontext.__fpregs.__d.__f[i] = c->start.vec[i][0];
	}
	uc->uc_mcontext.__fpregs.__d.__fcsr = (uint32_t)c->start.fp_control;
}

void referee_context_save(const ucontext_t *uc, struct wire_state *ret)
{
	for (int i = 1; i < 32; i++) {
		ret->gpr[i] = uc->uc_mcontext.__gregs[i];
	}
	ret->pc = uc->uc_mcontext.__gregs[0];
	for (int i = 0; i < 32; i++) {
		ret->vec[i][0] = uc->uc_mcontext.__fpregs.__d.__f[i];
	}
	ret->fp_control = uc->uc_mcontext.__fpregs.__d.__fcsr;
}
