/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's CPU as a signal frame of 32-bit Arm shows it. Source: Linux, arch/arm/include/asm/ucontext.h. */
#include <string.h>

#include "referee.h"

#define VFP_MAGIC 0x56465001u

/** In uc_regspace; other records may stand in front of it. */
struct vfp_record {
	uint32_t magic;
	uint32_t bytes;
	uint64_t d[32];
	uint32_t fpscr;
};

void referee_prepare(void)
{
}

static struct vfp_record *vfp_record(const ucontext_t *uc)
{
	uintptr_t p = (uintptr_t)uc->uc_regspace;

	for (int i = 0; i < 4; i++) {
		struct vfp_record *r = (struct vfp_record *)p;

		if (r->magic == VFP_MAGIC || r->bytes == 0) {
			return r->magic == VFP_MAGIC ? r : NULL;
		}
		p += r->bytes;
	}
	return NULL;
}

void referee_context_load(ucontext_t *uc, const struct wire_case *c)
{
	struct vfp_record *vfp = vfp_record(uc);
	unsigned long *r = &uc->uc_mcontext.arm_r0;

	for (int i = 0; i < 15; i++) {
		r[i] = (unsigned long)c->start.gpr[i];
	}
	uc->uc_mcontext.arm_pc = WIRE_CODE_ADDR;
	uc->uc_mcontext.arm_cpsr = (uc->uc_mcontext.arm_cpsr & 0x1ff) | (uint32_t)c->start.flags;
	uc->uc_mcontext.arm_cpsr &= ~0x20ul;
	uc->uc_mcontext.arm_cpsr |= c->isa == WIRE_ISA_THUMB ? 0x20 : 0;
	if (vfp) {
		memcpy(vfp->d, c->start.vec, sizeof(vfp->d));
		vfp->fpscr = (uint32_t)c->start.fp_control;
	}
}

void referee_context_save(const ucontext_t *uc, struct wire_state *ret)
{
	const struct vfp_record *vfp = vfp_record(uc);
	const unsigned long *r = &uc->uc_mcontext.arm_r0;

	for (int i = 0; i < 15; i++) {
		ret->gpr[i] = r[i];
	}
	ret->pc = uc->uc_mcontext.arm_pc;
	ret->flags = uc->uc_mcontext.arm_cpsr;
	if (vfp) {
		memcpy(ret->vec, vfp->d, sizeof(vfp->d));
		ret->fp_control = vfp->fpscr;
	}
}
