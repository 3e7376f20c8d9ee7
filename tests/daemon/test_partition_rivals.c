/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real-time vCPU threads on a pool core that are not ours: found by the look at all tasks, told once. */
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "daemon/main/daemon.h"
#include "host/task.h"
#include "host/timer.h"
#include "partition_rig.h"
#include "proto/grant.h"

#define BURST_NS (200 * NS_PER_US)
#define PAUSE_NS (2 * NS_PER_MS)
#define LIMIT_NS (30 * NS_PER_S)

static struct daemon d;
static char warned[512];
static unsigned int n_warned;

/* In place of the API's. */
void api_warn(struct api *a, const char *text)
{
	(void)a;
	n_warned++;
	snprintf(warned, sizeof(warned), "%s", text);
}

static void pause_ns(ns_t ns)
{
	struct timespec t = host_timespec(ns);

	nanosleep(&t, NULL);
}

/* On the pool, busy for a tenth of the time. @param prio 0: ordinary */
static pid_t make_task(const struct partition *p, const char *name, int prio)
{
	pid_t pid = fork();

	if (pid != 0) {
		return pid;
	}
	alarm(100);
	prctl(PR_SET_NAME, name);
	if (host_task_pin(0, p->roles.pool[0]) < 0 || host_task_set_fifo(0, prio) < 0) {
		_exit(1);
	}
	for (;;) {
		ns_t until_ns = host_clock_thread_cpu_ns() + BURST_NS;

		while (host_clock_thread_cpu_ns() < until_ns) {
		}
		pause_ns(PAUSE_NS);
	}
}

/* What the daemon sees of a task, when it sees it. */
static struct partition_foreign see(struct partition *p, pid_t pid)
{
	ns_t until_ns = host_clock_monotonic_ns() + LIMIT_NS;
	struct partition_foreign found[PARTITION_FOREIGN_MAX];
	ns_t per_core[SCHED_HOST_CORES_MAX];

	while (host_clock_monotonic_ns() < until_ns) {
		uint32_t n = partition_scan(p, is_pid, NULL, found, per_core);

		for (uint32_t i = 0; i < n; i++) {
			if (found[i].pid == pid) {
				return found[i];
			}
		}
		pause_ns(PAUSE_NS);
	}
	CHECK(!"the task is never seen on its core");
	return (struct partition_foreign){ 0 };
}

static void check_task(const char *name, int prio, bool is_rival)
{
	struct partition *p = open_backend(PARTITION_ORDINARY, NULL);
	struct partition_foreign f;
	char text[64];
	pid_t pid;

	CHECK(p != NULL);
	if (!p) {
		return;
	}
	d = (struct daemon){ 0 };
	n_warned = 0;
	pid = make_task(p, name, prio);
	f = see(p, pid);
	daemon_note_rivals(&d, &f, 1);
	daemon_note_rivals(&d, &f, 1);
	CHECK_INT(n_warned, is_rival);
	CHECK_INT(d.rival_pid, is_rival ? pid : 0);
	snprintf(text, sizeof(text), "pool core %u also runs a VM", p->roles.pool[0]);
	CHECK(!is_rival || strstr(warned, text));
	snprintf(text, sizeof(text), "(pid %d)", pid);
	CHECK(!is_rival || strstr(warned, text));
	end_process(pid);
	partition_close(p);
}

static void test_rival(void)
{
	check_task(GRANT_THREAD_NAME, 1, true);
}

static void test_foreground(void)
{
	check_task(GRANT_THREAD_NAME, 0, false);
}

static void test_other_name(void)
{
	check_task("audio", 1, false);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "a vCPU of another daemon", test_rival },
		{ "a VM in the foreground is none", test_foreground },
		{ "nor is another real-time thread", test_other_name },
	};
	int r;

	if (partition_try_fifo(1) != 0) {
		printf("skipped: needs real-time priority\n");
		return 77;
	}
	snprintf(run_dir, sizeof(run_dir), "/tmp/pinfold-partition-XXXXXX");
	if (!mkdtemp(run_dir)) {
		perror("mkdtemp");
		return 1;
	}
	r = test_main(cases, ARRAY_SIZE(cases));
	return rmdir(run_dir) < 0 ? 1 : r;
}
