/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of an RV64GC hart. Source: RISC-V privileged architecture 1.12, chapters 3 and 4; Sstc 1.0.
 *
 * This is what contexts, debuggers and all engines share. What a running hart needs besides (wires,
 * reservation, clock) is in rv_hart.h.
 */
#ifndef PINFOLD_CPU_RISCV_RISCV_H
#define PINFOLD_CPU_RISCV_RISCV_H

#include "cpu/cpu.h"

/** Privilege levels. */
enum rv_priv { RV_PRIV_U = 0, RV_PRIV_S = 1, RV_PRIV_M = 3 };

/** Fields of mstatus; those of sstatus lie at the same places. */
#define RV_MSTATUS_SIE	BIT(1)
#define RV_MSTATUS_MIE	BIT(3)
#define RV_MSTATUS_SPIE BIT(5)
#define RV_MSTATUS_MPIE BIT(7)
#define RV_MSTATUS_SPP	BIT(8)
#define RV_MSTATUS_MPP	(BIT(11) | BIT(12))
#define RV_MSTATUS_FS	(BIT(13) | BIT(14)) /* off, initial, clean, dirty */
#define RV_MSTATUS_MPRV BIT(17)
#define RV_MSTATUS_SUM	BIT(18)
#define RV_MSTATUS_MXR	BIT(19)
#define RV_MSTATUS_TVM	BIT(20)
#define RV_MSTATUS_TW	BIT(21)
#define RV_MSTATUS_TSR	BIT(22)
#define RV_MSTATUS_UXL	(2ULL << 32) /* 64 bits, for ever; SXL too */
#define RV_MSTATUS_SXL	(2ULL << 34)
#define RV_MSTATUS_SD	BIT(63)
#define RV_MPP_SHIFT	11
#define RV_FS_SHIFT	13

/** misa: MXL = 64 bits, extensions A C D F I M S U. */
#define RV_MISA 0x800000000014112dULL

/** menvcfg and senvcfg. */
#define RV_ENVCFG_FIOM	BIT(0)
#define RV_ENVCFG_CBIE	(BIT(4) | BIT(5))
#define RV_ENVCFG_CBCFE BIT(6)
#define RV_ENVCFG_CBZE	BIT(7)
#define RV_ENVCFG_PBMTE BIT(62) /* menvcfg only, as the next */
#define RV_ENVCFG_STCE	BIT(63)

/** mcause of the synchronous exceptions. */
enum rv_cause {
	RV_INSN_MISALIGNED = 0,
	RV_INSN_ACCESS = 1,
	RV_ILLEGAL = 2,
	RV_BREAKPOINT = 3,
	RV_LOAD_MISALIGNED = 4,
	RV_LOAD_ACCESS = 5,
	RV_STORE_MISALIGNED = 6,
	RV_STORE_ACCESS = 7,
	RV_ECALL_U = 8,
	RV_ECALL_S = 9,
	RV_ECALL_M = 11,
	RV_INSN_PAGE = 12,
	RV_LOAD_PAGE = 13,
	RV_STORE_PAGE = 15,
};

struct rv_state {
	uint64_t x[32]; /* x[0] is always 0 */
	uint64_t pc;
	uint64_t f[32];
	uint32_t fcsr;	  /* fflags and frm */
	uint32_t priv;	  /* enum rv_priv */
	uint64_t mstatus; /* without SD, which readers derive from FS */
	uint64_t misa, mie;
	uint64_t mip; /* the bits that software sets; wires are not part of the state */
	uint64_t mtvec, mscratch, mepc, mcause, mtval;
	uint64_t medeleg, mideleg, mcounteren, mhartid;
	uint64_t stvec, sscratch, sepc, scause, stval, satp, scounteren;
	uint64_t pmpcfg[2], pmpaddr[16];
	uint64_t mcountinhibit, menvcfg, senvcfg, stimecmp;
	uint64_t mcycle, minstret; /* as they would be read; kept by engines that count */
	/* The LR/SC reservation is not part of the state: it ends when one is set. */
};

static inline struct rv_state *rv_state(struct cpu_state *s)
{
	return (struct rv_state *)(void *)s->bytes; /* bytes[] is aligned to 16 */
}

static inline const struct rv_state *rv_state_const(const struct cpu_state *s)
{
	return (const struct rv_state *)(const void *)s->bytes;
}

/** @return mstatus as software reads it: with SD, which says that FS is Dirty */
static inline uint64_t rv_mstatus_read(const struct rv_state *s)
{
	bool is_dirty = (s->mstatus & RV_MSTATUS_FS) == RV_MSTATUS_FS;

	return (s->mstatus & ~RV_MSTATUS_SD) | (is_dirty ? RV_MSTATUS_SD : 0);
}

/** Turn mcause and mtval into the shared description. */
struct cpu_fault rv_fault_from_cause(uint64_t cause, gva_t pc, uint64_t tval);

extern const struct cpu_arch rv64_arch;

#endif
