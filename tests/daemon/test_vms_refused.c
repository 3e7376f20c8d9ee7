/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an earlier daemon left and a new one does not take over as it is: threads with a real-time priority off the pool; VMs whose
 * processes are ended, whatever they do and wherever they are; records and updates that could not be written, or are refused.
 * Usage: test_vms_refused BUILD-DIR [CASE]
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "fake_dispatch.h"
#include "host/cgroup.h"
#include "host/task.h"
#include "host/text.h"
#include "host/timer.h"
#include "unit/test.h"
#include "vms_rig.h"

#define POOL_CORE 1 /* of the fake dispatcher */
#define PRIO	  20
#define HOG_S	  20
#define SOON_NS	  (4 * NS_PER_S)

static struct rig rig;

/* A real-time thread that keeps the pool core to itself, as a VM that has it exclusively; not for ever. */
static pid_t hog_start(void)
{
	pid_t pid = fork();

	BUG_ON(pid < 0);
	if (pid == 0) {
		alarm(HOG_S);
		if (host_task_pin(0, POOL_CORE) < 0 || host_task_set_fifo(0, PRIO) < 0) {
			_exit(1);
		}
		for (;;) {
		}
	}
	/* Who comes there before it would be in front of it. */
	while (!host_task_is_fifo(pid) && waitpid(pid, NULL, WNOHANG) == 0) {
		usleep(1000);
	}
	return pid;
}

/* The test itself stays off the pool. @return false, said: this can't be tried here */
static bool leave_pool(cpu_set_t *ret_before)
{
	BUG_ON(sched_getaffinity(0, sizeof(*ret_before), ret_before) < 0);
	if (!CPU_ISSET(0, ret_before) || !CPU_ISSET(POOL_CORE, ret_before) ||
	    host_task_set_fifo(0, 1) < 0) {
		test_skip("needs cores 0 and 1, and real-time priority");
		return false;
	}
	CHECK_INT(host_task_set_fifo(0, 0), 0);
	CHECK_INT(host_task_pin(0, 0), 0);
	return true;
}

static pid_t pid_of(const char *id)
{
	struct vms_info i = { .pid = 0 };

	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	return i.pid;
}

/* Its vCPU thread sleeps where another one runs by now, at the same priority. */
static void a_paused_one_behind_another(void)
{
	char id[VMS_ID_BYTES];
	cpu_set_t before;
	pid_t pid, tid, hog;
	ns_t took_ns;

	if (!leave_pool(&before)) {
		return;
	}
	rig_open(&rig);
	if (!rig_run(&rig, RIG_UID, "paused", "riscv64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(vms_pause(rig.vms, id, NULL), 0);
	pid = pid_of(id);
	CHECK_INT(users_ban(rig.users, RIG_UID, 0, "test", NULL), 0);
	rig_close(&rig, false);
	CHECK_INT(host_task_find(pid, "vcpu", &tid), 0);
	CHECK_INT(host_task_pin(tid, POOL_CORE), 0);
	CHECK_INT(host_task_set_fifo(tid, PRIO), 0);
	hog = hog_start();
	took_ns = host_clock_monotonic_ns();
	rig_reopen(&rig);
	took_ns = host_clock_monotonic_ns() - took_ns;
	printf("  a new daemon is there after %.0f ms\n", (double)took_ns / 1e6);
	CHECK(took_ns < SOON_NS * TEST_SLOWDOWN);
	CHECK_INT(rig_state(&rig, id), VMS_KILLED);
	CHECK(kill(pid, 0) < 0);
	kill(hog, SIGKILL);
	CHECK_INT(waitpid(hog, NULL, 0), hog);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
	CHECK_INT(sched_setaffinity(0, sizeof(before), &before), 0);
}

static bool has_memory(pid_t pid)
{
	char text[64];

	return host_text_read(text, sizeof(text), "/proc/%d/statm", pid) > 0 && text[0] != '0';
}

/* Killed by somebody else while its vCPU thread waits for a core that it does not get: no pidfd tells of that. */
static void one_that_cant_die(void)
{
	const ns_t until_ns = host_clock_monotonic_ns() + SOON_NS * TEST_SLOWDOWN;
	char id[VMS_ID_BYTES];
	cpu_set_t before;
	struct vms_info i;
	pid_t pid, tid, hog;

	if (!leave_pool(&before)) {
		return;
	}
	rig_open(&rig);
	if (!rig_run(&rig, RIG_UID, "vm", "riscv64", "endless.elf", id)) {
		return;
	}
	pid = pid_of(id);
	CHECK_INT(host_task_find(pid, "vcpu", &tid), 0);
	hog = hog_start();
	CHECK_INT(host_task_set_fifo(tid, PRIO), 0);
	CHECK_INT(host_task_pin(tid, POOL_CORE), 0);
	CHECK_INT(vms_audit(rig.vms), 0);
	CHECK_INT(kill(pid, SIGKILL), 0);
	while (has_memory(pid) && host_clock_monotonic_ns() < until_ns) {
		usleep(1000);
	}
	CHECK_INT(vms_audit(rig.vms), 0); /* most end a moment later */
	CHECK_INT(rig_state(&rig, id), VMS_RUNNING);
	CHECK_INT(vms_audit(rig.vms), 1);
	CHECK_INT(rig_state(&rig, id), VMS_STOPPING); /* the scheduler takes it off that core */
	CHECK_INT(vms_audit(rig.vms), 0);
	kill(hog, SIGKILL);
	CHECK_INT(waitpid(hog, NULL, 0), hog);
	CHECK_INT(rig_end(&rig, id, &i), VMS_KILLED);
	CHECK(strstr(i.message, "ended from outside") != NULL);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
	CHECK_INT(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* A VM of which nothing can be read is not one that ends. */
static void no_descriptors_left(void)
{
	char id[VMS_ID_BYTES];
	struct rlimit before, none;

	rig_open(&rig);
	if (!rig_run(&rig, RIG_UID, "vm", "riscv64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 3; i++) {
		vms_audit(rig.vms);
	}
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
	CHECK_INT(rig_state(&rig, id), VMS_RUNNING);
	rig_close(&rig, true);
	CHECK_INT(rig_children(), 0);
	rig_remove(&rig);
}

/* Neither in force nor written down. */
static void an_update(void)
{
	struct vms_update u = { .mask = SCHED_UPDATE_PRIO, .prio = 7 };
	char id[VMS_ID_BYTES];
	struct vms_info before, after;

	rig_open(&rig);
	if (!rig_run(&rig, 0, "vm", "riscv64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(vms_get(rig.vms, id, &before), 0);
	fake_dispatch_refuse(rig.dispatch, SCHED_EV_VM_UPDATE, -EDQUOT);
	CHECK_INT(vms_update(rig.vms, id, &u, NULL), -EDQUOT);
	fake_dispatch_refuse(rig.dispatch, SCHED_EV_TICK, 0);
	CHECK_INT(vms_get(rig.vms, id, &after), 0);
	CHECK_INT(after.spec.prio, before.spec.prio);
	rig_close(&rig, false);
	rig_reopen(&rig);
	CHECK_INT(vms_get(rig.vms, id, &after), 0);
	CHECK_INT(after.spec.prio, before.spec.prio);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* Out of the folder by which it could be found and killed, as the back-end isolated takes it. */
static void leave_folder(pid_t pid)
{
	char mount[HOST_CGROUP_PATH_BYTES];
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	if (host_cgroup_mount("", 2, NULL, mount)) {
		(void)host_text_write(text, "%s/cgroup.procs", mount);
	}
}

static bool has_died(pid_t pid)
{
	ns_t until_ns = host_clock_monotonic_ns() + SOON_NS * TEST_SLOWDOWN;

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (host_clock_monotonic_ns() > until_ns) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return false;
		}
		usleep(1000);
	}
	return true;
}

/* Its record is refused, and it does not listen. */
static void a_slot_that_is_no_more(void)
{
	char id[2][VMS_ID_BYTES];
	struct vms_info i[2];
	uint32_t max_vms;
	char path[300];
	int last;

	rig_open(&rig);
	for (int k = 0; k < 2; k++) {
		if (!rig_run(&rig, 0, k ? "b" : "a", "riscv64", "endless.elf", id[k])) {
			return;
		}
		CHECK_INT(vms_get(rig.vms, id[k], &i[k]), 0);
	}
	last = i[0].slot > i[1].slot ? 0 : 1;
	rig_close(&rig, false);
	leave_folder(i[last].pid);
	snprintf(path, sizeof(path), "%s/vms/%s/socket", rig.run_dir, id[last]);
	CHECK_INT(unlink(path), 0);
	max_vms = rig.o.max_vms;
	rig.o.max_vms = i[last].slot;
	rig_reopen(&rig);
	CHECK(has_died(i[last].pid));
	CHECK_INT(rig_state(&rig, id[last]), VMS_STOPPED);
	CHECK_INT(rig_state(&rig, id[1 - last]), VMS_RUNNING);
	rig_close(&rig, true);
	CHECK_INT(rig_children(), 0);
	rig.o.max_vms = max_vms;
	rig_remove(&rig);
}

static bool is_paused_in_record(const char *id)
{
	char path[300];
	json_t *o;
	bool is;

	snprintf(path, sizeof(path), "%s/vms/%s/record", rig.run_dir, id);
	o = json_load_file(path, 0, NULL);
	BUG_ON(!o);
	is = json_is_true(json_object_get(o, "paused"));
	json_decref(o);
	return is;
}

/* As when its disk is full. */
static void a_record_that_could_not_be_written(void)
{
	char id[VMS_ID_BYTES];
	char path[300];

	rig_open(&rig);
	if (!rig_run(&rig, 0, "vm", "riscv64", "endless.elf", id)) {
		return;
	}
	snprintf(path, sizeof(path), "%s/vms/%s/record.new", rig.run_dir, id);
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK_INT(vms_pause(rig.vms, id, NULL), 0);
	CHECK_INT(vms_audit(rig.vms), 0);
	CHECK(!is_paused_in_record(id));
	CHECK_INT(rmdir(path), 0);
	CHECK_INT(vms_audit(rig.vms), 0);
	CHECK(is_paused_in_record(id));
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* As a daemon leaves it that was killed while it froze or killed it; and one whose cores were others. */
static void hurried_threads(void)
{
	struct sched_roles roles = { .n_pool = 1, .pool = { POOL_CORE } };
	char id[VMS_ID_BYTES];
	cpu_set_t before;
	pid_t pid, tid;

	if (!leave_pool(&before)) {
		return;
	}
	rig_open(&rig);
	if (!rig_run(&rig, 0, "hurried", "riscv64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(vms_pause(rig.vms, id, NULL), 0);
	pid = pid_of(id);
	rig_close(&rig, false);
	CHECK_INT(host_task_find(pid, "vcpu", &tid), 0);
	CHECK_INT(host_task_pin(pid, 0), 0);
	CHECK_INT(host_task_set_fifo(pid, 2), 0);
	CHECK_INT(host_task_pin(tid, POOL_CORE), 0);
	CHECK_INT(host_task_set_fifo(tid, PRIO), 0);
	vms_calm(rig.run_dir, &roles);
	CHECK_INT(sched_getscheduler(pid), SCHED_OTHER);
	CHECK(host_task_is_fifo(tid)); /* it is where it belongs */
	roles.pool[0] = POOL_CORE + 1;
	vms_calm(rig.run_dir, &roles);
	CHECK_INT(sched_getscheduler(tid), SCHED_OTHER);
	rig_reopen(&rig);
	CHECK_INT(rig_state(&rig, id), VMS_PAUSED);
	CHECK_INT(vms_remove(rig.vms, id, true, NULL), 0);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
	CHECK_INT(sched_setaffinity(0, sizeof(before), &before), 0);
}

static const struct test_case cases[] = {
	{ "a record that could not be written", a_record_that_could_not_be_written },
	{ "hurried threads are ordinary again", hurried_threads },
	{ "a paused one behind another on its core", a_paused_one_behind_another },
	{ "one that can't die", one_that_cant_die },
	{ "no descriptors left", no_descriptors_left },
	{ "a slot that is no more", a_slot_that_is_no_more },
	{ "an update", an_update },
};

int main(int argc, char **argv)
{
	return rig_main(argc, argv, &rig, cases, ARRAY_SIZE(cases), test_main);
}
