// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IRETQ from ring 0 to ring 3, for single steps on a KVM that runs ring 3 natively and then forgets
 * the step: it would execute all that follows up to the next exit. Source: Intel SDM volume 2,
 * IRET/IRETD. Only returns that surely succeed are done here; all others may fault and are KVM's.
 * Data segment registers with segments of ring 0 become null on a CPU but not on such a KVM: they
 * stay here too, so that a stepped run ends as any other.
 */
#include <string.h>

#include "engine/kvm/kvm_internal.h"

/** What IRETQ pops. */
struct frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

#define SEL_RPL	     3u
#define SEL_TI	     4u
#define FLAGS_LOADED 0x257fd7ULL /* what IRETQ in ring 0 takes from the frame, VM aside */
#define FLAGS_UNFIT  (X86_FLAGS_TF | X86_FLAGS_VM | X86_FLAGS_NT)

static bool read_linear(const struct kvm_engine *k, const struct x86_state *x, gva_t gva, void *buf,
			size_t n)
{
	struct cpu_state s = { .arch = k->arch->id };
	uint8_t *to = buf;

	*x86_state(&s) = *x;
	while (n > 0) {
		uint64_t left = PAGE_BYTES - (gva & (PAGE_BYTES - 1));
		size_t part = left < n ? (size_t)left : n;
		struct cpu_fault f;
		gpa_t gpa;

		if (!k->arch->page_walk(&s, k->mem, gva, 0, &gpa, &f) ||
		    mem_peek(k->mem, gpa, to, part) != part) {
			return false;
		}
		gva += part;
		to += part;
		n -= part;
	}
	return true;
}

/* A segment of the GDT as its register would hold it. */
static bool read_segment(const struct kvm_engine *k, const struct x86_state *x, uint64_t sel,
			 struct x86_seg *ret)
{
	uint64_t at = sel & 0xfff8;
	uint64_t d;
	uint64_t limit;

	if (sel & SEL_TI || at == 0 || at + 7 > x->gdtr.limit ||
	    !read_linear(k, x, x->gdtr.base + at, &d, sizeof(d))) {
		return false;
	}
	limit = (d & 0xffff) | (d >> 32 & 0xf0000);
	*ret = (struct x86_seg){
		.sel = (uint16_t)sel,
		.attr = (uint16_t)(d >> 40 & 0xf0ff),
		.base = (d >> 16 & 0xffffff) | (d >> 56) << 24,
	};
	ret->limit = (uint32_t)(ret->attr & BIT(15) ? limit << 12 | 0xfff : limit);
	return true;
}

/* Present, of ring 3, accessed already: code is 64-bit and not conforming, data can be written. */
static bool are_segments_good(const struct x86_seg *cs, const struct x86_seg *ss)
{
	return (cs->sel & SEL_RPL) == 3 && (ss->sel & SEL_RPL) == 3 &&
	       (cs->attr & 0x60fd) == 0x20f9 && (ss->attr & 0xff) == 0xf3;
}

static bool is_canonical(uint64_t gva)
{
	return gva < BIT(47) || gva >= UINT64_MAX - (BIT(47) - 1);
}

static void load_segment(const struct x86_seg *from, struct kvm_segment *to)
{
	*to = (struct kvm_segment){
		.selector = from->sel,
		.base = from->base,
		.limit = from->limit,
		.type = from->attr & 15,
		.s = 1,
		.dpl = 3,
		.present = 1,
		.avl = from->attr >> 12 & 1,
		.l = from->attr >> 13 & 1,
		.db = from->attr >> 14 & 1,
		.g = from->attr >> 15 & 1,
	};
}

static int load(struct kvm_engine *k, const struct frame *f, const struct x86_seg *cs,
		const struct x86_seg *ss, struct errmsg *e)
{
	struct kvm_regs regs;
	struct kvm_sregs s;
	int r;

	r = kvm_vcpu_ioctl(&k->vm, KVM_GET_REGS, &regs);
	r = r < 0 ? r : kvm_vcpu_ioctl(&k->vm, KVM_GET_SREGS, &s);
	if (r < 0) {
		return errmsg_set(e, r, "reading registers for IRET: %s", strerror(-r));
	}
	regs.rip = f->rip;
	regs.rsp = f->rsp;
	regs.rflags = (f->rflags & FLAGS_LOADED) | X86_FLAGS_FIXED;
	load_segment(cs, &s.cs);
	load_segment(ss, &s.ss);
	r = kvm_vcpu_ioctl(&k->vm, KVM_SET_SREGS, &s);
	r = r < 0 ? r : kvm_vcpu_ioctl(&k->vm, KVM_SET_REGS, &regs);
	return r < 0 ? errmsg_set(e, r, "setting registers for IRET: %s", strerror(-r)) : 0;
}

int kvm_iret_to_ring3(struct kvm_engine *k, const struct x86_state *x, bool *ret_done,
		      struct errmsg *e)
{
	struct x86_seg cs;
	struct x86_seg ss;
	struct frame f;
	int r;

	*ret_done = false;
	if (!x86_is_64bit_code(x) || x86_cpl(x) != 0 || x->rflags & X86_FLAGS_NT ||
	    !read_linear(k, x, x->gpr[X86_RSP], &f, sizeof(f)) || !read_segment(k, x, f.cs, &cs) ||
	    !read_segment(k, x, f.ss, &ss) || !are_segments_good(&cs, &ss) ||
	    f.rflags & FLAGS_UNFIT || !is_canonical(f.rip)) {
		return 0;
	}
	r = load(k, &f, &cs, &ss, e);
	*ret_done = r == 0;
	return r;
}
