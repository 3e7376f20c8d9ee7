/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon around the scheduler: hands it events, carries out its actions, dies in between when told
 * to, and comes back with the lock words, its store and the processes that are still there.
 */
#include "sim/world_internal.h"

static void act_lock(struct world *w, const struct sched_action *a)
{
	struct sched_lock old = sched_lock_unpack(a->a);
	struct sched_lock new = sched_lock_unpack(a->b);

	if (w->cores[a->core].word != a->a) {
		w->verdict = SIM_LOCK_CHAIN;
	}
	w->cores[a->core].word = a->b;
	if (new.owner != SCHED_NONE &&new.owner != old.owner &&new.owner != old.successor) {
		w->vcpus[new.owner].held_cpu_ns = w->vcpus[new.owner].held_stolen_ns = 0;
	}
}

static void set_page(struct world *w, const struct sched_action *a)
{
	struct w_vcpu *v = &w->vcpus[a->vcpu];

	v->epoch = a->epoch;
	v->budget_ns = a->b == SCHED_NEVER ? 0 : a->a;
	v->is_revoked = false;
}

static void act_grant(struct world *w, const struct sched_action *a)
{
	struct w_vcpu *v = &w->vcpus[a->vcpu];
	bool is_same = v->is_exec && v->budget_ns == a->a && !v->is_revoked &&
		       a->reason == SCHED_REASON_HANDOFF;

	set_page(w, a);
	if (is_same) {
		return; /* it runs already, as it was told when it was woken */
	}
	if (a->reason == SCHED_REASON_IDLE_CORE) {
		sim_draw_mode(w, a->vcpu);
	}
	if (v->is_exec) {
		sim_exec_plan(w, a->vcpu);
	} else if (!v->is_behind && v->parked_epoch != a->epoch) {
		sim_exec_start(w, a->vcpu, a->core);
	}
}

static void act_prewake(struct world *w, const struct sched_action *a)
{
	struct w_vcpu *v = &w->vcpus[a->vcpu];
	struct w_core *c = &w->cores[a->core];

	set_page(w, a);
	sim_draw_mode(w, a->vcpu);
	v->held_cpu_ns = v->held_stolen_ns = 0;
	v->core = a->core;
	if (w->vms[v->vm].is_dead) {
		return; /* nobody there to be woken */
	}
	v->is_behind = true;
	c->behind = a->vcpu;
	if (c->exec == SCHED_NONE) {
		sim_exec_start(w, a->vcpu, a->core);
	}
}

static void act_revoke(struct world *w, const struct sched_action *a)
{
	w->vcpus[a->vcpu].is_revoked = true;
	if (w->vcpus[a->vcpu].is_exec) {
		sim_exec_plan(w, a->vcpu);
	}
}

static void act_signal(struct world *w, const struct sched_action *a)
{
	struct w_vcpu *v = &w->vcpus[a->vcpu];

	if (w->vms[v->vm].is_dead) {
		sim_tell_death(w, v->vm, true);
		return;
	}
	if (v->is_exec) {
		v->mode = v->mode == MODE_IGNORE_REVOKE ? MODE_GOOD : v->mode;
		v->is_revoked = true;
		sim_exec_plan(w, a->vcpu);
	}
	v->signaled_stolen_ns = v->held_stolen_ns;
}

/* The daemon looks: does it run, how much has it consumed, is it there at all? */
static void act_sample(struct world *w, const struct sched_action *a)
{
	struct w_vcpu *v = &w->vcpus[a->vcpu];
	struct sched_event *ev;

	if (w->vms[v->vm].is_dead) {
		sim_tell_death(w, v->vm, true);
		return;
	}
	if (v->is_exec) {
		sim_exec_plan(w, a->vcpu); /* charges */
	}
	ev = sim_post_event(w, 10000, v->is_exec ? SCHED_EV_SAMPLE : SCHED_EV_STOPPED);
	sim_name_vcpu(w, ev, a->vcpu);
	if (!v->is_exec) {
		ev->why = v->is_sleeping ? SCHED_WHY_BLOCKED : SCHED_WHY_SLICE;
	}
	ev->stolen_ns = v->held_stolen_ns;
	if (a->reason == SCHED_REASON_HUNG) {
		w->vms[v->vm].accused = a->vcpu;
		ev->stolen_ns -= v->signaled_stolen_ns;
	}
	ev->cpu_ns = v->held_cpu_ns;
}

static void act_kill(struct world *w, const struct sched_action *a)
{
	w->vms[a->vm].db = DB_KILLED;
	if (w->vms[a->vm].is_dead) {
		sim_tell_death(w, a->vm, true);
	} else {
		sim_post(w, w->now_ns + 70000, K_LEAVE, a->vm, w->vms[a->vm].gen);
	}
}

static void act_freeze(struct world *w, const struct sched_action *a)
{
	const struct w_vcpu *v = &w->vcpus[w->vms[a->vm].accused];

	if (a->reason == SCHED_REASON_HUNG && v->is_exec && v->mode == MODE_GOOD) {
		w->verdict = SIM_INNOCENT;
	}
	if (w->vms[a->vm].is_dead) {
		sim_tell_death(w, a->vm, true);
	} else {
		sim_post(w, w->now_ns + 22000 + sim_rng_below(&w->rng, 18000), K_FREEZE, a->vm,
			 w->vms[a->vm].gen);
	}
}

static void carry_out(struct world *w, const struct sched_action *a)
{
	switch ((enum sched_action_type)a->type) {
	case SCHED_ACT_LOCK:
		act_lock(w, a);
		break;
	case SCHED_ACT_GRANT:
		act_grant(w, a);
		break;
	case SCHED_ACT_PREWAKE:
		act_prewake(w, a);
		break;
	case SCHED_ACT_REVOKE:
		act_revoke(w, a);
		break;
	case SCHED_ACT_SIGNAL:
		act_signal(w, a);
		break;
	case SCHED_ACT_SAMPLE:
		act_sample(w, a);
		break;
	case SCHED_ACT_FREEZE:
		act_freeze(w, a);
		break;
	case SCHED_ACT_THAW:
		w->vms[a->vm].is_frozen = false;
		break;
	case SCHED_ACT_KILL:
		act_kill(w, a);
		break;
	case SCHED_ACT_AUDIT:
		if (w->vms[a->vm].is_dead) {
			sim_tell_death(w, a->vm, true);
		}
		break;
	case SCHED_ACT_FAULT:
		w->vms[a->vm].db = DB_FAULTED;
		sim_post(w, w->now_ns + 20 * NS_PER_MS, K_RESPAWN, a->vm, w->vms[a->vm].gen);
		break;
	case SCHED_ACT_CORE_OFF:
	case SCHED_ACT_REPORT:
	case SCHED_ACT_COUNT:
		break;
	}
}

static void keep_sample(struct world *w, const struct sched_event *ev)
{
	if (w->sample && w->sample_n < w->o.sample_events) {
		w->sample[w->sample_n++] = *ev;
	}
}

/* What the scheduler found when it checked itself: its last action says so. */
static unsigned int self_check(const struct sched_out *out)
{
	const struct sched_action *a = out->n ? &out->action[out->n - 1] : NULL;

	return a && a->type == SCHED_ACT_REPORT && a->reason == SCHED_REASON_VIOLATION
		       ? (unsigned int)a->a
		       : SIM_FINE;
}

static void judge(struct world *w, const struct sched_event *ev, uint32_t done)
{
	if (w->verdict == SIM_FINE) {
		w->verdict = (unsigned int)sim_monitor_event(w->m, ev, &w->out, done, w->s);
	}
	if (w->verdict == SIM_FINE) {
		w->verdict = self_check(&w->out);
	}
	if (w->verdict == SIM_FINE && w->o.full_every && w->decisions % w->o.full_every == 0) {
		w->verdict = (unsigned int)sched_check_full(w->s);
	}
}

static int hand_over(struct world *w, const struct sched_event *ev, uint32_t done)
{
	if (w->o.trace) {
		struct sim_step step = { .event = *ev, .done = done };

		sim_trace_add(w->trace, &step);
	}
	return sim_trace_call(w->s, ev, &w->out);
}

/* The ring has it already, where there is one. */
static uint64_t out_hash(const struct world *w)
{
	return w->cfg.limits.ring ? sched_ring_last(w->s)->out_hash : sched_out_hash(&w->out);
}

static void daemon_die(struct world *w)
{
	w->is_crash_armed = false;
	w->is_down = true;
	if (w->sample) {
		w->o.sample_events = w->sample_n; /* what comes now is for another scheduler */
	}
	w->boot++;
	sim_post(w, w->now_ns + sim_rng_below(&w->rng, 50 * NS_PER_MS), K_RESTART, 0, 0);
}

int sim_feed(struct world *w, struct sched_event *ev)
{
	bool dies = w->is_crash_armed;
	uint32_t done;
	int r;

	if (w->is_down || w->verdict != SIM_FINE) {
		return -ESHUTDOWN;
	}
	w->is_tick_planned = false;
	ev->now_ns = (ns_t)((int64_t)w->now_ns + w->skew_ns);
	keep_sample(w, ev);
	r = hand_over(w, ev, SIM_DONE_ALL);
	if (r < 0) {
		w->refused++;
		return r;
	}
	w->decisions++;
	w->event_hash = (w->event_hash ^ out_hash(w) ^ ev->now_ns) * 0x9e3779b97f4a7c15ULL;
	done = dies ? (uint32_t)sim_rng_below(&w->rng, w->out.n + 1U) : w->out.n;
	if (w->o.checks) {
		if (dies && w->o.trace && w->trace->n) {
			w->trace->steps[w->trace->n - 1].done = done;
		}
		judge(w, ev, done);
	}
	for (uint32_t i = 0; i < done && w->verdict == SIM_FINE; i++) {
		carry_out(w, &w->out.action[i]);
	}
	if (dies) {
		daemon_die(w);
	}
	return 0;
}

static void tell(struct world *w, struct sched_event ev)
{
	(void)sim_feed(w, &ev);
}

void sim_tell_users(struct world *w)
{
	for (uint32_t i = 0; i < w->n_users; i++) {
		struct sched_event ev = sim_event(SCHED_EV_USER_ADD);

		ev.user = i;
		ev.quota = (struct sched_quota){ .vcpus = (uint32_t)w->mix.quota_vcpus,
						 .excl = (uint32_t)w->mix.quota_excl,
						 .slice_sum_ns = SCHED_NEVER / 4 };
		tell(w, ev);
	}
}

static void tell_vm(struct world *w, uint32_t vm)
{
	struct w_vm *m = &w->vms[vm];
	struct sched_event ev = sim_vm_event(w, SCHED_EV_VM_ADD, vm);

	ev.user = m->user;
	ev.prio = m->prio;
	ev.slice_ns = m->slice_ns;
	ev.limit_cpu_ns = w->mix.classes[m->cls].limit_cpu_ns;
	tell(w, ev);
	for (uint32_t i = 0; i < m->n; i++) {
		ev = sim_vm_event(w, SCHED_EV_VCPU_ADD, vm);
		ev.vcpu = m->first + i;
		tell(w, ev);
	}
	if (m->db != DB_FAULTED && m->db != DB_CREATED) {
		m->is_frozen = m->db == DB_KILLED && m->is_frozen;
		tell(w, sim_vm_event(w, SCHED_EV_VM_START, vm));
	}
}

static bool is_dead(const struct world *w, uint32_t vcpu)
{
	return vcpu != SCHED_NONE && w->vms[w->vcpus[vcpu].vm].is_dead;
}

/* Holders whose process is dead are known to have stopped. */
static void clean_word(struct world *w, uint32_t core)
{
	uint64_t *word = &w->cores[core].word;

	if (is_dead(w, sched_lock_unpack(*word).successor)) {
		BUG_ON(sched_lock_withdraw(*word, word) < 0);
	}
	if (is_dead(w, sched_lock_unpack(*word).owner)) {
		BUG_ON(sched_lock_pass(*word, sched_lock_unpack(*word).epoch + 1ULL, word) < 0);
	}
}

static void tell_core(struct world *w, uint32_t core)
{
	struct sched_event ev = sim_event(SCHED_EV_ADOPT);

	clean_word(w, core);
	ev.core = (uint16_t)core;
	ev.arg = w->cores[core].word;
	tell(w, ev);
	if (!w->cores[core].is_online) {
		ev = sim_event(SCHED_EV_CORE_OFFLINE);
		ev.core = (uint16_t)core;
		tell(w, ev);
	}
}

static void tell_rest(struct world *w, uint32_t vm)
{
	struct w_vm *m = &w->vms[vm];

	if (m->db == DB_PAUSED) {
		tell(w, sim_vm_event(w, SCHED_EV_VM_PAUSE, vm));
	} else if (m->db == DB_KILLED) {
		tell(w, sim_vm_event(w, SCHED_EV_VM_KILL, vm));
	} else if (m->db == DB_FAULTED) {
		sim_post(w, w->now_ns + 20 * NS_PER_MS, K_RESPAWN, vm, m->gen);
	}
}

static bool is_known(const struct w_vm *m)
{
	return m->db != DB_NONE && !m->is_dead;
}

void sim_daemon_restart(struct world *w)
{
	struct sim_step step = { .is_restart = true };
	struct sched_event ev = sim_event(SCHED_EV_DISPATCH);

	w->is_down = false;
	w->restarts++;
	w->cfg.first_epoch = SIM_EPOCH_OF(w->restarts);
	w->s = sched_init(w->mem, &w->cfg);
	w->tick_for_ns = w->tick_at_ns = SCHED_NEVER;
	if (w->o.trace) {
		sim_trace_add(w->trace, &step);
	}
	if (w->o.checks) {
		sim_monitor_restart(w->m);
	}
	tell(w, ev);
	sim_tell_users(w);
	for (uint32_t i = 0; i < w->o.vms; i++) {
		if (is_known(&w->vms[i])) {
			tell_vm(w, i);
		} else if (w->vms[i].db != DB_NONE) {
			w->vms[i].db = DB_NONE;
			sim_post(w, w->now_ns + 10 * NS_PER_MS, K_RESPAWN, i, w->vms[i].gen);
		}
	}
	for (uint32_t i = 0; i < w->o.cores; i++) {
		tell_core(w, i);
	}
	for (uint32_t i = 0; i < w->o.vms; i++) {
		if (is_known(&w->vms[i])) {
			tell_rest(w, i);
		}
	}
	for (uint32_t i = 0; i < w->n_users; i++) {
		if (w->banned[i]) {
			ev = sim_event(SCHED_EV_USER_BAN);
			ev.user = i;
			tell(w, ev);
		}
	}
	sim_post_event(w, NS_PER_MS, SCHED_EV_DISPATCH)->arg = 1;
}
