// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_sides.h. */
#include "test_dbt_sides.h"

#include <stdio.h>
#include <stdlib.h>

#include "host/map.h"

static enum bus_result no_bus(void *opaque, struct bus_access *a)
{
	(void)opaque;
	(void)a;
	return BUS_UNMAPPED;
}

static uint64_t no_time(void *opaque)
{
	(void)opaque;
	return 0;
}

static const struct engine_bus bus = { .port = no_bus, .mmio = no_bus };

/* Without it nothing that follows can be done. */
static void must(bool is_true, const char *what)
{
	if (!is_true) {
		printf("failed: %s\n", what);
		exit(1);
	}
}

static bool side_init(struct side *s)
{
	struct engine_config cfg = { .arch = &rv64_arch,
				     .host = { .kvm_fd = -1 },
				     .bus = &bus,
				     .is_system = true,
				     .clock = { NULL, no_time } };
	struct mem_region r = { .base_gpa = RAM_GPA,
				.size_bytes = RAM_BYTES,
				.perm = MEM_RWX,
				.name = "ram",
				.has_file = true };
	struct errmsg e = { "" };

	s->mem = mem_new();
	cfg.mem = s->mem;
	if (dbt_engine_ops.create(&cfg, &s->eng, &e) < 0) {
		printf("skipped: %s\n", e.text);
		return false;
	}
	must(host_map_shared_ram(RAM_BYTES, &s->ram, &r.fd, &e) == 0, e.text);
	r.hva = s->ram;
	must(mem_region_add(s->mem, &r, &e) == 0 && s->eng->ops->map(s->eng, &r, &e) == 0, "RAM");
	return true;
}

bool sides_init(struct side *sides, size_t n)
{
#ifdef __SANITIZE_THREAD__
	printf("skipped: ThreadSanitizer does not bear code that it has not seen\n");
	return false;
#endif
	for (size_t k = 0; k < n; k++) {
		if (!side_init(&sides[k])) {
			return false;
		}
	}
	return true;
}

void side_put(const struct side *s, gpa_t gpa, uint64_t value)
{
	store_le(s->ram + (gpa - RAM_GPA), value, 8);
}

void side_code(const struct side *s, gpa_t gpa, const uint32_t *code, size_t bytes)
{
	memcpy(s->ram + (gpa - RAM_GPA), code, bytes);
}

void side_start(struct side *s, const struct cpu_state *st)
{
	struct errmsg e = { "" };

	s->eng->ops->code_changed(s->eng, RAM_GPA, RAM_BYTES);
	s->eng->ops->flush_translations(s->eng);
	must(s->eng->ops->set_state(s->eng, st, &e) == 0, "a state");
}

void side_run(struct side *s, uint64_t n, uint64_t at_once)
{
	struct vm_exit x = { 0 };
	struct errmsg e = { "" };

	for (uint64_t insns = 0; insns < n; insns += x.insns) {
		uint64_t left = n - insns;

		must(s->eng->ops->run(s->eng, left < at_once ? left : at_once, &x, &e) == 0 &&
			     (x.kind == VM_EXIT_INSN_LIMIT || x.kind == VM_EXIT_KICKED),
		     "a run");
	}
}

struct dbt_engine *side_dbt(struct side *s)
{
	return (struct dbt_engine *)(void *)s->eng;
}
