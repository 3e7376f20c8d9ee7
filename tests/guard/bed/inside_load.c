// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. The guard comes and goes, by the system calls that insmod and rmmod make. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inside.h"

#define MODULE	   "/bed/pinfold_guard.ko"
#define BUSY_EVERY 25
#define RACE_EVERY 10
#define VMS	   3
#define WAIT_S	   120

/* Returns 0 or errno. */
static int load(int fd, const char *parameters)
{
	return syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "pinfold_guard", O_NONBLOCK) ? errno : 0;
}

/* Somebody may be at a terminal: who says nothing for a second sleeps (idle_s=1). */
static void unload_in_time(const char *when)
{
	double end_s = inside_now_s() + WAIT_S;
	int r;

	while ((r = unload())) {
		if (r != EAGAIN || inside_now_s() > end_s) {
			errx(1, "unload %s: %s", when, strerror(r));
		}
		usleep(20000);
	}
}

static int open_module(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		err(1, MODULE);
	}
	return fd;
}

static void join(char **args, char ret[512])
{
	size_t n = 0;

	ret[0] = '\0';
	for (; *args && n < 512; args++) {
		n += (size_t)snprintf(ret + n, 512 - n, "%s ", *args);
	}
	if (n >= 512) {
		errx(1, "too many parameters");
	}
}

static void wake(void)
{
	inside_put("/proc/sysrq-trigger", "x");
}

/* Returns when a terminal is awake. */
static void wake_one(int fd)
{
	double end_s = inside_now_s() + WAIT_S;
	struct pinfold_guard_state s;

	wake();
	do {
		inside_state(fd, &s);
		if (inside_now_s() > end_s) {
			errx(1, "nobody woke");
		}
	} while (!s.terminals[0].wakeups);
}

/* VMs, and a dialogue: with either of them the guard stays. */
static void be_busy(bool is_let_go)
{
	int fd = inside_device(true);
	pid_t pids[VMS];

	for (int i = 0; i < VMS; i++) {
		struct pinfold_guard_vm vm;

		pids[i] = fork();
		if (pids[i] == 0) {
			pause();
			_exit(0);
		}
		vm = inside_described((uint64_t)i + 1, pids[i], "cycle", 1000);
		if (pids[i] < 0 || ioctl(fd, PINFOLD_GUARD_REGISTER, &vm)) {
			err(1, "register");
		}
	}
	wake_one(fd);
	close(fd);
	if (unload() != EAGAIN) {
		errx(1, "the guard went, or can't, with VMs and somebody at a terminal");
	}
	if (is_let_go) {
		inside_put("/sys/module/pinfold_guard/parameters/unload", "1");
	}
	for (int i = 0; i < VMS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	/* VMs that are over go when somebody looks. */
	if (!is_let_go) {
		fd = inside_device(false);
		inside_state(fd, &(struct pinfold_guard_state){ 0 });
		close(fd);
	}
}

static pid_t wake_meanwhile(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 20; i++) {
			wake();
			usleep(2000);
		}
		_exit(0);
	}
	return pid;
}

int inside_cycles(char **args)
{
	uint64_t count = inside_number(args[0], 10);
	char parameters[512];
	int fd = open_module(), r;

	join(args + 1, parameters);
	for (uint64_t i = 1; i <= count; i++) {
		pid_t pid = 0;

		r = load(fd, parameters);
		if (r) {
			errx(1, "load %" PRIu64 ": %s", i, strerror(r));
		}
		if (i % BUSY_EVERY == 0) {
			be_busy(i / BUSY_EVERY % 2);
		} else if (i % RACE_EVERY == 0) {
			pid = wake_meanwhile();
		}
		unload_in_time("in time");
		if (pid) {
			waitpid(pid, NULL, 0);
		}
	}
	return 0;
}

static void set_fail(int fd, uint64_t nth)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, nth);

	if (pwrite(fd, text, (size_t)n, 0) != n) {
		err(1, "fail-nth");
	}
}

/* How many allocations were left before the one that shall fail; 0: it has. */
static uint64_t get_fail(int fd)
{
	char text[24];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0) {
		err(1, "fail-nth");
	}
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return inside_number(text, 10);
}

/* request_region() does not say that it was that, and for some of what a new thread needs the kernel says "try again". */
static bool is_no_memory(int r, bool is_self)
{
	return r == ENOMEM || r == (is_self ? EBUSY : EAGAIN);
}

int inside_failing(char **args)
{
	bool is_self = strcmp(args[0], "self") == 0;
	uint64_t nth = inside_number(args[1], 10), step = inside_number(args[2], 10),
		 count = inside_number(args[3], 10), failed = 0, loaded = 0;
	int fail_fd =
		    open(is_self ? "/proc/self/fail-nth" : "/proc/2/fail-nth", O_RDWR | O_CLOEXEC),
	    fd = open_module();
	char parameters[512];

	if (fail_fd < 0) {
		err(1, "fail-nth");
	}
	join(args + 4, parameters);
	for (bool was_reached = true; was_reached && count > 0; count--) {
		int r;

		set_fail(fail_fd, nth);
		r = load(fd, parameters);
		was_reached = get_fail(fail_fd) == 0;
		set_fail(fail_fd, 0);
		if (r && (!was_reached || !is_no_memory(r, is_self))) {
			errx(1, "load without allocation %" PRIu64 ": %s", nth, strerror(r));
		}
		failed += r != 0;
		loaded += !r;
		if (!r) {
			unload_in_time("after an allocation failed");
		}
		nth = was_reached ? nth + step : 0;
	}
	printf("failed %" PRIu64 " loaded %" PRIu64 " next %" PRIu64 "\n", failed, loaded, nth);
	return 0;
}
