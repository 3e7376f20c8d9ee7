// SPDX-License-Identifier: GPL-2.0-or-later
/* See test_dbt_sides.h. */
#include "test_dbt_sides.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t no_time(void *opaque)
{
	(void)opaque;
	return 0;
}

/* Without it nothing that follows can be done. */
static void must(bool is_true, const char *what)
{
	if (!is_true) {
		printf("failed: %s\n", what);
		exit(1);
	}
}

bool sides_init(struct side *sides, size_t n)
{
	static const struct engine_config cfg = { .arch = &rv64_arch,
						  .is_system = true,
						  .clock = { NULL, no_time } };

	for (size_t k = 0; k < n; k++) {
		if (!side_open(&sides[k], &dbt_engine_ops, cfg)) {
			return false;
		}
		sides[k].ram = side_add_ram(&sides[k], RAM_GPA, RAM_BYTES);
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

void side_run_on(struct side *s, uint64_t n, uint64_t at_once)
{
	uint64_t end = s->insns + n;

	while (s->insns < end) {
		struct vm_exit x = side_run(s, end - s->insns, at_once);

		must(x.kind == VM_EXIT_INSN_LIMIT || x.kind == VM_EXIT_KICKED, "a run");
	}
}

struct dbt_engine *side_dbt(struct side *s)
{
	return (struct dbt_engine *)(void *)s->eng;
}
