/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory as the RISC-V interpreter sees it: translation with a small TLB, RAM, devices, atomics, reservations.
 *
 * The TLB is a cache of rv_translate() for whole pages of RAM. Its tags hold what the answer depends on (privilege,
 * SUM, MXR), so that traps and returns need no flush; another satp empties it.
 *
 * Harts of one VM take turns on one thread, so a reservation is lost when another hart runs: front ends are told by
 * dropping it at every stop.
 */
#include "engine/dbt/front/riscv/rv_cpu.h"

#include <string.h>

#define TAG_VALID BIT(0)
#define TAG_PRIV  1 /* shift */
#define TAG_SUM	  BIT(3)
#define TAG_MXR	  BIT(4)

#define RESERVATION_BYTES 64u

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
	memset(c->tlb, 0, sizeof(c->tlb));
	c->tlb_satp = c->hart.s.satp;
}

/* The access fault that belongs to an access. */
static uint64_t access_cause(uint32_t access)
{
	return access == MEM_R	 ? RV_LOAD_ACCESS
	       : access == MEM_W ? RV_STORE_ACCESS
				 : RV_INSN_ACCESS;
}

static enum rv_mem_result refuse(struct rv_cpu *c, uint64_t cause, gva_t gva)
{
	c->exec.cause = cause;
	c->exec.tval = gva;
	return RV_MEM_FAULT;
}

/* No memory and no device takes it. */
static enum rv_mem_result refuse_physical(struct rv_cpu *c, uint32_t access, gva_t gva, gpa_t gpa)
{
	c->has_refused = true;
	c->refused_gpa = gpa;
	return refuse(c, access_cause(access), gva);
}

/* Where an address leads: to RAM (host) or to a device (NULL), in both cases gpa. */
static enum rv_mem_result find(struct rv_cpu *c, gva_t gva, uint8_t bytes, uint32_t access,
			       uint8_t **ret_host, gpa_t *ret_gpa)
{
	enum rv_tlb_kind kind = kind_of(access);
	struct rv_tlb_entry *entry = &c->tlb[kind][gva / PAGE_BYTES % RV_TLB_ENTRIES];
	uint64_t in_page = gva % PAGE_BYTES;
	struct rv_translation t;
	uint64_t cause;
	uint64_t tag;

	if (c->tlb_satp != c->hart.s.satp) {
		rv_cpu_tlb_flush(c);
	}
	tag = tag_of(c, gva, kind);
	if (entry->tag == tag) {
		*ret_host = entry->host + in_page;
		*ret_gpa = entry->gpa + in_page;
		return RV_MEM_OK;
	}
	if (!rv_translate(&c->hart, gva, kind == RV_TLB_X ? c->hart.s.priv : rv_data_priv(&c->hart),
			  access, &t, &cause)) {
		return refuse(c, cause, gva);
	}
	if (t.bytes < PAGE_BYTES &&
	    !rv_pmp_allows(&c->hart.s, t.gpa, bytes, access,
			   kind == RV_TLB_X ? c->hart.s.priv : rv_data_priv(&c->hart))) {
		return refuse(c, access_cause(access), gva);
	}
	*ret_gpa = t.gpa;
	*ret_host = c->memory.ram(c->memory.opaque, t.gpa, bytes, access);
	if (*ret_host && t.bytes >= PAGE_BYTES &&
	    c->memory.ram(c->memory.opaque, t.gpa - in_page, 1, access) == *ret_host - in_page) {
		*entry = (struct rv_tlb_entry){ tag, *ret_host - in_page, t.gpa - in_page };
	}
	return RV_MEM_OK;
}

static void store_ram(uint8_t *host, uint8_t bytes, uint64_t value)
{
	switch (bytes) {
	case 8:
		__atomic_store_n((uint64_t *)(void *)host, value, __ATOMIC_RELAXED);
		break;
	case 4:
		__atomic_store_n((uint32_t *)(void *)host, (uint32_t)value, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n((uint16_t *)(void *)host, (uint16_t)value, __ATOMIC_RELAXED);
		break;
	default:
		__atomic_store_n(host, (uint8_t)value, __ATOMIC_RELAXED);
		break;
	}
}

static uint64_t load_ram(const uint8_t *host, uint8_t bytes)
{
	switch (bytes) {
	case 8:
		return __atomic_load_n((const uint64_t *)(const void *)host, __ATOMIC_RELAXED);
	case 4:
		return __atomic_load_n((const uint32_t *)(const void *)host, __ATOMIC_RELAXED);
	case 2:
		return __atomic_load_n((const uint16_t *)(const void *)host, __ATOMIC_RELAXED);
	default:
		return __atomic_load_n(host, __ATOMIC_RELAXED);
	}
}

static enum rv_mem_result device(struct rv_cpu *c, gva_t gva, gpa_t gpa, uint8_t bytes,
				 uint32_t access, uint64_t *value)
{
	enum bus_result r = BUS_UNMAPPED;

	if (access != MEM_X) {
		r = c->memory.access(c->memory.opaque, gpa, bytes, access == MEM_W, value);
	}
	if (r == BUS_UNMAPPED) {
		return refuse_physical(c, access, gva, gpa);
	}
	return r == BUS_STOP ? RV_MEM_STOP : RV_MEM_OK;
}

/* Misaligned, or across two pages: byte by byte, after both ends are known to be there. */
static enum rv_mem_result access_bytes(struct rv_cpu *c, gva_t gva, uint8_t bytes, uint32_t access,
				       uint64_t *value)
{
	uint8_t *host[8];
	gpa_t gpa[8];
	uint64_t got = 0;

	for (unsigned int i = 0; i < bytes; i++) {
		enum rv_mem_result r = find(c, gva + i, 1, access, &host[i], &gpa[i]);

		if (r != RV_MEM_OK) {
			return r;
		}
		if (!host[i]) { /* devices take aligned accesses only */
			return refuse_physical(c, access, gva + i, gpa[i]);
		}
	}
	for (unsigned int i = 0; i < bytes; i++) {
		if (access == MEM_W) {
			store_ram(host[i], 1, *value >> (8 * i) & 0xff);
		} else {
			got |= (uint64_t)load_ram(host[i], 1) << (8 * i);
		}
	}
	if (access != MEM_W) {
		*value = got;
	}
	return RV_MEM_OK;
}

static enum rv_mem_result access(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				 uint32_t access, uint64_t *value)
{
	struct rv_cpu *c = opaque;
	enum rv_mem_result r;
	uint8_t *host;
	gpa_t gpa;

	(void)x;
	if (gva % bytes) {
		return access_bytes(c, gva, bytes, access, value);
	}
	r = find(c, gva, bytes, access, &host, &gpa);
	if (r != RV_MEM_OK) {
		return r;
	}
	if (!host) {
		return device(c, gva, gpa, bytes, access, value);
	}
	if (access == MEM_W) {
		store_ram(host, bytes, *value);
	} else {
		*value = load_ram(host, bytes);
	}
	return RV_MEM_OK;
}

/* Atomics need RAM: PMA of devices offer none. */
static enum rv_mem_result find_ram(struct rv_cpu *c, gva_t gva, uint8_t bytes, uint32_t access,
				   uint8_t **ret_host, gpa_t *ret_gpa)
{
	enum rv_mem_result r = find(c, gva, bytes, access, ret_host, ret_gpa);

	if (r == RV_MEM_OK && !*ret_host) {
		return refuse_physical(c, access, gva, *ret_gpa);
	}
	return r;
}

static enum rv_mem_result modify(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				 uint64_t (*update)(void *arg, uint64_t old), void *arg,
				 uint64_t *value)
{
	struct rv_cpu *c = opaque;
	enum rv_mem_result r;
	uint64_t old;
	uint8_t *host;
	gpa_t gpa;

	(void)x;
	r = find_ram(c, gva, bytes, MEM_W, &host, &gpa);
	if (r != RV_MEM_OK) {
		return r;
	}
	if (bytes == 8) {
		uint64_t *p = (uint64_t *)(void *)host;

		old = __atomic_load_n(p, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(p, &old, update(arg, old), false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		}
	} else {
		uint32_t *p = (uint32_t *)(void *)host;
		uint32_t was = __atomic_load_n(p, __ATOMIC_RELAXED);

		while (!__atomic_compare_exchange_n(p, &was, (uint32_t)update(arg, was), false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		}
		old = was;
	}
	*value = old;
	return RV_MEM_OK;
}

static enum rv_mem_result reserve(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				  uint64_t *value)
{
	struct rv_cpu *c = opaque;
	enum rv_mem_result r;
	uint8_t *host;
	gpa_t gpa;

	(void)x;
	r = find_ram(c, gva, bytes, MEM_R, &host, &gpa);
	if (r != RV_MEM_OK) {
		return r;
	}
	*value = load_ram(host, bytes);
	c->hart.has_reservation = true;
	c->hart.reserved_gpa = gpa & ~(uint64_t)(RESERVATION_BYTES - 1);
	return RV_MEM_OK;
}

static enum rv_mem_result store_conditional(void *opaque, struct rv_exec *x, gva_t gva,
					    uint8_t bytes, uint64_t value, bool *ret_stored)
{
	struct rv_cpu *c = opaque;
	bool has_reservation = c->hart.has_reservation;
	enum rv_mem_result r;
	uint8_t *host;
	gpa_t gpa;

	(void)x;
	c->hart.has_reservation = false;
	r = find_ram(c, gva, bytes, MEM_W, &host, &gpa);
	if (r != RV_MEM_OK) {
		return r;
	}
	*ret_stored = has_reservation &&
		      (gpa & ~(uint64_t)(RESERVATION_BYTES - 1)) == c->hart.reserved_gpa;
	if (*ret_stored) {
		store_ram(host, bytes, value);
	}
	return RV_MEM_OK;
}

static enum rv_mem_result block(void *opaque, struct rv_exec *x, gva_t gva, bool zero)
{
	struct rv_cpu *c = opaque;
	gva_t from = gva & ~(uint64_t)(RV_BLOCK_BYTES - 1);
	enum rv_mem_result r;
	uint8_t *host;
	gpa_t gpa;

	(void)x;
	r = find_ram(c, from, RV_BLOCK_BYTES, MEM_W, &host, &gpa);
	if (r == RV_MEM_FAULT) {
		c->exec.tval = gva;
		return r;
	}
	if (zero) {
		memset(host, 0, RV_BLOCK_BYTES);
	}
	return RV_MEM_OK;
}

const struct rv_memory rv_cpu_memory = {
	.access = access,
	.modify = modify,
	.reserve = reserve,
	.store_conditional = store_conditional,
	.block = block,
};

bool rv_cpu_fetch(struct rv_cpu *c, uint32_t *ret)
{
	gva_t pc = c->hart.s.pc;
	uint64_t low;
	uint64_t high;

	if (access(c, &c->exec, pc, 2, MEM_X, &low) != RV_MEM_OK) {
		return false;
	}
	if ((low & 3) != 3) {
		*ret = (uint32_t)low;
		return true;
	}
	if (access(c, &c->exec, pc + 2, 2, MEM_X, &high) != RV_MEM_OK) {
		return false;
	}
	*ret = (uint32_t)(low | high << 16);
	return true;
}
