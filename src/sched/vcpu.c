/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a vCPU goes when it stops or wakes, and what it is charged (docs/sched.md, rules 2 and 4). */
#include "sched/sched_internal.h"

/* A slice and what is owed; a large debt is paid in parts. The slice may be shorter now than what is owed. */
static int64_t fair_budget(const struct vcpu *v)
{
	int64_t budget = (int64_t)v->slice_ns + v->credit_ns;
	int64_t least = v->slice_ns / 2;
	int64_t most = 2 * (int64_t)v->slice_ns;

	return budget < least ? least : budget > most ? most : budget;
}

ns_t sched_vcpu_budget(const struct sched *s, uint32_t vcpu)
{
	const struct vcpu *v = sched_vcpu(s, vcpu);
	int64_t budget = fair_budget(v);

	if (v->flags & VCPU_LIMIT) {
		ns_t limit_ns = sched_vm(s, v->vm)->limit_ns;
		ns_t used_ns = sched_vm_cpu(s, v->vm);
		int64_t left = limit_ns > used_ns ? (int64_t)(limit_ns - used_ns) : 1;

		budget = budget < left ? budget : left;
	}
	return (ns_t)budget;
}

ns_t sched_vcpu_take_budget(struct sched *s, uint32_t vcpu)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	ns_t budget_ns = sched_vcpu_budget(s, vcpu);
	int64_t debt = v->credit_ns + ((int64_t)v->slice_ns - fair_budget(v));

	v->credit_ns = debt < 0 ? (int32_t)debt : 0;
	return budget_ns;
}

void sched_vcpu_wait_over(struct sched *s, uint32_t vcpu)
{
	struct vcpu *v = sched_vcpu(s, vcpu);

	v->wait_ns += s->now_ns - v->since_ns;
}

void sched_vcpu_ready(struct sched *s, uint32_t vcpu)
{
	struct vcpu *v = sched_vcpu(s, vcpu);

	if (v->excl == SCHED_CORE_NONE) {
		sched_queue_push(s, vcpu);
		return;
	}
	v->state = SCHED_VCPU_PINNED;
	v->since_ns = s->now_ns;
	if (sched_core(s, v->excl)->owner == SCHED_NONE && !sched_core(s, v->excl)->is_passing) {
		sched_core_settle(s, v->excl);
	}
}

/* It is known to have stopped and holds nothing any more. */
void sched_vcpu_park(struct sched *s, uint32_t vcpu, bool ran)
{
	struct vcpu *v = sched_vcpu(s, vcpu);

	if (v->flags & VCPU_HALT) {
		v->state = sched_vm(s, v->vm)->state == SCHED_VM_FAULTED ? SCHED_VCPU_FAULTED
									 : SCHED_VCPU_STOPPED;
	} else if (v->flags & VCPU_BLOCKED) {
		v->state = SCHED_VCPU_BLOCKED;
	} else if (!ran && v->excl == SCHED_CORE_NONE) {
		sched_queue_push_front(s, vcpu);
	} else {
		sched_vcpu_ready(s, vcpu);
	}
}

/* What a vCPU is owed for its next slice: what the host or we took; or what it took too much. */
static int64_t credit_of(const struct core *c, const struct vcpu *v, const struct sched_event *ev)
{
	int64_t left = (int64_t)(c->budget_ns - ev->cpu_ns);
	int64_t most = v->slice_ns;
	bool was_cut = c->reason == SCHED_REASON_EXCLUSIVE || c->reason == SCHED_REASON_OFFLINE;

	if (!c->is_plain) {
		return 0;
	}
	if (left < 0) {
		return left;
	}
	if (ev->why != SCHED_WHY_SLICE) {
		return 0;
	}
	if (!was_cut && (int64_t)ev->stolen_ns < left) {
		left = (int64_t)ev->stolen_ns;
	}
	return left < most ? left : most;
}

static void note_why(struct vcpu *v, const struct sched_event *ev)
{
	if (ev->why == SCHED_WHY_BLOCKED && !(v->flags & VCPU_WOKEN)) {
		v->flags |= VCPU_BLOCKED;
	}
	v->flags &= (uint8_t)~VCPU_WOKEN;
}

static void note_fault(struct sched *s, uint32_t vcpu, const struct sched_event *ev)
{
	const struct vcpu *v = sched_vcpu(s, vcpu);

	if (ev->why == SCHED_WHY_FAULT) {
		sched_vm_fault(s, v->vm, SCHED_REASON_GUEST_FAULT);
	} else if ((v->flags & VCPU_LIMIT) &&
		   sched_vm_cpu(s, v->vm) >= sched_vm(s, v->vm)->limit_ns) {
		sched_vm_fault(s, v->vm, SCHED_REASON_CPU_LIMIT);
	}
}

static void settle_credit(struct sched *s, struct vcpu *v, const struct sched_event *ev)
{
	int64_t credit = v->credit_ns + credit_of(sched_core(s, v->core), v, ev);
	int64_t least = -(int64_t)v->slice_ns * DEBT_SLICES_MAX;

	v->credit_ns = (int32_t)(credit < least ? least : credit);
}

void sched_vcpu_stopped(struct sched *s, const struct sched_event *ev)
{
	struct vcpu *v = sched_vcpu(s, ev->vcpu);
	uint32_t core = v->core;
	bool was_owner = v->state == SCHED_VCPU_RUNNING;

	v->cpu_ns += ev->cpu_ns;
	note_why(v, ev);
	if (was_owner) {
		settle_credit(s, v, ev);
		sched_core_pass(s, core, ev->cpu_ns);
	} else {
		sched_core_withdraw(s, core);
	}
	v->state = SCHED_VCPU_STOPPED;
	note_fault(s, ev->vcpu, ev);
	if (v->flags & VCPU_HALT) {
		sched_vm_fault(s, v->vm, SCHED_REASON_NONE); /* reported when nothing of it runs */
	}
	sched_vcpu_park(s, ev->vcpu, was_owner || ev->cpu_ns > 0);
	if (was_owner) {
		sched_core_settle(s, core);
	}
}

/* Its thread runs no more, without a park: frozen or dead. */
void sched_vcpu_gone(struct sched *s, uint32_t vcpu, enum sched_vcpu_state state)
{
	struct vcpu *v = sched_vcpu(s, vcpu);
	uint32_t core = v->core;

	if (v->state == SCHED_VCPU_READY) {
		sched_vcpu_wait_over(s, vcpu);
		sched_queue_remove(s, vcpu);
	} else if (v->state == SCHED_VCPU_PINNED) {
		sched_vcpu_wait_over(s, vcpu);
	} else if (v->state == SCHED_VCPU_NEXT) {
		sched_core_withdraw(s, core);
	} else if (v->state == SCHED_VCPU_RUNNING) {
		const struct core *c = sched_core(s, core);
		ns_t ran_ns = s->now_ns - c->hold_since_ns;

		/* Nobody could ask its CPU clock: it pays for its slice. */
		ran_ns = c->is_plain && ran_ns > c->budget_ns ? c->budget_ns : ran_ns;
		v->cpu_ns += ran_ns;
		v->state = (uint8_t)state;
		sched_core_pass(s, core, ran_ns);
		sched_core_settle(s, core);
	}
	v->state = (uint8_t)state;
}
