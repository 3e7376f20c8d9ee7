/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of engines share: a machine of one CPU, some memory and one device page. */
#ifndef PINFOLD_TESTS_UNIT_TEST_ENGINE_UNICORN_H
#define PINFOLD_TESTS_UNIT_TEST_ENGINE_UNICORN_H

#include <unistd.h>

#include "cpu/cpu.h"
#include "cpu/x86/x86.h"
#include "engine/engine.h"
#include "host/map.h"
#include "mem/mem.h"
#include "test.h"

#define RAM_GPA	  0x10000u
#define RAM_BYTES 0x40000u
#define RO_GPA	  0x60000u  /* may only be read */
#define DEV_GPA	  0x70000u  /* a page of devices */
#define HOLE_GPA  0x80000u  /* nothing */
#define TABLE_GPA 0x100000u /* x64: page tables, identity for the first GiB */

#define LOG_MAX 64

/** A machine. */
struct rig {
	struct engine *eng;
	struct mem *mem;
	const struct cpu_arch *arch;
	struct cpu_mode mode;
	uint8_t *ram, *ro, *tables;
	struct engine_bus bus;
	struct bus_access log[LOG_MAX];
	bool is_port[LOG_MAX];
	size_t n_log;
	uint64_t stop_addr; /* an access here answers BUS_STOP */
	uint64_t hole_addr; /* ... BUS_UNMAPPED */
	uint64_t read_value;
	struct errmsg e;
};

static inline enum bus_result rig_access(struct rig *g, struct bus_access *a, bool is_port)
{
	if (!is_port && !range_within(a->addr, a->bytes, DEV_GPA, 0x1000)) {
		return BUS_UNMAPPED; /* some engines ask about every address */
	}
	if (!a->is_write) {
		a->value = low_bytes(g->read_value, a->bytes);
	}
	if (g->n_log < LOG_MAX) {
		g->log[g->n_log] = *a;
		g->is_port[g->n_log] = is_port;
	}
	g->n_log++;
	if (a->addr == g->hole_addr) {
		return BUS_UNMAPPED;
	}
	return a->addr == g->stop_addr ? BUS_STOP : BUS_OK;
}

static inline enum bus_result rig_port(void *opaque, struct bus_access *a)
{
	return rig_access(opaque, a, true);
}

static inline enum bus_result rig_mmio(void *opaque, struct bus_access *a)
{
	return rig_access(opaque, a, false);
}

static inline uint8_t *rig_add(struct rig *g, gpa_t base, uint64_t size, uint32_t perm)
{
	struct mem_region r = {
		.base_gpa = base, .size_bytes = size, .perm = perm, .name = "test", .has_file = true
	};

	if (host_map_shared_ram(size, &r.hva, &r.fd, &g->e) < 0 ||
	    mem_region_add(g->mem, &r, &g->e) < 0 || g->eng->ops->map(g->eng, &r, &g->e) < 0) {
		printf("can't set up memory: %s\n", g->e.text);
		exit(1);
	}
	return r.hva;
}

static inline void rig_fill_tables(struct rig *g)
{
	uint64_t pml4e = (TABLE_GPA + 0x1000) | 3;
	uint64_t pdpte = 0x83; /* a page of 1 GiB needs pdpe1gb: use 2 MiB ones */

	memcpy(g->tables, &pml4e, 8);
	pdpte = (TABLE_GPA + 0x2000) | 3;
	memcpy(g->tables + 0x1000, &pdpte, 8);
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t pde = i << 21 | 0x83;

		memcpy(g->tables + 0x2000 + i * 8, &pde, 8);
	}
}

static inline struct cpu_state rig_get(struct rig *g)
{
	struct cpu_state s = { 0 };

	if (g->eng->ops->get_state(g->eng, &s, &g->e) < 0) {
		printf("get_state: %s\n", g->e.text);
		exit(1);
	}
	return s;
}

static inline void rig_set(struct rig *g, const struct cpu_state *s)
{
	if (g->eng->ops->set_state(g->eng, s, &g->e) < 0) {
		printf("set_state: %s\n", g->e.text);
		exit(1);
	}
}

static inline uint64_t rig_reg(struct rig *g, const char *name)
{
	struct cpu_state s = rig_get(g);

	return cpu_reg_get(&s, cpu_reg_find(g->arch, name));
}

static inline void rig_reg_set(struct rig *g, const char *name, uint64_t v)
{
	struct cpu_state s = rig_get(g);

	if (cpu_reg_set(&s, cpu_reg_find(g->arch, name), v, &g->e) < 0) {
		printf("%s: %s\n", name, g->e.text);
		exit(1);
	}
	rig_set(g, &s);
}

static inline uint64_t rig_pc(struct rig *g)
{
	struct cpu_state s = rig_get(g);

	return g->arch->get_pc(&s);
}

static inline struct vm_exit rig_run(struct rig *g, uint64_t max_insns)
{
	struct vm_exit x = { .kind = VM_EXIT_KIND_COUNT };

	if (g->eng->ops->run(g->eng, max_insns, &x, &g->e) < 0) {
		printf("run: %s\n", g->e.text);
		exit(1);
	}
	return x;
}

/**
 * Make a machine.
 * @return 0; what probe() or create() said
 */
static inline int rig_open(struct rig *g, const struct engine_ops *ops, const char *arch,
			   struct cpu_mode mode, const struct engine_host *host)
{
	const struct engine_mmio_range range = { .base_gpa = DEV_GPA, .size_bytes = 0x1000 };
	struct engine_config cfg = { .mode = mode, .mmio = &range, .n_mmio = 1, .host = *host };
	struct engine_probe probe;
	struct cpu_state s;
	int r;

	*g = (struct rig){ .arch = cpu_arch_by_name(arch),
			   .mode = mode,
			   .stop_addr = UINT64_MAX,
			   .hole_addr = UINT64_MAX };
	g->bus = (struct engine_bus){ .opaque = g, .port = rig_port, .mmio = rig_mmio };
	r = ops->probe(g->arch, &mode, host, &probe);
	if (r < 0) {
		snprintf(g->e.text, sizeof(g->e.text), "%s", probe.detail);
		return r;
	}
	g->mem = mem_new();
	cfg.arch = g->arch;
	cfg.bus = &g->bus;
	cfg.mem = g->mem;
	r = ops->create(&cfg, &g->eng, &g->e);
	if (r < 0) {
		mem_free(g->mem);
		return r;
	}
	g->ram = rig_add(g, RAM_GPA, RAM_BYTES, MEM_RWX);
	g->ro = rig_add(g, RO_GPA, 0x1000, MEM_R);
	if (g->arch->id == CPU_ARCH_X64) {
		g->tables = rig_add(g, TABLE_GPA, 0x4000, MEM_R | MEM_W);
		rig_fill_tables(g);
	}
	s = rig_get(g);
	if (g->arch->id == CPU_ARCH_X64) {
		x86_state(&s)->cr3 = TABLE_GPA;
	}
	g->arch->set_pc(&s, RAM_GPA | (mode.is_thumb ? 1 : 0));
	g->arch->set_sp(&s, RAM_GPA + RAM_BYTES);
	rig_set(g, &s);
	return 0;
}

static inline void rig_close(struct rig *g)
{
	g->eng->ops->destroy(g->eng);
	for (size_t i = 0; i < mem_region_count(g->mem); i++) {
		close(mem_region_at(g->mem, i)->fd);
		host_map_free(mem_region_at(g->mem, i)->hva, mem_region_at(g->mem, i)->size_bytes);
	}
	mem_free(g->mem);
}

/** Put code at an offset of RAM. */
static inline void rig_code(struct rig *g, size_t offset, const void *code, size_t n)
{
	memcpy(g->ram + offset, code, n);
	if (g->eng->ops->code_changed) {
		g->eng->ops->code_changed(g->eng, RAM_GPA + offset, n);
	}
}

#endif
