/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment descriptors. Source: SDM volume 3, sections 3.4 and 3.5. */
#include <string.h>

#include "cpu/x86/x86_internal.h"

#define SEL_TI	 BIT(2) /* local table */
#define SEL_MASK 0xfff8u

#define ATTR_REAL 0x0093u
#define ATTR_VM86 0x00f3u
/* Present flat defaults: 32-bit code, 64-bit code, data, LDT, busy TSS. */
#define ATTR_FLAT_CODE32 0xc09bu
#define ATTR_FLAT_CODE64 0xa09bu
#define ATTR_FLAT_DATA	 0xc093u
#define ATTR_FLAT_LDT	 0x0082u
#define ATTR_FLAT_TSS	 0x008bu

enum x86_desc_result x86_desc_read(const struct x86_state *x, const struct mem *m, uint16_t sel,
				   bool is_wide, uint64_t ret[2], struct cpu_fault *ret_fault)
{
	bool is_local = sel & SEL_TI;
	uint64_t base = is_local ? x->ldtr.base : x->gdtr.base;
	uint32_t limit = is_local ? x->ldtr.limit : x->gdtr.limit;
	uint32_t offset = sel & SEL_MASK;
	uint32_t len = is_wide ? 16 : 8;
	uint64_t desc[2] = { 0 };

	if (offset + len - 1 > limit || (is_local && !(x->ldtr.attr & X86_ATTR_P))) {
		return X86_DESC_LIMIT;
	}
	base += offset;
	if (!(x->efer & X86_EFER_LMA)) {
		base &= 0xffffffffu;
	}
	if (!x86_linear_read(x, m, base, desc, len, ret_fault)) {
		return X86_DESC_FAULT;
	}
	memcpy(ret, desc, sizeof(desc));
	return X86_DESC_OK;
}

void x86_desc_unpack(uint64_t desc, struct x86_seg *seg)
{
	uint32_t limit = (uint32_t)((desc & 0xffff) | ((desc >> 32) & 0xf0000));

	seg->attr = (uint16_t)((desc >> 40) & 0xf0ff);
	seg->base = ((desc >> 16) & 0xffffff) | ((desc >> 32) & 0xff000000);
	seg->limit = seg->attr & X86_ATTR_G ? limit << 12 | 0xfff : limit;
}

static void set_real(const struct x86_state *x, struct x86_seg *seg)
{
	seg->base = (uint64_t)seg->sel << 4;
	seg->limit = 0xffff;
	seg->attr = x->rflags & X86_FLAGS_VM ? ATTR_VM86 : ATTR_REAL;
}

static void set_flat(const struct x86_state *x, struct x86_seg *seg)
{
	seg->base = 0;
	seg->limit = 0xffffffff;
	seg->attr = ATTR_FLAT_DATA;
	if (seg == &x->seg[X86_CS]) {
		seg->attr = x->efer & X86_EFER_LMA ? ATTR_FLAT_CODE64 : ATTR_FLAT_CODE32;
	} else if (seg == &x->ldtr) {
		seg->limit = 0xffff;
		seg->attr = ATTR_FLAT_LDT;
	} else if (seg == &x->tr) {
		seg->limit = 0x67;
		seg->attr = ATTR_FLAT_TSS;
	} else if (!(seg->sel & ~3u)) {
		seg->attr = 0; /* null: present in the register, unusable */
		seg->limit = 0;
	}
}

bool x86_seg_reload(const struct x86_state *x, const struct mem *m, struct x86_seg *seg)
{
	bool is_system = seg == &x->ldtr || seg == &x->tr;
	bool is_wide = is_system && (x->efer & X86_EFER_LMA);
	struct cpu_fault fault;
	uint64_t desc[2];

	if (!is_system && (!(x->cr0 & X86_CR0_PE) || (x->rflags & X86_FLAGS_VM))) {
		set_real(x, seg);
		return true;
	}
	if (!(seg->sel & ~3u) && !is_system && seg != &x->seg[X86_CS]) {
		set_flat(x, seg);
		return true;
	}
	if (!(seg->sel & ~3u) ||
	    x86_desc_read(x, m, seg->sel, is_wide, desc, &fault) != X86_DESC_OK) {
		set_flat(x, seg);
		return false;
	}
	x86_desc_unpack(desc[0], seg);
	if (is_wide) {
		seg->base |= desc[1] << 32;
	} else if (!is_system) {
		seg->attr |= X86_ATTR_ACCESSED; /* the load sets it in the table, too */
	}
	return true;
}
