/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dispatcher with fake VMs that behave: they rotate in equal slices and never overlap, block and
 * wake, are paused, killed, pinned and changed; sleeping ones cost nothing.
 * Usage: test_dispatch FAKE-VM
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "fake_vm_rig.h"
#include "host/timer.h"
#include "test.h"

static const char *program;
static struct rig rig;

static void rotate(uint32_t n, ns_t slice_ns, ns_t run_ns)
{
	struct rig_turns least = { .n = UINT64_MAX, .cpu_ns = SCHED_NEVER };
	struct rig_turns most = { 0 };
	ns_t from_ns;
	ns_t to_ns;
	ns_t lost_ns;
	ns_t sum_ns = 0;

	rig_begin(&rig, program, n, slice_ns);
	rig_mode_all(&rig, FAKE_GOOD);
	rig_pause(20 * NS_PER_MS);
	from_ns = host_clock_monotonic_ns();
	rig_pause(run_ns);
	to_ns = host_clock_monotonic_ns();
	rig_pause(n * slice_ns * 2);
	for (uint32_t i = 0; i < n; i++) {
		struct rig_turns t = rig_turns(&rig, i, from_ns, to_ns, slice_ns);

		CHECK(t.n > 0 || !rig.is_real_time);
		least.n = t.n < least.n ? t.n : least.n;
		most.n = t.n > most.n ? t.n : most.n;
		least.cpu_ns = t.cpu_ns < least.cpu_ns ? t.cpu_ns : least.cpu_ns;
		most.cpu_ns = t.cpu_ns > most.cpu_ns ? t.cpu_ns : most.cpu_ns;
		most.over_ns += t.over_ns;
		sum_ns += t.cpu_ns;
	}
	/* What the host took: it need not have taken as much from each. */
	lost_ns = most.over_ns + (to_ns - from_ns > sum_ns ? to_ns - from_ns - sum_ns : 0);
	printf("  %u: turns from %" PRIu64 " to %" PRIu64
	       ", CPU from %.3f to %.3f ms of %.0f ms, %.3f ms lost\n",
	       n, least.n, most.n, (double)least.cpu_ns / 1e6, (double)most.cpu_ns / 1e6,
	       (double)(to_ns - from_ns) / 1e6, (double)lost_ns / 1e6);
	/* Whole turns only: one at each end may be missing. */
	if (rig.is_real_time && rig.roles.n_pool == 1) {
		CHECK(most.n - least.n <= 2);
		CHECK(most.cpu_ns - least.cpu_ns <= 2 * slice_ns + run_ns / n / 50 + lost_ns);
		CHECK_INT(rig_overlaps(&rig, 0), 0);
	}
	CHECK(rig_end(&rig));
}

static void two_rotate(void)
{
	rotate(2, 5 * NS_PER_MS, 500 * NS_PER_MS);
}

static void eight_rotate(void)
{
	rotate(8, 2 * NS_PER_MS, 800 * NS_PER_MS);
}

static bool has_five_extensions(const void *arg)
{
	struct dispatch_stats stats;

	(void)arg;
	dispatch_stats_get(rig.d, &stats);
	return stats.sched.extended >= 5;
}

static void one_alone_runs_on(void)
{
	struct dispatch_vm_info info;

	rig_begin(&rig, program, 1, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	CHECK(rig_until(has_five_extensions, NULL));
	CHECK(rig_becomes(&rig, 0, SCHED_VCPU_RUNNING));
	CHECK_INT(dispatch_vm_get(rig.d, 1, &info), -ENOENT);
	CHECK(rig_end(&rig));
}

static bool has_worked_since(const void *arg)
{
	return atomic_load(&rig.fake[1].log->work) > *(const uint64_t *)arg;
}

static void it_blocks_and_wakes(void)
{
	uint64_t before;

	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	rig_mode(&rig, 0, FAKE_GOOD);
	rig_mode(&rig, 1, FAKE_BURSTS);
	for (int i = 0; i < 20; i++) {
		before = atomic_load(&rig.fake[1].log->work);
		rig_wake(&rig, 1);
		CHECK(rig_until(has_worked_since, &before));
		CHECK(rig_becomes(&rig, 1, SCHED_VCPU_BLOCKED));
		rig_pause((ns_t)(i % 4) * 5 * NS_PER_MS);
	}
	CHECK(rig_end(&rig));
}

static void pause_and_resume(void)
{
	struct dispatch_vm_info info;

	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	for (int i = 0; i < 30; i++) {
		CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_PAUSE), 0);
		rig_pause(7 * NS_PER_MS);
		CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
		CHECK_INT(info.vm.state, SCHED_VM_PAUSED);
		CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_RESUME), 0);
		rig_pause(3 * NS_PER_MS);
	}
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_PAUSE), 0);
	CHECK(rig_stands(&rig, 0));
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_RESUME), 0);
	CHECK(rig_executes(&rig, 0));
	CHECK(rig_end(&rig));
}

/* A VM that is paused by its own process while it waits for its turn gives its next grant back. */
static void the_process_pauses_itself(void)
{
	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	for (uint32_t i = 0; i < 50; i++) {
		rig_mode(&rig, 0, FAKE_BLOCKED);
		rig_pause(i % 7 * NS_PER_MS);
		rig_mode(&rig, 0, FAKE_GOOD);
		rig_pause(i % 5 * NS_PER_MS);
	}
	rig_mode(&rig, 0, FAKE_BLOCKED);
	CHECK(rig_becomes(&rig, 0, SCHED_VCPU_BLOCKED));
	rig_mode(&rig, 0, FAKE_GOOD);
	CHECK(rig_executes(&rig, 0));
	CHECK(rig_end(&rig));
}

static void a_killed_one_is_noticed(void)
{
	struct dispatch_notice n;

	rig_begin(&rig, program, 3, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	rig_pause(50 * NS_PER_MS);
	kill(rig.fake[0].pid, SIGKILL);
	CHECK(rig_await(&rig, DISPATCH_DIED, 0, RIG_WAIT_MS, &n));
	CHECK_INT(n.gen, rig.fake[0].gen);
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(dispatch_vm_remove(rig.d, 0, rig.fake[0].gen, NULL, NULL), 0);
	CHECK_INT(rig_event(&rig, 1, SCHED_EV_VM_KILL), 0);
	CHECK(rig_await(&rig, DISPATCH_DIED, 1, RIG_WAIT_MS, &n));
	CHECK(rig_executes(&rig, 2));
	CHECK_INT(rig_event(&rig, 1, SCHED_EV_VM_KILL), -EALREADY);
	CHECK(rig_end(&rig));
}

static void kill_by_dozens(void)
{
	rig_begin(&rig, program, 4, NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	for (uint32_t i = 0; i < 60; i++) {
		uint32_t k = i % 3;

		rig_pause(i * 37 % 5 * 300 * NS_PER_US);
		rig_bury(&rig, k);
		rig.n = k;
		rig_spawn(&rig, 1);
		rig.n = 4;
		CHECK_INT(rig_attach(&rig, k, NS_PER_MS), 0);
		rig_mode(&rig, k, FAKE_GOOD);
	}
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(rig_executes(&rig, i));
	}
	CHECK(rig_end(&rig));
}

static bool is_core_of_fake_0(const void *arg)
{
	struct dispatch_core_info core;

	(void)arg;
	return dispatch_core_get(rig.d, 0, &core) == 0 && core.is_exclusive && core.holder == 0;
}

static void a_core_is_given_and_taken(void)
{
	struct sched_event ev = { .type = SCHED_EV_EXCL_CAP, .arg = 1 };
	struct dispatch_notice n;

	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	if (rig.roles.n_pool != 1) {
		test_skip("written for a pool of one core");
		CHECK(rig_end(&rig));
		return;
	}
	rig_mode_all(&rig, FAKE_GOOD);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST), -ENOSPC);
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST), 0);
		CHECK(rig_until(is_core_of_fake_0, NULL));
		CHECK(rig_executes(&rig, 0));
		CHECK(rig_stands(&rig, 1));
		if (i % 2) {
			CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_RELEASE), 0);
		} else {
			ev = (struct sched_event){ .type = SCHED_EV_EXCL_RECLAIM, .core = 0 };
			CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
			CHECK(rig_await(&rig, DISPATCH_REPORT, 0, RIG_WAIT_MS, &n));
			CHECK_INT(n.reason, SCHED_REASON_EXCL_LOST);
		}
		CHECK(rig_executes(&rig, 1));
		CHECK(rig_executes(&rig, 0));
	}
	CHECK(rig_end(&rig));
}

static void a_core_goes_and_comes(void)
{
	struct sched_event off = { .type = SCHED_EV_CORE_OFFLINE, .core = 0 };
	struct sched_event on = { .type = SCHED_EV_CORE_ONLINE, .core = 0 };
	struct dispatch_notice n;

	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	rig_pause(20 * NS_PER_MS);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(dispatch_event(rig.d, &off, NULL), 0);
		CHECK(rig_await(&rig, DISPATCH_CORE_OFF, SCHED_NONE, RIG_WAIT_MS, &n));
		CHECK_INT(n.core, 0);
		CHECK_INT(dispatch_event(rig.d, &on, NULL), 0);
		CHECK(rig_executes(&rig, 0));
		CHECK(rig_executes(&rig, 1));
	}
	CHECK(rig_end(&rig));
}

static bool has_ten_turns_since(const void *arg)
{
	return rig_turns(&rig, 0, *(const ns_t *)arg, host_clock_monotonic_ns(), 0).n >= 10;
}

/* CPU time of a usual turn from now on. */
static ns_t turn_ns(void)
{
	ns_t from_ns = host_clock_monotonic_ns();

	CHECK(rig_until(has_ten_turns_since, &from_ns));
	return rig_turns(&rig, 0, from_ns, host_clock_monotonic_ns(), 0).median_ns;
}

static void a_slice_changes(void)
{
	struct sched_event ev = { .type = SCHED_EV_VM_UPDATE,
				  .vm = 0,
				  .mask = SCHED_UPDATE_SLICE,
				  .slice_ns = NS_PER_MS };
	ns_t long_ns;
	ns_t short_ns;

	rig_begin(&rig, program, 2, 20 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	long_ns = turn_ns();
	ev.gen = rig.fake[0].gen;
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	ev.vm = 1;
	ev.gen = rig.fake[1].gen;
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	short_ns = turn_ns();
	printf("  turns of %.1f ms, then of %.1f ms\n", (double)long_ns / 1e6,
	       (double)short_ns / 1e6);
	CHECK(long_ns > (rig.is_real_time ? 5U : 1U) * short_ns);
	CHECK(rig_end(&rig));
}

/* A CPU limit ends in the fault queue. */
static void a_limit_is_reached(void)
{
	struct sched_event ev = { .type = SCHED_EV_VM_UPDATE,
				  .vm = 0,
				  .mask = SCHED_UPDATE_LIMIT,
				  .limit_cpu_ns = 30 * NS_PER_MS };
	struct dispatch_vm_info info;
	struct dispatch_notice n;

	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	ev.gen = rig.fake[0].gen;
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	rig_mode_all(&rig, FAKE_GOOD);
	CHECK(rig_await(&rig, DISPATCH_FAULT, 0, RIG_WAIT_MS, &n));
	CHECK_INT(n.reason, SCHED_REASON_CPU_LIMIT);
	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	CHECK(info.vcpu.cpu_ns >= 30 * NS_PER_MS);
	/* It does not run on; what a hypervisor takes counts as its own. */
	CHECK(info.vcpu.cpu_ns < 60 * NS_PER_MS || !rig.is_real_time);
	CHECK(rig_end(&rig));
}

static long switches(uint32_t i)
{
	char path[64];
	char line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", rig.fake[i].pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		(void)sscanf(line, "voluntary_ctxt_switches: %ld", &n);
	}
	if (f) {
		fclose(f);
	}
	return n;
}

/* What a second cost in which nobody had anything to do. */
struct second {
	uint64_t wakeups, events;
	ns_t busy_ns, took_ns;
	uint32_t n_restless; /* fakes that were switched to */
};

static struct second spend_a_second(void)
{
	struct dispatch_stats before;
	struct dispatch_stats after;
	struct second sec = { .took_ns = host_clock_monotonic_ns() };
	long was[RIG_FAKES_MAX];

	for (uint32_t i = 0; i < rig.n; i++) {
		was[i] = switches(i);
	}
	dispatch_stats_get(rig.d, &before);
	rig_pause(NS_PER_S);
	dispatch_stats_get(rig.d, &after);
	for (uint32_t i = 0; i < rig.n; i++) {
		sec.n_restless += switches(i) != was[i];
	}
	sec.took_ns = host_clock_monotonic_ns() - sec.took_ns;
	sec.wakeups = after.wakeups - before.wakeups;
	sec.events = after.sched.events - before.sched.events;
	sec.busy_ns = after.busy_ns - before.busy_ns;
	printf("  %u VMs: %" PRIu64 " wake-ups, %" PRIu64 " us in %.1f s; %" PRIu64
	       " events, %u restless\n",
	       rig.n, sec.wakeups, sec.busy_ns / 1000, (double)sec.took_ns / 1e9, sec.events,
	       sec.n_restless);
	return sec;
}

/* After a while on a busy machine. @param arg wake-ups that are allowed in a tenth of a second */
static bool is_a_second_quiet(const void *arg)
{
	struct second sec = spend_a_second();
	uint64_t sampled = *(const uint64_t *)arg * sec.took_ns / (100 * NS_PER_MS);

	return sec.n_restless == 0 && sec.events == 0 && sec.wakeups <= sampled + 4;
}

static void sleeping_ones_cost_nothing(void)
{
	static const uint64_t sampler = 1;
	static const uint64_t nobody = 0; /* only the questions */

	rig_begin(&rig, program, 16, 5 * NS_PER_MS); /* all blocked */
	CHECK(rig_until(is_a_second_quiet, &sampler));
	CHECK(rig_end(&rig));
	rig_begin(&rig, program, 0, NS_PER_MS);
	CHECK(rig_until(is_a_second_quiet, &nobody));
	CHECK(rig_end(&rig));
}

static void decisions_are_kept(void)
{
	struct sched_record *rec = calloc(300, sizeof(*rec));
	uint64_t seq = 0;
	uint32_t n;

	rig_begin(&rig, program, 2, NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	for (uint32_t i = 0; i < RIG_WAIT_MS / 100; i++) {
		struct dispatch_stats stats;

		rig_pause(100 * NS_PER_MS);
		dispatch_stats_get(rig.d, &stats);
		if (stats.sched.events >= 350) {
			break;
		}
	}
	n = dispatch_ring_get(rig.d, &seq, rec, 300);
	CHECK_INT(n, 300);
	for (uint32_t i = 1; i < n; i++) {
		CHECK_INT(rec[i].seq, rec[i - 1].seq + 1);
	}
	CHECK_INT(seq, rec[n - 1].seq + 1);
	free(rec);
	CHECK(rig_end(&rig));
}

static void requests_are_checked(void)
{
	struct sched_event ev = { .type = SCHED_EV_STOPPED };
	struct errmsg e = { "" };
	struct dispatch_fds fds;

	rig_begin(&rig, program, 1, NS_PER_MS);
	CHECK_INT(dispatch_event(rig.d, &ev, &e), -EINVAL);
	ev = (struct sched_event){ .type = SCHED_EV_VM_PAUSE, .vm = 0, .gen = 77 };
	CHECK_INT(dispatch_event(rig.d, &ev, &e), -ESTALE);
	CHECK_STR(e.text, "that VM has ended");
	/* The same number, of two requests. */
	ev = (struct sched_event){ .type = SCHED_EV_VM_RESUME, .gen = rig.fake[0].gen };
	CHECK_INT(dispatch_event(rig.d, &ev, &e), -EALREADY);
	CHECK_STR(e.text, "the VM is not paused");
	ev.type = SCHED_EV_EXCL_RELEASE;
	CHECK_INT(dispatch_event(rig.d, &ev, &e), -EALREADY);
	CHECK_STR(e.text, "the VM has no core of its own");
	CHECK_INT(dispatch_slot_open(rig.d, 0, &fds, &e), -EBUSY);
	CHECK_INT(dispatch_slot_open(rig.d, RIG_FAKES_MAX, &fds, &e), -ERANGE);
	CHECK_INT(dispatch_slot_open(rig.d, 5, &fds, &e), 0);
	dispatch_slot_close(rig.d, 5);
	CHECK_INT(dispatch_vm_remove(rig.d, 0, rig.fake[0].gen, NULL, &e), -EBUSY);
	CHECK(rig_end(&rig));
}

static const struct test_case cases[] = {
	{ "requests are checked", requests_are_checked },
	{ "one alone runs on", one_alone_runs_on },
	{ "two rotate", two_rotate },
	{ "eight rotate", eight_rotate },
	{ "it blocks and wakes", it_blocks_and_wakes },
	{ "pause and resume", pause_and_resume },
	{ "the process pauses itself", the_process_pauses_itself },
	{ "a killed one is noticed", a_killed_one_is_noticed },
	{ "kill by dozens", kill_by_dozens },
	{ "a core is given and taken", a_core_is_given_and_taken },
	{ "a core goes and comes", a_core_goes_and_comes },
	{ "a slice changes", a_slice_changes },
	{ "a limit is reached", a_limit_is_reached },
	{ "sleeping ones cost nothing", sleeping_ones_cost_nothing },
	{ "decisions are kept", decisions_are_kept },
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		printf("usage: test_dispatch FAKE-VM\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	program = argv[1];
	return test_main(cases, ARRAY_SIZE(cases));
}
