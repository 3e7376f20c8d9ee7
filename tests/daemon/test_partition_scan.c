/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search for tasks on the pool that are not ours: reading /proc, and finding them on this host. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#include "host/task.h"
#include "host/text.h"
#include "partition_rig.h"

#define STAT_TAIL                                                                                \
	" S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 3 0 12345 1000 10 18446744073709551615 " \
	"1 1 0 0 0 0 0 0 0 0 0 0 17 4 0 0 0 0 0 0 0 0 0 0 0 0 0"

static void test_stat(void)
{
	static const char *const bad[] = {
		"",
		"42",
		"42 (x",
		"42 (x)",
		"42 (x) S",
		"-42 (x)" STAT_TAIL,
		"0 (x)" STAT_TAIL,
		"4194304 (x)" STAT_TAIL,
		"42 (x) S 1 42 42 0 -1 4194560 100",
		"42 (x) S 1 42 42 0 -1 y 100 0 0 0 7 5 0 0 20 0 3 0 12345 1000 10 1 1 1 0 0 0 0 0 "
		"0 0 0 "
		"0 0 17 4",
		"42 (x) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 3 0 12345 1000 10 1 1 1 0 0 "
		"0 0 0 "
		"0 0 0 0 0 17 1024",
	};
	struct partition_stat s = { .tid = 7 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(partition_stat_parse(bad[i], &s), -EBADMSG);
		CHECK_INT(s.tid, 7);
	}
	CHECK_INT(partition_stat_parse("42 (a) R (b) \x1b)" STAT_TAIL, &s), 0);
	CHECK_INT(s.tid, 42);
	CHECK_STR(s.name, "a) R (b) ?");
	CHECK_INT(s.n_threads, 3);
	CHECK_INT(s.core, 4);
	CHECK_INT(s.ticks, 12);
	CHECK_INT(s.start, 12345);
	CHECK(!partition_stat_is_kernel(&s));
	CHECK_INT(
		partition_stat_parse("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 2 "
				     "0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0",
				     &s),
		0);
	CHECK(partition_stat_is_kernel(&s));
}

/* Look until the task is found busy; gives up after some looks and CPU time of the task itself. */
static bool is_found(struct partition *p, pid_t busy, pid_t *ours, struct partition_foreign *ret)
{
	struct partition_foreign found[PARTITION_FOREIGN_MAX];
	ns_t ns[SCHED_HOST_CORES_MAX];
	clockid_t clock;

	CHECK_INT(clock_getcpuclockid(busy, &clock), 0);
	for (int looks = 1;; looks++) {
		struct timespec ran;
		uint32_t n = partition_scan(p, is_pid, ours, found, ns);

		for (uint32_t i = 0; i < n; i++) {
			CHECK(i == 0 || found[i - 1].run_ns >= found[i].run_ns);
			if (found[i].pid == busy) {
				*ret = found[i];
				CHECK(ns[0] >= found[i].run_ns);
				return true;
			}
		}
		CHECK_INT(clock_gettime(clock, &ran), 0);
		if (looks > 3 && (ran.tv_sec > 0 || ran.tv_nsec > 100000000)) {
			return false;
		}
		sched_yield();
	}
}

static void test_scan(void)
{
	struct partition *p = open_backend(PARTITION_ORDINARY, NULL);
	struct partition_foreign f = { 0 };
	pid_t busy = make_process(true);
	pid_t again = make_process(true);

	CHECK(p != NULL);
	if (p) {
		uint16_t core = p->roles.pool[0];

		CHECK_INT(partition_place(p, busy, core), 0);
		CHECK_INT(partition_place(p, again, core), 0);
		CHECK(is_found(p, busy, NULL, &f));
		CHECK_INT(f.tid, busy);
		CHECK_INT(f.host_core, core);
		CHECK(!f.is_kernel && f.run_ns > 0);
		CHECK(strncmp(f.name, program_invocation_short_name, 15) == 0);
		CHECK(!is_found(p, again, &again, &f));
	}
	partition_close(p);
	end_process(busy);
	end_process(again);
}

/* A thread of the pool core's own kernel threads is told from a user's. */
static void test_scan_kernel(void)
{
	struct partition_stat s;
	char text[1024];

	CHECK(host_text_read(text, sizeof(text), "/proc/2/stat") > 0 || errno == ENOENT);
	if (access("/proc/2/stat", F_OK) < 0) {
		test_skip("no kernel threads are visible here");
		return;
	}
	CHECK_INT(partition_stat_parse(text, &s), 0);
	CHECK_STR(s.name, "kthreadd");
	CHECK(partition_stat_is_kernel(&s));
	CHECK(host_text_read(text, sizeof(text), "/proc/self/stat") > 0);
	CHECK_INT(partition_stat_parse(text, &s), 0);
	CHECK_INT(s.tid, getpid());
	CHECK(!partition_stat_is_kernel(&s));
}

#define COST_TASKS 500
/* What no host that is fit for this takes, emulated and busy ones included. */
#define COST_MAX_NS NS_PER_S

static void *wait_for_ever(void *arg)
{
	(void)arg;
	for (;;) {
		pause();
	}
	return NULL;
}

/* A process with COST_TASKS threads on the first pool core. */
static pid_t make_crowd(struct partition *p)
{
	int ready[2];
	char c = 0;
	pid_t pid;

	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		pthread_attr_t attr;
		pthread_t t;

		alarm(50);
		host_task_pin(0, p->roles.pool[0]);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 65536);
		for (int i = 1; i < COST_TASKS; i++) {
			c |= pthread_create(&t, &attr, wait_for_ever, NULL) != 0;
		}
		c = !c && write(ready[1], &c, 1) == 1;
		wait_for_ever(NULL);
	}
	close(ready[1]);
	CHECK_INT(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static ns_t cpu_ns(void)
{
	struct timespec t;

	CHECK_INT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (ns_t)t.tv_sec * NS_PER_S + (ns_t)t.tv_nsec;
}

/* The worst case: all of them on the pool. */
static void test_scan_cost(void)
{
	struct partition *p = open_backend(PARTITION_ORDINARY, NULL);
	struct partition_foreign found[PARTITION_FOREIGN_MAX];
	ns_t ns[SCHED_HOST_CORES_MAX];
	ns_t best = UINT64_MAX;
	pid_t pid;

	CHECK(p != NULL);
	if (!p) {
		return;
	}
	pid = make_crowd(p);
	for (int i = 0; i < 5; i++) {
		ns_t before = cpu_ns();
		ns_t cost;

		partition_scan(p, is_pid, NULL, found, ns);
		cost = cpu_ns() - before;
		best = cost < best ? cost : best;
	}
	printf("  %u tasks seen on the pool: %llu us of CPU per look\n", p->n_seen,
	       best / NS_PER_US);
	CHECK(p->n_seen >= COST_TASKS);
	CHECK(best < COST_MAX_NS);
	partition_close(p);
	end_process(pid);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "stat", test_stat },
		{ "scan", test_scan },
		{ "scan: kernel threads", test_scan_kernel },
		{ "scan: cost", test_scan_cost },
	};
	int r;

	snprintf(run_dir, sizeof(run_dir), "/tmp/pinfold-partition-XXXXXX");
	if (!mkdtemp(run_dir)) {
		perror("mkdtemp");
		return 1;
	}
	r = test_main(cases, sizeof(cases) / sizeof(cases[0]));
	return rmdir(run_dir) < 0 ? 1 : r;
}
