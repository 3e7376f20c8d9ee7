/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of a 32-bit ARMv7-A CPU. Source: Arm ARM (DDI 0406), part B. */
#ifndef PINFOLD_CPU_ARM_ARM_H
#define PINFOLD_CPU_ARM_ARM_H

#include "cpu/cpu.h"

#define ARM_CPSR_MODE 0x1fu
#define ARM_CPSR_T    BIT(5)
#define ARM_CPSR_F    BIT(6)
#define ARM_CPSR_I    BIT(7)
#define ARM_CPSR_A    BIT(8)
#define ARM_CPSR_E    BIT(9)

enum arm_mode {
	ARM_MODE_USR = 0x10,
	ARM_MODE_FIQ = 0x11,
	ARM_MODE_IRQ = 0x12,
	ARM_MODE_SVC = 0x13,
	ARM_MODE_ABT = 0x17,
	ARM_MODE_UND = 0x1b,
	ARM_MODE_SYS = 0x1f,
};

/** Exceptions, numbered by their vector's offset / 4. */
enum arm_vector { ARM_VEC_UNDEF = 1, ARM_VEC_SVC = 2, ARM_VEC_PREFETCH = 3, ARM_VEC_DATA = 4 };

/** Order of the banks. */
enum arm_bank {
	ARM_BANK_USR,
	ARM_BANK_SVC,
	ARM_BANK_ABT,
	ARM_BANK_UND,
	ARM_BANK_IRQ,
	ARM_BANK_FIQ,
	ARM_BANK_COUNT
};

struct arm_state {
	uint32_t r[16]; /* of the current mode; 15 is the address of the next instruction */
	uint32_t cpsr;
	uint32_t fpscr, fpexc;
	/* Registers of the modes; those of the current mode repeat r[13], r[14]. */
	uint32_t bank_sp[ARM_BANK_COUNT], bank_lr[ARM_BANK_COUNT], bank_spsr[ARM_BANK_COUNT];
	uint32_t fiq_r8_r12[5]; /* FIQ's own; while in FIQ mode, everybody else's */
	uint32_t sctlr, cpacr, ttbr0, ttbr1, ttbcr, dacr, dfsr, dfar, ifsr, ifar, vbar;
	uint32_t prrr, nmrr, contextidr, tpidrurw, tpidruro, tpidrprw, pad;
	uint64_t d[32];
};

static inline struct arm_state *arm_state(struct cpu_state *s)
{
	return (struct arm_state *)(void *)s->bytes; /* bytes[] is aligned to 16 */
}

static inline const struct arm_state *arm_state_const(const struct cpu_state *s)
{
	return (const struct arm_state *)(const void *)s->bytes;
}

/**
 * Turn an exception into the shared description.
 * @param vector enum arm_vector
 * @param fsr    DFSR or IFSR in the short-descriptor layout; 0 for UNDEF and SVC
 * @param far    DFAR or IFAR; ignored for UNDEF and SVC
 */
struct cpu_fault arm_fault_from_vector(uint32_t vector, uint32_t fsr, gva_t pc, gva_t far);

/** Which bank a mode uses; ARM_BANK_USR also for System mode and for values that are no mode. */
enum arm_bank arm_bank_of_mode(uint32_t mode);

/** Write CPSR; a change of mode swaps the banked registers. */
void arm_cpsr_set(struct arm_state *a, uint32_t cpsr);

extern const struct cpu_arch arm_arch;

#endif
