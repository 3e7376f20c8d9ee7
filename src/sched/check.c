/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invariants (docs/design.md, section 5, rule 5; docs/sched.md, "Invariants"): what an event touched is
 * checked after it, everything on demand. Nothing here changes a decision.
 */
#include "sched/sched_internal.h"

/* ---- the published bound ------------------------------------------------------------------------ */

ns_t sched_bound_ns(const struct sched_config *cfg, uint32_t ready, uint32_t cores, ns_t slice_ns,
		    uint32_t levels_up, ns_t stolen_ns)
{
	if (cores == 0) {
		return SCHED_NEVER;
	}
	return (ready + cores - 1) / cores * slice_ns + slice_ns + stolen_ns / cores +
	       levels_up * cfg->aging_step_ns + SCHED_BOUND_SLACK_NS;
}

static void note_window(struct sched *s)
{
	struct window_slot *w = &s->window[s->window_id % WINDOW_SLOTS];

	if (s->ready > w->ready_peak) {
		w->ready_peak = s->ready;
	}
	if (s->shared < w->cores_min) {
		w->cores_min = s->shared;
	}
	if (s->ready > s->ever_ready_peak) {
		s->ever_ready_peak = s->ready;
	}
	if (s->shared < s->ever_cores_min) {
		s->ever_cores_min = s->shared;
	}
}

/* What there is now counts; from here on, what each event leaves behind. */
void sched_check_begin(struct sched *s)
{
	note_window(s);
}

void sched_check_window(struct sched *s)
{
	for (int i = 0; s->now_ns >= s->window_end_ns; i++) {
		s->window_id++;
		s->window_end_ns += s->cfg.aging_step_ns;
		s->window[s->window_id % WINDOW_SLOTS] =
			(struct window_slot){ .ready_peak = s->ready, .cores_min = s->shared };
		if (i == WINDOW_SLOTS) {
			s->window_end_ns = s->now_ns + s->cfg.aging_step_ns;
		}
	}
}

void sched_check_count_stolen(struct sched *s, ns_t stolen_ns)
{
	s->stolen_ns += stolen_ns;
}

void sched_check_note_ready(struct sched *s, uint32_t vcpu)
{
	((ns_t *)sched_at(s, s->off_stolen))[vcpu] = s->stolen_ns;
	note_window(s);
}

/* It stood behind an owner that overstayed: that time is not the queue's. */
void sched_check_note_late(struct sched *s, uint32_t vcpu, ns_t late_ns)
{
	/* The bound divides by a number of cores that is at most the present one. */
	((ns_t *)sched_at(s, s->off_stolen))[vcpu] -= late_ns * (s->shared + 1);
}

/* What the cores in use have been held beyond their budgets until now. */
static ns_t overdue_ns(const struct sched *s)
{
	ns_t sum_ns = 0;

	for (uint32_t i = 0; i < s->cfg.limits.cores; i++) {
		const struct core *c = sched_core(s, i);
		ns_t due_ns = c->is_plain ? c->hold_since_ns + c->budget_ns - c->repay_ns
					  : c->deadline_ns;

		if (c->owner != SCHED_NONE && s->now_ns > due_ns) {
			sum_ns += s->now_ns - due_ns;
		}
	}
	return sum_ns;
}

static uint32_t levels_up(const struct sched *s, const struct vcpu *v)
{
	return s->ever_top_level > v->level ? s->ever_top_level - v->level : 0;
}

static ns_t stolen_since_ns(const struct sched *s, uint32_t vcpu)
{
	return s->stolen_ns - ((const ns_t *)sched_at(s, s->off_stolen))[vcpu];
}

static ns_t wait_bound_ns(const struct sched *s, uint32_t vcpu)
{
	const struct vcpu *v = sched_vcpu(s, vcpu);
	ns_t slots = (s->now_ns - v->since_ns) / s->cfg.aging_step_ns + 2;
	uint32_t ready = s->ever_ready_peak;
	uint32_t cores = s->ever_cores_min;

	if (slots < WINDOW_SLOTS) {
		ready = s->ready;
		cores = s->shared;
		for (ns_t i = 0; i < slots && i < s->window_id; i++) {
			const struct window_slot *w = &s->window[(s->window_id - i) % WINDOW_SLOTS];

			ready = w->ready_peak > ready ? w->ready_peak : ready;
			cores = w->cores_min < cores ? w->cores_min : cores;
		}
	}
	return sched_bound_ns(&s->cfg, ready, cores, s->slice_peak_ns, levels_up(s, v),
			      stolen_since_ns(s, vcpu) + overdue_ns(s));
}

/* No wait's bound is below this: the queue and the cores of this moment, nothing stolen. */
static ns_t least_bound_ns(const struct sched *s)
{
	return sched_bound_ns(&s->cfg, s->ready, s->shared, s->slice_peak_ns, 0, 0);
}

static ns_t waited_ns(const struct sched *s, const struct vcpu *v)
{
	return s->now_ns - (v->since_ns > s->open_ns ? v->since_ns : s->open_ns);
}

/*
 * Whether it waits longer than its bound. The window's peaks, its lows and what is overdue only raise a
 * bound, so they are looked up only for a wait that is beyond the bound without them: same verdict, less
 * work.
 * @param least_ns least_bound_ns()
 */
static bool is_starved(const struct sched *s, uint32_t vcpu, ns_t late_ns, ns_t least_ns)
{
	const struct vcpu *v = sched_vcpu(s, vcpu);
	ns_t wait_ns = waited_ns(s, v);
	ns_t up_ns, bound_ns;

	if (wait_ns <= s->slice_peak_ns || wait_ns <= least_ns || s->is_held) {
		return false;
	}
	up_ns = levels_up(s, v) * s->cfg.aging_step_ns;
	if (wait_ns - least_ns <= up_ns ||
	    (wait_ns - least_ns - up_ns) * s->shared <= stolen_since_ns(s, vcpu)) {
		return false;
	}
	bound_ns = wait_bound_ns(s, vcpu);
	return bound_ns != SCHED_NEVER && wait_ns > bound_ns + late_ns;
}

void sched_check_wait(struct sched *s, uint32_t vcpu, ns_t late_ns)
{
	if (is_starved(s, vcpu, late_ns, least_bound_ns(s))) {
		s->broken = SCHED_BAD_STARVED;
	}
}

/* ---- one core, one vCPU ------------------------------------------------------------------------- */

static enum sched_violation check_lock(const struct sched *s, uint32_t core)
{
	const struct core *c = sched_core(s, core);
	struct sched_lock l = sched_lock_unpack(c->lock);

	if (l.owner != c->owner || l.successor != c->next ||
	    (l.owner == SCHED_NONE && (l.successor != SCHED_NONE || l.exclusive)) ||
	    (l.owner != SCHED_NONE && l.epoch != (c->epoch & SCHED_LOCK_EPOCH_MASK))) {
		return SCHED_BAD_LOCK;
	}
	if (l.exclusive && c->excl != l.owner) {
		return SCHED_BAD_CAP;
	}
	if (c->owner != SCHED_NONE) {
		const struct vcpu *v = sched_vcpu(s, c->owner);

		if (v->state != SCHED_VCPU_RUNNING || v->core != core) {
			return SCHED_BAD_TWO_CORES;
		}
	}
	if (c->next != SCHED_NONE) {
		const struct vcpu *v = sched_vcpu(s, c->next);

		if (v->state != SCHED_VCPU_NEXT || v->core != core) {
			return SCHED_BAD_TWO_CORES;
		}
	}
	return SCHED_OK;
}

static enum sched_violation check_core(const struct sched *s, uint32_t core)
{
	const struct core *c = sched_core(s, core);
	bool is_idle = sched_idle_map(s)[core / 64] & BIT(core % 64);
	bool wants_timer = c->step != STEP_NONE && c->step != STEP_HELD;
	enum sched_violation r;

	r = check_lock(s, core);
	if (r != SCHED_OK) {
		return r;
	}
	if (c->owner != SCHED_NONE && !c->is_online && c->step < STEP_REVOKED) {
		return SCHED_BAD_POOL;
	}
	if (is_idle != (c->is_online && c->owner == SCHED_NONE && c->excl == SCHED_NONE)) {
		return SCHED_BAD_FORGOTTEN;
	}
	if (wants_timer != (c->timer_ns != SCHED_NEVER) || c->is_passing ||
	    (c->owner == SCHED_NONE && c->step != STEP_NONE) ||
	    (c->owner != SCHED_NONE && c->step == STEP_NONE && c->excl != c->owner)) {
		return SCHED_BAD_TIMER;
	}
	if (c->excl != SCHED_NONE &&
	    (sched_vcpu(s, c->excl)->excl != core || !c->is_online ||
	     (c->owner != SCHED_NONE && c->owner != c->excl && c->step < STEP_REVOKED))) {
		return SCHED_BAD_CAP;
	}
	return SCHED_OK;
}

#define STATE(name) (1U << SCHED_VCPU_##name)
#define STANDING    (STATE(STOPPED) | STATE(BLOCKED) | STATE(FAULTED))
#define ON_CORE	    (STATE(RUNNING) | STATE(NEXT))

/* By the state of a VM: those that its vCPUs may have, and which of the flags in mask they must have. */
static const struct {
	uint16_t states;
	uint8_t mask, flags;
} allowed[SCHED_VM_STATE_COUNT] = {
	[SCHED_VM_CREATED] = { STATE(STOPPED), 0, 0 },
	[SCHED_VM_RUN] = { ON_CORE | STATE(READY) | STATE(BLOCKED) | STATE(PINNED), VCPU_HALT, 0 },
	[SCHED_VM_PAUSED] = { ON_CORE | STATE(STOPPED), VCPU_HALT, VCPU_HALT },
	[SCHED_VM_FAULTED] = { ON_CORE | STANDING, VCPU_HALT, VCPU_HALT },
	[SCHED_VM_KILLED] = { ON_CORE | STANDING, VCPU_HALT, VCPU_HALT },
	[SCHED_VM_DEAD] = { STATE(DEAD), 0, 0 },
};

static bool is_state_allowed(const struct vm *m, const struct vcpu *v)
{
	return (allowed[m->state].states >> v->state & 1) &&
	       (v->flags & allowed[m->state].mask) == allowed[m->state].flags;
}

static enum sched_violation check_vcpu(const struct sched *s, uint32_t vcpu)
{
	const struct vcpu *v = sched_vcpu(s, vcpu);
	const struct vm *m;

	if (v->state == SCHED_VCPU_FREE) {
		return SCHED_OK;
	}
	m = sched_vm(s, v->vm);
	if (!is_state_allowed(m, v) || v->gen != m->gen || v->level != m->prio) {
		return SCHED_BAD_STATE;
	}
	if (v->state == SCHED_VCPU_BLOCKED && !(v->flags & VCPU_BLOCKED)) {
		return SCHED_BAD_FORGOTTEN;
	}
	if (v->state == SCHED_VCPU_RUNNING && sched_core(s, v->core)->owner != vcpu) {
		return SCHED_BAD_TWO_CORES;
	}
	if (v->state == SCHED_VCPU_NEXT && sched_core(s, v->core)->next != vcpu) {
		return SCHED_BAD_TWO_CORES;
	}
	if (v->excl != SCHED_CORE_NONE && sched_core(s, v->excl)->excl != vcpu) {
		return SCHED_BAD_CAP;
	}
	if (v->state == SCHED_VCPU_PINNED) {
		if (v->excl == SCHED_CORE_NONE) {
			return SCHED_BAD_FORGOTTEN;
		}
		if (sched_core(s, v->excl)->owner == SCHED_NONE && !s->is_held && !s->has_more) {
			return SCHED_BAD_FORGOTTEN;
		}
	}
	return SCHED_OK;
}

static enum sched_violation check_user(const struct sched *s, uint32_t user)
{
	const struct user *u = sched_user(s, user);

	if (u->excl > u->allowed.excl) {
		return SCHED_BAD_CAP;
	}
	if (u->vcpus > u->allowed.vcpus || u->slice_sum_ns > u->allowed.slice_sum_ns) {
		return SCHED_BAD_QUOTA;
	}
	return SCHED_OK;
}

static enum sched_violation check_totals(const struct sched *s)
{
	if (s->n_idle && s->ready && !s->is_held && !s->has_more) {
		return SCHED_BAD_FORGOTTEN;
	}
	if (s->excl > sched_exclusive_cap(s) && !s->has_more) {
		return SCHED_BAD_CAP;
	}
	for (uint32_t l = 0; l < SCHED_LEVELS; l++) {
		uint32_t head = s->level[l].head;

		if (head == SCHED_NONE && s->key_ns[l] == SCHED_NEVER) {
			continue;
		}
		if (head == SCHED_NONE || s->key_ns[l] == SCHED_NEVER) {
			return SCHED_BAD_QUEUE;
		}
		if (waited_ns(s, sched_vcpu(s, head)) > s->slice_peak_ns &&
		    is_starved(s, head, 0, least_bound_ns(s))) {
			return SCHED_BAD_STARVED;
		}
	}
	return SCHED_OK;
}

/* What an action is about is looked at once, when the one before was about it too. */
static enum sched_violation check_action(const struct sched *s, const struct sched_action *a,
					 const struct sched_action *before)
{
	enum sched_violation r = SCHED_OK;

	if (a->core != SCHED_CORE_NONE && (!before || before->core != a->core)) {
		r = check_core(s, a->core);
	}
	if (r == SCHED_OK && a->vcpu != SCHED_NONE && (!before || before->vcpu != a->vcpu)) {
		const struct vcpu *v = sched_vcpu(s, a->vcpu);

		r = check_vcpu(s, a->vcpu);
		if (r == SCHED_OK && v->state != SCHED_VCPU_FREE) {
			r = check_user(s, sched_vm(s, v->vm)->user);
		}
	}
	return r;
}

static enum sched_violation check_subject(const struct sched *s, const struct sched_event *ev)
{
	switch ((enum sched_event_type)ev->type) {
	case SCHED_EV_STOPPED:
	case SCHED_EV_WOKEN:
	case SCHED_EV_EXCL_REQUEST:
	case SCHED_EV_EXCL_RELEASE:
		return check_vcpu(s, ev->vcpu);
	case SCHED_EV_VM_START:
	case SCHED_EV_VM_UPDATE:
		return check_user(s, sched_vm(s, ev->vm)->user);
	case SCHED_EV_CORE_OFFLINE:
	case SCHED_EV_CORE_ONLINE:
		return check_core(s, ev->core);
	default:
		return SCHED_OK;
	}
}

enum sched_violation sched_check_touched(struct sched *s, const struct sched_event *ev)
{
	enum sched_violation r = s->broken;

	note_window(s);
	s->broken = SCHED_OK;
	if (r == SCHED_OK) {
		r = check_totals(s);
	}
	if (r == SCHED_OK) {
		r = check_subject(s, ev);
	}
	for (uint32_t i = 0; r == SCHED_OK && i < s->out->n; i++) {
		const struct sched_action *a = &s->out->action[i];

		r = check_action(s, a, i ? a - 1 : NULL);
	}
	return r;
}

/* ---- everything --------------------------------------------------------------------------------- */

static enum sched_violation full_queue(const struct sched *s)
{
	ns_t least_ns = least_bound_ns(s);
	uint32_t ready = 0;

	for (uint32_t l = 0; l < SCHED_LEVELS; l++) {
		uint32_t prev = SCHED_NONE;
		ns_t since_ns = 0;

		for (uint32_t i = s->level[l].head; i != SCHED_NONE; i = sched_vcpu(s, i)->next) {
			const struct vcpu *v = sched_vcpu(s, i);

			if (v->state != SCHED_VCPU_READY || v->level != l || v->prev != prev ||
			    v->since_ns < since_ns || ++ready > s->ready) {
				return SCHED_BAD_QUEUE;
			}
			if (s->cfg.checks && waited_ns(s, v) > least_ns &&
			    is_starved(s, i, 0, least_ns)) {
				return SCHED_BAD_STARVED;
			}
			since_ns = v->since_ns;
			prev = i;
		}
		if (s->level[l].tail != prev) {
			return SCHED_BAD_QUEUE;
		}
	}
	return ready == s->ready ? SCHED_OK : SCHED_BAD_QUEUE;
}

static enum sched_violation full_cores(const struct sched *s)
{
	uint32_t online = 0, idle = 0, excl = 0, shared = 0, nexts = 0;

	for (uint32_t i = 0; i < s->cfg.limits.cores; i++) {
		const struct core *c = sched_core(s, i);
		enum sched_violation r = check_core(s, i);

		if (r != SCHED_OK) {
			return r;
		}
		online += c->is_online;
		idle += c->is_online && c->owner == SCHED_NONE && c->excl == SCHED_NONE;
		excl += c->excl != SCHED_NONE;
		shared += c->is_online && c->excl == SCHED_NONE;
		nexts += c->next != SCHED_NONE;
	}
	if (!sched_timer_is_right(s)) {
		return SCHED_BAD_TIMER;
	}
	return nexts == s->nexts && online == s->online && idle == s->n_idle && excl == s->excl &&
			       shared == s->shared
		       ? SCHED_OK
		       : SCHED_BAD_STATE;
}

static enum sched_violation full_vcpus(const struct sched *s)
{
	uint32_t ready = 0;

	for (uint32_t i = 0; i < s->cfg.limits.vcpus; i++) {
		enum sched_violation r = check_vcpu(s, i);

		if (r != SCHED_OK) {
			return r;
		}
		ready += sched_vcpu(s, i)->state == SCHED_VCPU_READY;
	}
	return ready == s->ready ? SCHED_OK : SCHED_BAD_FORGOTTEN;
}

static enum sched_violation full_user(const struct sched *s, uint32_t user)
{
	const struct user *u = sched_user(s, user);
	uint32_t vcpus = 0, excl = 0;
	ns_t slice_sum_ns = 0;

	for (uint32_t i = u->first; i != SCHED_NONE; i = sched_vm(s, i)->user_next) {
		const struct vm *m = sched_vm(s, i);

		if (m->user != user || m->state == SCHED_VM_FREE) {
			return SCHED_BAD_STATE;
		}
		vcpus += m->is_counted ? m->n_vcpus : 0U;
		slice_sum_ns += m->is_counted ? m->slice_ns * m->n_vcpus : 0;
		for (uint32_t j = m->first; j != SCHED_NONE; j = sched_vcpu(s, j)->sibling) {
			excl += sched_vcpu(s, j)->excl != SCHED_CORE_NONE;
		}
	}
	if (vcpus != u->vcpus || excl != u->excl || slice_sum_ns != u->slice_sum_ns) {
		return SCHED_BAD_QUOTA;
	}
	return check_user(s, user);
}

enum sched_violation sched_check_full(const struct sched *s)
{
	enum sched_violation r;

	r = full_cores(s);
	if (r == SCHED_OK) {
		r = full_vcpus(s); /* in the order of memory: then the queues are in a cache */
	}
	if (r == SCHED_OK) {
		r = full_queue(s);
	}
	for (uint32_t i = 0; r == SCHED_OK && i < s->cfg.limits.users; i++) {
		if (sched_user(s, i)->exists) {
			r = full_user(s, i);
		}
	}
	if (r == SCHED_OK) {
		r = check_totals(s);
	}
	return r;
}
