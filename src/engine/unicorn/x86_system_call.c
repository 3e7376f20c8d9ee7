/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL and SYSENTER, which the library only steps over. Source: Intel SDM volume 2.
 */
#include "cpu/x86/x86.h"
#include "engine/unicorn/unicorn_priv.h"

#define ATTR_CODE64 0xa09bu
#define ATTR_CODE32 0xc09bu
#define ATTR_DATA   0xc093u

static struct x86_seg flat(uint64_t sel, uint16_t attr)
{
	return (struct x86_seg){ .sel = (uint16_t)(sel & ~3ULL),
				 .attr = attr,
				 .limit = 0xffffffff };
}

static bool do_syscall(struct x86_state *x)
{
	bool is_64 = x86_is_64bit_code(x);

	if (!(x->efer & X86_EFER_SCE) || !(x->efer & X86_EFER_LMA)) {
		return false;
	}
	x->gpr[X86_RCX] = x->rip + 2;
	x->gpr[X86_R11] = x->rflags;
	x->rip = is_64 ? x->lstar : x->cstar;
	x->rflags = (x->rflags & ~(x->fmask | X86_FLAGS_RF)) | X86_FLAGS_FIXED;
	x->seg[X86_CS] = flat(x->star >> 32, ATTR_CODE64);
	x->seg[X86_SS] = flat((x->star >> 32) + 8, ATTR_DATA);
	return true;
}

static bool do_sysenter(struct x86_state *x)
{
	bool is_long = x->efer & X86_EFER_LMA;

	if (!(x->cr0 & X86_CR0_PE) || (x->sysenter_cs & 0xfffc) == 0) {
		return false;
	}
	x->rflags &= ~(X86_FLAGS_VM | X86_FLAGS_IF | X86_FLAGS_RF);
	x->gpr[X86_RSP] = x->sysenter_esp;
	x->rip = x->sysenter_eip;
	x->seg[X86_CS] = flat(x->sysenter_cs, is_long ? ATTR_CODE64 : ATTR_CODE32);
	x->seg[X86_SS] = flat((x->sysenter_cs & ~3ULL) + 8, ATTR_DATA);
	return true;
}

int unicorn_x86_system_call(struct unicorn_engine *u, struct vm_exit *ret, struct errmsg *e)
{
	struct cpu_state s = { .arch = u->arch->id };
	struct x86_state *x = x86_state(&s);
	uint8_t code[2] = { 0 };
	bool is_syscall;
	int r;

	r = u->target->get_state(u, &s, e);
	if (r < 0) {
		return r;
	}
	gpa_t gpa = u->target->linear_pc(u);
	struct cpu_fault f;

	if (u->arch->page_walk(&s, u->mem, gpa, 0, &gpa, &f)) {
		mem_peek(u->mem, gpa, code, sizeof(code));
	}
	is_syscall = code[1] == 0x05; /* 0F 05; SYSENTER is 0F 34 */
	if (!(is_syscall ? do_syscall(x) : do_sysenter(x))) {
		ret->kind = VM_EXIT_EXCEPTION;
		ret->fault = x86_fault_from_vector(is_syscall ? X86_UD : X86_GP, 0,
						   u->target->linear_pc(u), 0);
		return 1;
	}
	return u->target->set_state(u, &s, e);
}
