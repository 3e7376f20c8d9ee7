/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run: set the machine up, let time pass, take stock. */
#include "sim/world_internal.h"

#include <time.h>

#define LATE_MAX_NS (5 * NS_PER_MS)

static void world_free(struct world *w)
{
	free(w->mem);
	sim_monitor_free(w->m);
	sim_queue_free(&w->queue);
	free(w->pool);
	free(w->pool_free);
	free(w->vcpus);
	free(w->vms);
	free(w->cores);
	free(w->banned);
	free(w->sample_mem);
	free(w->sample);
}

static uint32_t lay_out_vcpus(struct world *w, bool apply)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->o.vms; i++) {
		uint64_t total = 0, at;
		uint32_t cls = 0;

		for (uint32_t c = 0; c < w->mix.n_classes; c++) {
			total += w->mix.classes[c].weight;
		}
		at = total ? ((uint64_t)i * 2654435761ULL) % total : 0;
		while (cls + 1 < w->mix.n_classes && at >= w->mix.classes[cls].weight) {
			at -= w->mix.classes[cls++].weight;
		}
		if (apply) {
			w->vms[i].first = n;
			w->vms[i].n = (uint32_t)w->mix.classes[cls].vcpus;
		}
		for (uint32_t j = 0; apply && j < w->vms[i].n; j++) {
			w->vcpus[n + j].vm = i;
		}
		n += (uint32_t)w->mix.classes[cls].vcpus;
	}
	return n;
}

static void configure(struct world *w, uint32_t vcpus)
{
	sched_config_defaults(&w->cfg);
	w->cfg.limits = (struct sched_limits){ .cores = w->o.cores,
					       .users = w->n_users,
					       .vms = w->o.vms,
					       .vcpus = vcpus,
					       .ring = w->o.checks ? 8 : 0 };
	w->cfg.cores_online = w->o.cores;
	w->cfg.aging_step_ns = w->mix.aging_step_ns;
	w->cfg.excl_wait_ns = w->mix.excl_wait_ns;
	w->cfg.checks = w->o.checks;
}

/* In the order of enum grant_fault and enum park_fault. */
static void sum_up_faults(struct world *w)
{
	const struct sim_faults *f = &w->f;
	const uint64_t grant_ppm[] = { f->hang_ppm,	 f->ignore_revoke_ppm, f->forge_park_ppm,
				       f->late_park_ppm, f->steal_ppm,	       f->guest_fault_ppm };

	for (size_t i = 0; i < ARRAY_SIZE(grant_ppm); i++) {
		sim_odds_add(&w->grant_odds, grant_ppm[i]);
	}
	sim_odds_add(&w->park_odds, f->stale_park_ppm);
	sim_odds_add(&w->park_odds, f->lost_park_ppm);
}

static int world_init(struct world *w, struct sim_trace *t, struct errmsg *e)
{
	uint32_t vcpus;

	w->n_users = (uint32_t)w->mix.users;
	vcpus = lay_out_vcpus(w, false);
	configure(w, vcpus);
	if (vcpus == 0 || sched_size(&w->cfg) == 0) {
		return errmsg_set(e, -EINVAL, "too many cores, users or VMs for the scheduler");
	}
	w->mem = aligned_alloc(64, sched_size(&w->cfg));
	w->m = sim_monitor_new(&w->cfg, LATE_MAX_NS);
	w->vcpus = calloc(vcpus, sizeof(*w->vcpus));
	w->vms = calloc(w->o.vms, sizeof(*w->vms));
	w->cores = calloc(w->o.cores, sizeof(*w->cores));
	w->banned = calloc(w->n_users, sizeof(*w->banned));
	if (!w->mem || !w->m || !w->vcpus || !w->vms || !w->cores || !w->banned) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	lay_out_vcpus(w, true);
	for (uint32_t i = 0; i < w->o.cores; i++) {
		w->cores[i].exec = w->cores[i].behind = SCHED_NONE;
		w->cores[i].is_online = true;
	}
	w->s = sched_init(w->mem, &w->cfg);
	sim_rng_seed(&w->rng, w->o.seed);
	sum_up_faults(w);
	w->trace = t;
	*t = (struct sim_trace){ .cfg = w->cfg, .late_ns = LATE_MAX_NS };
	w->tick_for_ns = w->tick_at_ns = SCHED_NEVER;
	return 0;
}

/* Keep a copy of the scheduler, to run the next events on it against the clock. */
static void begin_sample(struct world *w)
{
	size_t bytes = sched_size(&w->cfg);

	w->sample_mem = aligned_alloc(64, bytes);
	w->sample = malloc(w->o.sample_events * sizeof(*w->sample));
	if (!w->sample_mem || !w->sample) {
		free(w->sample);
		w->sample = NULL;
		return;
	}
	memcpy(w->sample_mem, w->mem, bytes);
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double time_events(struct world *w, uint32_t from, uint32_t to)
{
	double begin_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
	uint32_t done = 0;

	for (uint32_t i = from; i < to; i++) {
		done += sched_handle(w->sample_mem, &w->sample[i], &w->out) == 0;
	}
	return done ? (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin_s) * 1e9 / done : 0;
}

/* The copy has been in memory only, since it was made: its first events are for warming up. */
static void time_sample(struct world *w, struct sim_result *r)
{
	uint32_t half = w->sample_n / 2;

	if (!w->sample || half == 0) {
		return;
	}
	sched_checks_set(w->sample_mem, false);
	r->ns_per_decision_cold = time_events(w, 0, half);
	r->ns_per_decision = time_events(w, half, w->sample_n);
}

/* After a decision: the machine's time at which the daemon will send its next tick. */
static void plan_tick(struct world *w)
{
	ns_t next_ns = w->is_down ? SCHED_NEVER : sched_next_timer(w->s);
	int64_t at_ns = (int64_t)next_ns - w->skew_ns;

	w->is_tick_planned = true;
	if (next_ns == w->tick_for_ns) {
		return;
	}
	w->tick_for_ns = w->tick_at_ns = next_ns;
	if (next_ns == SCHED_NEVER) {
		return;
	}
	w->tick_at_ns = at_ns > (int64_t)w->now_ns ? (ns_t)at_ns : w->now_ns;
	if (sim_rng_ppm(&w->rng, w->f.late_timer_ppm)) {
		w->tick_at_ns += sim_rng_below(&w->rng, LATE_MAX_NS);
	}
}

static void happen(struct world *w, enum kind kind, uint32_t a, uint32_t b)
{
	struct sched_event ev;

	switch (kind) {
	case K_STOP:
		sim_on_stop(w, a, b);
		break;
	case K_FORGE:
		sim_on_forge(w, a, b);
		break;
	case K_EVENT:
		ev = sim_take_event(w, a);
		if (b != w->boot) {
			break;
		}
		if (sim_feed(w, &ev) == 0 && ev.type == SCHED_EV_VM_DIED && !w->is_down) {
			w->vms[ev.vm].db = DB_NONE;
			sim_post(w, w->now_ns + 10 * NS_PER_MS, K_RESPAWN, ev.vm, ev.gen);
		}
		break;
	case K_WAKE:
		if (w->vms[w->vcpus[a].vm].gen == b) {
			sim_on_wake(w, a);
		}
		break;
	case K_FREEZE:
		if (w->vms[a].gen == b) {
			sim_on_freeze(w, a);
		}
		break;
	case K_LEAVE:
		if (w->vms[a].gen == b) {
			sim_on_leave(w, a);
		}
		break;
	case K_DIE:
		if (w->vms[a].gen == b) {
			sim_on_die(w, a);
		}
		break;
	case K_RESTART:
		sim_daemon_restart(w);
		break;
	default:
		sim_on_chance(w, kind, a, b);
		break;
	}
}

static bool is_over(const struct world *w)
{
	return w->verdict != SIM_FINE || w->is_short ||
	       (w->o.max_events && w->decisions >= w->o.max_events);
}

static void pass_time(struct world *w)
{
	while (!is_over(w)) {
		const struct item *first = sim_peek(w);
		ns_t item_ns = first ? first->at_ns : SCHED_NEVER;
		ns_t tick_ns;

		if (!w->is_tick_planned) {
			plan_tick(w);
		}
		tick_ns = w->tick_at_ns;

		w->now_ns = tick_ns < item_ns ? tick_ns : item_ns;
		if (w->now_ns >= w->o.duration_ns) {
			break;
		}
		if (!w->sample_mem && w->o.sample_events && !w->is_down &&
		    w->now_ns > w->o.duration_ns / 2) {
			begin_sample(w);
		}
		if (tick_ns < item_ns) {
			struct sched_event ev = sim_event(SCHED_EV_TICK);

			w->tick_for_ns = w->tick_at_ns = SCHED_NEVER;
			(void)sim_feed(w, &ev);
		} else if (first) {
			enum kind kind = item_kind(first);
			uint32_t a = first->a;
			uint32_t b = first->b;

			sim_drop(w);
			happen(w, kind, a, b);
		}
	}
}

/* Jain's index over the compute-bound single-vCPU VMs that nobody touched, by CPU time per slice. */
static void count_fairness(const struct world *w, struct sim_result *r)
{
	double sum = 0, squares = 0;
	uint64_t n = 0;
	uint32_t cls = UINT32_MAX;

	for (uint32_t i = 0; i < w->o.vms; i++) {
		const struct w_vm *m = &w->vms[i];
		const struct sim_class *c = &w->mix.classes[m->cls];
		double x;

		if (!m->is_original || m->is_dead || m->db != DB_RUN || c->run_ns || c->exclusive ||
		    (cls != UINT32_MAX && cls != m->cls)) {
			continue;
		}
		cls = m->cls;
		for (uint32_t j = 0; j < m->n; j++) {
			x = (double)w->vcpus[m->first + j].cpu_ns;
			sum += x;
			squares += x * x;
			n++;
		}
	}
	r->jain_of = n;
	r->jain = squares > 0 ? sum * sum / ((double)n * squares) : 1;
}

static void take_stock(struct world *w, struct sim_result *r)
{
	struct sched_stats *s = &r->stats;

	if (w->verdict == SIM_FINE && w->o.checks && !w->is_down) {
		w->verdict = (unsigned int)sched_check_full(w->s);
	}
	sched_stats_get(w->s, s);
	r->verdict = w->verdict;
	r->violations = w->verdict != SIM_FINE;
	r->decisions = w->decisions;
	r->refused = w->refused;
	r->event_hash = w->event_hash;
	r->max_wait_ns = s->max_wait_ns;
	r->mean_wait_ns = s->grants ? s->wait_ns / s->grants : 0;
	r->sim_ns = w->now_ns < w->o.duration_ns ? w->now_ns : w->o.duration_ns;
	r->restarts = w->restarts;
	r->respawns = w->respawns;
	r->spans = w->spans;
	r->n_spans = w->spans_n;
	count_fairness(w, r);
	time_sample(w, r);
}

static void live(void *arg)
{
	struct world *w = arg;

	sim_tell_users(w);
	sim_populate(w);
	pass_time(w);
}

int sim_run(const struct sim_options *o, const struct sim_mix *mix, const struct sim_faults *faults,
	    struct sim_trace *t, struct sim_result *ret, struct errmsg *e)
{
	double wall_s = seconds(CLOCK_MONOTONIC);
	double cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
	struct world *w;
	int r;

	if (o->cores == 0 || o->vms == 0) {
		return errmsg_set(e, -EINVAL, "there must be a core and a VM");
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	w->o = *o;
	w->mix = *mix;
	w->f = *faults;
	r = world_init(w, t, e);
	if (r == 0) {
		if (sim_trace_guard(live, w) != SIM_FINE) {
			w->verdict = SIM_BUG;
		}
		r = w->is_short ? errmsg_set(e, -ENOMEM, "out of memory") : 0;
	}
	if (r == 0) {
		*ret = (struct sim_result){ .wall_s = seconds(CLOCK_MONOTONIC) - wall_s,
					    .cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s };
		take_stock(w, ret);
	} else {
		free(w->spans);
	}
	world_free(w);
	free(w);
	return r;
}
