/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instruction trace: raw facts on a pipe; the controller disassembles. */
#include <errno.h>
#include <string.h>

#include "base/bug.h"
#include "host/fd.h"
#include "vm/vm_internal.h"

#define TRACE_REGS_MAX 64

/* One record with its registers, written at once. */
struct trace_record {
	struct proto_trace head;
	struct proto_trace_reg regs[TRACE_REGS_MAX];
};

static void add_changed(struct trace_record *rec, const struct cpu_arch *arch,
			const struct cpu_state *before, const struct cpu_state *after)
{
	for (size_t i = 0; i < arch->n_regs && rec->head.n_changed < TRACE_REGS_MAX; i++) {
		const struct cpu_reg *reg = &arch->regs[i];
		uint8_t old[CPU_REG_BYTES_MAX];
		struct proto_trace_reg now = { .idx = (uint16_t)i, .bytes = reg->bytes };

		cpu_reg_load(before, reg, old);
		cpu_reg_load(after, reg, now.value);
		if (reg->cls <= CPU_REG_VEC && memcmp(old, now.value, reg->bytes) != 0) {
			rec->regs[rec->head.n_changed++] = now;
		}
	}
}

int vm_trace_step(struct vm *vm, const struct cpu_state *before, const struct cpu_state *after)
{
	struct trace_record rec;
	gva_t pc = vm->arch->get_pc(before);
	struct cpu_fault unread;
	gpa_t gpa;

	memset(&rec.head, 0, sizeof(rec.head));
	rec.head.pc = pc;
	rec.head.flags = vm_insn_flags(vm, before);
	if (vm->arch->page_walk(before, vm->memory.map, pc, 0, &gpa, &unread)) {
		rec.head.n_insn = (uint16_t)mem_peek(vm->memory.map, gpa, rec.head.insn,
						     vm->arch->insn_bytes_max);
	}
	add_changed(&rec, vm->arch, before, after);
	return host_fd_write_full(vm->fds.trace, &rec,
				  sizeof(rec.head) + rec.head.n_changed * sizeof(rec.regs[0]));
}

size_t vm_regs_pack(const struct cpu_arch *arch, const struct cpu_state *s, uint8_t *buf,
		    size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < arch->n_regs; i++) {
		const struct cpu_reg *reg = &arch->regs[i];

		BUG_ON(n + reg->bytes > max);
		cpu_reg_load(s, reg, buf + n);
		n += reg->bytes;
	}
	return n;
}
