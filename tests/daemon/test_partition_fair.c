/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fair server of pool cores: set when asked, given back whatever happens; against a made-up debugfs. */
#include <errno.h>

#include "base/bug.h"
#include "partition_tree.h"

#define DIR	"/sys/kernel/debug/sched/fair_server"
#define BOOT	"5f8ae7b6-1111-4222-8333-0123456789ab"
#define PERIOD	"1000000000\n"
#define OFF	"00000000" /* "0" over eight digits: the file is not the kernel's */
#define GAP	"no gap in the real-time of pool cores"
#define SHORTER (10 * NS_PER_MS)

/* Six cores; each has another value, so that one can't be given back for another. */
static const char *const before[] = { "30000000", "40000000", "50000000",
				      "60000000", "70000000", "80000000" };

static void host_init(void)
{
	tree_init("0-5\n", "0-5");
	put("/proc/sys/kernel/osrelease", "6.12.0-test\n");
	put("/proc/sys/kernel/random/boot_id", BOOT "\n");
	put("/proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	put("/proc/sys/kernel/sched_rt_period_us", "1000000\n");
	for (int i = 0; i < 6; i++) {
		put_at(before[i], DIR "/cpu%d/runtime", i);
		put_at(PERIOD, DIR "/cpu%d/period", i);
	}
}

/* @param ns UINT64_MAX: leave */
static struct partition *open_host(int backend, ns_t ns)
{
	struct partition_options o = { .backend = backend,
				       .run_dir = run_dir,
				       .root = root,
				       .sets_fair_server = ns != UINT64_MAX,
				       .fair_server_ns = ns };
	struct partition *p = NULL;
	struct errmsg e = { 0 };

	CHECK_INT(partition_open(&o, &p, &e), 0);
	BUG_ON(!p);
	return p;
}

/* Pool cores have this, control and housekeeping what they had; NULL: all what they had. */
static void check_runtimes(const char *pool)
{
	for (int i = 0; i < 6; i++) {
		check_file(i >= 2 && pool ? pool : before[i], DIR "/cpu%d/runtime", i);
	}
}

static const struct partition_guarantee *gap_of(const struct partition *p)
{
	static struct partition_guarantee g[PARTITION_GUARANTEES_MAX];
	uint32_t n = partition_guarantees(p, g);
	uint32_t i = 0;

	while (i < n && strcmp(g[i].name, GAP) != 0) {
		i++;
	}
	BUG_ON(i == n);
	return &g[i];
}

static void check_gap(const struct partition *p, bool holds, const char *why)
{
	const struct partition_guarantee *g = gap_of(p);

	CHECK_INT(g->holds, holds);
	if (!strstr(g->why, why)) {
		CHECK_STR(g->why, why);
	}
}

static void test_left(void)
{
	struct partition *p;

	host_init();
	p = open_host(PARTITION_AFFINITY, UINT64_MAX);
	check_runtimes(NULL);
	CHECK(!is_there("/run/fair-server"));
	check_gap(p, false, "to ordinary tasks that want it for 80 of each 1000 ms (fair server)");
	partition_close(p);
	check_runtimes(NULL);
	tree_done();
}

static void test_off(void)
{
	struct partition_fair f;
	struct partition *p;

	host_init();
	p = open_host(PARTITION_AFFINITY, 0);
	check_runtimes(OFF);
	check_file("pinfold-fair-server 1\nboot " BOOT
		   "\nthrottle -1\nset 0\ncore 2 50000000\ncore 3 60000000\n"
		   "core 4 70000000\ncore 5 80000000",
		   "/run/fair-server");
	partition_fair_get(p, &f);
	CHECK(f.is_wanted && f.is_set && f.error == 0 && f.now.most.runtime_ns == 0);
	check_gap(p, true, "takes nothing from VMs, as pinfoldd was told");
	partition_close(p);
	check_runtimes(NULL);
	CHECK(!is_there("/run/fair-server"));
	tree_done();
}

static void test_short(void)
{
	struct partition_fair f;
	struct partition *p;

	host_init();
	p = open_host(PARTITION_AFFINITY, SHORTER);
	check_runtimes("10000000");
	partition_fair_get(p, &f);
	CHECK(f.is_set && f.now.most.runtime_ns == SHORTER && f.now.least.runtime_ns == SHORTER);
	check_gap(p, false, "for 10 of each 1000 ms (fair server, set by pinfoldd)");
	/* VMs stay; they are parked, so the host may have its share again. */
	partition_leave(p);
	check_runtimes(NULL);
	CHECK(!is_there("/run/fair-server"));
	tree_done();
}

/* What a daemon leaves behind that was killed. */
static void leave_behind(const char *boot, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "pinfold-fair-server 1\nboot %s\nthrottle -1\nset 0\ncore 2 50000000\ncore 3 "
		 "60000000\n"
		 "core 4 70000000\ncore 5 80000000\n",
		 boot);
	put("/run/fair-server", text);
	for (int i = 2; i < 6; i++) {
		put_at(value, DIR "/cpu%d/runtime", i);
	}
}

static void test_after_kill(void)
{
	struct partition *p;

	host_init();
	leave_behind(BOOT, OFF);
	partition_close(open_host(PARTITION_AFFINITY, UINT64_MAX));
	check_runtimes(NULL);
	CHECK(!is_there("/run/fair-server"));
	/* Asked again: what is given back is what was there before the first of them. */
	leave_behind(BOOT, OFF);
	p = open_host(PARTITION_AFFINITY, SHORTER);
	check_runtimes("10000000");
	partition_close(p);
	check_runtimes(NULL);
	/* Whatever the next one can do: without real-time it only gives back. */
	leave_behind(BOOT, OFF);
	p = open_host(PARTITION_ORDINARY, 0);
	check_runtimes(NULL);
	partition_close(p);
	tree_done();
}

static void test_others(void)
{
	struct partition *p;

	/* After a reboot nothing is ours, and what is there is somebody else's. */
	host_init();
	leave_behind("another-boot", OFF);
	partition_close(open_host(PARTITION_AFFINITY, UINT64_MAX));
	check_runtimes(OFF);
	CHECK(!is_there("/run/fair-server"));
	tree_done();
	/* Set by hand while we run. */
	host_init();
	p = open_host(PARTITION_AFFINITY, 0);
	put(DIR "/cpu3/runtime", "20000000");
	partition_close(p);
	check_file("50000000", DIR "/cpu2/runtime");
	check_file("20000000", DIR "/cpu3/runtime");
	check_file("70000000", DIR "/cpu4/runtime");
	tree_done();
}

static void test_bad_record(void)
{
	static const char *const bad[] = {
		"",
		"pinfold-fair-server 2\nboot " BOOT "\nthrottle -1\nset 0\ncore 2 50000000\n",
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle -1\nset 0\ncore 1024 50000000\n",
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle -1\nset 0\ncore 2 50000000\nx\n",
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle -1\nset 0\ncore 2 050000000\n",
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle -1\nset 0\ncore  2 50000000\n",
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle -1\nset -0\ncore 2 50000000\n",
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle -2\nset 0\ncore 2 50000000\n",
		"pinfold-fair-server 1\nboot ../x\nthrottle -1\nset 0\ncore 2 50000000\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		host_init();
		leave_behind(BOOT, OFF);
		put("/run/fair-server", bad[i]);
		partition_close(open_host(PARTITION_AFFINITY, UINT64_MAX));
		check_runtimes(OFF);
		tree_done();
	}
}

/* Not asked for, or it does not work: a daemon that starts all the same, and says so. */
static void check_cannot(int backend, int error, const char *why)
{
	struct partition *p = open_host(backend, SHORTER);
	struct partition_fair f;

	partition_fair_get(p, &f);
	CHECK(f.is_wanted && !f.is_set);
	CHECK_INT(f.error, error);
	check_gap(p, false, why);
	CHECK(!is_there("/run/fair-server"));
	partition_close(p);
}

static void test_cannot(void)
{
	host_init();
	put(DIR "/cpu4/period", "1000000\n");
	check_cannot(PARTITION_AFFINITY, -EINVAL, "can't be set: it can't be longer than");
	check_runtimes(NULL); /* all or none */
	check_cannot(PARTITION_ORDINARY, -ENODEV, "no real-time priority");
	check_runtimes(NULL);
	/* The kernel takes the write, and nothing changes: here a digit too many stays. */
	put(DIR "/cpu4/period", PERIOD);
	put(DIR "/cpu5/runtime", "150000000");
	check_cannot(PARTITION_AFFINITY, -EIO, "can't be set: the kernel took the value");
	tree_done();
	host_init();
	put(DIR "/cpu2/runtime", "nonsense");
	check_cannot(PARTITION_AFFINITY, -EBADMSG, "something else than expected");
	tree_done();
}

static void test_absent(void)
{
	tree_init("0-5\n", "0-5");
	put("/proc/sys/kernel/osrelease", "6.12.0-test\n");
	check_cannot(PARTITION_AFFINITY, -ENOENT, "debugfs is not mounted");
	put("/sys/kernel/debug/sched/verbose", "N\n");
	check_cannot(PARTITION_AFFINITY, -ENOTSUP, "unknown time to throttling");
	put("/proc/sys/kernel/osrelease", "6.1.0-42-amd64\n");
	put("/proc/sys/kernel/sched_rt_period_us", "1000000\n");
	put("/proc/sys/kernel/sched_rt_runtime_us", "950000\n");
	check_cannot(PARTITION_AFFINITY, -ENOTSUP, "for 50 ms/s to real-time throttling");
	put("/proc/sys/kernel/sched_rt_runtime_us", "x\n");
	check_cannot(PARTITION_AFFINITY, -ENOTSUP, "unknown time to throttling");
	tree_done();
}

static struct partition *open_throttled(bool ends, ns_t fair_ns)
{
	struct partition_options o = { .backend = PARTITION_AFFINITY,
				       .run_dir = run_dir,
				       .root = root,
				       .sets_fair_server = fair_ns != UINT64_MAX,
				       .fair_server_ns = fair_ns,
				       .ends_throttling = ends };
	struct partition *p = NULL;
	struct errmsg e = { 0 };

	CHECK_INT(partition_open(&o, &p, &e), 0);
	BUG_ON(!p);
	return p;
}

/* What is written over "950000\n", and back over it: the file is not the kernel's. */
#define ENDED "-1\n000"
#define RATE  "/proc/sys/kernel/sched_rt_runtime_us"

static void test_throttling(void)
{
	struct partition_fair f;
	struct partition *p;

	/* A kernel that has the fair server, and real-time groups. */
	host_init();
	put("/proc/self/mounts", "none /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n");
	p = open_throttled(true, UINT64_MAX);
	partition_fair_get(p, &f);
	CHECK(!f.is_throttle_set && f.throttle_error == 0 && !f.throttle.is_in_force);
	check_file("950000", RATE);
	partition_close(p);
	put("/sys/fs/cgroup/cpu/cpu.rt_runtime_us", "950000\n");
	p = open_throttled(false, UINT64_MAX);
	partition_fair_get(p, &f);
	CHECK(f.throttle.is_in_force);
	CHECK_INT(host_throttle_ns_per_s(&f.throttle), 50 * NS_PER_MS);
	check_gap(p, false, "for 50 ms/s to real-time throttling, wanted or not, and to ordinary");
	check_file("950000", RATE);
	partition_close(p);
	tree_done();
}

/* The write can't be checked against a file that is not the kernel's; giving back can. */
static void test_throttling_given_back(void)
{
	static const char record[] =
		"pinfold-fair-server 1\nboot " BOOT "\nthrottle 900000\nset 0\ncore 2 50000000\n";
	struct partition_fair f;
	struct partition *p;

	host_init();
	put("/run/fair-server", record);
	put(DIR "/cpu2/runtime", OFF);
	put(RATE, "-1\n");
	partition_close(open_throttled(false, UINT64_MAX));
	check_file("900000", RATE);
	check_runtimes(NULL);
	CHECK(!is_there("/run/fair-server"));
	/* Set by somebody else meanwhile. */
	put("/run/fair-server", record);
	put(RATE, "970000\n");
	partition_close(open_throttled(false, UINT64_MAX));
	check_file("970000", RATE);
	CHECK(!is_there("/run/fair-server"));
	tree_done();
	/* It does not take effect: both stand in the record until the end, and then are as before. */
	host_init();
	put("/proc/sys/kernel/osrelease", "6.1.0-42-amd64\n");
	p = open_throttled(true, 0);
	partition_fair_get(p, &f);
	CHECK(f.is_set && !f.is_throttle_set);
	CHECK_INT(f.throttle_error, -EBADMSG);
	check_file(ENDED, RATE);
	CHECK(is_there("/run/fair-server"));
	partition_close(p);
	check_runtimes(NULL);
	tree_done();
}

int main(void)
{
	static const struct test_case all[] = {
		{ "left as it is", test_left },
		{ "off", test_off },
		{ "shorter", test_short },
		{ "after kill -9", test_after_kill },
		{ "what others set", test_others },
		{ "bad record", test_bad_record },
		{ "what can't be set", test_cannot },
		{ "no fair server", test_absent },
		{ "throttling", test_throttling },
		{ "throttling given back", test_throttling_given_back },
	};

	if (!can_fifo()) {
		printf("skipped: without real-time priority there is nothing to set\n");
		return 77;
	}
	return test_main(all, ARRAY_SIZE(all));
}
