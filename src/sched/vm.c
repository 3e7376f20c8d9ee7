/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM as a whole: halted, frozen, killed, dead; and the clocks that watch over freeze and kill. */
#include "sched/sched_internal.h"

ns_t sched_vm_cpu(const struct sched *s, uint32_t vm)
{
	ns_t sum_ns = 0;

	for (uint32_t i = sched_vm(s, vm)->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		sum_ns += sched_vcpu(s, i)->cpu_ns;
	}
	return sum_ns;
}

/* Quotas go down to what is still used, never below the quota. */
static void lower_allowed(struct user *u)
{
	if (u->allowed.vcpus > u->quota.vcpus) {
		u->allowed.vcpus = u->vcpus > u->quota.vcpus ? u->vcpus : u->quota.vcpus;
	}
	if (u->allowed.slice_sum_ns > u->quota.slice_sum_ns) {
		u->allowed.slice_sum_ns = u->slice_sum_ns > u->quota.slice_sum_ns
						  ? u->slice_sum_ns
						  : u->quota.slice_sum_ns;
	}
}

static void uncount(struct sched *s, uint32_t vm)
{
	struct vm *m = sched_vm(s, vm);
	struct user *u = sched_user(s, m->user);

	if (!m->is_counted) {
		return;
	}
	m->is_counted = false;
	u->vcpus -= m->n_vcpus;
	u->slice_sum_ns -= m->slice_ns * m->n_vcpus;
	lower_allowed(u);
}

static void drop_exclusive(struct sched *s, uint32_t vm, enum sched_reason why)
{
	for (uint32_t i = sched_vm(s, vm)->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		if (sched_vcpu(s, i)->excl != SCHED_CORE_NONE) {
			sched_excl_drop(s, sched_vcpu(s, i)->excl, why);
		}
	}
}

static void halt_vcpu(struct sched *s, uint32_t vcpu, enum sched_vcpu_state state,
		      enum sched_reason why)
{
	struct vcpu *v = sched_vcpu(s, vcpu);

	v->flags |= VCPU_HALT;
	switch ((enum sched_vcpu_state)v->state) {
	case SCHED_VCPU_READY:
		sched_vcpu_wait_over(s, vcpu);
		sched_queue_remove(s, vcpu);
		v->state = (uint8_t)state;
		break;
	case SCHED_VCPU_PINNED:
		sched_vcpu_wait_over(s, vcpu);
		v->state = (uint8_t)state;
		break;
	case SCHED_VCPU_RUNNING:
		sched_core_take_back(s, v->core, why, false);
		break;
	case SCHED_VCPU_NEXT:
		sched_emit_core(s, SCHED_ACT_REVOKE, why, v->core, vcpu);
		break;
	case SCHED_VCPU_DEAD:
	case SCHED_VCPU_FREE:
		break;
	case SCHED_VCPU_STOPPED:
	case SCHED_VCPU_BLOCKED:
	case SCHED_VCPU_FAULTED:
	case SCHED_VCPU_STATE_COUNT:
		v->state = (uint8_t)state;
		break;
	}
}

void sched_vm_halt(struct sched *s, uint32_t vm, enum sched_vm_state state)
{
	struct vm *m = sched_vm(s, vm);
	enum sched_vcpu_state to =
		state == SCHED_VM_FAULTED ? SCHED_VCPU_FAULTED : SCHED_VCPU_STOPPED;
	enum sched_reason why = SCHED_REASON_PAUSE;

	m->state = (uint8_t)state;
	m->is_adopting = false;
	if (state != SCHED_VM_PAUSED) {
		why = state == SCHED_VM_KILLED ? SCHED_REASON_KILL : (enum sched_reason)m->fault;
		drop_exclusive(s, vm, why);
	}
	for (uint32_t i = m->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		halt_vcpu(s, i, to, why);
	}
}

void sched_vm_run(struct sched *s, uint32_t vm)
{
	struct vm *m = sched_vm(s, vm);

	m->state = SCHED_VM_RUN;
	for (uint32_t i = m->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		struct vcpu *v = sched_vcpu(s, i);

		v->flags &= (uint8_t)~VCPU_HALT;
		if (v->state != SCHED_VCPU_STOPPED) {
			continue;
		}
		if (v->flags & VCPU_BLOCKED) {
			v->state = SCHED_VCPU_BLOCKED;
		} else {
			sched_vcpu_ready(s, i);
		}
	}
}

static void list_add(struct sched *s, uint32_t vm, enum vm_list list, ns_t due_ns)
{
	struct vm *m = sched_vm(s, vm);

	m->list = (uint8_t)list;
	m->due_ns = due_ns;
	m->next = SCHED_NONE;
	m->prev = s->list_tail[list];
	if (m->prev == SCHED_NONE) {
		s->list_head[list] = vm;
	} else {
		sched_vm(s, m->prev)->next = vm;
	}
	s->list_tail[list] = vm;
}

static void unlist(struct sched *s, uint32_t vm)
{
	struct vm *m = sched_vm(s, vm);

	if (m->list == VM_LIST_NONE) {
		return;
	}
	if (m->prev == SCHED_NONE) {
		s->list_head[m->list] = m->next;
	} else {
		sched_vm(s, m->prev)->next = m->next;
	}
	if (m->next == SCHED_NONE) {
		s->list_tail[m->list] = m->prev;
	} else {
		sched_vm(s, m->next)->prev = m->prev;
	}
	m->list = VM_LIST_NONE;
}

void sched_vm_freeze(struct sched *s, uint32_t vm, enum sched_reason why)
{
	struct vm *m = sched_vm(s, vm);

	if (m->list != VM_LIST_NONE) {
		return;
	}
	s->stats.freezes++;
	list_add(s, vm, VM_LIST_FREEZE, s->now_ns + s->cfg.freeze_ns);
	sched_emit_vm(s, SCHED_ACT_FREEZE, why, vm);
	if (why == SCHED_REASON_ADOPTED) {
		bool did_run = m->state == SCHED_VM_RUN;

		sched_vm_halt(s, vm, SCHED_VM_PAUSED); /* until it is frozen */
		m->is_adopting = did_run;
		return;
	}
	if (m->state != SCHED_VM_FAULTED) {
		m->fault = (uint8_t)why;
	}
	sched_vm_halt(s, vm, SCHED_VM_FAULTED);
}

void sched_vm_kill(struct sched *s, uint32_t vm, enum sched_reason why)
{
	if (sched_vm(s, vm)->list == VM_LIST_KILL) {
		return;
	}
	unlist(s, vm);
	s->stats.kills++;
	list_add(s, vm, VM_LIST_KILL, s->now_ns + s->cfg.kill_ns);
	sched_emit_vm(s, SCHED_ACT_KILL, why, vm);
	sched_vm_halt(s, vm, SCHED_VM_KILLED);
}

static bool stands_still(const struct sched *s, uint32_t vm)
{
	for (uint32_t i = sched_vm(s, vm)->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		uint8_t state = sched_vcpu(s, i)->state;

		if (state == SCHED_VCPU_RUNNING || state == SCHED_VCPU_NEXT) {
			return false;
		}
	}
	return true;
}

/* Into the fault queue, once nothing of it runs. SCHED_REASON_NONE: for the reason it has. */
void sched_vm_fault(struct sched *s, uint32_t vm, enum sched_reason why)
{
	struct vm *m = sched_vm(s, vm);

	if (why != SCHED_REASON_NONE && (m->state == SCHED_VM_RUN || m->state == SCHED_VM_PAUSED)) {
		m->fault = (uint8_t)why;
		sched_vm_halt(s, vm, SCHED_VM_FAULTED);
	}
	if (m->state == SCHED_VM_FAULTED && m->is_counted && stands_still(s, vm)) {
		s->stats.faults++;
		uncount(s, vm);
		sched_emit_vm(s, SCHED_ACT_FAULT, (enum sched_reason)m->fault, vm);
	}
}

/* Successors first, so that no core is passed on to one of them. */
static void gone_behind(struct sched *s, uint32_t vm, enum sched_vcpu_state to)
{
	for (uint32_t i = sched_vm(s, vm)->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		if (sched_vcpu(s, i)->state == SCHED_VCPU_NEXT) {
			sched_vcpu_gone(s, i, to);
		}
	}
}

void sched_vm_frozen(struct sched *s, uint32_t vm)
{
	struct vm *m = sched_vm(s, vm);
	uint32_t i;

	unlist(s, vm);
	m->is_frozen = true;
	gone_behind(s, vm, SCHED_VCPU_STOPPED);
	for (i = m->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		struct vcpu *v = sched_vcpu(s, i);

		v->flags |= VCPU_FROZEN;
		if (v->state == SCHED_VCPU_RUNNING) {
			sched_vcpu_gone(s, i, SCHED_VCPU_STOPPED);
			sched_vcpu_park(s, i, true);
		} else if (v->state == SCHED_VCPU_STOPPED) {
			sched_vcpu_park(s, i, true);
		}
	}
	if (m->is_adopting) {
		m->is_adopting = false;
		sched_vm_run(s, vm);
	}
	sched_vm_fault(s, vm, SCHED_REASON_NONE);
}

void sched_vm_died(struct sched *s, uint32_t vm)
{
	struct vm *m = sched_vm(s, vm);

	s->stats.died++;
	unlist(s, vm);
	drop_exclusive(s, vm, SCHED_REASON_KILL);
	m->state = SCHED_VM_DEAD;
	m->is_adopting = false;
	gone_behind(s, vm, SCHED_VCPU_DEAD);
	for (uint32_t i = m->first; i != SCHED_NONE; i = sched_vcpu(s, i)->sibling) {
		sched_vcpu(s, i)->flags |= VCPU_HALT;
		sched_vcpu_gone(s, i, SCHED_VCPU_DEAD);
	}
	uncount(s, vm);
}

void sched_vm_timers(struct sched *s)
{
	uint32_t vm = s->list_head[VM_LIST_FREEZE];

	for (int i = 0; i < TIMERS_PER_EVENT && vm != SCHED_NONE; i++) {
		if (sched_vm(s, vm)->due_ns > s->now_ns) {
			break;
		}
		sched_vm_kill(s, vm, SCHED_REASON_NOT_FROZEN);
		vm = s->list_head[VM_LIST_FREEZE];
	}
	vm = s->list_head[VM_LIST_KILL];
	for (int i = 0; i < TIMERS_PER_EVENT && vm != SCHED_NONE; i++) {
		if (sched_vm(s, vm)->due_ns > s->now_ns) {
			break;
		}
		s->stats.stuck++;
		sched_emit_vm(s, SCHED_ACT_AUDIT, SCHED_REASON_STUCK, vm);
		sched_emit_vm(s, SCHED_ACT_REPORT, SCHED_REASON_STUCK, vm);
		unlist(s, vm);
		list_add(s, vm, VM_LIST_KILL, s->now_ns + s->cfg.kill_ns);
		vm = s->list_head[VM_LIST_KILL];
	}
}

ns_t sched_vm_next_timer(const struct sched *s)
{
	ns_t next_ns = SCHED_NEVER;

	for (int list = VM_LIST_FREEZE; list <= VM_LIST_KILL; list++) {
		uint32_t vm = s->list_head[list];

		if (vm != SCHED_NONE && sched_vm(s, vm)->due_ns < next_ns) {
			next_ns = sched_vm(s, vm)->due_ns;
		}
	}
	return next_ns;
}
