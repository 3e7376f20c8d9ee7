/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine under test: bare memory, no devices, one engine instance for all cases. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bug.h"
#include "cpu/a64/a64.h"
#include "cpu/arm/arm.h"
#include "cpu/riscv/riscv.h"
#include "cpu/x86/x86.h"
#include "diff.h"
#include "engine/engine.h"
#include "host/map.h"
#include "machine/x86_firmware.h"

#define REGIONS_MAX (2 + X86_FIRMWARE_REGIONS_MAX)

struct diff_engine {
	const struct diff_isa *isa;
	const struct cpu_arch *arch;
	struct engine *eng;
	struct mem *mem;
	uint8_t *code, *window;
	struct mem_region regions[REGIONS_MAX];
	size_t n_regions;
	struct cpu_state reset; /* as the board starts it */
};

static enum bus_result no_bus(void *opaque, struct bus_access *a)
{
	(void)opaque;
	(void)a;
	return BUS_UNMAPPED;
}

static const struct engine_bus bus = { .port = no_bus, .mmio = no_bus };

static bool is_x86(const struct diff_isa *isa)
{
	return isa->isa == WIRE_ISA_X86 || isa->isa == WIRE_ISA_X64;
}

static int add_region(struct diff_engine *d, gpa_t gpa, uint64_t bytes, uint32_t perm, const char *name,
		      struct errmsg *e)
{
	struct mem_region *r = &d->regions[d->n_regions];
	int result;

	/* A file: engines with ENGINE_CAP_SHARED_RAM map it once more. */
	*r = (struct mem_region){
		.base_gpa = gpa, .size_bytes = bytes, .perm = perm, .name = name, .has_file = true
	};
	result = host_map_shared_ram(bytes, &r->hva, &r->fd, e);
	if (result < 0) {
		return result;
	}
	d->n_regions++;
	return mem_region_add(d->mem, r, e);
}

static int add_memory(struct diff_engine *d, const struct cpu_mode *mode, struct errmsg *e)
{
	struct x86_firmware_region fw[X86_FIRMWARE_REGIONS_MAX];
	size_t n = 0;
	int r;

	r = add_region(d, WIRE_CODE_ADDR, WIRE_CODE_BYTES, MEM_RWX, "code", e);
	if (r < 0) {
		return r;
	}
	d->code = d->regions[0].hva;
	r = add_region(d, WIRE_DATA_ADDR, WIRE_DATA_BYTES, MEM_R | MEM_W, "data", e);
	if (r < 0) {
		return r;
	}
	d->window = d->regions[1].hva + (WIRE_WINDOW_ADDR - WIRE_DATA_ADDR);
	if (is_x86(d->isa)) {
		n = x86_firmware_regions(d->arch, mode, fw);
	}
	for (size_t i = 0; i < n; i++) {
		r = add_region(d, fw[i].base_gpa, fw[i].size_bytes, fw[i].perm, fw[i].name, e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int set_up(struct diff_engine *d, const struct cpu_mode *mode, struct errmsg *e)
{
	struct x86_firmware_config fc = { .arch = d->arch, .mode = *mode };
	int r;

	d->arch->reset(&d->reset, mode);
	if (is_x86(d->isa)) {
		r = x86_firmware_setup(&fc, d->mem, x86_state(&d->reset), e);
		if (r < 0) {
			return r;
		}
		if (!(d->eng->caps & ENGINE_CAP_EXACT_SHUTDOWN) && (d->eng->caps & ENGINE_CAP_OWN_EXCEPTIONS)) {
			x86_firmware_idt_enable(x86_state(&d->reset));
		}
	} else if (d->isa->isa == WIRE_ISA_RV64) {
		rv_state(&d->reset)->mstatus |= RV_MSTATUS_FS;
	}
	for (size_t i = 0; i < d->n_regions; i++) {
		r = d->eng->ops->map(d->eng, &d->regions[i], e);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

int diff_engine_new(const struct diff_isa *isa, const char *name, int kvm_fd, struct diff_engine **ret,
		    struct errmsg *e)
{
	const struct engine_ops *ops = engine_by_name(name);
	struct cpu_mode mode = { .is_thumb = isa->isa == WIRE_ISA_THUMB };
	struct engine_config cfg = { .mode = mode, .host = { .kvm_fd = kvm_fd }, .bus = &bus };
	struct engine_probe probe;
	struct diff_engine *d;
	int r;

	if (!ops) {
		return errmsg_set(e, -EINVAL, "there is no engine %s", name);
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		return errmsg_set(e, -ENOMEM, "no memory");
	}
	d->isa = isa;
	d->arch = cpu_arch_by_name(isa->arch);
	d->mem = mem_new();
	BUG_ON(!d->arch || !d->mem);
	r = ops->probe(d->arch, &mode, &cfg.host, &probe);
	if (r < 0) {
		errmsg_set(e, r, "%s", probe.detail);
		goto fail;
	}
	r = add_memory(d, &mode, e);
	if (r < 0) {
		goto fail;
	}
	cfg.arch = d->arch;
	cfg.mem = d->mem;
	r = ops->create(&cfg, &d->eng, e);
	if (r < 0) {
		goto fail;
	}
	d->eng->caps |= probe.caps & (ENGINE_CAP_FP | ENGINE_CAP_SIMD);
	r = set_up(d, &mode, e);
	if (r < 0) {
		goto fail;
	}
	*ret = d;
	return 0;
fail:
	diff_engine_free(d);
	return r;
}

void diff_engine_free(struct diff_engine *d)
{
	if (!d) {
		return;
	}
	if (d->eng) {
		d->eng->ops->destroy(d->eng);
	}
	mem_free(d->mem);
	for (size_t i = 0; i < d->n_regions; i++) {
		host_map_free(d->regions[i].hva, d->regions[i].size_bytes);
		close(d->regions[i].fd);
	}
	free(d);
}

bool diff_engine_has_fp(const struct diff_engine *d)
{
	uint64_t both = ENGINE_CAP_FP | ENGINE_CAP_SIMD;

	return (d->eng->caps & both) == both;
}

static void load_x86(struct x86_state *x, const struct wire_state *w)
{
	memcpy(x->gpr, w->gpr, sizeof(x->gpr));
	x->rflags = (w->flags & X86F_ALL) | X86_FLAGS_FIXED;
	x->mxcsr = (uint32_t)w->fp_control;
	for (int i = 0; i < 16; i++) {
		memcpy(x->ymm[i], w->vec[i], 16);
	}
}

static void load_arm(struct arm_state *a, const struct wire_state *w)
{
	uint32_t flags = (uint32_t)diff_isa_arm.flags_mask;

	arm_cpsr_set(a, (a->cpsr & ARM_CPSR_T) | ARM_MODE_USR | ((uint32_t)w->flags & flags));
	for (int i = 0; i < 15; i++) {
		a->r[i] = (uint32_t)w->gpr[i];
	}
	a->bank_sp[ARM_BANK_USR] = a->r[13];
	a->bank_lr[ARM_BANK_USR] = a->r[14];
	a->fpscr = (uint32_t)w->fp_control;
	memcpy(a->d, w->vec, sizeof(a->d));
}

static void load_a64(struct a64_state *a, const struct wire_state *w)
{
	memcpy(a->x, w->gpr, sizeof(a->x));
	a->sp = w->gpr[31];
	a->sp_el1 = a->sp;
	a->pstate = (a->pstate & ~diff_isa_a64.flags_mask) | (w->flags & diff_isa_a64.flags_mask);
	a->fpcr = (uint32_t)w->fp_control;
	a->fpsr = (uint32_t)w->fp_status;
	memcpy(a->v, w->vec, sizeof(a->v));
}

static void load_rv(struct rv_state *v, const struct wire_state *w)
{
	memcpy(v->x, w->gpr, sizeof(v->x));
	v->fcsr = (uint32_t)w->fp_control;
	for (int i = 0; i < 32; i++) {
		v->f[i] = w->vec[i][0];
	}
}

static void load_state(const struct diff_engine *d, const struct wire_state *w, struct cpu_state *s)
{
	*s = d->reset;
	switch (d->isa->isa) {
	case WIRE_ISA_X86:
	case WIRE_ISA_X64:
		load_x86(x86_state(s), w);
		break;
	case WIRE_ISA_ARM:
	case WIRE_ISA_THUMB:
		load_arm(arm_state(s), w);
		break;
	case WIRE_ISA_A64:
		load_a64(a64_state(s), w);
		break;
	default:
		load_rv(rv_state(s), w);
		break;
	}
	d->arch->set_pc(s, WIRE_CODE_ADDR | (d->isa->isa == WIRE_ISA_THUMB));
}

static void save_x86(const struct x86_state *x, struct wire_state *w)
{
	memcpy(w->gpr, x->gpr, sizeof(x->gpr));
	w->flags = x->rflags;
	w->fp_control = x->mxcsr;
	for (int i = 0; i < 16; i++) {
		memcpy(w->vec[i], x->ymm[i], 16);
	}
}

static void save_arm(const struct arm_state *a, struct wire_state *w)
{
	for (int i = 0; i < 15; i++) {
		w->gpr[i] = a->r[i];
	}
	w->flags = a->cpsr;
	w->fp_control = a->fpscr;
	memcpy(w->vec, a->d, sizeof(a->d));
}

static void save_a64(const struct a64_state *a, struct wire_state *w)
{
	memcpy(w->gpr, a->x, sizeof(a->x));
	w->gpr[31] = a->sp;
	w->flags = a->pstate;
	w->fp_control = a->fpcr;
	w->fp_status = a->fpsr;
	memcpy(w->vec, a->v, sizeof(a->v));
}

static void save_rv(const struct rv_state *v, struct wire_state *w)
{
	memcpy(w->gpr, v->x, sizeof(v->x));
	w->fp_control = v->fcsr;
	for (int i = 0; i < 32; i++) {
		w->vec[i][0] = v->f[i];
	}
}

static void save_state(const struct diff_engine *d, const struct cpu_state *s, struct wire_state *w)
{
	memset(w, 0, sizeof(*w));
	switch (d->isa->isa) {
	case WIRE_ISA_X86:
	case WIRE_ISA_X64:
		save_x86(x86_state_const(s), w);
		break;
	case WIRE_ISA_ARM:
	case WIRE_ISA_THUMB:
		save_arm(arm_state_const(s), w);
		break;
	case WIRE_ISA_A64:
		save_a64(a64_state_const(s), w);
		break;
	default:
		save_rv(rv_state_const(s), w);
		break;
	}
	w->pc = d->arch->get_pc(s);
}

static uint32_t end_of(enum cpu_fault_kind kind)
{
	switch (kind) {
	case CPU_FAULT_ILLEGAL_INSN:
		return WIRE_END_ILLEGAL;
	case CPU_FAULT_UNMAPPED:
		return WIRE_END_UNMAPPED;
	case CPU_FAULT_PROTECTION:
		return WIRE_END_PROTECTION;
	case CPU_FAULT_UNALIGNED:
		return WIRE_END_UNALIGNED;
	case CPU_FAULT_DIVIDE:
		return WIRE_END_DIVIDE;
	case CPU_FAULT_GENERAL:
		return WIRE_END_GENERAL;
	case CPU_FAULT_FP:
		return WIRE_END_FP;
	case CPU_FAULT_BREAKPOINT:
		return WIRE_END_BREAKPOINT;
	default:
		return WIRE_END_OTHER;
	}
}

/* What stopped it, with the registers from before the fault. */
static int take_exit(struct diff_engine *d, const struct vm_exit *x, struct cpu_state *s,
		     struct wire_result *ret, struct errmsg *e)
{
	struct cpu_fault f = x->fault;

	if (x->kind == VM_EXIT_HALT && is_x86(d->isa)) {
		if (!x86_firmware_caught(d->mem, x86_state(s), &f)) {
			x86_state(s)->rip--; /* at the HLT that ends the case */
			ret->end = WIRE_END_GENERAL;
			return 0;
		}
	} else if (x->kind != VM_EXIT_EXCEPTION && x->kind != VM_EXIT_FAULT && x->kind != VM_EXIT_SHUTDOWN) {
		return errmsg_set(e, -EIO, "the run ended by %s %s", vm_exit_kind_name(x->kind), x->detail);
	}
	if (is_x86(d->isa)) {
		x86_firmware_refine_fault(d->mem, x86_state_const(s), &f);
	}
	ret->end = end_of(f.kind);
	ret->has_address = f.has_address;
	ret->address = f.address;
	return 0;
}

int diff_engine_run(struct diff_engine *d, const struct wire_case *c, struct wire_result *ret,
		    struct errmsg *e)
{
	struct cpu_state s;
	struct vm_exit x = { 0 };
	int r;

	memset(ret, 0, sizeof(*ret));
	memcpy(d->code, c->code, WIRE_CASE_CODE_BYTES);
	memcpy(d->window, c->data, WIRE_WINDOW_BYTES);
	if (d->eng->ops->code_changed) {
		d->eng->ops->code_changed(d->eng, WIRE_CODE_ADDR, WIRE_CASE_CODE_BYTES);
	}
	load_state(d, &c->start, &s);
	r = d->eng->ops->set_state(d->eng, &s, e);
	if (r == 0) {
		r = d->eng->ops->run(d->eng, 0, &x, e);
	}
	if (r == 0) {
		r = d->eng->ops->get_state(d->eng, &s, e);
	}
	if (r == 0) {
		r = take_exit(d, &x, &s, ret, e);
	}
	save_state(d, &s, &ret->state);
	memcpy(ret->data, d->window, WIRE_WINDOW_BYTES);
	return r;
}
