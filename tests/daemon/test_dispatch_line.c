/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who stands in line on a core: whoever was woken behind its owner comes when that one has gone, whatever holds the owner up,
 * and has its whole slice then. With fake VMs.
 * Usage: test_dispatch_line FAKE-VM
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fake_vm_rig.h"
#include "host/task.h"
#include "host/text.h"
#include "host/timer.h"
#include "proto/grant.h"
#include "test.h"

#define ROBBERIES 20

static const char *program;
static struct rig rig;

/* How often the kernel took the core from a vCPU thread that wanted to run on. */
static uint64_t preempted(uint32_t i)
{
	static const char key[] = "nonvoluntary_ctxt_switches:";
	char text[4096];
	char *at = NULL;
	pid_t tid;

	CHECK_INT(host_task_find(rig.fake[i].pid, GRANT_THREAD_NAME, &tid), 0);
	if (host_text_read(text, sizeof(text), "/proc/%d/task/%d/status", rig.fake[i].pid, tid) >
	    0) {
		at = strstr(text, key);
	}
	CHECK(at != NULL);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/*
 * One sleeps at its end without having parked, and its successor gets the core. The look at the time of the first, which is in
 * line again, must not put it before the other.
 */
static void a_nap_takes_nobodys_core(void)
{
	uint64_t before;
	uint64_t turns;

	rig_begin(&rig, program, 2, 30 * NS_PER_MS);
	if (rig.is_real_time) {
		rig_mode(&rig, 0, FAKE_NAP);
		rig_mode(&rig, 1, FAKE_GOOD);
		CHECK(rig_executes(&rig, 0) && rig_executes(&rig, 1));
		before = preempted(1);
		turns = atomic_load(&rig.fake[1].log->n_turns);
		rig_pause(1500 * NS_PER_MS);
		before = preempted(1) - before;
		turns = atomic_load(&rig.fake[1].log->n_turns) - turns;
		printf("  %" PRIu64 " turns after a nap, %" PRIu64 " times preempted\n", turns,
		       before);
		CHECK(turns > 5);
		/* The kernel itself takes some. */
		CHECK(before < turns / 2);
	} else {
		test_skip("without real-time priority nobody stands in line");
	}
	CHECK(rig_end(&rig));
}

/* Grants that ended before the guest behind them ran. */
static uint64_t unused_grants(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < rig.n; i++) {
		struct dispatch_vm_info info;

		CHECK_INT(dispatch_vm_get(rig.d, i, &info), 0);
		n += info.grants - atomic_load(&rig.fake[i].log->n_turns);
	}
	return n;
}

/* Takes the core from whoever runs there, for longer than two slices. */
static void *rob(void *arg)
{
	(void)arg;
	CHECK_INT(host_task_pin(0, rig.roles.pool[0]), 0);
	CHECK_INT(host_task_set_fifo(0, RIG_PRIO + 1), 0);
	for (int i = 0; i < ROBBERIES; i++) {
		ns_t until_ns = host_clock_monotonic_ns() + 20 * NS_PER_MS;

		while (host_clock_monotonic_ns() < until_ns) {
		}
		rig_pause(30 * NS_PER_MS);
	}
	return NULL;
}

/* The owner is robbed, and finishes its slice; who was woken behind it meanwhile has its whole slice before it. */
static void who_waits_behind_a_robbed_one_runs(void)
{
	pthread_t robber;
	uint64_t before;
	int64_t n;

	rig_begin(&rig, program, 2, 5 * NS_PER_MS);
	if (rig.is_real_time) {
		rig_mode_all(&rig, FAKE_GOOD);
		CHECK(rig_executes(&rig, 0) && rig_executes(&rig, 1));
		before = unused_grants();
		CHECK_INT(pthread_create(&robber, NULL, rob, NULL), 0);
		pthread_join(robber, NULL);
		/* Two may be under way, then or now; when a robbery hits a hand-over, it is another's. */
		n = (int64_t)(unused_grants() - before);
		printf("  %" PRId64 " grants of no use\n", n);
		CHECK(n < ROBBERIES / 2);
	} else {
		test_skip("without real-time priority nobody waits behind another");
	}
	CHECK(rig_end(&rig));
}

static void have_much_patience(struct dispatch_options *o)
{
	o->patience = 1000;
}

/*
 * One has parked, and is held up on its way into its sleep until its successor's slice is nearly over. Whoever is woken now
 * must come after the successor, which waits; and a look at the successor's time must not put it before the first.
 */
static void one_falls_asleep_slowly(void)
{
	rig_init(&rig, program);
	rig_spawn(&rig, 2);
	CHECK_INT(rig_start_with(&rig, have_much_patience), 0);
	rig_go(&rig, 10 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	CHECK(rig_executes(&rig, 0) && rig_executes(&rig, 1));
	if (rig.is_real_time && rig.roles.n_pool == 1) {
		atomic_store(&rig.fake[0].log->mode, FAKE_LINGER);
	} else {
		test_skip("without real-time priority and a pool of one core nobody lingers");
	}
	rig_pause(500 * NS_PER_MS);
	CHECK_INT(rig_overlaps(&rig, NS_PER_MS), 0);
	CHECK(rig_executes(&rig, 0) && rig_executes(&rig, 1));
	CHECK(rig_end(&rig));
}

static const struct test_case cases[] = {
	{ "a nap takes nobody's core", a_nap_takes_nobodys_core },
	{ "who waits behind a robbed one runs", who_waits_behind_a_robbed_one_runs },
	{ "one falls asleep slowly", one_falls_asleep_slowly },
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		printf("usage: test_dispatch_line FAKE-VM\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	program = argv[1];
	return test_main(cases, ARRAY_SIZE(cases));
}
