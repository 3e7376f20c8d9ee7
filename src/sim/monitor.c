/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The referee: see monitor.h. Checks that look at everything are made on small machines only. */
#include "sim/monitor.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_VCPUS 64

enum thread { ASLEEP, EXEC, BEHIND, GONE };

struct mon_vcpu {
	bool exists, is_blocked, is_woken, is_pinned, is_fuzzy;
	uint8_t thread; /* enum thread */
	uint16_t core;
	uint32_t vm;
	uint32_t sibling; /* number + 1; 0 ends */
	ns_t since_ns;
	ns_t cpu_ns;
};

struct mon_vm {
	uint8_t state; /* enum sched_vm_state */
	bool is_frozen, is_freezing, is_counted;
	uint8_t prio;
	bool has_limit;
	uint32_t user, n_vcpus;
	uint32_t first; /* vCPU number + 1 */
	ns_t slice_ns, freeze_ns;
};

struct mon_core {
	uint64_t lock;
	bool is_online;
	ns_t due_ns; /* until when the owner may run; NEVER: for good */
};

struct mon_user {
	struct sched_quota quota;
	bool is_banned;
};

struct sim_monitor {
	struct sched_config cfg;
	ns_t late_ns;
	ns_t now_ns;
	uint64_t epoch; /* highest seen */
	bool is_small, is_held;
	bool is_request; /* the event asks for an exclusive core */
	uint32_t cap;
	ns_t look_ns; /* nobody can have overstayed before */
	struct mon_vcpu *vcpus;
	struct mon_vm *vms;
	struct mon_core *cores;
	struct mon_user *users;
};

void sim_monitor_free(struct sim_monitor *m)
{
	if (m) {
		free(m->vcpus);
		free(m->vms);
		free(m->cores);
		free(m->users);
		free(m);
	}
}

struct sim_monitor *sim_monitor_new(const struct sched_config *cfg, ns_t late_ns)
{
	struct sim_monitor *m = calloc(1, sizeof(*m));

	if (!m) {
		return NULL;
	}
	m->cfg = *cfg;
	m->late_ns = late_ns;
	m->cap = cfg->excl_cap;
	m->is_small = cfg->limits.vcpus <= SMALL_VCPUS;
	m->vcpus = calloc(cfg->limits.vcpus, sizeof(*m->vcpus));
	m->vms = calloc(cfg->limits.vms, sizeof(*m->vms));
	m->cores = calloc(cfg->limits.cores, sizeof(*m->cores));
	m->users = calloc(cfg->limits.users, sizeof(*m->users));
	if (!m->vcpus || !m->vms || !m->cores || !m->users) {
		sim_monitor_free(m);
		return NULL;
	}
	for (uint32_t i = 0; i < cfg->cores_online; i++) {
		m->cores[i].is_online = true;
	}
	return m;
}

void sim_monitor_copy(struct sim_monitor *to, const struct sim_monitor *from)
{
	const struct sched_limits *l = &from->cfg.limits;
	struct sim_monitor arrays = *to;

	memcpy(to->vcpus, from->vcpus, l->vcpus * sizeof(*to->vcpus));
	memcpy(to->vms, from->vms, l->vms * sizeof(*to->vms));
	memcpy(to->cores, from->cores, l->cores * sizeof(*to->cores));
	memcpy(to->users, from->users, l->users * sizeof(*to->users));
	*to = *from;
	to->vcpus = arrays.vcpus;
	to->vms = arrays.vms;
	to->cores = arrays.cores;
	to->users = arrays.users;
}

void sim_monitor_restart(struct sim_monitor *m)
{
	for (uint32_t i = 0; i < m->cfg.limits.vcpus; i++) {
		m->vcpus[i].exists = false; /* told again; threads keep what they do */
		m->vcpus[i].is_pinned = m->vcpus[i].is_blocked = m->vcpus[i].is_woken = false;
		m->vcpus[i].is_fuzzy = true;
		m->vcpus[i].cpu_ns = 0;
	}
	for (uint32_t i = 0; i < m->cfg.limits.vms; i++) {
		m->vms[i].state = SCHED_VM_FREE;
		m->vms[i].is_counted = m->vms[i].is_freezing = m->vms[i].is_frozen = false;
	}
	for (uint32_t i = 0; i < m->cfg.limits.cores; i++) {
		m->cores[i].is_online = i < m->cfg.cores_online;
		m->cores[i].due_ns = m->now_ns;
	}
	memset(m->users, 0, m->cfg.limits.users * sizeof(*m->users));
	m->cap = m->cfg.excl_cap;
	m->is_held = false;
	m->look_ns = 0;
}

static ns_t key_of(const struct sim_monitor *m, const struct mon_vcpu *v)
{
	return v->since_ns + (SCHED_LEVELS - 1U - m->vms[v->vm].prio) * m->cfg.aging_step_ns;
}

static bool is_ready(const struct sim_monitor *m, const struct mon_vcpu *v)
{
	return v->exists && v->thread == ASLEEP && !v->is_blocked && !v->is_pinned &&
	       m->vms[v->vm].state == SCHED_VM_RUN && !m->vms[v->vm].is_freezing;
}

/* ---- what events tell --------------------------------------------------------------------------- */

static void unpin(struct sim_monitor *m, uint32_t vcpu)
{
	if (vcpu < m->cfg.limits.vcpus) {
		m->vcpus[vcpu].is_pinned = false;
		m->vcpus[vcpu].since_ns = m->now_ns;
	}
}

static void unpin_vm(struct sim_monitor *m, uint32_t vm)
{
	for (uint32_t i = m->vms[vm].first; i; i = m->vcpus[i - 1].sibling) {
		m->vcpus[i - 1].is_pinned = false;
	}
}

static void stopped(struct sim_monitor *m, const struct sched_event *ev)
{
	struct mon_vcpu *v = &m->vcpus[ev->vcpu];
	bool ran = v->thread == EXEC || ev->cpu_ns > 0;

	v->thread = ASLEEP;
	v->cpu_ns += ev->cpu_ns;
	if (ev->why == SCHED_WHY_BLOCKED && !v->is_woken) {
		v->is_blocked = true;
	}
	v->is_woken = false;
	if (ran) {
		v->since_ns = m->now_ns;
		v->is_fuzzy = false;
	} else {
		v->is_fuzzy = true;
	}
	if (ev->why == SCHED_WHY_FAULT &&
	    (m->vms[v->vm].state == SCHED_VM_RUN || m->vms[v->vm].state == SCHED_VM_PAUSED)) {
		m->vms[v->vm].state = SCHED_VM_FAULTED;
		unpin_vm(m, v->vm);
	}
}

static void all_stopped(struct sim_monitor *m, uint32_t vm, enum thread to)
{
	for (uint32_t i = m->vms[vm].first; i; i = m->vcpus[i - 1].sibling) {
		struct mon_vcpu *v = &m->vcpus[i - 1];

		if (v->thread == EXEC || v->thread == BEHIND) {
			v->since_ns = m->now_ns;
			v->cpu_ns = SCHED_NEVER / 2; /* charged by estimate */
		}
		v->thread = (uint8_t)to;
	}
}

static void vm_ready(struct sim_monitor *m, uint32_t vm)
{
	for (uint32_t i = m->vms[vm].first; i; i = m->vcpus[i - 1].sibling) {
		struct mon_vcpu *v = &m->vcpus[i - 1];

		if (v->thread == ASLEEP) {
			v->since_ns = m->now_ns;
			v->is_fuzzy = false;
		}
	}
}

static void add_vcpu(struct sim_monitor *m, const struct sched_event *ev)
{
	struct mon_vcpu *v = &m->vcpus[ev->vcpu];
	bool same = v->vm == ev->vm && v->thread != GONE;

	if (!same) {
		*v = (struct mon_vcpu){ .thread = ASLEEP };
	}
	v->exists = true;
	v->vm = ev->vm;
	v->cpu_ns = 0;
	v->is_pinned = v->is_blocked = v->is_woken = false;
	v->sibling = m->vms[ev->vm].first;
	m->vms[ev->vm].first = ev->vcpu + 1;
	m->vms[ev->vm].n_vcpus++;
}

static void remove_vm(struct sim_monitor *m, uint32_t vm)
{
	for (uint32_t i = m->vms[vm].first; i; i = m->vcpus[i - 1].sibling) {
		m->vcpus[i - 1].exists = false;
		m->vcpus[i - 1].thread = GONE;
	}
	m->vms[vm].state = SCHED_VM_FREE;
}

/* A holder that is no longer named must be one whose process is gone: it was not told again. */
static void let_go(struct sim_monitor *m, uint32_t vcpu)
{
	if (vcpu != SCHED_NONE && !m->vcpus[vcpu].exists) {
		m->vcpus[vcpu].thread = GONE;
	}
}

static void adopt(struct sim_monitor *m, const struct sched_event *ev)
{
	struct sched_lock l = sched_lock_unpack(ev->arg);

	let_go(m, sched_lock_unpack(m->cores[ev->core].lock).owner);
	let_go(m, sched_lock_unpack(m->cores[ev->core].lock).successor);
	m->cores[ev->core].lock = ev->arg;
	m->cores[ev->core].due_ns = l.exclusive ? SCHED_NEVER : m->now_ns;
	if (l.owner != SCHED_NONE) {
		m->vcpus[l.owner].thread = EXEC; /* until shown otherwise */
		m->vcpus[l.owner].core = ev->core;
		m->vcpus[l.owner].is_pinned = l.exclusive;
	}
	if (l.successor != SCHED_NONE) {
		m->vcpus[l.successor].thread = BEHIND;
		m->vcpus[l.successor].core = ev->core;
	}
}

static void learn(struct sim_monitor *m, const struct sched_event *ev)
{
	/* Events that are not about a VM leave the number at 0, or anything. */
	struct mon_vm *vm = &m->vms[ev->vm < m->cfg.limits.vms ? ev->vm : 0];

	switch ((enum sched_event_type)ev->type) {
	case SCHED_EV_STOPPED:
		stopped(m, ev);
		break;
	case SCHED_EV_WOKEN:
		m->vcpus[ev->vcpu].is_woken = !m->vcpus[ev->vcpu].is_blocked;
		if (m->vcpus[ev->vcpu].is_blocked) {
			m->vcpus[ev->vcpu].since_ns = m->now_ns;
			m->vcpus[ev->vcpu].is_fuzzy = false;
		}
		m->vcpus[ev->vcpu].is_blocked = false;
		break;
	case SCHED_EV_VM_FROZEN:
		all_stopped(m, ev->vm, ASLEEP);
		vm_ready(m, ev->vm);
		vm->is_frozen = true;
		vm->is_freezing = false;
		break;
	case SCHED_EV_VM_DIED:
		all_stopped(m, ev->vm, GONE);
		unpin_vm(m, ev->vm);
		vm->state = SCHED_VM_DEAD;
		vm->is_counted = false;
		break;
	case SCHED_EV_VM_ADD:
		*vm = (struct mon_vm){ .state = SCHED_VM_CREATED,
				       .is_frozen = vm->is_frozen,
				       .user = ev->user,
				       .prio = ev->prio,
				       .has_limit = ev->limit_cpu_ns != 0,
				       .slice_ns = ev->slice_ns };
		break;
	case SCHED_EV_VCPU_ADD:
		add_vcpu(m, ev);
		break;
	case SCHED_EV_VM_START:
		vm->is_counted = true;
		vm->state = SCHED_VM_RUN;
		vm_ready(m, ev->vm);
		break;
	case SCHED_EV_VM_RESUME:
		vm->state = SCHED_VM_RUN;
		vm_ready(m, ev->vm);
		break;
	case SCHED_EV_VM_PAUSE:
		vm->state = SCHED_VM_PAUSED;
		break;
	case SCHED_EV_VM_REMOVE:
		remove_vm(m, ev->vm);
		vm->is_frozen = false;
		break;
	case SCHED_EV_VM_UPDATE:
		if ((ev->mask & SCHED_UPDATE_PRIO) && vm->prio != ev->prio) {
			vm->prio = ev->prio;
			vm_ready(m, ev->vm);
		}
		if (ev->mask & SCHED_UPDATE_SLICE) {
			vm->slice_ns = ev->slice_ns;
		}
		if (ev->mask & SCHED_UPDATE_LIMIT) {
			vm->has_limit = ev->limit_cpu_ns != 0;
		}
		break;
	case SCHED_EV_EXCL_REQUEST:
		m->vcpus[ev->vcpu].is_pinned = true;
		break;
	case SCHED_EV_EXCL_RELEASE:
		unpin(m, ev->vcpu);
		break;
	case SCHED_EV_EXCL_CAP:
		m->cap = (uint32_t)ev->arg;
		break;
	case SCHED_EV_USER_ADD:
		m->users[ev->user] = (struct mon_user){ .quota = ev->quota };
		break;
	case SCHED_EV_USER_QUOTA:
		m->users[ev->user].quota = ev->quota;
		break;
	case SCHED_EV_USER_BAN:
	case SCHED_EV_USER_UNBAN:
		m->users[ev->user].is_banned = ev->type == SCHED_EV_USER_BAN;
		break;
	case SCHED_EV_CORE_ONLINE:
	case SCHED_EV_CORE_OFFLINE:
		m->cores[ev->core].is_online = ev->type == SCHED_EV_CORE_ONLINE;
		break;
	case SCHED_EV_ADOPT:
		adopt(m, ev);
		break;
	case SCHED_EV_DISPATCH:
		m->is_held = ev->arg == 0;
		break;
	case SCHED_EV_TICK:
	case SCHED_EV_SAMPLE:
	case SCHED_EV_FORGED:
	case SCHED_EV_ROGUE:
	case SCHED_EV_VM_KILL:
	case SCHED_EV_EXCL_RECLAIM:
	case SCHED_EV_COUNT:
		break;
	}
}

/* ---- what actions promise ----------------------------------------------------------------------- */

static bool may_execute(const struct sim_monitor *m, uint32_t vcpu, uint16_t core)
{
	const struct mon_vcpu *v = &m->vcpus[vcpu];

	return vcpu != SCHED_NONE && (v->thread == EXEC || v->thread == BEHIND) && v->core == core;
}

static ns_t patience_ns(const struct sim_monitor *m)
{
	const struct sched_ladder *l = &m->cfg.ladder;

	return l->grace_ns + l->sample_ns + l->revoke_ns + l->signal_ns + 8 * m->late_ns +
	       NS_PER_MS;
}

/* When a core's owner would overstay at the earliest; all cores are looked at no sooner. */
static void watch_due(struct sim_monitor *m, const struct mon_core *c)
{
	if (c->due_ns != SCHED_NEVER && c->due_ns + patience_ns(m) < m->look_ns) {
		m->look_ns = c->due_ns + patience_ns(m);
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
		unpin_vm(m, a->vm);
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
			unpin_vm(m, a->vm);
		}
		break;
	case SCHED_ACT_THAW:
		vm->is_frozen = false;
		break;
	case SCHED_ACT_KILL:
		vm->is_freezing = false;
		vm->state = SCHED_VM_KILLED;
		unpin_vm(m, a->vm);
		break;
	case SCHED_ACT_FAULT:
		vm->state = SCHED_VM_FAULTED;
		vm->is_counted = false;
		unpin_vm(m, a->vm);
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
			unpin(m, a->vcpu);
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
			 patience_ns(m);
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

	if (ev->type != SCHED_EV_STOPPED || sched_vcpu_get(s, ev->vcpu, &info) < 0) {
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
	learn(m, ev);
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
