/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table finds its VMs again: after it was closed in good order, and after the daemon was killed;
 * and it believes no record that lies.
 * Usage: test_vms_restart BUILD-DIR [CASE]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "fake_dispatch.h"
#include "host/task.h"
#include "unit/test.h"
#include "vms_rig.h"

static struct rig rig;

enum { ENDLESS, PAUSED, ECHO_, FAULT, MIX, FLEET };

static char fleet[FLEET][VMS_ID_BYTES];

static bool start_fleet(void)
{
	struct vms_info i;

	if (!rig_run(&rig, RIG_UID, "paused", "riscv64", "bench/mix.elf", fleet[PAUSED])) {
		return false;
	}
	CHECK_INT(vms_pause(rig.vms, fleet[PAUSED], NULL), 0); /* long before it comes to its end */
	if (!rig_run(&rig, 0, "endless", "arm64", "endless.elf", fleet[ENDLESS]) ||
	    !rig_run(&rig, 0, "echo", "riscv64", "echo.elf", fleet[ECHO_]) ||
	    !rig_run(&rig, 0, "fault", "arm64", "fault_illegal.elf", fleet[FAULT]) ||
	    !rig_run(&rig, 0, "mix", "arm64", "bench/mix.elf", fleet[MIX])) {
		return false;
	}
	CHECK_INT(rig_end(&rig, fleet[FAULT], &i), VMS_FAULTED);
	return true;
}

/* Where they were, and able to go on. */
static void check_fleet(void)
{
	static const uint8_t typed[] = "again\004";
	struct vms_info i;
	struct users_info user;
	json_t *regs = NULL;
	char *out;

	CHECK(fake_dispatch_is_going(rig.dispatch));
	CHECK_INT(rig_state(&rig, fleet[ENDLESS]), VMS_RUNNING);
	CHECK_INT(rig_state(&rig, fleet[PAUSED]), VMS_PAUSED);
	CHECK_INT(rig_state(&rig, fleet[FAULT]), VMS_FAULTED);
	CHECK_INT(users_get(rig.users, RIG_UID, &user), 0);
	CHECK_INT(user.running_vms, 1);
	CHECK_INT(user.memory_bytes, 8 << 20);
	CHECK_INT(vms_get(rig.vms, fleet[ENDLESS], &i), 0);
	CHECK_STR(i.arch, "arm64");
	CHECK_INT(i.runs, 1);
	CHECK(i.pid > 0 && i.started_ns > 0);
	CHECK(vms_owns_pid(rig.vms, i.pid));
	CHECK_INT(vms_registers(rig.vms, fleet[FAULT], &regs, NULL), 0);
	json_decref(regs);
	CHECK_INT(vms_resume(rig.vms, fleet[PAUSED], NULL), 0);
	CHECK_INT(rig_end(&rig, fleet[PAUSED], &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	CHECK_INT(rig_end(&rig, fleet[MIX], &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	CHECK_INT(vms_console_write(rig.vms, fleet[ECHO_], typed, sizeof(typed) - 1, NULL),
		  sizeof(typed) - 1);
	CHECK_INT(rig_end(&rig, fleet[ECHO_], &i), VMS_STOPPED);
	out = rig_output(&rig, fleet[ECHO_], NULL);
	CHECK(strstr(out, "againechoed 5") != NULL);
	free(out);
	CHECK_INT(vms_kill(rig.vms, fleet[ENDLESS], NULL), 0);
	for (int k = 0; k < FLEET; k++) {
		CHECK_INT(vms_remove(rig.vms, fleet[k], true, NULL), 0);
	}
	rig_check_clean(&rig);
}

static void closed_and_opened(void)
{
	rig_open(&rig);
	if (start_fleet()) {
		rig_close(&rig, false);
		rig_reopen(&rig);
		check_fleet();
	}
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* What the history keeps of runs that are over is shown as before. */
static void ended_ones_are_as_before(void)
{
	char ids[3][VMS_ID_BYTES];
	struct vms_info before[3], after;

	rig_open(&rig);
	if (!rig_run(&rig, 0, "fault", "arm64", "fault_illegal.elf", ids[0]) ||
	    !rig_run(&rig, 0, "exit", "arm64", "exit42.elf", ids[1]) ||
	    !rig_run(&rig, 0, "killed", "arm64", "endless.elf", ids[2])) {
		return;
	}
	CHECK_INT(vms_kill(rig.vms, ids[2], NULL), 0);
	for (int k = 0; k < 3; k++) {
		rig_end(&rig, ids[k], &before[k]);
		CHECK_INT(vms_get(rig.vms, ids[k], &before[k]), 0);
	}
	CHECK_INT(before[0].state, VMS_FAULTED);
	CHECK_INT(before[1].stop.code, 42);
	rig_close(&rig, false);
	rig_reopen(&rig);
	for (int k = 0; k < 3; k++) {
		CHECK_INT(vms_get(rig.vms, ids[k], &after), 0);
		CHECK_INT(after.state, before[k].state);
		CHECK_STR(after.message, before[k].message);
		CHECK_STR(after.arch, "arm64");
		CHECK_STR(after.engine, "unicorn");
		CHECK(after.ended_ns == before[k].ended_ns);
		CHECK(after.cpu_ns == before[k].cpu_ns);
	}
	CHECK_INT(vms_get(rig.vms, ids[1], &after), 0);
	CHECK(after.has_stop);
	CHECK_INT(after.stop.reason, PROTO_STOP_EXIT);
	CHECK_INT(after.stop.code, 42);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* Its process is gone, and what was to be kept is kept. */
static bool await_buried(const char *id, struct vms_info *ret)
{
	for (unsigned int i = 0; i < RIG_WAIT_MS; i++) {
		if (vms_get(rig.vms, id, ret) == 0 && ret->state == VMS_FAULTED && !ret->pid &&
		    ret->has_fault_context) {
			return true;
		}
		usleep(1000);
	}
	CHECK(!"the fault is kept");
	return false;
}

static void check_same_fault(const struct vms_info *a, const struct vms_info *b)
{
	CHECK_INT(a->state, b->state);
	CHECK_INT(a->fault, b->fault);
	CHECK_STR(a->message, b->message);
	CHECK(a->has_stop && b->has_stop);
	CHECK_INT(a->stop.reason, b->stop.reason);
	CHECK_INT(a->stop.pc, b->stop.pc);
	CHECK_STR(a->stop.text, b->stop.text);
	CHECK(memcmp(&a->stop.fault, &b->stop.fault, sizeof(a->stop.fault)) == 0);
	CHECK_INT(a->stop.usage.cpu_ns, b->stop.usage.cpu_ns);
	CHECK_INT(a->stop.usage.mem_peak_bytes, b->stop.usage.mem_peak_bytes);
	CHECK_INT(a->has_fault_context, b->has_fault_context);
}

/* Where, how, registers and context of a fault whose process is gone. */
static void faults_are_as_before(void)
{
	static const char *const guests[] = { "fault_illegal.elf", "fault_write.elf" };
	char ids[2][VMS_ID_BYTES];
	struct vms_info before[2], after;
	json_t *regs_before[2] = { NULL, NULL };
	json_t *regs = NULL;
	int fd;
	int disks[PROTO_DISKS_MAX];

	rig_open(&rig);
	rig_close(&rig, true);
	rig.o.max_faults_per_user = 0; /* no process is kept */
	rig_reopen(&rig);
	for (int k = 0; k < 2; k++) {
		if (!rig_run(&rig, 0, guests[k], "x64", guests[k], ids[k]) ||
		    !await_buried(ids[k], &before[k])) {
			return;
		}
		CHECK_INT(vms_registers(rig.vms, ids[k], &regs_before[k], NULL), 0);
		CHECK(json_object_get(regs_before[k], "rip") != NULL);
	}
	CHECK_STR(before[0].stop.fault.kind, "illegal-instruction");
	CHECK(before[1].stop.fault.has_address);
	rig_close(&rig, false);
	rig_reopen(&rig);
	for (int k = 0; k < 2; k++) {
		CHECK_INT(vms_get(rig.vms, ids[k], &after), 0);
		check_same_fault(&before[k], &after);
		CHECK_INT(vms_registers(rig.vms, ids[k], &regs, NULL), 0);
		CHECK(json_equal(regs, regs_before[k]));
		json_decref(regs);
		json_decref(regs_before[k]);
		regs = NULL;
		fd = memfd_create("context", MFD_CLOEXEC);
		CHECK_INT(vms_save(rig.vms, ids[k], fd, disks, NULL), 0);
		CHECK(lseek(fd, 0, SEEK_END) > 0);
		close(fd);
	}
	/* One that is cleared does not come back, one that runs again has no fault. */
	CHECK_INT(vms_kill(rig.vms, ids[0], NULL), 0);
	CHECK_INT(vms_remove(rig.vms, ids[1], true, NULL), 0);
	rig_close(&rig, false);
	rig_reopen(&rig);
	CHECK_INT(rig_state(&rig, ids[0]), VMS_KILLED);
	CHECK_INT(vms_registers(rig.vms, ids[0], &regs, NULL), -EBUSY);
	CHECK_INT(vms_get(rig.vms, ids[1], &after), -ENOENT);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* What is shown of one that runs. */
static void check_counts(const char *id, uint64_t wait_ns, uint64_t slices)
{
	struct vms_info i;

	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	CHECK_INT(i.wait_ns, wait_ns);
	CHECK_INT(i.slices, slices);
}

static uint32_t slot_of(const char *id)
{
	struct vms_info i = { .slot = SCHED_NONE };

	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	return i.slot;
}

/* Slices, waiting and CPU time of a run, over two daemons that close and come back; not those of another run. */
static void counts_go_on(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info before, after;

	rig_open(&rig);
	if (!rig_run(&rig, 0, "endless", "arm64", "endless.elf", id)) {
		return;
	}
	fake_dispatch_count(rig.dispatch, slot_of(id), 5000, 100);
	rig_close(&rig, false);
	rig_reopen(&rig);
	check_counts(id, 5000, 100);
	fake_dispatch_count(rig.dispatch, slot_of(id), 70, 3);
	check_counts(id, 5070, 103);
	CHECK_INT(vms_get(rig.vms, id, &before), 0);
	rig_close(&rig, false);
	rig_reopen(&rig);
	check_counts(id, 5070, 103);
	CHECK_INT(vms_get(rig.vms, id, &after), 0);
	CHECK(after.cpu_ns >= before.cpu_ns);
	CHECK_INT(vms_kill(rig.vms, id, NULL), 0);
	rig_end(&rig, id, &after);
	check_counts(id, 5070, 103);
	CHECK_INT(vms_start(rig.vms, id, NULL), 0);
	check_counts(id, 0, 0);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* A file that another wrote, or nobody: counted anew, and nothing else is wrong. */
static void counts_are_not_ours(void)
{
	char id[VMS_ID_BYTES];
	char path[300];

	rig_open(&rig);
	snprintf(path, sizeof(path), "%s/counts", rig.run_dir);
	if (!rig_run(&rig, 0, "endless", "arm64", "endless.elf", id)) {
		return;
	}
	fake_dispatch_count(rig.dispatch, slot_of(id), 5000, 100);
	rig_close(&rig, false);
	CHECK_INT(truncate(path, 100), 0);
	rig_reopen(&rig);
	check_counts(id, 0, 0);
	fake_dispatch_count(rig.dispatch, slot_of(id), 5000, 100);
	rig_close(&rig, false);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(symlink("/etc/passwd", path), 0);
	rig_reopen(&rig);
	check_counts(id, 0, 0);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* A daemon in a process of its own: starts the fleet, says so, is killed. */
static void run_daemon(int ready_fd)
{
	rig_open(&rig);
	if (!start_fleet()) {
		_exit(1);
	}
	/* The first is seen, the second is found by the audit, the third by nobody. */
	fake_dispatch_count(rig.dispatch, slot_of(fleet[ENDLESS]), 7000, 70);
	check_counts(fleet[ENDLESS], 7000, 70);
	fake_dispatch_count(rig.dispatch, slot_of(fleet[PAUSED]), 8000, 80);
	vms_audit(rig.vms);
	fake_dispatch_count(rig.dispatch, slot_of(fleet[PAUSED]), 9000, 90);
	if (test_failures || write(ready_fd, &rig, sizeof(rig)) != sizeof(rig) ||
	    write(ready_fd, fleet, sizeof(fleet)) != sizeof(fleet)) {
		_exit(1);
	}
	for (;;) {
		pause();
	}
}

static void killed_and_opened(void)
{
	int status;
	int fds[2];
	pid_t pid;

	BUG_ON(pipe(fds) < 0);
	pid = fork();
	BUG_ON(pid < 0);
	if (pid == 0) {
		run_daemon(fds[1]);
	}
	close(fds[1]);
	if (read(fds[0], &rig, sizeof(rig)) != sizeof(rig) ||
	    read(fds[0], fleet, sizeof(fleet)) != sizeof(fleet)) {
		CHECK(!"the daemon has a fleet");
		return;
	}
	close(fds[0]);
	kill(pid, SIGKILL);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	rig_reopen(&rig);
	check_counts(fleet[ENDLESS], 7000, 70);
	check_counts(fleet[PAUSED], 8000, 80);
	check_fleet();
	rig_close(&rig, true);
	rig_remove(&rig);
}

static void record_path(const char *id, char *path, size_t n)
{
	snprintf(path, n, "%s/vms/%s/record", rig.run_dir, id);
}

static json_t *record_load(const char *id)
{
	char path[300];
	json_t *o;

	record_path(id, path, sizeof(path));
	o = json_load_file(path, 0, NULL);
	BUG_ON(!o);
	return o;
}

static void record_store(const char *id, json_t *o)
{
	char path[300];

	record_path(id, path, sizeof(path));
	BUG_ON(json_dump_file(o, path, JSON_ENCODE_ANY) < 0);
	json_decref(o);
}

/* Field 22 of /proc/PID/stat. */
static json_int_t start_ticks(pid_t pid)
{
	long long ticks = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	BUG_ON(!f || fscanf(f,
			    "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
			    "%*d %*d %*d %*d %lld",
			    &ticks) != 1);
	fclose(f);
	return ticks;
}

/* How a record is doctored. */
static void doctor(const char *how, const char *id, pid_t stranger)
{
	json_t *o = record_load(id);
	char path[300];

	record_path(id, path, sizeof(path));
	if (strcmp(how, "garbage") == 0) {
		json_decref(o);
		o = json_string("garbage");
	} else if (strcmp(how, "pid of another") == 0) {
		json_object_set_new(o, "pid", json_integer(stranger));
	} else if (strcmp(how, "pid and time of another") == 0) {
		json_object_set_new(o, "pid", json_integer(stranger));
		json_object_set_new(o, "ticks", json_integer(start_ticks(stranger)));
	} else if (strcmp(how, "start time") == 0) {
		json_object_set_new(o, "ticks", json_integer(1));
	} else if (strcmp(how, "id") == 0) {
		json_object_set_new(o, "id", json_string("0123456789abcdef"));
	} else if (strcmp(how, "slot") == 0) {
		json_object_set_new(o, "slot", json_integer(1 << 20));
	} else if (strcmp(how, "digest") == 0) {
		json_object_set_new(o, "digest", json_integer(7));
	} else if (strcmp(how, "cgroup") == 0) {
		json_object_set_new(o, "freeze_dir", json_string("/sys/fs/cgroup/../../etc"));
	}
	record_store(id, o);
	if (strcmp(how, "open to others") == 0) {
		BUG_ON(chmod(path, 0644) < 0);
	} else if (strcmp(how, "missing") == 0) {
		unlink(path);
	}
}

/* None of these is met again; none of these ends a process that is no VM. */
static void doctored_records(void)
{
	static const char *const how[] = {
		"garbage", "pid of another", "pid and time of another", "start time", "id", "slot",
		"digest",  "cgroup",	     "open to others",		"missing"
	};
	char id[VMS_ID_BYTES];
	struct errmsg e;
	struct vms_info i;
	pid_t stranger = fork();

	BUG_ON(stranger < 0);
	if (stranger == 0) {
		execlp("sleep", "sleep", "600", NULL);
		_exit(1);
	}
	for (size_t k = 0; k < sizeof(how) / sizeof(how[0]); k++) {
		pid_t pid;

		rig_open(&rig);
		if (!rig_run(&rig, 0, "vm", "arm64", "endless.elf", id)) {
			break;
		}
		CHECK_INT(vms_get(rig.vms, id, &i), 0);
		pid = i.pid;
		rig_close(&rig, false);
		doctor(how[k], id, stranger);
		rig_reopen(&rig);
		CHECK_INT(vms_get(rig.vms, id, &i), 0);
		if (i.state != VMS_STOPPED && i.state != VMS_KILLED) {
			printf("%s: VM is %s\n", how[k], vms_state_name(i.state));
			test_failures++;
		}
		CHECK_INT(i.pid, 0);
		CHECK_INT(kill(stranger, 0), 0);
		/* The orphan is asked to end through its socket, or killed through its cgroup. */
		CHECK_INT(waitpid(pid, NULL, 0), pid);
		e.text[0] = '\0';
		CHECK_INT(vms_start(rig.vms, id, &e), 0);
		CHECK_STR(e.text, "");
		rig_close(&rig, true);
		rig_remove(&rig);
	}
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
}

/* Two records that name one slot: the first is met, the other is ended. */
static void one_slot_for_two(void)
{
	char id[2][VMS_ID_BYTES];
	unsigned int n_running = 0;
	pid_t pid[2], homeless = 0;
	struct vms_info i;
	json_t *o;
	json_int_t slot;

	rig_open(&rig);
	if (!rig_run(&rig, 0, "a", "arm64", "endless.elf", id[0]) ||
	    !rig_run(&rig, 0, "b", "arm64", "endless.elf", id[1])) {
		return;
	}
	rig_close(&rig, false);
	o = record_load(id[0]);
	slot = json_integer_value(json_object_get(o, "slot"));
	pid[0] = (pid_t)json_integer_value(json_object_get(o, "pid"));
	json_decref(o);
	o = record_load(id[1]);
	pid[1] = (pid_t)json_integer_value(json_object_get(o, "pid"));
	json_object_set_new(o, "slot", json_integer(slot));
	record_store(id[1], o);
	rig_reopen(&rig);
	for (int k = 0; k < 2; k++) {
		CHECK_INT(vms_get(rig.vms, id[k], &i), 0);
		n_running += i.state == VMS_RUNNING ? 1 : 0;
		homeless = i.state == VMS_RUNNING ? homeless : pid[k];
	}
	CHECK_INT(n_running, 1);
	for (int k = 0; k < 2; k++) {
		CHECK_INT(vms_remove(rig.vms, id[k], true, NULL), 0);
	}
	CHECK(waitpid(homeless, NULL, 0) > 0); /* a child of this process, which nobody knows */
	vms_audit(rig.vms);		       /* removes its cgroup */
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* Ended, paused by SIGSTOP, or dead while nobody looked. */
static void changed_meanwhile(void)
{
	char id[3][VMS_ID_BYTES];
	struct vms_info i;
	pid_t pid[3];

	rig_open(&rig);
	for (int k = 0; k < 3; k++) {
		const char *name[] = { "dead", "stopped", "ended" };
		const char *file[] = { "endless.elf", "endless.elf", "bench/mix.elf" };

		if (!rig_run(&rig, 0, name[k], "arm64", file[k], id[k])) {
			return;
		}
		CHECK_INT(vms_get(rig.vms, id[k], &i), 0);
		pid[k] = i.pid;
	}
	rig_close(&rig, false);
	kill(pid[0], SIGKILL);
	kill(pid[1], SIGSTOP);
	CHECK_INT(waitpid(pid[0], NULL, 0), pid[0]);
	rig_reopen(&rig);
	CHECK_INT(vms_get(rig.vms, id[0], &i), 0);
	CHECK_INT(i.state, VMS_STOPPED);
	CHECK(strncmp(i.message, "lost", 4) == 0);
	CHECK_INT(rig_state(&rig, id[1]), VMS_RUNNING);
	CHECK_INT(rig_end(&rig, id[2], &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	CHECK_INT(vms_kill(rig.vms, id[1], NULL), 0);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
}

static struct {
	pid_t pid;
	bool is_alive, is_stopped;
} at_go;

static void look_at_go(void)
{
	at_go.is_alive = kill(at_go.pid, 0) == 0;
	at_go.is_stopped = host_process_is_stopped(at_go.pid);
}

/* One whose socket never answers does not hold up the others, and has no core when they get theirs. */
static void one_never_answers(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char id[3][VMS_ID_BYTES];
	struct vms_info i;
	int fd;

	rig_open(&rig);
	rig.o.grace_ms = RIG_LATE_MS;
	for (int k = 0; k < 3; k++) {
		const char *name[] = { "a", "silent", "b" };

		if (!rig_run(&rig, 0, name[k], "arm64", "endless.elf", id[k])) {
			return;
		}
	}
	CHECK_INT(vms_get(rig.vms, id[1], &i), 0);
	at_go.pid = i.pid;
	rig_close(&rig, false);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.60s/vms/%s/socket", rig.run_dir, id[1]);
	unlink(addr.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_INT(listen(fd, 4), 0);
	fake_dispatch_on_go = look_at_go;
	rig_reopen(&rig);
	fake_dispatch_on_go = NULL;
	CHECK(fake_dispatch_is_going(rig.dispatch));
	CHECK(at_go.is_alive && at_go.is_stopped);
	CHECK_INT(rig_state(&rig, id[0]), VMS_RUNNING);
	CHECK_INT(rig_state(&rig, id[2]), VMS_RUNNING);
	CHECK_INT(vms_pause(rig.vms, id[0], NULL), 0);
	/* It is not believed for ever. */
	CHECK_INT(rig_end(&rig, id[1], &i), VMS_KILLED);
	CHECK(strstr(i.message, "answer") != NULL);
	CHECK_INT(waitpid(at_go.pid, NULL, 0), at_go.pid); /* a child of this process */
	close(fd);
	for (int k = 0; k < 3; k++) {
		CHECK_INT(vms_remove(rig.vms, id[k], true, NULL), 0);
	}
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* The same, killed or left alone while it is waited for. */
static void silent_one_is_ended(bool is_killed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char id[VMS_ID_BYTES];
	struct vms_info i;
	pid_t pid;
	int fd;

	rig_open(&rig);
	rig.o.grace_ms = RIG_LATE_MS;
	if (!rig_run(&rig, 0, "silent", "arm64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	pid = i.pid;
	rig_close(&rig, false);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.60s/vms/%s/socket", rig.run_dir, id);
	unlink(addr.sun_path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK_INT(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	CHECK_INT(listen(fd, 4), 0);
	rig_reopen(&rig);
	if (is_killed) {
		CHECK_INT(vms_kill(rig.vms, id, NULL), 0);
		CHECK_INT(rig_state(&rig, id), VMS_KILLED);
		CHECK_INT(waitpid(pid, NULL, 0), pid);
		rig_check_clean(&rig);
	} else {
		rig_close(&rig, false);
		CHECK_INT(waitpid(pid, NULL, WNOHANG), 0); /* it lives, for the next daemon */
		close(fd);
		rig_reopen(&rig);
		CHECK_INT(rig_end(&rig, id, &i), VMS_KILLED);
		CHECK_INT(waitpid(pid, NULL, 0), pid);
	}
	rig_close(&rig, true);
	close(fd);
	rig_remove(&rig);
}

static void silent_one_is_killed(void)
{
	silent_one_is_ended(true);
}

static void silent_one_is_left(void)
{
	silent_one_is_ended(false);
}

static atomic_bool is_storm_over;

/* Stops a process again and again. */
static void *storm_main(void *arg)
{
	const pid_t *pid = arg;

	while (!atomic_load(&is_storm_over)) {
		kill(*pid, SIGSTOP);
		usleep(200);
	}
	return NULL;
}

static void end_storm(void)
{
	atomic_store(&is_storm_over, true);
}

/* One that answers only when the others run already is met all the same. */
static void one_is_late(void)
{
	char id[2][VMS_ID_BYTES];
	struct vms_info i;
	pthread_t storm;
	pid_t pid;

	rig_open(&rig);
	rig.o.grace_ms = RIG_LATE_MS;
	if (!rig_run(&rig, 0, "late", "arm64", "bench/mix.elf", id[0]) ||
	    !rig_run(&rig, 0, "other", "arm64", "endless.elf", id[1])) {
		return;
	}
	CHECK_INT(vms_get(rig.vms, id[0], &i), 0);
	pid = i.pid;
	BUG_ON(pid <=
	       0); /* it has ended before it could be late; and 0 would be whoever runs this test */
	rig_close(&rig, false);
	atomic_store(&is_storm_over, false);
	BUG_ON(pthread_create(&storm, NULL, storm_main, &pid) != 0);
	fake_dispatch_on_go = end_storm;
	rig_reopen(&rig);
	fake_dispatch_on_go = NULL;
	pthread_join(storm, NULL);
	kill(pid, SIGCONT); /* the last of the storm may have come behind the daemon's */
	CHECK_INT(rig_end(&rig, id[0], &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	CHECK_INT(rig_state(&rig, id[1]), VMS_RUNNING);
	CHECK_INT(vms_kill(rig.vms, id[1], NULL), 0);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
}

/* What an earlier daemon left that belongs to nobody. */
static void leftovers(void)
{
	char path[300];
	int fd;

	rig_open(&rig);
	rig_close(&rig, true);
	snprintf(path, sizeof(path), "%s/vms/0123456789abcdef", rig.run_dir);
	CHECK_INT(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/vms/0123456789abcdef/socket", rig.run_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	snprintf(path, sizeof(path), "%s/vms/not-an-id", rig.run_dir);
	CHECK_INT(mkdir(path, 0700), 0);
	rig_reopen(&rig);
	rig_check_clean(&rig);
	/* And what appears while it runs. */
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK_INT(vms_audit(rig.vms), 1);
	rig_check_clean(&rig);
	rig_close(&rig, true);
	rig_remove(&rig);
}

static const struct test_case cases[] = {
	{ "closed and opened again with VMs running", closed_and_opened },
	{ "the daemon is killed with VMs running", killed_and_opened },
	{ "slices, waiting and CPU time are counted on", counts_go_on },
	{ "counts that are not ours", counts_are_not_ours },
	{ "runs that are over are shown as before", ended_ones_are_as_before },
	{ "faults are shown as before", faults_are_as_before },
	{ "doctored records are not believed", doctored_records },
	{ "one slot is not given to two", one_slot_for_two },
	{ "VMs that died, stopped or ended meanwhile", changed_meanwhile },
	{ "one that never answers holds up nobody", one_never_answers },
	{ "one that never answers is killed", silent_one_is_killed },
	{ "one that never answers is left to the next daemon", silent_one_is_left },
	{ "one that is late is met", one_is_late },
	{ "what belongs to nobody is removed", leftovers },
};

int main(int argc, char **argv)
{
	return rig_main(argc, argv, &rig, cases, ARRAY_SIZE(cases), test_main);
}
