/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel alone takes to hand a core from one real-time process to the next, without any program of ours: the
 * least that the gap between two slices can be (bench_dispatch). Each process works for its time, wakes the next, which
 * queues behind it, and sleeps. The longer the others worked meanwhile, the colder the caches it finds.
 *
 *   bench_handover BUILD-DIRECTORY [--quick]
 */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/series.h"
#include "host/task.h"
#include "host/timer.h"

#define CORE		 1
#define PRIO		 30
#define PROCESSES_MAX	 32
#define TURNS_MAX	 2048
#define CACHE_LINE_BYTES 64

/** Shared by all processes. */
struct shared {
	struct {
		_Alignas(CACHE_LINE_BYTES) _Atomic uint32_t may_run;
	} process[PROCESSES_MAX];
	ns_t start_ns[TURNS_MAX], stop_ns[TURNS_MAX];
};

static struct shared *shared;

static void wake(uint32_t i)
{
	atomic_store(&shared->process[i].may_run, 1);
	host_futex_wake(&shared->process[i].may_run);
}

static void take_turn(uint32_t me, uint32_t n, uint32_t turn, ns_t work_ns)
{
	_Atomic uint32_t *may_run = &shared->process[me].may_run;

	while (!atomic_load(may_run)) {
		syscall(SYS_futex, may_run, FUTEX_WAIT, 0, NULL, NULL, 0);
	}
	shared->start_ns[turn] = host_clock_monotonic_ns();
	atomic_store(may_run, 0);
	while (host_clock_monotonic_ns() - shared->start_ns[turn] < work_ns) {
	}
	wake((me + 1) % n);
	shared->stop_ns[turn] = host_clock_monotonic_ns();
}

_Noreturn static void run_process(uint32_t me, uint32_t n, uint32_t turns, ns_t work_ns)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (host_task_pin(0, CORE) < 0 || host_task_set_fifo(0, PRIO) < 0) {
		_exit(77);
	}
	for (uint32_t turn = me; turn < turns; turn += n) {
		take_turn(me, n, turn, work_ns);
	}
	_exit(0);
}

/* @return whether all ended well */
static bool run(uint32_t n, uint32_t turns, ns_t work_ns)
{
	bool is_good = true;
	int status;

	*shared = (struct shared){ 0 };
	for (uint32_t i = 0; i < n; i++) {
		if (fork() == 0) {
			run_process(i, n, turns, work_ns);
		}
	}
	wake(0);
	while (wait(&status) > 0) {
		is_good = is_good && status == 0;
	}
	return is_good;
}

int main(int argc, char **argv)
{
	static const uint32_t processes[] = { 2, 8, 32 };
	static const ns_t work_ns[] = { 10 * NS_PER_MS, NS_PER_MS };
	struct bench_table t = { 0 };
	struct bench_env env;

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	bench_row(&t, "processes|work ms|gap p50 us|p99 us");
	for (size_t k = 0; k < ARRAY_SIZE(work_ns) * ARRAY_SIZE(processes); k++) {
		uint32_t n = processes[k % ARRAY_SIZE(processes)];
		ns_t each_ns = work_ns[k / ARRAY_SIZE(processes)];
		uint32_t turns = env.is_quick ? TURNS_MAX / 8 : TURNS_MAX;
		struct series gaps = { 0 };

		if (!run(n, turns, each_ns)) {
			printf("skipped: needs two cores and the right to real-time priorities\n");
			return 77;
		}
		for (uint32_t i = n + 1; i < turns; i++) {
			series_add(&gaps,
				   (double)(shared->start_ns[i] - shared->stop_ns[i - 1]) / 1e3);
		}
		bench_row(&t, "%u|%.0f|%.1f|%.1f", n, (double)each_ns / 1e6,
			  series_quantile(&gaps, 0.5), series_quantile(&gaps, 0.99));
		series_done(&gaps);
	}
	bench_print(&t);
	return EXIT_SUCCESS;
}
