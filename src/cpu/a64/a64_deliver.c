/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AArch64 exception entry to EL1, and semihosting. Source: DDI 0487, section D1.3; Arm
 * semihosting specification 2.0.
 *
 * A guest that never wrote VBAR_EL1 (it is still 0) has no handlers: its exceptions are reported
 * instead. So are those whose vector is not executable memory, and those of AArch32 code at EL0.
 */
#include "cpu/a64/a64_internal.h"

#define VECTOR_SP0   0x000u
#define VECTOR_SPX   0x200u
#define VECTOR_LOWER 0x400u
#define NZCV	     0xf0000000u

#define HLT_SEMIHOST 0xd45e0000u /* hlt #0xf000 */

static bool insn_at(const struct cpu_state *s, const struct mem *m, gva_t pc, uint32_t *ret)
{
	struct cpu_fault refused;
	uint8_t raw[4];
	gpa_t gpa;

	if (!a64_page_walk(s, m, pc, 0, &gpa, &refused) ||
	    mem_peek(m, gpa, raw, sizeof(raw)) != sizeof(raw)) {
		return false;
	}
	*ret = (uint32_t)load_le(raw, 4);
	return true;
}

/* Syndrome of SVC and BRK: their immediate. */
static uint64_t esr_of_call(const struct cpu_state *s, const struct mem *m, enum a64_ec ec,
			    gva_t pc)
{
	uint32_t insn = 0;

	insn_at(s, m, pc, &insn);
	return (uint64_t)ec << A64_ESR_EC_SHIFT | A64_ESR_IL | (insn >> 5 & 0xffff);
}

/* Syndrome of the exception; 0 with *ret_known false if it isn't one that EL1 takes. */
static uint64_t esr_of(const struct cpu_state *s, const struct mem *m, const struct cpu_fault *f,
		       bool *ret_known)
{
	const struct a64_state *a = a64_state_const(s);

	*ret_known = true;
	if (f->syndrome) {
		return f->syndrome;
	}
	switch (f->kind) {
	case CPU_FAULT_ILLEGAL_INSN:
	case CPU_FAULT_SYSREG:
		return A64_ESR_IL;
	case CPU_FAULT_SYSCALL:
		return esr_of_call(s, m, A64_EC_SVC, f->pc);
	case CPU_FAULT_BREAKPOINT:
		return esr_of_call(s, m, A64_EC_BRK, f->pc);
	case CPU_FAULT_PAGE:
		return a64_abort_esr(a, f->access, A64_FSC_TRANSLATION);
	case CPU_FAULT_UNMAPPED:
	case CPU_FAULT_PROTECTION:
		return a64_abort_esr(a, f->access, A64_FSC_EXTERNAL);
	case CPU_FAULT_UNALIGNED:
		if (f->access & MEM_X) {
			return (uint64_t)A64_EC_PC_ALIGN << A64_ESR_EC_SHIFT | A64_ESR_IL;
		}
		return a64_abort_esr(a, f->access, A64_FSC_ALIGNMENT);
	default:
		*ret_known = false;
		return 0;
	}
}

static uint64_t vector_offset(const struct a64_state *a)
{
	if (a64_is_el0(a)) {
		return VECTOR_LOWER;
	}
	return a->pstate & A64_PSTATE_SP ? VECTOR_SPX : VECTOR_SP0;
}

static void enter(struct a64_state *a, const struct cpu_fault *f, uint64_t esr)
{
	uint32_t ec = esr >> A64_ESR_EC_SHIFT & 0x3f;
	uint64_t vector = a->vbar_el1 + vector_offset(a);

	a->elr_el1 = f->pc + (ec == A64_EC_SVC ? 4 : 0);
	a->spsr_el1 = a->pstate;
	a->esr_el1 = esr;
	if (f->has_address) {
		a->far_el1 = f->address;
	}
	a64_pstate_set(a, (a->pstate & (NZCV | A64_PSTATE_PAN)) | A64_PSTATE_DAIF | A64_PSTATE_EL1 |
				  A64_PSTATE_SP);
	a->pc = vector;
}

bool a64_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f)
{
	struct cpu_state next = *s;
	struct a64_state *a = a64_state(&next);
	struct cpu_fault refused;
	bool is_known;
	uint64_t esr = esr_of(s, m, f, &is_known);
	uint8_t insn[4];
	gpa_t gpa;

	if (!is_known || !a->vbar_el1 || (a->pstate & A64_PSTATE_NRW)) {
		return false;
	}
	enter(a, f, esr);
	if (!a64_page_walk(&next, m, a->pc, MEM_X, &gpa, &refused) ||
	    !mem_fetch(m, gpa, insn, sizeof(insn), NULL)) {
		return false;
	}
	*s = next;
	return true;
}

enum cpu_semihost a64_semihost_match(const struct cpu_state *s, const struct mem *m,
				     const struct cpu_fault *f, struct cpu_semihost_call *ret_call)
{
	const struct a64_state *a = a64_state_const(s);
	uint32_t insn;

	if (f->kind != CPU_FAULT_ILLEGAL_INSN && f->kind != CPU_FAULT_BREAKPOINT &&
	    f->kind != CPU_FAULT_SYSCALL && f->kind != CPU_FAULT_OTHER) {
		return CPU_SEMIHOST_NONE;
	}
	if (!insn_at(s, m, f->pc, &insn) || insn != HLT_SEMIHOST) {
		return CPU_SEMIHOST_NONE;
	}
	*ret_call = (struct cpu_semihost_call){
		.op = a->x[0],
		.param = a->x[1],
		.field_bytes = 8,
		.is_big_endian = a64_is_big_endian(a),
	};
	return CPU_SEMIHOST_CALL;
}

void a64_semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result)
{
	struct a64_state *a = a64_state(s);

	(void)m;
	a->x[0] = result;
	a->pc += 4;
}
