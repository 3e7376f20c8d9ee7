/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done to VMs at the guard's terminals, with real VM processes over the fake dispatcher and the fake of the
 * guard's devices: killed, frozen, reclaimed, banned; while the daemon is there, and while it is not.
 * Usage: test_guard_vms BUILD-DIR [CASE]
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "fake_dispatch.h"
#include "fake_guard.h"
#include "host/task.h"
#include "host/timer.h"
#include "temp_dir.h"
#include "unit/test.h"
#include "vms_rig.h"

#define WAIT_NS (20 * NS_PER_S) /* only a test that fails waits so long */

static struct rig rig;
static struct fake_guard fake;
static struct audit *audit;
static struct guard *guard;
static char dev_dir[200];

static int sync_vms(void *arg, bool is_there)
{
	return vms_guard_sync(arg, is_there);
}

static void kill_user(void *arg, uid_t uid)
{
	(void)vms_kill_user(arg, uid);
}

static const struct guard_vms guard_vms = { sync_vms, kill_user };

static void before_vms(struct rig *r)
{
	struct guard_options o;
	struct audit_options ao;
	struct errmsg e = { 0 };

	audit_options_defaults(&ao);
	ao.state_dir = r->state_dir;
	BUG_ON(audit_open(&ao, &audit, NULL, &e) < 0);
	guard_options_defaults(&o);
	o.dev = &fake_guard_dev;
	o.dev_ctx = &fake;
	o.dev_dir = dev_dir;
	o.state_dir = r->state_dir;
	o.users = r->users;
	o.audit = audit;
	o.events = r->events;
	o.retry_ms = 50;
	BUG_ON(guard_open(&o, &guard, &e) < 0);
	r->o.guard = guard;
}

static void guard_goes(void)
{
	struct errmsg e = { 0 };

	CHECK_INT(guard_start(guard, &guard_vms, rig.vms, &e), 0);
}

static void begin(bool is_loaded)
{
	temp_dir_make(dev_dir, sizeof(dev_dir));
	fake_guard_init(&fake, dev_dir, is_loaded);
	rig.before_vms = before_vms;
	rig_open(&rig);
	guard_goes();
}

/* The daemon ends; VMs go on. */
static void leave(bool kills_vms)
{
	guard_stop(guard);
	rig_close(&rig, kills_vms);
	guard_close(guard);
	audit_close(audit);
}

static void come_back(void)
{
	rig_reopen(&rig);
	guard_goes();
}

static void end(void)
{
	leave(true);
	rig_remove(&rig);
	fake_guard_done(&fake);
	temp_dir_remove(dev_dir);
}

static struct vms_info info(const char *id)
{
	struct vms_info i = { 0 };

	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	return i;
}

/* As a terminal names it. */
static uint64_t number(const char *id)
{
	return (uint64_t)info(id).slot + 1;
}

static bool until(bool (*is)(const char *id), const char *id)
{
	ns_t until_ns = host_clock_monotonic_ns() + WAIT_NS;

	while (!is(id)) {
		if (host_clock_monotonic_ns() > until_ns) {
			return false;
		}
		usleep(1000);
	}
	return true;
}

static bool is_frozen(const char *id)
{
	return info(id).is_guard_frozen;
}

static bool is_thawed(const char *id)
{
	return !info(id).is_guard_frozen;
}

static bool is_registered(const char *id)
{
	struct pinfold_guard_vm g;

	return fake_guard_get(&fake, number(id), &g) && g.pid == info(id).pid;
}

static bool is_shared(const char *id)
{
	struct vms_info i = info(id);

	return !i.spec.is_exclusive && i.dispatch.vcpu.excl_core == SCHED_CORE_NONE;
}

static bool runs(const char *id)
{
	return host_process_is_stopped(info(id).pid) == false &&
	       info(id).dispatch.vm.state == SCHED_VM_RUN;
}

static ns_t time_of(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0
		       ? (ns_t)ts.tv_sec * NS_PER_S + (ns_t)ts.tv_nsec
		       : 0;
}

/* Its guest executes: more time than what a moment's housekeeping takes. */
static bool executes(const char *id)
{
	ns_t until_ns = host_clock_monotonic_ns() + WAIT_NS;
	pid_t pid = info(id).pid;
	ns_t before_ns = time_of(pid);

	while (time_of(pid) < before_ns + 20 * NS_PER_MS && host_clock_monotonic_ns() < until_ns) {
		usleep(1000);
	}
	return time_of(pid) >= before_ns + 20 * NS_PER_MS;
}

/* What the module does: the mark first. */
static void kill_at_terminal(const char *id)
{
	pid_t pid = info(id).pid;

	CHECK(fake_guard_mark(&fake, number(id), PINFOLD_GUARD_KILLED, 0));
	kill(pid, SIGKILL);
}

static void freeze_at_terminal(const char *id)
{
	CHECK(fake_guard_mark(&fake, number(id), PINFOLD_GUARD_FROZEN, 0));
	kill(info(id).pid, SIGSTOP);
}

static void thaw_at_terminal(const char *id, pid_t pid)
{
	kill(pid, SIGCONT);
	/* The daemon hears of it when it is done. */
	CHECK(fake_guard_mark(&fake, number(id), 0, PINFOLD_GUARD_FROZEN));
}

static bool start_endless(uid_t uid, const char *name, char id[VMS_ID_BYTES])
{
	return rig_run(&rig, uid, name, "arm64", "endless.elf", id);
}

/* With a VM that was frozen at a terminal. */
static bool begin_frozen(char id[VMS_ID_BYTES])
{
	begin(true);
	if (!start_endless(RIG_UID, "one", id)) {
		return false;
	}
	freeze_at_terminal(id);
	CHECK(until(is_frozen, id));
	return true;
}

static void registered_from_start_to_end(void)
{
	char id[VMS_ID_BYTES];
	struct pinfold_guard_vm g;
	uint64_t n;

	begin(true);
	if (!start_endless(RIG_UID, "one", id)) {
		return;
	}
	n = number(id);
	CHECK(fake_guard_get(&fake, n, &g));
	CHECK_INT(g.pid, info(id).pid);
	CHECK_INT(g.owner_uid, RIG_UID);
	CHECK_STR(g.name, "one");
	CHECK_INT(g.cores[0], 2); /* the pool's only core */
	CHECK_INT(g.flags, 0);
	CHECK_INT(vms_pin(rig.vms, id, SPEC_CORE_ANY, NULL), 0);
	CHECK(fake_guard_get(&fake, n, &g));
	CHECK_INT(g.flags, PINFOLD_GUARD_EXCLUSIVE);
	CHECK_INT(vms_unpin(rig.vms, id, NULL), 0);
	CHECK(fake_guard_get(&fake, n, &g));
	CHECK_INT(g.flags, 0);
	CHECK_INT(vms_kill(rig.vms, id, NULL), 0);
	CHECK(!fake_guard_get(&fake, n, &g));
	CHECK_STR(info(id).message, "killed on request");
	end();
}

static void registered_when_the_module_comes(void)
{
	char id[VMS_ID_BYTES];

	begin(false);
	if (!start_endless(RIG_UID, "one", id)) {
		return;
	}
	fake_guard_load(&fake, true);
	CHECK(until(is_registered, id));
	fake_guard_load(&fake, false);
	fake_guard_load(&fake, true);
	CHECK(until(is_registered, id));
	leave(false);
	come_back();
	CHECK(until(is_registered, id));
	end();
}

static void check_killed(const char *id)
{
	struct vms_info i;

	CHECK_INT(rig_end(&rig, id, &i), VMS_KILLED);
	CHECK_STR(i.message, "killed at the guard's terminal");
}

static void killed(void)
{
	char id[VMS_ID_BYTES];
	struct pinfold_guard_vm g;
	uint64_t n;

	begin(true);
	for (int i = 0; i < 5; i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%d", i);
		if (!start_endless(RIG_UID, name, id)) {
			return;
		}
		n = number(id);
		kill_at_terminal(id);
		check_killed(id);
		CHECK(!fake_guard_get(&fake, n, &g));
	}
	/* It can be started again. */
	CHECK_INT(vms_start(rig.vms, id, NULL), 0);
	CHECK(until(is_registered, id));
	end();
}

/* Its end is seen before the guard's change is. */
static void killed_a_moment_ago(void)
{
	char id[VMS_ID_BYTES];

	begin(true);
	if (!start_endless(RIG_UID, "one", id)) {
		return;
	}
	pthread_mutex_lock(&fake.lock);
	for (uint32_t i = 0; i < fake.n_vms; i++) {
		fake.vms[i].flags |= PINFOLD_GUARD_KILLED; /* nobody is told */
	}
	pthread_mutex_unlock(&fake.lock);
	kill(info(id).pid, SIGKILL);
	check_killed(id);
	end();
}

static void killed_while_no_daemon_was_there(void)
{
	char id[VMS_ID_BYTES];
	pid_t pid;
	uint64_t n;

	begin(true);
	if (!start_endless(RIG_UID, "one", id)) {
		return;
	}
	pid = info(id).pid;
	n = number(id);
	leave(false);
	CHECK(fake_guard_mark(&fake, n, PINFOLD_GUARD_KILLED, 0));
	kill(pid, SIGKILL);
	come_back();
	check_killed(id);
	leave(false);
	come_back(); /* it is in the history */
	check_killed(id);
	end();
}

static void frozen_and_let_go(void)
{
	char id[VMS_ID_BYTES];
	struct errmsg e = { 0 };

	if (!begin_frozen(id)) {
		return;
	}
	CHECK_INT(info(id).state, VMS_PAUSED);
	CHECK_INT(vms_resume(rig.vms, id, &e), -EBUSY);
	CHECK(strstr(e.text, "frozen at the guard's terminal") != NULL);
	CHECK_INT(vms_pause(rig.vms, id, NULL), -EBUSY);
	CHECK_INT(vms_start(rig.vms, id, NULL), -EBUSY);
	CHECK_INT(vms_shutdown(rig.vms, id, NULL), -EBUSY);
	CHECK_INT(vms_unpin(rig.vms, id, NULL), -EBUSY);
	thaw_at_terminal(id, info(id).pid);
	CHECK(until(is_thawed, id));
	CHECK_INT(info(id).state, VMS_RUNNING);
	CHECK(until(runs, id));
	CHECK_INT(vms_pause(rig.vms, id, NULL), 0);
	/* What its user wanted stays below the guard's will. */
	freeze_at_terminal(id);
	CHECK(until(is_frozen, id));
	thaw_at_terminal(id, info(id).pid);
	CHECK(until(is_thawed, id));
	CHECK_INT(info(id).state, VMS_PAUSED);
	CHECK_INT(info(id).dispatch.vm.state, SCHED_VM_PAUSED);
	CHECK_INT(vms_resume(rig.vms, id, NULL), 0);
	CHECK(executes(id));
	end();
}

static bool is_faulted(const char *id)
{
	return info(id).state == VMS_FAULTED;
}

static bool is_stopped(const char *id)
{
	return host_process_is_stopped(info(id).pid);
}

/* Stopped by the scheduler because it does not obey: what is thawed is not let go. */
static void frozen_and_faulted(void)
{
	char id[VMS_ID_BYTES];

	if (!begin_frozen(id)) {
		return;
	}
	fake_dispatch_fault(rig.dispatch, info(id).slot, SCHED_REASON_HUNG);
	CHECK(until(is_faulted, id));
	thaw_at_terminal(id, info(id).pid);
	CHECK(until(is_thawed, id));
	CHECK(until(is_stopped, id));
	end();
}

static void frozen_and_ended(void)
{
	char id[2][VMS_ID_BYTES];

	begin(true);
	if (!start_endless(RIG_UID, "one", id[0]) || !start_endless(RIG_UID, "two", id[1])) {
		return;
	}
	freeze_at_terminal(id[0]);
	freeze_at_terminal(id[1]);
	CHECK(until(is_frozen, id[0]) && until(is_frozen, id[1]));
	CHECK_INT(vms_stop(rig.vms, id[0], NULL), 0);
	CHECK_INT(info(id[0]).state, VMS_STOPPED);
	kill_at_terminal(id[1]);
	check_killed(id[1]);
	CHECK_INT(vms_start(rig.vms, id[1], NULL), 0);
	CHECK_INT(info(id[1]).state, VMS_RUNNING);
	end();
}

static void frozen_over_a_restart(void)
{
	char id[4][VMS_ID_BYTES];
	pid_t pid[4];
	struct vms_info i;

	begin(true);
	rig.o.grace_ms = RIG_LATE_MS;
	for (int k = 0; k < 4; k++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%d", k);
		if (!start_endless(RIG_UID, name, id[k])) {
			return;
		}
		pid[k] = info(id[k]).pid;
	}
	freeze_at_terminal(id[0]); /* while the daemon is there */
	CHECK(until(is_frozen, id[0]));
	leave(false);
	for (int k = 1; k < 3; k++) {
		CHECK(fake_guard_mark(&fake, (uint64_t)k + 1, PINFOLD_GUARD_FROZEN, 0));
		kill(pid[k], SIGSTOP);
	}
	come_back();
	for (int k = 0; k < 3; k++) {
		CHECK(is_frozen(id[k]));
		CHECK_INT(info(id[k]).state, VMS_PAUSED);
		CHECK(host_process_is_stopped(pid[k]));
	}
	CHECK(executes(id[3]));
	CHECK_INT(vms_resume(rig.vms, id[0], NULL), -EBUSY);
	CHECK_INT(vms_kill(rig.vms, id[1], NULL), 0);
	CHECK_INT(rig_end(&rig, id[1], &i), VMS_KILLED);
	CHECK_STR(i.message, "killed on request");
	CHECK(fake_guard_mark(&fake, 3, PINFOLD_GUARD_KILLED, 0));
	kill(pid[2], SIGKILL);
	check_killed(id[2]);
	thaw_at_terminal(id[0], pid[0]);
	CHECK(until(is_thawed, id[0]));
	CHECK(rig_await(&rig, id[0], VMS_RUNNING));
	CHECK(until(is_registered, id[0]));
	CHECK(executes(id[0]));
	end();
}

/* A daemon ends while a VM waits to be let go: it is left to the next one as it is. */
static void frozen_over_two_restarts(void)
{
	char id[VMS_ID_BYTES];
	pid_t pid;

	begin(true);
	rig.o.grace_ms = RIG_LATE_MS;
	if (!start_endless(RIG_UID, "one", id)) {
		return;
	}
	pid = info(id).pid;
	freeze_at_terminal(id);
	CHECK(until(is_frozen, id));
	for (int k = 0; k < 2; k++) {
		leave(false);
		come_back();
		CHECK(is_frozen(id));
		CHECK(host_process_is_stopped(pid));
	}
	thaw_at_terminal(id, pid);
	CHECK(rig_await(&rig, id, VMS_RUNNING));
	CHECK(executes(id));
	end();
}

static void frozen_when_the_module_goes(void)
{
	char id[VMS_ID_BYTES];

	if (!begin_frozen(id)) {
		return;
	}
	fake_guard_load(&fake, false);
	CHECK(until(is_thawed, id));
	CHECK(executes(id));
	end();
}

/* A VM with a core of its own. */
static bool begin_with_core(char id[VMS_ID_BYTES])
{
	begin(true);
	if (!start_endless(RIG_UID, "one", id)) {
		return false;
	}
	CHECK_INT(vms_pin(rig.vms, id, SPEC_CORE_ANY, NULL), 0);
	return true;
}

/* The core that was reclaimed may be given anew. */
static void check_core_given(const char *id)
{
	struct pinfold_guard_vm g;

	CHECK_INT(vms_pin(rig.vms, id, SPEC_CORE_ANY, NULL), 0);
	CHECK(fake_guard_get(&fake, number(id), &g));
	CHECK_INT(g.flags, PINFOLD_GUARD_EXCLUSIVE);
}

static void reclaimed(void)
{
	char id[VMS_ID_BYTES];

	if (!begin_with_core(id)) {
		return;
	}
	CHECK(!is_shared(id));
	CHECK(fake_guard_mark(&fake, number(id), PINFOLD_GUARD_RECLAIMED, PINFOLD_GUARD_EXCLUSIVE));
	CHECK(until(is_shared, id));
	CHECK_INT(info(id).state, VMS_RUNNING);
	check_core_given(id);
	fake_guard_ban(&fake, 9999); /* a change that is none of its business */
	usleep(100000);
	CHECK(!is_shared(id));
	end();
}

/* What was on its way when the core was taken gives it back to nobody. */
static void given_a_core_before_the_reclaim_was_known(void)
{
	char id[VMS_ID_BYTES];

	if (!begin_with_core(id)) {
		return;
	}
	pthread_mutex_lock(&fake.lock);
	fake.vms[0].flags |= PINFOLD_GUARD_RECLAIMED; /* nobody is told */
	pthread_mutex_unlock(&fake.lock);
	CHECK_INT(vms_unpin(rig.vms, id, NULL), 0);
	CHECK_INT(vms_pin(rig.vms, id, SPEC_CORE_ANY, NULL), 0);
	CHECK(!is_shared(id));
	fake_guard_ban(&fake, 9999); /* now they are compared */
	CHECK(until(is_shared, id));
	check_core_given(id);
	end();
}

static void reclaimed_while_no_daemon_was_there(void)
{
	char id[VMS_ID_BYTES];

	if (!begin_with_core(id)) {
		return;
	}
	leave(false);
	CHECK(fake_guard_mark(&fake, 1, PINFOLD_GUARD_RECLAIMED, PINFOLD_GUARD_EXCLUSIVE));
	come_back();
	CHECK(is_shared(id));
	leave(false);
	come_back();
	CHECK(is_shared(id));
	CHECK_INT(info(id).state, VMS_RUNNING);
	check_core_given(id);
	end();
}

static void a_banned_user(void)
{
	char id[2][VMS_ID_BYTES];
	struct errmsg e = { 0 };
	struct vms_info i;

	begin(true);
	if (!start_endless(RIG_UID, "one", id[0]) ||
	    !rig_create(&rig, RIG_UID, "two", "arm64", "endless.elf", id[1])) {
		return;
	}
	fake_guard_ban(&fake, RIG_UID);
	CHECK_INT(rig_end(&rig, id[0], &i), VMS_KILLED);
	CHECK_INT(vms_start(rig.vms, id[1], &e), -EPERM);
	CHECK(strstr(e.text, "is banned: guard") != NULL);
	end();
}

/* The guard knows, and the daemon does not yet. */
static void a_ban_that_came_a_moment_ago(void)
{
	char id[VMS_ID_BYTES];
	struct errmsg e = { 0 };

	begin(true);
	if (!rig_create(&rig, RIG_UID, "one", "arm64", "endless.elf", id)) {
		return;
	}
	pthread_mutex_lock(&fake.lock);
	fake.secret_ban = RIG_UID;
	pthread_mutex_unlock(&fake.lock);
	CHECK_INT(vms_start(rig.vms, id, &e), -EKEYREJECTED);
	CHECK(strstr(e.text, "banned at the guard's terminal") != NULL);
	CHECK_INT(info(id).state, VMS_CREATED);
	CHECK_INT(info(id).runs, 0);
	end();
}

static void banned_while_no_daemon_was_there(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;

	begin(true);
	if (!start_endless(RIG_UID, "one", id)) {
		return;
	}
	leave(false);
	fake_guard_ban(&fake, RIG_UID);
	come_back();
	CHECK_INT(rig_end(&rig, id, &i), VMS_KILLED);
	CHECK(strstr(i.message, "banned") != NULL);
	CHECK(users_is_banned(rig.users, RIG_UID));
	end();
}

static void it_hangs_while_vms_start_and_end(void)
{
	char id[2][VMS_ID_BYTES];

	begin(true);
	if (!start_endless(RIG_UID, "one", id[0])) {
		return;
	}
	fake_guard_hang(&fake, true);
	if (!start_endless(RIG_UID, "two", id[1])) {
		return;
	}
	CHECK_INT(vms_kill(rig.vms, id[0], NULL), 0);
	fake_guard_hang(&fake, false);
	CHECK(until(is_registered, id[1]));
	end();
}

static const struct test_case cases[] = {
	{ "registered from start to end", registered_from_start_to_end },
	{ "registered when the module comes", registered_when_the_module_comes },
	{ "killed", killed },
	{ "killed a moment ago", killed_a_moment_ago },
	{ "killed while no daemon was there", killed_while_no_daemon_was_there },
	{ "frozen and let go", frozen_and_let_go },
	{ "frozen and faulted", frozen_and_faulted },
	{ "frozen and ended", frozen_and_ended },
	{ "frozen over a restart", frozen_over_a_restart },
	{ "frozen over two restarts", frozen_over_two_restarts },
	{ "frozen when the module goes", frozen_when_the_module_goes },
	{ "reclaimed", reclaimed },
	{ "given a core before the reclaim was known", given_a_core_before_the_reclaim_was_known },
	{ "reclaimed while no daemon was there", reclaimed_while_no_daemon_was_there },
	{ "a banned user", a_banned_user },
	{ "a ban that came a moment ago", a_ban_that_came_a_moment_ago },
	{ "banned while no daemon was there", banned_while_no_daemon_was_there },
	{ "it hangs while VMs start and end", it_hangs_while_vms_start_and_end },
};

int main(int argc, char **argv)
{
	return rig_main(argc, argv, &rig, cases, ARRAY_SIZE(cases), test_main);
}
