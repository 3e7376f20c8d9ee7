/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of an AArch64 CPU, exception levels 0 and 1. Source: Arm ARM (DDI 0487), part D. */
#ifndef PINFOLD_CPU_A64_A64_H
#define PINFOLD_CPU_A64_A64_H

#include "cpu/cpu.h"

/** PSTATE fields as they appear in SPSR_EL1. */
#define A64_PSTATE_SP	   BIT(0)
#define A64_PSTATE_EL_MASK (BIT(2) | BIT(3))
#define A64_PSTATE_EL1	   BIT(2)
#define A64_PSTATE_DAIF	   (BIT(6) | BIT(7) | BIT(8) | BIT(9))

struct a64_state {
	uint64_t x[31];
	uint64_t sp; /* the current one */
	uint64_t pc;
	uint64_t pstate; /* SPSR layout: NZCV, DAIF, EL, SP */
	uint8_t v[32][16];
	uint32_t fpcr, fpsr;
	/* The stack pointers that are not current; the current one's slot repeats sp. */
	uint64_t sp_el0, sp_el1;
	uint64_t sctlr_el1, cpacr_el1, ttbr0_el1, ttbr1_el1, tcr_el1, mair_el1, vbar_el1;
	uint64_t elr_el1, spsr_el1, esr_el1, far_el1, par_el1, contextidr_el1, amair_el1;
	uint64_t tpidr_el0, tpidrro_el0, tpidr_el1, cntkctl_el1;
	/* The exclusive monitor is not part of the state: it is cleared at every stop. */
};

static inline struct a64_state *a64_state(struct cpu_state *s)
{
	return (struct a64_state *)(void *)s->bytes; /* bytes[] is aligned to 16 */
}

static inline const struct a64_state *a64_state_const(const struct cpu_state *s)
{
	return (const struct a64_state *)(const void *)s->bytes;
}

/** Write PSTATE (SPSR layout); a change of exception level or SPSel switches the stack pointer. */
void a64_pstate_set(struct a64_state *a, uint64_t pstate);

/** Turn an exception syndrome (ESR_ELx layout) into the shared description. */
struct cpu_fault a64_fault_from_esr(uint64_t esr, gva_t pc, gva_t far);

extern const struct cpu_arch a64_arch;

#endif
