/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RISC-V page walks: Bare, Sv39, Sv48, Sv57. Source: privileged architecture 1.12, sections 4.3
 * to 4.6.
 *
 * A and D bits are neither asked for nor set: harts may set them themselves, and those of the
 * engines do. Physical memory protection is not consulted. Svnapot and Svpbmt are absent, so the
 * top ten bits of an entry must be zero.
 */
#include "cpu/riscv/rv_internal.h"

#define PTE_V	     BIT(0)
#define PTE_R	     BIT(1)
#define PTE_W	     BIT(2)
#define PTE_X	     BIT(3)
#define PTE_U	     BIT(4)
#define PTE_RESERVED (0x3ffULL << 54)
#define PTE_PPN_MASK ((1ULL << 44) - 1)
#define PPN_SHIFT    10
#define LEVEL_BITS   9

static bool refuse(const struct rv_state *v, gva_t gva, uint32_t access, bool is_page,
		   struct cpu_fault *ret)
{
	uint64_t cause = is_page ? RV_LOAD_PAGE : RV_LOAD_ACCESS;

	if (access & MEM_X) {
		cause = is_page ? RV_INSN_PAGE : RV_INSN_ACCESS;
	} else if (access & MEM_W) {
		cause = is_page ? RV_STORE_PAGE : RV_STORE_ACCESS;
	}
	*ret = rv_fault_from_cause(cause, v->pc, gva);
	return false;
}

/* Privilege that decides about an access: mstatus.MPRV lends M-mode's data accesses another. */
static uint32_t effective_priv(const struct rv_state *v, uint32_t access)
{
	if (v->priv == RV_PRIV_M && (v->mstatus & RV_MSTATUS_MPRV) && (access & (MEM_R | MEM_W))) {
		return (uint32_t)(v->mstatus >> RV_MPP_SHIFT & 3);
	}
	return v->priv;
}

static bool is_permitted(const struct rv_state *v, uint64_t pte, uint32_t priv, uint32_t access)
{
	bool is_user_page = pte & PTE_U;

	if (priv == RV_PRIV_U && !is_user_page) {
		return false;
	}
	if (priv == RV_PRIV_S && is_user_page &&
	    ((access & MEM_X) || !(v->mstatus & RV_MSTATUS_SUM))) {
		return false;
	}
	if (access & MEM_X) {
		return pte & PTE_X;
	}
	if (access & MEM_W) {
		return pte & PTE_W;
	}
	return (pte & PTE_R) || ((pte & PTE_X) && (v->mstatus & RV_MSTATUS_MXR));
}

static bool is_bad_entry(uint64_t pte)
{
	return !(pte & PTE_V) || (pte & PTE_RESERVED) || ((pte & PTE_W) && !(pte & PTE_R));
}

static bool walk_levels(const struct rv_state *v, const struct mem *m, gva_t gva, uint32_t access,
			uint32_t priv, unsigned int levels, gpa_t *ret_gpa,
			struct cpu_fault *ret_fault)
{
	gpa_t table = (v->satp & PTE_PPN_MASK) << 12;
	unsigned int shift = 12 + LEVEL_BITS * (levels - 1);

	for (;; shift -= LEVEL_BITS) {
		gpa_t at = table + (gva >> shift & (BIT(LEVEL_BITS) - 1)) * 8;
		uint64_t pte;
		uint64_t base;

		if (!mem_read(m, at, &pte, sizeof(pte), NULL)) {
			return refuse(v, gva, access, false, ret_fault);
		}
		if (is_bad_entry(pte)) {
			return refuse(v, gva, access, true, ret_fault);
		}
		base = (pte >> PPN_SHIFT & PTE_PPN_MASK) << 12;
		if (pte & (PTE_R | PTE_X)) {
			if ((base & (BIT(shift) - 1)) ||
			    (access && !is_permitted(v, pte, priv, access))) {
				return refuse(v, gva, access, true, ret_fault);
			}
			*ret_gpa = base | (gva & (BIT(shift) - 1));
			return true;
		}
		if (shift == 12) {
			return refuse(v, gva, access, true, ret_fault);
		}
		table = base;
	}
}

bool rv_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		  gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	const struct rv_state *v = rv_state_const(s);
	uint32_t priv = effective_priv(v, access);
	unsigned int mode = (unsigned int)(v->satp >> 60);
	unsigned int levels = mode - 5; /* 8: Sv39, 9: Sv48, 10: Sv57 */
	unsigned int spare;

	if (priv == RV_PRIV_M || mode < 8 || mode > 10) {
		*ret_gpa = gva;
		return true;
	}
	spare = 64 - (12 + LEVEL_BITS * levels);
	if ((int64_t)(gva << spare) >> spare != (int64_t)gva) {
		return refuse(v, gva, access, true, ret_fault);
	}
	return walk_levels(v, m, gva, access, priv, levels, ret_gpa, ret_fault);
}
