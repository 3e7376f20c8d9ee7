// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The canonical struct x86_state to and from KVM's own register sets. Source: Intel SDM volume 1,
 * chapters 10 and 13 (FXSAVE and XSAVE layout); Linux Documentation/virt/kvm/api.rst.
 *
 * KVM_GET_FPU does not carry MXCSR everywhere, so the vector unit goes through KVM_GET_XSAVE, whose
 * layout is the CPU's own.
 */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "engine/kvm/kvm_internal.h"

#define RFLAGS_RF BIT(16)

#define XCR0_X87 BIT(0)
#define XCR0_SSE BIT(1)
#define XCR0_AVX BIT(2)

/* Offsets in the XSAVE area; the AVX part is where CPUID(0xd, 2).EBX puts it on every CPU so far.
 */
enum {
	XS_FCW = 0,
	XS_FSW = 2,
	XS_FTW = 4,
	XS_FOP = 6,
	XS_FIP = 8,
	XS_FDP = 16,
	XS_MXCSR = 24,
	XS_ST = 32,
	XS_XMM = 160,
	XS_BV = 512,
	XS_YMM_HIGH = 576,
};

/* The MSRs of the state, in the order of msr_fields(). */
static const uint32_t msr_index[] = {
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0x174, 0x175, 0x176, 0x277,
};
#define MSR_COUNT ARRAY_SIZE(msr_index)

/* struct kvm_msrs with room for its entries. */
struct msr_buffer {
	uint32_t nmsrs;
	uint32_t pad;
	struct kvm_msr_entry entries[MSR_COUNT];
};

static void msr_fields(struct x86_state *x, uint64_t *ret[MSR_COUNT])
{
	uint64_t *const fields[MSR_COUNT] = {
		&x->star,	 &x->lstar,	   &x->cstar,	     &x->fmask, &x->kernel_gs_base,
		&x->sysenter_cs, &x->sysenter_esp, &x->sysenter_eip, &x->pat,
	};

	memcpy(ret, fields, sizeof(fields));
}

static int check(int r, const char *what, struct errmsg *e)
{
	return r < 0 ? errmsg_set(e, r, "%s: %s", what, strerror(-r)) : 0;
}

static void seg_from_kvm(const struct kvm_segment *s, struct x86_seg *ret)
{
	*ret = (struct x86_seg){ .sel = s->selector, .limit = s->limit, .base = s->base };
	if (!s->unusable) {
		ret->attr = (uint16_t)((s->type & 15u) | (s->s & 1u) << 4 | (s->dpl & 3u) << 5 |
				       (s->present & 1u) << 7 | (s->avl & 1u) << 12 |
				       (s->l & 1u) << 13 | (s->db & 1u) << 14 | (s->g & 1u) << 15);
	}
}

static void seg_to_kvm(const struct x86_seg *s, struct kvm_segment *ret)
{
	uint16_t a = s->attr;

	*ret = (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->sel,
		.type = a & 15,
		.s = (a >> 4) & 1,
		.dpl = (a >> 5) & 3,
		.present = (a >> 7) & 1,
		.avl = (a >> 12) & 1,
		.l = (a >> 13) & 1,
		.db = (a >> 14) & 1,
		.g = (a >> 15) & 1,
		.unusable = !((a >> 7) & 1),
	};
}

static struct kvm_segment *seg_of_kvm(struct kvm_sregs *s, size_t i)
{
	struct kvm_segment *const segs[] = { &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs };

	return segs[i];
}

static void gprs_from_kvm(const struct kvm_regs *r, bool is_64bit, struct x86_state *x)
{
	const uint64_t v[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
				 r->r8,	 r->r9,	 r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };

	memcpy(x->gpr, v, is_64bit ? sizeof(v) : sizeof(v) / 2);
	x->rip = r->rip;
	x->rflags = r->rflags & ~RFLAGS_RF;
}

static void gprs_to_kvm(const struct x86_state *x, struct kvm_regs *r)
{
	const uint64_t *g = x->gpr;

	*r = (struct kvm_regs){
		.rax = g[X86_RAX],
		.rcx = g[X86_RCX],
		.rdx = g[X86_RDX],
		.rbx = g[X86_RBX],
		.rsp = g[X86_RSP],
		.rbp = g[X86_RBP],
		.rsi = g[X86_RSI],
		.rdi = g[X86_RDI],
		.r8 = g[X86_R8],
		.r9 = g[X86_R9],
		.r10 = g[X86_R10],
		.r11 = g[X86_R11],
		.r12 = g[X86_R12],
		.r13 = g[X86_R13],
		.r14 = g[X86_R14],
		.r15 = g[X86_R15],
		.rip = x->rip,
		.rflags = x->rflags | X86_FLAGS_FIXED,
	};
}

static void sregs_from_kvm(struct kvm_sregs *s, struct x86_state *x)
{
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		seg_from_kvm(seg_of_kvm(s, i), &x->seg[i]);
	}
	seg_from_kvm(&s->ldt, &x->ldtr);
	seg_from_kvm(&s->tr, &x->tr);
	x->gdtr = (struct x86_dtr){ .base = s->gdt.base, .limit = s->gdt.limit };
	x->idtr = (struct x86_dtr){ .base = s->idt.base, .limit = s->idt.limit };
	x->cr0 = s->cr0;
	x->cr2 = s->cr2;
	x->cr3 = s->cr3;
	x->cr4 = s->cr4;
	x->cr8 = s->cr8;
	x->efer = s->efer;
}

static void sregs_to_kvm(const struct x86_state *x, struct kvm_sregs *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(x->seg); i++) {
		seg_to_kvm(&x->seg[i], seg_of_kvm(s, i));
	}
	seg_to_kvm(&x->ldtr, &s->ldt);
	seg_to_kvm(&x->tr, &s->tr);
	s->gdt = (struct kvm_dtable){ .base = x->gdtr.base, .limit = x->gdtr.limit };
	s->idt = (struct kvm_dtable){ .base = x->idtr.base, .limit = x->idtr.limit };
	s->cr0 = x->cr0;
	s->cr2 = x->cr2;
	s->cr3 = x->cr3;
	s->cr4 = x->cr4;
	s->cr8 = x->cr8;
	s->efer = x->efer;
	memset(s->interrupt_bitmap, 0, sizeof(s->interrupt_bitmap));
}

static void fpu_from_xsave(const uint8_t *area, bool is_64bit, struct x86_state *x)
{
	size_t n_vec = is_64bit ? 16 : 8;
	bool has_avx = (load_le(area + XS_BV, 8) & XCR0_AVX) != 0;

	x->fcw = (uint16_t)load_le(area + XS_FCW, 2);
	x->fsw = (uint16_t)load_le(area + XS_FSW, 2);
	x->ftw = area[XS_FTW];
	x->fop = (uint16_t)load_le(area + XS_FOP, 2);
	x->fip = load_le(area + XS_FIP, 8);
	x->fdp = load_le(area + XS_FDP, 8);
	x->mxcsr = (uint32_t)load_le(area + XS_MXCSR, 4);
	for (size_t i = 0; i < 8; i++) {
		memcpy(x->st[i], area + XS_ST + i * 16, 10);
	}
	for (size_t i = 0; i < n_vec; i++) {
		memcpy(x->ymm[i], area + XS_XMM + i * 16, 16);
		if (has_avx) {
			memcpy(x->ymm[i] + 16, area + XS_YMM_HIGH + i * 16, 16);
		}
	}
}

static void fpu_to_xsave(const struct x86_state *x, bool has_avx, uint8_t *area)
{
	store_le(area + XS_FCW, x->fcw, 2);
	store_le(area + XS_FSW, x->fsw, 2);
	area[XS_FTW] = x->ftw;
	store_le(area + XS_FOP, x->fop, 2);
	store_le(area + XS_FIP, x->fip, 8);
	store_le(area + XS_FDP, x->fdp, 8);
	store_le(area + XS_MXCSR, x->mxcsr, 4);
	for (size_t i = 0; i < 8; i++) {
		memcpy(area + XS_ST + i * 16, x->st[i], 10);
	}
	for (size_t i = 0; i < 16; i++) {
		memcpy(area + XS_XMM + i * 16, x->ymm[i], 16);
		if (has_avx) {
			memcpy(area + XS_YMM_HIGH + i * 16, x->ymm[i] + 16, 16);
		}
	}
	store_le(area + XS_BV, XCR0_X87 | XCR0_SSE | (has_avx ? XCR0_AVX : 0), 8);
}

/* Which parts of the extended state this vCPU offers. */
static uint64_t xcr0_supported(struct kvm_vm *vm)
{
	for (uint32_t i = 0; i < vm->cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *c = &vm->cpuid->entries[i];

		if (c->function == 0xd && c->index == 0) {
			return c->eax | (uint64_t)c->edx << 32;
		}
	}
	return 0;
}

static bool has_ymm_high(const struct x86_state *x)
{
	static const uint8_t zero[16];

	for (size_t i = 0; i < 16; i++) {
		if (memcmp(x->ymm[i] + 16, zero, sizeof(zero)) != 0) {
			return true;
		}
	}
	return false;
}

static int fpu_set(struct kvm_vm *vm, const struct x86_state *x, struct errmsg *e)
{
	_Alignas(64) struct kvm_xsave xs;
	bool has_avx = (xcr0_supported(vm) & XCR0_AVX) != 0;
	int r;

	if (!has_avx && has_ymm_high(x)) {
		return errmsg_set(e, -EINVAL,
				  "the state uses YMM registers, which this CPU does not have");
	}
	r = check(kvm_vcpu_ioctl(vm, KVM_GET_XSAVE, &xs), "KVM_GET_XSAVE", e);
	if (r < 0) {
		return r;
	}
	fpu_to_xsave(x, has_avx, (uint8_t *)xs.region);
	r = kvm_vcpu_ioctl(vm, KVM_SET_XSAVE, &xs);
	if (r < 0) {
		return errmsg_set(e, r, "this CPU can't hold the FPU state (mxcsr 0x%x): %s",
				  x->mxcsr, strerror(-r));
	}
	return 0;
}

static int xcr0_set(struct kvm_vm *vm, uint64_t xcr0, struct errmsg *e)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = xcr0 } } };
	int r;

	if (!xcr0_supported(vm)) {
		return xcr0 <= XCR0_X87
			       ? 0
			       : errmsg_set(e, -EINVAL, "this CPU has no XCR0 to hold 0x%llx",
					    (unsigned long long)xcr0);
	}
	r = kvm_vcpu_ioctl(vm, KVM_SET_XCRS, &xcrs);
	return r < 0 ? errmsg_set(e, r, "this CPU can't hold XCR0 0x%llx: %s",
				  (unsigned long long)xcr0, strerror(-r))
		     : 0;
}

static int xcr0_get(struct kvm_vm *vm, uint64_t *ret, struct errmsg *e)
{
	struct kvm_xcrs xcrs;
	int r;

	if (!xcr0_supported(vm)) {
		*ret = XCR0_X87;
		return 0;
	}
	r = check(kvm_vcpu_ioctl(vm, KVM_GET_XCRS, &xcrs), "KVM_GET_XCRS", e);
	for (uint32_t i = 0; r == 0 && i < xcrs.nr_xcrs && i < ARRAY_SIZE(xcrs.xcrs); i++) {
		if (xcrs.xcrs[i].xcr == 0) {
			*ret = xcrs.xcrs[i].value;
		}
	}
	return r;
}

static int msrs_get(struct kvm_vm *vm, struct x86_state *x, struct errmsg *e)
{
	struct msr_buffer b = { .nmsrs = MSR_COUNT };
	uint64_t *field[MSR_COUNT];
	int r;

	msr_fields(x, field);
	for (size_t i = 0; i < MSR_COUNT; i++) {
		b.entries[i].index = msr_index[i];
	}
	r = kvm_vcpu_ioctl(vm, KVM_GET_MSRS, &b);
	if (r < (int)MSR_COUNT) {
		return errmsg_set(e, r < 0 ? r : -EIO, "KVM_GET_MSRS: MSR 0x%x can't be read",
				  msr_index[r < 0 ? 0 : r]);
	}
	for (size_t i = 0; i < MSR_COUNT; i++) {
		*field[i] = b.entries[i].data;
	}
	return 0;
}

static int msrs_set(struct kvm_vm *vm, const struct x86_state *x, struct errmsg *e)
{
	struct msr_buffer b = { .nmsrs = MSR_COUNT };
	struct x86_state copy = *x; /* msr_fields() wants it writable */
	uint64_t *field[MSR_COUNT];
	int r;

	msr_fields(&copy, field);
	for (size_t i = 0; i < MSR_COUNT; i++) {
		b.entries[i] = (struct kvm_msr_entry){ .index = msr_index[i], .data = *field[i] };
	}
	r = kvm_vcpu_ioctl(vm, KVM_SET_MSRS, &b);
	if (r < (int)MSR_COUNT) {
		size_t bad = r < 0 ? 0 : (size_t)r;

		return errmsg_set(e, -EINVAL, "this KVM refuses MSR 0x%x = 0x%llx", msr_index[bad],
				  (unsigned long long)*field[bad]);
	}
	return 0;
}

int kvm_state_get(struct kvm_vm *vm, bool is_64bit, struct x86_state *ret, struct errmsg *e)
{
	_Alignas(64) struct kvm_xsave xs;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs dr;
	struct x86_state x = { .rip = 0 };
	int r;

	r = check(kvm_vcpu_ioctl(vm, KVM_GET_REGS, &regs), "KVM_GET_REGS", e);
	r = r ? r : check(kvm_vcpu_ioctl(vm, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS", e);
	r = r ? r : check(kvm_vcpu_ioctl(vm, KVM_GET_XSAVE, &xs), "KVM_GET_XSAVE", e);
	r = r ? r : check(kvm_vcpu_ioctl(vm, KVM_GET_DEBUGREGS, &dr), "KVM_GET_DEBUGREGS", e);
	r = r ? r : xcr0_get(vm, &x.xcr0, e);
	r = r ? r : msrs_get(vm, &x, e);
	if (r < 0) {
		return r;
	}
	gprs_from_kvm(&regs, is_64bit, &x);
	sregs_from_kvm(&sregs, &x);
	fpu_from_xsave((const uint8_t *)xs.region, is_64bit, &x);
	memcpy(x.dr, dr.db, sizeof(dr.db));
	x.dr[6] = dr.dr6;
	x.dr[7] = dr.dr7;
	*ret = x;
	return 0;
}

int kvm_state_get_core(struct kvm_vm *vm, bool is_64bit, struct x86_state *ret, struct errmsg *e)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct x86_state x = { .rip = 0 };
	int r;

	r = check(kvm_vcpu_ioctl(vm, KVM_GET_REGS, &regs), "KVM_GET_REGS", e);
	r = r ? r : check(kvm_vcpu_ioctl(vm, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS", e);
	if (r < 0) {
		return r;
	}
	gprs_from_kvm(&regs, is_64bit, &x);
	sregs_from_kvm(&sregs, &x);
	*ret = x;
	return 0;
}

static int events_clear(struct kvm_vm *vm, struct errmsg *e)
{
	struct kvm_vcpu_events ev;
	int r;

	r = check(kvm_vcpu_ioctl(vm, KVM_GET_VCPU_EVENTS, &ev), "KVM_GET_VCPU_EVENTS", e);
	if (r < 0) {
		return r;
	}
	memset(&ev.exception, 0, sizeof(ev.exception));
	memset(&ev.interrupt, 0, sizeof(ev.interrupt));
	ev.flags &= (uint32_t)~KVM_VCPUEVENT_VALID_PAYLOAD;
	return check(kvm_vcpu_ioctl(vm, KVM_SET_VCPU_EVENTS, &ev), "KVM_SET_VCPU_EVENTS", e);
}

int kvm_state_set(struct kvm_vm *vm, const struct x86_state *x, struct errmsg *e)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs dr = { .dr6 = x->dr[6], .dr7 = x->dr[7] };
	int r;

	r = check(kvm_vcpu_ioctl(vm, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS", e);
	if (r < 0) {
		return r;
	}
	sregs_to_kvm(x, &sregs); /* the APIC base stays as it is */
	gprs_to_kvm(x, &regs);
	memcpy(dr.db, x->dr, sizeof(dr.db));
	r = kvm_vcpu_ioctl(vm, KVM_SET_SREGS, &sregs);
	if (r < 0) {
		return errmsg_set(e, r,
				  "KVM refuses the system registers (cr0 0x%llx, cr4 0x%llx, efer "
				  "0x%llx): %s",
				  (unsigned long long)x->cr0, (unsigned long long)x->cr4,
				  (unsigned long long)x->efer, strerror(-r));
	}
	r = xcr0_set(vm, x->xcr0, e);
	r = r ? r : fpu_set(vm, x, e);
	r = r ? r : msrs_set(vm, x, e);
	r = r ? r : check(kvm_vcpu_ioctl(vm, KVM_SET_REGS, &regs), "KVM_SET_REGS", e);
	r = r ? r : events_clear(vm, e);
	return r ? r : check(kvm_vcpu_ioctl(vm, KVM_SET_DEBUGREGS, &dr), "KVM_SET_DEBUGREGS", e);
}
