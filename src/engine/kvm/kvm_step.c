// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Single steps by KVM_GUESTDBG_SINGLESTEP, exact also on a KVM that emulates (docs/engine-kvm.md,
 * "Single step"), which has these peculiarities:
 *
 * - The step trap of ring-3 code is delivered to the guest. With an IDT that ends before any vector
 * it shows up as a shutdown instead, that names the vector and keeps the registers. So the IDT is
 * hidden during a step. Other exceptions end up the same way and are left to the caller.
 * - A stepped HLT is reported as a step, not as a halt.
 * - IRETQ to ring 3 forgets that a step was asked for: kvm_iret.c does its work.
 * - A step is asked for at an address; after an emulated instruction it must be asked for again.
 */
#include <string.h>

#include "engine/kvm/kvm_internal.h"

#define DR6_BS BIT(14)

/** What must be known about the instruction to be stepped. */
struct step {
	bool is_hlt;  /* in ring 0 */
	bool is_done; /* by us, in KVM's stead */
	bool is_idt_hidden;
};

static bool is_prefix(uint8_t byte, bool is_64bit)
{
	static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
					    0x66, 0x67, 0xf0, 0xf2, 0xf3 };

	return memchr(prefixes, byte, sizeof(prefixes)) || (is_64bit && (byte & 0xf0) == 0x40);
}

/*
 * SIDT would store the hidden table's limit, and what LIDT loads could be taken for it: they are
 * stepped with the table in place.
 */
static bool is_about_idt(const uint8_t *bytes, size_t n, bool is_64bit)
{
	size_t i = 0;

	while (i < n && is_prefix(bytes[i], is_64bit)) {
		i++;
	}
	return n - i >= 3 && bytes[i] == 0x0f && bytes[i + 1] == 0x01 && bytes[i + 2] < 0xc0 &&
	       ((bytes[i + 2] >> 3) & 5) == 1; /* /1 and /3 */
}

/* The limit alone changes. */
static int idt_set_limit(struct kvm_engine *k, uint16_t limit, struct errmsg *e)
{
	struct kvm_sregs s;
	int r;

	r = kvm_vcpu_ioctl(&k->vm, KVM_GET_SREGS, &s);
	if (r == 0) {
		s.idt.limit = limit;
		r = kvm_vcpu_ioctl(&k->vm, KVM_SET_SREGS, &s);
	}
	return r < 0 ? errmsg_set(e, r, "changing the IDT for a step: %s", strerror(-r)) : 0;
}

static int hide_idt(struct kvm_engine *k, const struct x86_dtr *idt, struct errmsg *e)
{
	int r;

	r = idt_set_limit(k, 0, e);
	if (r == 0) {
		k->is_idt_hidden = true;
		k->idt = (struct kvm_dtable){ .base = idt->base, .limit = idt->limit };
	}
	return r;
}

int kvm_step_show_idt(struct kvm_engine *k, struct errmsg *e)
{
	int r;

	if (!k->is_idt_hidden) {
		return 0;
	}
	r = idt_set_limit(k, k->idt.limit, e);
	if (r == 0) {
		k->is_idt_hidden = false;
	}
	return r;
}

void kvm_step_fix_idt(const struct kvm_engine *k, struct x86_state *x)
{
	if (k->is_idt_hidden) {
		x->idtr.limit = k->idt.limit;
	}
}

/* The IDT stays hidden from one step to the next. */
static int step_begin(struct kvm_engine *k, struct step *s, struct errmsg *e)
{
	uint8_t bytes[KVM_INSN_BYTES_MAX];
	bool is_64bit = k->arch->id == CPU_ARCH_X64;
	struct x86_state x;
	size_t n;
	int r;

	*s = (struct step){ .is_hlt = false };
	if (!k->traits.is_emulating) {
		return 0;
	}
	r = kvm_state_get_core(&k->vm, is_64bit, &x, e);
	if (r < 0) {
		return r;
	}
	kvm_step_fix_idt(k, &x);
	n = kvm_fault_fetch(k, &x, bytes);
	s->is_hlt = n >= 1 && bytes[0] == 0xf4;
	if (n >= 2 && bytes[0] == 0x48 && bytes[1] == 0xcf) {
		r = kvm_iret_to_ring3(k, &x, &s->is_done, e);
		if (r < 0 || s->is_done) {
			return r;
		}
	}
	if (!(x.cr0 & X86_CR0_PE) || is_about_idt(bytes, n, is_64bit) || x.idtr.limit == 0) {
		return kvm_step_show_idt(k, e);
	}
	s->is_idt_hidden = true;
	return k->is_idt_hidden ? 0 : hide_idt(k, &x.idtr, e);
}

/* A trap that KVM has let the CPU take leaves BS in DR6, which the guest must not see. */
static int dr6_clear_bs(struct kvm_engine *k, struct errmsg *e)
{
	struct kvm_debugregs dr;
	int r;

	if (!k->has_trapped) {
		return 0;
	}
	r = kvm_vcpu_ioctl(&k->vm, KVM_GET_DEBUGREGS, &dr);
	if (r == 0) {
		dr.dr6 &= ~DR6_BS;
		r = kvm_vcpu_ioctl(&k->vm, KVM_SET_DEBUGREGS, &dr);
	}
	if (r < 0) {
		return errmsg_set(e, r, "debug registers after a step: %s", strerror(-r));
	}
	k->has_trapped = false;
	return 0;
}

/* What a step's outcome means once the peculiarities are taken back. */
static void step_sort(struct kvm_engine *k, const struct step *s, struct vm_exit *ret,
		      enum kvm_verdict *v)
{
	if (*v == KVM_STEPPED && s->is_hlt) {
		ret->kind = VM_EXIT_HALT;
		*v = KVM_STOP;
	} else if (*v == KVM_STOP && ret->kind == VM_EXIT_SHUTDOWN && ret->fault.vector == X86_DB) {
		k->has_trapped = true;
		*v = KVM_STEPPED;
	} else if (*v == KVM_STOP && ret->kind == VM_EXIT_SHUTDOWN && s->is_idt_hidden) {
		ret->kind = VM_EXIT_EXCEPTION;
	}
}

/* Execute one instruction: KVM_STEPPED, or KVM_STOP with the exit. */
static int step_one(struct kvm_engine *k, struct vm_exit *ret, bool *stop, enum kvm_verdict *v,
		    struct errmsg *e)
{
	struct step s;
	bool is_access;
	int r;

	r = step_begin(k, &s, e);
	if (r < 0) {
		return r;
	}
	k->is_debug_stale = true;
	if (s.is_done) {
		*v = KVM_STEPPED;
		return 0;
	}
	if (k->vm.can_share_regs) {
		k->vm.run->kvm_valid_regs = KVM_SHARED_REGS;
	}
	r = kvm_run_debug_set(k, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, e);
	*v = KVM_GO_ON;
	while (r == 0 && *v == KVM_GO_ON) {
		r = kvm_run_enter(k, ret, v, &is_access, e);
		if (r == 0 && is_access) {
			r = kvm_run_finish_access(k, ret, stop, v, e);
		}
	}
	k->vm.run->kvm_valid_regs = 0;
	if (r == 0) {
		step_sort(k, &s, ret, v);
	}
	return r;
}

/* HLT, and an access after which a device wants to stop, are executed instructions too. */
static int step_many(struct kvm_engine *k, uint64_t max_insns, struct vm_exit *ret,
		     struct errmsg *e)
{
	enum kvm_verdict v;
	bool stop = false;
	int r;

	while (ret->insns < max_insns) {
		/* The first: one that was already reported. */
		if (ret->insns > 0 && k->n_breakpoints && kvm_run_is_at_breakpoint(k)) {
			ret->kind = VM_EXIT_BREAKPOINT;
			return 0;
		}
		r = step_one(k, ret, &stop, &v, e);
		if (r < 0) {
			return r;
		}
		if (v == KVM_STEPPED || ret->kind == VM_EXIT_HALT) {
			ret->insns++;
		}
		if (v == KVM_STOP) {
			return 0;
		}
		if (stop) {
			ret->kind = VM_EXIT_BUS_STOP;
			return 0;
		}
	}
	ret->kind = VM_EXIT_INSN_LIMIT;
	return 0;
}

int kvm_step_run(struct kvm_engine *k, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	int r;

	r = step_many(k, max_insns, ret, e);
	return r < 0 ? r : dr6_clear_bs(k, e);
}
