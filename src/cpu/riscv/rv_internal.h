/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the RISC-V files share and nobody else needs. */
#ifndef PINFOLD_CPU_RISCV_RV_INTERNAL_H
#define PINFOLD_CPU_RISCV_RV_INTERNAL_H

#include "cpu/riscv/rv_hart.h"

/* One row of a table per PMP entry. */
#define RV_PMP_ROWS(row)                                                                         \
	row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7), row(8), row(9), row(10), \
		row(11), row(12), row(13), row(14), row(15)

/* Which bits exist (rv_csr.c). */
#define RV_MIP_SOFT  (BIT(1) | BIT(5) | BIT(9)) /* SSIP, STIP, SEIP */
#define RV_MIP_WIRES (BIT(3) | BIT(7) | BIT(9) | BIT(11))
#define RV_MIE_MASK  (BIT(1) | BIT(3) | BIT(5) | BIT(7) | BIT(9) | BIT(11))
/* All of mstatus that software can change: UBE, SBE, MBE, VS and XS are not among it. */
#define RV_MSTATUS_MASK                                                                         \
	(RV_MSTATUS_SIE | RV_MSTATUS_MIE | RV_MSTATUS_SPIE | RV_MSTATUS_MPIE | RV_MSTATUS_SPP | \
	 RV_MSTATUS_MPP | RV_MSTATUS_FS | RV_MSTATUS_MPRV | RV_MSTATUS_SUM | RV_MSTATUS_MXR |   \
	 RV_MSTATUS_TVM | RV_MSTATUS_TW | RV_MSTATUS_TSR)
#define RV_MEDELEG_MASK	     0xb3ffULL /* causes 0 to 9, 12, 13, 15: all but ECALL from M-mode */
#define RV_MIDELEG_MASK	     (BIT(1) | BIT(5) | BIT(9))
#define RV_COUNTINHIBIT_MASK (BIT(0) | BIT(2))
#define RV_SENVCFG_MASK	     (RV_ENVCFG_FIOM | RV_ENVCFG_CBIE | RV_ENVCFG_CBCFE | RV_ENVCFG_CBZE)
#define RV_MENVCFG_MASK	     (RV_SENVCFG_MASK | RV_ENVCFG_PBMTE | RV_ENVCFG_STCE)
#define RV_PMPADDR_MAX	     ((1ULL << 54) - 1) /* bits 55:2 of an address */

#define RV_PMP_R    1u
#define RV_PMP_W    2u
#define RV_PMP_X    4u
#define RV_PMP_MODE 0x18u
#define RV_PMP_OFF  0x00u
#define RV_PMP_TOR  0x08u
#define RV_PMP_NA4  0x10u
#define RV_PMP_L    0x80u
#define RV_PMP_ALL  0x0101010101010101ULL /* times a bit of an entry: that bit of eight entries */

/** @return configuration byte of a PMP entry */
static inline uint8_t rv_pmp_cfg(const struct rv_state *s, unsigned int idx)
{
	return (uint8_t)(s->pmpcfg[idx / 8] >> idx % 8 * 8);
}

/** @return a configuration byte as the hart could hold it */
static inline uint8_t rv_pmp_cfg_legal(uint8_t cfg)
{
	cfg &= RV_PMP_L | RV_PMP_MODE | RV_PMP_X | RV_PMP_W | RV_PMP_R;
	return cfg & RV_PMP_R ? cfg : cfg & (uint8_t)~RV_PMP_W; /* W without R: neither */
}

/** @return whether satp may be so */
bool rv_satp_is_legal(uint64_t satp);

/** The reset state of rv64_arch. */
void rv_state_reset(struct rv_state *s);

/** Registers' part of trap entry: everything but telling whom it concerns. */
void rv_trap_enter(struct rv_state *s, uint64_t cause, uint64_t tval);

/** How a walk differs from what rv_translate() does. */
struct rv_walk {
	const struct rv_state *s;
	const struct mem *mem;
	uint32_t priv;
	uint32_t access; /* MEM_R, MEM_W or MEM_X; 0: a debugger's, which needs no permission */
	bool is_lenient; /* A and D are not asked for; PMP is not consulted */
};

/**
 * The walker.
 * @param ret       untouched on failure
 * @param ret_cause enum rv_cause of the refusal; untouched on success
 */
bool rv_walk(const struct rv_walk *w, gva_t gva, struct rv_translation *ret, uint64_t *ret_cause);

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
