/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame: memory, one event at a time, the next timer. */
#include "sched/sched.h"

#include "sched/sched_internal.h"

#define ALIGN_BYTES 64U

void sched_config_defaults(struct sched_config *cfg)
{
	*cfg = (struct sched_config){
		.limits = { .cores = 2, .users = 16, .vms = 256, .vcpus = 1024, .ring = 4096 },
		.aging_step_ns = 500 * NS_PER_MS,
		.prewake_lead_ns = 200 * NS_PER_US,
		.prewake_slice_ns = NS_PER_MS,
		.ladder = { .grace_ns = 200 * NS_PER_US,
			    .sample_ns = 300 * NS_PER_US,
			    .revoke_ns = 300 * NS_PER_US,
			    .signal_ns = 500 * NS_PER_US },
		.fast = { .grace_ns = 50 * NS_PER_US,
			  .sample_ns = 100 * NS_PER_US,
			  .revoke_ns = 200 * NS_PER_US,
			  .signal_ns = 200 * NS_PER_US },
		.freeze_ns = 2 * NS_PER_MS,
		.kill_ns = 100 * NS_PER_MS,
		.excl_cap = SCHED_CAP_HALF,
		.excl_floor = 0,
		.excl_wait_ns = 0,
		.excl_period_ns = NS_PER_S,
		.cores_online = 2,
	};
}

static size_t reserve(size_t *off, size_t n, size_t bytes)
{
	size_t here = *off;

	*off = (here + n * bytes + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
	return here;
}

/* Where the arrays go; the whole size is returned. */
static size_t lay_out(struct sched *s, const struct sched_limits *l)
{
	size_t off = 0;

	reserve(&off, 1, sizeof(struct sched));
	s->off_cores = (uint32_t)reserve(&off, l->cores, sizeof(struct core));
	s->off_timers = (uint32_t)reserve(&off, sched_timer_lay_out(s, l->cores), sizeof(ns_t));
	s->off_idle = (uint32_t)reserve(&off, (l->cores + 63) / 64, sizeof(uint64_t));
	s->off_users = (uint32_t)reserve(&off, l->users, sizeof(struct user));
	s->off_vms = (uint32_t)reserve(&off, l->vms, sizeof(struct vm));
	s->off_vcpus = (uint32_t)reserve(&off, l->vcpus, sizeof(struct vcpu));
	s->off_stolen = (uint32_t)reserve(&off, l->vcpus, sizeof(ns_t));
	s->off_ring = (uint32_t)reserve(&off, l->ring, sizeof(struct sched_record));
	return off;
}

size_t sched_size(const struct sched_config *cfg)
{
	const struct sched_limits *l = &cfg->limits;
	struct sched s;

	if (l->cores == 0 || l->cores > SCHED_CORES_MAX || l->users == 0 || l->users > (1U << 20) ||
	    l->vms == 0 || l->vms > SCHED_LOCK_VCPUS_MAX || l->vcpus == 0 ||
	    l->vcpus > SCHED_LOCK_VCPUS_MAX || (l->ring & (l->ring - 1)) || l->ring > (1U << 20) ||
	    cfg->cores_online > l->cores || cfg->aging_step_ns == 0 ||
	    cfg->aging_step_ns > 3600 * NS_PER_S || cfg->excl_period_ns == 0) {
		return 0;
	}
	return lay_out(&s, l);
}

static void init_cores(struct sched *s)
{
	for (uint32_t i = 0; i < s->cfg.limits.cores; i++) {
		struct core *c = sched_core(s, i);

		c->timer_ns = SCHED_NEVER;
		c->owner = c->next = c->excl = SCHED_NONE;
		c->is_online = i < s->cfg.cores_online;
		c->is_off = !c->is_online;
		sched_core_idle_update(s, i);
	}
}

struct sched *sched_init(void *mem, const struct sched_config *cfg)
{
	size_t bytes = sched_size(cfg);
	struct sched *s = mem;

	BUG_ON(bytes == 0 || (uintptr_t)mem % ALIGN_BYTES);
	memset(mem, 0, bytes);
	s->cfg = *cfg;
	(void)lay_out(s, &cfg->limits);
	s->idle_words = (cfg->limits.cores + 63) / 64;
	s->last_epoch = cfg->first_epoch;
	s->cap_cfg = cfg->excl_cap;
	s->online = s->shared = cfg->cores_online;
	s->ban_head = SCHED_NONE;
	s->policy_at_ns = SCHED_NEVER;
	s->ever_cores_min = cfg->cores_online;
	for (uint32_t l = 0; l < SCHED_LEVELS; l++) {
		s->level[l].head = s->level[l].tail = SCHED_NONE;
		s->key_ns[l] = SCHED_NEVER;
	}
	for (int i = VM_LIST_NONE; i <= VM_LIST_KILL; i++) {
		s->list_head[i] = s->list_tail[i] = SCHED_NONE;
	}
	sched_timer_init(s);
	init_cores(s);
	return s;
}

static void set_now(struct sched *s, const struct sched_event *ev)
{
	if (ev->now_ns >= s->now_ns) {
		s->now_ns = ev->now_ns;
	} else {
		s->stats.clock_back++;
	}
}

static void check_after(struct sched *s, const struct sched_event *ev)
{
	enum sched_violation v = sched_check_touched(s, ev);

	if (v != SCHED_OK) {
		s->stats.violations++;
		s->stats.last_violation = (uint32_t)v;
		sched_emit(s, SCHED_ACT_REPORT, SCHED_REASON_VIOLATION)->a = (uint64_t)v;
	}
}

int sched_handle(struct sched *s, const struct sched_event *ev, struct sched_out *out)
{
	int r;

	out->n = 0;
	r = sched_check_event(s, ev);
	if (r < 0) {
		s->stats.refused++;
		return r;
	}
	set_now(s, ev);
	s->stats.events++;
	s->out = out;
	if (s->cfg.checks) {
		sched_check_window(s);
	}
	sched_apply_event(s, ev);
	if (s->cfg.checks) {
		check_after(s, ev);
	}
	if (s->cfg.limits.ring) {
		sched_ring_put(s, ev);
	}
	s->out = NULL;
	return 0;
}

ns_t sched_next_timer(const struct sched *s)
{
	ns_t next_ns = sched_vm_next_timer(s);

	if (s->timer_first_ns < next_ns) {
		next_ns = s->timer_first_ns;
	}
	if (s->policy_at_ns < next_ns) {
		next_ns = s->policy_at_ns;
	}
	return s->has_more || s->ban_head != SCHED_NONE ? s->now_ns : next_ns;
}

ns_t sched_now(const struct sched *s)
{
	return s->now_ns;
}

void sched_checks_set(struct sched *s, bool on)
{
	s->cfg.checks = on;
	s->open_ns = s->now_ns;
	sched_check_begin(s);
}
