/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AArch64 page walks, EL1&0 stage 1, granules of 4, 16 and 64 KiB, 48-bit addresses.
 * Source: DDI 0487, section D8.
 *
 * As on an Armv8.0 CPU: no hardware management of the access flag and dirty state (an access
 * through a clear access flag is a fault; nothing is ever written), no LPA, no VHE.
 */
#include "cpu/a64/a64_internal.h"

#define DESC_VALID   BIT(0)
#define DESC_TABLE   BIT(1)
#define DESC_AP_EL0  BIT(6)
#define DESC_AP_RO   BIT(7)
#define DESC_AF	     BIT(10)
#define DESC_PXN     BIT(53)
#define DESC_UXN     BIT(54)
#define TABLE_PXN    BIT(59)
#define TABLE_UXN    BIT(60)
#define TABLE_NO_EL0 BIT(61)
#define TABLE_RO     BIT(62)
#define ADDR_MASK    0x0000ffffffffffffULL
#define LEVEL_LAST   3u

struct walk {
	const struct a64_state *a;
	const struct mem *m;
	gva_t gva;
	uint32_t access;
	unsigned int page_shift; /* 12, 14, 16 */
	unsigned int va_bits;
	gpa_t table;
	/* Limits set by the tables on the way. */
	bool is_ro, is_no_el0, is_uxn, is_pxn;
};

uint64_t a64_abort_esr(const struct a64_state *a, uint32_t access, uint32_t fsc)
{
	bool is_fetch = access & MEM_X;
	uint64_t ec = is_fetch ? A64_EC_INSN_LOWER : A64_EC_DATA_LOWER;

	ec += a64_is_el0(a) ? 0 : 1;
	return ec << A64_ESR_EC_SHIFT | A64_ESR_IL | fsc |
	       (!is_fetch && (access & MEM_W) ? A64_ESR_WNR : 0);
}

static bool refuse(const struct walk *w, enum a64_fsc type, unsigned int level,
		   struct cpu_fault *ret)
{
	uint64_t esr = a64_abort_esr(w->a, w->access, (uint32_t)type | level);

	*ret = a64_fault_from_esr(esr, w->a->pc, w->gva);
	return false;
}

static unsigned int granule_shift(uint64_t tcr, bool is_high)
{
	static const uint8_t tg0[4] = { 12, 16, 14, 12 };
	static const uint8_t tg1[4] = { 12, 14, 12, 16 };

	return is_high ? tg1[tcr >> 30 & 3] : tg0[tcr >> 14 & 3];
}

/* Choose the half of the address space; false: the address is in neither, or walks are off. */
static bool walk_setup(struct walk *w)
{
	uint64_t tcr = w->a->tcr_el1;
	bool is_high = w->gva & BIT(55);
	bool has_tag = tcr & BIT(is_high ? 38 : 37);
	unsigned int top = has_tag ? 56 : 64; /* bits below this one belong to the address */
	unsigned int size = tcr >> (is_high ? 16 : 0) & 0x3f;
	uint64_t upper;

	size = size < 16 ? 16 : size > 39 ? 39 : size;
	w->va_bits = 64 - size;
	w->page_shift = granule_shift(tcr, is_high);
	w->table = (is_high ? w->a->ttbr1_el1 : w->a->ttbr0_el1) & ADDR_MASK & ~1ULL;
	upper = low_bytes(w->gva, top / 8) >> w->va_bits;
	if (upper != (is_high ? low_bytes(~0ULL, top / 8) >> w->va_bits : 0)) {
		return false;
	}
	return !(tcr & BIT(is_high ? 23 : 7));
}

static void table_limits(struct walk *w, uint64_t desc)
{
	w->is_ro |= (desc & TABLE_RO) != 0;
	w->is_no_el0 |= (desc & TABLE_NO_EL0) != 0;
	w->is_uxn |= (desc & TABLE_UXN) != 0;
	w->is_pxn |= (desc & TABLE_PXN) != 0;
}

static bool may_be_block(const struct walk *w, unsigned int level)
{
	return level == 2 || (level == 1 && w->page_shift == 12);
}

static bool is_permitted(const struct walk *w, uint64_t desc)
{
	bool is_el0 = a64_is_el0(w->a);
	bool el0 = (desc & DESC_AP_EL0) && !w->is_no_el0;
	bool writable = !(desc & DESC_AP_RO) && !w->is_ro;
	bool no_exec = is_el0 ? (desc & DESC_UXN) || w->is_uxn
			      : (desc & DESC_PXN) || w->is_pxn || (el0 && writable);

	if (w->access & MEM_X) {
		bool wxn = (w->a->sctlr_el1 & A64_SCTLR_WXN) && writable && (el0 || !is_el0);

		return !no_exec && !wxn;
	}
	if (is_el0 ? !el0 : el0 && (w->a->pstate & A64_PSTATE_PAN)) {
		return false;
	}
	return writable || !(w->access & MEM_W);
}

static bool leaf_check(const struct walk *w, uint64_t desc, unsigned int level,
		       struct cpu_fault *ret)
{
	if (!w->access) {
		return true;
	}
	if (!(desc & DESC_AF)) {
		return refuse(w, A64_FSC_ACCESS_FLAG, level, ret);
	}
	return is_permitted(w, desc) || refuse(w, A64_FSC_PERMISSION, level, ret);
}

static bool walk_levels(struct walk *w, gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	unsigned int stride = w->page_shift - 3;
	unsigned int levels = (w->va_bits - w->page_shift + stride - 1) / stride;
	unsigned int level = LEVEL_LAST + 1 - levels;
	unsigned int bits = w->va_bits - (w->page_shift + stride * (LEVEL_LAST - level));
	gpa_t table = w->table & ~((8ULL << bits) - 1);

	for (;; level++, bits = stride) {
		unsigned int shift = w->page_shift + stride * (LEVEL_LAST - level);
		gpa_t at = table + (w->gva >> shift & (BIT(bits) - 1)) * 8;
		uint8_t raw[8];
		uint64_t desc;

		if (!mem_read(w->m, at, raw, sizeof(raw), NULL)) {
			return refuse(w, A64_FSC_WALK, level, ret_fault);
		}
		desc = w->a->sctlr_el1 & A64_SCTLR_EE ? load_be(raw, 8) : load_le(raw, 8);
		if (!(desc & DESC_VALID) || (level == LEVEL_LAST && !(desc & DESC_TABLE)) ||
		    (level < LEVEL_LAST && !(desc & DESC_TABLE) && !may_be_block(w, level))) {
			return refuse(w, A64_FSC_TRANSLATION, level, ret_fault);
		}
		if (level == LEVEL_LAST || !(desc & DESC_TABLE)) {
			*ret_gpa = (desc & ADDR_MASK & ~(BIT(shift) - 1)) |
				   (w->gva & (BIT(shift) - 1));
			return leaf_check(w, desc, level, ret_fault);
		}
		table_limits(w, desc);
		table = desc & ADDR_MASK & ~(BIT(w->page_shift) - 1);
	}
}

bool a64_page_walk(const struct cpu_state *s, const struct mem *m, gva_t gva, uint32_t access,
		   gpa_t *ret_gpa, struct cpu_fault *ret_fault)
{
	const struct a64_state *a = a64_state_const(s);
	struct walk w = { .a = a, .m = m, .gva = gva, .access = access };

	if (!(a->sctlr_el1 & A64_SCTLR_M)) {
		if (gva & ~ADDR_MASK) {
			return refuse(&w, A64_FSC_ADDRESS_SIZE, 0, ret_fault);
		}
		*ret_gpa = gva;
		return true;
	}
	if (!walk_setup(&w)) {
		return refuse(&w, A64_FSC_TRANSLATION, 0, ret_fault);
	}
	return walk_levels(&w, ret_gpa, ret_fault);
}
