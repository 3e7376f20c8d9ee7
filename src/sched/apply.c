/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The second half of every command: it was checked and cannot fail. */
#include "sched/sched_internal.h"

typedef void apply_fn(struct sched *s, const struct sched_event *ev);

static void apply_tick(struct sched *s, const struct sched_event *ev)
{
	(void)ev;
	for (int i = 0; i < TIMERS_PER_EVENT; i++) {
		if (s->timer_first_ns > s->now_ns) {
			break;
		}
		sched_core_timer(s, sched_timer_first(s));
	}
	sched_vm_timers(s);
}

static void apply_woken(struct sched *s, const struct sched_event *ev)
{
	struct vcpu *v = sched_vcpu(s, ev->vcpu);

	if (!(v->flags & VCPU_BLOCKED)) {
		v->flags |= VCPU_WOKEN;
		return;
	}
	v->flags &= (uint8_t)~VCPU_BLOCKED;
	if (v->state == SCHED_VCPU_BLOCKED) {
		sched_vcpu_ready(s, ev->vcpu);
	}
}

static void apply_sample(struct sched *s, const struct sched_event *ev)
{
	if (sched_vcpu(s, ev->vcpu)->state == SCHED_VCPU_RUNNING) {
		sched_core_sampled(s, ev->core, ev->stolen_ns);
	}
}

static void apply_forged(struct sched *s, const struct sched_event *ev)
{
	s->stats.forged++;
	sched_vm_freeze(s, sched_vcpu(s, ev->vcpu)->vm, SCHED_REASON_FORGED);
}

static void apply_rogue(struct sched *s, const struct sched_event *ev)
{
	s->stats.rogue++;
	sched_vm_freeze(s, sched_vcpu(s, ev->vcpu)->vm, SCHED_REASON_ROGUE);
}

static void apply_vm_frozen(struct sched *s, const struct sched_event *ev)
{
	sched_vm_frozen(s, ev->vm);
}

static void apply_vm_died(struct sched *s, const struct sched_event *ev)
{
	sched_vm_died(s, ev->vm);
}

static void apply_vm_add(struct sched *s, const struct sched_event *ev)
{
	struct user *u = sched_user(s, ev->user);

	*sched_vm(s, ev->vm) = (struct vm){
		.user = ev->user,
		.gen = ev->gen,
		.first = SCHED_NONE,
		.user_next = u->first,
		.user_prev = SCHED_NONE,
		.next = SCHED_NONE,
		.prev = SCHED_NONE,
		.slice_ns = ev->slice_ns,
		.limit_ns = ev->limit_cpu_ns,
		.state = SCHED_VM_CREATED,
		.prio = ev->prio,
	};
	if (u->first != SCHED_NONE) {
		sched_vm(s, u->first)->user_prev = ev->vm;
	}
	u->first = ev->vm;
	if (ev->slice_ns > s->slice_peak_ns) {
		s->slice_peak_ns = ev->slice_ns;
	}
}

static void apply_vcpu_add(struct sched *s, const struct sched_event *ev)
{
	struct vm *m = sched_vm(s, ev->vm);

	*sched_vcpu(s, ev->vcpu) = (struct vcpu){
		.next = SCHED_NONE,
		.prev = SCHED_NONE,
		.vm = ev->vm,
		.sibling = m->first,
		.slice_ns = (uint32_t)m->slice_ns,
		.excl = SCHED_CORE_NONE,
		.state = SCHED_VCPU_STOPPED,
		.level = m->prio,
		.flags = m->limit_ns ? VCPU_HALT | VCPU_LIMIT : VCPU_HALT,
		.gen = m->gen,
	};
	m->first = ev->vcpu;
	m->n_vcpus++;
	s->ever_top_level = m->prio > s->ever_top_level ? m->prio : s->ever_top_level;
}

/* What a user has above its quota stays. */
static void allow_what_is(struct user *u)
{
	if (u->vcpus > u->allowed.vcpus) {
		u->allowed.vcpus = u->vcpus;
	}
	if (u->excl > u->allowed.excl) {
		u->allowed.excl = u->excl;
	}
	if (u->slice_sum_ns > u->allowed.slice_sum_ns) {
		u->allowed.slice_sum_ns = u->slice_sum_ns;
	}
}

static void apply_vm_start(struct sched *s, const struct sched_event *ev)
{
	struct vm *m = sched_vm(s, ev->vm);
	struct user *u = sched_user(s, m->user);

	m->is_counted = true;
	u->vcpus += m->n_vcpus;
	u->slice_sum_ns += m->slice_ns * m->n_vcpus;
	if (s->is_held) {
		allow_what_is(u);
	}
	sched_vm_run(s, ev->vm);
}

static void apply_vm_pause(struct sched *s, const struct sched_event *ev)
{
	sched_vm_halt(s, ev->vm, SCHED_VM_PAUSED);
}

static void apply_vm_resume(struct sched *s, const struct sched_event *ev)
{
	sched_vm_run(s, ev->vm);
}

static void apply_vm_kill(struct sched *s, const struct sched_event *ev)
{
	sched_vm_kill(s, ev->vm, SCHED_REASON_KILL);
}

static void apply_vm_remove(struct sched *s, const struct sched_event *ev)
{
	struct vm *m = sched_vm(s, ev->vm);
	struct user *u = sched_user(s, m->user);

	for (uint32_t i = m->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		sched_vcpu(s, i)->state = SCHED_VCPU_FREE;
	}
	if (u->cursor == ev->vm) {
		u->cursor = m->user_next;
	}
	if (m->user_prev == SCHED_NONE) {
		u->first = m->user_next;
	} else {
		sched_vm(s, m->user_prev)->user_next = m->user_next;
	}
	if (m->user_next != SCHED_NONE) {
		sched_vm(s, m->user_next)->user_prev = m->user_prev;
	}
	m->state = SCHED_VM_FREE;
}

static void update_vcpu(struct sched *s, uint32_t vcpu, const struct vm *m)
{
	struct vcpu *v = sched_vcpu(s, vcpu);

	v->slice_ns = (uint32_t)m->slice_ns;
	v->flags = (uint8_t)(m->limit_ns ? v->flags | VCPU_LIMIT : v->flags & ~VCPU_LIMIT);
	if (v->level != m->prio) {
		sched_queue_move(s, vcpu, m->prio);
	}
}

static void apply_vm_update(struct sched *s, const struct sched_event *ev)
{
	struct vm *m = sched_vm(s, ev->vm);

	if (ev->mask & SCHED_UPDATE_PRIO) {
		m->prio = ev->prio;
		s->ever_top_level = m->prio > s->ever_top_level ? m->prio : s->ever_top_level;
	}
	if (ev->mask & SCHED_UPDATE_SLICE) {
		if (m->is_counted) {
			struct user *u = sched_user(s, m->user);

			u->slice_sum_ns -= m->slice_ns * m->n_vcpus;
			u->slice_sum_ns += ev->slice_ns * m->n_vcpus;
		}
		m->slice_ns = ev->slice_ns;
		if (ev->slice_ns > s->slice_peak_ns) {
			s->slice_peak_ns = ev->slice_ns;
		}
	}
	if (ev->mask & SCHED_UPDATE_LIMIT) {
		m->limit_ns = ev->limit_cpu_ns;
	}
	for (uint32_t i = m->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		update_vcpu(s, i, m);
	}
}

static void apply_excl_request(struct sched *s, const struct sched_event *ev)
{
	uint32_t core = ev->core == SCHED_CORE_NONE ? sched_excl_pick(s) : ev->core;

	sched_excl_apply_request(s, ev->vcpu, core);
}

static void apply_excl_release(struct sched *s, const struct sched_event *ev)
{
	const struct vcpu *v = sched_vcpu(s, ev->vcpu);
	uint32_t core = v->excl;
	bool had_it = v->state == SCHED_VCPU_RUNNING && v->core == core &&
		      sched_lock_unpack(sched_core(s, core)->lock).exclusive;

	sched_excl_drop(s, core, SCHED_REASON_RELEASED);
	if (had_it && sched_core(s, core)->step == STEP_NONE) {
		sched_core_make_shared(s, core);
	} else if (had_it) {
		sched_core_drop_right(s, core); /* it is being taken back already */
	}
}

static void apply_excl_reclaim(struct sched *s, const struct sched_event *ev)
{
	struct sched_action *a = sched_emit(s, SCHED_ACT_REPORT, SCHED_REASON_EXCL_LOST);

	a->core = ev->core;
	a->vcpu = sched_core(s, ev->core)->excl;
	a->vm = sched_vcpu(s, a->vcpu)->vm;
	s->stats.excl_reclaimed++;
	sched_excl_drop(s, ev->core, SCHED_REASON_RECLAIM);
}

static void apply_excl_cap(struct sched *s, const struct sched_event *ev)
{
	s->cap_cfg = (uint32_t)ev->arg;
	s->lowered = 0;
	sched_excl_watch(s);
}

static void apply_user_add(struct sched *s, const struct sched_event *ev)
{
	*sched_user(s, ev->user) = (struct user){
		.quota = ev->quota,
		.allowed = ev->quota,
		.first = SCHED_NONE,
		.cursor = SCHED_NONE,
		.ban_next = SCHED_NONE,
		.exists = true,
	};
}

static void apply_user_quota(struct sched *s, const struct sched_event *ev)
{
	struct user *u = sched_user(s, ev->user);

	u->quota = u->allowed = ev->quota;
	allow_what_is(u);
}

static void apply_user_ban(struct sched *s, const struct sched_event *ev)
{
	struct user *u = sched_user(s, ev->user);

	u->is_banned = true;
	u->cursor = u->first;
	if (!u->in_ban_list) {
		u->in_ban_list = true;
		u->ban_next = s->ban_head;
		s->ban_head = ev->user;
	}
}

static void apply_user_unban(struct sched *s, const struct sched_event *ev)
{
	sched_user(s, ev->user)->is_banned = false;
}

static void apply_core_online(struct sched *s, const struct sched_event *ev)
{
	struct core *c = sched_core(s, ev->core);

	c->is_online = true;
	c->is_off = false;
	c->rank = (uint8_t)(ev->arg < 2 ? ev->arg : 2);
	s->online++;
	s->shared++;
	sched_core_idle_update(s, ev->core);
}

static void apply_core_offline(struct sched *s, const struct sched_event *ev)
{
	struct core *c = sched_core(s, ev->core);

	if (c->excl != SCHED_NONE) {
		struct sched_action *a = sched_emit(s, SCHED_ACT_REPORT, SCHED_REASON_EXCL_LOST);

		a->core = ev->core;
		a->vcpu = c->excl;
		a->vm = sched_vcpu(s, c->excl)->vm;
		sched_excl_drop(s, ev->core, SCHED_REASON_OFFLINE);
	}
	c->is_online = false;
	s->online--;
	s->shared--;
	if (c->owner == SCHED_NONE) {
		sched_core_settle(s, ev->core);
	} else {
		sched_core_take_back(s, ev->core, SCHED_REASON_OFFLINE, true);
	}
}

static void apply_adopt(struct sched *s, const struct sched_event *ev)
{
	struct sched_lock l = sched_lock_unpack(ev->arg);

	if (l.owner != SCHED_NONE) {
		sched_queue_remove(s, l.owner);
	}
	if (l.successor != SCHED_NONE) {
		sched_queue_remove(s, l.successor);
	}
	if (l.exclusive) {
		struct vcpu *v = sched_vcpu(s, l.owner);
		struct core *c = sched_core(s, ev->core);

		v->excl = ev->core;
		c->excl = l.owner;
		c->excl_seq = ++s->excl_seq;
		s->excl++;
		s->shared--;
		sched_user(s, sched_vm(s, v->vm)->user)->excl++;
		allow_what_is(sched_user(s, sched_vm(s, v->vm)->user));
		sched_excl_watch(s);
	}
	sched_core_adopt(s, ev->core, ev->arg);
}

static void apply_dispatch(struct sched *s, const struct sched_event *ev)
{
	s->is_held = ev->arg == 0;
	s->open_ns = s->now_ns;
}

static apply_fn *const apply_table[SCHED_EV_COUNT] = {
	[SCHED_EV_TICK] = apply_tick,
	[SCHED_EV_STOPPED] = sched_vcpu_stopped,
	[SCHED_EV_WOKEN] = apply_woken,
	[SCHED_EV_SAMPLE] = apply_sample,
	[SCHED_EV_FORGED] = apply_forged,
	[SCHED_EV_ROGUE] = apply_rogue,
	[SCHED_EV_VM_FROZEN] = apply_vm_frozen,
	[SCHED_EV_VM_DIED] = apply_vm_died,
	[SCHED_EV_VM_ADD] = apply_vm_add,
	[SCHED_EV_VCPU_ADD] = apply_vcpu_add,
	[SCHED_EV_VM_START] = apply_vm_start,
	[SCHED_EV_VM_PAUSE] = apply_vm_pause,
	[SCHED_EV_VM_RESUME] = apply_vm_resume,
	[SCHED_EV_VM_KILL] = apply_vm_kill,
	[SCHED_EV_VM_REMOVE] = apply_vm_remove,
	[SCHED_EV_VM_UPDATE] = apply_vm_update,
	[SCHED_EV_EXCL_REQUEST] = apply_excl_request,
	[SCHED_EV_EXCL_RELEASE] = apply_excl_release,
	[SCHED_EV_EXCL_RECLAIM] = apply_excl_reclaim,
	[SCHED_EV_EXCL_CAP] = apply_excl_cap,
	[SCHED_EV_USER_ADD] = apply_user_add,
	[SCHED_EV_USER_QUOTA] = apply_user_quota,
	[SCHED_EV_USER_BAN] = apply_user_ban,
	[SCHED_EV_USER_UNBAN] = apply_user_unban,
	[SCHED_EV_CORE_ONLINE] = apply_core_online,
	[SCHED_EV_CORE_OFFLINE] = apply_core_offline,
	[SCHED_EV_ADOPT] = apply_adopt,
	[SCHED_EV_DISPATCH] = apply_dispatch,
};

/* One VM of a banned user per event. */
static void drain_bans(struct sched *s)
{
	struct user *u = sched_user(s, s->ban_head);
	uint32_t vm = u->cursor;

	if (vm == SCHED_NONE || !u->is_banned) {
		u->in_ban_list = false;
		s->ban_head = u->ban_next;
		return;
	}
	u->cursor = sched_vm(s, vm)->user_next;
	if (sched_vm(s, vm)->state != SCHED_VM_DEAD) {
		sched_vm_kill(s, vm, SCHED_REASON_BANNED);
	}
}

/* Exclusive cores whose vCPU waited for DISPATCH 1. */
static void settle_pinned(struct sched *s)
{
	for (uint32_t i = 0; i < s->cfg.limits.cores; i++) {
		const struct core *c = sched_core(s, i);

		if (s->out->n > SCHED_OUT_MAX - 32) {
			s->has_more = true;
			return;
		}
		if (c->excl != SCHED_NONE && c->owner == SCHED_NONE) {
			sched_core_settle(s, i);
		}
	}
}

void sched_apply_event(struct sched *s, const struct sched_event *ev)
{
	bool had_more = s->has_more || ev->type == SCHED_EV_DISPATCH;

	s->has_more = false;
	apply_table[ev->type](s, ev);
	if (s->ban_head != SCHED_NONE) {
		drain_bans(s);
	}
	if (s->now_ns >= s->policy_at_ns || s->excl > 0) {
		sched_excl_policy(s);
	}
	if (had_more && !s->is_held) {
		settle_pinned(s);
	}
	sched_core_dispatch(s);
}
