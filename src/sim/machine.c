/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads on cores as the kernel runs them: one executes, one may wait behind it at the same priority and
 * starts in the moment the first one stops, whatever the daemon knows by then.
 */
#include "sim/world_internal.h"

static void span_end(struct world *w, struct w_core *c)
{
	if (c->span) {
		w->spans[c->span - 1].to_ns = w->now_ns;
		c->span = 0;
	}
}

static void span_begin(struct world *w, uint32_t core, uint32_t vcpu)
{
	struct w_core *c = &w->cores[core];

	if (!w->o.timeline || w->spans_n == 20000) {
		return;
	}
	if (w->spans_n == w->spans_room) {
		size_t room = w->spans_room ? w->spans_room * 2 : 1024;
		struct sim_span *spans = realloc(w->spans, room * sizeof(*spans));

		if (!spans) {
			return;
		}
		w->spans = spans;
		w->spans_room = room;
	}
	w->spans[w->spans_n++] = (struct sim_span){ .from_ns = w->now_ns,
						    .to_ns = w->now_ns,
						    .vcpu = vcpu,
						    .core = (uint16_t)core,
						    .is_exclusive = w->vcpus[vcpu].budget_ns == 0 };
	c->span = w->spans_n;
}

/* Charge what it has executed since it began. */
static void charge(struct world *w, struct w_vcpu *v)
{
	ns_t ran_ns = w->now_ns - v->since_ns;
	ns_t stolen_ns = v->steal_ns < ran_ns ? v->steal_ns : ran_ns;

	ran_ns -= stolen_ns;
	v->steal_ns -= stolen_ns;
	v->held_stolen_ns += stolen_ns;
	v->held_cpu_ns += ran_ns;
	v->cpu_ns += ran_ns;
	if (v->burst_ns != SCHED_NEVER) {
		v->burst_ns = v->burst_ns > ran_ns ? v->burst_ns - ran_ns : 0;
	}
	v->since_ns = w->now_ns;
}

void sim_exec_plan(struct world *w, uint32_t vcpu)
{
	struct w_vcpu *v = &w->vcpus[vcpu];
	ns_t left_ns = SCHED_NEVER;
	ns_t run_ns;

	charge(w, v);
	v->plan++;
	if (v->budget_ns) {
		left_ns = v->budget_ns > v->held_cpu_ns ? v->budget_ns - v->held_cpu_ns : 0;
	}
	if (v->is_revoked && v->mode == MODE_GOOD) {
		sim_post(w, w->now_ns + v->steal_ns + 2000 + sim_rng_below(&w->rng, 18000), K_STOP,
			 vcpu, v->plan);
		return;
	}
	if (v->is_sleeping) {
		v->burst_ns = 1000;
	}
	run_ns = left_ns < v->burst_ns ? left_ns : v->burst_ns;
	if (v->mode == MODE_HANG || v->mode == MODE_IGNORE_REVOKE || run_ns == SCHED_NEVER) {
		return;
	}
	if (v->mode == MODE_FORGE) {
		sim_post(w, w->now_ns + run_ns, K_FORGE, vcpu, v->plan);
		return;
	}
	sim_post(w, w->now_ns + run_ns + v->steal_ns + v->late_ns, K_STOP, vcpu, v->plan);
}

void sim_exec_start(struct world *w, uint32_t vcpu, uint32_t core)
{
	struct w_core *c = &w->cores[core];
	struct w_vcpu *v = &w->vcpus[vcpu];

	if (w->vms[v->vm].is_dead || w->vms[v->vm].is_frozen) {
		return;
	}
	if (c->exec != SCHED_NONE) {
		w->verdict = SIM_DOUBLE_RUN; /* not on paper: two threads do run there */
		return;
	}
	c->exec = vcpu;
	if (c->behind == vcpu) {
		c->behind = SCHED_NONE;
	}
	v->is_behind = false;
	v->is_exec = true;
	v->core = (uint16_t)core;
	v->since_ns = w->now_ns;
	span_begin(w, core, vcpu);
	sim_exec_plan(w, vcpu);
}

/* It executes no more; whoever waits behind it does. */
static void exec_stop(struct world *w, uint32_t vcpu)
{
	struct w_vcpu *v = &w->vcpus[vcpu];
	struct w_core *c = &w->cores[v->core];

	if (v->is_behind) {
		v->is_behind = false;
		c->behind = SCHED_NONE;
	}
	if (!v->is_exec) {
		return;
	}
	charge(w, v);
	v->plan++;
	v->is_exec = false;
	c->exec = SCHED_NONE;
	span_end(w, c);
	if (c->behind != SCHED_NONE) {
		sim_exec_start(w, c->behind, v->core);
	}
}

void sim_draw_mode(struct world *w, uint32_t vcpu)
{
	struct w_vcpu *v = &w->vcpus[vcpu];
	uint64_t rest;
	uint32_t wrong;

	v->mode = MODE_GOOD;
	v->late_ns = sim_rng_split(&w->rng, 20000, &rest);
	v->steal_ns = 0;
	v->is_faulting = false;
	wrong = sim_odds_draw(&w->grant_odds, &w->rng, rest);
	if (wrong == 0) {
		return;
	}
	if (wrong & GRANT_HANG) {
		v->mode = MODE_HANG;
	} else if (wrong & GRANT_IGNORE_REVOKE) {
		v->mode = MODE_IGNORE_REVOKE;
	} else if (wrong & GRANT_FORGE) {
		v->mode = MODE_FORGE;
	}
	if (wrong & GRANT_LATE) {
		v->late_ns = sim_rng_below(&w->rng, 5 * NS_PER_MS);
	}
	if (wrong & GRANT_STEAL) {
		v->steal_ns = sim_rng_below(&w->rng, 5 * NS_PER_MS);
	}
	v->is_faulting = wrong & GRANT_FAULT;
}

static ns_t about_or(struct world *w, ns_t mean_ns, ns_t otherwise_ns)
{
	return mean_ns ? sim_rng_about(&w->rng, mean_ns) : otherwise_ns;
}

static void post_park(struct world *w, ns_t delay_ns, uint32_t vcpu, enum sched_why why)
{
	const struct w_vcpu *v = &w->vcpus[vcpu];
	struct sched_event *ev = sim_post_event(w, delay_ns, SCHED_EV_STOPPED);

	sim_name_vcpu(w, ev, vcpu);
	ev->cpu_ns = v->held_cpu_ns;
	ev->stolen_ns = v->held_stolen_ns;
	ev->why = (uint8_t)why;
}

/* The daemon hears of a park a bit later; never, or once more, if that goes wrong. */
static void tell_park(struct world *w, uint32_t vcpu, enum sched_why why)
{
	uint64_t rest;
	ns_t delay_ns = 2000 + sim_rng_split(&w->rng, 8000, &rest);
	uint32_t wrong = sim_odds_draw(&w->park_odds, &w->rng, rest);

	if (wrong & PARK_STALE) {
		post_park(w, 12000 + sim_rng_below(&w->rng, 30 * NS_PER_MS), vcpu, why);
	}
	if (!(wrong & PARK_LOST)) {
		post_park(w, delay_ns, vcpu, why);
	}
}

void sim_on_stop(struct world *w, uint32_t vcpu, uint32_t plan)
{
	struct w_vcpu *v = &w->vcpus[vcpu];
	const struct sim_class *cls = &w->mix.classes[w->vms[v->vm].cls];
	enum sched_why why = SCHED_WHY_SLICE;

	if (!v->is_exec || v->plan != plan) {
		return;
	}
	exec_stop(w, vcpu);
	v->parked_epoch = v->epoch;
	if (v->burst_ns == 0) {
		why = SCHED_WHY_BLOCKED;
		v->burst_ns = about_or(w, cls->run_ns, SCHED_NEVER);
		if (!v->is_sleeping) {
			v->is_sleeping = true;
			sim_post(w, w->now_ns + about_or(w, cls->sleep_ns, NS_PER_MS), K_WAKE, vcpu,
				 w->vms[v->vm].gen);
		}
	} else if (v->is_faulting) {
		why = SCHED_WHY_FAULT;
	}
	tell_park(w, vcpu, why);
}

void sim_on_forge(struct world *w, uint32_t vcpu, uint32_t plan)
{
	struct w_vcpu *v = &w->vcpus[vcpu];

	if (v->is_exec && v->plan == plan) {
		sim_name_vcpu(w, sim_post_event(w, 5000, SCHED_EV_FORGED), vcpu);
	}
}

void sim_on_wake(struct world *w, uint32_t vcpu)
{
	struct w_vcpu *v = &w->vcpus[vcpu];

	v->is_sleeping = false;
	v->burst_ns = about_or(w, w->mix.classes[w->vms[v->vm].cls].run_ns, SCHED_NEVER);
	if (v->is_exec) {
		sim_exec_plan(w, vcpu);
	}
	sim_name_vcpu(w, sim_post_event(w, 1000, SCHED_EV_WOKEN), vcpu);
}

static void all_stop(struct world *w, uint32_t vm)
{
	for (uint32_t i = 0; i < w->vms[vm].n; i++) {
		exec_stop(w, w->vms[vm].first + i);
	}
}

void sim_on_freeze(struct world *w, uint32_t vm)
{
	if (w->vms[vm].is_dead) {
		return;
	}
	w->vms[vm].is_frozen = true;
	all_stop(w, vm);
	if (!sim_rng_ppm(&w->rng, w->f.lost_freeze_ppm)) {
		sim_name_vm(w, sim_post_event(w, 5000, SCHED_EV_VM_FROZEN), vm);
	}
}

void sim_on_leave(struct world *w, uint32_t vm)
{
	w->vms[vm].is_frozen = true; /* off the pool: it runs nowhere that matters */
	all_stop(w, vm);
	sim_post(w, w->now_ns + 100000 + sim_rng_below(&w->rng, 5 * NS_PER_MS), K_DIE, vm,
		 w->vms[vm].gen);
}

void sim_tell_death(struct world *w, uint32_t vm, bool surely)
{
	ns_t delay_ns;

	if (!surely && sim_rng_ppm(&w->rng, w->f.lost_death_ppm)) {
		return;
	}
	delay_ns = 20000 + sim_rng_below(&w->rng, 200000);
	sim_name_vm(w, sim_post_event(w, delay_ns, SCHED_EV_VM_DIED), vm);
	if (sim_rng_ppm(&w->rng, w->f.double_death_ppm)) {
		delay_ns = 300000 + sim_rng_below(&w->rng, 50 * NS_PER_MS);
		sim_name_vm(w, sim_post_event(w, delay_ns, SCHED_EV_VM_DIED), vm);
	}
}

void sim_on_die(struct world *w, uint32_t vm)
{
	if (w->vms[vm].is_dead) {
		return;
	}
	all_stop(w, vm);
	w->vms[vm].is_dead = true;
	sim_tell_death(w, vm, false);
}
