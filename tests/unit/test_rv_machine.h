/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest machine that runs a bare-metal RISC-V program: the interpreter on the privileged model, RAM, a UART
 * that only prints, the test finisher, a CLINT whose time
 * stands still. Every fetch and access is translated anew.
 */
#ifndef PINFOLD_TESTS_UNIT_TEST_RV_MACHINE_H
#define PINFOLD_TESTS_UNIT_TEST_RV_MACHINE_H

#include <elf.h>

#include "cpu/riscv/rv_exec.h"
#include "test_rv.h"

#define MACHINE_RAM_GPA	  0x80000000ULL
#define MACHINE_RAM_BYTES (128ULL << 20) /* as qemu's -m 128 */
#define MACHINE_UART	  0x10000000ULL
#define MACHINE_CLINT	  0x02000000ULL
#define MACHINE_FINISHER  0x00100000ULL

struct machine {
	struct rv_hart hart;
	struct rv_exec x;
	struct rv_memory memory;
	struct mem *mem;
	uint8_t *ram;
	FILE *out; /* what the guest prints */
	uint64_t insns;
};

/* One part of an access, all of whose bytes are translated alike. */
static enum rv_mem_result machine_bytes(struct machine *m, struct rv_exec *x, gpa_t gpa,
					uint8_t bytes, uint32_t access, uint64_t *value)
{
	bool is_write = access == MEM_W;

	if (range_within(gpa, bytes, MACHINE_RAM_GPA, MACHINE_RAM_BYTES)) {
		uint8_t *at = m->ram + (gpa - MACHINE_RAM_GPA);

		if (is_write) {
			store_le(at, *value, bytes);
		} else {
			*value = load_le(at, bytes);
		}
		return RV_MEM_OK;
	}
	if (access == MEM_X || !(gpa == MACHINE_UART || gpa == MACHINE_FINISHER ||
				 range_within(gpa, bytes, MACHINE_CLINT, 0x10000))) {
		x->cause = is_write	     ? RV_STORE_ACCESS
			   : access == MEM_X ? RV_INSN_ACCESS
					     : RV_LOAD_ACCESS;
		return RV_MEM_FAULT;
	}
	if (is_write && gpa == MACHINE_UART) {
		fputc((int)(*value & 0xff), m->out);
	}
	if (is_write && gpa == MACHINE_CLINT) {
		rv_hart_wires_set(&m->hart, BIT(RV_IRQ_MSI), *value & 1 ? UINT64_MAX : 0);
	}
	if (is_write && gpa == MACHINE_CLINT + 0x4000) {
		rv_hart_wires_set(&m->hart, BIT(RV_IRQ_MTI), rv_now >= *value ? UINT64_MAX : 0);
	}
	return is_write && gpa == MACHINE_FINISHER ? RV_MEM_STOP : RV_MEM_OK;
}

static enum rv_mem_result machine_access(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
					 uint32_t access, uint64_t *value)
{
	struct machine *m = (struct machine *)opaque;
	uint32_t priv = access == MEM_X ? m->hart.s.priv : rv_data_priv(&m->hart);
	struct rv_translation t = { 0 };

	CHECK(gva % bytes == 0 || access == MEM_X); /* these guests are compiled so */
	if (!rv_translate(&m->hart, gva, priv, access, &t, &x->cause)) {
		return RV_MEM_FAULT;
	}
	if (t.bytes < bytes && !rv_pmp_allows(&m->hart.s, t.gpa, bytes, access, priv)) {
		x->cause = access == MEM_W ? RV_STORE_ACCESS : RV_LOAD_ACCESS;
		return RV_MEM_FAULT;
	}
	return machine_bytes(m, x, t.gpa, bytes, access, value);
}

/* One instruction, or one trap. @return false: the guest is done */
static bool machine_step(struct machine *m)
{
	struct rv_state *s = &m->hart.s;
	uint64_t irq = rv_irq_due(&m->hart);
	uint64_t low = 0, high = 0;
	struct rv_insn insn;
	enum rv_done done;

	if (irq) {
		rv_trap(&m->hart, irq, 0);
		return true;
	}
	m->x.tval = s->pc;
	if (machine_access(m, &m->x, s->pc, 2, MEM_X, &low) == RV_MEM_FAULT) {
		rv_trap(&m->hart, m->x.cause, s->pc);
		return true;
	}
	if ((low & 3) == 3 &&
	    machine_access(m, &m->x, s->pc + 2, 2, MEM_X, &high) == RV_MEM_FAULT) {
		rv_trap(&m->hart, m->x.cause, s->pc + 2);
		return true;
	}
	rv_decode((uint32_t)(high << 16 | low), &insn);
	m->insns++;
	done = rv_exec(&m->x, &insn);
	if (done == RV_DONE_EXCEPTION) {
		rv_trap(&m->hart, m->x.cause, m->x.tval);
	}
	return done != RV_DONE_STOP;
}

static inline bool machine_load(struct machine *m, const char *path)
{
	FILE *f = fopen(path, "re");
	Elf64_Ehdr head;
	bool is_ok = f && fread(&head, sizeof(head), 1, f) == 1 && head.e_machine == EM_RISCV;

	for (unsigned int i = 0; is_ok && i < head.e_phnum; i++) {
		Elf64_Phdr p;

		is_ok = fseek(f, (long)(head.e_phoff + i * sizeof(p)), SEEK_SET) == 0 &&
			fread(&p, sizeof(p), 1, f) == 1;
		if (!is_ok || p.p_type != PT_LOAD || p.p_filesz == 0) {
			continue;
		}
		is_ok = range_within(p.p_paddr, p.p_memsz, MACHINE_RAM_GPA, MACHINE_RAM_BYTES) &&
			fseek(f, (long)p.p_offset, SEEK_SET) == 0 &&
			fread(m->ram + (p.p_paddr - MACHINE_RAM_GPA), p.p_filesz, 1, f) == 1;
	}
	m->hart.s.pc = is_ok ? head.e_entry : 0;
	if (f) {
		fclose(f);
	}
	return is_ok;
}

/** Run a program from its entry in M-mode until it ends. @return false if it did not */
static inline bool machine_run(const char *path, FILE *out, uint64_t max_insns)
{
	struct machine m = { .out = out, .mem = mem_new(), .ram = calloc(1, MACHINE_RAM_BYTES) };
	struct mem_region ram = { MACHINE_RAM_GPA, MACHINE_RAM_BYTES, MEM_RWX, m.ram, "ram" };
	bool is_going;

	CHECK_INT(mem_region_add(m.mem, &ram, NULL), 0);
	rv_open(&m.hart, m.mem);
	m.hart.s.mhartid = 0;
	m.memory = (struct rv_memory){ .opaque = &m, .access = machine_access };
	m.x = (struct rv_exec){ .hart = &m.hart, .memory = &m.memory };
	is_going = machine_load(&m, path);
	CHECK(is_going);
	while (is_going && m.insns < max_insns) {
		is_going = machine_step(&m);
	}
	printf("%" PRIu64 " instructions\n", m.insns);
	mem_free(m.mem);
	free(m.ram);
	return !is_going;
}

#endif
