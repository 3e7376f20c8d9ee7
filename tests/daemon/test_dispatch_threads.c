/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eight threads command and question one dispatcher at once, while its VMs run, block and end.
 * Usage: test_dispatch_threads FAKE-VM
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "fake_vm_rig.h"
#include "host/timer.h"
#include "test.h"

#define THREADS 8
#define FAKES	8

static struct rig rig;
static atomic_bool is_over;
static _Atomic uint64_t n_done, n_wrong, n_slow;
static _Atomic ns_t slowest_ns;

static void note_time(ns_t took_ns)
{
	ns_t was = atomic_load(&slowest_ns);

	while (took_ns > was && !atomic_compare_exchange_weak(&slowest_ns, &was, took_ns)) {
	}
	atomic_fetch_add(&n_slow, took_ns > 10 * NS_PER_MS);
	atomic_fetch_add(&n_done, 1);
}

static void question(uint32_t k)
{
	struct dispatch_vm_info all[RIG_FAKES_MAX];
	struct dispatch_core_info core;
	struct dispatch_stats stats;
	struct sched_record rec[100];
	struct sched_user_info user;
	struct dispatch_vm_info info;
	uint64_t seq = 0;

	switch (k % 6) {
	case 0:
		atomic_fetch_add(&n_wrong, dispatch_vm_get(rig.d, k % FAKES, &info) != 0);
		break;
	case 1:
		atomic_fetch_add(&n_wrong, dispatch_vms_get(rig.d, all, RIG_FAKES_MAX) < FAKES);
		break;
	case 2:
		atomic_fetch_add(&n_wrong, dispatch_core_get(rig.d, 0, &core) != 0);
		break;
	case 3:
		atomic_fetch_add(&n_wrong, dispatch_user_get(rig.d, 1, &user) != 0 || !user.exists);
		break;
	case 4:
		dispatch_stats_get(rig.d, &stats);
		atomic_fetch_add(&n_wrong, stats.sched.violations != 0);
		break;
	default:
		(void)dispatch_ring_get(rig.d, &seq, rec, 100);
		break;
	}
}

static void *commander(void *arg)
{
	uint32_t k = *(const uint32_t *)arg;

	while (!atomic_load(&is_over)) {
		ns_t from_ns = host_clock_monotonic_ns();
		int r = 0;

		k = k * 1664525 + 1013904223;
		if (k >> 28 < 4) {
			r = rig_event(&rig, (k >> 8) % FAKES,
				      k >> 28 & 1 ? SCHED_EV_VM_PAUSE : SCHED_EV_VM_RESUME);
		} else {
			question(k >> 10);
		}
		note_time(host_clock_monotonic_ns() - from_ns);
		atomic_fetch_add(&n_wrong, r != 0 && r != -EALREADY && r != -EBUSY);
	}
	return NULL;
}

static void eight_at_once(void)
{
	pthread_t thread[THREADS];
	uint32_t seeds[THREADS];
	struct dispatch_stats stats;

	rig_spawn(&rig, FAKES);
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	for (uint32_t i = 0; i < THREADS; i++) {
		seeds[i] = i * 7919 + 1;
		CHECK_INT(pthread_create(&thread[i], NULL, commander, &seeds[i]), 0);
	}
	for (int i = 0; i < 20 || (i < 600 && atomic_load(&n_done) <= 1000); i++) {
		rig_pause(100 * NS_PER_MS);
		rig_drain(&rig);
	}
	atomic_store(&is_over, true);
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
	}
	for (uint32_t i = 0; i < FAKES; i++) {
		(void)rig_event(&rig, i, SCHED_EV_VM_RESUME);
		if (!rig_executes(&rig, i)) {
			struct dispatch_vm_info info;

			CHECK_INT(dispatch_vm_get(rig.d, i, &info), 0);
			printf("  fake %u does not execute: VM state %d, vCPU %s\n", i,
			       info.vm.state, sched_vcpu_state_name(info.vcpu.state));
			test_failures++;
		}
	}
	dispatch_stats_get(rig.d, &stats);
	CHECK_INT(stats.sched.violations, 0);
	CHECK_INT(atomic_load(&n_wrong), 0);
	CHECK(atomic_load(&n_done) > 1000);
	if (rig.is_real_time) {
		CHECK_INT(rig_overlaps(&rig, 0), 0);
	}
	printf("  %" PRIu64 " commands, slowest %.1f ms, over 10 ms: %" PRIu64 "\n",
	       atomic_load(&n_done), (double)atomic_load(&slowest_ns) / 1e6, atomic_load(&n_slow));
	rig_done(&rig);
	CHECK_INT(rig.violations, 0);
}

static const struct test_case cases[] = {
	{ "eight at once", eight_at_once },
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		printf("usage: test_dispatch_threads FAKE-VM\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	rig_init(&rig, argv[1]);
	return test_main(cases, ARRAY_SIZE(cases));
}
