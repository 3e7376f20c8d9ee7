/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exclusive cores: given, released, taken back, and the rule by which their number is lowered when
 * shared VMs wait too long (docs/sched.md, rule 1 and "Lowering the exclusive share").
 */
#include "sched/sched_internal.h"

uint32_t sched_exclusive_cap(const struct sched *s)
{
	uint32_t cap = s->cap_cfg == SCHED_CAP_HALF ? s->online / 2
		       : s->cap_cfg < s->online	    ? s->cap_cfg
						    : s->online;

	return cap > s->lowered ? cap - s->lowered : 0;
}

/* Idle before busy, alone on its physical core before SMT siblings, then the lowest number. */
uint32_t sched_excl_pick(const struct sched *s)
{
	uint32_t best = SCHED_NONE;
	uint32_t best_cost = UINT32_MAX;

	for (uint32_t i = 0; i < s->cfg.limits.cores; i++) {
		const struct core *c = sched_core(s, i);
		uint32_t cost = c->rank * 2U + (c->owner != SCHED_NONE);

		if (c->is_online && c->excl == SCHED_NONE && cost < best_cost) {
			best = i;
			best_cost = cost;
		}
	}
	return best;
}

/* Begin to watch whether shared VMs wait too long. */
void sched_excl_watch(struct sched *s)
{
	bool wanted = s->lowered > 0 || (s->cfg.excl_wait_ns && s->excl > 0);

	if (!wanted) {
		s->policy_at_ns = SCHED_NEVER;
	} else if (s->policy_at_ns == SCHED_NEVER) {
		s->policy_at_ns = s->now_ns + s->cfg.excl_period_ns;
	}
}

static void clear_core(struct sched *s, uint32_t core, uint32_t vcpu)
{
	const struct core *c = sched_core(s, core);

	if (c->owner == SCHED_NONE) {
		sched_core_settle(s, core);
		return;
	}
	if (c->next != SCHED_NONE && c->next != vcpu) {
		sched_emit_core(s, SCHED_ACT_REVOKE, SCHED_REASON_EXCLUSIVE, core, c->next);
	}
	sched_core_take_back(s, core, SCHED_REASON_EXCLUSIVE, true);
}

void sched_excl_apply_request(struct sched *s, uint32_t vcpu, uint32_t core)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	struct core *c = sched_core(s, core);

	c->excl = vcpu;
	c->excl_seq = ++s->excl_seq;
	v->excl = (uint16_t)core;
	s->excl++;
	s->shared--;
	sched_user(s, sched_vm(s, v->vm)->user)->excl++;
	sched_core_idle_update(s, core);
	sched_excl_watch(s);
	if (v->state == SCHED_VCPU_READY) {
		ns_t since_ns = v->since_ns;

		sched_queue_remove(s, vcpu);
		v->state = SCHED_VCPU_PINNED;
		v->since_ns = since_ns;
	} else if (v->state == SCHED_VCPU_RUNNING && v->core == core && c->next == SCHED_NONE &&
		   c->step < STEP_REVOKED) {
		sched_core_make_exclusive(s, core);
		return;
	} else if (v->state == SCHED_VCPU_RUNNING && v->core != core) {
		sched_core_take_back(s, v->core, SCHED_REASON_EXCLUSIVE, true);
	} else if (v->state == SCHED_VCPU_NEXT && v->core != core) {
		sched_emit_core(s, SCHED_ACT_REVOKE, SCHED_REASON_EXCLUSIVE, v->core, vcpu);
	}
	clear_core(s, core, vcpu);
}

/* The core is shared again; an owner that had it for good must stop or be made shared by the caller. */
void sched_excl_drop(struct sched *s, uint32_t core, enum sched_reason why)
{
	struct core *c = sched_core(s, core);
	uint32_t vcpu = c->excl;
	struct vcpu *v = sched_vcpu(s, vcpu);
	struct user *u = sched_user(s, sched_vm(s, v->vm)->user);

	c->excl = SCHED_NONE;
	v->excl = SCHED_CORE_NONE;
	s->excl--;
	u->excl--;
	if (u->allowed.excl > u->quota.excl) {
		u->allowed.excl = u->excl > u->quota.excl ? u->excl : u->quota.excl;
	}
	s->shared += c->is_online;
	if (v->state == SCHED_VCPU_PINNED) {
		sched_vcpu_wait_over(s, vcpu);
		sched_queue_push(s, vcpu);
	} else if (v->state == SCHED_VCPU_RUNNING && v->core == core &&
		   sched_lock_unpack(c->lock).exclusive && why != SCHED_REASON_RELEASED) {
		sched_core_drop_right(s, core);
		sched_core_take_back(s, core, why, why == SCHED_REASON_RECLAIM);
	}
	sched_core_idle_update(s, core);
	sched_excl_watch(s);
}

/* Of the least important ones the one that got its core last. */
static uint32_t pick_victim(const struct sched *s)
{
	uint32_t best = SCHED_NONE;

	for (uint32_t i = 0; i < s->cfg.limits.cores; i++) {
		const struct core *c = sched_core(s, i);
		const struct core *b = best == SCHED_NONE ? NULL : sched_core(s, best);
		uint8_t level, best_level;

		if (c->excl == SCHED_NONE) {
			continue;
		}
		level = sched_vcpu(s, c->excl)->level;
		best_level = b ? sched_vcpu(s, b->excl)->level : SCHED_LEVELS;
		if (!b || level < best_level ||
		    (level == best_level && c->excl_seq > b->excl_seq)) {
			best = i;
		}
	}
	return best;
}

static void shed(struct sched *s)
{
	for (int i = 0; s->excl > sched_exclusive_cap(s); i++) {
		uint32_t core;
		struct sched_action *a;

		if (i == SHEDS_PER_EVENT || s->out->n > SCHED_OUT_MAX - 16) {
			s->has_more = true;
			return;
		}
		core = pick_victim(s);
		a = sched_emit(s, SCHED_ACT_REPORT, SCHED_REASON_EXCL_LOST);
		a->core = (uint16_t)core;
		a->vcpu = sched_core(s, core)->excl;
		a->vm = sched_vcpu(s, a->vcpu)->vm;
		s->stats.excl_reclaimed++;
		sched_excl_drop(s, core, SCHED_REASON_RECLAIM);
	}
}

static void step_cap(struct sched *s)
{
	ns_t waited_ns = s->now_ns - sched_queue_oldest(s);
	uint32_t cap = sched_exclusive_cap(s);

	s->policy_at_ns = s->now_ns + s->cfg.excl_period_ns;
	if (s->cfg.excl_wait_ns && waited_ns > s->cfg.excl_wait_ns && s->excl > 0 &&
	    cap > s->cfg.excl_floor) {
		s->lowered += cap - (s->excl < cap ? s->excl : cap) + 1;
		s->stats.cap_lowered++;
		sched_emit(s, SCHED_ACT_REPORT, SCHED_REASON_CAP_LOWERED);
	} else if (s->lowered && waited_ns < s->cfg.excl_wait_ns / 4) {
		s->lowered--;
		s->stats.cap_raised++;
		sched_emit(s, SCHED_ACT_REPORT, SCHED_REASON_CAP_RAISED);
	}
}

void sched_excl_policy(struct sched *s)
{
	if (s->now_ns >= s->policy_at_ns) {
		step_cap(s);
		sched_excl_watch(s);
	}
	shed(s);
}
