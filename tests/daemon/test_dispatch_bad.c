/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fake VMs that break the rules: each is found, stopped and reported, its core goes to its
 * neighbours, and nothing happens to them.
 * Usage: test_dispatch_bad FAKE-VM [CASE]
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_vm_rig.h"
#include "host/task.h"
#include "host/timer.h"
#include "proto/grant.h"
#include "test.h"

static const char *program;
static struct rig rig;
static bool wants_cgroups;
static uint32_t patience = RIG_PATIENCE;

static void set_patience(struct dispatch_options *o)
{
	o->patience = patience;
}

/* Three fakes that run; number 0 will be bad. */
static void begin(void)
{
	rig_init(&rig, program);
	if (wants_cgroups && !rig_use_cgroups(&rig)) {
		printf("  no cgroup v2 here: by SIGSTOP\n");
	}
	rig_spawn(&rig, 3);
	CHECK_INT(rig_start_with(&rig, set_patience), 0);
	rig_go(&rig, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	rig_pause(50 * NS_PER_MS);
}

static void end(void)
{
	CHECK(rig_executes(&rig, 1));
	CHECK(rig_executes(&rig, 2));
	CHECK(rig_end(&rig));
}

/*
 * Without real-time priority one that claims to have parked may be found out by either of two: the look
 * at the time that it uses, or the ladder, when others leave it little of the core.
 */
static bool is_reason(enum sched_reason got, enum sched_reason want)
{
	return got == want ||
	       (!rig.is_real_time && want == SCHED_REASON_FORGED && got == SCHED_REASON_HUNG);
}

static void ends_in_the_fault_queue(enum sched_reason reason)
{
	struct dispatch_vm_info info;
	struct dispatch_notice n = { .reason = SCHED_REASON_NONE };

	CHECK(rig_await(&rig, DISPATCH_FAULT, 0, RIG_WAIT_MS, &n));
	if (!is_reason(n.reason, reason)) {
		printf("  reason %s, not %s\n", sched_reason_name(n.reason),
		       sched_reason_name(reason));
		test_failures++;
	}
	CHECK_INT(n.gen, rig.fake[0].gen);
	CHECK(rig_stands(&rig, 0));
	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	CHECK_INT(info.vm.state, SCHED_VM_FAULTED);
	CHECK(info.freezes > 0);
	/* It can be killed where it stands. */
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_KILL), 0);
	CHECK(rig_await(&rig, DISPATCH_DIED, 0, RIG_WAIT_MS, &n));
	CHECK_INT(dispatch_vm_remove(rig.d, 0, rig.fake[0].gen, NULL, NULL), 0);
	rig.fake[0].is_added = false;
}

static void bad(enum fake_mode mode, enum sched_reason reason)
{
	begin();
	atomic_store(&rig.fake[0].log->mode, mode);
	ends_in_the_fault_queue(reason);
	end();
}

static void a_hung_one(void)
{
	bad(FAKE_HANG, SCHED_REASON_HUNG);
}

static void a_forged_park(void)
{
	bad(FAKE_FORGE, SCHED_REASON_FORGED);
}

static void a_run_without_a_grant(void)
{
	begin();
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_PAUSE), 0);
	CHECK(rig_stands(&rig, 0));
	rig_mode(&rig, 0, FAKE_ROGUE);
	ends_in_the_fault_queue(SCHED_REASON_ROGUE);
	end();
}

/*
 * Its folder may hold its vCPU thread alone. The others stand still as well, and are no real-time threads: whoever thaws it
 * would find them on the core where he runs himself.
 */
static void a_forged_park_frozen_alone(void)
{
	struct dispatch_notice n;
	pid_t tid;

	rig_init(&rig, program);
	if (!rig_use_thread_groups(&rig)) {
		test_skip("no cgroup v2 here");
		rig_done(&rig);
		return;
	}
	rig_spawn(&rig, 3);
	CHECK_INT(rig_start(&rig), 0);
	rig_go(&rig, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	CHECK_INT(host_task_find(rig.fake[0].pid, "vcpu", &tid), 0);
	atomic_store(&rig.fake[0].log->mode, FAKE_FORGE);
	CHECK(rig_await(&rig, DISPATCH_FAULT, 0, RIG_WAIT_MS, &n));
	CHECK_INT(host_process_await_stop(rig.fake[0].pid, RIG_WAIT_MS), 0);
	CHECK_INT(sched_getscheduler(rig.fake[0].pid), SCHED_OTHER);
	CHECK(!host_task_is_pinned(tid, rig.roles.housekeeping) ||
	      sched_getscheduler(tid) == SCHED_OTHER);
	end();
}

/* Whatever is forgiven on an emulated machine, not that. */
static void a_run_without_a_grant_and_much_patience(void)
{
	patience = 1000;
	a_run_without_a_grant();
	patience = RIG_PATIENCE;
}

#define ATTEMPTS 5

/* One that hears nothing but a signal goes on; the ladder stops there. */
static bool was_signalled(const void *arg)
{
	struct dispatch_vm_info info;

	(void)arg;
	return dispatch_vm_get(rig.d, 0, &info) == 0 && info.signals > 0;
}

/* @return whether it went on: a host that takes the core for longer than the ladder waits spoils it */
static bool goes_on_after_a_signal(void)
{
	struct dispatch_vm_info info;
	bool is_good;

	begin();
	rig_mode(&rig, 0, FAKE_DEAF);
	CHECK(rig_until(was_signalled, NULL));
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	is_good = info.vm.state == SCHED_VM_RUN && info.freezes == 0 && rig_executes(&rig, 0);
	end();
	return is_good;
}

static void a_deaf_one(void)
{
	bool is_good = false;

	for (int i = 0; i < ATTEMPTS && !is_good; i++) {
		is_good = goes_on_after_a_signal();
	}
	CHECK(is_good);
}

/* Whether both neighbours had turns enough. */
static bool have_turns_since(const void *arg)
{
	ns_t from_ns = *(const ns_t *)arg;
	ns_t now_ns = host_clock_monotonic_ns();

	return rig_turns(&rig, 1, from_ns, now_ns, 0).n > 10 &&
	       rig_turns(&rig, 2, from_ns, now_ns, 0).n > 10;
}

static void noise(enum fake_mode mode)
{
	struct dispatch_stats before;
	struct dispatch_stats after;
	ns_t from_ns;
	ns_t took_ns;

	begin();
	dispatch_stats_get(rig.d, &before);
	from_ns = host_clock_monotonic_ns();
	rig_mode(&rig, 0, mode);
	rig_pause(NS_PER_S);
	dispatch_stats_get(rig.d, &after);
	took_ns = host_clock_monotonic_ns() - from_ns;
	printf("  %.1f %% of the control core\n",
	       100 * (double)(after.busy_ns - before.busy_ns) / (double)took_ns);
	CHECK(after.busy_ns - before.busy_ns < took_ns / 2);
	CHECK(rig_until(have_turns_since, &from_ns));
	end();
}

static void spam(void)
{
	noise(FAKE_SPAM);
}

static void nonsense(void)
{
	noise(FAKE_NONSENSE);
}

static void one_that_leaves_its_core(void)
{
	struct dispatch_vm_info info;
	struct dispatch_notice n;
	pid_t tid;

	begin();
	rig_mode(&rig, 0, FAKE_STRAY); /* its control thread */
	CHECK(rig_await(&rig, DISPATCH_STRAY, 0, RIG_WAIT_MS, &n));
	CHECK(host_task_is_pinned(rig.fake[0].pid, rig.roles.housekeeping));
	/* And its vCPU thread, moved by somebody who took its priority, too. */
	CHECK_INT(host_task_find(rig.fake[0].pid, "vcpu", &tid), 0);
	rig_mode(&rig, 0, FAKE_BLOCKED);
	CHECK(rig_becomes(&rig, 0, SCHED_VCPU_BLOCKED));
	if (rig.roles.housekeeping != rig.roles.pool[0]) {
		int policy = sched_getscheduler(tid);

		CHECK_INT(host_task_set_fifo(tid, 0), 0);
		CHECK_INT(host_task_pin(tid, rig.roles.housekeeping), 0);
		CHECK(rig_await(&rig, DISPATCH_STRAY, 0, RIG_WAIT_MS, &n));
		CHECK(host_task_is_pinned(tid, rig.roles.pool[0]));
		CHECK_INT(sched_getscheduler(tid), policy);
		CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
		CHECK_INT(info.strays, 2);
		/* Taken from one that is where it belongs, it comes back as well. */
		CHECK_INT(host_task_set_fifo(tid, 0), 0);
		for (int i = 0; i < 100 && sched_getscheduler(tid) != policy; i++) {
			rig_pause(20 * NS_PER_MS);
		}
		CHECK_INT(sched_getscheduler(tid), policy);
	}
	end();
}

static _Atomic uint16_t offline_core;

static int place(void *arg, pid_t tid, uint16_t host_core)
{
	(void)arg;
	return host_core == atomic_load(&offline_core) ? -EINVAL : host_task_pin(tid, host_core);
}

static void set_place(struct dispatch_options *o)
{
	o->place = place;
}

/* The kernel lets its thread run anywhere then. */
static void one_whose_core_goes_offline(void)
{
	struct dispatch_notice n;
	pid_t tid;

	atomic_store(&offline_core, UINT16_MAX);
	rig_init(&rig, program);
	rig_spawn(&rig, 3);
	CHECK_INT(rig_start_with(&rig, set_place), 0);
	rig_go(&rig, 5 * NS_PER_MS);
	rig_mode_all(&rig, FAKE_GOOD);
	CHECK(rig_executes(&rig, 0));
	rig_mode(&rig, 0, FAKE_BLOCKED);
	CHECK(rig_becomes(&rig, 0, SCHED_VCPU_BLOCKED));
	CHECK_INT(host_task_find(rig.fake[0].pid, "vcpu", &tid), 0);
	if (rig.roles.housekeeping != rig.roles.pool[0]) {
		int policy = sched_getscheduler(tid);

		atomic_store(&offline_core, rig.roles.pool[0]);
		CHECK_INT(host_task_pin(tid, rig.roles.control), 0);
		CHECK(rig_await(&rig, DISPATCH_STRAY, 0, RIG_WAIT_MS, &n));
		CHECK(host_task_is_pinned(tid, rig.roles.housekeeping));
		CHECK_INT(sched_getscheduler(tid), SCHED_OTHER);
		/* When it is back, all is as before. */
		atomic_store(&offline_core, UINT16_MAX);
		rig_mode(&rig, 0, FAKE_GOOD);
		CHECK(rig_executes(&rig, 0));
		CHECK(host_task_is_pinned(tid, rig.roles.pool[0]));
		CHECK_INT(sched_getscheduler(tid), policy);
	}
	end();
}

/* The VM tries to change its pages for the worse. */
static void pages_hold(void)
{
	struct dispatch_fds fds;

	begin();
	CHECK_INT(dispatch_slot_open(rig.d, 9, &fds, NULL), 0);
	CHECK(ftruncate(fds.grant_fd, 0) < 0 && errno == EPERM);
	CHECK(ftruncate(fds.ack_fd, 0) < 0 && errno == EPERM);
	CHECK(write(fds.grant_fd, "x", 1) < 0 && errno == EPERM);
	dispatch_slot_close(rig.d, 9);
	end();
}

/* The next VM of a slot has the pages of the one before, and nothing that was on them. */
static void pages_are_clean_again(void)
{
	static const uint8_t none[PAGE_BYTES];
	_Alignas(64) uint8_t was[2][PAGE_BYTES];
	struct dispatch_fds fds;
	uint64_t n;

	begin();
	rig_bury(&rig, 0);
	CHECK_INT(dispatch_slot_open(rig.d, 0, &fds, NULL), 0);
	CHECK_INT(pread(fds.grant_fd, was[0], PAGE_BYTES, 0), PAGE_BYTES);
	CHECK_INT(pread(fds.ack_fd, was[1], PAGE_BYTES, 0), PAGE_BYTES);
	CHECK(((const struct grant_page *)(const void *)was[0])->magic == GRANT_MAGIC);
	CHECK(((const struct ack_page *)(const void *)was[1])->magic == ACK_MAGIC);
	for (int i = 0; i < 2; i++) {
		CHECK(memcmp(was[i] + 8, none, PAGE_BYTES - 8) == 0);
	}
	CHECK(read(fds.notify_fd, &n, sizeof(n)) < 0 && errno == EAGAIN);
	CHECK(write(fds.grant_fd, "x", 1) < 0 && errno == EPERM);
	CHECK_INT(dispatch_slot_open(rig.d, 0, &fds, NULL), -EBUSY);
	dispatch_slot_close(rig.d, 0);
	end();
}

static void a_hung_exclusive_one(void)
{
	struct sched_event ev = { .type = SCHED_EV_EXCL_CAP, .arg = 1 };
	struct dispatch_notice n;
	ns_t took_ns;

	begin();
	if (rig.roles.n_pool != 1) {
		test_skip("written for a pool of one core");
		end();
		return;
	}
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST), 0);
	rig_pause(50 * NS_PER_MS);
	rig_mode(&rig, 0, FAKE_HANG);
	rig_pause(50 * NS_PER_MS);
	took_ns = host_clock_monotonic_ns();
	ev = (struct sched_event){ .type = SCHED_EV_EXCL_RECLAIM, .core = 0 };
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	CHECK(rig_await(&rig, DISPATCH_FAULT, 0, RIG_WAIT_MS, &n));
	took_ns = host_clock_monotonic_ns() - took_ns;
	printf("  core free after %.0f us\n", (double)took_ns / 1e3);
	end();
}

/* At random moments, by somebody else. */
static void sudden_deaths(void)
{
	struct dispatch_notice n;

	begin();
	for (uint32_t i = 0; i < 40; i++) {
		rig_pause(i * 977 % 10000 * NS_PER_US);
		kill(rig.fake[0].pid, SIGKILL);
		CHECK(rig_await(&rig, DISPATCH_DIED, 0, RIG_WAIT_MS, &n));
		rig_bury(&rig, 0);
		rig.n = 0;
		rig_spawn(&rig, 1);
		rig.n = 3;
		CHECK_INT(rig_attach(&rig, 0, 5 * NS_PER_MS), 0);
		rig_mode(&rig, 0, FAKE_GOOD);
	}
	end();
}

/* Its core is free at once, however long the process lives, and it is no hung one. */
static void a_thread_that_ends(void)
{
	int end_fd = (int)syscall(SYS_pidfd_open, gettid(), O_EXCL /* PIDFD_THREAD */);
	struct dispatch_vm_info info;
	struct dispatch_notice n;

	if (end_fd < 0) {
		test_skip("this kernel does not tell that a thread has ended");
		return;
	}
	close(end_fd);
	begin();
	atomic_store(&rig.fake[0].log->mode, FAKE_LEAVE);
	CHECK(!rig_await(&rig, DISPATCH_FAULT, 0, 300, &n));
	CHECK(rig_stands(&rig, 0));
	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	CHECK_INT(info.signals, 0);
	CHECK_INT(info.freezes, 0);
	/* Also one that is said to want to run again. */
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_PAUSE), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_RESUME), 0);
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_KILL), 0);
	CHECK(rig_await(&rig, DISPATCH_DIED, 0, RIG_WAIT_MS, &n));
	CHECK_INT(dispatch_vm_remove(rig.d, 0, rig.fake[0].gen, NULL, NULL), 0);
	rig.fake[0].is_added = false;
	end();
}

static void check_no_blame(void)
{
	struct dispatch_vm_info info;

	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	CHECK_INT(info.freezes, 0);
	CHECK_INT(info.vm.fault, SCHED_REASON_NONE);
}

/* As the guard's terminals do it: the dispatcher did not, and the VM can't obey. */
static void one_that_somebody_stopped(void)
{
	struct dispatch_notice n;

	begin();
	for (int i = 0; i < 20; i++) {
		CHECK_INT(kill(rig.fake[0].pid, SIGSTOP), 0);
		CHECK(rig_becomes(&rig, 0, SCHED_VCPU_BLOCKED));
		CHECK(!rig_await(&rig, DISPATCH_FAULT, 0, 50, &n));
		CHECK_INT(kill(rig.fake[0].pid, SIGCONT), 0);
		CHECK(rig_executes(&rig, 0));
	}
	/* Paused meanwhile, as the daemon does when it hears of it. */
	CHECK_INT(kill(rig.fake[0].pid, SIGSTOP), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_PAUSE), 0);
	CHECK(rig_becomes(&rig, 0, SCHED_VCPU_STOPPED));
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(kill(rig.fake[0].pid, SIGCONT), 0);
	CHECK(rig_stands(&rig, 0));
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_RESUME), 0);
	CHECK(rig_executes(&rig, 0));
	check_no_blame();
	end();
}

static void an_exclusive_one_that_somebody_stopped(void)
{
	struct sched_event ev = { .type = SCHED_EV_EXCL_CAP, .arg = 1 };
	struct dispatch_vm_info info;
	struct dispatch_notice n;

	begin();
	CHECK_INT(dispatch_event(rig.d, &ev, NULL), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_REQUEST), 0);
	CHECK_INT(kill(rig.fake[0].pid, SIGSTOP), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_PAUSE), 0);
	CHECK(rig_becomes(&rig, 0, SCHED_VCPU_STOPPED));
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_EXCL_RELEASE), 0);
	CHECK(rig_executes(&rig, 1));
	CHECK_INT(dispatch_vm_get(rig.d, 0, &info), 0);
	CHECK_INT(info.vcpu.excl_core, SCHED_CORE_NONE);
	CHECK_INT(kill(rig.fake[0].pid, SIGCONT), 0);
	CHECK_INT(rig_event(&rig, 0, SCHED_EV_VM_RESUME), 0);
	CHECK(rig_executes(&rig, 0));
	CHECK(!rig_await(&rig, DISPATCH_FAULT, 0, 50, &n));
	check_no_blame();
	end();
}

static const struct test_case cases[] = {
	{ "a hung one", a_hung_one },
	{ "a forged park", a_forged_park },
	{ "a run without a grant", a_run_without_a_grant },
	{ "a forged park, its vCPU thread frozen alone", a_forged_park_frozen_alone },
	{ "a run without a grant, and much patience", a_run_without_a_grant_and_much_patience },
	{ "a deaf one", a_deaf_one },
	{ "spam", spam },
	{ "nonsense", nonsense },
	{ "one that leaves its core", one_that_leaves_its_core },
	{ "one whose core goes offline", one_whose_core_goes_offline },
	{ "pages hold", pages_hold },
	{ "pages are clean again", pages_are_clean_again },
	{ "a hung exclusive one", a_hung_exclusive_one },
	{ "sudden deaths", sudden_deaths },
	{ "a thread that ends", a_thread_that_ends },
	{ "one that somebody stopped", one_that_somebody_stopped },
	{ "an exclusive one that somebody stopped", an_exclusive_one_that_somebody_stopped },
};

int main(int argc, char **argv)
{
	int r;

	if (argc < 2) {
		printf("usage: test_dispatch_bad FAKE-VM [CASE]\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	program = argv[1];
	for (size_t i = 0; argc > 2 && i < ARRAY_SIZE(cases); i++) {
		if (strstr(cases[i].name, argv[2])) {
			return test_main(&cases[i], 1);
		}
	}
	r = test_main(cases, ARRAY_SIZE(cases));
	printf("once more, by cgroup:\n");
	wants_cgroups = true;
	return test_main(cases, 3) | r;
}
