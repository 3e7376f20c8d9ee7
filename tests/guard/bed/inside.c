// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What runs inside the machine: those who hog it, processes that stand for VMs, their registrar, and who attacks the log. One
 * command per call, for the shell that scripts/bed/guard-init runs:
 *   hog SECONDS              a FIFO-99 task on every core, until a dialogue at a terminal is over; nothing ordinary runs meanwhile
 *   vm NAME=VALUE...         a process that stands for a VM; prints its pid. spin=1 core=N uid=N fifo=PRIORITY; kept=1: nobody
 *                            asks for its exit status
 *   register ID PID NAME UID CORES FLAGS    as the registrar; CORES and FLAGS are hexadecimal
 *   unregister ID | exported SEQ | state | lookup ID
 *   hold SECONDS             be the registrar and do nothing
 *   stall                    the same, with a call whose argument can't be read until another process was answered
 *   graphics 0|1             text or graphics on the first virtual terminal, as a graphical session has it
 *   crowd COUNT PROCESSES THREADS   register so many new processes, from so many threads of so many processes at once, and end them
 *   cycles COUNT PARAMETER...       load and unload the guard so many times
 *   failing WHO FIRST STEP COUNT PARAMETER...   load the guard while allocations fail
 *   reports                  what the kernel has complained about since the last call: nothing, or exit status 1; or, with 0,
 *                            of a known mistake of its own
 *   deaths NAMES COUNT       end the threads of terminals A, B or AB so many times, and wait for new ones each time
 *   deadline                 tasks that hold what bandwidth of deadline tasks there is
 *   logon DESCRIPTION FILE   put a file's text into root's keyring
 *   agrees SECONDS PATH TEXT...   wait until pinfoldd says so
 *   log-copy FILE            everything in the guard's log
 *   log-print FILE           one line per record: number, nanoseconds since boot, kind, terminal, channel, result, count, text
 *   log-returns FILE MS      how long terminals needed to come back
 *   log-verify FILE          judge a copy
 *   log-attack               try to change the log
 * Exit status: 0; 1 with one line that says why.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

#define DEVICE "/dev/pinfold-guard"

uint64_t inside_number(const char *text, int base)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, base);
	if (errno || end == text || *end) {
		errx(1, "\"%s\" is no number", text);
	}
	return n;
}

double inside_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void inside_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f)) {
		err(1, "%s", path);
	}
}

int inside_device(bool is_registrar)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		err(1, DEVICE);
	}
	if (is_registrar && ioctl(fd, PINFOLD_GUARD_ATTACH)) {
		err(1, "attach");
	}
	return fd;
}

void inside_state(int fd, struct pinfold_guard_state *ret)
{
	*ret = (struct pinfold_guard_state){ .revision = PINFOLD_GUARD_REVISION };
	if (ioctl(fd, PINFOLD_GUARD_STATE, ret)) {
		err(1, "state");
	}
}

static uint32_t wakeups(const struct pinfold_guard_state *s)
{
	return s->terminals[0].wakeups + s->terminals[1].wakeups;
}

/* Burn a core, at most until a moment; ends when a terminal has been woken since "before" and both sleep again. */
static void spin(int fd, const struct pinfold_guard_state *before, double end_s)
{
	struct pinfold_guard_state s;
	double now, look_s = 0;

	while ((now = inside_now_s()) < end_s) {
		if (now < look_s) {
			continue;
		}
		look_s = now + 0.05;
		inside_state(fd, &s);
		if (wakeups(&s) != wakeups(before) &&
		    s.terminals[0].state == PINFOLD_GUARD_ASLEEP &&
		    s.terminals[1].state == PINFOLD_GUARD_ASLEEP) {
			return;
		}
	}
}

static int do_hog(char **args)
{
	double end_s = inside_now_s() + (double)inside_number(args[0], 10);
	struct sched_param p = { .sched_priority = 99 };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct pinfold_guard_state before;
	int fd = inside_device(false);

	inside_state(fd, &before);
	/* This one too, or it would not live to start the last of them. */
	if (sched_setscheduler(0, SCHED_FIFO, &p)) {
		err(1, "FIFO");
	}
	for (long core = 0; core < cores; core++) {
		cpu_set_t set;

		if (fork()) {
			continue;
		}
		CPU_ZERO(&set);
		CPU_SET((size_t)core, &set);
		prctl(PR_SET_NAME, "hog");
		if (sched_setaffinity(0, sizeof(set), &set)) {
			err(1, "core %ld", core);
		}
		spin(fd, &before, end_s);
		_exit(0);
	}
	while (wait(NULL) > 0) {
	}
	return 0;
}

struct vm_options {
	bool spins, is_kept;
	long core;
	uid_t uid;
	int fifo;
};

static struct vm_options vm_parse(char **args)
{
	struct vm_options o = { .core = -1 };

	for (; *args; args++) {
		const char *value = strchr(*args, '=');
		uint64_t n;

		if (!value) {
			errx(1, "%s: NAME=VALUE", *args);
		}
		n = inside_number(value + 1, 10);
		if (strncmp(*args, "spin=", 5) == 0) {
			o.spins = n != 0;
		} else if (strncmp(*args, "core=", 5) == 0) {
			o.core = (long)n;
		} else if (strncmp(*args, "uid=", 4) == 0) {
			o.uid = (uid_t)n;
		} else if (strncmp(*args, "fifo=", 5) == 0) {
			o.fifo = (int)n;
		} else if (strncmp(*args, "kept=", 5) == 0) {
			o.is_kept = n != 0;
		} else {
			errx(1, "%s: unknown", *args);
		}
	}
	return o;
}

static void vm_run(const struct vm_options *o, int ready_fd)
{
	struct sched_param p = { .sched_priority = o->fifo };
	cpu_set_t set;

	prctl(PR_SET_NAME, "vm");
	if (o->core >= 0) {
		CPU_ZERO(&set);
		CPU_SET((size_t)o->core, &set);
		if (sched_setaffinity(0, sizeof(set), &set)) {
			err(1, "core");
		}
	}
	if (o->fifo && sched_setscheduler(0, SCHED_FIFO, &p)) {
		err(1, "fifo");
	}
	if (setresgid(o->uid, o->uid, o->uid) || setresuid(o->uid, o->uid, o->uid)) {
		err(1, "uid");
	}
	close(ready_fd);
	while (o->spins) {
	}
	for (;;) {
		pause();
	}
}

/* The parent of one that is kept: what is left of it stays as long as this one. */
static _Noreturn void keep(void)
{
	prctl(PR_SET_NAME, "keeper");
	for (;;) {
		pause();
	}
}

/* Returns when the process is what it shall be. It is nobody's child then: init collects it, unless it is kept. */
static pid_t vm_start(const struct vm_options *o)
{
	int ready[2], number[2];
	pid_t pid = 0, parent;
	char byte;

	if (pipe2(ready, O_CLOEXEC) || pipe2(number, O_CLOEXEC)) {
		err(1, "pipe");
	}
	parent = fork();
	if (parent == 0) {
		pid = fork();
		if (pid == 0) {
			close(ready[0]);
			vm_run(o, ready[1]);
		}
		close(ready[1]);
		if (write(number[1], &pid, sizeof(pid)) != sizeof(pid) || pid < 0) {
			_exit(1);
		}
		if (o->is_kept) {
			keep();
		}
		_exit(0);
	}
	close(ready[1]);
	if (parent < 0 || (!o->is_kept && waitpid(parent, NULL, 0) != parent) ||
	    read(number[0], &pid, sizeof(pid)) != sizeof(pid)) {
		err(1, "fork");
	}
	/* Ends when the process closes its side. */
	if (read(ready[0], &byte, 1) != 0) {
		err(1, "read");
	}
	close(ready[0]);
	close(number[0]);
	close(number[1]);
	return pid;
}

static int do_vm(char **args)
{
	struct vm_options o = vm_parse(args);

	printf("%d\n", (int)vm_start(&o));
	return 0;
}

/* Field 22 of /proc/PID/stat. */
static uint64_t start_ticks(pid_t pid)
{
	char path[64], text[1024], *p;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f) {
		err(1, "%s", path);
	}
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
	}
	return p ? strtoull(p, NULL, 10) : 0;
}

struct pinfold_guard_vm inside_described(uint64_t id, pid_t pid, const char *name, uint32_t uid)
{
	struct pinfold_guard_vm vm = {
		.revision = PINFOLD_GUARD_REVISION,
		.id = id,
		.pid = pid,
		.start_ticks = start_ticks(pid),
		.owner_uid = uid,
	};

	snprintf(vm.name, sizeof(vm.name), "%s", name);
	return vm;
}

static int do_register(char **args)
{
	struct pinfold_guard_vm vm =
		inside_described(inside_number(args[0], 10), (pid_t)inside_number(args[1], 10),
				 args[2], (uint32_t)inside_number(args[3], 10));

	vm.cores[0] = inside_number(args[4], 16);
	vm.flags = (uint32_t)inside_number(args[5], 16);
	if (ioctl(inside_device(true), PINFOLD_GUARD_REGISTER, &vm)) {
		err(1, "register");
	}
	return 0;
}

static int do_id(char **args, unsigned long request)
{
	struct pinfold_guard_id id = { .revision = PINFOLD_GUARD_REVISION,
				       .id = inside_number(args[0], 10) };

	if (ioctl(inside_device(true), request, &id)) {
		err(1, "id %s", args[0]);
	}
	return 0;
}

static int do_unregister(char **args)
{
	return do_id(args, PINFOLD_GUARD_UNREGISTER);
}

static int do_exported(char **args)
{
	return do_id(args, PINFOLD_GUARD_EXPORTED);
}

static int do_hold(char **args)
{
	inside_device(true);
	sleep((unsigned int)inside_number(args[0], 10));
	return 0;
}

static int do_lookup(char **args)
{
	struct pinfold_guard_vm vm = { .revision = PINFOLD_GUARD_REVISION,
				       .id = inside_number(args[0], 10) };

	if (ioctl(inside_device(false), PINFOLD_GUARD_LOOKUP, &vm)) {
		err(1, "lookup");
	}
	printf("pid %d uid %u flags %x cores %" PRIx64 " name %s\n", vm.pid, vm.owner_uid, vm.flags,
	       (uint64_t)vm.cores[0], vm.name);
	return 0;
}

int inside_print_state(char **args)
{
	struct pinfold_guard_state s;

	(void)args;
	inside_state(inside_device(false), &s);
	printf("control_core %u\nvms %u\nbans %u\nsources %x\nabandoned %u\nspares %u\nkeyed %u\n",
	       s.control_core, s.vms, s.bans, s.sources, s.abandoned, s.spares, s.keyed);
	printf("log_first %llu\nlog_last %llu\nlog_exported %llu\ngeneration %llu\n", s.log_first,
	       s.log_last, s.log_exported, s.generation);
	for (int i = 0; i < 2; i++) {
		const struct pinfold_guard_terminal *t = &s.terminals[i];
		char name = "AB"[i];

		printf("%c.pid %u\n%c.state %u\n%c.deaths %u\n%c.wakeups %u\n", name, t->pid, name,
		       t->state, name, t->deaths, name, t->wakeups);
	}
	return 0;
}

static int do_graphics(char **args)
{
	int fd = open("/dev/tty1", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, KDSETMODE, inside_number(args[0], 10) ? KD_GRAPHICS : KD_TEXT)) {
		err(1, "tty1");
	}
	return 0;
}

/* End the threads of these terminals, and wait until all of them have other ones. */
static void die_once(int fd, const char *names)
{
	struct pinfold_guard_state before, now;
	double end_s = inside_now_s() + 10;
	char pid[16];

	inside_state(fd, &before);
	for (const char *p = names; *p; p++) {
		snprintf(pid, sizeof(pid), "%u", before.terminals[*p - 'A'].pid);
		inside_put("/sys/module/guard_faults/parameters/die", pid);
		/* One at a time is what the fault can do. */
		do {
			inside_state(fd, &now);
		} while (now.terminals[*p - 'A'].deaths == before.terminals[*p - 'A'].deaths &&
			 inside_now_s() < end_s);
	}
	for (const char *p = names; *p; p++) {
		do {
			inside_state(fd, &now);
		} while (!now.terminals[*p - 'A'].pid && inside_now_s() < end_s);
	}
	if (inside_now_s() >= end_s) {
		errx(1, "not all of %s came back in 10 s", names);
	}
}

/* Between two deaths the guard makes new spare threads. */
static void wait_for_spares(int fd)
{
	struct pinfold_guard_state s;

	do {
		usleep(1000);
		inside_state(fd, &s);
	} while (s.spares < 6);
}

static int do_deaths(char **args)
{
	uint64_t count = inside_number(args[1], 10);
	int fd = inside_device(false);

	if (!args[0][0] || strspn(args[0], "AB") != strlen(args[0])) {
		errx(1, "%s: A, B or AB", args[0]);
	}
	for (uint64_t i = 0; i < count; i++) {
		wait_for_spares(fd);
		die_once(fd, args[0]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(char **args);
		int words;
	} commands[] = {
		{ "hog", do_hog, 1 },
		{ "vm", do_vm, 0 },
		{ "register", do_register, 6 },
		{ "unregister", do_unregister, 1 },
		{ "exported", do_exported, 1 },
		{ "hold", do_hold, 1 },
		{ "stall", inside_stall, 0 },
		{ "state", inside_print_state, 0 },
		{ "lookup", do_lookup, 1 },
		{ "crowd", inside_crowd, 3 },
		{ "cycles", inside_cycles, 1 },
		{ "failing", inside_failing, 4 },
		{ "reports", inside_reports, 0 },
		{ "graphics", do_graphics, 1 },
		{ "deaths", do_deaths, 2 },
		{ "agrees", inside_agrees, 1 },
		{ "deadline", inside_deadline, 0 },
		{ "logon", inside_logon, 2 },
		{ "log-copy", inside_log_copy, 1 },
		{ "log-print", inside_log_print, 1 },
		{ "log-returns", inside_log_returns, 2 },
		{ "log-verify", inside_log_verify, 1 },
		{ "log-attack", inside_log_attack, 0 },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 >= commands[i].words) {
			return commands[i].run(argv + 2);
		}
	}
	errx(2, "see the head of tests/guard/bed/inside.c");
}
