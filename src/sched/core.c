/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A core's life: idle -> granted -> successor named -> passed on, and the ladder against an owner that
 * does not park (docs/sched.md, "A slice" and "Ladder"). The lock moves on only in sched_core_pass(),
 * which is called for owners that are known to have stopped.
 */
#include "sched/sched_internal.h"

static void set_lock(struct sched *s, uint32_t core, uint64_t word)
{
	struct core *c = sched_core(s, core);
	struct sched_action *a = sched_emit(s, SCHED_ACT_LOCK, SCHED_REASON_NONE);
	struct sched_lock l = sched_lock_unpack(word);

	a->core = (uint16_t)core;
	a->a = c->lock;
	a->b = word;
	s->nexts += l.successor != SCHED_NONE;
	s->nexts -= c->next != SCHED_NONE;
	c->lock = word;
	c->owner = l.owner;
	c->next = l.successor;
}

static const struct sched_ladder *ladder_of(const struct sched *s, const struct core *c)
{
	return c->is_fast ? &s->cfg.fast : &s->cfg.ladder;
}

/*
 * From the signal to the freeze. Who shared a core that somebody else is to have for himself is asked as
 * quickly as one that must give its own core back, but not condemned as quickly.
 */
static ns_t patience_ns(const struct sched *s, const struct core *c)
{
	return c->reason == SCHED_REASON_EXCLUSIVE ? s->cfg.ladder.signal_ns
						   : ladder_of(s, c)->signal_ns;
}

void sched_core_idle_update(struct sched *s, uint32_t core)
{
	const struct core *c = sched_core(s, core);
	uint64_t *word = &sched_idle_map(s)[core / 64];
	uint64_t bit = BIT(core % 64);
	bool idle = c->is_online && c->owner == SCHED_NONE && c->excl == SCHED_NONE;

	if (idle && !(*word & bit)) {
		*word |= bit;
		s->n_idle++;
	} else if (!idle && (*word & bit)) {
		*word &= ~bit;
		s->n_idle--;
	}
}

static void thaw(struct sched *s, uint32_t vm)
{
	sched_emit_vm(s, SCHED_ACT_THAW, SCHED_REASON_NONE, vm);
	sched_vm(s, vm)->is_frozen = false;
	for (uint32_t i = sched_vm(s, vm)->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		sched_vcpu(s, i)->flags &= (uint8_t)~VCPU_FROZEN;
	}
}

static void announce(struct sched *s, enum sched_action_type type, enum sched_reason why,
		     uint32_t core, uint32_t vcpu)
{
	const struct core *c = sched_core(s, core);
	struct sched_action *a;

	if (sched_vcpu(s, vcpu)->flags & VCPU_FROZEN) {
		thaw(s, sched_vcpu(s, vcpu)->vm);
	}
	a = sched_emit_core(s, type, why, core, vcpu);
	a->a = c->budget_ns;
	a->b = c->deadline_ns;
}

static void count_wait(struct sched *s, struct core *c, uint32_t vcpu, ns_t late_ns)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	ns_t wait_ns = s->now_ns - v->since_ns;

	v->wait_ns += wait_ns;
	c->waits++;
	c->wait_ns += wait_ns;
	s->stats.wait_ns += wait_ns;
	if (wait_ns > c->wait_max_ns) {
		c->wait_max_ns = wait_ns;
	}
	if (s->cfg.checks && c->excl == SCHED_NONE) {
		sched_check_wait(s, vcpu, late_ns);
	}
	if (wait_ns > s->stats.max_wait_ns && c->excl == SCHED_NONE) {
		s->stats.max_wait_ns = wait_ns;
	}
}

/*
 * When the successor of a shared grant is named: late, so that it is the one that should be. In a short slice an event of its own costs
 * more than that is worth, where every core has somebody to name.
 */
static ns_t naming_ns(const struct sched *s, const struct core *c)
{
	ns_t left_ns = c->deadline_ns > s->now_ns ? c->deadline_ns - s->now_ns : 0;
	bool is_short = left_ns <= s->cfg.prewake_slice_ns && s->ready + s->nexts >= s->shared;

	return is_short || left_ns <= s->cfg.prewake_lead_ns
		       ? s->now_ns
		       : c->deadline_ns - s->cfg.prewake_lead_ns;
}

/* The timer of a shared grant: to name a successor, unless there is one or none is wanted. */
static void arm_slice(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	bool is_limited = sched_vcpu(s, c->owner)->flags & VCPU_LIMIT;

	if (c->next == SCHED_NONE && !is_limited) {
		c->step = STEP_RUN;
		sched_timer_set(s, core, naming_ns(s, c));
	} else {
		c->step = STEP_DUE;
		sched_timer_set(s, core, c->deadline_ns + ladder_of(s, c)->grace_ns);
	}
}

/* The owner is new: times, counters, step. The lock is set. */
static void start_hold(struct sched *s, uint32_t core, bool exclusive)
{
	struct core *c = sched_core(s, core);
	struct vcpu *v = sched_vcpu(s, c->owner);

	v->state = SCHED_VCPU_RUNNING;
	v->core = (uint16_t)core;
	v->slices++;
	c->switches++;
	s->stats.grants++;
	c->grant_ns = c->hold_since_ns = s->now_ns;
	c->is_adopted = c->is_fast = false;
	c->reason = SCHED_REASON_NONE;
	c->is_plain = !exclusive;
	if (exclusive) {
		c->budget_ns = 0;
		c->deadline_ns = SCHED_NEVER;
		c->step = STEP_NONE;
		sched_timer_clear(s, core);
	} else {
		c->repay_ns = v->credit_ns > 0 ? (ns_t)v->credit_ns : 0;
		c->budget_ns = sched_vcpu_take_budget(s, c->owner);
		c->deadline_ns = s->now_ns + c->budget_ns;
		arm_slice(s, core);
	}
}

static void grant_core(struct sched *s, uint32_t core, uint32_t vcpu, bool exclusive)
{
	struct core *c = sched_core(s, core);
	uint64_t word;

	c->epoch = ++s->last_epoch;
	BUG_ON(sched_lock_take(c->lock, vcpu, exclusive, c->epoch, &word) < 0);
	set_lock(s, core, word);
	start_hold(s, core, exclusive);
	count_wait(s, c, vcpu, 0);
	announce(s, SCHED_ACT_GRANT, exclusive ? SCHED_REASON_EXCLUSIVE : SCHED_REASON_IDLE_CORE,
		 core, vcpu);
	s->stats.excl_granted += exclusive;
	sched_core_idle_update(s, core);
}

/* The successor owns the core now, and may have been running for a moment. */
static void start_successor(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	uint32_t vcpu = c->owner;
	const struct vcpu *v = sched_vcpu(s, vcpu);
	ns_t late_ns = s->now_ns > c->planned_ns ? s->now_ns - c->planned_ns : 0;
	bool to_stop = (v->flags & VCPU_HALT) || (v->excl != SCHED_CORE_NONE && v->excl != core) ||
		       (c->excl != SCHED_NONE && c->excl != vcpu) || !c->is_online;

	start_hold(s, core, false);
	count_wait(s, c, vcpu, late_ns);
	if (to_stop) {
		sched_core_take_back(s, core, SCHED_REASON_SLICE_OVER, false);
	} else if (c->excl == vcpu) {
		sched_core_make_exclusive(s, core);
	} else {
		announce(s, SCHED_ACT_GRANT, SCHED_REASON_HANDOFF, core, vcpu);
	}
}

static void count_hold(struct sched *s, struct core *c, ns_t cpu_ns)
{
	ns_t hold_ns = s->now_ns - c->hold_since_ns;
	ns_t stolen_ns;

	c->holds++;
	c->hold_ns += hold_ns;
	if (hold_ns > c->hold_max_ns) {
		c->hold_max_ns = hold_ns;
	}
	if (c->is_plain) {
		ns_t useful_ns = cpu_ns < c->budget_ns ? cpu_ns : c->budget_ns;

		useful_ns = useful_ns > c->repay_ns ? useful_ns - c->repay_ns : 0;
		stolen_ns = hold_ns > useful_ns ? hold_ns - useful_ns : 0;
	} else {
		stolen_ns = s->now_ns > c->deadline_ns ? s->now_ns - c->deadline_ns : 0;
	}
	c->stolen_ns += stolen_ns;
	if (s->cfg.checks) {
		sched_check_count_stolen(s, stolen_ns);
	}
}

void sched_core_pass(struct sched *s, uint32_t core, ns_t cpu_ns)
{
	struct core *c = sched_core(s, core);
	uint64_t word;

	count_hold(s, c, cpu_ns);
	c->epoch = c->next_epoch;
	BUG_ON(sched_lock_pass(c->lock, c->epoch, &word) < 0);
	set_lock(s, core, word);
	c->step = STEP_NONE;
	c->is_passing = true;
	if (c->owner == SCHED_NONE) {
		sched_timer_clear(s, core); /* a successor sets its own in a moment */
	}
}

void sched_core_settle(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	bool was_passing = c->is_passing;

	c->is_passing = false;
	if (c->owner != SCHED_NONE) {
		if (was_passing) {
			start_successor(s, core);
		}
	} else if (!c->is_online) {
		if (!c->is_off) {
			c->is_off = true;
			sched_emit_core(s, SCHED_ACT_CORE_OFF, SCHED_REASON_OFFLINE, core,
					SCHED_NONE);
		}
	} else if (c->excl != SCHED_NONE && !s->is_held &&
		   sched_vcpu(s, c->excl)->state == SCHED_VCPU_PINNED) {
		grant_core(s, core, c->excl, true);
	}
	sched_core_idle_update(s, core);
}

void sched_core_withdraw(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	uint64_t word;

	if (s->cfg.checks && s->now_ns > c->planned_ns) {
		sched_check_note_late(s, c->next, s->now_ns - c->planned_ns);
	}
	sched_vcpu_wait_over(s, c->next);
	BUG_ON(sched_lock_withdraw(c->lock, &word) < 0);
	set_lock(s, core, word);
	if (c->step == STEP_DUE && s->now_ns < c->deadline_ns) {
		arm_slice(s, core);
	}
}

void sched_core_take_back(struct sched *s, uint32_t core, enum sched_reason why, bool fast)
{
	struct core *c = sched_core(s, core);

	if (c->owner == SCHED_NONE) {
		return;
	}
	if (c->deadline_ns == SCHED_NEVER) {
		c->deadline_ns = s->now_ns; /* from here on it is no longer its time */
	}
	if (sched_vm(s, sched_vcpu(s, c->owner)->vm)->list != VM_LIST_NONE) {
		c->step = STEP_HELD;
		sched_timer_clear(s, core);
		return;
	}
	c->is_fast = c->is_fast || fast;
	if (c->step >= STEP_REVOKED) {
		return;
	}
	c->reason = (uint8_t)why;
	c->step = STEP_REVOKED;
	s->stats.revokes++;
	sched_emit_core(s, SCHED_ACT_REVOKE, why, core, c->owner);
	sched_timer_set(s, core, s->now_ns + ladder_of(s, c)->revoke_ns);
}

/* The owner runs on under a new epoch: a park that was seen before must not count any more. */
static void renew(struct sched *s, uint32_t core, bool exclusive)
{
	struct core *c = sched_core(s, core);
	uint64_t word;

	c->epoch = ++s->last_epoch;
	BUG_ON(sched_lock_renew(c->lock, exclusive, c->epoch, &word) < 0);
	set_lock(s, core, word);
}

static void extend(struct sched *s, uint32_t core, enum sched_reason why, ns_t until_ns)
{
	struct core *c = sched_core(s, core);

	/* With a successor behind it, an owner that parked a moment ago must not be woken again. */
	if (why == SCHED_REASON_ALONE) {
		renew(s, core, false);
	}
	c->deadline_ns = until_ns;
	arm_slice(s, core);
	announce(s, SCHED_ACT_GRANT, why, core, c->owner);
}

static void name_successor(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	uint32_t vcpu = s->is_held ? SCHED_NONE : sched_queue_pop(s);
	struct sched_action *a;
	uint64_t word;

	if (vcpu == SCHED_NONE && s->nexts) {
		/* Others do wait, behind other cores: it parks, and takes its turn. */
		c->step = STEP_DUE;
		sched_timer_set(s, core, c->deadline_ns + ladder_of(s, c)->grace_ns);
		return;
	}
	if (vcpu == SCHED_NONE) {
		ns_t more_ns = sched_vcpu_take_budget(s, c->owner);

		c->budget_ns += more_ns;
		s->stats.extended++;
		sched_vcpu(s, c->owner)->slices++;
		extend(s, core, SCHED_REASON_ALONE,
		       (c->deadline_ns > s->now_ns ? c->deadline_ns : s->now_ns) + more_ns);
		return;
	}
	c->next_epoch = ++s->last_epoch;
	BUG_ON(sched_lock_promise(c->lock, vcpu, &word) < 0);
	set_lock(s, core, word);
	sched_vcpu(s, vcpu)->state = SCHED_VCPU_NEXT;
	sched_vcpu(s, vcpu)->core = (uint16_t)core;
	c->planned_ns = c->deadline_ns > s->now_ns ? c->deadline_ns : s->now_ns;
	c->step = STEP_DUE;
	sched_timer_set(s, core, c->planned_ns + ladder_of(s, c)->grace_ns);
	announce(s, SCHED_ACT_PREWAKE, SCHED_REASON_HANDOFF, core, vcpu);
	a = &s->out->action[s->out->n - 1];
	a->a = sched_vcpu_budget(s, vcpu);
	a->b = c->planned_ns + a->a;
}

/* What the kernel has counted of the owner's time. */
static void ask(struct sched *s, uint32_t core, enum core_step step, enum sched_reason why)
{
	struct core *c = sched_core(s, core);

	c->step = (uint8_t)step;
	s->stats.samples++;
	sched_emit_core(s, SCHED_ACT_SAMPLE, why, core, c->owner);
	sched_timer_set(s, core, s->now_ns + ladder_of(s, c)->sample_ns);
}

static void await_obedience(struct sched *s, uint32_t core, ns_t for_ns)
{
	sched_core(s, core)->step = STEP_SIGNALED;
	sched_timer_set(s, core, s->now_ns + for_ns);
}

static void condemn(struct sched *s, uint32_t core)
{
	sched_vm_freeze(s, sched_vcpu(s, sched_core(s, core)->owner)->vm, SCHED_REASON_HUNG);
}

void sched_core_timer(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);

	switch ((enum core_step)c->step) {
	case STEP_RUN:
		name_successor(s, core);
		break;
	case STEP_DUE:
		ask(s, core, STEP_SAMPLED, SCHED_REASON_SLICE_OVER);
		break;
	case STEP_SAMPLED:
		if (c->is_adopted) {
			sched_vm_freeze(s, sched_vcpu(s, c->owner)->vm, SCHED_REASON_ADOPTED);
		} else {
			sched_core_take_back(s, core, SCHED_REASON_SLICE_OVER, false);
		}
		break;
	case STEP_REVOKED:
		c->signaled_ns = s->now_ns;
		s->stats.signals++;
		sched_emit_core(s, SCHED_ACT_SIGNAL, (enum sched_reason)c->reason, core, c->owner);
		await_obedience(s, core, patience_ns(s, c));
		break;
	case STEP_SIGNALED:
		ask(s, core, STEP_ACCUSED, SCHED_REASON_HUNG);
		break;
	case STEP_ACCUSED:
		condemn(s, core);
		break;
	case STEP_NONE:
	case STEP_HELD:
		BUG_ON(true);
	}
}

/* It had its core for much of the time in which to obey the signal, or gets the rest of that time. */
static void judge(struct sched *s, uint32_t core, ns_t stolen_ns)
{
	const struct core *c = sched_core(s, core);
	ns_t since_ns = s->now_ns - c->signaled_ns;
	ns_t had_ns = stolen_ns < since_ns ? since_ns - stolen_ns : 0;
	ns_t due_ns = patience_ns(s, c);

	if (had_ns >= due_ns / 2) {
		condemn(s, core);
	} else {
		await_obedience(s, core, due_ns - had_ns);
	}
}

void sched_core_sampled(struct sched *s, uint32_t core, ns_t stolen_ns)
{
	struct core *c = sched_core(s, core);
	ns_t held_ns = s->now_ns - c->grant_ns;
	ns_t due_ns = c->grant_ns + c->budget_ns + (stolen_ns < held_ns ? stolen_ns : held_ns);

	if (c->step == STEP_ACCUSED) {
		judge(s, core, stolen_ns);
		return;
	}
	if (c->step != STEP_SAMPLED) {
		return;
	}
	if (c->is_adopted) {
		sched_vm_freeze(s, sched_vcpu(s, c->owner)->vm, SCHED_REASON_ADOPTED);
	} else if (due_ns > s->now_ns) {
		s->stats.robbed++;
		if (s->cfg.checks && !c->is_plain) {
			sched_check_count_stolen(s, due_ns - c->deadline_ns);
		}
		extend(s, core, SCHED_REASON_ROBBED, due_ns);
	} else {
		sched_core_take_back(s, core, SCHED_REASON_SLICE_OVER, false);
	}
}

void sched_core_make_exclusive(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);

	renew(s, core, true);
	c->budget_ns = 0;
	c->deadline_ns = SCHED_NEVER;
	c->is_plain = false;
	c->step = STEP_NONE;
	sched_timer_clear(s, core);
	s->stats.excl_granted++;
	announce(s, SCHED_ACT_GRANT, SCHED_REASON_EXCLUSIVE, core, c->owner);
}

void sched_core_make_shared(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);

	renew(s, core, false);
	c->is_adopted = false; /* its grant is this daemon's own from here on */
	c->grant_ns = s->now_ns;
	c->budget_ns = sched_vcpu_take_budget(s, c->owner);
	c->deadline_ns = s->now_ns + c->budget_ns;
	arm_slice(s, core);
	announce(s, SCHED_ACT_GRANT, SCHED_REASON_RELEASED, core, c->owner);
}

/* The owner loses its right to the core and must stop: same epoch, so that its park counts. */
void sched_core_drop_right(struct sched *s, uint32_t core)
{
	struct core *c = sched_core(s, core);
	uint64_t word;

	BUG_ON(sched_lock_renew(c->lock, false, c->epoch, &word) < 0);
	set_lock(s, core, word);
}

void sched_core_adopt(struct sched *s, uint32_t core, uint64_t word)
{
	struct core *c = sched_core(s, core);
	struct sched_lock l = sched_lock_unpack(word);

	c->lock = word;
	c->owner = l.owner;
	c->next = l.successor;
	c->epoch = l.epoch;
	c->next_epoch = l.epoch + 1ULL; /* never compared: see is_adopted */
	if (l.owner == SCHED_NONE) {
		return;
	}
	start_hold(s, core, l.exclusive);
	c->is_adopted = true;
	c->is_plain = false;
	c->planned_ns = s->now_ns;
	if (l.successor != SCHED_NONE) {
		s->nexts++;
		sched_vcpu(s, l.successor)->state = SCHED_VCPU_NEXT;
		sched_vcpu(s, l.successor)->core = (uint16_t)core;
	}
	if (!l.exclusive) {
		c->deadline_ns = s->now_ns;
		c->step = STEP_DUE;
		sched_core_timer(s, core);
	}
	sched_core_idle_update(s, core);
}

static uint32_t pick_idle(const struct sched *s, uint32_t preferred)
{
	const uint64_t *map = sched_idle_map(s);

	if (map[preferred / 64] & BIT(preferred % 64)) {
		return preferred;
	}
	for (uint32_t i = 0; i < s->idle_words; i++) {
		if (map[i]) {
			return i * 64 + (uint32_t)__builtin_ctzll(map[i]);
		}
	}
	return SCHED_NONE;
}

void sched_core_dispatch(struct sched *s)
{
	while (s->n_idle && s->ready && !s->is_held) {
		uint32_t vcpu;

		if (s->out->n > SCHED_OUT_MAX - 8) {
			s->has_more = true;
			return;
		}
		vcpu = sched_queue_pop(s);
		grant_core(s, pick_idle(s, sched_vcpu(s, vcpu)->core), vcpu, false);
	}
}
