/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to come on the machine: a binary heap by time, then by order of posting. */
#include "sim/world_internal.h"

static bool before(const struct item *a, const struct item *b)
{
	return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->seq < b->seq);
}

void sim_post(struct world *w, ns_t at_ns, enum kind kind, uint32_t a, uint32_t b)
{
	struct item it = { .at_ns = at_ns, .seq = w->seq++, .kind = kind, .a = a, .b = b };
	size_t i = w->heap_n;

	if (w->heap_n == w->heap_room) {
		size_t room = w->heap_room ? w->heap_room * 2 : 1024;
		struct item *heap = realloc(w->heap, room * sizeof(*heap));

		if (!heap) {
			w->is_short = true;
			return;
		}
		w->heap = heap;
		w->heap_room = room;
	}
	w->heap_n++;
	while (i > 0 && before(&it, &w->heap[(i - 1) / 2])) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = it;
}

bool sim_next(struct world *w, struct item *ret)
{
	struct item last;
	size_t i = 0;

	if (w->heap_n == 0) {
		return false;
	}
	*ret = w->heap[0];
	last = w->heap[--w->heap_n];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < w->heap_n && before(&w->heap[child + 1], &w->heap[child])) {
			child++;
		}
		if (child >= w->heap_n || !before(&w->heap[child], &last)) {
			break;
		}
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return true;
}

static uint32_t pool_slot(struct world *w)
{
	if (w->pool_free_n) {
		return w->pool_free[--w->pool_free_n];
	}
	if (w->pool_n == w->pool_room) {
		uint32_t room = w->pool_room ? w->pool_room * 2 : 256;
		struct sched_event *pool = realloc(w->pool, room * sizeof(*pool));
		uint32_t *list = pool ? realloc(w->pool_free, room * sizeof(*list)) : NULL;

		w->pool = pool ? pool : w->pool;
		w->pool_free = list ? list : w->pool_free;
		if (!pool || !list) {
			w->is_short = true;
			return UINT32_MAX;
		}
		w->pool_room = room;
	}
	return w->pool_n++;
}

void sim_post_event(struct world *w, ns_t delay_ns, const struct sched_event *ev)
{
	uint32_t slot = pool_slot(w);

	if (slot != UINT32_MAX) {
		w->pool[slot] = *ev;
		sim_post(w, w->now_ns + delay_ns, K_EVENT, slot, w->boot);
	}
}

struct sched_event sim_take_event(struct world *w, uint32_t slot)
{
	w->pool_free[w->pool_free_n++] = slot;
	return w->pool[slot];
}
