/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's memory for the tests of room cpu: 2 MiB of RAM at 1 MiB, and 64 KiB at 0. */
#ifndef PINFOLD_TESTS_UNIT_TEST_CPU_GUEST_H
#define PINFOLD_TESTS_UNIT_TEST_CPU_GUEST_H

#include "cpu/cpu.h"
#include "mem/mem.h"
#include "test.h"

#define GUEST_LOW_BYTES 0x10000u
#define GUEST_RAM_GPA	0x100000u
#define GUEST_RAM_BYTES 0x200000u

/** One guest: its CPU and memory, all zero. */
struct guest {
	struct cpu_state cpu;
	struct mem *m;
	uint8_t *host;
};

static inline void guest_open(struct guest *g, const struct cpu_arch *a, struct cpu_mode mode)
{
	struct mem_region low = { 0, GUEST_LOW_BYTES, MEM_RWX, NULL, "low" };
	struct mem_region ram = { GUEST_RAM_GPA, GUEST_RAM_BYTES, MEM_RWX, NULL, "ram" };

	g->host = calloc(1, GUEST_LOW_BYTES + GUEST_RAM_BYTES);
	g->m = mem_new();
	if (!g->host || !g->m) {
		abort();
	}
	low.hva = g->host;
	ram.hva = g->host + GUEST_LOW_BYTES;
	if (mem_region_add(g->m, &low, NULL) || mem_region_add(g->m, &ram, NULL)) {
		abort();
	}
	a->reset(&g->cpu, &mode);
}

static inline void guest_close(struct guest *g)
{
	mem_free(g->m);
	free(g->host);
}

static inline void guest_put(struct guest *g, gpa_t gpa, uint64_t value, unsigned int bytes)
{
	uint8_t raw[8];

	store_le(raw, value, bytes);
	if (!mem_write(g->m, gpa, raw, bytes, NULL)) {
		abort();
	}
}

static inline uint64_t guest_get(const struct guest *g, gpa_t gpa, unsigned int bytes)
{
	uint8_t raw[8];

	if (!mem_read(g->m, gpa, raw, bytes, NULL)) {
		abort();
	}
	return load_le(raw, bytes);
}

/** Value of a register by name; a missing name is a failed check. */
static inline uint64_t guest_reg(const struct guest *g, const char *name)
{
	const struct cpu_reg *r = cpu_reg_find(cpu_arch_by_id(g->cpu.arch), name);

	if (!r) {
		printf("no register %s\n", name);
		test_failures++;
		return 0;
	}
	return cpu_reg_get(&g->cpu, r);
}

/** Set a register by name; refusal is a failed check. */
static inline void guest_set(struct guest *g, const char *name, uint64_t value)
{
	const struct cpu_reg *r = cpu_reg_find(cpu_arch_by_id(g->cpu.arch), name);

	if (!r || cpu_reg_set(&g->cpu, r, value, NULL)) {
		printf("can't set %s\n", name);
		test_failures++;
	}
}

/** Expect registers, in a table that ends with a NULL name. */
struct expect_reg {
	const char *name;
	uint64_t value;
};

static inline void guest_expect(const struct guest *g, const struct expect_reg *want)
{
	for (; want->name; want++) {
		uint64_t got = guest_reg(g, want->name);

		if (got != want->value) {
			printf("%s is 0x%" PRIx64 ", want 0x%" PRIx64 "\n", want->name, got,
			       want->value);
			test_failures++;
		}
	}
}

/** Deliver and demand the refusal, with state and memory as before. */
static inline bool guest_refuses(struct guest *g, const struct cpu_arch *a,
				 const struct cpu_fault *f)
{
	size_t n = GUEST_LOW_BYTES + GUEST_RAM_BYTES;
	uint8_t *copy = malloc(n);
	struct cpu_state before = g->cpu;
	bool is_same;

	if (!copy) {
		abort();
	}
	memcpy(copy, g->host, n);
	is_same = !a->deliver(&g->cpu, g->m, f) && memcmp(copy, g->host, n) == 0 &&
		  memcmp(&before, &g->cpu, sizeof(before)) == 0;
	free(copy);
	return is_same;
}

/** One page walk and what it must give. */
struct expect_walk {
	gva_t gva;
	uint32_t access;
	bool ok;
	gpa_t gpa;	   /* if ok */
	uint64_t syndrome; /* if not ok */
};

static inline void guest_expect_walk(const struct guest *g, const struct cpu_arch *a,
				     const struct expect_walk *w)
{
	struct cpu_fault f = { 0 };
	gpa_t gpa = 0;
	bool ok = a->page_walk(&g->cpu, g->m, w->gva, w->access, &gpa, &f);

	if (ok != w->ok || (ok && gpa != w->gpa) ||
	    (!ok && (f.syndrome != w->syndrome || f.kind != CPU_FAULT_PAGE))) {
		printf("walk of 0x%" PRIx64 " for %u: ok %d gpa 0x%" PRIx64
		       " kind %s syndrome 0x%" PRIx64 ", want ok %d gpa 0x%" PRIx64
		       " syndrome 0x%" PRIx64 "\n",
		       w->gva, w->access, ok, gpa, cpu_fault_kind_name(f.kind), f.syndrome, w->ok,
		       w->gpa, w->syndrome);
		test_failures++;
	}
}

#endif
