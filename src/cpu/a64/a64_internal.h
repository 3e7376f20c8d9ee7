/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the AArch64 files share and nobody else needs. */
#ifndef PINFOLD_CPU_A64_A64_INTERNAL_H
#define PINFOLD_CPU_A64_A64_INTERNAL_H

#include "cpu/a64/a64.h"

#define A64_PSTATE_NRW BIT(4)
#define A64_PSTATE_PAN BIT(22)
#define A64_SCTLR_M    BIT(0)
#define A64_SCTLR_WXN  BIT(19)
#define A64_SCTLR_EE   BIT(25)
#define A64_SCTLR_E0E  BIT(24)

/** ESR_EL1 fields. */
#define A64_ESR_EC_SHIFT 26
#define A64_ESR_IL	 BIT(25)
#define A64_ESR_WNR	 BIT(6)

/** Exception classes. DDI 0487, ESR_EL1.EC. */
enum a64_ec {
	A64_EC_UNKNOWN = 0x00,
	A64_EC_FP_ACCESS = 0x07,
	A64_EC_ILLEGAL_STATE = 0x0e,
	A64_EC_SVC32 = 0x11,
	A64_EC_SVC = 0x15,
	A64_EC_HVC = 0x16,
	A64_EC_SMC = 0x17,
	A64_EC_SYSREG = 0x18,
	A64_EC_INSN_LOWER = 0x20,
	A64_EC_INSN_SAME = 0x21,
	A64_EC_PC_ALIGN = 0x22,
	A64_EC_DATA_LOWER = 0x24,
	A64_EC_DATA_SAME = 0x25,
	A64_EC_SP_ALIGN = 0x26,
	A64_EC_FP32 = 0x28,
	A64_EC_FP64 = 0x2c,
	A64_EC_BREAKPOINT_LOWER = 0x30,
	A64_EC_WATCHPOINT_SAME = 0x35,
	A64_EC_BKPT32 = 0x38,
	A64_EC_BRK = 0x3c,
};

/** Fault status codes; the low two bits of the first four are the level. */
enum a64_fsc {
	A64_FSC_ADDRESS_SIZE = 0x00,
	A64_FSC_TRANSLATION = 0x04,
	A64_FSC_ACCESS_FLAG = 0x08,
	A64_FSC_PERMISSION = 0x0c,
	A64_FSC_EXTERNAL = 0x10,
	A64_FSC_WALK = 0x14,
	A64_FSC_ALIGNMENT = 0x21,
};

/** Whether the CPU is at EL0. */
static inline bool a64_is_el0(const struct a64_state *a)
{
	return (a->pstate & A64_PSTATE_EL_MASK) == 0;
}

/** Whether data accesses are big-endian now. */
static inline bool a64_is_big_endian(const struct a64_state *a)
{
	return a->sctlr_el1 & (a64_is_el0(a) ? A64_SCTLR_E0E : A64_SCTLR_EE);
}

/** Syndrome of an abort taken to EL1 from the current exception level. */
uint64_t a64_abort_esr(const struct a64_state *a, uint32_t access, uint32_t fsc);

/** cpu_arch.page_walk. */
bool a64_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		   gpa_t *ret_gpa, struct cpu_fault *ret_fault);

/** cpu_arch.deliver. */
bool a64_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f);

/** cpu_arch.semihost_match. */
enum cpu_semihost a64_semihost_match(const struct cpu_state *s, const struct mem *m,
				     const struct cpu_fault *f, struct cpu_semihost_call *ret_call);

/** cpu_arch.semihost_return. */
void a64_semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result);

#endif
