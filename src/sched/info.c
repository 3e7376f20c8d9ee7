/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the scheduler tells about itself: state, counters, names. */
#include "sched/sched_internal.h"

void sched_stats_get(const struct sched *s, struct sched_stats *ret)
{
	*ret = s->stats;
	ret->ready = s->ready;
	ret->shared_cores = s->shared;
	ret->excl_cores = s->excl;
}

int sched_core_get(const struct sched *s, uint32_t core, struct sched_core_info *ret)
{
	const struct core *c;

	if (core >= s->cfg.limits.cores) {
		return -ERANGE;
	}
	c = sched_core(s, core);
	*ret = (struct sched_core_info){
		.lock = c->lock,
		.epoch = c->epoch,
		.is_online = c->is_online,
		.is_idle = c->owner == SCHED_NONE,
		.excl_vcpu = c->excl,
		.switches = c->switches,
		.lock_waits = c->waits,
		.lock_holds = c->holds,
		.lock_wait_ns = c->wait_ns,
		.lock_wait_max_ns = c->wait_max_ns,
		.lock_hold_ns = c->hold_ns,
		.lock_hold_max_ns = c->hold_max_ns,
		.stolen_ns = c->stolen_ns,
	};
	return 0;
}

static uint8_t aged_level(const struct sched *s, const struct vcpu *v, ns_t waiting_ns)
{
	ns_t level = v->level;

	if (v->state == SCHED_VCPU_READY || v->state == SCHED_VCPU_NEXT) {
		level += waiting_ns / s->cfg.aging_step_ns;
	}
	return (uint8_t)(level < SCHED_LEVELS ? level : SCHED_LEVELS - 1);
}

int sched_vcpu_get(const struct sched *s, uint32_t vcpu, ns_t now_ns, struct sched_vcpu_info *ret)
{
	const struct vcpu *v;
	ns_t waiting_ns;

	if (vcpu >= s->cfg.limits.vcpus) {
		return -ERANGE;
	}
	v = sched_vcpu(s, vcpu);
	if (v->state == SCHED_VCPU_FREE) {
		return -ENOENT;
	}
	now_ns = now_ns > s->now_ns ? now_ns : s->now_ns;
	waiting_ns = v->state == SCHED_VCPU_READY || v->state == SCHED_VCPU_NEXT ||
				     v->state == SCHED_VCPU_PINNED
			     ? now_ns - v->since_ns
			     : 0;
	*ret = (struct sched_vcpu_info){
		.state = (enum sched_vcpu_state)v->state,
		.vm = v->vm,
		.core = v->core,
		.excl_core = v->excl,
		.level = aged_level(s, v, waiting_ns),
		.cpu_ns = v->cpu_ns,
		.wait_ns = v->wait_ns + waiting_ns,
		.waiting_ns = waiting_ns,
		.slices = v->slices,
	};
	return 0;
}

int sched_vm_get(const struct sched *s, uint32_t vm, struct sched_vm_info *ret)
{
	const struct vm *m;

	if (vm >= s->cfg.limits.vms) {
		return -ERANGE;
	}
	m = sched_vm(s, vm);
	if (m->state == SCHED_VM_FREE) {
		return -ENOENT;
	}
	*ret = (struct sched_vm_info){
		.state = (enum sched_vm_state)m->state,
		.user = m->user,
		.gen = m->gen,
		.n_vcpus = m->n_vcpus,
		.prio = m->prio,
		.is_frozen = m->is_frozen,
		.fault = (enum sched_reason)m->fault,
		.slice_ns = m->slice_ns,
		.limit_cpu_ns = m->limit_ns,
	};
	return 0;
}

int sched_user_get(const struct sched *s, uint32_t user, struct sched_user_info *ret)
{
	const struct user *u;

	if (user >= s->cfg.limits.users) {
		return -ERANGE;
	}
	u = sched_user(s, user);
	*ret = (struct sched_user_info){
		.exists = u->exists,
		.is_banned = u->is_banned,
		.quota = u->quota,
		.vcpus = u->vcpus,
		.excl = u->excl,
		.slice_sum_ns = u->slice_sum_ns,
	};
	return 0;
}

static const char *const event_names[SCHED_EV_COUNT] = {
	"tick",		"stopped",	"woken",     "sample",	   "forged",	   "rogue",
	"vm-frozen",	"vm-died",	"vm-add",    "vcpu-add",   "vm-start",	   "vm-pause",
	"vm-resume",	"vm-kill",	"vm-remove", "vm-update",  "excl-request", "excl-release",
	"excl-reclaim", "excl-cap",	"user-add",  "user-quota", "user-ban",	   "user-unban",
	"core-online",	"core-offline", "adopt",     "dispatch",
};

static const char *const action_names[SCHED_ACT_COUNT] = {
	"lock", "grant", "prewake", "revoke", "signal",	  "sample", "freeze",
	"thaw", "kill",	 "audit",   "fault",  "core-off", "report",
};

static const char *const reason_names[SCHED_REASON_COUNT] = {
	"none",	     "idle-core", "hand-off",	 "alone",      "robbed",
	"exclusive", "released",  "slice-over",	 "pause",      "offline",
	"reclaim",   "kill",	  "banned",	 "adopted",    "hung",
	"forged",    "rogue",	  "guest-fault", "cpu-limit",  "not-frozen",
	"stuck",     "excl-lost", "cap-lowered", "cap-raised", "violation",
};

static const char *const violation_names[] = {
	"ok",	     "lock",  "two-cores", "pool",    "cap",   "quota",
	"forgotten", "queue", "timer",	   "starved", "state",
};

static const char *const vcpu_state_names[SCHED_VCPU_STATE_COUNT] = {
	"free", "stopped", "ready", "next", "running", "blocked", "pinned", "faulted", "dead",
};

static const char *name_in(const char *const *names, size_t n, unsigned int i)
{
	return i < n && names[i] ? names[i] : "?";
}

const char *sched_event_name(enum sched_event_type t)
{
	return name_in(event_names, ARRAY_SIZE(event_names), t);
}

const char *sched_action_name(enum sched_action_type t)
{
	return name_in(action_names, ARRAY_SIZE(action_names), t);
}

const char *sched_reason_name(enum sched_reason r)
{
	return name_in(reason_names, ARRAY_SIZE(reason_names), r);
}

const char *sched_violation_name(enum sched_violation v)
{
	return name_in(violation_names, ARRAY_SIZE(violation_names), v);
}

const char *sched_vcpu_state_name(enum sched_vcpu_state v)
{
	return name_in(vcpu_state_names, ARRAY_SIZE(vcpu_state_names), v);
}
