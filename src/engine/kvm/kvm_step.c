// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Single steps by KVM_GUESTDBG_SINGLESTEP, exact also on a KVM that emulates (docs/engine-kvm.md,
 * "Single step"), which has these peculiarities:
 *
 * - The step trap of ring-3 code is delivered to the guest. With an IDT that ends before any vector
 * it shows up as a shutdown instead, that names the vector and keeps the registers. So the IDT is
 * hidden during a step. Other exceptions end up the same way and are left to the caller.
 * - A stepped HLT is reported as a step, not as a halt.
 * - A step is asked for at an address; after an emulated instruction it must be asked for again.
 */
#include <string.h>

#include "engine/kvm/kvm_internal.h"

/** What must be known about the instruction to be stepped. */
struct step {
	bool is_hlt; /* in ring 0 */
	bool is_idt_hidden;
	struct kvm_dtable idt; /* the guest's */
};

/* SIDT would store the hidden table's limit: in ring 0 it is stepped with the table in place. */
static bool is_sidt(const uint8_t *bytes, size_t n)
{
	return n >= 3 && bytes[0] == 0x0f && bytes[1] == 0x01 && ((bytes[2] >> 3) & 7) == 1 &&
	       bytes[2] < 0xc0;
}

static int idt_swap(struct kvm_engine *k, const struct kvm_dtable *from,
		    const struct kvm_dtable *to, struct errmsg *e)
{
	struct kvm_sregs s;
	int r;

	r = kvm_vcpu_ioctl(&k->vm, KVM_GET_SREGS, &s);
	if (r == 0 && s.idt.base == from->base && s.idt.limit == from->limit) {
		s.idt.limit = to->limit; /* else: the instruction was LIDT */
		r = kvm_vcpu_ioctl(&k->vm, KVM_SET_SREGS, &s);
	}
	return r < 0 ? errmsg_set(e, r, "changing the IDT for a step: %s", strerror(-r)) : 0;
}

static int step_begin(struct kvm_engine *k, struct step *s, struct errmsg *e)
{
	uint8_t bytes[KVM_INSN_BYTES_MAX];
	struct kvm_dtable hidden;
	struct x86_state x;
	size_t n;
	int r;

	*s = (struct step){ .is_hlt = false };
	if (!k->traits.is_emulating) {
		return 0;
	}
	r = kvm_state_get_core(&k->vm, k->arch->id == CPU_ARCH_X64, &x, e);
	if (r < 0) {
		return r;
	}
	n = kvm_fault_fetch(k, &x, bytes);
	s->is_hlt = n >= 1 && bytes[0] == 0xf4;
	if (!(x.cr0 & X86_CR0_PE) || is_sidt(bytes, n) || x.idtr.limit == 0) {
		return 0;
	}
	s->is_idt_hidden = true;
	s->idt = (struct kvm_dtable){ .base = x.idtr.base, .limit = x.idtr.limit };
	hidden = (struct kvm_dtable){ .base = x.idtr.base, .limit = 0 };
	return idt_swap(k, &s->idt, &hidden, e);
}

static int step_end(struct kvm_engine *k, const struct step *s, struct errmsg *e)
{
	struct kvm_dtable hidden = { .base = s->idt.base, .limit = 0 };

	return s->is_idt_hidden ? idt_swap(k, &hidden, &s->idt, e) : 0;
}

/* What a step's outcome means once the peculiarities are taken back. */
static void step_sort(const struct step *s, struct vm_exit *ret, enum kvm_verdict *v)
{
	if (*v == KVM_STEPPED && s->is_hlt) {
		ret->kind = VM_EXIT_HALT;
		*v = KVM_STOP;
	} else if (*v == KVM_STOP && ret->kind == VM_EXIT_SHUTDOWN && ret->fault.vector == X86_DB) {
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
	int ended;

	r = step_begin(k, &s, e);
	if (r < 0) {
		return r;
	}
	k->is_debug_stale = true;
	r = kvm_run_debug_set(k, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, e);
	*v = KVM_GO_ON;
	while (r == 0 && *v == KVM_GO_ON) {
		r = kvm_run_enter(k, ret, v, &is_access, e);
		if (r == 0 && is_access) {
			r = kvm_run_finish_access(k, ret, stop, v, e);
		}
	}
	ended = step_end(k, &s, e);
	if (r == 0) {
		step_sort(&s, ret, v);
	}
	return r < 0 ? r : ended;
}

/* HLT, and an access after which a device wants to stop, are executed instructions too. */
int kvm_step_run(struct kvm_engine *k, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	enum kvm_verdict v;
	bool stop = false;
	int r;

	while (ret->insns < max_insns) {
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
