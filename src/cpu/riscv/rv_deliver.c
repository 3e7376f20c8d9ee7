/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V exceptions that monitors deliver, and semihosting. Source: RISC-V semihosting 0.4.
 *
 * A guest that never wrote the trap vector in question (it is still 0) has no handlers: its
 * exceptions are reported instead. So are those whose handler is not executable memory.
 */
#include "cpu/riscv/rv_internal.h"

#define INSN_SLLI   0x01f01013u /* slli zero, zero, 0x1f */
#define INSN_EBREAK 0x00100073u
#define INSN_SRAI   0x40705013u /* srai zero, zero, 7 */

/* The cause of faults that only have a kind; false: not an exception of a hart. */
static bool cause_of(const struct rv_state *v, const struct cpu_fault *f, uint64_t *ret)
{
	bool is_fetch = f->access & MEM_X;
	bool is_write = f->access & MEM_W;

	if (rv_fault_from_cause(f->vector, 0, 0).kind == f->kind &&
	    rv_fault_from_cause(f->vector, 0, 0).access == f->access) {
		*ret = f->vector;
		return f->kind != CPU_FAULT_NONE;
	}
	switch (f->kind) {
	case CPU_FAULT_ILLEGAL_INSN:
	case CPU_FAULT_SYSREG:
		*ret = RV_ILLEGAL;
		return true;
	case CPU_FAULT_BREAKPOINT:
		*ret = RV_BREAKPOINT;
		return true;
	case CPU_FAULT_SYSCALL:
		*ret = RV_ECALL_U + v->priv;
		return true;
	case CPU_FAULT_UNALIGNED:
		*ret = is_fetch	  ? RV_INSN_MISALIGNED
		       : is_write ? RV_STORE_MISALIGNED
				  : RV_LOAD_MISALIGNED;
		return true;
	case CPU_FAULT_UNMAPPED:
	case CPU_FAULT_PROTECTION:
		*ret = is_fetch ? RV_INSN_ACCESS : is_write ? RV_STORE_ACCESS : RV_LOAD_ACCESS;
		return true;
	case CPU_FAULT_PAGE:
		*ret = is_fetch ? RV_INSN_PAGE : is_write ? RV_STORE_PAGE : RV_LOAD_PAGE;
		return true;
	default:
		return false;
	}
}

bool rv_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f)
{
	struct cpu_state next = *s;
	struct rv_state *v = rv_state(&next);
	struct cpu_fault refused;
	uint64_t cause;
	uint8_t insn[2];
	gpa_t gpa;

	if (!cause_of(v, f, &cause)) {
		return false;
	}
	v->pc = f->pc;
	rv_trap_enter(v, cause, f->has_address ? f->address : f->syndrome);
	if (!((v->priv == RV_PRIV_S ? v->stvec : v->mtvec) & ~3ULL)) {
		return false;
	}
	if (!rv_page_walk(&next, m, v->pc, MEM_X, &gpa, &refused) ||
	    !mem_fetch(m, gpa, insn, sizeof(insn), NULL)) {
		return false;
	}
	*s = next;
	return true;
}

/* Whether the three instructions of a semihosting call surround an EBREAK, all in its page. */
static bool is_semihost_call(const struct cpu_state *s, const struct mem *m, gva_t pc)
{
	struct cpu_fault refused;
	uint8_t raw[12];
	gpa_t gpa;

	if (pc % PAGE_BYTES < 4 || pc % PAGE_BYTES > PAGE_BYTES - 8) {
		return false;
	}
	if (!rv_page_walk(s, m, pc - 4, 0, &gpa, &refused) ||
	    mem_peek(m, gpa, raw, sizeof(raw)) != sizeof(raw)) {
		return false;
	}
	return load_le(raw, 4) == INSN_SLLI && load_le(raw + 4, 4) == INSN_EBREAK &&
	       load_le(raw + 8, 4) == INSN_SRAI;
}

enum cpu_semihost rv_semihost_match(const struct cpu_state *s, const struct mem *m,
				    const struct cpu_fault *f, struct cpu_semihost_call *ret_call)
{
	const struct rv_state *v = rv_state_const(s);

	if (f->kind != CPU_FAULT_BREAKPOINT || !is_semihost_call(s, m, f->pc)) {
		return CPU_SEMIHOST_NONE;
	}
	*ret_call = (struct cpu_semihost_call){
		.op = v->x[10],
		.param = v->x[11],
		.field_bytes = 8,
	};
	return CPU_SEMIHOST_CALL;
}

/* The SRAI that follows is a hint without effect: it simply runs. */
void rv_semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result)
{
	struct rv_state *v = rv_state(s);

	(void)m;
	v->x[10] = result;
	v->pc += 4;
}
