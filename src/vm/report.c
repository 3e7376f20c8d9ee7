/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told about a vCPU that stands: numbers, and one clear sentence. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "vm/vm_internal.h"

uint32_t vm_mode_flags(struct cpu_mode mode)
{
	return (mode.is_16bit ? (uint32_t)PROTO_CFG_16BIT : 0) |
	       (mode.is_big_endian ? (uint32_t)PROTO_CFG_BIG_ENDIAN : 0) |
	       (mode.is_thumb ? (uint32_t)PROTO_CFG_THUMB : 0);
}

uint32_t vm_insn_flags(const struct vm *vm, const struct cpu_state *state)
{
	return vm_mode_flags(vm->arch->get_mode(state));
}

void vm_report_init(struct vm *vm, struct proto_stopped *s, enum proto_stop reason,
		    const struct cpu_state *state)
{
	memset(s, 0, sizeof(*s));
	s->reason = reason;
	if (state) {
		s->pc = vm->arch->get_pc(state);
	}
}

static const char *access_verb(uint32_t access)
{
	switch (access) {
	case MEM_W:
		return "write to";
	case MEM_X:
		return "jump to";
	default:
		return "read from";
	}
}

static void fault_sentence(char *text, size_t size, const struct proto_fault *f,
			   enum cpu_fault_kind kind)
{
	switch (kind) {
	case CPU_FAULT_UNMAPPED:
		snprintf(text, size,
			 "guest fault: %s 0x%" PRIx64
			 ", where there is no memory, at pc 0x%" PRIx64,
			 access_verb(f->access), f->address, f->pc);
		return;
	case CPU_FAULT_PROTECTION:
		snprintf(text, size,
			 "guest fault: forbidden %s 0x%" PRIx64 " at pc 0x%" PRIx64
			 " (the page does not allow it)",
			 access_verb(f->access), f->address, f->pc);
		return;
	case CPU_FAULT_PAGE:
		snprintf(text, size, "guest fault: page fault on %s 0x%" PRIx64 " at pc 0x%" PRIx64,
			 access_verb(f->access), f->address, f->pc);
		return;
	case CPU_FAULT_UNALIGNED:
		snprintf(text, size, "guest fault: unaligned %s 0x%" PRIx64 " at pc 0x%" PRIx64,
			 access_verb(f->access), f->address, f->pc);
		return;
	default:
		snprintf(text, size, "guest fault: %s (vector %u) at pc 0x%" PRIx64, f->kind,
			 f->vector, f->pc);
		return;
	}
}

void vm_report_fault(struct vm *vm, struct proto_stopped *s, const struct cpu_state *state,
		     const struct cpu_fault *f)
{
	struct proto_fault *to = &s->fault;
	struct cpu_fault unread;
	gpa_t gpa;

	snprintf(to->kind, sizeof(to->kind), "%s", cpu_fault_kind_name(f->kind));
	to->vector = f->vector;
	to->access = f->access;
	to->syndrome = f->syndrome;
	to->pc = f->pc;
	to->address = f->address;
	to->has_address = f->has_address;
	to->insn_flags = vm_insn_flags(vm, state);
	/* The instruction may be where nothing is: then there are no bytes to show. */
	if (vm->arch->page_walk(state, vm->memory.map, f->pc, 0, &gpa, &unread)) {
		to->n_insn =
			(uint32_t)mem_peek(vm->memory.map, gpa, to->insn, vm->arch->insn_bytes_max);
	}
	fault_sentence(s->text, sizeof(s->text), to, f->kind);
}

void vm_usage_fill(struct vm *vm, struct proto_usage *u)
{
	struct machine_counts counts = machine_counts(vm->machine);
	struct rusage rusage = { 0 };

	getrusage(RUSAGE_SELF, &rusage);
	*u = (struct proto_usage){
		.cpu_ns = vm->cpu_ns,
		.wall_ns = vm->wall_ns +
			   (vm->run_since_ns ? host_clock_monotonic_ns() - vm->run_since_ns : 0),
		.insns = vm->insns,
		.insns_known = vm->are_insns_exact,
		.slices = vm->slices,
		.resets = atomic_load(&vm->resets),
		.mem_peak_bytes = (uint64_t)rusage.ru_maxrss * 1024,
		.io_reads = counts.reads,
		.io_writes = counts.writes,
		.io_unmapped = counts.unmapped,
		.console_out_bytes = vm->console.out.total,
		.console_in_bytes = vm->console.in_bytes,
		.code_made = harts_count_code(vm).made,
	};
}

void vm_report_stop(struct vm *vm, struct proto_stopped *s, enum proto_vm_state state)
{
	if (vm->run_since_ns) {
		vm->wall_ns += host_clock_monotonic_ns() - vm->run_since_ns;
		vm->run_since_ns = 0;
	}
	devices_note_stopped(vm);
	atomic_store(&vm->state, state);
	s->state = state;
	vm_usage_fill(vm, &s->usage);
	vm->last_stop = *s;
	vm->has_stopped = true;
	vm->cb.on_stop(vm->cb.opaque, s);
}
