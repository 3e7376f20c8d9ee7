/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One timer per core in a binary heap of core numbers: O(log cores) to set, O(1) to look. */
#include "sched/sched_internal.h"

static void put(struct sched *s, uint32_t i, struct heap_item it)
{
	sched_heap(s)[i] = it;
	sched_core(s, it.core)->heap_idx = i;
}

static void sift(struct sched *s, uint32_t i, struct heap_item it)
{
	const struct heap_item *heap = sched_heap(s);

	while (i > 0 && heap[(i - 1) / 2].at_ns > it.at_ns) {
		put(s, i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < s->heap_n && heap[child + 1].at_ns < heap[child].at_ns) {
			child++;
		}
		if (child >= s->heap_n || heap[child].at_ns >= it.at_ns) {
			break;
		}
		put(s, i, heap[child]);
		i = child;
	}
	put(s, i, it);
}

void sched_timer_set(struct sched *s, uint32_t core, ns_t at_ns)
{
	struct core *c = sched_core(s, core);
	struct heap_item it = { .at_ns = at_ns, .core = core };

	c->timer_ns = at_ns;
	sift(s, c->heap_idx == SCHED_NONE ? s->heap_n++ : c->heap_idx, it);
}

void sched_timer_clear(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	uint32_t hole = c->heap_idx;

	if (hole == SCHED_NONE) {
		return;
	}
	c->heap_idx = SCHED_NONE;
	s->heap_n--;
	if (hole < s->heap_n) {
		sift(s, hole, sched_heap(s)[s->heap_n]);
	}
}

uint32_t sched_timer_first(const struct sched *s)
{
	return s->heap_n ? sched_heap(s)[0].core : SCHED_NONE;
}
