/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See rv_access.h. RAM is shared with other threads' devices, so each of its accesses is one of the host's. */
#include "cpu/riscv/rv_access.h"

#include <string.h>

#include "mem/mem.h"

#define RESERVATION_BYTES 64u

/* The access fault that belongs to an access. */
static uint64_t access_cause(uint32_t access)
{
	return access == MEM_R	 ? RV_LOAD_ACCESS
	       : access == MEM_W ? RV_STORE_ACCESS
				 : RV_INSN_ACCESS;
}

static enum rv_mem_result refuse(struct rv_access *a, uint64_t cause, gva_t gva)
{
	a->exec.cause = cause;
	a->exec.tval = gva;
	return RV_MEM_FAULT;
}

/* No memory and no device takes it. */
static enum rv_mem_result refuse_physical(struct rv_access *a, uint32_t access, gva_t gva,
					  gpa_t gpa)
{
	a->has_refused = true;
	a->refused_gpa = gpa;
	return refuse(a, access_cause(access), gva);
}

enum rv_mem_result rv_access_translate(struct rv_access *a, gva_t gva, uint8_t bytes,
				       uint32_t access, struct rv_translation *ret)
{
	const struct rv_hart *h = a->exec.hart;
	uint32_t priv = access == MEM_X ? h->s.priv : rv_data_priv(h);
	struct rv_translation t;
	uint64_t cause;

	if (!rv_translate(h, gva, priv, access, &t, &cause)) {
		return refuse(a, cause, gva);
	}
	if (t.bytes < PAGE_BYTES && !rv_pmp_allows(&h->s, t.gpa, bytes, access, priv)) {
		return refuse(a, access_cause(access), gva);
	}
	*ret = t;
	return RV_MEM_OK;
}

static enum rv_mem_result find(struct rv_access *a, gva_t gva, uint8_t bytes, uint32_t access,
			       struct rv_place *ret)
{
	return a->ops->find(a->opaque, gva, bytes, access, ret);
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

static enum rv_mem_result device(struct rv_access *a, gva_t gva, gpa_t gpa, uint8_t bytes,
				 uint32_t access, uint64_t *value)
{
	enum rv_mem_result r = RV_MEM_FAULT;

	if (access != MEM_X) {
		r = a->ops->device(a->opaque, gpa, bytes, access == MEM_W, value);
	}
	return r == RV_MEM_FAULT ? refuse_physical(a, access, gva, gpa) : r;
}

/* Misaligned, or across two pages: byte by byte, after both ends are known to be there. */
static enum rv_mem_result access_bytes(struct rv_access *a, gva_t gva, uint8_t bytes,
				       uint32_t access, uint64_t *value)
{
	struct rv_place at[8];
	uint64_t got = 0;

	for (unsigned int i = 0; i < bytes; i++) {
		enum rv_mem_result r = find(a, gva + i, 1, access, &at[i]);

		if (r != RV_MEM_OK) {
			return r;
		}
		if (!at[i].host) { /* devices take aligned accesses only */
			return refuse_physical(a, access, gva + i, at[i].gpa);
		}
	}
	for (unsigned int i = 0; i < bytes; i++) {
		if (access == MEM_W) {
			store_ram(at[i].host, 1, *value >> (8 * i) & 0xff);
		} else {
			got |= load_ram(at[i].host, 1) << (8 * i);
		}
	}
	if (access != MEM_W) {
		*value = got;
	}
	return RV_MEM_OK;
}

static enum rv_mem_result do_access(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				    uint32_t access, uint64_t *value)
{
	struct rv_access *a = opaque;
	enum rv_mem_result r;
	struct rv_place at;

	(void)x;
	if (gva & (bytes - 1u)) {
		return access_bytes(a, gva, bytes, access, value);
	}
	r = find(a, gva, bytes, access, &at);
	if (r != RV_MEM_OK) {
		return r;
	}
	if (!at.host) {
		return device(a, gva, at.gpa, bytes, access, value);
	}
	if (access == MEM_W) {
		store_ram(at.host, bytes, *value);
	} else {
		*value = load_ram(at.host, bytes);
	}
	return RV_MEM_OK;
}

/* Atomics need RAM: PMA of devices offer none. */
static enum rv_mem_result find_ram(struct rv_access *a, gva_t gva, uint8_t bytes, uint32_t access,
				   struct rv_place *ret)
{
	enum rv_mem_result r = find(a, gva, bytes, access, ret);

	if (r == RV_MEM_OK && !ret->host) {
		return refuse_physical(a, access, gva, ret->gpa);
	}
	return r;
}

static enum rv_mem_result modify(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				 uint64_t (*update)(void *arg, uint64_t old), void *arg,
				 uint64_t *value)
{
	enum rv_mem_result r;
	struct rv_place at;

	(void)x;
	r = find_ram(opaque, gva, bytes, MEM_W, &at);
	if (r != RV_MEM_OK) {
		return r;
	}
	if (bytes == 8) {
		uint64_t *p = (uint64_t *)(void *)at.host;
		uint64_t old = __atomic_load_n(p, __ATOMIC_RELAXED);

		while (!__atomic_compare_exchange_n(p, &old, update(arg, old), false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		}
		*value = old;
	} else {
		uint32_t *p = (uint32_t *)(void *)at.host;
		uint32_t old = __atomic_load_n(p, __ATOMIC_RELAXED);

		while (!__atomic_compare_exchange_n(p, &old, (uint32_t)update(arg, old), false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
		}
		*value = old;
	}
	return RV_MEM_OK;
}

static enum rv_mem_result reserve(void *opaque, struct rv_exec *x, gva_t gva, uint8_t bytes,
				  uint64_t *value)
{
	enum rv_mem_result r;
	struct rv_place at;

	r = find_ram(opaque, gva, bytes, MEM_R, &at);
	if (r != RV_MEM_OK) {
		return r;
	}
	*value = load_ram(at.host, bytes);
	x->hart->has_reservation = true;
	x->hart->reserved_gpa = align_down(at.gpa, RESERVATION_BYTES);
	return RV_MEM_OK;
}

static enum rv_mem_result store_conditional(void *opaque, struct rv_exec *x, gva_t gva,
					    uint8_t bytes, uint64_t value, bool *ret_stored)
{
	struct rv_hart *h = x->hart;
	bool has_reservation = h->has_reservation;
	enum rv_mem_result r;
	struct rv_place at;

	h->has_reservation = false;
	r = find_ram(opaque, gva, bytes, MEM_W, &at);
	if (r != RV_MEM_OK) {
		return r;
	}
	*ret_stored = has_reservation && align_down(at.gpa, RESERVATION_BYTES) == h->reserved_gpa;
	if (*ret_stored) {
		store_ram(at.host, bytes, value);
	}
	return RV_MEM_OK;
}

/*
 * A block is managed where a load or a store may be done. Otherwise it is a store that is refused: a page fault, unless page
 * tables allow one of the two (CMO 1.0, 2.5.2).
 */
static enum rv_mem_result find_managed(struct rv_access *a, gva_t gva, struct rv_place *ret)
{
	enum rv_mem_result r = find_ram(a, gva, RV_BLOCK_BYTES, MEM_R, ret);
	uint64_t cause = a->exec.cause;

	if (r == RV_MEM_OK) {
		return r;
	}
	r = find_ram(a, gva, RV_BLOCK_BYTES, MEM_W, ret);
	if (r == RV_MEM_OK) {
		a->has_refused = false;
	} else if (cause == RV_LOAD_ACCESS) {
		a->exec.cause = RV_STORE_ACCESS;
	}
	return r;
}

static enum rv_mem_result block(void *opaque, struct rv_exec *x, gva_t gva, bool zero)
{
	gva_t first = align_down(gva, RV_BLOCK_BYTES);
	enum rv_mem_result r;
	struct rv_place at;

	r = zero ? find_ram(opaque, first, RV_BLOCK_BYTES, MEM_W, &at)
		 : find_managed(opaque, first, &at);
	if (r == RV_MEM_FAULT) {
		x->tval = gva;
		return r;
	}
	if (zero) {
		memset(at.host, 0, RV_BLOCK_BYTES);
	}
	return RV_MEM_OK;
}

void rv_access_init(struct rv_access *a, struct rv_hart *hart, const struct rv_access_ops *ops,
		    void *opaque)
{
	*a = (struct rv_access){
		.exec = { .hart = hart, .memory = &a->memory },
		.memory = { .opaque = a,
			    .access = do_access,
			    .modify = modify,
			    .reserve = reserve,
			    .store_conditional = store_conditional,
			    .block = block },
		.ops = ops,
		.opaque = opaque,
	};
}

static bool fetch_half(struct rv_access *a, gva_t gva, uint64_t *ret)
{
	return do_access(a, &a->exec, gva, 2, MEM_X, ret) == RV_MEM_OK;
}

bool rv_access_fetch(struct rv_access *a, struct rv_insn *ret)
{
	gva_t pc = a->exec.hart->s.pc;
	uint64_t high = 0;
	uint64_t low;

	a->has_refused = false;
	a->exec.effects = 0;
	if (!fetch_half(a, pc, &low) || ((low & 3) == 3 && !fetch_half(a, pc + 2, &high))) {
		return false;
	}
	rv_decode((uint32_t)(low | high << 16), ret);
	return true;
}

bool rv_access_fault(const struct rv_access *a, bool is_system, struct cpu_fault *ret)
{
	const struct rv_hart *h = a->exec.hart;

	*ret = rv_fault_from_cause(a->exec.cause, h->s.pc, a->exec.tval);
	if (is_system || !a->has_refused) {
		return false;
	}
	ret->kind = mem_region_find(h->cfg.mem, a->refused_gpa) ? CPU_FAULT_PROTECTION
								: CPU_FAULT_UNMAPPED;
	return true;
}
