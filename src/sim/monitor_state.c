/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the referee believes of threads, VMs, cores and users, and what it learns from events. */
#include "sim/monitor_internal.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_VCPUS 64

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
	const struct sched_ladder *l = &cfg->ladder;
	struct sim_monitor *m = calloc(1, sizeof(*m));

	if (!m) {
		return NULL;
	}
	m->cfg = *cfg;
	m->patience_ns = l->grace_ns + 2 * l->sample_ns + l->revoke_ns + l->signal_ns +
			 8 * late_ns + NS_PER_MS;
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

void sim_monitor_unpin(struct sim_monitor *m, uint32_t vcpu)
{
	if (vcpu < m->cfg.limits.vcpus) {
		m->vcpus[vcpu].is_pinned = false;
		m->vcpus[vcpu].since_ns = m->now_ns;
	}
}

void sim_monitor_unpin_vm(struct sim_monitor *m, uint32_t vm)
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
		sim_monitor_unpin_vm(m, v->vm);
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

void sim_monitor_learn(struct sim_monitor *m, const struct sched_event *ev)
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
		sim_monitor_unpin_vm(m, ev->vm);
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
		sim_monitor_unpin(m, ev->vcpu);
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
