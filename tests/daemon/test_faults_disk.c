/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's disk full (a small tmpfs), its disk broken (EIO), its descriptors used up: what it is
 * asked to change fails with a sentence, VMs and dispatch go on, and when there is room again
 * everything works and everything acknowledged is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chaos.h"

#define TMPFS_BYTES "size=6m,mode=0700"
#define BACK_MS	    30000

static char image[65];
static pid_t good_pid;
static unsigned int n_made; /* VMs that were acknowledged: m0, m1, ... */
static char flag_path[200];
static unsigned int n_refused; /* starts, for want of descriptors */

static uint64_t good_run_ns(void)
{
	uint64_t run_ns = 0;
	char state;

	CHECK(chaos_thread(good_pid, chaos_vcpu(good_pid), &state, &run_ns), "the VM is gone");
	return run_ns;
}

static void check_runs_on(const char *when)
{
	uint64_t before = good_run_ns(), since_ns = chaos_now_ns();

	while (good_run_ns() < before + 50 * NS_PER_MS &&
	       chaos_now_ns() - since_ns < 20 * NS_PER_S) {
		chaos_sleep_ns(5 * NS_PER_MS);
	}
	CHECK(good_run_ns() >= before + 50 * NS_PER_MS, "%s: the VM does not run on", when);
	CHECK(chaos_do("GET", "/v1/vms", NULL) == 200, "%s: no answer", when);
}

/* @return status of the attempt to make another VM */
static int try_create(const char *when, bool is_shown)
{
	struct chaos_answer a;
	char body[400];
	int status;

	snprintf(body, sizeof(body),
		 "{\"name\":\"m%u\",\"image\":\"%s\",\"engine\":\"unicorn\",\"mem_bytes\":4194304}",
		 n_made, image);
	chaos_ask(&a, "POST", "/v1/vms", body);
	status = a.status;
	n_made += status == 201;
	if (status != 201) {
		CHECK(status >= 400 && strlen(chaos_message(&a)) > 10,
		      "%s: create answers %d \"%s\" without a sentence", when, status,
		      chaos_message(&a));
		if (is_shown) {
			printf("%s: create: %d %s: %s\n", when, status, chaos_code(&a),
			       chaos_message(&a));
		}
	}
	chaos_answer_done(&a);
	return status;
}

static void await_back(const char *when)
{
	uint64_t since_ns = chaos_now_ns();
	int status = 0;

	while (status != 201 && chaos_now_ns() - since_ns < BACK_MS * NS_PER_MS) {
		status = try_create(when, false);
		chaos_sleep_ns(20 * NS_PER_MS);
	}
	CHECK(status == 201, "%s: it does not recover: %d", when, status);
	printf("%s: works again after %.0f ms\n", when, (double)(chaos_now_ns() - since_ns) / 1e6);
}

static void check_audit(const char *when)
{
	struct chaos_answer a;
	const char *finding;

	chaos_ask(&a, "GET", "/v1/audit/verify", NULL);
	finding = json_string_value(json_object_get(a.json, "finding"));
	CHECK(finding && strcmp(finding, "intact") == 0, "%s: the audit log is %s", when,
	      finding ? finding : "not there");
	chaos_answer_done(&a);
}

/* What was acknowledged, also for another daemon; and nothing else. */
static void check_made(const char *when)
{
	struct chaos_vm vm;
	char name[32];

	for (unsigned int i = 0; i <= n_made; i++) {
		snprintf(name, sizeof(name), "m%u", i);
		CHECK(chaos_vm_get(name, &vm) && vm.is_there == (i < n_made), "%s: %s is %sthere",
		      when, name, vm.is_there ? "" : "not ");
	}
	CHECK(chaos_vm_get("good", &vm) && vm.pid == good_pid && strcmp(vm.state, "running") == 0,
	      "%s: the VM is %s: %s", when, vm.state, vm.message);
}

/* -- no space */

static void fill(const char *path)
{
	static const char zeros[4096];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n = 1;

	while (n > 0) {
		n = write(fd, zeros, sizeof(zeros));
	}
	CHECK(fd >= 0 && errno == ENOSPC, "%s: %s", path, strerror(errno));
	close(fd);
}

static void restart(const char *when)
{
	chaos_daemon_kill();
	chaos_daemon_start(NULL);
	check_made(when);
	check_runs_on(when);
}

/* What is refused is not in force either: with that limit it would end at once. */
static void check_no_update(const char *when)
{
	int status = 200;

	/* There may be room left for some. */
	for (int i = 0; i < 200 && status == 200; i++) {
		status = chaos_do("PATCH", "/v1/vms/good",
				  i % 2 ? "{\"slice_ns\":5000000}" : "{\"slice_ns\":10000000}");
	}
	CHECK(status == 422, "%s: an update answers %d", when, status);
	status = chaos_do("PATCH", "/v1/vms/good", "{\"limits\":{\"cpu_ns\":1}}");
	CHECK(status == 422, "%s: an update of limits answers %d", when, status);
	check_runs_on(when);
}

static void test_space(void)
{
	static const char when[] = "no space";
	char path[200];
	int status = 201;

	snprintf(path, sizeof(path), "%s/filler", chaos.state);
	fill(path);
	/* There may be room left in what is allocated. */
	for (int i = 0; i < 200 && status == 201; i++) {
		status = try_create(when, true);
	}
	CHECK(status != 201, "no space: creations are acknowledged");
	check_runs_on(when);
	check_no_update(when);
	for (int i = 0; i < 5; i++) {
		try_create(when, false);
	}
	check_runs_on(when);
	unlink(path);
	await_back("space");
	check_made("space");
	check_audit("space");
	restart("restart after no space");
}

/* A full disk at the start: it says so, or serves; VMs are not harmed. */
static void test_space_at_start(void)
{
	char path[200];
	bool is_there;

	snprintf(path, sizeof(path), "%s/filler", chaos.state);
	chaos_daemon_kill();
	fill(path);
	chaos_daemon_spawn(NULL);
	is_there = chaos_daemon_ready(10000);
	printf("start without space: %s\n", is_there ? "serves" : "refuses to start");
	CHECK(chaos_process_state(good_pid) != 0, "the VM is gone");
	chaos_daemon_kill();
	unlink(path);
	chaos_daemon_start(NULL);
	check_made("start with space");
	check_runs_on("start with space");
}

/* -- errors of the disk */

static void set_flag(char c)
{
	int fd = open(flag_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && pwrite(fd, &c, 1, 0) == 1, "%s: %s", flag_path, strerror(errno));
	close(fd);
}

static void test_errors(void)
{
	static const char when[] = "EIO";
	int status = 201;

	set_flag('1');
	for (int i = 0; i < 20 && status == 201; i++) {
		status = try_create(when, true);
	}
	CHECK(status != 201, "EIO: creations are acknowledged");
	check_runs_on(when);
	set_flag('0');
	await_back("no more EIO");
	check_made("no more EIO");
	check_audit("no more EIO");
	restart("restart after EIO");
}

/* -- no descriptors */

static void limit_fds(rlim_t n)
{
	struct rlimit limit;

	CHECK(prlimit(chaos.daemon, RLIMIT_NOFILE, NULL, &limit) == 0, "prlimit: %s",
	      strerror(errno));
	limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
	CHECK(prlimit(chaos.daemon, RLIMIT_NOFILE, &limit, NULL) == 0, "prlimit: %s",
	      strerror(errno));
}

/* The limit below which so many numbers are free. */
static unsigned int limit_for(unsigned int spare)
{
	unsigned int n = 0, n_free = 0;

	while (n_free < spare && n < 100000) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/fd/%u", chaos.daemon, n++);
		n_free += faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	}
	return n;
}

static void start_with(unsigned int spare)
{
	struct chaos_answer a;
	struct chaos_vm vm;
	int status;

	limit_fds(limit_for(spare));
	chaos_ask(&a, "POST", "/v1/vms/m0/start", "{}");
	status = a.status;
	printf("EMFILE, %u to spare: start: %d %s\n", spare, status, chaos_message(&a));
	CHECK(status == 200 || status == 0 || (status >= 500 && strlen(chaos_message(&a)) > 10),
	      "EMFILE: start answers %d \"%s\"", status, chaos_message(&a));
	chaos_answer_done(&a);
	limit_fds(1u << 20);
	n_refused += status != 200;
	if (status == 200) {
		CHECK(chaos_verb("m0", "kill") == 200, "EMFILE: kill");
	}
	CHECK(chaos_await("m0", "", 30000, &vm), "EMFILE: m0 is %s", vm.state);
}

static void test_fds(void)
{
	unsigned int fds;
	uint64_t until_ns;

	/* What a slot keeps for the next VM is there before descriptors are counted. */
	CHECK(chaos_verb("m0", "start") == 200 && chaos_verb("m0", "kill") == 200, "m0");
	chaos_sleep_ns(500 * NS_PER_MS);
	fds = chaos_fds(chaos.daemon);
	for (unsigned int spare = 2; spare <= 26; spare += 2) {
		start_with(spare);
	}
	CHECK(n_refused > 2, "EMFILE: only %u starts were refused", n_refused);
	check_runs_on("EMFILE");
	CHECK(chaos_verb("m0", "start") == 200, "with descriptors it does not start");
	CHECK(chaos_verb("m0", "kill") == 200, "kill");
	until_ns = chaos_now_ns() + 30 * NS_PER_S;
	while (chaos_fds(chaos.daemon) > fds + 2 && chaos_now_ns() < until_ns) {
		chaos_sleep_ns(20 * NS_PER_MS);
	}
	CHECK(chaos_fds(chaos.daemon) <= fds + 2, "EMFILE: descriptors %u before, %u after", fds,
	      chaos_fds(chaos.daemon));
	check_made("descriptors");
	check_audit("descriptors");
}

static bool mount_state(void)
{
	mkdir(chaos.state, 0700);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("pinfold-chaos", chaos.state, "tmpfs", MS_NOSUID | MS_NODEV, TMPFS_BYTES) < 0) {
		printf("not tried: a full disk: no tmpfs can be mounted here: %s\n",
		       strerror(errno));
		return false;
	}
	return true;
}

static void test(void)
{
	bool is_mounted = mount_state();
	char library[400];
	struct chaos_vm vm;

	snprintf(flag_path, sizeof(flag_path), "%s/eio", chaos.dir);
	snprintf(library, sizeof(library), "%s/libchaos_eio.so", chaos.bin);
	set_flag('0');
	setenv("PINFOLD_CHAOS_EIO", flag_path, 1);
	setenv("PINFOLD_CHAOS_DIR", chaos.state, 1);
	setenv("LD_PRELOAD", library, 1);
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	chaos_daemon_start(NULL);
	chaos_image(chaos_guest("riscv64", "endless.elf"), image);
	CHECK(chaos_create("good", image, ",\"engine\":\"unicorn\"") == 201, "create");
	CHECK(chaos_verb("good", "start") == 200, "start");
	CHECK(chaos_vm_get("good", &vm) && vm.pid > 0, "no process");
	good_pid = vm.pid;
	CHECK(try_create("before", true) == 201, "create");
	check_runs_on("before");
	if (is_mounted) {
		test_space();
		test_space_at_start();
	}
	test_errors();
	test_fds();
	chaos_daemon_end();
}

int main(int argc, char **argv)
{
	return chaos_main(argc, argv, test, 250);
}
