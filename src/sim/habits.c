/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who lives on the machine, what users and administrators ask for, and what goes wrong by chance. */
#include "sim/world_internal.h"

static void tell(struct world *w, struct sched_event ev)
{
	(void)sim_feed(w, &ev);
}

static bool is_current(const struct world *w, uint32_t vm, uint32_t gen)
{
	return w->vms[vm].gen == gen;
}

static void request_core(struct world *w, uint32_t vm)
{
	struct sched_event ev = sim_vcpu_event(w, SCHED_EV_EXCL_REQUEST, w->vms[vm].first);

	ev.core = SCHED_CORE_NONE;
	tell(w, ev);
}

static void vm_birth(struct world *w, uint32_t vm)
{
	struct w_vm *m = &w->vms[vm];
	const struct sim_class *cls = &w->mix.classes[m->cls];
	struct sched_event ev;

	m->gen++;
	m->is_dead = m->is_frozen = false;
	m->prio = (uint8_t)cls->prio;
	m->slice_ns = cls->slice_ns;
	ev = sim_vm_event(w, SCHED_EV_VM_ADD, vm);
	ev.user = m->user;
	ev.prio = m->prio;
	ev.slice_ns = m->slice_ns;
	ev.limit_cpu_ns = cls->limit_cpu_ns;
	if (sim_feed(w, &ev) < 0) {
		m->is_dead = true;
		m->db = DB_NONE;
		sim_post(w, w->now_ns + 50 * NS_PER_MS, K_RESPAWN, vm, m->gen);
		return;
	}
	m->db = DB_RUN;
	for (uint32_t i = 0; i < m->n; i++) {
		struct w_vcpu *v = &w->vcpus[m->first + i];

		*v = (struct w_vcpu){ .vm = vm, .burst_ns = SCHED_NEVER, .plan = v->plan };
		if (cls->run_ns) {
			v->burst_ns = sim_rng_about(&w->rng, cls->run_ns);
		}
		ev = sim_vm_event(w, SCHED_EV_VCPU_ADD, vm);
		ev.vcpu = m->first + i;
		tell(w, ev);
	}
	ev = sim_vm_event(w, SCHED_EV_VM_START, vm);
	if (sim_feed(w, &ev) < 0) {
		m->db = DB_CREATED;
	}
	if (m->wants_excl) {
		request_core(w, vm);
	}
}

static uint8_t class_for(const struct world *w, uint32_t vm)
{
	uint64_t total = 0;
	uint64_t at;

	for (uint32_t i = 0; i < w->mix.n_classes; i++) {
		total += w->mix.classes[i].weight;
	}
	at = total ? ((uint64_t)vm * 2654435761ULL) % total : 0;
	for (uint32_t i = 0; i < w->mix.n_classes; i++) {
		if (at < w->mix.classes[i].weight) {
			return (uint8_t)i;
		}
		at -= w->mix.classes[i].weight;
	}
	return 0;
}

static void post_chance(struct world *w, enum kind kind, ns_t every_ns)
{
	if (every_ns) {
		sim_post(w, w->now_ns + sim_rng_about(&w->rng, every_ns), kind, 0, 0);
	}
}

void sim_populate(struct world *w)
{
	for (uint32_t i = 0; i < w->o.vms; i++) {
		struct w_vm *m = &w->vms[i];

		m->cls = class_for(w, i);
		m->user = i % w->n_users;
		m->wants_excl = w->mix.classes[m->cls].exclusive;
		m->is_original = true;
		vm_birth(w, i);
	}
	post_chance(w, K_CRASH, w->f.crash_every_ns);
	post_chance(w, K_CHURN, w->mix.churn_every_ns);
	post_chance(w, K_ADMIN, w->mix.admin_every_ns);
	post_chance(w, K_ROGUE, w->f.rogue_every_ns);
	post_chance(w, K_JUMP, w->f.clock_jump_every_ns);
	post_chance(w, K_OFFLINE, w->f.core_offline_every_ns);
	post_chance(w, K_DAEMON_CRASH, w->f.daemon_crash_every_ns);
}

static uint32_t any_vm(struct world *w)
{
	return (uint32_t)sim_rng_below(&w->rng, w->o.vms);
}

/* The slot's VM goes for good, and a new one comes. */
static void respawn(struct world *w, uint32_t vm)
{
	struct w_vm *m = &w->vms[vm];

	if (m->db == DB_FAULTED) {
		tell(w, sim_vm_event(w, SCHED_EV_VM_KILL, vm));
		return; /* its death brings us back */
	}
	if (w->is_down || !m->is_dead) {
		sim_post(w, w->now_ns + 10 * NS_PER_MS, K_RESPAWN, vm, m->gen);
		return;
	}
	m->is_original = false;
	w->respawns++;
	tell(w, sim_vm_event(w, SCHED_EV_VM_REMOVE, vm));
	vm_birth(w, vm);
}

static void rogue(struct world *w)
{
	uint32_t vm = any_vm(w);
	const struct w_vcpu *v = &w->vcpus[w->vms[vm].first];

	if (!v->is_exec && !v->is_behind && !w->vms[vm].is_dead && !w->vms[vm].is_frozen) {
		tell(w, sim_vcpu_event(w, SCHED_EV_ROGUE, w->vms[vm].first));
	}
}

static void take_offline(struct world *w)
{
	struct sched_event ev = sim_event(SCHED_EV_CORE_OFFLINE);
	uint32_t core = (uint32_t)sim_rng_below(&w->rng, w->o.cores);

	ev.core = (uint16_t)core;
	if (w->o.cores > 1 && w->cores[core].is_online && sim_feed(w, &ev) == 0) {
		w->cores[core].is_online = false;
		sim_post(w, w->now_ns + 50 * NS_PER_MS, K_ONLINE, core, 0);
	}
}

static void bring_online(struct world *w, uint32_t core)
{
	struct sched_event ev = sim_event(SCHED_EV_CORE_ONLINE);

	ev.core = (uint16_t)core;
	if (sim_feed(w, &ev) == 0) {
		w->cores[core].is_online = true;
	} else {
		sim_post(w, w->now_ns + 5 * NS_PER_MS, K_ONLINE, core, 0);
	}
}

static void update_vm(struct world *w, uint32_t vm)
{
	struct sched_event ev = sim_vm_event(w, SCHED_EV_VM_UPDATE, vm);

	ev.mask = (uint8_t)(1 + sim_rng_below(&w->rng, 3));
	ev.prio = (uint8_t)sim_rng_below(&w->rng, SCHED_LEVELS);
	ev.slice_ns = SCHED_SLICE_MIN_NS + sim_rng_below(&w->rng, 20 * NS_PER_MS);
	if (sim_feed(w, &ev) == 0) {
		w->vms[vm].prio = ev.mask & SCHED_UPDATE_PRIO ? ev.prio : w->vms[vm].prio;
		w->vms[vm].slice_ns =
			ev.mask & SCHED_UPDATE_SLICE ? ev.slice_ns : w->vms[vm].slice_ns;
		w->vms[vm].is_original = false;
	}
}

static void pause_vm(struct world *w, uint32_t vm)
{
	struct sched_event ev = sim_vm_event(w, SCHED_EV_VM_PAUSE, vm);

	if (sim_feed(w, &ev) == 0) {
		w->vms[vm].db = DB_PAUSED;
		w->vms[vm].is_original = false;
		sim_post(w, w->now_ns + sim_rng_below(&w->rng, 30 * NS_PER_MS), K_RESUME, vm,
			 w->vms[vm].gen);
	}
}

static void resume_vm(struct world *w, uint32_t vm)
{
	struct sched_event ev = sim_vm_event(w, SCHED_EV_VM_RESUME, vm);

	if (sim_feed(w, &ev) == 0) {
		w->vms[vm].db = DB_RUN;
	} else if (w->vms[vm].db == DB_PAUSED) {
		sim_post(w, w->now_ns + 20 * NS_PER_MS, K_RESUME, vm, w->vms[vm].gen);
	}
}

static void pin(struct world *w, uint32_t vm)
{
	struct sched_event ev = sim_vcpu_event(w, SCHED_EV_EXCL_REQUEST, w->vms[vm].first);

	ev.core = sim_rng_below(&w->rng, 2) ? (uint16_t)sim_rng_below(&w->rng, w->o.cores)
					    : SCHED_CORE_NONE;
	w->vms[vm].is_original = false;
	tell(w, ev);
}

static void ban(struct world *w)
{
	struct sched_event ev = sim_event(SCHED_EV_USER_BAN);

	ev.user = (uint32_t)sim_rng_below(&w->rng, w->n_users);
	if (w->n_users > 1 && sim_feed(w, &ev) == 0) {
		w->banned[ev.user] = true;
		pin(w, ev.user + w->n_users < w->o.vms ? ev.user + w->n_users : any_vm(w));
		sim_post(w, w->now_ns + 100 * NS_PER_MS, K_UNBAN, ev.user, 0);
	}
}

static void unban(struct world *w, uint32_t user)
{
	struct sched_event ev = sim_event(SCHED_EV_USER_UNBAN);

	ev.user = user;
	if (sim_feed(w, &ev) == 0) {
		w->banned[user] = false;
	} else {
		sim_post(w, w->now_ns + 20 * NS_PER_MS, K_UNBAN, user, 0);
	}
}

static void set_quota(struct world *w)
{
	struct sched_event ev = sim_event(SCHED_EV_USER_QUOTA);

	ev.user = (uint32_t)sim_rng_below(&w->rng, w->n_users);
	ev.quota = (struct sched_quota){
		.vcpus = (uint32_t)sim_rng_below(&w->rng, w->mix.quota_vcpus + 1),
		.excl = (uint32_t)sim_rng_below(&w->rng, w->mix.quota_excl + 1),
		.slice_sum_ns = SCHED_NEVER / 4,
	};
	tell(w, ev);
}

static void reclaim(struct world *w)
{
	struct sched_event ev = sim_event(SCHED_EV_EXCL_RECLAIM);

	ev.core = (uint16_t)sim_rng_below(&w->rng, w->o.cores);
	tell(w, ev);
}

static void set_cap(struct world *w)
{
	struct sched_event ev = sim_event(SCHED_EV_EXCL_CAP);

	ev.arg = sim_rng_below(&w->rng, 2) ? SCHED_CAP_HALF
					   : sim_rng_below(&w->rng, w->o.cores + 1ULL);
	tell(w, ev);
}

static void administer(struct world *w)
{
	uint32_t vm = any_vm(w);

	switch (sim_rng_below(&w->rng, 12)) {
	case 0:
		ban(w);
		break;
	case 1:
		set_quota(w);
		break;
	case 2:
		set_cap(w);
		break;
	case 3:
		reclaim(w);
		break;
	case 4:
	case 5:
		update_vm(w, vm);
		break;
	case 6:
	case 7:
		pause_vm(w, vm);
		break;
	case 8:
	case 9:
		tell(w, sim_vcpu_event(w, SCHED_EV_EXCL_RELEASE, w->vms[vm].first));
		break;
	default:
		pin(w, vm);
		break;
	}
}

void sim_on_chance(struct world *w, enum kind kind, uint32_t a, uint32_t b)
{
	switch (kind) {
	case K_RESPAWN:
		if (is_current(w, a, b)) {
			respawn(w, a);
		}
		break;
	case K_RESUME:
		if (is_current(w, a, b)) {
			resume_vm(w, a);
		}
		break;
	case K_UNBAN:
		unban(w, a);
		break;
	case K_ONLINE:
		bring_online(w, a);
		break;
	case K_CRASH:
		sim_on_die(w, any_vm(w));
		post_chance(w, K_CRASH, w->f.crash_every_ns);
		break;
	case K_CHURN:
		tell(w, sim_vm_event(w, SCHED_EV_VM_KILL, any_vm(w)));
		post_chance(w, K_CHURN, w->mix.churn_every_ns);
		break;
	case K_ADMIN:
		administer(w);
		post_chance(w, K_ADMIN, w->mix.admin_every_ns);
		break;
	case K_ROGUE:
		rogue(w);
		post_chance(w, K_ROGUE, w->f.rogue_every_ns);
		break;
	case K_JUMP:
		w->skew_ns += sim_rng_below(&w->rng, 2) ? (int64_t)(10 * NS_PER_MS)
							: -(int64_t)(10 * NS_PER_MS);
		post_chance(w, K_JUMP, w->f.clock_jump_every_ns);
		break;
	case K_OFFLINE:
		take_offline(w);
		post_chance(w, K_OFFLINE, w->f.core_offline_every_ns);
		break;
	case K_DAEMON_CRASH:
		w->is_crash_armed = !w->is_down;
		post_chance(w, K_DAEMON_CRASH, w->f.daemon_crash_every_ns);
		break;
	default:
		BUG_ON(true);
	}
}
