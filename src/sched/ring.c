/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of decisions, and taking one again. */
#include "sched/sched_internal.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

uint64_t sched_out_hash(const struct sched_out *out)
{
	uint64_t h = out->n;

	for (uint32_t i = 0; i < out->n; i++) {
		const struct sched_action *a = &out->action[i];

		h = mix(h, (uint64_t)a->type | (uint64_t)a->reason << 8 | (uint64_t)a->core << 16 |
				   (uint64_t)a->vcpu << 32);
		h = mix(h, (uint64_t)a->vm ^ (uint64_t)a->gen << 32 ^ a->epoch << 20);
		h = mix(h, a->a ^ (a->b << 32 | a->b >> 32));
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
