/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exclusive cores: how soon one is given, how soon it is taken back from a VM that hangs, and whether
 * its owner is ever switched away from. With fake VMs (tests/daemon/fake_vm.h), the waits of a real
 * daemon, and the cap raised as an administrator would: the pool of a machine with two cores is one core.
 *
 *   bench_exclusive BUILD-DIRECTORY [--quick] [--json]
 *
 * Where the kernel throttles real-time threads, everything but the first row is measured without that, as under
 * "pinfoldd --rt-throttling=off"; it is given back at the end.
 *
 * Involuntary switches are counted in turn, A B A B: of the owner of an exclusive core, and of a thread
 * of the same real-time priority alone on that core. What both have is the kernel's.
 */
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/fakes.h"
#include "bench/series.h"
#include "host/fair.h"
#include "host/task.h"
#include "host/text.h"
#include "host/timer.h"

#define SLICE_NS (10 * NS_PER_MS)
#define SHARERS	 3
#define PAIRS	 4

static struct rig rig;
static struct fakes fakes;

static void fail(const char *what)
{
	printf("failed: %s\n", what);
	exit(1);
}

/* As pinfoldd does it. */
static void like_a_daemon(struct dispatch_options *o)
{
	struct dispatch_options defaults;

	dispatch_options_defaults(&defaults);
	o->patience = defaults.patience;
	o->sched.checks = false;
}

static void begin(uint32_t n)
{
	struct sched_event cap = { .type = SCHED_EV_EXCL_CAP, .arg = 1 };

	rig_init(&rig, fakes.program);
	rig.is_quiet = true;
	if (!rig_use_cgroups(&rig)) {
		printf("skipped: no cgroup v2 folder can be made for freezing\n");
		exit(77);
	}
	rig_spawn(&rig, n);
	if (rig_start_with(&rig, like_a_daemon) < 0) {
		exit(1);
	}
	rig_go(&rig, SLICE_NS);
	if (dispatch_event(rig.d, &cap, NULL) < 0) {
		fail("raising the cap");
	}
}

static bool is_exclusive(uint32_t i)
{
	struct dispatch_core_info core;

	(void)dispatch_core_get(rig.d, 0, &core);
	return core.holder == i && core.is_exclusive;
}

static void await_exclusive(uint32_t i)
{
	for (int k = 0; !is_exclusive(i); k++) {
		if (k > 20000) {
			fail("no exclusive core within two seconds");
		}
		rig_pause(100 * NS_PER_US);
	}
}

/* One of some that share the core gets it for itself: until it executes there. */
static void measure_grants(struct series *ret)
{
	begin(SHARERS);
	for (uint32_t i = 0; i < SHARERS; i++) {
		rig_mode(&rig, i, FAKE_GOOD);
	}
	for (uint32_t k = 0; k < (fakes.is_quick ? 30 : 300); k++) {
		uint32_t i = k % SHARERS;
		ns_t asked_ns, begun_ns;

		rig_pause(20 * NS_PER_MS + k * 9770 % 30000 * NS_PER_US);
		asked_ns = host_clock_monotonic_ns();
		if (rig_event(&rig, i, SCHED_EV_EXCL_REQUEST) < 0) {
			fail("asking for a core");
		}
		await_exclusive(i);
		if (!rig_executes(&rig, i)) {
			fail("the owner does not execute");
		}
		begun_ns = atomic_load(&rig.fake[i].log->begun_ns);
		/* Who has the core already goes on. */
		series_add(ret, begun_ns > asked_ns ? (double)(begun_ns - asked_ns) / 1e3 : 0);
		(void)rig_event(&rig, i, SCHED_EV_EXCL_RELEASE);
	}
	rig_done(&rig);
}

static struct host_throttle throttle; /* as it was */

static void throttle_restore(void)
{
	(void)host_throttle_write("", throttle.runtime_us);
}

static void on_signal(int signo)
{
	throttle_restore();
	_exit(128 + signo);
}

/* As under "pinfoldd --rt-throttling=off". */
static void throttle_off(void)
{
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	atexit(throttle_restore);
	if (host_throttle_write("", -1) < 0) {
		fail("switching real-time throttling off");
	}
}

static void give_to_hung(uint32_t mib)
{
	for (uint32_t done = 0; done < mib; done += 16) {
		if (!rig_fill(&rig, 0, 16)) {
			fail("memory for the VM that hangs");
		}
	}
	rig_mode(&rig, 0, FAKE_HANG);
	if (rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST) < 0) {
		fail("asking for a core");
	}
	await_exclusive(0);
	if (!rig_executes(&rig, 0)) {
		fail("the owner does not execute");
	}
}

static void replace_hung(void)
{
	struct dispatch_notice n;

	(void)rig_event(&rig, 0, SCHED_EV_VM_KILL);
	if (!rig_await(&rig, DISPATCH_DIED, 0, 5000, &n)) {
		fail("the VM that hangs does not die");
	}
	rig_bury(&rig, 0);
	rig.n = 0;
	rig_spawn(&rig, 1);
	rig.n = 2;
	if (rig_attach(&rig, 0, SLICE_NS) < 0) {
		fail("another VM that hangs");
	}
}

/* The core goes from a VM that reacts to nothing to one that waits: until that one executes. */
static void measure_reclaims(struct series *ret, uint32_t mib)
{
	struct sched_event reclaim = { .type = SCHED_EV_EXCL_RECLAIM, .core = 0 };

	begin(2);
	for (uint32_t k = 0; k < (fakes.is_quick ? 5 : 100); k++) {
		ns_t asked_ns, begun_ns;

		give_to_hung(mib);
		rig_mode(&rig, 1, FAKE_GOOD);
		rig_pause(5 * NS_PER_MS);
		asked_ns = host_clock_monotonic_ns();
		if (dispatch_event(rig.d, &reclaim, NULL) < 0 || !rig_executes(&rig, 1)) {
			fail("taking the core back");
		}
		begun_ns = atomic_load(&rig.fake[1].log->begun_ns);
		series_add(ret, ((double)begun_ns - (double)asked_ns) / 1e3);
		rig_mode(&rig, 1, FAKE_BLOCKED);
		replace_hung();
	}
	rig_done(&rig);
}

/* How often a thread was switched away from while it could run. */
static uint64_t forced_switches(pid_t pid)
{
	char text[4096];
	const char *line;
	pid_t tid;

	if (host_task_find(pid, "vcpu", &tid) < 0 ||
	    host_text_read(text, sizeof(text), "/proc/%d/task/%d/status", pid, tid) < 0 ||
	    !(line = strstr(text, "nonvoluntary_ctxt_switches:"))) {
		fail("reading the switches of a thread");
	}
	return strtoull(strchr(line, ':') + 1, NULL, 10);
}

static double switches_per_s(pid_t pid, ns_t run_ns)
{
	uint64_t before = forced_switches(pid);

	rig_pause(run_ns);
	return (double)(forced_switches(pid) - before) * NS_PER_S / (double)run_ns;
}

/* A thread without a scheduler. */
static void make_plain(uint32_t i)
{
	struct sched_param p = { .sched_priority = RIG_PRIO };
	pid_t tid;

	rig_connect(&rig, i);
	rig_mode(&rig, i, FAKE_BLOCKED); /* its thread has its name now */
	if (host_task_find(rig.fake[i].pid, "vcpu", &tid) < 0 ||
	    host_task_pin(tid, rig.roles.pool[0]) < 0 ||
	    sched_setscheduler(tid, SCHED_FIFO, &p) < 0) {
		fail("a thread without a scheduler");
	}
	rig_mode(&rig, i, FAKE_GOOD);
	kill(rig.fake[i].pid, SIGSTOP);
}

static void measure_switches(struct series *owned, struct series *plain)
{
	ns_t run_ns = fakes.is_quick ? NS_PER_S : 5 * NS_PER_S;

	begin(1);
	rig_spawn(&rig, 1);
	make_plain(1);
	rig_mode(&rig, 0, FAKE_GOOD);
	for (int k = 0; k < PAIRS; k++) {
		if (rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST) < 0) {
			fail("asking for a core");
		}
		await_exclusive(0);
		series_add(owned, switches_per_s(rig.fake[0].pid, run_ns));
		(void)rig_event(&rig, 0, SCHED_EV_EXCL_RELEASE);
		(void)rig_event(&rig, 0, SCHED_EV_VM_PAUSE);
		kill(rig.fake[1].pid, SIGCONT);
		series_add(plain, switches_per_s(rig.fake[1].pid, run_ns));
		kill(rig.fake[1].pid, SIGSTOP);
		(void)rig_event(&rig, 0, SCHED_EV_VM_RESUME);
	}
	rig_done(&rig);
}

static void print_series(const char *what, const char *key, struct series *s, bool is_last)
{
	double p50 = series_quantile(s, 0.5);
	double p99 = series_quantile(s, 0.99);
	double most = series_quantile(s, 1);

	printf(fakes.is_json ? "\"%s\":{\"n\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}%s\n"
			     : "%-52s %6zu %9.1f %9.1f %9.1f%s\n",
	       fakes.is_json ? key : what, s->n, p50, p99, most,
	       fakes.is_json && !is_last ? "," : "");
	fflush(stdout);
	series_done(s);
}

int main(int argc, char **argv)
{
	struct series throttled = { 0 }, grants = { 0 }, small = { 0 }, large = { 0 };
	struct series owned = { 0 }, plain = { 0 };
	int status;

	status = fakes_begin(&fakes, &rig, argc, argv);
	if (status != 0) {
		return status;
	}
	if (host_throttle_read("", &throttle) == 0 && throttle.is_in_force) {
		measure_grants(&throttled);
		throttle_off();
	}
	measure_grants(&grants);
	measure_reclaims(&small, 16);
	measure_reclaims(&large, 1024);
	measure_switches(&owned, &plain);
	if (fakes.is_json) {
		printf("{\n");
	} else {
		printf("%-52s %6s %9s %9s %9s\n", "exclusive core", "times", "p50", "p99", "max");
	}
	if (throttled.n) {
		print_series("given while real-time threads are throttled, us",
			     "throttled_grant_us", &throttled, false);
	}
	print_series("given: asked for -> runs alone there, us", "grant_us", &grants, false);
	print_series("taken from a hung VM, 16 MiB: asked -> next runs, us", "reclaim_16m_us",
		     &small, false);
	print_series("taken from a hung VM, 1 GiB: asked -> next runs, us", "reclaim_1g_us", &large,
		     false);
	print_series("involuntary switches of its owner, per s", "switches_per_s", &owned, false);
	print_series("the same, a real-time thread without a scheduler", "plain_switches_per_s",
		     &plain, true);
	if (fakes.is_json) {
		printf("}\n");
	}
	return 0;
}
