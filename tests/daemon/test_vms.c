/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of VMs in the table, with real VM processes of several architectures.
 * Usage: test_vms BUILD-DIR [CASE]
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_dispatch.h"
#include "host/timer.h"
#include "unit/test.h"
#include "vms_rig.h"

static struct rig rig;

/* Small for ordinary users; administrators have none. */
static void set_options(void)
{
	rig.quota = (struct users_quota){ .running_vms = 1,
					  .vcpus = 1,
					  .memory_bytes = 64 << 20,
					  .exclusive_cores = 1,
					  .slice_share_permille = STORE_NONE,
					  .definitions = 2,
					  .images_bytes = 1 << 30,
					  .max_prio = STORE_NONE,
					  .max_slice_ns = STORE_NONE };
	vms_options_defaults(&rig.o);
	rig.o.max_faults_per_user = 3;
}

static void run_to_exit(const char *variant)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;
	char *out;

	if (!rig_run(&rig, 0, "sum", variant, "sum.elf", id)) {
		return;
	}
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK(i.has_stop && (i.stop.reason == PROTO_STOP_EXIT || i.stop.reason == PROTO_STOP_HALT));
	CHECK_INT(i.stop.code, 0);
	CHECK_INT(i.runs, 1);
	CHECK_INT(i.pid, 0);
	out = rig_output(&rig, id, NULL);
	CHECK(strstr(out, "5050") != NULL);
	free(out);
	CHECK_INT(vms_remove(rig.vms, id, false, NULL), 0);
	CHECK_INT(vms_get(rig.vms, id, &i), -ENOENT);
	rig_check_clean(&rig);
}

static void exit_codes(void)
{
	run_to_exit("riscv64");
	run_to_exit("arm64");
	run_to_exit("x86");
}

/* One that exits with another code; and a second run of the same definition. */
static void exit_code_and_again(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;
	struct errmsg e = { 0 };

	if (!rig_run(&rig, 0, "forty-two", "arm64", "exit42.elf", id)) {
		return;
	}
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 42);
	CHECK_STR(i.arch, "arm64");
	CHECK_STR(i.engine, "unicorn");
	CHECK_INT(vms_start(rig.vms, id, &e), 0);
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 42);
	CHECK_INT(i.runs, 2);
	CHECK(i.started_ns && i.ended_ns >= i.started_ns);
	CHECK_INT(vms_stop(rig.vms, id, &e), -EALREADY);
	CHECK_INT(vms_kill(rig.vms, id, &e), -EALREADY);
	CHECK_INT(vms_pause(rig.vms, id, &e), -EBUSY);
	CHECK_INT(vms_remove(rig.vms, id, false, &e), 0);
	rig_check_clean(&rig);
}

static void console_echo(const char *variant)
{
	static const char typed[] = "hello\004";
	char id[VMS_ID_BYTES];
	struct vms_info i;
	size_t done = 0;
	char *out;

	if (!rig_run(&rig, 0, "echo", variant, "echo.elf", id)) {
		return;
	}
	while (done < sizeof(typed) - 1) {
		ssize_t n = vms_console_write(rig.vms, id, (const uint8_t *)typed + done,
					      sizeof(typed) - 1 - done, NULL);

		if (n <= 0) {
			CHECK_INT(n, 1);
			break;
		}
		done += (size_t)n;
	}
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	out = rig_output(&rig, id, NULL);
	CHECK_STR(out, "helloechoed 5\n");
	CHECK_INT(i.console_bytes, strlen(out));
	free(out);
	CHECK_INT(vms_console_write(rig.vms, id, (const uint8_t *)"x", 1, NULL), -EINVAL);
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

static void console_both(void)
{
	console_echo("riscv64");
	console_echo("arm64");
}

static void pause_resume(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;
	struct errmsg e = { 0 };
	json_t *regs = NULL;
	char *out;

	if (!rig_run(&rig, 0, "mix", "riscv64", "bench/mix.elf", id)) {
		return;
	}
	CHECK_INT(vms_registers(rig.vms, id, &regs, &e), -EBUSY);
	for (int k = 0; k < 50; k++) {
		CHECK_INT(vms_pause(rig.vms, id, &e), 0);
		CHECK_INT(rig_state(&rig, id), VMS_PAUSED);
		CHECK_INT(vms_pause(rig.vms, id, &e), -EBUSY);
		if (k == 0) {
			CHECK_INT(vms_registers(rig.vms, id, &regs, &e), 0);
			CHECK(json_is_string(json_object_get(regs, "pc")));
			json_decref(regs);
		}
		CHECK_INT(vms_resume(rig.vms, id, &e), 0);
		usleep(500);
	}
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(i.stop.code, 0);
	out = rig_output(&rig, id, NULL);
	CHECK(strstr(out, "ok\n") != NULL);
	free(out);
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

/* A saved context becomes another VM, with the same end. */
static void save_restore(const char *variant)
{
	int fd = memfd_create("context", MFD_CLOEXEC);
	int disks[PROTO_DISKS_MAX];
	char id[VMS_ID_BYTES];
	char copy[VMS_ID_BYTES];
	struct vms_info i, k;
	struct vm_spec spec;
	struct errmsg e = { 0 };
	char *out;

	if (!rig_run(&rig, 0, "original", variant, "bench/mix.elf", id)) {
		return;
	}
	usleep(20000);
	CHECK_INT(vms_save(rig.vms, id, fd, disks, &e), 0);
	CHECK(rig_state(&rig, id) != VMS_PAUSED);
	spec_defaults(&spec);
	snprintf(spec.name, sizeof(spec.name), "copy");
	snprintf(spec.config.engine, sizeof(spec.config.engine), "unicorn");
	spec.config.limits.mem_bytes = 8 << 20;
	CHECK_INT(images_put(rig.images, 0, fd, NULL, spec.context, &e), 0);
	close(fd);
	CHECK_INT(vms_create(rig.vms, 0, &spec, copy, &e), 0);
	CHECK_INT(vms_start(rig.vms, copy, &e), 0);
	if (e.text[0]) {
		printf("%s\n", e.text);
	}
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(rig_end(&rig, copy, &k), VMS_STOPPED);
	CHECK_INT(k.stop.code, i.stop.code);
	CHECK_INT(k.stop.pc, i.stop.pc);
	out = rig_output(&rig, copy, NULL);
	CHECK(strstr(out, "ok\n") != NULL);
	free(out);
	vms_remove(rig.vms, id, false, NULL);
	vms_remove(rig.vms, copy, false, NULL);
	rig_check_clean(&rig);
}

static void save_both(void)
{
	save_restore("riscv64");
	save_restore("arm64");
}

static void stop_and_kill(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;
	struct errmsg e = { 0 };

	if (!rig_run(&rig, 0, "endless", "arm64", "endless.elf", id)) {
		return;
	}
	free(rig_output(&rig, id, "looping"));
	CHECK_INT(vms_start(rig.vms, id, &e), -EALREADY);
	CHECK_INT(vms_remove(rig.vms, id, false, &e), -EBUSY);
	CHECK_INT(vms_wait(rig.vms, id, 20, &i), 0);
	CHECK_INT(vms_stop(rig.vms, id, &e), 0);
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	CHECK_INT(i.state, VMS_STOPPED);
	CHECK_INT(i.stop.reason, PROTO_STOP_REQUESTED);
	CHECK_INT(vms_start(rig.vms, id, &e), 0);
	CHECK_INT(vms_kill(rig.vms, id, &e), 0);
	CHECK_INT(rig_state(&rig, id), VMS_KILLED);
	CHECK_INT(vms_start(rig.vms, id, &e), 0);
	CHECK_INT(vms_pause(rig.vms, id, &e), 0);
	CHECK_INT(vms_kill(rig.vms, id, &e), 0);
	CHECK_INT(vms_start(rig.vms, id, &e), 0);
	CHECK_INT(vms_remove(rig.vms, id, true, &e), 0);
	rig_check_clean(&rig);
}

/* Somebody else kills the process. */
static void killed_from_outside(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;

	if (!rig_run(&rig, 0, "victim", "riscv64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	CHECK(vms_owns_pid(rig.vms, i.pid));
	kill(i.pid, SIGKILL);
	CHECK_INT(rig_end(&rig, id, &i), VMS_KILLED);
	CHECK_STR(i.message, "the VM process was killed by signal 9 (Killed)");
	CHECK(!i.has_stop);
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

static void limits(void)
{
	char id[VMS_ID_BYTES];
	struct vms_update u = { .mask = VMS_UPDATE_LIMITS, .limits = { .cpu_ns = 50 * NS_PER_MS } };
	struct vms_info i;
	struct vm_spec spec;
	struct errmsg e = { 0 };

	rig_spec(&rig, 0, "limited", "arm64", "endless.elf", &spec);
	spec.config.limits.wall_ns = 100 * NS_PER_MS;
	CHECK_INT(vms_create(rig.vms, 0, &spec, id, &e), 0);
	CHECK_INT(vms_start(rig.vms, id, &e), 0);
	CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
	CHECK_INT(i.stop.reason, PROTO_STOP_LIMIT);
	CHECK_INT(i.stop.limit, PROTO_LIMIT_WALL);
	CHECK(strstr(i.message, "limit") != NULL);
	vms_remove(rig.vms, id, false, NULL);
	/* A limit that comes while it runs. */
	if (rig_run(&rig, 0, "limited", "arm64", "endless.elf", id)) {
		CHECK_INT(vms_update(rig.vms, id, &u, &e), 0);
		CHECK_INT(rig_end(&rig, id, &i), VMS_STOPPED);
		CHECK_INT(i.stop.limit, PROTO_LIMIT_CPU);
		CHECK_INT(i.spec.config.limits.cpu_ns, 50 * NS_PER_MS);
		CHECK_INT(i.spec.config.limits.mem_bytes, 8 << 20);
	}
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

static void update_checks(void)
{
	char id[VMS_ID_BYTES];
	struct vms_update u = { .mask = SCHED_UPDATE_PRIO | SCHED_UPDATE_SLICE,
				.prio = 8,
				.slice_ns = 20 * NS_PER_MS };
	struct vms_info i;
	struct errmsg e = { 0 };

	if (!rig_create(&rig, 0, "u", "arm64", "sum.elf", id)) {
		return;
	}
	CHECK_INT(vms_update(rig.vms, id, &u, &e), -EINVAL);
	u.prio = 7;
	u.slice_ns = 1;
	CHECK_INT(vms_update(rig.vms, id, &u, &e), -EINVAL);
	u.slice_ns = 20 * NS_PER_MS;
	CHECK_INT(vms_update(rig.vms, id, &u, &e), 0);
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	CHECK_INT(i.spec.prio, 7);
	CHECK_INT(i.spec.config.slice_ns, 20 * NS_PER_MS);
	CHECK_INT(vms_pin(rig.vms, id, 99, &e), -EINVAL);
	CHECK_INT(vms_unpin(rig.vms, id, &e), -EALREADY);
	CHECK_INT(vms_pin(rig.vms, id, 1, &e), 0);
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	CHECK(i.spec.is_exclusive && i.spec.host_core == 1);
	CHECK_INT(vms_unpin(rig.vms, id, &e), 0);
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

/* Six of them, the first ones without a process: looked at, cleared, started again, removed. */
static void leave_queue(char id[6][VMS_ID_BYTES])
{
	struct vms_info i;
	struct errmsg e = { 0 };

	CHECK_INT(vms_resume(rig.vms, id[5], &e), -EBUSY);
	for (int k = 0; k < 6;
	     k += 5) { /* the process of the first is gone, the last one's is not */
		int fd = memfd_create("context", MFD_CLOEXEC);
		int disks[PROTO_DISKS_MAX];

		CHECK_INT(vms_save(rig.vms, id[k], fd, disks, &e), 0);
		CHECK(lseek(fd, 0, SEEK_END) > 4096);
		close(fd);
	}
	CHECK_INT(vms_kill(rig.vms, id[0], &e), 0); /* cleared: had no process any more */
	CHECK_INT(vms_kill(rig.vms, id[5], &e), 0);
	CHECK_INT(rig_state(&rig, id[0]), VMS_KILLED);
	CHECK_INT(rig_state(&rig, id[5]), VMS_KILLED);
	CHECK_INT(vms_start(rig.vms, id[4], &e), 0); /* from the queue: the kept process goes */
	CHECK_INT(rig_end(&rig, id[4], &i), VMS_FAULTED);
	for (int k = 0; k < 6; k++) {
		CHECK_INT(vms_remove(rig.vms, id[k], false, &e), 0);
	}
	rig_check_clean(&rig);
}

static void faults(void)
{
	char id[6][VMS_ID_BYTES];
	char name[16];
	struct vms_info i;
	struct errmsg e = { 0 };
	json_t *regs = NULL;
	unsigned int n_kept, n_saved;

	for (int k = 0; k < 6; k++) {
		snprintf(name, sizeof(name), "fault-%d", k);
		if (!rig_run(&rig, 0, name, k % 2 ? "arm64" : "riscv64", "fault_illegal.elf",
			     id[k])) {
			return;
		}
		CHECK_INT(rig_end(&rig, id[k], &i), VMS_FAULTED);
		CHECK_INT(i.stop.reason, PROTO_STOP_FAULT);
		CHECK_INT(i.fault, SCHED_REASON_GUEST_FAULT);
		CHECK(i.message[0] != '\0');
	}
	CHECK_INT(vms_registers(rig.vms, id[5], &regs, &e), 0);
	json_decref(regs);
	do {
		usleep(1000); /* the oldest go, once their contexts are saved; the watchdog ends this */
		n_kept = n_saved = 0;
		for (int k = 0; k < 6; k++) {
			CHECK_INT(vms_get(rig.vms, id[k], &i), 0);
			CHECK_INT(i.state, VMS_FAULTED);
			n_kept += i.pid ? 1 : 0;
			n_saved += i.has_fault_context ? 1 : 0;
			CHECK(i.pid || i.has_fault_context);
		}
	} while (n_kept > 3 || n_saved < 6);
	CHECK_INT(n_kept, 3);
	leave_queue(id);
}

/* The scheduler freezes one: nothing is asked of it, and it can be ended. */
static void frozen(void)
{
	char id[VMS_ID_BYTES];
	struct vms_info i;
	struct errmsg e = { 0 };
	json_t *regs = NULL;
	int fd = memfd_create("context", MFD_CLOEXEC);
	int disks[PROTO_DISKS_MAX];

	if (!rig_run(&rig, 0, "hung", "riscv64", "endless.elf", id)) {
		return;
	}
	CHECK_INT(vms_get(rig.vms, id, &i), 0);
	fake_dispatch_fault(rig.dispatch, i.slot, SCHED_REASON_HUNG);
	CHECK_INT(rig_end(&rig, id, &i), VMS_FAULTED);
	CHECK_INT(i.fault, SCHED_REASON_HUNG);
	CHECK(i.pid > 0);
	CHECK_INT(vms_registers(rig.vms, id, &regs, &e), -EBUSY);
	CHECK_INT(vms_save(rig.vms, id, fd, disks, &e), -EBUSY);
	close(fd);
	CHECK_INT(vms_stop(rig.vms, id, &e), 0);
	CHECK_INT(rig_state(&rig, id), VMS_STOPPED);
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

static void names(void)
{
	char id[VMS_ID_BYTES], other[VMS_ID_BYTES], found[VMS_ID_BYTES];
	struct vm_spec spec;
	struct errmsg e = { 0 };

	if (!rig_create(&rig, 0, "same", "arm64", "sum.elf", id) ||
	    !rig_create(&rig, RIG_UID, "same", "arm64", "sum.elf", other)) {
		return;
	}
	rig_spec(&rig, 0, "same", "arm64", "sum.elf", &spec);
	CHECK_INT(vms_create(rig.vms, 0, &spec, found, &e), -EEXIST);
	CHECK_INT(vms_find(rig.vms, 0, true, "same", found, &e), 0);
	CHECK_STR(found, id);
	CHECK_INT(vms_find(rig.vms, RIG_UID, false, "same", found, &e), 0);
	CHECK_STR(found, other);
	CHECK_INT(vms_find(rig.vms, RIG_UID, false, id, found, &e), -ENOENT);
	CHECK_INT(vms_find(rig.vms, RIG_UID, false, "0/same", found, &e), -ENOENT);
	CHECK_INT(vms_find(rig.vms, 0, true, "4711/same", found, &e), 0);
	CHECK_STR(found, other);
	CHECK_INT(vms_find(rig.vms, 0, true, other, found, &e), 0);
	CHECK_INT(vms_find(rig.vms, 0, true, "nobody", found, &e), -ENOENT);
	/* An image that only another user has is none. */
	memset(spec.image, '0', SPEC_HASH_MAX);
	snprintf(spec.name, sizeof(spec.name), "other");
	CHECK_INT(vms_create(rig.vms, 0, &spec, found, &e), -ENOENT);
	vms_remove(rig.vms, id, false, NULL);
	vms_remove(rig.vms, other, false, NULL);
	CHECK_INT(vms_find(rig.vms, 0, true, "same", found, &e), -ENOENT);
}

/* A user's third definition, second running VM and too much memory are refused; nothing is left. */
static void quotas(void)
{
	char id[3][VMS_ID_BYTES];
	struct vm_spec spec;
	struct vms_info i;
	struct errmsg e = { 0 };

	rig_spec(&rig, RIG_UID, "three", "arm64", "endless.elf", &spec);
	for (int k = 0; k < 2; k++) {
		CHECK(rig_create(&rig, RIG_UID, k ? "two" : "one", "arm64", "endless.elf", id[k]));
	}
	CHECK_INT(vms_create(rig.vms, RIG_UID, &spec, id[2], &e), -EDQUOT);
	CHECK_INT(vms_start(rig.vms, id[0], &e), 0);
	CHECK_INT(vms_start(rig.vms, id[1], &e), -EDQUOT);
	CHECK_INT(vms_get(rig.vms, id[1], &i), 0);
	CHECK_INT(i.state, VMS_CREATED);
	CHECK(i.reason[0] != '\0');
	CHECK_INT(vms_kill(rig.vms, id[0], &e), 0);
	CHECK_INT(vms_start(rig.vms, id[1], &e), 0);
	CHECK_INT(vms_kill_user(rig.vms, RIG_UID), 1);
	CHECK_INT(rig_state(&rig, id[1]), VMS_KILLED);
	vms_remove(rig.vms, id[0], false, NULL);
	spec.config.limits.mem_bytes = 1ULL << 30;
	CHECK_INT(vms_create(rig.vms, RIG_UID, &spec, id[2], &e), 0);
	CHECK_INT(vms_start(rig.vms, id[2], &e), -EDQUOT);
	vms_remove(rig.vms, id[1], false, NULL);
	vms_remove(rig.vms, id[2], false, NULL);
	rig_check_clean(&rig);
}

/* The scheduler says no at each step in turn: as if nothing had been. */
static void refused_starts(void)
{
	static const enum sched_event_type steps[] = { SCHED_EV_VM_START, SCHED_EV_EXCL_REQUEST };
	char id[VMS_ID_BYTES];
	struct vm_spec spec;
	struct errmsg e = { 0 };

	rig_spec(&rig, 0, "refused", "arm64", "endless.elf", &spec);
	spec.is_exclusive = true;
	CHECK_INT(vms_create(rig.vms, 0, &spec, id, &e), 0);
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		fake_dispatch_refuse(rig.dispatch, steps[k], -EDQUOT);
		CHECK_INT(vms_start(rig.vms, id, &e), -EDQUOT);
		CHECK_INT(rig_state(&rig, id), k ? VMS_STOPPED : VMS_CREATED);
		rig_check_clean(&rig);
	}
	fake_dispatch_refuse(rig.dispatch, SCHED_EV_TICK, 0);
	CHECK_INT(vms_start(rig.vms, id, &e), 0);
	CHECK_INT(vms_kill(rig.vms, id, &e), 0);
	vms_remove(rig.vms, id, false, NULL);
	rig_check_clean(&rig);
}

struct starter {
	char id[VMS_ID_BYTES];
	int r;
};

static void *start_main(void *arg)
{
	struct starter *s = arg;
	struct errmsg e = { 0 };

	s->r = vms_start(rig.vms, s->id, &e);
	if (s->r < 0 && s->r != -ECANCELED) {
		printf("start: %s\n", e.text);
	}
	return NULL;
}

static void concurrent_starts(void)
{
	static struct starter s[32];
	pthread_t t[32];
	char name[16];
	struct vms_info i;

	for (int k = 0; k < 32; k++) {
		snprintf(name, sizeof(name), "many-%d", k);
		if (!rig_create(&rig, 0, name, k % 2 ? "arm64" : "riscv64", "sum.elf", s[k].id)) {
			return;
		}
	}
	for (int k = 0; k < 32; k++) {
		CHECK_INT(pthread_create(&t[k], NULL, start_main, &s[k]), 0);
	}
	for (int k = 0; k < 32; k++) {
		pthread_join(t[k], NULL);
		CHECK_INT(s[k].r, 0);
		CHECK_INT(rig_end(&rig, s[k].id, &i), VMS_STOPPED);
		CHECK_INT(i.stop.code, 0);
		CHECK_INT(vms_remove(rig.vms, s[k].id, false, NULL), 0);
	}
	rig_check_clean(&rig);
}

/* A kill at every moment of a start. */
static void kill_during_start(void)
{
	struct starter s;
	pthread_t t;
	unsigned int n_killed = 0;

	if (!rig_create(&rig, 0, "hasty", "arm64", "endless.elf", s.id)) {
		return;
	}
	for (useconds_t k = 0; k < 60; k++) {
		int r;

		CHECK_INT(pthread_create(&t, NULL, start_main, &s), 0);
		usleep(k * 200);
		r = vms_kill(rig.vms, s.id, NULL);
		pthread_join(t, NULL);
		CHECK(r == 0 || r == -EALREADY);
		CHECK(s.r == 0 || s.r < 0);
		n_killed += r == 0 ? 1 : 0;
		if (r == -EALREADY) {
			vms_kill(rig.vms, s.id, NULL);
		}
		CHECK(rig_state(&rig, s.id) == VMS_KILLED);
	}
	CHECK(n_killed > 10);
	vms_remove(rig.vms, s.id, false, NULL);
	rig_check_clean(&rig);
}

static int count_visit(void *arg, const struct vms_info *i)
{
	(void)i;
	++*(unsigned int *)arg;
	return 0;
}

/* A list of many costs little. */
static void many_definitions(void)
{
	static char ids[1000][VMS_ID_BYTES];
	unsigned int n = 0;
	struct vm_spec spec;
	char name[16];
	ns_t t0, ms;

	rig_spec(&rig, 0, "x", "arm64", "sum.elf", &spec);
	for (int k = 0; k < 1000; k++) {
		snprintf(name, sizeof(name), "n%d", k);
		memcpy(spec.name, name, sizeof(name));
		CHECK_INT(vms_create(rig.vms, 0, &spec, ids[k], NULL), 0);
	}
	t0 = host_clock_monotonic_ns();
	CHECK_INT(vms_each(rig.vms, count_visit, &n), 0);
	ms = (host_clock_monotonic_ns() - t0) / NS_PER_MS;
	printf("a list of 1,000 VMs: %" PRIu64 " ms\n", ms);
	CHECK_INT(n, 1000);
	CHECK(ms <= 5000); /* 20 on an idle machine */
	for (int k = 0; k < 1000; k++) {
		CHECK_INT(vms_remove(rig.vms, ids[k], false, NULL), 0);
	}
}

static const struct test_case cases[] = {
	{ "a guest runs and ends; its code and output are kept", exit_codes },
	{ "an exit code; a second run; refusals name the state", exit_code_and_again },
	{ "what is typed comes back", console_both },
	{ "pausing 50 times changes nothing; registers while it stands", pause_resume },
	{ "a saved context is another VM with the same end", save_both },
	{ "stop, kill, remove by force", stop_and_kill },
	{ "a process killed from outside", killed_from_outside },
	{ "limits, also changed while it runs", limits },
	{ "updates and pins are checked", update_checks },
	{ "guest faults: registers, contexts, a bounded queue", faults },
	{ "a frozen VM is asked nothing", frozen },
	{ "names belong to owners", names },
	{ "quotas", quotas },
	{ "a start that the scheduler refuses leaves nothing", refused_starts },
	{ "32 starts at once", concurrent_starts },
	{ "a kill at any moment of a start", kill_during_start },
	{ "a list of 1,000 VMs", many_definitions },
};

/* All cases, or those whose name contains a text. */
static int run_cases(const char *wanted)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!wanted || strstr(cases[i].name, wanted)) {
			r |= test_main(&cases[i], 1);
		}
	}
	return r;
}

int main(int argc, char **argv)
{
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: test_vms BUILD-DIR [CASE]\n");
		return 1;
	}
	rig_init(argv[1]);
	set_options();
	rig_open(&rig);
	r = run_cases(argv[2]);
	rig_close(&rig, true);
	rig_remove(&rig);
	return r || rig_failures ? 1 : 0;
}
