/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One instruction by the interpreter of cpu/riscv/: what trapped in a carrier, what can't be executed there, what a caller
 * wants to count. Accesses go to guest memory by way of the guest's page tables; whichever page one reached is mapped in the
 * current carrier behind it, so that the next access goes there by itself.
 */
#include "engine/trap/trap_priv.h"

#define OPCODE_MASK   0x7fu
#define OPCODE_SYSTEM 0x73u

#define CSR_MCOUNTINHIBIT 0x320
#define CSR_MCYCLE	  0xb00
#define CSR_MINSTRET	  0xb02
#define CSR_CYCLE	  0xc00
#define CSR_INSTRET	  0xc02

static uint8_t *ram(struct trap_engine *t, gpa_t gpa, uint8_t bytes, uint32_t access)
{
	const struct mem_region *r = trap_region(t, align_down(gpa, PAGE_BYTES));

	if (!r || !(r->perm & access) || !range_within(gpa, bytes, r->base_gpa, r->size_bytes)) {
		return NULL;
	}
	return r->hva + (gpa - r->base_gpa);
}

static enum rv_mem_result find(void *opaque, gva_t gva, uint8_t bytes, uint32_t access,
			       struct rv_place *ret)
{
	struct trap_engine *t = opaque;
	struct rv_translation tr;
	enum rv_mem_result r = rv_access_translate(&t->access, gva, bytes, access, &tr);

	if (r != RV_MEM_OK) {
		return r;
	}
	*ret = (struct rv_place){ ram(t, tr.gpa, bytes, access), tr.gpa };
	if (ret->host && access == MEM_W) {
		trap_code_written(t, align_down(tr.gpa, PAGE_BYTES));
	}
	if (ret->host && access != MEM_X) {
		trap_space_fill(t, gva, &tr, access);
	}
	return RV_MEM_OK;
}

static enum rv_mem_result device(void *opaque, gpa_t gpa, uint8_t bytes, bool is_write,
				 uint64_t *value)
{
	const struct trap_engine *t = opaque;
	struct bus_access a = { .addr = gpa,
				.value = is_write ? *value : 0,
				.count = 1,
				.bytes = bytes,
				.is_write = is_write };
	enum bus_result r = t->cfg.bus->mmio(t->cfg.bus->opaque, &a);

	if (r == BUS_UNMAPPED) {
		return RV_MEM_FAULT;
	}
	if (!is_write) {
		*value = low_bytes(a.value, bytes);
	}
	return r == BUS_STOP ? RV_MEM_STOP : RV_MEM_OK;
}

const struct rv_access_ops trap_access_ops = { .find = find, .device = device };

void trap_effects(struct trap_engine *t, uint32_t effects)
{
	if (effects & RV_EFFECT_TRANSLATION) {
		t->generation++;
	}
	if (effects & RV_EFFECT_TIMER) {
		t->is_kicked = 1; /* the caller sets its timer anew */
	}
}

/*
 * Nobody counts what the CPU executes, so the counters are no part of the state until the guest looks at them: then they
 * have gone on by the instructions interpreted, and one for every nanosecond elsewhere.
 */
static void show_counters(struct trap_engine *t, const struct rv_insn *i)
{
	bool is_counter = i->imm == CSR_MCYCLE || i->imm == CSR_MINSTRET || i->imm == CSR_CYCLE ||
			  i->imm == CSR_INSTRET || i->imm == CSR_MCOUNTINHIBIT;

	if (rv_op_format((enum rv_op)i->op) == RV_FMT_CSR && is_counter) {
		rv_insns_count(&t->hart.s, t->progress);
		t->progress = 0;
	}
}

/* Give an exception to the guest, or tell the caller of it. */
static enum trap_step give_exception(struct trap_engine *t, struct vm_exit *ret)
{
	const struct rv_exec *x = &t->access.exec;
	bool is_access;

	if (t->cfg.is_system && !(t->cfg.exit_vectors & BIT(x->cause))) {
		trap_effects(t, rv_trap(&t->hart, x->cause, x->tval));
		ret->traps++;
		return TRAP_NEXT_SYSTEM;
	}
	is_access = rv_access_fault(&t->access, t->cfg.is_system, &ret->fault);
	ret->kind = is_access ? VM_EXIT_FAULT : VM_EXIT_EXCEPTION;
	return TRAP_DONE;
}

enum trap_step trap_step(struct trap_engine *t, struct vm_exit *ret)
{
	struct rv_exec *x = &t->access.exec;
	struct rv_insn insn;
	enum rv_done done;

	if (!rv_access_fetch(&t->access, &insn)) {
		return give_exception(t, ret);
	}
	show_counters(t, &insn);
	done = rv_exec(x, &insn);
	trap_effects(t, x->effects);
	if (done == RV_DONE_EXCEPTION) {
		return give_exception(t, ret);
	}
	t->counts.interpreted++;
	ret->insns++;
	t->progress += x->effects & RV_EFFECT_COUNTERS ? 0 : 1;
	if (done == RV_DONE_WFI || done == RV_DONE_STOP) {
		ret->kind = done == RV_DONE_WFI ? VM_EXIT_HALT : VM_EXIT_BUS_STOP;
		return TRAP_DONE;
	}
	return (insn.raw & OPCODE_MASK) == OPCODE_SYSTEM ? TRAP_NEXT_SYSTEM : TRAP_NEXT;
}
