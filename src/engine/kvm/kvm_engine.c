// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Engine `kvm`: the table, and making, mapping and unmaking an instance (docs/engine-kvm.md).
 *
 * A read-only region becomes a read-only slot, which protects host memory whatever the guest does.
 * In 64-bit mode the board's page tables refuse the access first, exactly; in the other modes KVM
 * reports it as MMIO.
 */
#include "engine/kvm/kvm_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kvm/kvm_internal.h"
#include "engine/kvm_ioctls.h"

#define IOCTL(request, reason)            \
	{                                 \
		request, #request, reason \
	}

const struct kvm_engine_ioctl kvm_engine_ioctls[] = {
	IOCTL(KVM_RUN, "run the guest"),
	IOCTL(KVM_GET_REGS, "registers for contexts, debuggers and fault reports"),
	IOCTL(KVM_SET_REGS, "set them"),
	IOCTL(KVM_GET_SREGS, "segments and control registers"),
	IOCTL(KVM_SET_SREGS, "set them; hide the IDT while stepping"),
	IOCTL(KVM_GET_XSAVE, "FPU and vector registers"),
	IOCTL(KVM_SET_XSAVE, "set them"),
	IOCTL(KVM_GET_XCRS, "XCR0"),
	IOCTL(KVM_SET_XCRS, "set it"),
	IOCTL(KVM_GET_MSRS, "the MSRs of the architectural state"),
	IOCTL(KVM_SET_MSRS, "set them"),
	IOCTL(KVM_GET_DEBUGREGS, "DR0 to DR7"),
	IOCTL(KVM_SET_DEBUGREGS, "set them"),
	IOCTL(KVM_GET_VCPU_EVENTS, "which exception ended the guest"),
	IOCTL(KVM_SET_VCPU_EVENTS, "forget it when a state is set"),
	IOCTL(KVM_SET_GUEST_DEBUG, "single step and breakpoints"),
	IOCTL(KVM_SET_USER_MEMORY_REGION, "map and unmap"),
};
const size_t kvm_engine_ioctl_count = ARRAY_SIZE(kvm_engine_ioctls);

static struct kvm_engine *kvm_of(struct engine *eng)
{
	return (struct kvm_engine *)eng; /* the first member */
}

static void engine_destroy(struct engine *eng)
{
	if (eng) {
		kvm_vm_done(&kvm_of(eng)->vm);
		free(eng);
	}
}

/* Mostly another state is set before anybody asks: setting one is a dozen calls of the kernel. */
static int reset_if_due(struct kvm_engine *k, struct errmsg *e)
{
	struct cpu_state s;
	int r;

	if (!k->is_reset_due) {
		return 0;
	}
	k->arch->reset(&s, &k->mode);
	r = kvm_state_set(&k->vm, x86_state(&s), e);
	k->is_reset_due = r < 0;
	return r;
}

typedef int get_fn(struct kvm_vm *vm, bool is_64bit, struct x86_state *ret, struct errmsg *e);

static int get_with(struct engine *eng, get_fn *get, struct cpu_state *ret, struct errmsg *e)
{
	struct kvm_engine *k = kvm_of(eng);
	struct x86_state x;
	int r = reset_if_due(k, e);

	r = r < 0 ? r : get(&k->vm, k->arch->id == CPU_ARCH_X64, &x, e);
	if (r < 0) {
		return r;
	}
	kvm_step_fix_idt(k, &x);
	memset(ret, 0, sizeof(*ret));
	ret->arch = k->arch->id;
	*x86_state(ret) = x;
	return 0;
}

static int engine_get_state(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	return get_with(eng, kvm_state_get, ret, e);
}

static int engine_get_core(struct engine *eng, struct cpu_state *ret, struct errmsg *e)
{
	return get_with(eng, kvm_state_get_core, ret, e);
}

static int engine_set_state(struct engine *eng, const struct cpu_state *s, struct errmsg *e)
{
	struct kvm_engine *k = kvm_of(eng);
	int r;

	if (s->arch != k->arch->id) {
		return errmsg_set(e, -EINVAL, "the state belongs to another architecture than %s",
				  k->arch->name);
	}
	k->is_debug_stale = true;
	k->is_idt_hidden = false; /* all is set */
	r = kvm_state_set(&k->vm, x86_state_const(s), e);
	k->is_reset_due = k->is_reset_due && r < 0;
	return r;
}

static int engine_run(struct engine *eng, uint64_t max_insns, struct vm_exit *ret, struct errmsg *e)
{
	int r = reset_if_due(kvm_of(eng), e);

	return r < 0 ? r : kvm_run_run(eng, max_insns, ret, e);
}

static int engine_create(const struct engine_config *cfg, struct engine **ret, struct errmsg *e)
{
	struct kvm_engine *k;
	int r;

	if (cfg->host.kvm_fd < 0) {
		return errmsg_set(e, -ENODEV, "no /dev/kvm");
	}
	k = calloc(1, sizeof(*k));
	if (!k) {
		return errmsg_set(e, -ENOMEM, "no memory for the engine");
	}
	r = kvm_probe_take(cfg->arch, &cfg->mode, cfg->host.kvm_fd, &k->vm, &k->traits, e);
	if (r < 0) {
		free(k);
		return r;
	}
	k->eng = (struct engine){ .ops = &kvm_engine_ops,
				  .caps = kvm_probe_caps(cfg->arch, &k->traits) };
	k->arch = cfg->arch;
	k->mode = cfg->mode;
	k->bus = cfg->bus;
	k->mem = cfg->mem;
	k->is_reset_due = true;
	*ret = &k->eng;
	return 0;
}

/* A region that nobody may touch gets no slot: an access is then reported like any other refused
 * one. */
static bool is_slotless(const struct mem_region *r)
{
	return (r->perm & MEM_RWX) == 0;
}

static int engine_map(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct kvm_engine *k = kvm_of(eng);
	uint32_t slot = 0;
	int res;

	if (is_slotless(r)) {
		return 0;
	}
	while (slot < KVM_SLOTS_MAX && k->slot_used[slot]) {
		slot++;
	}
	if (slot == KVM_SLOTS_MAX) {
		return errmsg_set(e, -ENOSPC, "more than %d memory regions", KVM_SLOTS_MAX);
	}
	res = kvm_vm_slot_set(&k->vm, slot, r->base_gpa, r->size_bytes, r->hva, !(r->perm & MEM_W));
	if (res < 0) {
		return errmsg_set(e, res, "KVM refuses memory at 0x%llx (%llu bytes): %s",
				  (unsigned long long)r->base_gpa,
				  (unsigned long long)r->size_bytes, strerror(-res));
	}
	k->slot_used[slot] = true;
	k->slot_gpa[slot] = r->base_gpa;
	return 0;
}

static int engine_unmap(struct engine *eng, const struct mem_region *r, struct errmsg *e)
{
	struct kvm_engine *k = kvm_of(eng);
	int res;

	if (is_slotless(r)) {
		return 0;
	}
	for (uint32_t slot = 0; slot < KVM_SLOTS_MAX; slot++) {
		if (!k->slot_used[slot] || k->slot_gpa[slot] != r->base_gpa) {
			continue;
		}
		res = kvm_vm_slot_set(&k->vm, slot, r->base_gpa, 0, NULL, false);
		if (res < 0) {
			return errmsg_set(e, res, "KVM keeps memory at 0x%llx: %s",
					  (unsigned long long)r->base_gpa, strerror(-res));
		}
		k->slot_used[slot] = false;
		return 0;
	}
	return errmsg_set(e, -ENOENT, "nothing is mapped at 0x%llx",
			  (unsigned long long)r->base_gpa);
}

static int engine_set_breakpoints(struct engine *eng, const gva_t *addrs, size_t n)
{
	struct kvm_engine *k = kvm_of(eng);

	if (n > KVM_BREAKPOINTS_MAX) {
		return -ENOSPC;
	}
	if (n > 0) {
		memcpy(k->breakpoints, addrs, n * sizeof(addrs[0]));
	}
	k->n_breakpoints = n;
	k->is_debug_stale = true;
	return 0;
}

const struct engine_ops kvm_engine_ops = {
	.name = "kvm",
	.probe = kvm_probe_probe,
	.prepare = kvm_probe_prepare,
	.create = engine_create,
	.destroy = engine_destroy,
	.map = engine_map,
	.unmap = engine_unmap,
	.get_state = engine_get_state,
	.get_core = engine_get_core,
	.set_state = engine_set_state,
	.run = engine_run,
	.kick = kvm_run_kick,
	.code_changed = NULL, /* KVM sees memory as it is */
	.set_breakpoints = engine_set_breakpoints,
};
