/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scheduler's promises, one by one: lock word, slices, aging, blocking, exclusive cores, quotas, ladder, roles, ring. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "sched/roles.h"
#include "sched/sched.h"

#define MS NS_PER_MS

static struct sched_config cfg;
static struct sched *s;
static struct sched_out out;
static _Alignas(64) unsigned char mem[1 << 20];
static _Alignas(64) unsigned char mem2[1 << 20];
static ns_t now;

static struct sched_event event(enum sched_event_type type)
{
	return (struct sched_event){
		.type = (uint8_t)type, .core = SCHED_CORE_NONE, .gen = 1, .now_ns = now
	};
}

static int send(struct sched_event ev)
{
	return sched_handle(s, &ev, &out);
}

static void begin(uint32_t cores)
{
	struct sched_event ev;

	now = 0;
	sched_config_defaults(&cfg);
	cfg.limits.cores = cfg.cores_online = cores;
	cfg.limits.vms = cfg.limits.vcpus = 64;
	cfg.limits.ring = 256;
	cfg.checks = true;
	CHECK(sched_size(&cfg) <= sizeof(mem));
	s = sched_init(mem, &cfg);
	for (uint32_t i = 0; i < 2; i++) {
		ev = event(SCHED_EV_USER_ADD);
		ev.user = i;
		ev.quota = (struct sched_quota){ .vcpus = 40, .excl = 1, .slice_sum_ns = NS_PER_S };
		CHECK_INT(send(ev), 0);
	}
}

static void add_vm(uint32_t vm, uint32_t user, uint8_t prio, ns_t slice_ns)
{
	struct sched_event ev = event(SCHED_EV_VM_ADD);

	ev.vm = vm;
	ev.user = user;
	ev.prio = prio;
	ev.slice_ns = slice_ns;
	CHECK_INT(send(ev), 0);
	ev = event(SCHED_EV_VCPU_ADD);
	ev.vm = ev.vcpu = vm;
	CHECK_INT(send(ev), 0);
}

static int vm_event(enum sched_event_type type, uint32_t vm)
{
	struct sched_event ev = event(type);

	ev.vm = ev.vcpu = vm;
	return send(ev);
}

static void start_vm(uint32_t vm, uint32_t user, uint8_t prio)
{
	add_vm(vm, user, prio, 10 * MS);
	CHECK_INT(vm_event(SCHED_EV_VM_START, vm), 0);
}

static const struct sched_action *action(enum sched_action_type type)
{
	for (uint32_t i = 0; i < out.n; i++) {
		if (out.action[i].type == type) {
			return &out.action[i];
		}
	}
	return NULL;
}

static uint64_t epoch_of[64];

static void note_epochs(void)
{
	for (uint32_t i = 0; i < out.n; i++) {
		if (out.action[i].type == SCHED_ACT_GRANT ||
		    out.action[i].type == SCHED_ACT_PREWAKE) {
			epoch_of[out.action[i].vcpu] = out.action[i].epoch;
		}
	}
}

/* VM 0 has the only core, VM 1 waits for it. */
static void begin_two(void)
{
	begin(1);
	start_vm(0, 0, 3);
	note_epochs();
	start_vm(1, 0, 3);
}

static int stop(uint32_t vcpu, enum sched_why why, ns_t cpu_ns, ns_t stolen_ns)
{
	struct sched_event ev = event(SCHED_EV_STOPPED);
	struct sched_vcpu_info info;

	CHECK_INT(sched_vcpu_get(s, vcpu, now, &info), 0);
	ev.vcpu = vcpu;
	ev.core = info.core;
	ev.epoch = epoch_of[vcpu];
	ev.why = (uint8_t)why;
	ev.cpu_ns = cpu_ns;
	ev.stolen_ns = stolen_ns;
	return send(ev);
}

static void tick_to(ns_t t)
{
	now = t;
	CHECK_INT(send(event(SCHED_EV_TICK)), 0);
	note_epochs();
}

static enum sched_vcpu_state state_of(uint32_t vcpu)
{
	struct sched_vcpu_info info = { 0 };

	CHECK_INT(sched_vcpu_get(s, vcpu, now, &info), 0);
	return info.state;
}

static void lock_word(void)
{
	struct sched_lock l;
	uint64_t w = SCHED_LOCK_FREE;

	CHECK_INT(sched_lock_promise(w, 1, &w), -EINVAL);
	CHECK_INT(sched_lock_take(w, 5, false, 7, &w), 0);
	CHECK_INT(sched_lock_take(w, 6, false, 8, &w), -EBUSY);
	CHECK_INT(sched_lock_promise(w, 5, &w), -EINVAL);
	CHECK_INT(sched_lock_promise(w, 0, &w), 0);
	CHECK_INT(sched_lock_promise(w, 1, &w), -EBUSY);
	CHECK_INT(sched_lock_renew(w, true, 9, &w), -EINVAL);
	l = sched_lock_unpack(w);
	CHECK_INT(l.owner, 5);
	CHECK_INT(l.successor, 0);
	CHECK_INT(l.epoch, 7);
	CHECK_INT(sched_lock_pass(w, 1ULL << 23 | 3, &w), 0);
	l = sched_lock_unpack(w);
	CHECK_INT(l.owner, 0);
	CHECK(l.successor == SCHED_NONE);
	CHECK_INT(l.epoch, 3);
	CHECK_INT(sched_lock_renew(w, true, 4, &w), 0);
	CHECK_INT(sched_lock_promise(w, 1, &w), -EINVAL);
	CHECK_INT(sched_lock_pass(w, 0, &w), 0);
	CHECK(!sched_lock_unpack(w).exclusive && sched_lock_unpack(w).owner == SCHED_NONE);
	CHECK_INT(sched_lock_pass(w, 0, &w), -EINVAL);
	CHECK_INT(sched_lock_take(w, SCHED_LOCK_VCPUS_MAX, false, 0, &w), -ERANGE);
}

static void slices_rotate(void)
{
	begin_two();
	start_vm(2, 0, 3);
	CHECK_INT(state_of(0), SCHED_VCPU_RUNNING);
	tick_to(10 * MS - cfg.prewake_lead_ns);
	CHECK(action(SCHED_ACT_PREWAKE) && action(SCHED_ACT_PREWAKE)->vcpu == 1);
	now = 10 * MS;
	CHECK_INT(stop(0, SCHED_WHY_SLICE, 10 * MS, 0), 0);
	CHECK(action(SCHED_ACT_GRANT) && action(SCHED_ACT_GRANT)->vcpu == 1);
	CHECK_INT(action(SCHED_ACT_GRANT)->reason, SCHED_REASON_HANDOFF);
	CHECK_INT(action(SCHED_ACT_GRANT)->b, 20 * MS);
	CHECK_INT(stop(0, SCHED_WHY_SLICE, 10 * MS, 0), -EALREADY);
}

/* VMs with slices of a millisecond, the first of which has had one. */
static void rotate_short(uint32_t cores, uint32_t vms)
{
	begin(cores);
	for (uint32_t i = 0; i < vms; i++) {
		add_vm(i, 0, 3, MS);
		CHECK_INT(vm_event(SCHED_EV_VM_START, i), 0);
		note_epochs();
	}
	tick_to(MS - cfg.prewake_lead_ns);
	CHECK_INT(action(SCHED_ACT_PREWAKE)->vcpu, cores);
	now = MS;
	CHECK_INT(stop(0, SCHED_WHY_SLICE, MS, 0), 0);
	CHECK_INT(action(SCHED_ACT_GRANT)->vcpu, cores);
}

static void short_slices_name_at_once(void)
{
	rotate_short(1, 3);
	CHECK_INT(sched_next_timer(s), now);
	tick_to(now);
	CHECK(action(SCHED_ACT_PREWAKE) && action(SCHED_ACT_PREWAKE)->vcpu == 2);
	CHECK_INT(action(SCHED_ACT_PREWAKE)->b, 3 * MS);
	/* The one that waits may be wanted on the other core sooner. */
	rotate_short(2, 3);
	CHECK(sched_next_timer(s) > now);
}

static void stale_park_is_refused(void)
{
	begin(1);
	start_vm(0, 0, 3);
	note_epochs();
	tick_to(10 * MS -
		cfg.prewake_lead_ns); /* alone: it gets another slice, under a new epoch */
	CHECK_INT(action(SCHED_ACT_GRANT)->reason, SCHED_REASON_ALONE);
	epoch_of[0]--;
	CHECK_INT(stop(0, SCHED_WHY_SLICE, 10 * MS, 0), -ESTALE);
	CHECK_INT(state_of(0), SCHED_VCPU_RUNNING);
}

/* The answer to SAMPLE about vCPU 0. */
static void sampled(ns_t cpu_ns, ns_t stolen_ns)
{
	struct sched_event ev = event(SCHED_EV_SAMPLE);

	ev.vcpu = 0;
	ev.core = 0;
	ev.epoch = epoch_of[0];
	ev.cpu_ns = cpu_ns;
	ev.stolen_ns = stolen_ns;
	CHECK_INT(send(ev), 0);
}

static void robbed_gets_the_rest(void)
{
	begin_two();
	tick_to(10 * MS - cfg.prewake_lead_ns);
	tick_to(10 * MS + cfg.ladder.grace_ns);
	CHECK(action(SCHED_ACT_SAMPLE));
	sampled(7 * MS, 3 * MS);
	CHECK_INT(action(SCHED_ACT_GRANT)->reason, SCHED_REASON_ROBBED);
	CHECK_INT(action(SCHED_ACT_GRANT)->b, 13 * MS);
	CHECK_INT(action(SCHED_ACT_GRANT)->epoch, epoch_of[0]);
}

/* What it took too much is worked off in half slices, however much it was; then it gets whole ones again. */
static void overrun_is_paid_in_full(void)
{
	static const uint64_t budgets_ms[] = { 5, 5, 8, 10 };

	begin_two();
	tick_to(10 * MS - cfg.prewake_lead_ns);
	now = 22 * MS;
	CHECK_INT(stop(0, SCHED_WHY_SLICE, 22 * MS, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(budgets_ms); i++) {
		note_epochs();
		tick_to(now + 10 * MS - cfg.prewake_lead_ns);
		now += cfg.prewake_lead_ns;
		CHECK_INT(stop(1, SCHED_WHY_SLICE, 10 * MS, 0), 0);
		CHECK_INT(action(SCHED_ACT_GRANT)->vcpu, 0);
		CHECK_INT(action(SCHED_ACT_GRANT)->a, budgets_ms[i] * MS);
		note_epochs();
		tick_to(now + budgets_ms[i] * MS - cfg.prewake_lead_ns);
		now += cfg.prewake_lead_ns;
		CHECK_INT(stop(0, SCHED_WHY_SLICE, budgets_ms[i] * MS, 0), 0);
	}
}

/* A clock that jumps is no reason to keep somebody down forever. */
static void debt_is_bounded(void)
{
	begin_two();
	tick_to(10 * MS - cfg.prewake_lead_ns);
	now = 10000 * MS;
	CHECK_INT(stop(0, SCHED_WHY_SLICE, 10000 * MS, 0), 0);
	for (int i = 0; i < 16; i++) {
		note_epochs();
		now += 10 * MS;
		CHECK_INT(stop(1, SCHED_WHY_SLICE, 10 * MS, 0), 0);
		note_epochs();
		CHECK_INT(action(SCHED_ACT_GRANT)->a, 5 * MS);
		now += 5 * MS;
		CHECK_INT(stop(0, SCHED_WHY_SLICE, 5 * MS, 0), 0);
	}
	note_epochs();
	now += 10 * MS;
	CHECK_INT(stop(1, SCHED_WHY_SLICE, 10 * MS, 0), 0);
	CHECK_INT(action(SCHED_ACT_GRANT)->a, 10 * MS);
}

static void urgent_first_but_aging_helps(void)
{
	begin(1);
	start_vm(0, 0, 3);
	note_epochs();
	start_vm(1, 0, 0);
	start_vm(2, 0, 7);
	tick_to(10 * MS - cfg.prewake_lead_ns);
	CHECK_INT(action(SCHED_ACT_PREWAKE)->vcpu, 2);
	/* Seven levels up take seven steps; by then the low one is before a top one that comes now. */
	now = 10 * MS;
	CHECK_INT(stop(0, SCHED_WHY_BLOCKED, 10 * MS, 0), 0);
	note_epochs();
	now = 8 * cfg.aging_step_ns;
	start_vm(3, 0, 7);
	CHECK_INT(stop(2, SCHED_WHY_SLICE, 10 * MS, 0), 0);
	CHECK_INT(action(SCHED_ACT_GRANT)->vcpu, 1);
}

static ns_t waited_ns(uint32_t vcpu, ns_t *ret_now)
{
	struct sched_vcpu_info info = { 0 };

	CHECK_INT(sched_vcpu_get(s, vcpu, now, &info), 0);
	*ret_now = info.waiting_ns;
	return info.wait_ns;
}

/* Also what is not over yet, and what ends without a grant. */
static void waiting_is_counted(void)
{
	ns_t waiting_ns;

	begin_two();
	now += 3 * MS; /* no event since */
	CHECK_INT(waited_ns(1, &waiting_ns), 3 * MS);
	CHECK_INT(waiting_ns, 3 * MS);
	CHECK_INT(waited_ns(0, &waiting_ns), 0);
	CHECK_INT(vm_event(SCHED_EV_VM_PAUSE, 1), 0);
	now += 4 * MS;
	CHECK_INT(waited_ns(1, &waiting_ns), 3 * MS);
	CHECK_INT(waiting_ns, 0);
	CHECK_INT(vm_event(SCHED_EV_VM_RESUME, 1), 0);
	tick_to(10 * MS - cfg.prewake_lead_ns);
	CHECK_INT(state_of(1), SCHED_VCPU_NEXT);
	CHECK_INT(waited_ns(1, &waiting_ns), 6 * MS - cfg.prewake_lead_ns);
	CHECK_INT(vm_event(SCHED_EV_VM_DIED, 1), 0);
	CHECK_INT(waited_ns(1, &waiting_ns), 6 * MS - cfg.prewake_lead_ns);
	/* For a core of its own that another one holds. */
	begin(2);
	for (uint32_t i = 0; i < 3; i++) {
		start_vm(i, 0, 3);
		note_epochs();
	}
	now += 5 * MS;
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 2), 0);
	CHECK_INT(state_of(2), SCHED_VCPU_PINNED);
	now += MS;
	CHECK_INT(waited_ns(2, &waiting_ns), 6 * MS);
	CHECK_INT(vm_event(SCHED_EV_VM_KILL, 2), 0);
	CHECK_INT(waited_ns(2, &waiting_ns), 6 * MS);
	CHECK_INT(waiting_ns, 0);
}

/* It has waited at the level that it had; the bound of the new one is for what comes. */
static void a_raised_successor_waits_anew(void)
{
	struct sched_stats stats;
	struct sched_event ev;

	begin(1);
	start_vm(0, 0, 7);
	note_epochs();
	start_vm(1, 0, 0);
	for (uint32_t i = 2; i < 7; i++) {
		now += 9 * MS;
		start_vm(i, 0, 7);
		tick_to(now + MS - cfg.prewake_lead_ns);
		now += cfg.prewake_lead_ns;
		CHECK_INT(stop(i == 2 ? 0 : i - 1, SCHED_WHY_BLOCKED, 10 * MS, 0), 0);
	}
	tick_to(now + 10 * MS - cfg.prewake_lead_ns);
	CHECK_INT(state_of(1), SCHED_VCPU_NEXT);
	ev = event(SCHED_EV_VM_UPDATE);
	ev.vm = 1;
	ev.mask = SCHED_UPDATE_PRIO;
	ev.prio = 7;
	CHECK_INT(send(ev), 0);
	now += cfg.prewake_lead_ns;
	CHECK_INT(stop(6, SCHED_WHY_BLOCKED, 10 * MS, 0), 0);
	CHECK_INT(state_of(1), SCHED_VCPU_RUNNING);
	sched_stats_get(s, &stats);
	CHECK_INT(stats.violations, 0);
}

static void wake_before_block_is_not_lost(void)
{
	begin(1);
	start_vm(0, 0, 3);
	note_epochs();
	now = MS;
	CHECK_INT(vm_event(SCHED_EV_WOKEN, 0), 0);
	CHECK_INT(stop(0, SCHED_WHY_BLOCKED, MS, 0), 0);
	CHECK_INT(state_of(0), SCHED_VCPU_RUNNING); /* again, at once */
	note_epochs();
	CHECK_INT(stop(0, SCHED_WHY_BLOCKED, MS, 0), 0);
	CHECK_INT(state_of(0), SCHED_VCPU_BLOCKED);
	CHECK_INT(vm_event(SCHED_EV_WOKEN, 0), 0);
	CHECK_INT(state_of(0), SCHED_VCPU_RUNNING);
}

static bool is_accused(void)
{
	return action(SCHED_ACT_SAMPLE) && action(SCHED_ACT_SAMPLE)->reason == SCHED_REASON_HUNG;
}

static void ladder_ends_in_the_fault_queue(void)
{
	begin_two();
	tick_to(sched_next_timer(s));
	tick_to(sched_next_timer(s));
	CHECK(action(SCHED_ACT_SAMPLE));
	tick_to(sched_next_timer(s));
	CHECK(action(SCHED_ACT_REVOKE));
	tick_to(sched_next_timer(s));
	CHECK(action(SCHED_ACT_SIGNAL));
	tick_to(sched_next_timer(s));
	CHECK(is_accused() && !action(SCHED_ACT_FREEZE));
	tick_to(sched_next_timer(s)); /* nobody answers for it */
	CHECK(action(SCHED_ACT_FREEZE));
	CHECK_INT(state_of(0), SCHED_VCPU_RUNNING); /* no timer frees a lock */
	CHECK_INT(vm_event(SCHED_EV_VM_FROZEN, 0), 0);
	CHECK(action(SCHED_ACT_FAULT) && action(SCHED_ACT_FAULT)->reason == SCHED_REASON_HUNG);
	CHECK_INT(state_of(0), SCHED_VCPU_FAULTED);
	CHECK_INT(state_of(1), SCHED_VCPU_RUNNING);
}

/* Who the host keeps off its core can't obey a signal: what counts is the time that it had since then. */
static void kept_off_is_not_hung(void)
{
	ns_t signaled_ns, robbed_ns = 0;

	begin_two();
	for (int i = 0; i < 4; i++) {
		tick_to(sched_next_timer(s));
	}
	CHECK(action(SCHED_ACT_SIGNAL));
	signaled_ns = now;
	for (int i = 0; i < 3; i++) {
		tick_to(sched_next_timer(s));
		CHECK(is_accused());
		robbed_ns = now - signaled_ns;
		sampled(0, robbed_ns + MS); /* it waited before the signal, too */
		CHECK(!action(SCHED_ACT_FREEZE));
		CHECK_INT(sched_next_timer(s), now + cfg.ladder.signal_ns);
	}
	tick_to(sched_next_timer(s));
	CHECK(is_accused());
	sampled(0, robbed_ns);
	CHECK(action(SCHED_ACT_FREEZE) && action(SCHED_ACT_FREEZE)->reason == SCHED_REASON_HUNG);
}

/* It had a little of its time: it has the rest before it is looked at again. */
static void little_time_is_counted(void)
{
	begin_two();
	for (int i = 0; i < 5; i++) {
		tick_to(sched_next_timer(s));
	}
	CHECK(is_accused());
	sampled(0, cfg.ladder.signal_ns * 3 / 4);
	CHECK(!action(SCHED_ACT_FREEZE));
	CHECK_INT(sched_next_timer(s), now + cfg.ladder.signal_ns * 3 / 4);
	tick_to(sched_next_timer(s));
	CHECK(is_accused());
	sampled(0, cfg.ladder.signal_ns * 3 / 4);
	CHECK(action(SCHED_ACT_FREEZE));
}

/* Who shared a core that is to be exclusive is signalled at the quick pace, and condemned at the normal one. */
static void a_sharer_is_asked_quickly_and_condemned_slowly(void)
{
	ns_t from;

	begin(2);
	for (uint32_t i = 0; i < 3; i++) {
		start_vm(i, 0, 3);
		note_epochs();
	}
	from = now;
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 2), 0);
	CHECK(action(SCHED_ACT_REVOKE));
	tick_to(sched_next_timer(s));
	CHECK(action(SCHED_ACT_SIGNAL));
	CHECK_INT(now - from, cfg.fast.revoke_ns);
	tick_to(sched_next_timer(s));
	CHECK(is_accused());
	CHECK_INT(now - from, cfg.fast.revoke_ns + cfg.ladder.signal_ns);
	sampled(0, 0);
	CHECK(action(SCHED_ACT_FREEZE));
}

static void unconfirmed_freeze_kills(void)
{
	begin_two();
	for (int i = 0; i < 6; i++) {
		tick_to(sched_next_timer(s));
	}
	tick_to(sched_next_timer(s));
	CHECK(action(SCHED_ACT_KILL));
	tick_to(sched_next_timer(s));
	CHECK(action(SCHED_ACT_AUDIT) && action(SCHED_ACT_REPORT));
	CHECK_INT(state_of(1), SCHED_VCPU_NEXT);
	CHECK_INT(vm_event(SCHED_EV_VM_DIED, 0), 0);
	CHECK_INT(state_of(1), SCHED_VCPU_RUNNING);
	CHECK_INT(vm_event(SCHED_EV_VM_DIED, 0), -EALREADY);
}

static void exclusive_cap_quota_release(void)
{
	begin(4);
	for (uint32_t i = 0; i < 6; i++) {
		start_vm(i, i % 2, 3);
		note_epochs();
	}
	CHECK_INT(sched_exclusive_cap(s), 2);
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 0), 0);
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 0), -EALREADY);
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 2), -EDQUOT);
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 1), 0);
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 3), -EDQUOT);
	CHECK_INT(vm_event(SCHED_EV_EXCL_RELEASE, 1), 0);
	CHECK_INT(vm_event(SCHED_EV_EXCL_RELEASE, 1), -EALREADY);
	CHECK_INT(sched_check_full(s), SCHED_OK);
}

static void exclusive_share_is_lowered(void)
{
	struct sched_stats st;

	begin(2);
	cfg.excl_wait_ns = 50 * MS;
	cfg.excl_period_ns = 100 * MS;
	s = sched_init(mem, &cfg);
	CHECK_INT(send((struct sched_event){ .type = SCHED_EV_USER_ADD,
					     .quota = { 40, 1, NS_PER_S } }),
		  0);
	start_vm(0, 0, 3);
	note_epochs();
	CHECK_INT(vm_event(SCHED_EV_EXCL_REQUEST, 0), 0);
	for (uint32_t i = 1; i < 10; i++) {
		start_vm(i, 0, 3);
	}
	tick_to(110 * MS);
	sched_stats_get(s, &st);
	CHECK_INT(st.cap_lowered, 1);
	CHECK_INT(st.excl_reclaimed, 1);
	CHECK_INT(sched_exclusive_cap(s), 0);
}

static void quotas_and_bans(void)
{
	struct sched_event ev;

	begin(1);
	ev = event(SCHED_EV_USER_QUOTA);
	ev.user = 0;
	ev.quota = (struct sched_quota){ .vcpus = 1, .excl = 0, .slice_sum_ns = 15 * MS };
	CHECK_INT(send(ev), 0);
	start_vm(0, 0, 3);
	add_vm(1, 0, 3, 10 * MS);
	CHECK_INT(vm_event(SCHED_EV_VM_START, 1), -EDQUOT);
	ev.quota.vcpus = 9;
	CHECK_INT(send(ev), 0);
	CHECK_INT(vm_event(SCHED_EV_VM_START, 1),
		  -EDQUOT); /* two slices of 10 ms are more than 15 */
	ev = event(SCHED_EV_USER_BAN);
	ev.user = 0;
	CHECK_INT(send(ev), 0);
	CHECK(action(SCHED_ACT_KILL));
	CHECK_INT(sched_next_timer(s), now);
	CHECK_INT(send(event(SCHED_EV_TICK)), 0);
	CHECK(action(SCHED_ACT_KILL));
	ev = event(SCHED_EV_VM_ADD);
	ev.vm = 2;
	ev.prio = 3;
	ev.slice_ns = 10 * MS;
	CHECK_INT(send(ev), -EPERM);
}

static void refused_changes_nothing(void)
{
	struct sched_event ev = event(SCHED_EV_VM_ADD);

	begin(2);
	start_vm(0, 0, 3);
	memcpy(mem2, mem, sizeof(mem));
	ev.vm = 64;
	CHECK_INT(send(ev), -ERANGE);
	ev.vm = 1;
	ev.user = 9;
	CHECK_INT(send(ev), -ENOENT);
	ev.user = 0;
	ev.prio = SCHED_LEVELS;
	ev.slice_ns = 10 * MS;
	CHECK_INT(send(ev), -EINVAL);
	ev.prio = 0;
	ev.slice_ns = SCHED_SLICE_MAX_NS + 1;
	CHECK_INT(send(ev), -EINVAL);
	ev.type = SCHED_EV_COUNT;
	CHECK_INT(send(ev), -EINVAL);
	CHECK_INT(out.n, 0);
	/* but for the counter of refusals: take it once more on the copy */
	for (int i = 0; i < 5; i++) {
		CHECK(sched_handle((struct sched *)(void *)mem2, &ev, &out) < 0);
	}
	CHECK(memcmp(mem, mem2, sched_size(&cfg)) == 0);
}

static void decisions_replay(void)
{
	struct sched_record rec;
	uint64_t first;
	int n = 0;

	begin(2);
	for (uint32_t i = 0; i < 5; i++) {
		start_vm(i, 0, 3);
	}
	memcpy(mem2, mem, sizeof(mem));
	first = sched_ring_next(s);
	for (int i = 0; i < 40; i++) {
		tick_to(sched_next_timer(s));
	}
	for (uint64_t i = first; sched_ring_get(s, i, &rec) == 0; i++) {
		CHECK_INT(sched_replay((struct sched *)(void *)mem2, &rec), 0);
		n++;
	}
	CHECK_INT(n, 40);
	CHECK(memcmp(mem, mem2, sched_size(&cfg)) == 0);
	rec.out_hash++;
	CHECK_INT(sched_replay((struct sched *)(void *)mem2, &rec), -EILSEQ);
}

/* VM 0 runs on when the daemon comes back, and is being frozen. */
static void adopt_a_runner(void)
{
	struct sched_lock l = { .owner = 0, .successor = SCHED_NONE, .epoch = 77 };
	struct sched_event ev = event(SCHED_EV_DISPATCH);

	begin(1);
	CHECK_INT(send(ev), 0);
	start_vm(0, 0, 3);
	start_vm(1, 0, 3);
	CHECK_INT(out.n, 0);
	ev = event(SCHED_EV_ADOPT);
	ev.core = 0;
	ev.arg = sched_lock_pack(&l);
	CHECK_INT(send(ev), 0);
	CHECK(action(SCHED_ACT_SAMPLE));
	ev = event(SCHED_EV_SAMPLE);
	ev.core = 0;
	CHECK_INT(send(ev), 0);
	CHECK(action(SCHED_ACT_FREEZE) && action(SCHED_ACT_FREEZE)->reason == SCHED_REASON_ADOPTED);
}

static void adoption_freezes_who_runs(void)
{
	struct sched_event ev;

	adopt_a_runner();
	CHECK_INT(vm_event(SCHED_EV_VM_FROZEN, 0), 0);
	CHECK(!action(SCHED_ACT_GRANT));
	ev = event(SCHED_EV_DISPATCH);
	ev.arg = 1;
	CHECK_INT(send(ev), 0);
	CHECK_INT(action(SCHED_ACT_GRANT)->vcpu, 1);
	note_epochs();
	CHECK_INT(stop(1, SCHED_WHY_BLOCKED, MS, 0), 0);
	CHECK(action(SCHED_ACT_THAW) && action(SCHED_ACT_GRANT)->vcpu == 0);
}

static void who_ends_while_adopted_does_not_come_back(void)
{
	struct sched_vm_info info;

	adopt_a_runner();
	CHECK_INT(vm_event(SCHED_EV_VM_DIED, 0), 0);
	CHECK_INT(vm_event(SCHED_EV_VM_PAUSE, 0), -EALREADY);
	CHECK_INT(sched_vm_get(s, 0, &info), 0);
	CHECK_INT(info.state, SCHED_VM_DEAD);
	adopt_a_runner();
	CHECK_INT(stop(0, SCHED_WHY_FAULT, MS, 0), 0);
	CHECK_INT(vm_event(SCHED_EV_VM_FROZEN, 0), 0);
	CHECK_INT(sched_vm_get(s, 0, &info), 0);
	CHECK_INT(info.state, SCHED_VM_FAULTED);
}

/* An exclusive owner of before runs on; released, it shares its core like any other. */
static void an_adopted_exclusive_core_can_be_released(void)
{
	struct sched_lock l = { .owner = SCHED_NONE, .successor = SCHED_NONE, .exclusive = true };
	struct sched_event ev = event(SCHED_EV_DISPATCH);

	begin(2);
	CHECK_INT(send(ev), 0);
	start_vm(0, 0, 3);
	start_vm(1, 0, 3);
	start_vm(2, 0, 3);
	start_vm(3, 0, 3);
	ev = event(SCHED_EV_ADOPT);
	ev.core = 0;
	ev.arg = sched_lock_pack(&l);
	CHECK_INT(send(ev), -EINVAL); /* exclusive, and nobody's */
	l = (struct sched_lock){
		.owner = 0, .successor = SCHED_NONE, .epoch = 7, .exclusive = true
	};
	ev.arg = sched_lock_pack(&l);
	CHECK_INT(send(ev), 0);
	CHECK_INT(out.n, 0);
	ev = event(SCHED_EV_DISPATCH);
	ev.arg = 1;
	CHECK_INT(send(ev), 0);
	ev = event(SCHED_EV_EXCL_RELEASE);
	CHECK_INT(send(ev), 0);
	CHECK(action(SCHED_ACT_GRANT) && action(SCHED_ACT_GRANT)->vcpu == 0);
	note_epochs();
	/* Others wait and it does not park: revoked, as anybody; not frozen as a stranger. */
	for (int i = 0; i < 20 && !action(SCHED_ACT_FREEZE) && !action(SCHED_ACT_REVOKE); i++) {
		now = sched_next_timer(s);
		CHECK_INT(send(event(SCHED_EV_TICK)), 0);
	}
	CHECK(action(SCHED_ACT_REVOKE) && !action(SCHED_ACT_FREEZE));
}

static void roles_fold(void)
{
	static struct sched_topology t;
	static struct sched_roles r;

	CHECK_INT(sched_roles_fold(&t, &r), -ENODEV);
	for (uint32_t n = 1; n <= 8; n++) {
		t.n_cores = n;
		t.cores[n - 1] = (struct sched_host_core){ true, true, (uint16_t)(n - 1) };
		CHECK_INT(sched_roles_fold(&t, &r), 0);
		CHECK_INT(r.control, 0);
		CHECK_INT(r.housekeeping, n >= 3);
		CHECK_INT(r.n_pool, n >= 3 ? n - 2 : 1);
		CHECK_INT(r.pool[0], n >= 3 ? 2 : n - 1);
		CHECK_INT(r.guests_lowest, n == 1);
		CHECK_INT(r.is_folded, n < 4);
	}
	CHECK_INT(r.n_smt_shared, 0);
	CHECK_INT(r.rank[0], 0);
	t.cores[0].is_allowed = t.cores[2].is_online = false;
	CHECK_INT(sched_roles_fold(&t, &r), 0);
	CHECK_INT(r.control, 1);
	CHECK_INT(r.housekeeping, 3);
	CHECK_INT(r.pool[0], 4);
	CHECK_INT(sched_roles_of(&r, 3), SCHED_ROLE_HOUSEKEEPING);
	CHECK_INT(sched_roles_of(&r, 0), SCHED_ROLE_NONE);
	CHECK_INT(sched_roles_exclusive_cap(5), 2);
	t.n_cores = SCHED_HOST_CORES_MAX + 1;
	CHECK_INT(sched_roles_fold(&t, &r), -EINVAL);
}

/* Eight threads of four physical cores, as most hosts number them: thread n and n + 4 are siblings. */
static void roles_of_siblings(void)
{
	static struct sched_topology t = { .n_cores = 8 };
	static struct sched_roles r;

	for (uint32_t i = 0; i < 8; i++) {
		t.cores[i] = (struct sched_host_core){ true, true, (uint16_t)(i % 4) };
	}
	CHECK_INT(sched_roles_fold(&t, &r), 0);
	CHECK_INT(r.control, 0);
	CHECK_INT(r.housekeeping, 4);
	CHECK_INT(r.n_pool, 6);
	CHECK_INT(r.n_smt_shared, 0);
	CHECK_INT(r.pool[0], 1);
	CHECK_INT(r.pool[3], 5);
	CHECK_INT(r.rank[0], 1);
	t.cores[4].is_allowed = false;
	CHECK_INT(sched_roles_fold(&t, &r), 0);
	CHECK_INT(r.housekeeping, 1);
	CHECK_INT(r.n_smt_shared, 1); /* thread 5 */
	t.cores[2].is_allowed = t.cores[3].is_allowed = t.cores[6].is_allowed = false;
	t.cores[7].is_allowed = t.cores[5].is_allowed = false;
	t.cores[4].is_allowed = true;
	CHECK_INT(sched_roles_fold(&t, &r), 0); /* 0, 1, 4 */
	CHECK_INT(r.housekeeping, 4);
	CHECK_INT(r.n_pool, 1);
	CHECK_INT(r.pool[0], 1);
	t.cores[1].is_allowed = false;
	CHECK_INT(sched_roles_fold(&t, &r), 0); /* 0 and 4: as good as one */
	CHECK_INT(r.housekeeping, 0);
	CHECK_INT(r.pool[0], 4);
	CHECK_INT(r.n_smt_shared, 1);
}

static void bound_formula(void)
{
	begin(1);
	CHECK_INT(sched_bound_ns(&cfg, 7, 2, 10 * MS, 0, 4 * MS), 40 * MS + 10 * MS + 2 * MS + MS);
	CHECK_INT(sched_bound_ns(&cfg, 0, 1, 10 * MS, 2, 0), 10 * MS + 2 * cfg.aging_step_ns + MS);
	CHECK(sched_bound_ns(&cfg, 1, 0, 10 * MS, 0, 0) == SCHED_NEVER);
}

static const struct test_case cases[] = {
	{ "lock word", lock_word },
	{ "slices rotate", slices_rotate },
	{ "short slices name their successor at once", short_slices_name_at_once },
	{ "stale park is refused", stale_park_is_refused },
	{ "robbed gets the rest", robbed_gets_the_rest },
	{ "overrun is paid in full", overrun_is_paid_in_full },
	{ "debt is bounded", debt_is_bounded },
	{ "waiting is counted", waiting_is_counted },
	{ "urgent first, but aging helps", urgent_first_but_aging_helps },
	{ "a raised successor waits anew", a_raised_successor_waits_anew },
	{ "wake before block is not lost", wake_before_block_is_not_lost },
	{ "ladder ends in the fault queue", ladder_ends_in_the_fault_queue },
	{ "kept off its core is not hung", kept_off_is_not_hung },
	{ "little time is counted", little_time_is_counted },
	{ "a sharer is asked quickly and condemned slowly",
	  a_sharer_is_asked_quickly_and_condemned_slowly },
	{ "unconfirmed freeze kills", unconfirmed_freeze_kills },
	{ "exclusive: cap, quota, release", exclusive_cap_quota_release },
	{ "exclusive share is lowered", exclusive_share_is_lowered },
	{ "quotas and bans", quotas_and_bans },
	{ "refused changes nothing", refused_changes_nothing },
	{ "decisions replay", decisions_replay },
	{ "adoption freezes who runs", adoption_freezes_who_runs },
	{ "who ends while adopted does not come back", who_ends_while_adopted_does_not_come_back },
	{ "an adopted exclusive core can be released", an_adopted_exclusive_core_can_be_released },
	{ "roles fold", roles_fold },
	{ "roles of siblings", roles_of_siblings },
	{ "bound formula", bound_formula },
};

TEST_MAIN(cases)
