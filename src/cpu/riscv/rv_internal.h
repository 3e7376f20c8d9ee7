/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the RISC-V files share and nobody else needs. */
#ifndef PINFOLD_CPU_RISCV_RV_INTERNAL_H
#define PINFOLD_CPU_RISCV_RV_INTERNAL_H

#include "cpu/riscv/riscv.h"

#define RV_MSTATUS_MPRV BIT(17)
#define RV_MSTATUS_SUM	BIT(18)
#define RV_MSTATUS_MXR	BIT(19)
#define RV_MPP_SHIFT	11
#define RV_FS_SHIFT	13

/** cpu_arch.page_walk. */
bool rv_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		  gpa_t *ret_gpa, struct cpu_fault *ret_fault);

/** cpu_arch.deliver. */
bool rv_deliver(struct cpu_state *s, struct mem *m, const struct cpu_fault *f);

/** cpu_arch.semihost_match. */
enum cpu_semihost rv_semihost_match(const struct cpu_state *s, const struct mem *m,
				    const struct cpu_fault *f, struct cpu_semihost_call *ret_call);

/** cpu_arch.semihost_return. */
void rv_semihost_return(struct cpu_state *s, const struct mem *m, uint64_t result);

#endif
