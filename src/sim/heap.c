/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is to come on the machine, by time, then by order of posting.
 *
 *   near   a short array in order: what is due in the present bucket; the next item is the last of it
 *   wheel  buckets of 131 us for the next 2.1 s, each a list without order
 *   far    a heap: what is later than that
 *
 * When the array is empty the next bucket that holds something becomes the present one and is poured into
 * it, with what the far heap has for that time. So an item costs a few steps however many there are.
 */
#include "base/bits.h"
#include "sim/world_internal.h"

#define BUCKET_SHIFT 17

static uint64_t bucket_of(ns_t at_ns)
{
	return at_ns >> BUCKET_SHIFT;
}

static bool before(const struct item *a, const struct item *b)
{
	return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static int make_room(struct item_array *h)
{
	size_t room = h->room ? h->room * 2 : 1024;
	struct item *items = realloc(h->items, room * sizeof(*items));

	if (!items) {
		return -ENOMEM;
	}
	h->items = items;
	h->room = room;
	return 0;
}

/*
 * The next three make a place for an item, which the caller fills in; NULL: memory is short. An item that
 * was put together elsewhere would be copied in larger pieces than it was just written in, and a processor
 * waits until it can do that.
 */

static struct item *near_place(struct item_array *h, ns_t at_ns, uint64_t order)
{
	const struct item it = { .at_ns = at_ns, .order = order };
	size_t i = h->n;

	if (i == h->room && make_room(h) < 0) {
		return NULL;
	}
	h->n++;
	for (; i > 0 && before(&h->items[i - 1], &it); i--) {
		h->items[i] = h->items[i - 1];
	}
	return &h->items[i];
}

static struct item *far_place(struct item_array *h, ns_t at_ns, uint64_t order)
{
	const struct item it = { .at_ns = at_ns, .order = order };
	size_t i = h->n;

	if (i == h->room && make_room(h) < 0) {
		return NULL;
	}
	h->n++;
	while (i > 0 && before(&it, &h->items[(i - 1) / 2])) {
		h->items[i] = h->items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	return &h->items[i];
}

static void far_pop(struct item_array *h)
{
	struct item last = h->items[--h->n];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < h->n && before(&h->items[child + 1], &h->items[child])) {
			child++;
		}
		if (child >= h->n || !before(&h->items[child], &last)) {
			break;
		}
		h->items[i] = h->items[child];
		i = child;
	}
	h->items[i] = last;
}

static struct item *wheel_place(struct queue *q, uint64_t bucket)
{
	uint32_t slot = (uint32_t)(bucket % QUEUE_BUCKETS);
	uint32_t i = q->free;

	if (i == 0) {
		if (q->n == q->room) {
			uint32_t room = q->room ? q->room * 2 : 1024;
			struct queue_node *nodes = realloc(q->nodes, room * sizeof(*nodes));

			if (!nodes) {
				return NULL;
			}
			q->nodes = nodes;
			q->room = room;
		}
		i = ++q->n;
	} else {
		q->free = q->nodes[i - 1].next;
	}
	q->nodes[i - 1].next = q->head[slot];
	q->head[slot] = i;
	q->used[slot / 64] |= BIT(slot % 64);
	q->n_wheel++;
	return &q->nodes[i - 1].item;
}

void sim_post(struct world *w, ns_t at_ns, enum kind kind, uint32_t a, uint32_t b)
{
	struct queue *q = &w->queue;
	uint64_t order = w->seq++ << 8 | kind;
	uint64_t bucket = bucket_of(at_ns);
	struct item *it = bucket <= q->bucket		       ? near_place(&q->near, at_ns, order)
			  : bucket < q->bucket + QUEUE_BUCKETS ? wheel_place(q, bucket)
							       : far_place(&q->far, at_ns, order);

	if (!it) {
		w->is_short = true;
		return;
	}
	it->at_ns = at_ns;
	it->order = order;
	it->a = a;
	it->b = b;
}

/* Into the present bucket. */
static void pour(struct world *w, const struct item *it)
{
	struct item *to = near_place(&w->queue.near, it->at_ns, it->order);

	if (to) {
		*to = *it;
	}
	w->is_short = w->is_short || !to;
}

/* The next bucket of the wheel that holds something; UINT64_MAX: none does. */
static uint64_t next_used(const struct queue *q)
{
	uint32_t from = (uint32_t)((q->bucket + 1) % QUEUE_BUCKETS);
	uint32_t word = from / 64;
	uint64_t bits = q->used[word] & (UINT64_MAX << from % 64);

	for (uint32_t i = 0; i <= QUEUE_BUCKETS / 64; i++) {
		if (bits) {
			uint32_t at = word * 64 + (uint32_t)__builtin_ctzll(bits);

			return q->bucket + 1 + (at - from) % QUEUE_BUCKETS;
		}
		word = (word + 1) % (QUEUE_BUCKETS / 64);
		bits = q->used[word];
	}
	return UINT64_MAX;
}

/* Make the next bucket with something in it the present one, if there is one. */
static void turn(struct world *w)
{
	struct queue *q = &w->queue;
	uint64_t far = q->far.n ? bucket_of(q->far.items[0].at_ns) : UINT64_MAX;
	uint64_t bucket = q->n_wheel ? next_used(q) : UINT64_MAX;

	if (far == UINT64_MAX && bucket == UINT64_MAX) {
		return;
	}
	q->bucket = far < bucket ? far : bucket;
	if (bucket == q->bucket) {
		uint32_t slot = (uint32_t)(bucket % QUEUE_BUCKETS);

		for (uint32_t i = q->head[slot], next; i; i = next) {
			struct queue_node *node = &q->nodes[i - 1];

			if (item_kind(&node->item) == K_WAKE) {
				__builtin_prefetch(&w->vcpus[node->item.a]);
			}
			pour(w, &node->item);
			next = node->next;
			node->next = q->free;
			q->free = i;
			q->n_wheel--;
		}
		q->head[slot] = 0;
		q->used[slot / 64] &= ~BIT(slot % 64);
	}
	while (q->far.n && bucket_of(q->far.items[0].at_ns) == q->bucket) {
		pour(w, &q->far.items[0]);
		far_pop(&q->far);
	}
}

const struct item *sim_peek(struct world *w)
{
	struct queue *q = &w->queue;

	if (q->near.n == 0) {
		turn(w);
	}
	return q->near.n ? &q->near.items[q->near.n - 1] : NULL;
}

void sim_drop(struct world *w)
{
	w->queue.near.n--;
}

void sim_queue_free(struct queue *q)
{
	free(q->near.items);
	free(q->far.items);
	free(q->nodes);
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

struct sched_event *sim_post_event(struct world *w, ns_t delay_ns, enum sched_event_type type)
{
	uint32_t slot = pool_slot(w);
	struct sched_event *ev = slot == UINT32_MAX ? &w->lost : &w->pool[slot];

	*ev = (struct sched_event){ .type = (uint8_t)type, .core = SCHED_CORE_NONE };
	if (slot != UINT32_MAX) {
		sim_post(w, w->now_ns + delay_ns, K_EVENT, slot, w->boot);
	}
	return ev;
}

struct sched_event sim_take_event(struct world *w, uint32_t slot)
{
	w->pool_free[w->pool_free_n++] = slot;
	return w->pool[slot];
}
