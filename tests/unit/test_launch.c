/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launching and driving a VM process that misbehaves: every case ends in time with a clear
 * sentence, and leaves no descriptor, child or cgroup behind. All of it as root and as an ordinary
 * user, if the test runs as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/timer.h"
#include "launch/isolation.h"
#include "launch/launch.h"
#include "proto/zygote.h"
#include "test.h"

/* Long enough for a healthy answer on a busy machine, short enough to wait for. */
#define HANG_MS	  300
#define NOBODY_ID 65534

static char vm_program[64];
static char image[64];

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++) {
		n += fcntl(fd, F_GETFD) >= 0;
	}
	return n;
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}

/* Which makes VMs, in some tests. */
static struct launch_zygote *zygote;

static int launch_named(const char *name, uint32_t reply_ms, struct launch_vm *vm, struct errmsg *e)
{
	struct launch_options o;

	launch_options_defaults(&o);
	snprintf(o.config.name, sizeof(o.config.name), "%s", name);
	o.config.limits.mem_bytes = 16 << 20;
	o.image_path = image;
	o.vm_program = vm_program;
	o.is_traced = true;
	o.reply_ms = reply_ms;
	o.zygote = zygote;
	return launch_vm(&o, vm, e);
}

/* A VM that never gets ready: error, sentence, and nothing left. */
static void check_start(const char *name, uint32_t reply_ms, int err, const char *text)
{
	struct launch_vm vm;
	struct launch_vm untouched;
	struct errmsg e = { 0 };
	int before = count_fds();

	memset(&vm, 0x5a, sizeof(vm));
	untouched = vm;
	CHECK_INT(launch_named(name, reply_ms, &vm, &e), err);
	CHECK_STR(e.text, text);
	CHECK(memcmp(&vm, &untouched, sizeof(vm)) == 0);
	CHECK_INT(count_fds(), before);
	CHECK(!has_children());
}

static void start_failures_are_told_apart(void)
{
	check_start("dies early", 10000, -EPIPE,
		    "the VM process ended with status 3: libfoo.so: can't ?open");
	check_start("crashes early", 10000, -EPIPE,
		    "the VM process was killed by signal 4 (Illegal instruction)");
	check_start("fails", 10000, -ENOEXEC, "no such ?]0;engine?");
	check_start("fails oddly", 10000, -ENOEXEC, "\xc3\xa9 ??? ?? ? ?? ??? ?");
	check_start("talks nonsense", 10000, -EPROTO,
		    "the VM process: a message is not one of Pinfold's");
	check_start("sends descriptors", 10000, -EPROTO,
		    "the VM process sent a message that is too long or carries descriptors");
	check_start("replies early", 10000, -EPROTO,
		    "the VM process sent message type 66 before it was ready");
	check_start("hangs early", HANG_MS, -ETIMEDOUT, "the VM process does not answer");
	check_start("closes early", 10000, -EPIPE, "the VM process closed its socket");
}

static void bad_options_are_named(void)
{
	struct launch_options o;
	struct launch_vm vm;
	struct errmsg e = { 0 };
	int before = count_fds();

	launch_options_defaults(&o);
	o.vm_program = vm_program;
	CHECK_INT(launch_vm(&o, &vm, &e), -EINVAL);
	CHECK_STR(e.text, "a VM needs an image, a kernel or a context");
	o.image_path = "/nonexistent/image";
	CHECK_INT(launch_vm(&o, &vm, &e), -ENOENT);
	CHECK_STR(e.text, "/nonexistent/image: No such file or directory");
	o.image_path = image;
	o.plugin_path = "/nonexistent/plugin";
	CHECK_INT(launch_vm(&o, &vm, &e), -ENOENT);
	CHECK_STR(e.text, "plug-in /nonexistent/plugin: No such file or directory");
	o.plugin_path = NULL;
	o.context_path = "/";
	CHECK_INT(launch_vm(&o, &vm, &e), -EISDIR);
	CHECK_STR(e.text, "/ is a directory, not a file");
	o.context_path = NULL;
	o.vm_program = "/nonexistent/vm";
	CHECK_INT(launch_vm(&o, &vm, &e), -ENOENT);
	CHECK_STR(e.text, "VM program /nonexistent/vm: No such file or directory");
	o.vm_program = image;
	CHECK_INT(launch_vm(&o, &vm, &e), geteuid() == 0 ? -EACCES : -EPIPE);
	if (geteuid() != 0) {
		CHECK(strstr(e.text, "can't execute pinfold-vm: ") != NULL);
	}
	CHECK_INT(count_fds(), before);
	CHECK(!has_children());
}

/* A VM that is ready, and then answers the first request badly. */
static void check_request(const char *name, uint32_t reply_ms, int err, const char *text)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	uint8_t reply[8] = { 0 };
	size_t bytes = 99;
	ns_t start_ns;
	int before = count_fds();

	CHECK_INT(launch_named(name, 10000, &vm, &e), 0);
	CHECK_STR(e.text, "");
	vm.reply_ms = reply_ms;
	start_ns = host_clock_monotonic_ns();
	CHECK_INT(launch_vm_request(&vm, PROTO_GET_STATE, NULL, 0, -1, reply, sizeof(reply), &bytes,
				    &e),
		  err);
	CHECK_STR(e.text, text);
	CHECK_INT(bytes, err ? 99 : 8);
	CHECK_INT(reply[7], err ? 0 : 0xab);
	CHECK(host_clock_monotonic_ns() - start_ns < (reply_ms + 20000) * NS_PER_MS);
	launch_vm_done(&vm);
	launch_vm_done(&vm);
	CHECK_INT(count_fds(), before);
	CHECK(!has_children());
}

static void hostile_replies_are_refused(void)
{
	check_request("works", 10000, 0, "");
	check_request("late reply", 10000, 0, "");
	check_request("dies", 10000, -EPIPE, "the VM process ended with status 4: BUG: it broke");
	check_request("dies silently", 10000, -EPIPE, "the VM process ended with status 4");
	check_request("hangs", HANG_MS, -ETIMEDOUT, "the VM process does not answer");
	check_request("floods", HANG_MS, -ETIMEDOUT, "the VM process does not answer");
	check_request("future seq", 10000, -EPROTO, "the VM process sent message type 66 unasked");
	check_request("commands", 10000, -EPROTO, "the VM process sent message type 2 unasked");
	check_request("refuses", 10000, -EBUSY, "not ? now");
	check_request(
		"big reply", 10000, -EPROTO,
		"the VM process sent a reply of 9 bytes, more than the 8 that were asked for");
	check_request("wrong shape", 10000, -EPROTO,
		      "the VM process: message type 67 has a field out of range");
}

/* Somebody gives the VM up while it is asked. */
static void check_cancel(const char *name)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	ns_t start_ns;
	int fds[2];

	CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
	CHECK_INT(launch_named(name, 10000, &vm, &e), 0);
	vm.cancel_fd = fds[0];
	CHECK_INT(write(fds[1], "x", 1), 1);
	start_ns = host_clock_monotonic_ns();
	CHECK_INT(launch_vm_request(&vm, PROTO_SAVE_CONTEXT, NULL, 0, -1, NULL, 0, NULL, &e),
		  -ECANCELED);
	CHECK_STR(e.text, "the VM process was given up before it answered");
	CHECK(host_clock_monotonic_ns() - start_ns < 9000 * NS_PER_MS); /* reply_ms is 10000 */
	launch_vm_done(&vm);
	close(fds[0]);
	close(fds[1]);
}

static void request_can_be_given_up(void)
{
	check_cancel("hangs");
	check_cancel("floods");
}

static void event_during_a_request_is_kept(void)
{
	struct launch_vm vm = { 0 };
	struct proto_stopped s = { 0 };
	struct errmsg e = { 0 };

	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	CHECK_INT(vm.ready.n_regs, 3);
	CHECK_INT(launch_vm_event(&vm, &s, &e), 0);
	CHECK_INT(launch_vm_request(&vm, PROTO_START, NULL, 0, -1, &(uint64_t){ 0 }, 8, NULL, &e),
		  0);
	CHECK_INT(launch_vm_event(&vm, &s, &e), 1);
	CHECK_INT(s.code, 7);
	CHECK_STR(s.text, "over ?[31m");
	CHECK_INT(launch_vm_event(&vm, &s, &e), 0);
	launch_vm_force_stop(&vm);
	CHECK_INT(launch_vm_event(&vm, &s, &e), -EPIPE);
	CHECK_STR(e.text, "the VM process was killed by signal 9 (Killed)");
	launch_vm_done(&vm);
}

static void forced_stop_is_quick_and_reaped_once(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	ns_t start_ns;
	int status = 0;

	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	start_ns = host_clock_monotonic_ns();
	launch_vm_force_stop(&vm);
	CHECK(host_clock_monotonic_ns() - start_ns < 9000 * NS_PER_MS); /* it is not asked first */
	CHECK_INT(launch_vm_wait(&vm, &status, NULL), 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_INT(launch_vm_wait(&vm, &status, NULL), -ECHILD);
	launch_vm_force_stop(&vm);
	launch_vm_done(&vm);
}

static void read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
}

static bool has_field(const char *status, const char *name, const char *value)
{
	const char *p = strstr(status, name);

	return p && strncmp(p + strlen(name), value, strlen(value)) == 0;
}

/* From outside, while the VM stands ready in its jail. */
static void jailed_vm_has_nothing(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	char status[4096];
	char want[64];
	char link[64];
	char own[64];
	char path[64];

	CHECK_INT(launch_named("jailed", 10000, &vm, &e), 0);
	CHECK_STR(e.text, "");
	CHECK(vm.ready.jail & PROTO_JAIL_SECCOMP);
	read_proc(vm.pid, "status", status, sizeof(status));
	CHECK(has_field(status, "CapPrm:\t", "0000000000000000"));
	CHECK(has_field(status, "CapEff:\t", "0000000000000000"));
	CHECK(has_field(status, "CapBnd:\t", "0000000000000000") ||
	      !(vm.ready.jail & PROTO_JAIL_USERNS));
	CHECK(has_field(status, "CapAmb:\t", "0000000000000000"));
	CHECK(has_field(status, "NoNewPrivs:\t", "1"));
	CHECK(has_field(status, "Seccomp:\t", "2"));
	if (vm.ready.jail & PROTO_JAIL_SETUID) {
		snprintf(want, sizeof(want), "%u\t%u\t%u\t%u\n", 0x70000000u + (uint32_t)vm.pid,
			 0x70000000u + (uint32_t)vm.pid, 0x70000000u + (uint32_t)vm.pid,
			 0x70000000u + (uint32_t)vm.pid);
		CHECK(has_field(status, "Uid:\t", want));
		CHECK(has_field(status, "Gid:\t", want));
		CHECK(has_field(status, "Groups:\t", " \n"));
	} else {
		CHECK(geteuid() != 0);
	}
	if (vm.ready.jail & PROTO_JAIL_PIDNS) {
		CHECK(has_field(strstr(status, "NSpid:\t"), "NSpid:\t", "") &&
		      strstr(status, "\t1\n") != NULL);
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const ns[] = { "net", "mnt", "user" };
		static const uint32_t flags[] = { PROTO_JAIL_NETNS, PROTO_JAIL_MOUNTNS,
						  PROTO_JAIL_USERNS };
		ssize_t a;
		ssize_t b;

		if (!(vm.ready.jail & flags[i]) || geteuid() != 0) {
			continue; /* an undumpable process shows its links to root only */
		}
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", vm.pid, ns[i]);
		a = readlink(path, link, sizeof(link));
		snprintf(path, sizeof(path), "/proc/self/ns/%s", ns[i]);
		b = readlink(path, own, sizeof(own));
		CHECK(a > 0 && b > 0);
		CHECK(a != b || memcmp(link, own, (size_t)a) != 0);
	}
	launch_vm_done(&vm);
}

/* The one child that is named so, or 0. */
static pid_t find_zygote(void)
{
	char path[64];
	char name[32];
	FILE *f;
	int pid = 0;
	bool is_it = false;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	while (f && !is_it && fscanf(f, "%d", &pid) == 1) {
		read_proc(pid, "comm", name, sizeof(name));
		is_it = strcmp(name, ZYGOTE_NAME "\n") == 0;
	}
	if (f) {
		fclose(f);
	}
	return is_it ? pid : 0;
}

static bool has_parent(pid_t pid, pid_t parent)
{
	char status[4096];
	char want[32];

	read_proc(pid, "status", status, sizeof(status));
	snprintf(want, sizeof(want), "%d\n", parent);
	return has_field(status, "PPid:\t", want);
}

/*
 * A library that some VMs don't need is most of what a fork copies. Line by line: a sanitizer's
 * memory map is longer than any buffer that one would give it.
 */
static bool has_libunicorn(pid_t pid)
{
	char path[32];
	char line[512];
	bool has = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	CHECK(f != NULL);
	while (f && !has && fgets(line, sizeof(line), f)) {
		has = strstr(line, "libunicorn") != NULL;
	}
	if (f) {
		fclose(f);
	}
	return has;
}

/* Jailed alike, our child, ended and reaped alike; and VMs are made when the zygote is dead. */
static void check_zygote(enum launch_zygote_kind kind)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	int before = count_fds();
	pid_t pid;

	CHECK_INT(launch_zygote_start(vm_program, kind, &zygote, &e), 0);
	CHECK_STR(e.text, "");
	pid = find_zygote();
	CHECK(pid > 0);
	jailed_vm_has_nothing();
	forced_stop_is_quick_and_reaped_once();
	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	CHECK(has_parent(vm.pid, getpid()));
	CHECK(!launch_zygote_is_broken(zygote));
	CHECK_INT(has_libunicorn(pid), kind == LAUNCH_ZYGOTE_FULL);
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(launch_vm_request(&vm, PROTO_START, NULL, 0, -1, &(uint64_t){ 0 }, 8, NULL, &e),
		  0);
	launch_vm_done(&vm);
	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	CHECK(launch_zygote_is_broken(zygote));
	launch_vm_done(&vm);
	launch_zygote_free(zygote);
	zygote = NULL;
	CHECK_INT(count_fds(), before);
	CHECK(!has_children());
}

static void zygote_makes_the_same_vm(void)
{
	check_zygote(LAUNCH_ZYGOTE_FULL);
	check_zygote(LAUNCH_ZYGOTE_LEAN);
	CHECK_INT(launch_zygote_kind_of("auto"), LAUNCH_ZYGOTE_FULL);
	CHECK_INT(launch_zygote_kind_of("unicorn"), LAUNCH_ZYGOTE_FULL);
	CHECK_INT(launch_zygote_kind_of("dbt"), LAUNCH_ZYGOTE_LEAN);
}

/* Descriptors that the caller forgot to mark, and its environment, stay outside. */
static void vm_inherits_only_what_it_is_given(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	char path[64];
	char link[64];
	char buf[64];
	int leak = memfd_create("leak", 0);
	int n = 0;

	CHECK(leak >= 0);
	CHECK_INT(setenv("PINFOLD_SECRET", "1", 1), 0);
	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	read_proc(vm.pid, "environ", buf, sizeof(buf));
	CHECK_STR(buf, "");
	read_proc(vm.pid, "cmdline", buf, sizeof(buf));
	CHECK_STR(buf, "pinfold-vm");
	for (int fd = 0; fd < 256; fd++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", vm.pid, fd);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0) {
			continue;
		}
		link[len] = '\0';
		CHECK(strncmp(link, "/memfd:leak", 11) != 0);
		n++;
	}
	/* 0 to 3, then image, console, trace, and perhaps KVM. */
	CHECK(n == 7 || n == 8);
	CHECK(getsid(vm.pid) != getsid(0));
	launch_vm_done(&vm);
	close(leak);
	unsetenv("PINFOLD_SECRET");
}

static void vm_ends_when_its_controller_is_gone(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	int status = -1;

	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	close(vm.socket_fd);
	vm.socket_fd = -1;
	CHECK_INT(launch_vm_wait(&vm, &status, NULL), 0);
	CHECK_INT(status, 0);
	launch_vm_done(&vm);
}

/* A controller with a VM that ignores the end of its socket. Tells to_fd the VM's pid, and dies
 * when from_fd ends. */
_Noreturn static void controller_dies(uint32_t jail, int to_fd, int from_fd)
{
	struct launch_options o;
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	char c;

	launch_options_defaults(&o);
	snprintf(o.config.name, sizeof(o.config.name), "hangs");
	o.config.jail = jail;
	o.image_path = image;
	o.vm_program = vm_program;
	if (launch_vm(&o, &vm, &e) < 0) {
		_exit(1);
	}
	vm.reply_ms = 1;
	launch_vm_request(&vm, PROTO_GET_STATE, NULL, 0, -1, NULL, 0, NULL, &e); /* it hangs */
	if (write(to_fd, &vm.pid, sizeof(vm.pid)) != sizeof(vm.pid) || read(from_fd, &c, 1) != 0) {
		_exit(1);
	}
	_exit(0);
}

/* @return 0 when the VM dies with its controller; -ETIMEDOUT when it lives */
static int orphan_wait(uint32_t jail, int timeout_ms)
{
	int to[2];
	int from[2];
	int pidfd;
	int r;
	pid_t child;
	pid_t pid = 0;

	CHECK(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		close(from[1]);
		controller_dies(jail, to[1], from[0]);
	}
	CHECK_INT(read(to[0], &pid, sizeof(pid)), sizeof(pid));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(pid > 0 && pidfd >= 0);
	for (size_t i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
	CHECK_INT(waitpid(child, NULL, 0), child);
	r = host_sock_wait_readable(pidfd, timeout_ms);
	host_proc_kill(pidfd, SIGKILL);
	close(pidfd);
	return r;
}

static void vm_that_ignores_its_controllers_death_dies(void)
{
	CHECK_INT(orphan_wait(0, 10000), 0);
	CHECK_INT(orphan_wait(PROTO_JAIL_OUTLIVE, HANG_MS), -ETIMEDOUT);
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/pinfold/images/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool take_file(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/pinfold/images/%s", dir, name);
	return unlink(path) == 0;
}

/* Of images that killed controllers registered, and of those that live ones did. */
static void stale_registrations_are_removed(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	char dir[] = "/tmp/pinfold-test-XXXXXX";
	char path[256];
	char text[32];

	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	launch_vm_done(&vm);
	/* No process can have this number: it is beyond what Linux counts to. */
	put_file(dir, "0123", "2000000000 5\n");
	put_file(dir, "0123.2000000000", "20");
	snprintf(text, sizeof(text), "%d 5\n", getpid());
	put_file(dir, "4567", text);
	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	launch_vm_done(&vm);
	CHECK(!take_file(dir, "0123"));
	CHECK(!take_file(dir, "0123.2000000000"));
	CHECK(take_file(dir, "4567"));
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(path, sizeof(path), "%s/pinfold/images", dir);
	CHECK_INT(rmdir(path), 0); /* nothing is left */
	snprintf(path, sizeof(path), "%s/pinfold", dir);
	CHECK_INT(rmdir(path), 0);
	CHECK_INT(rmdir(dir), 0);
}

static void cgroups_are_made_and_removed(void)
{
	struct launch_vm vm = { 0 };
	struct launch_vm before;
	struct errmsg e = { 0 };
	char path[300];
	char stale[300] = "";

	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	if (vm.cgroup_pids[0]) {
		/* No process can have this number: it is beyond what Linux counts to. */
		snprintf(stale, sizeof(stale), "%.*s/vm-2000000000",
			 (int)(strrchr(vm.cgroup_pids, '/') - vm.cgroup_pids), vm.cgroup_pids);
		CHECK_INT(mkdir(stale, 0755), 0);
		launch_vm_done(&vm);
		CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
		CHECK(access(stale, F_OK) < 0);
	}
	before = vm;
	for (size_t i = 0; i < 2; i++) {
		const char *group = i ? before.cgroup_pids : before.cgroup_memory;
		char buf[64] = { 0 };
		FILE *f;

		if (!group[0]) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/cgroup.procs", group);
		f = fopen(path, "re");
		CHECK(f && fgets(buf, sizeof(buf), f) && atoi(buf) == vm.pid);
		if (f) {
			fclose(f);
		}
	}
	launch_vm_done(&vm);
	CHECK_STR(vm.cgroup_memory, "");
	CHECK(!before.cgroup_memory[0] || access(before.cgroup_memory, F_OK) < 0);
	CHECK(!before.cgroup_pids[0] || access(before.cgroup_pids, F_OK) < 0);
}

static void done_accepts_a_zeroed_handle(void)
{
	struct launch_vm vm = { 0 };

	launch_vm_done(&vm);
	CHECK(fcntl(0, F_GETFD) >= 0);
}

static bool isolation_has(const char *name)
{
	struct isolation_item items[ISOLATION_ITEMS_MAX];
	int n = isolation_probe(items);

	for (int i = 0; i < n; i++) {
		if (strcmp(items[i].name, name) == 0) {
			return items[i].is_available;
		}
	}
	return false;
}

static void probe_says_how_and_at_what_cost(void)
{
	struct isolation_item items[ISOLATION_ITEMS_MAX];
	int before = count_fds();
	int n = isolation_probe(items);

	CHECK(n >= 12 && n <= ISOLATION_ITEMS_MAX);
	for (int i = 0; i < n; i++) {
		printf("  %-20s %-3s %s\n", items[i].name, items[i].is_available ? "yes" : "no",
		       items[i].detail);
		CHECK(items[i].detail[0] && items[i].cost[0]);
	}
	CHECK_INT(count_fds(), before);
	CHECK(!has_children());
}

/* The wait status of fn in a child, where it may break things for good. */
static int run_apart(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		test_failures = 0;
		fn();
		fflush(stdout);
		_exit(test_failures != 0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* In a user namespace whose limits forbid any further namespace. */
static void launch_without_namespaces(void)
{
	static const char *const kinds[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	struct isolation_item items[ISOLATION_ITEMS_MAX];
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	char status[4096];
	char text[64];

	snprintf(text, sizeof(text), "0 %u 1", geteuid());
	CHECK_INT(unshare(CLONE_NEWUSER), 0);
	write_file("/proc/self/uid_map", text);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		snprintf(text, sizeof(text), "/proc/sys/user/max_%s_namespaces", kinds[i]);
		write_file(text, "0");
	}
	CHECK(isolation_probe(items) >= (int)ARRAY_SIZE(kinds));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		CHECK(!items[i].is_available);
		CHECK(strstr(items[i].detail, "No space left on device") != NULL);
	}
	CHECK_INT(launch_named("jailed", 10000, &vm, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_INT(vm.ready.jail, PROTO_JAIL_SECCOMP);
	read_proc(vm.pid, "status", status, sizeof(status));
	CHECK(has_field(status, "CapPrm:\t", "0000000000000000"));
	CHECK(has_field(status, "CapEff:\t", "0000000000000000"));
	CHECK(has_field(status, "CapBnd:\t", "0000000000000000"));
	CHECK(has_field(status, "NoNewPrivs:\t", "1"));
	CHECK(has_field(status, "Seccomp:\t", "2"));
	launch_vm_done(&vm);
	CHECK(!has_children());
}

static void host_without_namespaces_still_jails(void)
{
	if (!(isolation_has("user namespace"))) {
		printf("  this host has no user namespaces to try it in\n");
		return;
	}
	CHECK_INT(run_apart(launch_without_namespaces), 0);
}

/* A filter that denies seccomp(2) itself. */
static void launch_without_seccomp(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	char status[4096];
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
	CHECK(!isolation_has("seccomp"));
	CHECK_INT(launch_named("jailed", 10000, &vm, &e), 0);
	CHECK_STR(e.text, "");
	CHECK(!(vm.ready.jail & PROTO_JAIL_SECCOMP));
	read_proc(vm.pid, "status", status, sizeof(status));
	CHECK(has_field(status, "CapEff:\t", "0000000000000000"));
	launch_vm_done(&vm);
}

static void host_without_seccomp_says_so(void)
{
	CHECK_INT(run_apart(launch_without_seccomp), 0);
}

static void launch_with_closed_stdin(void)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };
	int before;

	close(0);
	before = count_fds();
	CHECK_INT(launch_named("works", 10000, &vm, &e), 0);
	CHECK_INT(launch_vm_request(&vm, PROTO_START, NULL, 0, -1, &(uint64_t){ 0 }, 8, NULL, &e),
		  0);
	launch_vm_done(&vm);
	CHECK_INT(count_fds(), before);
}

static void caller_without_stdin_is_served(void)
{
	CHECK_INT(run_apart(launch_with_closed_stdin), 0);
}

static const struct test_case cases[] = {
	{ "probe says how and at what cost", probe_says_how_and_at_what_cost },
	{ "start failures are told apart", start_failures_are_told_apart },
	{ "bad options are named", bad_options_are_named },
	{ "hostile replies are refused", hostile_replies_are_refused },
	{ "request can be given up", request_can_be_given_up },
	{ "event during a request is kept", event_during_a_request_is_kept },
	{ "forced stop is quick and reaped once", forced_stop_is_quick_and_reaped_once },
	{ "jailed VM has nothing", jailed_vm_has_nothing },
	{ "zygote makes the same VM", zygote_makes_the_same_vm },
	{ "VM inherits only what it is given", vm_inherits_only_what_it_is_given },
	{ "VM ends when its controller is gone", vm_ends_when_its_controller_is_gone },
	{ "VM that ignores its controller's death dies",
	  vm_that_ignores_its_controllers_death_dies },
	{ "stale registrations are removed", stale_registrations_are_removed },
	{ "cgroups are made and removed", cgroups_are_made_and_removed },
	{ "host without namespaces still jails", host_without_namespaces_still_jails },
	{ "host without seccomp says so", host_without_seccomp_says_so },
	{ "caller without stdin is served", caller_without_stdin_is_served },
	{ "done accepts a zeroed handle", done_accepts_a_zeroed_handle },
};

/* Paths that an ordinary user can open wherever the build lies: through our descriptors. */
static void open_inputs(const char *argv0)
{
	char path[4096];
	char *slash;
	int fd;

	snprintf(path, sizeof(path) - 16, "%s", argv0);
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, "fake_vm");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		printf("%s: %s\n", path, strerror(errno));
		exit(1);
	}
	snprintf(vm_program, sizeof(vm_program), "/proc/self/fd/%d", fd);
	fd = memfd_create("image", MFD_CLOEXEC);
	CHECK(fd >= 0 && write(fd, "image", 5) == 5 && fchmod(fd, 0644) == 0);
	snprintf(image, sizeof(image), "/proc/self/fd/%d", fd);
}

static int run_as_nobody(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) < 0 ||
		    setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID) < 0) {
			_exit(1);
		}
		/* So that /proc/self/fd stays readable, as after a login. */
		prctl(PR_SET_DUMPABLE, 1);
		exit(test_main(cases, ARRAY_SIZE(cases)));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int r;

	open_inputs(argc > 0 ? argv[0] : "");
	printf("as user %u\n", geteuid());
	r = test_main(cases, ARRAY_SIZE(cases));
	if (geteuid() == 0) {
		printf("as user %u\n", NOBODY_ID);
		r |= run_as_nobody();
	}
	return r;
}
