/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V exception entry, and semihosting. Source: privileged architecture 1.12, sections 3.1.6 to
 * 3.1.8, 4.1; RISC-V semihosting 0.4.
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

static void enter_s(struct rv_state *v, const struct cpu_fault *f, uint64_t cause, uint64_t tval)
{
	uint64_t status = v->mstatus & ~(RV_MSTATUS_SIE | RV_MSTATUS_SPIE | RV_MSTATUS_SPP);

	v->sepc = f->pc;
	v->scause = cause;
	v->stval = tval;
	status |= v->mstatus & RV_MSTATUS_SIE ? RV_MSTATUS_SPIE : 0;
	status |= v->priv == RV_PRIV_S ? RV_MSTATUS_SPP : 0;
	v->mstatus = status;
	v->priv = RV_PRIV_S;
	v->pc = v->stvec & ~3ULL;
}

static void enter_m(struct rv_state *v, const struct cpu_fault *f, uint64_t cause, uint64_t tval)
{
	uint64_t status = v->mstatus & ~(RV_MSTATUS_MIE | RV_MSTATUS_MPIE | RV_MSTATUS_MPP);

	v->mepc = f->pc;
	v->mcause = cause;
	v->mtval = tval;
	status |= v->mstatus & RV_MSTATUS_MIE ? RV_MSTATUS_MPIE : 0;
	status |= (uint64_t)v->priv << RV_MPP_SHIFT;
	v->mstatus = status;
	v->priv = RV_PRIV_M;
	v->pc = v->mtvec & ~3ULL;
}

bool rv_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f)
{
	struct cpu_state next = *s;
	struct rv_state *v = rv_state(&next);
	uint64_t tval = f->has_address ? f->address : f->syndrome;
	struct cpu_fault refused;
	uint64_t cause;
	uint8_t insn[2];
	bool is_delegated;
	gpa_t gpa;

	if (!cause_of(v, f, &cause)) {
		return false;
	}
	is_delegated = v->priv != RV_PRIV_M && cause < 64 && (v->medeleg & BIT(cause));
	if (!((is_delegated ? v->stvec : v->mtvec) & ~3ULL)) {
		return false;
	}
	if (is_delegated) {
		enter_s(v, f, cause, tval);
	} else {
		enter_m(v, f, cause, tval);
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
