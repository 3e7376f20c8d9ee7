/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See test_engine_side.h. */
#include "test_engine_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/dbt/dbt_priv.h"
#include "host/map.h"

static enum bus_result no_bus(void *opaque, struct bus_access *a)
{
	(void)opaque;
	(void)a;
	return BUS_UNMAPPED;
}

bool side_open(struct side *s, const struct engine_ops *ops, struct engine_config cfg)
{
	static const struct engine_bus bus = { .port = no_bus, .mmio = no_bus };
	struct errmsg e = { "" };

#ifdef __SANITIZE_THREAD__
	printf("skipped: ThreadSanitizer does not bear code that it has not seen\n");
	return false;
#endif
	*s = (struct side){ .mem = mem_new() };
	cfg.host.kvm_fd = -1;
	cfg.bus = &bus;
	cfg.mem = s->mem;
	if (ops->create(&cfg, &s->eng, &e) < 0) {
		printf("skipped: %s\n", e.text);
		return false;
	}
	return true;
}

void side_close(struct side *s)
{
	s->eng->ops->destroy(s->eng);
	for (size_t i = 0; i < mem_region_count(s->mem); i++) {
		const struct mem_region *r = mem_region_at(s->mem, i);

		host_map_free(r->hva, r->size_bytes);
		close(r->fd);
	}
	mem_free(s->mem);
}

uint8_t *side_add_ram(struct side *s, gpa_t gpa, uint64_t bytes)
{
	struct mem_region r = { .base_gpa = gpa,
				.size_bytes = bytes,
				.perm = MEM_RWX,
				.name = "ram",
				.has_file = true };
	struct errmsg e = { "" };

	if (host_map_shared_ram(bytes, &r.hva, &r.fd, &e) < 0 ||
	    mem_region_add(s->mem, &r, &e) < 0 || s->eng->ops->map(s->eng, &r, &e) < 0) {
		printf("failed: %s\n", e.text);
		exit(1);
	}
	return r.hva;
}

struct vm_exit side_run(struct side *s, uint64_t insns, uint64_t at_once)
{
	uint64_t end = s->insns + insns;
	struct vm_exit x = { 0 };
	struct errmsg e = { "" };

	do {
		uint64_t left = end - s->insns;

		if (s->eng->ops->run(s->eng, left < at_once ? left : at_once, &x, &e) < 0) {
			printf("failed: %s\n", e.text);
			exit(1);
		}
		s->insns += x.insns;
	} while (x.kind == VM_EXIT_INSN_LIMIT && s->insns < end);
	return x;
}

uint32_t side_regions(const struct side *s)
{
	const struct dbt_engine *d = (const struct dbt_engine *)(const void *)s->eng;
	uint32_t n = 0;

	for (uint32_t k = 1; k <= d->n_blocks; k++) {
		n += d->blocks[k].is_region && !d->blocks[k].is_stale;
	}
	return n;
}
