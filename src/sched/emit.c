/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actions into the caller's block. */
#include "sched/sched_internal.h"

struct sched_action *sched_emit(struct sched *s, enum sched_action_type type, enum sched_reason why)
{
	struct sched_action *a;

	BUG_ON(s->out->n >= SCHED_OUT_MAX);
	a = &s->out->action[s->out->n++];
	*a = (struct sched_action){
		.type = (uint8_t)type,
		.reason = (uint8_t)why,
		.core = SCHED_CORE_NONE,
		.vcpu = SCHED_NONE,
		.vm = SCHED_NONE,
	};
	return a;
}

void sched_emit_vm(struct sched *s, enum sched_action_type type, enum sched_reason why, uint32_t vm)
{
	struct sched_action *a = sched_emit(s, type, why);

	a->vm = vm;
	a->gen = sched_vm(s, vm)->gen;
}

struct sched_action *sched_emit_core(struct sched *s, enum sched_action_type type,
				     enum sched_reason why, uint32_t core, uint32_t vcpu)
{
	struct sched_action *a = sched_emit(s, type, why);
	const struct core *c = sched_core(s, core);

	a->core = (uint16_t)core;
	a->epoch = c->epoch;
	if (vcpu != SCHED_NONE) {
		const struct vcpu *v = sched_vcpu(s, vcpu);

		a->vcpu = vcpu;
		a->vm = v->vm;
		a->gen = v->gen;
		a->epoch = vcpu == c->next ? c->next_epoch : c->epoch;
	}
	return a;
}
