/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ready vCPUs: one FIFO list per priority level; the oldest head, counted with aging, goes first.
 *
 * Aging (docs/sched.md, rule 3): who has waited one step rises one level and joins its tail. Nobody is
 * moved for that. A vCPU that joined level l at time t would join the top level at
 *
 *     key = t + (top - l) * step
 *
 * and of two waiting vCPUs the one with the smaller key is on the higher level now, or before the other
 * on the same level. So the least key goes first; within a level keys grow from head to tail, because
 * all join at the tail and time does not go back. The keys of the heads fill one cache line.
 */
#include "sched/sched_internal.h"

static ns_t key_of(const struct sched *s, const struct vcpu *v)
{
	return v->since_ns + (SCHED_LEVELS - 1U - v->level) * s->cfg.aging_step_ns;
}

static void head_changed(struct sched *s, uint32_t l)
{
	uint32_t head = s->level[l].head;

	s->key_ns[l] = SCHED_NEVER;
	if (head != SCHED_NONE) {
		const struct vcpu *v = sched_vcpu(s, head);

		s->key_ns[l] = key_of(s, v);
		if (v->next != SCHED_NONE) {
			__builtin_prefetch(sched_vcpu(s, v->next), 1); /* it has waited in memory */
		}
	}
}

static void count(struct sched *s, struct vcpu *v)
{
	v->state = SCHED_VCPU_READY;
	s->ready++;
	if (s->ready > s->stats.ready_peak) {
		s->stats.ready_peak = s->ready;
	}
}

void sched_queue_push(struct sched *s, uint32_t vcpu)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	struct level *l = &s->level[v->level];

	v->since_ns = s->now_ns;
	v->next = SCHED_NONE;
	v->prev = l->tail;
	if (l->tail == SCHED_NONE) {
		l->head = vcpu;
		s->key_ns[v->level] = key_of(s, v);
	} else {
		sched_vcpu(s, l->tail)->next = vcpu;
	}
	l->tail = vcpu;
	count(s, v);
	if (s->cfg.checks) {
		sched_check_note_ready(s, vcpu);
	}
}

/* For a successor that never ran: it keeps its place, as nobody behind it joined earlier. */
void sched_queue_push_front(struct sched *s, uint32_t vcpu)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	struct level *l = &s->level[v->level];

	if (l->head != SCHED_NONE && sched_vcpu(s, l->head)->since_ns < v->since_ns) {
		sched_queue_push(s, vcpu);
		return;
	}
	v->prev = SCHED_NONE;
	v->next = l->head;
	if (l->head == SCHED_NONE) {
		l->tail = vcpu;
	} else {
		sched_vcpu(s, l->head)->prev = vcpu;
	}
	l->head = vcpu;
	head_changed(s, v->level);
	count(s, v);
}

void sched_queue_remove(struct sched *s, uint32_t vcpu)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	struct level *l = &s->level[v->level];

	dbg_assert(v->state == SCHED_VCPU_READY);
	if (v->next == SCHED_NONE) {
		l->tail = v->prev;
	} else {
		sched_vcpu(s, v->next)->prev = v->prev;
	}
	if (v->prev == SCHED_NONE) {
		l->head = v->next;
		head_changed(s, v->level);
	} else {
		sched_vcpu(s, v->prev)->next = v->next;
	}
	s->ready--;
}

/*
 * To another level. If it waits, in the queue or as a successor, its wait starts anew: within a level keys
 * must grow from head to tail, and the bound is that of one level.
 */
void sched_queue_move(struct sched *s, uint32_t vcpu, uint8_t level)
{
	struct vcpu *v = sched_vcpu(s, vcpu);

	if (v->state == SCHED_VCPU_READY) {
		sched_vcpu_wait_over(s, vcpu);
		sched_queue_remove(s, vcpu);
		v->level = level;
		sched_queue_push(s, vcpu);
		return;
	}
	if (v->state == SCHED_VCPU_NEXT) {
		sched_vcpu_wait_over(s, vcpu);
		v->since_ns = s->now_ns;
		if (s->cfg.checks) {
			sched_check_note_ready(s, vcpu);
		}
	}
	v->level = level;
}

uint32_t sched_queue_pop(struct sched *s)
{
	ns_t best = SCHED_NEVER;
	uint32_t l = 0;
	uint32_t vcpu;

	for (uint32_t i = SCHED_LEVELS; i-- > 0;) {
		if (s->key_ns[i] < best) {
			best = s->key_ns[i];
			l = i;
		}
	}
	if (best == SCHED_NEVER) {
		return SCHED_NONE;
	}
	vcpu = s->level[l].head;
	sched_queue_remove(s, vcpu);
	return vcpu;
}

ns_t sched_queue_oldest(const struct sched *s)
{
	ns_t oldest = s->now_ns;

	for (uint32_t l = 0; l < SCHED_LEVELS; l++) {
		uint32_t head = s->level[l].head;

		if (head != SCHED_NONE && sched_vcpu(s, head)->since_ns < oldest) {
			oldest = sched_vcpu(s, head)->since_ns;
		}
	}
	return oldest;
}
