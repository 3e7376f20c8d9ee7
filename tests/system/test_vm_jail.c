/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jail of the real VM process, seen from outside: every thread of it is without rights and under
 * seccomp, its root is empty, and no memory is writable and executable unless the engine says so.
 * Once per engine and then, if the test runs as root, once more as an ordinary user.
 * Usage: test_vm_jail PINFOLD-VM
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "engine/engine.h"
#include "host/sock.h"
#include "launch/launch.h"
#include "unit/test.h"

#define NOBODY_ID 65534
/* PF_USER_WORKER: a thread that KVM runs in the process's name and that never leaves the kernel */
#define TASK_USER_WORKER 0x4000

static char vm_program[64];
static char image[64];

static int launch_halting(const char *engine, struct launch_vm *vm, struct errmsg *e)
{
	struct launch_options o;

	launch_options_defaults(&o);
	snprintf(o.config.engine, sizeof(o.config.engine), "%s", engine);
	o.config.arch = PROTO_ARCH_X86;
	o.config.flags = PROTO_CFG_16BIT;
	o.config.limits.mem_bytes = 16 << 20;
	o.image_path = image;
	o.vm_program = vm_program;
	return launch_vm(&o, vm, e);
}

static bool read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0) {
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void check_field(const char *status, const char *name, const char *want)
{
	const char *p = strstr(status, name);
	char got[64] = "";

	if (p) {
		snprintf(got, sizeof(got), "%.*s", (int)strcspn(p, "\n"), p);
	}
	CHECK_STR(got, want);
}

static bool is_kernels(const char *task)
{
	char path[320];
	char stat[1024];
	unsigned int flags = 0;
	const char *p;

	snprintf(path, sizeof(path), "%s/stat", task);
	CHECK(read_text(path, stat, sizeof(stat)));
	p = strrchr(stat, ')');
	CHECK(p && sscanf(p, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1);
	return flags & TASK_USER_WORKER;
}

static void check_threads(const struct launch_vm *vm)
{
	char path[300];
	char status[4096];
	struct dirent *d;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", vm->pid);
	dir = opendir(path);
	CHECK(dir != NULL);
	while (dir && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.') {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/task/%.32s", vm->pid, d->d_name);
		if (is_kernels(path)) {
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/task/%.32s/status", vm->pid, d->d_name);
		CHECK(read_text(path, status, sizeof(status)));
		check_field(status, "CapInh:", "CapInh:\t0000000000000000");
		check_field(status, "CapPrm:", "CapPrm:\t0000000000000000");
		check_field(status, "CapEff:", "CapEff:\t0000000000000000");
		check_field(status, "CapBnd:", "CapBnd:\t0000000000000000");
		check_field(status, "CapAmb:", "CapAmb:\t0000000000000000");
		check_field(status, "NoNewPrivs:", "NoNewPrivs:\t1");
		check_field(status, "Seccomp:", "Seccomp:\t2");
		n++;
	}
	if (dir) {
		closedir(dir);
	}
	CHECK(n >= 2); /* control and vCPU */
}

/* Only someone with rights over the VM can look. */
static void check_root(const struct launch_vm *vm)
{
	char path[64];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/root", vm->pid);
	dir = opendir(path);
	CHECK(dir != NULL);
	while (dir && (d = readdir(dir)) != NULL) {
		CHECK(strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0);
	}
	if (dir) {
		closedir(dir);
	}
}

static void check_mappings(const struct launch_vm *vm)
{
	char path[64];
	char line[512];
	int n_wx = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", vm->pid);
	f = fopen(path, "re");
	CHECK(f != NULL);
	while (f && fgets(line, sizeof(line), f)) {
		n_wx += strstr(line, " rwx") != NULL;
	}
	if (f) {
		fclose(f);
	}
	printf("  engine %s: %d mappings are writable and executable\n", vm->ready.engine, n_wx);
	/* Unicorn's code buffer is one mapping, which it writes while the guest runs. */
	CHECK_INT(n_wx, vm->ready.caps & ENGINE_CAP_NO_WX ? 0 : 1);
}

/* It still does its work in there. */
static void check_run(struct launch_vm *vm)
{
	struct proto_stopped s = { 0 };
	struct errmsg e = { 0 };
	int r;

	CHECK_INT(launch_vm_request(vm, PROTO_START, NULL, 0, -1, NULL, 0, NULL, &e), 0);
	do {
		r = launch_vm_event(vm, &s, &e);
	} while (r == 0 && host_sock_wait_readable(vm->socket_fd, 10000) == 0);
	CHECK_INT(r, 1);
	CHECK_STR(e.text, "");
	CHECK_INT(s.reason, PROTO_STOP_HALT);
}

static void check_engine(const char *engine)
{
	struct launch_vm vm = { 0 };
	struct errmsg e = { 0 };

	if (launch_halting(engine, &vm, &e) < 0) {
		printf("  engine %s can't run here: %s\n", engine, e.text);
		/* KVM is a matter of the host and the user; Unicorn is built in. */
		CHECK(strcmp(engine, "kvm") == 0 && strstr(e.text, "/dev/kvm") != NULL);
		return;
	}
	CHECK_STR(vm.ready.engine, engine);
	check_threads(&vm);
	if (geteuid() == 0) {
		CHECK(vm.ready.jail & PROTO_JAIL_SECCOMP);
		check_mappings(&vm);
		if (vm.ready.jail & PROTO_JAIL_MOUNTNS) {
			check_root(&vm);
		}
	}
	check_run(&vm);
	launch_vm_done(&vm);
}

static void unicorn_vm_is_jailed(void)
{
	check_engine("unicorn");
}

static void kvm_vm_is_jailed(void)
{
	check_engine("kvm");
}

static const struct test_case cases[] = {
	{ "VM on unicorn is jailed", unicorn_vm_is_jailed },
	{ "VM on kvm is jailed", kvm_vm_is_jailed },
};

static int run_as_nobody(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(NOBODY_ID, NOBODY_ID, NOBODY_ID) < 0 ||
		    setresuid(NOBODY_ID, NOBODY_ID, NOBODY_ID) < 0 ||
		    prctl(PR_SET_DUMPABLE, 1) < 0) {
			_exit(1);
		}
		exit(test_main(cases, ARRAY_SIZE(cases)));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	int r;

	if (fd < 0) {
		printf("usage: test_vm_jail PINFOLD-VM\n");
		return 1;
	}
	/* Through our descriptors: an ordinary user may not be able to look where the build lies. */
	snprintf(vm_program, sizeof(vm_program), "/proc/self/fd/%d", fd);
	fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0 || write(fd, "\xf4", 1) != 1 || fchmod(fd, 0644) < 0) {
		printf("no image: %s\n", strerror(errno));
		return 1;
	}
	snprintf(image, sizeof(image), "/proc/self/fd/%d", fd);
	printf("as user %u\n", geteuid());
	r = test_main(cases, ARRAY_SIZE(cases));
	if (geteuid() == 0) {
		printf("as user %u\n", NOBODY_ID);
		r |= run_as_nobody();
	}
	return r;
}
