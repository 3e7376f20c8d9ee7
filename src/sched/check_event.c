/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first half of every command: is it well formed, possible, allowed, within quota? Changes nothing. */
#include "sched/sched_internal.h"

typedef int check_fn(const struct sched *s, const struct sched_event *ev);

static int check_vm(const struct sched *s, const struct sched_event *ev)
{
	const struct vm *m;

	if (ev->vm >= s->cfg.limits.vms) {
		return -ERANGE;
	}
	m = sched_vm(s, ev->vm);
	if (m->state == SCHED_VM_FREE) {
		return -ENOENT;
	}
	return m->gen == ev->gen ? 0 : -ESTALE;
}

static int check_vcpu(const struct sched *s, const struct sched_event *ev)
{
	const struct vcpu *v;

	if (ev->vcpu >= s->cfg.limits.vcpus) {
		return -ERANGE;
	}
	v = sched_vcpu(s, ev->vcpu);
	if (v->state == SCHED_VCPU_FREE) {
		return -ENOENT;
	}
	return v->gen == ev->gen ? 0 : -ESTALE;
}

static int check_user(const struct sched *s, const struct sched_event *ev)
{
	if (ev->user >= s->cfg.limits.users) {
		return -ERANGE;
	}
	return sched_user(s, ev->user)->exists ? 0 : -ENOENT;
}

static int check_core(const struct sched *s, const struct sched_event *ev)
{
	return ev->core < s->cfg.limits.cores ? 0 : -ERANGE;
}

static bool is_banned(const struct sched *s, uint32_t vm)
{
	return sched_user(s, sched_vm(s, vm)->user)->is_banned;
}

static bool is_slice(ns_t slice_ns)
{
	return slice_ns >= SCHED_SLICE_MIN_NS && slice_ns <= SCHED_SLICE_MAX_NS;
}

static int check_tick(const struct sched *s, const struct sched_event *ev)
{
	(void)s;
	(void)ev;
	return 0;
}

/* The grant that the event speaks of is the one in force. */
static int check_grant(const struct sched *s, const struct sched_event *ev)
{
	const struct vcpu *v;
	const struct core *c;
	int r;

	r = check_vcpu(s, ev);
	if (r < 0) {
		return r;
	}
	v = sched_vcpu(s, ev->vcpu);
	if (v->state != SCHED_VCPU_RUNNING && v->state != SCHED_VCPU_NEXT) {
		return -EALREADY;
	}
	if (ev->core != v->core) {
		return -ESTALE;
	}
	c = sched_core(s, v->core);
	if (!c->is_adopted &&
	    ev->epoch != (v->state == SCHED_VCPU_RUNNING ? c->epoch : c->next_epoch)) {
		return -ESTALE;
	}
	return 0;
}

static int check_stopped(const struct sched *s, const struct sched_event *ev)
{
	if (ev->why >= SCHED_WHY_COUNT || ev->cpu_ns > SCHED_NEVER / 4) {
		return -EINVAL;
	}
	return check_grant(s, ev);
}

static int check_woken(const struct sched *s, const struct sched_event *ev)
{
	const struct vcpu *v;
	int r;

	r = check_vcpu(s, ev);
	if (r < 0) {
		return r;
	}
	v = sched_vcpu(s, ev->vcpu);
	if (v->flags & VCPU_BLOCKED) {
		return 0;
	}
	return v->state == SCHED_VCPU_RUNNING || v->state == SCHED_VCPU_NEXT ? 0 : -EALREADY;
}

static int check_rogue(const struct sched *s, const struct sched_event *ev)
{
	const struct vcpu *v;
	const struct vm *m;
	int r;

	r = check_vcpu(s, ev);
	if (r < 0) {
		return r;
	}
	v = sched_vcpu(s, ev->vcpu);
	m = sched_vm(s, v->vm);
	if (v->state == SCHED_VCPU_RUNNING || v->state == SCHED_VCPU_NEXT ||
	    m->list != VM_LIST_NONE || m->state == SCHED_VM_DEAD) {
		return -EALREADY;
	}
	return 0;
}

static int check_vm_frozen(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	return sched_vm(s, ev->vm)->list == VM_LIST_FREEZE ? 0 : -EALREADY;
}

static int check_vm_died(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	return sched_vm(s, ev->vm)->state == SCHED_VM_DEAD ? -EALREADY : 0;
}

static int check_vm_add(const struct sched *s, const struct sched_event *ev)
{
	int r;

	if (ev->vm >= s->cfg.limits.vms) {
		return -ERANGE;
	}
	r = check_user(s, ev);
	if (r < 0) {
		return r;
	}
	if (sched_vm(s, ev->vm)->state != SCHED_VM_FREE) {
		return -EEXIST;
	}
	if (sched_user(s, ev->user)->is_banned) {
		return -EPERM;
	}
	return ev->prio < SCHED_LEVELS && is_slice(ev->slice_ns) ? 0 : -EINVAL;
}

static int check_vcpu_add(const struct sched *s, const struct sched_event *ev)
{
	const struct vm *m;
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	if (ev->vcpu >= s->cfg.limits.vcpus) {
		return -ERANGE;
	}
	if (sched_vcpu(s, ev->vcpu)->state != SCHED_VCPU_FREE) {
		return -EEXIST;
	}
	m = sched_vm(s, ev->vm);
	if (m->state != SCHED_VM_CREATED) {
		return -EBUSY;
	}
	return m->n_vcpus < SCHED_VCPUS_PER_VM ? 0 : -ENOSPC;
}

static int check_vm_start(const struct sched *s, const struct sched_event *ev)
{
	const struct user *u;
	const struct vm *m;
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	m = sched_vm(s, ev->vm);
	if (m->state != SCHED_VM_CREATED) {
		return -EALREADY;
	}
	if (m->n_vcpus == 0) {
		return -EINVAL;
	}
	if (is_banned(s, ev->vm)) {
		return -EPERM;
	}
	u = sched_user(s, m->user);
	if (s->is_held) {
		return 0; /* it has been running since before the restart: what is above a quota stays */
	}
	if (u->vcpus + m->n_vcpus > u->quota.vcpus ||
	    u->slice_sum_ns + m->slice_ns * m->n_vcpus > u->quota.slice_sum_ns) {
		return -EDQUOT;
	}
	return 0;
}

static int check_vm_pause(const struct sched *s, const struct sched_event *ev)
{
	const struct vm *m;
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	m = sched_vm(s, ev->vm);
	return m->state == SCHED_VM_RUN || m->is_adopting ? 0 : -EALREADY;
}

static int check_vm_resume(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	if (sched_vm(s, ev->vm)->state != SCHED_VM_PAUSED || sched_vm(s, ev->vm)->is_adopting) {
		return -EALREADY;
	}
	if (sched_vm(s, ev->vm)->list != VM_LIST_NONE) {
		return -EBUSY;
	}
	return is_banned(s, ev->vm) ? -EPERM : 0;
}

static int check_vm_kill(const struct sched *s, const struct sched_event *ev)
{
	const struct vm *m;
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	m = sched_vm(s, ev->vm);
	return m->state == SCHED_VM_KILLED || m->state == SCHED_VM_DEAD ? -EALREADY : 0;
}

static int check_vm_remove(const struct sched *s, const struct sched_event *ev)
{
	const struct vm *m;
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	m = sched_vm(s, ev->vm);
	return (m->state == SCHED_VM_CREATED || m->state == SCHED_VM_DEAD) &&
			       m->list == VM_LIST_NONE
		       ? 0
		       : -EBUSY;
}

static int check_vm_update(const struct sched *s, const struct sched_event *ev)
{
	const struct user *u;
	const struct vm *m;
	int r;

	r = check_vm(s, ev);
	if (r < 0) {
		return r;
	}
	m = sched_vm(s, ev->vm);
	u = sched_user(s, m->user);
	if (is_banned(s, ev->vm)) {
		return -EPERM;
	}
	if (((ev->mask & SCHED_UPDATE_PRIO) && ev->prio >= SCHED_LEVELS) ||
	    ((ev->mask & SCHED_UPDATE_SLICE) && !is_slice(ev->slice_ns))) {
		return -EINVAL;
	}
	if ((ev->mask & SCHED_UPDATE_SLICE) && m->is_counted && ev->slice_ns > m->slice_ns &&
	    u->slice_sum_ns + (ev->slice_ns - m->slice_ns) * m->n_vcpus > u->quota.slice_sum_ns) {
		return -EDQUOT;
	}
	return 0;
}

static int check_excl_core(const struct sched *s, const struct sched_event *ev)
{
	const struct core *c;

	if (ev->core == SCHED_CORE_NONE) {
		return sched_excl_pick(s) == SCHED_NONE ? -EBUSY : 0;
	}
	if (ev->core >= s->cfg.limits.cores) {
		return -ERANGE;
	}
	c = sched_core(s, ev->core);
	return c->is_online && c->excl == SCHED_NONE ? 0 : -EBUSY;
}

static int check_excl_request(const struct sched *s, const struct sched_event *ev)
{
	const struct user *u;
	const struct vcpu *v;
	int r;

	r = check_vcpu(s, ev);
	if (r < 0) {
		return r;
	}
	v = sched_vcpu(s, ev->vcpu);
	u = sched_user(s, sched_vm(s, v->vm)->user);
	if (u->is_banned) {
		return -EPERM;
	}
	if (v->excl != SCHED_CORE_NONE) {
		return -EALREADY;
	}
	if (sched_vm(s, v->vm)->state != SCHED_VM_RUN) {
		return -EINVAL;
	}
	if (u->excl >= u->quota.excl) {
		return -EDQUOT;
	}
	if (s->excl >= sched_exclusive_cap(s)) {
		return -ENOSPC;
	}
	return check_excl_core(s, ev);
}

static int check_excl_release(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_vcpu(s, ev);
	if (r < 0) {
		return r;
	}
	return sched_vcpu(s, ev->vcpu)->excl == SCHED_CORE_NONE ? -EALREADY : 0;
}

static int check_excl_reclaim(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_core(s, ev);
	if (r < 0) {
		return r;
	}
	return sched_core(s, ev->core)->excl == SCHED_NONE ? -EALREADY : 0;
}

static int check_excl_cap(const struct sched *s, const struct sched_event *ev)
{
	return ev->arg == SCHED_CAP_HALF || ev->arg <= s->cfg.limits.cores ? 0 : -ERANGE;
}

static int check_user_add(const struct sched *s, const struct sched_event *ev)
{
	if (ev->user >= s->cfg.limits.users) {
		return -ERANGE;
	}
	return sched_user(s, ev->user)->exists ? -EEXIST : 0;
}

static int check_user_ban(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_user(s, ev);
	if (r < 0) {
		return r;
	}
	return sched_user(s, ev->user)->is_banned == (ev->type == SCHED_EV_USER_BAN) ? -EALREADY
										     : 0;
}

static int check_core_online(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_core(s, ev);
	if (r < 0) {
		return r;
	}
	if (sched_core(s, ev->core)->is_online) {
		return -EALREADY;
	}
	return sched_core(s, ev->core)->is_off ? 0 : -EBUSY;
}

static int check_core_offline(const struct sched *s, const struct sched_event *ev)
{
	int r;

	r = check_core(s, ev);
	if (r < 0) {
		return r;
	}
	return sched_core(s, ev->core)->is_online ? 0 : -EALREADY;
}

static bool is_adoptable(const struct sched *s, uint32_t vcpu)
{
	const struct vcpu *v;

	if (vcpu >= s->cfg.limits.vcpus) {
		return false;
	}
	v = sched_vcpu(s, vcpu);
	return v->state == SCHED_VCPU_READY && v->excl == SCHED_CORE_NONE;
}

static int check_adopt(const struct sched *s, const struct sched_event *ev)
{
	struct sched_lock l = sched_lock_unpack(ev->arg);
	const struct core *c;
	int r;

	r = check_core(s, ev);
	if (r < 0) {
		return r;
	}
	c = sched_core(s, ev->core);
	if (!s->is_held || c->lock != SCHED_LOCK_FREE || !c->is_online) {
		return -EBUSY;
	}
	if (l.owner == SCHED_NONE) {
		return l.successor == SCHED_NONE && !l.exclusive ? 0 : -EINVAL;
	}
	if (l.owner == l.successor || (l.exclusive && l.successor != SCHED_NONE)) {
		return -EINVAL;
	}
	if (!is_adoptable(s, l.owner) ||
	    (l.successor != SCHED_NONE && !is_adoptable(s, l.successor))) {
		return -ENOENT;
	}
	return 0;
}

static int check_dispatch(const struct sched *s, const struct sched_event *ev)
{
	(void)s;
	return ev->arg <= 1 ? 0 : -EINVAL;
}

static check_fn *const check_table[SCHED_EV_COUNT] = {
	[SCHED_EV_TICK] = check_tick,
	[SCHED_EV_STOPPED] = check_stopped,
	[SCHED_EV_WOKEN] = check_woken,
	[SCHED_EV_SAMPLE] = check_grant,
	[SCHED_EV_FORGED] = check_grant,
	[SCHED_EV_ROGUE] = check_rogue,
	[SCHED_EV_VM_FROZEN] = check_vm_frozen,
	[SCHED_EV_VM_DIED] = check_vm_died,
	[SCHED_EV_VM_ADD] = check_vm_add,
	[SCHED_EV_VCPU_ADD] = check_vcpu_add,
	[SCHED_EV_VM_START] = check_vm_start,
	[SCHED_EV_VM_PAUSE] = check_vm_pause,
	[SCHED_EV_VM_RESUME] = check_vm_resume,
	[SCHED_EV_VM_KILL] = check_vm_kill,
	[SCHED_EV_VM_REMOVE] = check_vm_remove,
	[SCHED_EV_VM_UPDATE] = check_vm_update,
	[SCHED_EV_EXCL_REQUEST] = check_excl_request,
	[SCHED_EV_EXCL_RELEASE] = check_excl_release,
	[SCHED_EV_EXCL_RECLAIM] = check_excl_reclaim,
	[SCHED_EV_EXCL_CAP] = check_excl_cap,
	[SCHED_EV_USER_ADD] = check_user_add,
	[SCHED_EV_USER_QUOTA] = check_user,
	[SCHED_EV_USER_BAN] = check_user_ban,
	[SCHED_EV_USER_UNBAN] = check_user_ban,
	[SCHED_EV_CORE_ONLINE] = check_core_online,
	[SCHED_EV_CORE_OFFLINE] = check_core_offline,
	[SCHED_EV_ADOPT] = check_adopt,
	[SCHED_EV_DISPATCH] = check_dispatch,
};

int sched_check_event(const struct sched *s, const struct sched_event *ev)
{
	if (ev->type >= SCHED_EV_COUNT) {
		return -EINVAL;
	}
	return check_table[ev->type](s, ev);
}
