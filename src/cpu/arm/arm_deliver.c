/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARMv7-A exception entry and semihosting. Source: DDI 0406, section B1.9; Arm semihosting
 * specification 2.0.
 *
 * A guest that never wrote VBAR (it is still 0) and does not use high vectors has no handlers:
 * its exceptions are reported instead. So are those whose vector is not executable memory.
 */
#include "cpu/arm/arm_internal.h"

#define CPSR_IT_J    0x0700fc00u /* IT[1:0], J, IT[7:2] */
#define HIGH_VECTORS 0xffff0000u

static bool is_known_vector(uint32_t vector)
{
	return vector >= ARM_VEC_UNDEF && vector <= ARM_VEC_DATA;
}

/* The vector of faults that only have a kind. 0: not an exception of this processor. */
static uint32_t vector_of(const struct cpu_fault *f)
{
	if (is_known_vector(f->vector)) {
		return f->vector;
	}
	switch (f->kind) {
	case CPU_FAULT_ILLEGAL_INSN:
	case CPU_FAULT_SYSREG:
		return ARM_VEC_UNDEF;
	case CPU_FAULT_SYSCALL:
		return ARM_VEC_SVC;
	case CPU_FAULT_BREAKPOINT:
		return ARM_VEC_PREFETCH;
	case CPU_FAULT_PAGE:
	case CPU_FAULT_UNMAPPED:
	case CPU_FAULT_PROTECTION:
	case CPU_FAULT_UNALIGNED:
		return f->access & MEM_X ? ARM_VEC_PREFETCH : ARM_VEC_DATA;
	default:
		return 0;
	}
}

/* Fault status of faults that carry none. */
static uint32_t fsr_of(const struct cpu_fault *f)
{
	uint32_t write = f->access & MEM_W ? (uint32_t)ARM_FSR_WRITE : 0;

	if (f->syndrome) {
		return (uint32_t)f->syndrome;
	}
	switch (f->kind) {
	case CPU_FAULT_UNALIGNED:
		return ARM_FS_ALIGNMENT | write;
	case CPU_FAULT_BREAKPOINT:
		return ARM_FS_DEBUG;
	case CPU_FAULT_PAGE:
		return ARM_FS_TRANS_L1 | write;
	default:
		return ARM_FS_EXTERNAL | write;
	}
}

/* Step ITSTATE behind an instruction. DDI 0406, A2.5.2. */
static uint32_t it_advance(uint32_t cpsr)
{
	uint32_t it = (cpsr >> 25 & 3) | (cpsr >> 8 & 0xfc);

	it = it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
	return (cpsr & ~0x0600fc00u) | (it & 3) << 25 | (it & 0xfc) << 8;
}

static uint32_t return_address(const struct arm_state *a, uint32_t vector, uint32_t pc)
{
	switch (vector) {
	case ARM_VEC_UNDEF:
	case ARM_VEC_SVC:
		return pc + (a->cpsr & ARM_CPSR_T ? 2 : 4);
	case ARM_VEC_PREFETCH:
		return pc + 4;
	default:
		return pc + 8;
	}
}

static void set_fault_registers(struct arm_state *a, uint32_t vector, const struct cpu_fault *f)
{
	if (vector == ARM_VEC_PREFETCH) {
		a->ifsr = fsr_of(f);
		a->ifar = (uint32_t)(f->has_address ? f->address : f->pc);
	} else if (vector == ARM_VEC_DATA) {
		a->dfsr = fsr_of(f);
		a->dfar = (uint32_t)f->address;
	}
}

static void enter(struct arm_state *a, uint32_t vector, const struct cpu_fault *f)
{
	static const uint8_t modes[] = {
		[ARM_VEC_UNDEF] = ARM_MODE_UND,
		[ARM_VEC_SVC] = ARM_MODE_SVC,
		[ARM_VEC_PREFETCH] = ARM_MODE_ABT,
		[ARM_VEC_DATA] = ARM_MODE_ABT,
	};
	uint32_t lr = return_address(a, vector, (uint32_t)f->pc);
	uint32_t spsr = vector == ARM_VEC_SVC ? it_advance(a->cpsr) : a->cpsr;
	uint64_t cpsr = a->cpsr & ~(CPSR_IT_J | ARM_CPSR_MODE | ARM_CPSR_T | ARM_CPSR_E);
	enum arm_bank bank = arm_bank_of_mode(modes[vector]);

	set_fault_registers(a, vector, f);
	cpsr |= modes[vector] | ARM_CPSR_I;
	cpsr |= vector == ARM_VEC_PREFETCH || vector == ARM_VEC_DATA ? ARM_CPSR_A : 0;
	cpsr |= a->sctlr & ARM_SCTLR_TE ? ARM_CPSR_T : 0;
	cpsr |= a->sctlr & ARM_SCTLR_EE ? ARM_CPSR_E : 0;
	arm_cpsr_set(a, (uint32_t)cpsr);
	a->bank_spsr[bank] = spsr;
	a->r[14] = lr;
	a->bank_lr[bank] = lr;
	a->r[15] = (a->sctlr & ARM_SCTLR_V ? HIGH_VECTORS : a->vbar) + vector * 4;
}

bool arm_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f)
{
	uint32_t vector = vector_of(f);
	struct cpu_state next = *s;
	struct arm_state *a = arm_state(&next);
	struct cpu_fault refused;
	uint8_t insn[2];
	gpa_t gpa;

	if (!vector || (!(a->sctlr & ARM_SCTLR_V) && !a->vbar)) {
		return false;
	}
	enter(a, vector, f);
	if (!arm_page_walk(&next, m, a->r[15], MEM_X, &gpa, &refused) ||
	    !mem_fetch(m, gpa, insn, sizeof(insn), NULL)) {
		return false;
	}
	*s = next;
	return true;
}

/* Instruction at pc as the semihosting specification lists them; 0: another. */
static uint32_t semihost_insn_bytes(const struct cpu_state *s, const struct mem *m, gva_t pc)
{
	bool is_thumb = arm_state_const(s)->cpsr & ARM_CPSR_T;
	size_t len = is_thumb ? 2 : 4;
	struct cpu_fault refused;
	uint8_t raw[4];
	uint32_t insn;
	gpa_t gpa;

	if (!arm_page_walk(s, m, pc, 0, &gpa, &refused) || mem_peek(m, gpa, raw, len) != len) {
		return 0;
	}
	insn = (uint32_t)load_le(raw, (unsigned int)len);
	if (is_thumb) { /* svc 0xab, bkpt 0xab, hlt 0x3c */
		return insn == 0xdfab || insn == 0xbeab || insn == 0xbabc ? 2 : 0;
	}
	/* svc 0x123456 under any condition, hlt 0xf000 */
	return ((insn & 0x0fffffff) == 0x0f123456 && insn >> 28 != 15) || insn == 0xe10f0070 ? 4
											     : 0;
}

enum cpu_semihost arm_semihost_match(const struct cpu_state *s, const struct mem *m,
				     const struct cpu_fault *f, struct cpu_semihost_call *ret_call)
{
	const struct arm_state *a = arm_state_const(s);

	if (f->kind != CPU_FAULT_SYSCALL && f->kind != CPU_FAULT_BREAKPOINT &&
	    f->kind != CPU_FAULT_ILLEGAL_INSN) {
		return CPU_SEMIHOST_NONE;
	}
	if (!semihost_insn_bytes(s, m, f->pc)) {
		return CPU_SEMIHOST_NONE;
	}
	*ret_call = (struct cpu_semihost_call){
		.op = a->r[0],
		.param = a->r[1],
		.field_bytes = 4,
		.is_big_endian = a->cpsr & ARM_CPSR_E,
	};
	return CPU_SEMIHOST_CALL;
}

void arm_semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result)
{
	struct arm_state *a = arm_state(s);

	a->r[0] = (uint32_t)result;
	a->r[15] += semihost_insn_bytes(s, m, a->r[15]);
	if (a->cpsr & ARM_CPSR_T) {
		a->cpsr = it_advance(a->cpsr);
	}
}
