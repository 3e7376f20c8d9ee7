/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dispatcher goes and comes back while its VMs live on: in order, and killed at any moment. No VM
 * is lost, no core has two holders, and the core locks say who may be running in between.
 * Usage: test_dispatch_restart FAKE-VM [CRASHES]
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm_rig.h"
#include "host/task.h"
#include "host/timer.h"
#include "test.h"

#define FAKES 4

static const char *program;
static uint32_t crashes = 50;
static struct rig rig;

static void begin(uint32_t n)
{
	rig_init(&rig, program);
	rig_spawn(&rig, n);
}

static void check_stats(void)
{
	struct dispatch_stats stats;

	dispatch_stats_get(rig.d, &stats);
	CHECK_INT(stats.sched.violations, 0);
}

static void in_order(void)
{
	begin(FAKES);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(rig_start(&rig), 0);
		rig_go(&rig, 2 * NS_PER_MS);
		for (uint32_t k = 0; k < FAKES; k++) {
			rig_mode(&rig, k, FAKE_GOOD);
			CHECK(rig_executes(&rig, k));
		}
		check_stats();
		rig_stop(&rig);
		for (uint32_t k = 0; k < FAKES; k++) {
			CHECK(rig_stands(&rig, k)); /* they have finished their slices */
		}
	}
	if (rig.is_real_time) {
		CHECK_INT(rig_overlaps(&rig, 0), 0);
	}
	rig_done(&rig);
	CHECK_INT(rig.violations, 0);
}

/* One that hung when the daemon went is frozen before its core is given away. */
static void a_hung_owner_is_adopted(void)
{
	struct dispatch_vm_info info;
	struct dispatch_notice n;

	begin(2);
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, 2 * NS_PER_MS);
	rig_mode(&rig, 1, FAKE_GOOD);
	rig_mode(&rig, 0, FAKE_GOOD);
	CHECK(rig_executes(&rig, 0));
	rig_stop(&rig);
	rig_pause(20 * NS_PER_MS);
	CHECK_INT(rig_start(&rig), 0);
	CHECK_INT(rig_attach(&rig, 0, 2 * NS_PER_MS), 0);
	CHECK_INT(rig_attach(&rig, 1, 2 * NS_PER_MS), 0);
	/* From now on it runs whatever it is told. */
	atomic_store(&rig.fake[0].log->mode, FAKE_HANG);
	CHECK_INT(dispatch_go(rig.d, NULL), 0);
	CHECK(rig_await(&rig, DISPATCH_FAULT, 0, RIG_WAIT_MS, &n));
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	CHECK(info.freezes > 0);
	rig_done(&rig);
}

/* As one that was killed while it froze or killed a VM. */
static void hurried_threads_are_ordinary_again(void)
{
	pid_t pid;

	begin(1);
	pid = rig.fake[0].pid;
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, 2 * NS_PER_MS);
	rig_stop(&rig);
	CHECK(host_task_is_pinned(pid, rig.roles.housekeeping));
	CHECK(!rig.is_real_time || host_task_set_fifo(pid, 2) == 0);
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, 2 * NS_PER_MS);
	CHECK_INT(sched_getscheduler(pid), SCHED_OTHER);
	rig_done(&rig);
}

static void an_exclusive_one_runs_on(void)
{
	struct sched_event cap = { .type = SCHED_EV_EXCL_CAP, .arg = 1 };
	struct dispatch_core_info core;

	begin(2);
	if (rig.roles.n_pool != 1) {
		test_skip("written for a pool of one core");
		rig_done(&rig);
		return;
	}
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, 2 * NS_PER_MS);
	rig_mode(&rig, 0, FAKE_GOOD);
	rig_mode(&rig, 1, FAKE_GOOD);
	CHECK_INT(dispatch_event(rig.d, &cap, NULL), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST), 0);
	CHECK(rig_executes(&rig, 0));
	rig_stop(&rig);
	CHECK(rig_executes(&rig, 0)); /* its grant has no end */
	CHECK_INT(rig_start(&rig), 0);
	CHECK_INT(dispatch_event(rig.d, &cap, NULL), 0);
	rig_go(&rig, 2 * NS_PER_MS);
	CHECK(rig_executes(&rig, 0));
	CHECK(rig_stands(&rig, 1));
	CHECK_INT(dispatch_core_get(rig.d, 0, &core), 0);
	CHECK(core.is_exclusive);
	CHECK_INT(core.holder, 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_RELEASE), 0);
	CHECK(rig_executes(&rig, 1));
	CHECK(rig_executes(&rig, 0));
	check_stats();
	rig_done(&rig);
}

/* What a child that is going to be killed says about itself. */
struct report {
	_Atomic uint64_t lives, violations;
	_Atomic ns_t begun_ns, going_ns;
};

static void live_until_killed(struct report *rep)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint32_t i = 0; i < FAKES; i++) {
		rig.fake[i].socket_fd = -1; /* the parent's is another connection */
	}
	if (rig_start(&rig) < 0) {
		_exit(1);
	}
	rig_go(&rig, NS_PER_MS);
	atomic_store(&rep->going_ns, host_clock_monotonic_ns());
	rig_mode_all(&rig, FAKE_GOOD);
	atomic_fetch_add(&rep->lives, 1);
	for (;;) {
		struct dispatch_stats stats;

		rig_pause(2 * NS_PER_MS);
		rig_drain(&rig);
		dispatch_stats_get(rig.d, &stats);
		atomic_store(&rep->violations, stats.sched.violations + rig.violations);
		(void)rig_event(&rig, 3, SCHED_EV_VM_PAUSE);
		(void)rig_event(&rig, 3, SCHED_EV_VM_RESUME);
	}
}

static bool is_at_work(const void *arg)
{
	return atomic_load(&((struct report *)(uintptr_t)arg)->going_ns) != 0;
}

static int by_size(const void *a, const void *b)
{
	ns_t x = *(const ns_t *)a;
	ns_t y = *(const ns_t *)b;

	return x < y ? -1 : x > y;
}

static void killed_at_any_moment(void)
{
	struct report *rep =
		mmap(NULL, sizeof(*rep), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ns_t *again = calloc(crashes, sizeof(*again));
	uint32_t n_again = 0;

	begin(FAKES);
	for (uint32_t i = 0; i < crashes; i++) {
		ns_t begun_ns = host_clock_monotonic_ns();
		pid_t pid;

		atomic_store(&rep->going_ns, 0);
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			live_until_killed(rep);
		}
		if (i % 2) {
			CHECK(rig_until(is_at_work, rep));
		}
		rig_pause(i * 7919 % 60 * NS_PER_MS + i * 104729 % 1000 * NS_PER_US);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (atomic_load(&rep->going_ns)) {
			again[n_again++] = atomic_load(&rep->going_ns) - begun_ns;
		}
		CHECK_INT(atomic_load(&rep->violations), 0);
	}
	for (uint32_t i = 0; i < FAKES; i++) {
		CHECK_INT(kill(rig.fake[i].pid, 0), 0);
		CHECK_INT(waitpid(rig.fake[i].pid, NULL, WNOHANG), 0);
	}
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, NS_PER_MS);
	for (uint32_t i = 0; i < FAKES; i++) {
		rig_mode(&rig, i, FAKE_GOOD);
		CHECK(rig_executes(&rig, i));
	}
	if (rig.is_real_time) {
		CHECK_INT(rig_overlaps(&rig, 0), 0);
	}
	check_stats();
	qsort(again, n_again, sizeof(*again), by_size);
	printf("  %u crashes, %" PRIu64 " of them at work; grants again after %.1f ms (median)\n",
	       crashes, atomic_load(&rep->lives), n_again ? (double)again[n_again / 2] / 1e6 : 0.0);
	CHECK(n_again >= crashes / 2);
	rig_done(&rig);
	CHECK_INT(rig.violations, 0);
	free(again);
	munmap(rep, sizeof(*rep));
}

static void only_one_at_a_time(void)
{
	struct dispatch_options o;
	struct dispatch *second;
	struct errmsg e = { "" };

	begin(0);
	CHECK_INT(rig_start(&rig), 0);
	dispatch_options_defaults(&o);
	o.roles = &rig.roles;
	o.run_dir = rig.dir;
	o.fifo_prio = 0;
	CHECK_INT(dispatch_start(&o, &second, &e), -EBUSY);
	CHECK(strstr(e.text, "another daemon holds the core locks") != NULL);
	rig_done(&rig);
}

static int open_locks(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/locks", rig.dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	return fd;
}

/* Files that are not ours, or not of this boot, are set aside. */
static void strange_files(void)
{
	static const char text[] = "not a lock file";
	char path[128];
	struct stat st;
	int fd;

	begin(0);
	snprintf(path, sizeof(path), "%s/locks.aside", rig.dir);
	fd = open_locks();
	CHECK_INT(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	CHECK_INT(rig_start(&rig), 0);
	rig_stop(&rig);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_size, sizeof(text));
	unlink(path);
	CHECK_INT(rig_start(&rig), 0); /* its own is taken */
	rig_stop(&rig);
	CHECK(stat(path, &st) < 0);
	fd = open_locks();
	CHECK_INT(pwrite(fd, "x", 1, 10), 1); /* the boot id */
	close(fd);
	CHECK_INT(rig_start(&rig), 0);
	rig_stop(&rig);
	CHECK_INT(stat(path, &st), 0);
	fd = open_locks();
	CHECK_INT(fchmod(fd, 0666), 0);
	close(fd);
	unlink(path);
	CHECK_INT(rig_start(&rig), 0);
	rig_stop(&rig);
	CHECK_INT(stat(path, &st), 0);
	rig_done(&rig);
}

/* Words that make no sense: the core goes off, or is freed when nobody is meant; nothing breaks. */
static void strange_words(void)
{
	static const uint64_t words[] = {
		UINT64_MAX,	   /* nobody we know */
		1,		   /* fake 0 */
		1ULL << 20,	   /* a successor without an owner */
		1ULL << 40,	   /* exclusive, of nobody */
		1ULL | 1ULL << 20, /* its own successor */
		2ULL | 1ULL << 20, /* an owner we don't know */
		(1ULL << 40) | 1ULL | 1ULL << 20,
	};

	begin(1);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		off_t at = 64 + (off_t)rig.roles.pool[0] * 8;
		struct dispatch_core_info core;
		uint64_t word = words[i];
		int fd;

		CHECK_INT(rig_start(&rig), 0);
		fd = open_locks();
		CHECK_INT(pwrite(fd, &word, sizeof(word), at), sizeof(word));
		close(fd);
		rig_go(&rig, NS_PER_MS);
		rig_mode(&rig, 0, FAKE_GOOD);
		CHECK_INT(dispatch_core_get(rig.d, 0, &core), 0);
		if (core.core.is_online && !core.is_exclusive) {
			CHECK(rig_executes(&rig, 0));
		}
		check_stats();
		rig_stop(&rig);
	}
	rig_done(&rig);
}

/* Somebody else writes in the lock file while it is in use. */
static void a_word_is_changed(void)
{
	uint64_t word = 0x123456789abcdef0ULL;
	struct dispatch_notice n;
	int fd;

	begin(2);
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, 2 * NS_PER_MS);
	rig_mode(&rig, 0, FAKE_GOOD);
	rig_mode(&rig, 1, FAKE_GOOD);
	rig_pause(20 * NS_PER_MS);
	fd = open_locks();
	CHECK_INT(pwrite(fd, &word, sizeof(word), 64 + (off_t)rig.roles.pool[0] * 8), 8);
	close(fd);
	CHECK(rig_await(&rig, DISPATCH_REPORT, SCHED_NONE, RIG_WAIT_MS, &n));
	CHECK_INT(n.reason, SCHED_REASON_VIOLATION);
	CHECK(rig_executes(&rig, 0));
	CHECK(rig_executes(&rig, 1));
	rig_done(&rig);
}

static const struct test_case cases[] = {
	{ "only one at a time", only_one_at_a_time },
	{ "strange files", strange_files },
	{ "strange words", strange_words },
	{ "a word is changed", a_word_is_changed },
	{ "in order", in_order },
	{ "a hung owner is adopted", a_hung_owner_is_adopted },
	{ "hurried threads are ordinary again", hurried_threads_are_ordinary_again },
	{ "an exclusive one runs on", an_exclusive_one_runs_on },
	{ "killed at any moment", killed_at_any_moment },
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		printf("usage: test_dispatch_restart FAKE-VM [CRASHES]\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	program = argv[1];
	if (argc > 2) {
		crashes = (uint32_t)strtoul(argv[2], NULL, 10);
	}
	return test_main(cases, ARRAY_SIZE(cases));
}
