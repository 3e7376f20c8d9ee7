/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hart's privileged behaviour: CSRs, traps, interrupts, PMP, address translation. Shared by every
 * engine that runs RISC-V; none of it executes instructions (rv_exec.h does) or knows an engine.
 *
 * Source: RISC-V privileged architecture 1.12 (with Sstc, Svinval, Svnapot, Svpbmt, Zicboz, Zicbom
 * and Zicntr); the rules for fields that hold only some values (WARL) that the manual leaves open
 * are decided in rv_csr.c, one line each.
 *
 * What an operation changes beyond the state is told as effects, for the engine to act on:
 *
 *   sfence.vma     RV_EFFECT_TRANSLATION    cached translations of addresses are void
 *   csrw satp      RV_EFFECT_SPACE          other translations hold (those of this address space may be kept)
 *   csrw sie       RV_EFFECT_IRQ            an interrupt may be due now
 *   mret, csrw mstatus, csrw frm            RV_EFFECT_MODE: what instructions mean has changed
 *
 * Threads: everything on the hart's own thread, except rv_hart_wires_set().
 */
#ifndef PINFOLD_CPU_RISCV_RV_HART_H
#define PINFOLD_CPU_RISCV_RV_HART_H

#include <stdatomic.h>

#include "cpu/riscv/riscv.h"

/** Interrupt numbers, also bits of mip and mie. */
enum rv_irq {
	RV_IRQ_SSI = 1,
	RV_IRQ_MSI = 3,
	RV_IRQ_STI = 5,
	RV_IRQ_MTI = 7,
	RV_IRQ_SEI = 9,
	RV_IRQ_MEI = 11,
};

#define RV_CAUSE_IRQ (1ULL << 63)

#define RV_PMP_COUNT 16

#define RV_EFFECT_TRANSLATION BIT(0) /* sfence.vma, sinval.vma, PMP, PBMTE: translations are void */
#define RV_EFFECT_IRQ	      BIT(1) /* look for an interrupt before the next instruction */
#define RV_EFFECT_MODE	      BIT(2) /* privilege, FS, frm, envcfg: how instructions behave */
#define RV_EFFECT_TIMER	      BIT(3) /* stimecmp, or whether it counts, changed */
#define RV_EFFECT_COUNTERS    BIT(4) /* mcycle, minstret or mcountinhibit was written */
#define RV_EFFECT_FENCE_I     BIT(5) /* what was stored is to be executed */
#define RV_EFFECT_SPACE	      BIT(6) /* satp, SUM, MXR, MPRV: others translations hold from now on */

/** The `time` CSR. */
struct rv_clock {
	void *opaque;
	uint64_t (*ticks)(void *opaque);
};

/** Fixed when the hart is made. */
struct rv_hart_config {
	uint64_t hartid;
	struct mem *mem; /* outlives the hart */
	struct rv_clock clock;
	uint8_t va_bits; /* satp takes modes up to this: 39, 48 or 57; 0: all */
};

/** One hart. The state comes first: translated code knows its offsets. */
struct rv_hart {
	struct rv_state s;
	_Atomic uint64_t wires; /* MSI, MTI, SEI, MEI lines as devices drive them, as mip bits */
	struct rv_hart_config cfg;
	bool has_reservation; /* of LR, ... */
	gpa_t reserved_gpa;   /* ... here */
};

/**
 * Set up @p h in the reset state of rv64_arch, with nothing reserved and no wire driven.
 */
void rv_hart_init(struct rv_hart *h, const struct rv_hart_config *cfg);

/** Change the level of the wires in @p mask (mip bits). Any thread; the hart has to be kicked. */
void rv_hart_wires_set(struct rv_hart *h, uint64_t mask, uint64_t level);

/* ---- CSRs (rv_csr.c) ---- */

enum rv_csr_op { RV_CSR_READ, RV_CSR_WRITE, RV_CSR_SET, RV_CSR_CLEAR };

/**
 * What csrrw, csrrs, csrrc and their immediate forms do.
 * @param op READ for csrrs and csrrc with rs1 = x0 (no write happens, not even of the same value); WRITE
 *           with rd = x0 must not read: pass @p ret_old = NULL
 * @param ret_old the old value; untouched on failure
 * @param effects RV_EFFECT_*, ORed in; untouched on failure
 * @return false: an illegal-instruction exception (no such CSR, privilege, read-only, FS off, TVM, counteren)
 */
bool rv_csr_access(struct rv_hart *h, uint32_t csr, enum rv_csr_op op, uint64_t operand,
		   uint64_t *ret_old, uint32_t *effects);

/** As debuggers and contexts see it, without permission checks; 0 for one that does not exist. */
uint64_t rv_csr_peek(const struct rv_hart *h, uint32_t csr);

/**
 * Make a foreign state legal: every field is forced to a value that the hart could have got by
 * writing CSRs. For contexts, debuggers and other engines' states.
 */
void rv_state_legalise(struct rv_state *s);

/** @return whether addresses are translated alike in both states, if satp is the same or looked at elsewhere */
bool rv_state_translates_alike(const struct rv_state *a, const struct rv_state *b);

/** @p n instructions were executed: mcycle and minstret go on, unless they are inhibited. */
void rv_insns_count(struct rv_state *s, uint64_t n);

/** @return the CSR's name, or NULL */
const char *rv_csr_name(uint32_t csr);

/* ---- traps (rv_trap.c) ---- */

/**
 * Take a trap now: an exception of the instruction at s.pc, or an interrupt before it.
 * @param cause RV_CAUSE_IRQ | irq, or enum rv_cause
 * @param tval  for mtval or stval
 * @return effects
 */
uint32_t rv_trap(struct rv_hart *h, uint64_t cause, uint64_t tval);

/** @return the cause of the interrupt that is due before the next instruction, or 0 */
uint64_t rv_irq_due(const struct rv_hart *h);

/** @return whether WFI would go on at once: an enabled interrupt is pending, whatever mstatus says */
bool rv_irq_wakes(const struct rv_hart *h);

/** mip as software reads it: software bits, wires, and STIP from stimecmp. */
uint64_t rv_mip(const struct rv_hart *h);

/** @return `time` at which stimecmp makes STIP pending; UINT64_MAX: never */
uint64_t rv_timer_due(const struct rv_hart *h);

/** Instructions of the privileged kind. */
enum rv_priv_insn {
	RV_MRET,
	RV_SRET,
	RV_WFI,
	RV_SFENCE_VMA,
	RV_SINVAL_VMA,
	RV_SFENCE_W_INVAL,
	RV_SFENCE_INVAL_IR
};

/**
 * Carry one out: MRET and SRET set s.pc; the others leave it.
 * @param effects ORed in
 * @return false: illegal instruction in this mode
 */
bool rv_priv_insn(struct rv_hart *h, enum rv_priv_insn insn, uint32_t *effects);

/** Cache-block operations: what menvcfg and senvcfg say. */
enum rv_cbo { RV_CBO_INVAL, RV_CBO_CLEAN, RV_CBO_FLUSH, RV_CBO_ZERO };

/** @return false: illegal instruction in this mode */
bool rv_cbo_is_allowed(const struct rv_hart *h, enum rv_cbo op);

/* ---- memory (rv_page.c, rv_pmp.c) ---- */

/** What a translation found: good for the whole range [gva & ~(bytes - 1), + bytes). */
struct rv_translation {
	gpa_t gpa; /* of the address asked for */
	uint64_t
		bytes; /* size of the page or of its part with the same permission: a power of 2, >= 4 */
	uint32_t
		perm; /* MEM_* that this privilege may do without another walk (D clear: no MEM_W) */
	bool is_global;
	uint64_t leaf_bytes; /* of the page itself, whatever PMP makes of it; 0: not translated */
};

/**
 * Privilege that decides about data accesses of the hart now: mstatus.MPRV lends M-mode another.
 */
uint32_t rv_data_priv(const struct rv_hart *h);

/**
 * Translate and check: page tables (Svade: clear A or D bits are page faults), then PMP. Page tables are read
 * through PMP as S-mode.
 *
 * Where ret->bytes is less than an access has, PMP treats its bytes differently: an aligned access, which is one,
 * has to be asked about as a whole (rv_pmp_allows); a misaligned one may be done in parts.
 * @param priv   RV_PRIV_*, of the access
 * @param access exactly one of MEM_R, MEM_W, MEM_X
 * @param ret    untouched on failure
 * @param ret_cause enum rv_cause of the refusal; tval is @p gva. Untouched on success
 */
bool rv_translate(const struct rv_hart *h, gva_t gva, uint32_t priv, uint32_t access,
		  struct rv_translation *ret, uint64_t *ret_cause);

/**
 * PMP's verdict about [gpa, gpa + bytes).
 * @return whether every byte may be accessed so at that privilege (a range that only partly matches the entry that
 *         decides is refused)
 */
bool rv_pmp_allows(const struct rv_state *s, gpa_t gpa, uint64_t bytes, uint32_t access,
		   uint32_t priv);

/** @return whether entries bind M-mode, or may: one is locked */
bool rv_pmp_is_locked(const struct rv_state *s);

/**
 * @return the largest power of 2, at most @p bytes and at least 4, such that PMP treats the whole aligned block
 *         around @p gpa alike; and in @p ret_perm what it allows there
 */
uint64_t rv_pmp_block(const struct rv_state *s, gpa_t gpa, uint64_t bytes, uint32_t priv,
		      uint32_t *ret_perm);

#endif
