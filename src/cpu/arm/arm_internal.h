/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ARM files share and nobody else needs. */
#ifndef PINFOLD_CPU_ARM_ARM_INTERNAL_H
#define PINFOLD_CPU_ARM_ARM_INTERNAL_H

#include "cpu/arm/arm.h"

#define ARM_SCTLR_M    BIT(0)
#define ARM_SCTLR_V    BIT(13)
#define ARM_SCTLR_WXN  BIT(19)
#define ARM_SCTLR_UWXN BIT(20)
#define ARM_SCTLR_EE   BIT(25)
#define ARM_SCTLR_AFE  BIT(29)
#define ARM_SCTLR_TE   BIT(30)
#define ARM_TTBCR_PD0  BIT(4)
#define ARM_TTBCR_PD1  BIT(5)
#define ARM_TTBCR_EAE  BIT(31)

/** Fault status (FS[4], FS[3:0]) of the short-descriptor format. DDI 0406, table B3-23. */
enum arm_fs {
	ARM_FS_ALIGNMENT = 0x01,
	ARM_FS_DEBUG = 0x02,
	ARM_FS_ACCESS_L1 = 0x03,
	ARM_FS_TRANS_L1 = 0x05,
	ARM_FS_ACCESS_L2 = 0x06,
	ARM_FS_TRANS_L2 = 0x07,
	ARM_FS_EXTERNAL = 0x08,
	ARM_FS_DOMAIN_L1 = 0x09,
	ARM_FS_DOMAIN_L2 = 0x0b,
	ARM_FS_WALK_L1 = 0x0c,
	ARM_FS_PERM_L1 = 0x0d,
	ARM_FS_WALK_L2 = 0x0e,
	ARM_FS_PERM_L2 = 0x0f,
};

#define ARM_FSR_WRITE BIT(11)

/** cpu_arch.page_walk. */
bool arm_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		   gpa_t *ret_gpa, struct cpu_fault *ret_fault);

/** cpu_arch.deliver. */
bool arm_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f);

/** cpu_arch.semihost_match. */
enum cpu_semihost arm_semihost_match(const struct cpu_state *s, const struct mem *m,
				     const struct cpu_fault *f, struct cpu_semihost_call *ret_call);

/** cpu_arch.semihost_return. */
void arm_semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result);

#endif
