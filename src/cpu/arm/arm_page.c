/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARMv7-A page walks, short-descriptor format. Source: DDI 0406, section B3.5.
 *
 * The long-descriptor format (TTBCR.EAE) is refused as "exception": nothing that Pinfold runs
 * uses it yet. Access flags are checked under SCTLR.AFE, never set (HA is not implemented).
 */
#include "cpu/arm/arm_internal.h"

struct walk {
	const struct arm_state *a;
	const struct mem *m;
	uint32_t va;
	uint32_t access;
	bool is_user;
};

/* A leaf, in the terms of the second level. */
struct leaf {
	gpa_t gpa;
	uint32_t ap; /* APX:AP[1:0] */
	uint32_t domain;
	bool is_xn;
	bool is_pxn;
	bool is_level1;
};

static bool refuse(const struct walk *w, enum arm_fs fs, uint32_t domain, struct cpu_fault *ret)
{
	bool is_fetch = w->access & MEM_X;
	uint32_t fsr = (uint32_t)fs;

	if (!is_fetch) {
		fsr |= domain << 4;
		fsr |= w->access & MEM_W ? (uint32_t)ARM_FSR_WRITE : 0;
	}
	*ret = arm_fault_from_vector(is_fetch ? ARM_VEC_PREFETCH : ARM_VEC_DATA, fsr, w->a->r[15],
				     w->va);
	return false;
}

static bool entry_read(const struct walk *w, gpa_t at, enum arm_fs fs, uint32_t *ret,
		       struct cpu_fault *ret_fault)
{
	uint8_t raw[4];

	if (!mem_read(w->m, at, raw, sizeof(raw), NULL)) {
		return refuse(w, fs, 0, ret_fault);
	}
	*ret = (uint32_t)(w->a->sctlr & ARM_SCTLR_EE ? load_be(raw, 4) : load_le(raw, 4));
	return true;
}

/* Which table the address belongs to; false when walks of it are disabled. */
static bool table_base(const struct walk *w, gpa_t *ret)
{
	uint32_t n = w->a->ttbcr & 7;

	if (n && w->va >> (32 - n)) {
		*ret = w->a->ttbr1 & 0xffffc000u;
		return !(w->a->ttbcr & ARM_TTBCR_PD1);
	}
	*ret = w->a->ttbr0 & (0xffffffffu << (14 - n));
	/* The index has 12 - n bits; the bits above are zero here. */
	return !(w->a->ttbcr & ARM_TTBCR_PD0);
}

static void section_leaf(const struct walk *w, uint32_t d, struct leaf *l)
{
	bool is_super = d & BIT(18);

	l->is_level1 = true;
	l->ap = (d >> 10 & 3) | (d >> 13 & 4);
	l->is_xn = d & BIT(4);
	l->is_pxn = d & BIT(0);
	l->domain = is_super ? 0 : d >> 5 & 15;
	if (is_super) {
		l->gpa = (d & 0xff000000u) | (uint64_t)(d >> 20 & 15) << 32 |
			 (uint64_t)(d >> 5 & 15) << 36 | (w->va & 0x00ffffffu);
	} else {
		l->gpa = (d & 0xfff00000u) | (w->va & 0x000fffffu);
	}
}

static bool page_leaf(const struct walk *w, uint32_t table, struct leaf *l, struct cpu_fault *ret)
{
	gpa_t at = (table & 0xfffffc00u) + (w->va >> 12 & 0xff) * 4;
	uint32_t d;

	l->domain = table >> 5 & 15;
	l->is_pxn = table & BIT(2);
	if (!entry_read(w, at, ARM_FS_WALK_L2, &d, ret)) {
		return false;
	}
	if (!(d & 3)) {
		return refuse(w, ARM_FS_TRANS_L2, l->domain, ret);
	}
	l->ap = (d >> 4 & 3) | (d >> 7 & 4);
	if (d & 2) {
		l->is_xn = d & BIT(0);
		l->gpa = (d & 0xfffff000u) | (w->va & 0xfffu);
	} else {
		l->is_xn = d & BIT(15);
		l->gpa = (d & 0xffff0000u) | (w->va & 0xffffu);
	}
	return true;
}

/* MEM_R and MEM_W that AP[2:0] gives. DDI 0406, tables B3-8 and B3-9. */
static uint32_t allowed(const struct walk *w, uint32_t ap, bool is_user)
{
	static const uint8_t privileged[8] = { 0, 3, 3, 3, 0, 1, 1, 1 };
	static const uint8_t user[8] = { 0, 0, 1, 3, 0, 0, 1, 1 };

	if (w->a->sctlr & ARM_SCTLR_AFE) {
		ap |= 1; /* AP[0] is the access flag */
	}
	return is_user ? user[ap] : privileged[ap];
}

static bool is_permitted(const struct walk *w, const struct leaf *l)
{
	uint32_t may = allowed(w, l->ap, w->is_user);

	if (!(w->access & MEM_X)) {
		return (w->access & ~may) == 0;
	}
	if (!(may & MEM_R) || l->is_xn || (!w->is_user && l->is_pxn)) {
		return false;
	}
	if ((w->a->sctlr & ARM_SCTLR_WXN) && (may & MEM_W)) {
		return false;
	}
	return w->is_user || !(w->a->sctlr & ARM_SCTLR_UWXN) || !(allowed(w, l->ap, true) & MEM_W);
}

static bool leaf_check(const struct walk *w, const struct leaf *l, struct cpu_fault *ret)
{
	uint32_t domain_access = w->a->dacr >> (2 * l->domain) & 3;

	if (!w->access) {
		return true;
	}
	if ((w->a->sctlr & ARM_SCTLR_AFE) && !(l->ap & 1)) {
		return refuse(w, l->is_level1 ? ARM_FS_ACCESS_L1 : ARM_FS_ACCESS_L2, l->domain,
			      ret);
	}
	if (domain_access == 3) {
		return true; /* manager: permissions are not checked */
	}
	if (domain_access != 1) {
		return refuse(w, l->is_level1 ? ARM_FS_DOMAIN_L1 : ARM_FS_DOMAIN_L2, l->domain,
			      ret);
	}
	if (!is_permitted(w, l)) {
		return refuse(w, l->is_level1 ? ARM_FS_PERM_L1 : ARM_FS_PERM_L2, l->domain, ret);
	}
	return true;
}

bool arm_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		   gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	const struct arm_state *a = arm_state_const(s);
	struct walk w = {
		.a = a,
		.m = m,
		.va = (uint32_t)gva,
		.access = access,
		.is_user = (a->cpsr & ARM_CPSR_MODE) == ARM_MODE_USR,
	};
	struct leaf l = { 0 };
	gpa_t table;
	uint32_t d;

	if (!(a->sctlr & ARM_SCTLR_M)) {
		*ret_gpa = w.va;
		return true;
	}
	if (a->ttbcr & ARM_TTBCR_EAE) {
		*ret_fault = (struct cpu_fault){ .kind = CPU_FAULT_OTHER,
						 .pc = a->r[15],
						 .address = gva,
						 .has_address = true,
						 .access = access };
		return false;
	}
	if (!table_base(&w, &table)) {
		return refuse(&w, ARM_FS_TRANS_L1, 0, ret_fault);
	}
	if (!entry_read(&w, table + (w.va >> 20) * 4, ARM_FS_WALK_L1, &d, ret_fault)) {
		return false;
	}
	switch (d & 3) {
	case 0:
		return refuse(&w, ARM_FS_TRANS_L1, 0, ret_fault);
	case 1:
		if (!page_leaf(&w, d, &l, ret_fault)) {
			return false;
		}
		break;
	default:
		section_leaf(&w, d, &l);
		break;
	}
	if (!leaf_check(&w, &l, ret_fault)) {
		return false;
	}
	*ret_gpa = l.gpa;
	return true;
}
