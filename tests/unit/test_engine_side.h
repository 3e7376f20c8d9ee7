/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An engine with RAM and nothing else: what tests of whole engines share, one side of a comparison each. */
#ifndef PINFOLD_TESTS_UNIT_TEST_ENGINE_SIDE_H
#define PINFOLD_TESTS_UNIT_TEST_ENGINE_SIDE_H

#include "engine/engine.h"

struct side {
	struct engine *eng;
	struct mem *mem;
	uint8_t *ram, *data; /* of side_add_ram(), for whoever has called it */
	uint64_t insns;	     /* that side_run() has run; whoever begins anew makes it 0 */
};

/**
 * Make one without RAM. Nothing is behind its bus.
 * @param cfg what it is; host, bus and memory are filled in
 * @return false: this host can't, or shouldn't; the reason is printed
 */
bool side_open(struct side *s, const struct engine_ops *ops, struct engine_config cfg);

/** Free it with its RAM. */
void side_close(struct side *s);

/** RAM with all permissions; there is some, or the program ends. */
uint8_t *side_add_ram(struct side *s, gpa_t gpa, uint64_t bytes);

/** So many instructions, at most @p at_once in one run() of the engine. @return how the last one ended */
struct vm_exit side_run(struct side *s, uint64_t insns, uint64_t at_once);

/** Regions that engine `dbt` has, and that are not stale. */
uint32_t side_regions(const struct side *s);

#endif
