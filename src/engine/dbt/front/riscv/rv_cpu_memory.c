/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where addresses lead for the RISC-V interpreter: translation with a small TLB.
 *
 * The TLB is a cache of rv_access_translate() for whole pages of RAM. Its tags hold what the answer depends on (privilege,
 * SUM, MXR), so that traps and returns need no flush; another satp empties it.
 */
#include "engine/dbt/front/riscv/rv_cpu.h"

#define TAG_VALID BIT(0)
#define TAG_PRIV  1 /* shift */
#define TAG_SUM	  BIT(3)
#define TAG_MXR	  BIT(4)

static uint64_t tag_of(const struct rv_cpu *c, gva_t gva, enum rv_tlb_kind kind)
{
	const struct rv_state *s = &c->hart.s;
	uint64_t tag = (gva & ~(PAGE_BYTES - 1)) | TAG_VALID;

	if (kind == RV_TLB_X) {
		return tag | (uint64_t)s->priv << TAG_PRIV;
	}
	tag |= (uint64_t)rv_data_priv(&c->hart) << TAG_PRIV;
	tag |= s->mstatus & RV_MSTATUS_SUM ? TAG_SUM : 0;
	tag |= s->mstatus & RV_MSTATUS_MXR ? TAG_MXR : 0;
	return tag;
}

static enum rv_tlb_kind kind_of(uint32_t access)
{
	return access == MEM_R ? RV_TLB_R : access == MEM_W ? RV_TLB_W : RV_TLB_X;
}

void rv_cpu_tlb_flush(struct rv_cpu *c)
{
	c->tlb_generation++;
	c->tlb_satp = c->hart.s.satp;
}

/* Pages of user and kernel often have the same low bits. */
static uint32_t tlb_slot(gva_t gva)
{
	uint64_t page = gva / PAGE_BYTES;

	return (uint32_t)(page ^ page >> 8 ^ page >> 16) % RV_TLB_ENTRIES;
}

static enum rv_mem_result find(void *opaque, gva_t gva, uint8_t bytes, uint32_t access,
			       struct rv_place *ret)
{
	struct rv_cpu *c = opaque;
	enum rv_tlb_kind kind = kind_of(access);
	struct rv_tlb_entry *entry = &c->tlb[kind][tlb_slot(gva)];
	uint64_t in_page = gva % PAGE_BYTES;
	struct rv_translation t;
	enum rv_mem_result r;
	uint8_t *kept;
	uint64_t tag;

	if (c->tlb_satp != c->hart.s.satp) {
		rv_cpu_tlb_flush(c);
	}
	tag = tag_of(c, gva, kind);
	if (entry->tag == tag && entry->generation == c->tlb_generation) {
		*ret = (struct rv_place){ entry->host + in_page, entry->gpa + in_page };
		return RV_MEM_OK;
	}
	r = rv_access_translate(&c->access, gva, bytes, access, &t);
	if (r != RV_MEM_OK) {
		return r;
	}
	*ret = (struct rv_place){ c->memory.ram(c->memory.opaque, t.gpa, bytes, access), t.gpa };
	kept = ret->host && t.bytes >= PAGE_BYTES
		       ? c->memory.ram_kept(c->memory.opaque, t.gpa - in_page, access)
		       : NULL;
	if (kept) {
		*entry = (struct rv_tlb_entry){ tag, kept, t.gpa - in_page, c->tlb_generation };
	}
	return RV_MEM_OK;
}

static enum rv_mem_result device(void *opaque, gpa_t gpa, uint8_t bytes, bool is_write,
				 uint64_t *value)
{
	struct rv_cpu *c = opaque;

	switch (c->memory.access(c->memory.opaque, gpa, bytes, is_write, value)) {
	case BUS_UNMAPPED:
		return RV_MEM_FAULT;
	case BUS_STOP:
		return RV_MEM_STOP;
	default:
		return RV_MEM_OK;
	}
}

const struct rv_access_ops rv_cpu_access_ops = { .find = find, .device = device };
