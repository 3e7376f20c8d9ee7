/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee's judgement: see monitor.h. Checks that look at everything are made on small machines only. */
#include "sim/monitor_internal.h"

static ns_t key_of(const struct sim_monitor *m, const struct mon_vcpu *v)
{
	return v->since_ns + (SCHED_LEVELS - 1U - m->vms[v->vm].prio) * m->cfg.aging_step_ns;
}

static bool is_ready(const struct sim_monitor *m, const struct mon_vcpu *v)
{
	return v->exists && v->thread == ASLEEP && !v->is_blocked && !v->is_pinned &&
	       m->vms[v->vm].state == SCHED_VM_RUN && !m->vms[v->vm].is_freezing;
}

/* ---- what actions promise ----------------------------------------------------------------------- */

static bool may_execute(const struct sim_monitor *m, uint32_t vcpu, uint16_t core)
{
	const struct mon_vcpu *v = &m->vcpus[vcpu];

	return vcpu != SCHED_NONE && (v->thread == EXEC || v->thread == BEHIND) && v->core == core;
}

/* When a core's owner would overstay at the earliest; all cores are looked at no sooner. */
static void watch_due(struct sim_monitor *m, const struct mon_core *c)
{
	if (c->due_ns != SCHED_NEVER && c->due_ns + m->patience_ns < m->look_ns) {
		m->look_ns = c->due_ns + m->patience_ns;
	}
}

static enum sim_verdict judge_lock(struct sim_monitor *m, const struct sched_action *a)
{
	struct mon_core *c = &m->cores[a->core];
	struct sched_lock old = sched_lock_unpack(a->a);
	struct sched_lock new = sched_lock_unpack(a->b);

	if (a->a != c->lock) {
		return SIM_LOCK_CHAIN;
	}
	c->lock = a->b;
	if (old.owner != new.owner && may_execute(m, old.owner, a->core)) {
		return SIM_LOCK_STOLEN;
	}
	if (old.successor != SCHED_NONE &&
	    old.successor != new.successor &&old.successor !=
		    new.owner &&may_execute(m, old.successor, a->core)) {
		return SIM_LOCK_STOLEN;
	}
	if (new.owner != SCHED_NONE &&new.owner == new.successor) {
		return SIM_DOUBLE_RUN;
	}
	if (old.successor != SCHED_NONE && new.owner == old.successor &&
	    m->vcpus[new.owner].thread == BEHIND) {
		m->vcpus[new.owner].thread = EXEC; /* the kernel switched to it */
		c->due_ns = m->now_ns;
	}
	watch_due(m, c);
	return SIM_FINE;
}

static enum sim_verdict judge_order(const struct sim_monitor *m, uint32_t vcpu)
{
	const struct mon_vcpu *v = &m->vcpus[vcpu];

	if (!m->is_small || v->is_fuzzy) {
		return SIM_FINE;
	}
	for (uint32_t i = 0; i < m->cfg.limits.vcpus; i++) {
		const struct mon_vcpu *o = &m->vcpus[i];

		if (is_ready(m, o) && !o->is_fuzzy && key_of(m, o) < key_of(m, v)) {
			return SIM_ORDER;
		}
	}
	return SIM_FINE;
}

static bool is_budget_right(const struct sim_monitor *m, const struct sched_action *a)
{
	const struct mon_vm *vm = &m->vms[a->vm];

	if (a->reason == SCHED_REASON_ALONE || a->reason == SCHED_REASON_ROBBED) {
		return a->b > m->now_ns;
	}
	if (a->a > 2 * vm->slice_ns || (!vm->has_limit && a->a < vm->slice_ns / 2)) {
		return false;
	}
	return a->type == SCHED_ACT_PREWAKE || a->b == m->now_ns + a->a;
}

static bool may_be_granted(const struct sim_monitor *m, const struct sched_action *a)
{
	const struct mon_vm *vm = &m->vms[a->vm];

	return a->vcpu < m->cfg.limits.vcpus && m->vcpus[a->vcpu].exists &&
	       m->vcpus[a->vcpu].thread != GONE && vm->state == SCHED_VM_RUN && !vm->is_frozen &&
	       !vm->is_freezing && m->cores[a->core].is_online;
}

static enum sim_verdict judge_grant(struct sim_monitor *m, const struct sched_action *a)
{
	struct mon_core *c = &m->cores[a->core];
	struct sched_lock l = sched_lock_unpack(c->lock);
	struct mon_vcpu *v = &m->vcpus[a->vcpu];
	bool is_exclusive = a->b == SCHED_NEVER;

	if (!may_be_granted(m, a) || l.owner != a->vcpu || l.exclusive != is_exclusive) {
		return SIM_GRANT_WRONG;
	}
	if ((v->thread == EXEC || v->thread == BEHIND) && v->core != a->core) {
		return SIM_DOUBLE_RUN;
	}
	if (v->is_pinned != is_exclusive) {
		return SIM_EXCL_BROKEN;
	}
	if (a->epoch <= m->epoch && a->reason != SCHED_REASON_HANDOFF &&
	    a->reason != SCHED_REASON_ROBBED) {
		return SIM_EPOCH;
	}
	if (!is_exclusive && !is_budget_right(m, a)) {
		return SIM_BUDGET;
	}
	if (a->reason == SCHED_REASON_IDLE_CORE && judge_order(m, a->vcpu) != SIM_FINE) {
		return SIM_ORDER;
	}
	for (uint32_t i = 0; m->is_small && i < m->cfg.limits.vcpus; i++) {
		if (i != a->vcpu && m->vcpus[i].thread == EXEC && m->vcpus[i].core == a->core) {
			return SIM_DOUBLE_RUN;
		}
	}
	m->epoch = a->epoch > m->epoch ? a->epoch : m->epoch;
	c->due_ns = a->b;
	watch_due(m, c);
	v->thread = EXEC;
	v->core = a->core;
	return SIM_FINE;
}

static enum sim_verdict judge_prewake(struct sim_monitor *m, const struct sched_action *a)
{
	struct mon_core *c = &m->cores[a->core];
	struct mon_vcpu *v = &m->vcpus[a->vcpu];
	enum sim_verdict r;

	if (!may_be_granted(m, a) || sched_lock_unpack(c->lock).successor != a->vcpu ||
	    v->is_pinned) {
		return SIM_GRANT_WRONG;
	}
	if (v->thread != ASLEEP) {
		return SIM_DOUBLE_RUN;
	}
	if (a->epoch <= m->epoch) {
		return SIM_EPOCH;
	}
	if (!is_budget_right(m, a)) {
		return SIM_BUDGET;
	}
	r = judge_order(m, a->vcpu);
	m->epoch = a->epoch;
	v->thread = BEHIND;
	v->core = a->core;
	return r;
}

static enum sim_verdict judge_revoke(struct sim_monitor *m, const struct sched_action *a)
{
	struct mon_core *c = &m->cores[a->core];

	if (sched_lock_unpack(c->lock).exclusive && a->reason == SCHED_REASON_SLICE_OVER) {
		return SIM_EXCL_BROKEN;
	}
	if (c->due_ns == SCHED_NEVER) {
		c->due_ns = m->now_ns;
	}
	/* A fault that is not reported yet, because other vCPUs of the VM still run. */
	if ((a->reason == SCHED_REASON_GUEST_FAULT || a->reason == SCHED_REASON_CPU_LIMIT) &&
	    (m->vms[a->vm].state == SCHED_VM_RUN || m->vms[a->vm].state == SCHED_VM_FAULTED)) {
		m->vms[a->vm].state = SCHED_VM_FAULTED;
		sim_monitor_unpin_vm(m, a->vm);
	}
	return SIM_FINE;
}

static enum sim_verdict judge_vm(struct sim_monitor *m, const struct sched_action *a)
{
	struct mon_vm *vm = &m->vms[a->vm];

	switch ((enum sched_action_type)a->type) {
	case SCHED_ACT_FREEZE:
		vm->is_freezing = true;
		vm->freeze_ns = m->now_ns;
		if (a->reason != SCHED_REASON_ADOPTED) {
			vm->state = SCHED_VM_FAULTED;
			sim_monitor_unpin_vm(m, a->vm);
		}
		break;
	case SCHED_ACT_THAW:
		vm->is_frozen = false;
		break;
	case SCHED_ACT_KILL:
		vm->is_freezing = false;
		vm->state = SCHED_VM_KILLED;
		sim_monitor_unpin_vm(m, a->vm);
		break;
	case SCHED_ACT_FAULT:
		vm->state = SCHED_VM_FAULTED;
		vm->is_counted = false;
		sim_monitor_unpin_vm(m, a->vm);
		break;
	default:
		break;
	}
	return SIM_FINE;
}

static enum sim_verdict judge(struct sim_monitor *m, const struct sched_action *a)
{
	if (a->type != SCHED_ACT_LOCK && a->type != SCHED_ACT_GRANT &&
	    a->type != SCHED_ACT_PREWAKE) {
		m->look_ns = 0; /* who may run until when can be another matter now */
	}
	switch ((enum sched_action_type)a->type) {
	case SCHED_ACT_LOCK:
		return judge_lock(m, a);
	case SCHED_ACT_GRANT:
		return judge_grant(m, a);
	case SCHED_ACT_PREWAKE:
		return judge_prewake(m, a);
	case SCHED_ACT_REVOKE:
		return judge_revoke(m, a);
	case SCHED_ACT_FREEZE:
	case SCHED_ACT_THAW:
	case SCHED_ACT_KILL:
	case SCHED_ACT_FAULT:
		return judge_vm(m, a);
	case SCHED_ACT_REPORT:
		if (a->reason == SCHED_REASON_EXCL_LOST) {
			sim_monitor_unpin(m, a->vcpu);
			/* given and taken in one breath: it was over the cap */
			return m->is_request ? SIM_QUOTA : SIM_FINE;
		}
		return SIM_FINE;
	case SCHED_ACT_CORE_OFF:
		return sched_lock_unpack(m->cores[a->core].lock).owner == SCHED_NONE
			       ? SIM_FINE
			       : SIM_LOCK_STOLEN;
	default:
		return SIM_FINE;
	}
}

/* ---- what must hold in between ------------------------------------------------------------------ */

static enum sim_verdict judge_quota(const struct sim_monitor *m, const struct sched_event *ev)
{
	uint32_t user = ev->user;
	uint32_t vcpus = 0, excl = 0, all_excl = 0, online = 0;
	ns_t slice_sum_ns = 0;

	switch ((enum sched_event_type)ev->type) {
	case SCHED_EV_VM_ADD:
		return m->users[user].is_banned ? SIM_QUOTA : SIM_FINE;
	case SCHED_EV_VM_START:
	case SCHED_EV_VM_RESUME:
		user = m->vms[ev->vm].user;
		break;
	case SCHED_EV_EXCL_REQUEST:
		user = m->vms[m->vcpus[ev->vcpu].vm].user;
		break;
	default:
		return SIM_FINE;
	}
	for (uint32_t i = 0; i < m->cfg.limits.vms; i++) {
		if (m->vms[i].user == user && m->vms[i].is_counted) {
			vcpus += m->vms[i].n_vcpus;
			slice_sum_ns += m->vms[i].n_vcpus * m->vms[i].slice_ns;
		}
	}
	for (uint32_t i = 0; i < m->cfg.limits.vcpus; i++) {
		if (m->vcpus[i].exists && m->vcpus[i].is_pinned) {
			all_excl++;
			excl += m->vms[m->vcpus[i].vm].user == user;
		}
	}
	for (uint32_t i = 0; i < m->cfg.limits.cores; i++) {
		online += m->cores[i].is_online;
	}
	if (m->users[user].is_banned) {
		return SIM_QUOTA;
	}
	if (ev->type == SCHED_EV_EXCL_REQUEST) {
		uint32_t cap = m->cap == SCHED_CAP_HALF ? online / 2 : m->cap;

		return excl > m->users[user].quota.excl || all_excl > cap ? SIM_QUOTA : SIM_FINE;
	}
	return ev->type == SCHED_EV_VM_START && !m->is_held &&
			       (vcpus > m->users[user].quota.vcpus ||
				slice_sum_ns > m->users[user].quota.slice_sum_ns)
		       ? SIM_QUOTA
		       : SIM_FINE;
}

static enum sim_verdict judge_overstay(struct sim_monitor *m)
{
	ns_t first_ns = SCHED_NEVER;

	if (m->now_ns <= m->look_ns) {
		return SIM_FINE;
	}
	for (uint32_t i = 0; i < m->cfg.limits.cores; i++) {
		const struct mon_core *c = &m->cores[i];
		uint32_t owner = sched_lock_unpack(c->lock).owner;
		const struct mon_vm *vm;
		ns_t end_ns;

		if (owner == SCHED_NONE || c->due_ns == SCHED_NEVER) {
			continue;
		}
		vm = &m->vms[m->vcpus[owner].vm];
		if (!vm->is_freezing && vm->state == SCHED_VM_KILLED) {
			continue;
		}
		end_ns = (vm->is_freezing ? vm->freeze_ns + m->cfg.freeze_ns : c->due_ns) +
			 m->patience_ns;
		if (m->now_ns > end_ns) {
			return SIM_NOT_STOPPED;
		}
		first_ns = end_ns < first_ns ? end_ns : first_ns;
	}
	m->look_ns = first_ns;
	return SIM_FINE;
}

static enum sim_verdict judge_cores(const struct sim_monitor *m, const struct sched *s)
{
	uint32_t idle = 0, pinned = 0, excl = 0, ready = 0;

	for (uint32_t i = 0; i < m->cfg.limits.cores; i++) {
		struct sched_core_info info;

		if (sched_core_get(s, i, &info) < 0 ||
		    (info.lock != m->cores[i].lock && !m->is_held)) {
			return SIM_LOCK_CHAIN;
		}
		excl += info.excl_vcpu != SCHED_NONE;
		idle += m->cores[i].is_online && info.excl_vcpu == SCHED_NONE &&
			sched_lock_unpack(info.lock).owner == SCHED_NONE;
	}
	for (uint32_t i = 0; i < m->cfg.limits.vcpus; i++) {
		pinned += m->vcpus[i].exists && m->vcpus[i].is_pinned;
		ready += is_ready(m, &m->vcpus[i]);
	}
	if (pinned != excl) {
		return SIM_EXCL_BROKEN;
	}
	return idle && ready && !m->is_held ? SIM_IDLE : SIM_FINE;
}

static enum sim_verdict judge_bans(const struct sim_monitor *m)
{
	for (uint32_t i = 0; i < m->cfg.limits.vms; i++) {
		const struct mon_vm *vm = &m->vms[i];

		if (vm->state != SCHED_VM_FREE && vm->state != SCHED_VM_KILLED &&
		    vm->state != SCHED_VM_DEAD && m->users[vm->user].is_banned) {
			return SIM_NOT_KILLED;
		}
	}
	return SIM_FINE;
}

static enum sim_verdict judge_cpu(struct sim_monitor *m, const struct sched_event *ev,
				  const struct sched *s)
{
	struct mon_vcpu *v = &m->vcpus[ev->vcpu];
	struct sched_vcpu_info info;

	if (ev->type != SCHED_EV_STOPPED || sched_vcpu_get(s, ev->vcpu, 0, &info) < 0) {
		return SIM_FINE;
	}
	if (v->cpu_ns >= SCHED_NEVER / 2) {
		v->cpu_ns = info.cpu_ns;
	}
	return v->cpu_ns == info.cpu_ns ? SIM_FINE : SIM_WAIT_COUNT;
}

enum sim_verdict sim_monitor_event(struct sim_monitor *m, const struct sched_event *ev,
				   const struct sched_out *out, uint32_t done,
				   const struct sched *s)
{
	enum sim_verdict r = SIM_FINE;

	m->now_ns = sched_now(s);
	m->is_request = ev->type == SCHED_EV_EXCL_REQUEST;
	if (ev->type != SCHED_EV_TICK && ev->type != SCHED_EV_STOPPED &&
	    ev->type != SCHED_EV_WOKEN) {
		m->look_ns = 0;
	}
	sim_monitor_learn(m, ev);
	for (uint32_t i = 0; r == SIM_FINE && i < done; i++) {
		r = judge(m, &out->action[i]);
	}
	if (done < out->n || r != SIM_FINE) {
		return r;
	}
	r = judge_cpu(m, ev, s);
	if (r == SIM_FINE && ev->type == SCHED_EV_TICK) {
		r = judge_overstay(m);
	}
	if (r != SIM_FINE || !m->is_small) {
		return r;
	}
	r = judge_quota(m, ev);
	if (r == SIM_FINE && (sched_next_timer(s) > m->now_ns || m->is_held)) {
		r = judge_cores(m, s);
		if (r == SIM_FINE && sched_next_timer(s) > m->now_ns) {
			r = judge_bans(m);
		}
	}
	return r;
}

const char *sim_verdict_name(unsigned int v)
{
	static const char *const names[] = {
		"lock-chain", "lock-stolen", "double-run", "grant-wrong", "epoch",
		"budget",     "order",	     "idle",	   "quota",	  "not-stopped",
		"not-killed", "excl-broken", "wait-count", "bug",
	};

	if (v == SIM_FINE) {
		return "fine";
	}
	if (v < SIM_LOCK_CHAIN) {
		return sched_violation_name((enum sched_violation)v);
	}
	return v - SIM_LOCK_CHAIN < ARRAY_SIZE(names) ? names[v - SIM_LOCK_CHAIN] : "?";
}
