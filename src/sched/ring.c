/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of decisions, and taking one again. */
#include "sched/sched_internal.h"

/* The words of an action, each times an odd number of its own, are added up; the sums are chained. */
uint64_t sched_out_hash(const struct sched_out *out)
{
	uint64_t h = out->n;

	for (uint32_t i = 0; i < out->n; i++) {
		const struct sched_action *a = &out->action[i];
		uint64_t what = (uint64_t)a->type | (uint64_t)a->reason << 8 |
				(uint64_t)a->core << 16 | (uint64_t)a->vcpu << 32;
		uint64_t whose = (uint64_t)a->vm | (uint64_t)a->gen << 32;
		uint64_t sum = what * 0x9e3779b97f4a7c15ULL + whose * 0xc2b2ae3d27d4eb4fULL +
			       a->epoch * 0x165667b19e3779f9ULL + a->a * 0x85ebca77c2b2ae63ULL +
			       a->b * 0xd6e8feb86659fd93ULL;

		h = (h ^ sum ^ sum >> 32) * 0xff51afd7ed558ccdULL;
		h ^= h >> 29;
	}
	return h;
}

static const struct sched_action *choice_of(const struct sched_out *out)
{
	for (uint32_t i = 0; i < out->n; i++) {
		if (out->action[i].type == SCHED_ACT_GRANT ||
		    out->action[i].type == SCHED_ACT_PREWAKE) {
			return &out->action[i];
		}
	}
	return NULL;
}

static struct sched_record *slot(const struct sched *s, uint64_t seq)
{
	return (struct sched_record *)sched_at(s, s->off_ring) + (seq & (s->cfg.limits.ring - 1));
}

void sched_ring_put(struct sched *s, const struct sched_event *ev)
{
	struct sched_record *r = slot(s, s->ring_next);
	const struct sched_action *a = choice_of(s->out);

	r->seq = s->ring_next++;
	r->event = *ev;
	r->out_hash = sched_out_hash(s->out);
	r->n_actions = s->out->n;
	r->vcpu = a ? a->vcpu : SCHED_NONE;
	r->core = a ? a->core : SCHED_CORE_NONE;
	r->reason = a ? a->reason : SCHED_REASON_NONE;
	r->action = a ? a->type : SCHED_ACT_COUNT;
}

uint64_t sched_ring_next(const struct sched *s)
{
	return s->ring_next;
}

const struct sched_record *sched_ring_last(const struct sched *s)
{
	BUG_ON(s->cfg.limits.ring == 0);
	return slot(s, s->ring_next - 1);
}

int sched_ring_get(const struct sched *s, uint64_t seq, struct sched_record *ret)
{
	if (seq >= s->ring_next || s->ring_next - seq > s->cfg.limits.ring) {
		return -ENOENT;
	}
	*ret = *slot(s, seq);
	return 0;
}

int sched_replay(struct sched *s, const struct sched_record *rec)
{
	struct sched_out out;
	int r;

	r = sched_handle(s, &rec->event, &out);
	return r == 0 && sched_out_hash(&out) == rec->out_hash ? 0 : -EILSEQ;
}
