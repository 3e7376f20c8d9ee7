/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest CPU object of the RISC-V front end. */
#ifndef PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_CPU_H
#define PINFOLD_ENGINE_DBT_FRONT_RISCV_RV_CPU_H

#include "cpu/riscv/rv_access.h"
#include "engine/dbt/front/front.h"

#define RV_TLB_ENTRIES 256u

/** Kinds of access, each with its own translations. */
enum rv_tlb_kind { RV_TLB_R, RV_TLB_W, RV_TLB_X, RV_TLB_KINDS };

/** Where a page of RAM is in the host, for one way of looking at it. */
struct rv_tlb_entry {
	uint64_t tag;  /* page address | what it was translated for; 0: empty */
	uint8_t *host; /* of the page */
	gpa_t gpa;
	uint64_t generation; /* of the TLB, when it was entered */
};

/** A hart and what its interpreter needs. The hart comes first: registers' offsets count from here. */
struct rv_cpu {
	struct rv_hart hart;
	struct front_memory memory;
	struct rv_access access;
	bool is_system;
	uint64_t exit_vectors;
	bool has_trapped; /* a helper's instruction was a system call of the guest's own, ... */
	bool has_left;	  /* ... or for another reason ended translated code, with these effects: */
	uint32_t left_effects;	 /* RV_EFFECT_* */
	uint64_t tlb_generation; /* others' entries are void */
	uint64_t tlb_satp;	 /* the TLB's entries belong to it */
	struct rv_tlb_entry tlb[RV_TLB_KINDS][RV_TLB_ENTRIES];
};

/** Where addresses of an rv_cpu lead. */
extern const struct rv_access_ops rv_cpu_access_ops;

/** Forget what the TLB knows. */
void rv_cpu_tlb_flush(struct rv_cpu *c);

#endif
