/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dispatcher's fairness, precision and cost, with fake VMs (tests/daemon/fake_vm.h) on the first
 * core of the pool. What the fakes noted themselves is what counts.
 *
 *   bench_dispatch BUILD-DIRECTORY [--quick] [--json]
 *
 * Whole rounds are compared: each fake has had as many turns as there were rounds. The aggregate
 * work is measured in turn, A B A B: under the dispatcher, and as real-time round robin of Linux
 * (ordinary tasks would share the core with whatever else runs on the machine).
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/fakes.h"
#include "bench/series.h"
#include "host/task.h"
#include "host/timer.h"

#define ROUNDS	   100
#define KILLS	   200
#define PAIRS	   4
#define PAIR_FAKES 4

/** What came out for one number of VMs and one slice. */
struct fairness {
	uint32_t vms, rounds;
	double slice_ms, spread_ms, jain, error_p50_us, error_p99_us, gap_p50_us, gap_p99_us;
	double stolen_ms, control_pct;
};

struct work {
	double slice_ms, loss_pct, control_pct;
};

static struct rig rig;
static struct fakes fakes;

static void begin(uint32_t n, ns_t slice_ns)
{
	rig_init(&rig, fakes.program);
	rig_spawn(&rig, n);
	if (rig_start(&rig) < 0) {
		exit(1);
	}
	rig_go(&rig, slice_ns);
}

static uint64_t turns_of(uint32_t i)
{
	return atomic_load(&rig.fake[i].log->n_turns);
}

static const struct fake_turn *turn(uint32_t i, uint64_t k)
{
	return &rig.fake[i].log->turn[k % FAKE_TURNS_MAX];
}

/* Let it go until each has had so many turns. */
static void run_rounds(uint64_t first[], uint32_t rounds)
{
	for (uint32_t i = 0; i < rig.n; i++) {
		rig_mode(&rig, i, FAKE_GOOD);
	}
	rig_pause(100 * NS_PER_MS);
	for (uint32_t i = 0; i < rig.n; i++) {
		first[i] = turns_of(i) + 1;
	}
	for (uint32_t i = 0; i < rig.n; i++) {
		while (turns_of(i) < first[i] + rounds + 1) {
			rig_pause(5 * NS_PER_MS);
		}
	}
}

static void judge_cpu(const uint64_t first[], struct fairness *f)
{
	double cpu_ms[RIG_FAKES_MAX] = { 0 };
	double sum = 0;
	double squares = 0;

	for (uint32_t k = 0; k < f->rounds; k++) {
		double least = INFINITY;
		double most = 0;

		for (uint32_t i = 0; i < rig.n; i++) {
			cpu_ms[i] += (double)turn(i, first[i] + k)->cpu_ns / 1e6;
			least = fmin(least, cpu_ms[i]);
			most = fmax(most, cpu_ms[i]);
		}
		f->spread_ms = fmax(f->spread_ms, most - least);
	}
	for (uint32_t i = 0; i < rig.n; i++) {
		sum += cpu_ms[i];
		squares += cpu_ms[i] * cpu_ms[i];
	}
	f->jain = sum * sum / (rig.n * squares);
}

static int by_start(const void *a, const void *b)
{
	const struct fake_turn *x = a;
	const struct fake_turn *y = b;

	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

static void judge_turns(const uint64_t first[], struct fairness *f)
{
	size_t n = (size_t)rig.n * f->rounds;
	struct fake_turn *all = calloc(n, sizeof(*all));
	struct series errors = { 0 };
	struct series gaps = { 0 };
	size_t end = n - (size_t)rig.n; /* in the first and last round not all are counted */

	for (size_t k = 0; all && k < n; k++) {
		uint32_t i = (uint32_t)(k % rig.n);

		all[k] = *turn(i, first[i] + k / rig.n);
		series_add(&errors, fabs((double)all[k].cpu_ns / 1e3 - f->slice_ms * 1e3));
		f->stolen_ms +=
			((double)all[k].stop_ns - (double)all[k].start_ns - (double)all[k].cpu_ns) /
			1e6;
	}
	qsort(all, n, sizeof(*all), by_start);
	for (size_t k = rig.n; k < end; k++) {
		series_add(&gaps, ((double)all[k].start_ns - (double)all[k - 1].stop_ns) / 1e3);
	}
	f->error_p50_us = series_quantile(&errors, 0.5);
	f->error_p99_us = series_quantile(&errors, 0.99);
	f->gap_p50_us = series_quantile(&gaps, 0.5);
	f->gap_p99_us = series_quantile(&gaps, 0.99);
	series_done(&errors);
	series_done(&gaps);
	free(all);
}

static struct fairness measure_fairness(uint32_t vms, ns_t slice_ns)
{
	struct fairness f = { .vms = vms,
			      .rounds = fakes.is_quick ? ROUNDS / 10 : ROUNDS,
			      .slice_ms = (double)slice_ns / 1e6 };
	struct dispatch_stats before;
	struct dispatch_stats after;
	uint64_t first[RIG_FAKES_MAX];
	ns_t from_ns;

	begin(vms, slice_ns);
	dispatch_stats_get(rig.d, &before);
	from_ns = host_clock_monotonic_ns();
	run_rounds(first, f.rounds);
	dispatch_stats_get(rig.d, &after);
	f.control_pct = (double)(after.busy_ns - before.busy_ns) * 100 /
			(double)(host_clock_monotonic_ns() - from_ns);
	judge_cpu(first, &f);
	judge_turns(first, &f);
	rig_done(&rig);
	return f;
}

/* When the scheduler heard of the death of fake 0, or 0. */
static ns_t death_seen_ns(uint64_t *seq)
{
	static struct sched_record rec[256];
	ns_t seen_ns = 0;
	uint32_t n;

	do {
		n = dispatch_ring_get(rig.d, seq, rec, 256);
		for (uint32_t i = 0; i < n; i++) {
			if (rec[i].event.type == SCHED_EV_VM_DIED && rec[i].event.vm == 0) {
				seen_ns = rec[i].event.now_ns;
			}
		}
	} while (n);
	return seen_ns;
}

/* Kill -9 the one that holds the core. */
static void measure_kills(struct series *ret)
{
	struct sched_event prio = {
		.type = SCHED_EV_VM_UPDATE, .vm = 0, .mask = SCHED_UPDATE_PRIO, .prio = 7
	};
	uint64_t seq = 0;

	begin(3, 10 * NS_PER_MS);
	for (uint32_t i = 0; i < 3; i++) {
		rig_mode(&rig, i, FAKE_GOOD);
	}
	for (uint32_t i = 0; i < (fakes.is_quick ? KILLS / 10 : KILLS); i++) {
		struct dispatch_notice n;
		struct dispatch_core_info core;
		ns_t killed_ns;
		ns_t seen_ns;

		prio.gen = rig.fake[0].gen;
		(void)dispatch_event(rig.d, &prio, NULL); /* so that it is soon on the core */
		do {
			rig_pause(i * 977 % 3000 * NS_PER_US);
			(void)dispatch_core_get(rig.d, 0, &core);
		} while (core.holder != 0);
		killed_ns = host_clock_monotonic_ns();
		kill(rig.fake[0].pid, SIGKILL);
		if (!rig_await(&rig, DISPATCH_DIED, 0, 5000, &n)) {
			printf("no notice of a death\n");
			exit(1);
		}
		seen_ns = death_seen_ns(&seq);
		series_add(ret, ((double)seen_ns - (double)killed_ns) / 1e3);
		rig_bury(&rig, 0);
		rig.n = 0;
		rig_spawn(&rig, 1);
		rig.n = 3;
		if (rig_attach(&rig, 0, 10 * NS_PER_MS) < 0) {
			exit(1);
		}
		rig_mode(&rig, 0, FAKE_GOOD);
	}
	rig_done(&rig);
}

static uint64_t work_of(uint32_t first)
{
	uint64_t sum = 0;

	for (uint32_t i = first; i < first + PAIR_FAKES; i++) {
		sum += atomic_load(&rig.fake[i].log->work);
	}
	return sum;
}

/* Fakes behind the first few have no scheduler: they run when their process may. */
static void go_plain(bool is_on)
{
	for (uint32_t i = PAIR_FAKES; i < 2 * PAIR_FAKES; i++) {
		kill(rig.fake[i].pid, is_on ? SIGCONT : SIGSTOP);
	}
}

static void go_managed(bool is_on)
{
	for (uint32_t i = 0; i < PAIR_FAKES; i++) {
		(void)rig_event(&rig, i, is_on ? SCHED_EV_VM_RESUME : SCHED_EV_VM_PAUSE);
	}
}

static double rate(uint32_t first, void (*go)(bool is_on), ns_t run_ns)
{
	uint64_t before;
	ns_t from_ns;
	double r;

	go(true);
	rig_pause(50 * NS_PER_MS);
	before = work_of(first);
	from_ns = host_clock_monotonic_ns();
	rig_pause(run_ns);
	r = (double)(work_of(first) - before) / (double)(host_clock_monotonic_ns() - from_ns);
	go(false);
	rig_pause(50 * NS_PER_MS);
	return r;
}

/* One that is not on the core, or not in the turn, would add what it does beside the others. */
static void make_plain(uint32_t i)
{
	struct sched_param p = { .sched_priority = RIG_PRIO };
	pid_t tid;

	rig_connect(&rig, i);
	rig_mode(&rig, i, FAKE_BLOCKED);
	for (int k = 0; host_task_find(rig.fake[i].pid, "vcpu", &tid) < 0; k++) {
		if (k == 1000) {
			fprintf(stderr, "a stand-in has no vCPU thread\n");
			exit(1);
		}
		rig_pause(NS_PER_MS);
	}
	if (host_task_pin(tid, rig.roles.pool[0]) < 0 ||
	    sched_setscheduler(tid, SCHED_RR, &p) < 0) {
		perror("a stand-in can't be put on the core");
		exit(1);
	}
	rig_mode(&rig, i, FAKE_GOOD);
	kill(rig.fake[i].pid, SIGSTOP);
}

static struct work measure_work(ns_t slice_ns)
{
	struct work w = { .slice_ms = (double)slice_ns / 1e6 };
	struct series losses = { 0 };
	ns_t run_ns = fakes.is_quick ? NS_PER_S / 4 : 2 * NS_PER_S;

	rig_init(&rig, fakes.program);
	rig_spawn(&rig, PAIR_FAKES);
	if (rig_start(&rig) < 0) {
		exit(1);
	}
	rig_go(&rig, slice_ns);
	for (uint32_t i = 0; i < PAIR_FAKES; i++) {
		rig_mode(&rig, i, FAKE_GOOD);
	}
	go_managed(false);
	rig_spawn(&rig, PAIR_FAKES);
	for (uint32_t i = PAIR_FAKES; i < 2 * PAIR_FAKES; i++) {
		make_plain(i);
	}
	for (int i = 0; i < PAIRS; i++) {
		struct dispatch_stats before;
		struct dispatch_stats after;
		double managed;
		double plain;

		dispatch_stats_get(rig.d, &before);
		managed = rate(0, go_managed, run_ns);
		dispatch_stats_get(rig.d, &after);
		plain = rate(PAIR_FAKES, go_plain, run_ns);
		series_add(&losses, (1 - managed / plain) * 100);
		w.control_pct = (double)(after.busy_ns - before.busy_ns) * 100 / (double)run_ns;
	}
	w.loss_pct = series_quantile(&losses, 0.5);
	series_done(&losses);
	go_plain(true);
	rig_done(&rig);
	return w;
}

static void print_fairness(const struct fairness *f, bool is_last)
{
	if (fakes.is_json) {
		printf("{\"vms\":%u,\"slice_ms\":%.1f,\"rounds\":%u,\"spread_ms\":%.3f,\"jain\":%."
		       "7f,"
		       "\"slice_error_us\":{\"p50\":%.1f,\"p99\":%.1f},"
		       "\"gap_us\":{\"p50\":%.1f,\"p99\":%.1f},\"stolen_ms\":%.1f,"
		       "\"control_core_pct\":%.2f}%s\n",
		       f->vms, f->slice_ms, f->rounds, f->spread_ms, f->jain, f->error_p50_us,
		       f->error_p99_us, f->gap_p50_us, f->gap_p99_us, f->stolen_ms, f->control_pct,
		       is_last ? "" : ",");
		return;
	}
	printf("%4u %8.1f %7u %10.3f %10.7f %9.1f %8.1f %9.1f %8.1f %9.1f %8.2f\n", f->vms,
	       f->slice_ms, f->rounds, f->spread_ms, f->jain, f->error_p50_us, f->error_p99_us,
	       f->gap_p50_us, f->gap_p99_us, f->stolen_ms, f->control_pct);
}

static void all_fairness(void)
{
	static const uint32_t vms[] = { 2, 8, 32 };
	static const ns_t slices_ns[] = { 10 * NS_PER_MS, NS_PER_MS };

	printf(fakes.is_json
		       ? "{\"fairness\":[\n"
		       : " VMs slice ms  rounds  spread ms       Jain  err p50us   p99 us  gap "
			 "p50us   "
			 "p99 us stolen ms  ctl %%\n");
	for (size_t k = 0; k < ARRAY_SIZE(slices_ns); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(vms); i++) {
			struct fairness f = measure_fairness(vms[i], slices_ns[k]);

			print_fairness(&f,
				       k + 1 == ARRAY_SIZE(slices_ns) && i + 1 == ARRAY_SIZE(vms));
			fflush(stdout);
		}
	}
}

static void all_else(void)
{
	struct series kills = { 0 };
	struct work at_10 = measure_work(10 * NS_PER_MS);
	struct work at_1 = measure_work(NS_PER_MS);

	measure_kills(&kills);
	printf(fakes.is_json ? "],\n\"kill_to_free_us\":{\"n\":%zu,\"p50\":%.0f,\"p99\":%.0f},\n"
			     : "core free after kill -9 (%zu times): p50 %.0f us, p99 %.0f us\n",
	       kills.n, series_quantile(&kills, 0.5), series_quantile(&kills, 0.99));
	printf(fakes.is_json
		       ? "\"loss_pct\":{\"10ms\":%.3f,\"1ms\":%.3f}}\n"
		       : "work lost against real-time round robin, 4 VMs: %.3f %% at 10 ms, %.3f "
			 "%% at "
			 "1 ms\n",
	       at_10.loss_pct, at_1.loss_pct);
	series_done(&kills);
}

int main(int argc, char **argv)
{
	int status;

	status = fakes_begin(&fakes, &rig, argc, argv);
	if (status != 0) {
		return status;
	}
	all_fairness();
	all_else();
	return 0;
}
