/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel alone takes for a process like a VM's, without any program of ours in it: the least that
 * making and ending a VM can cost. CPU time of maker and child; what kernel threads clean up later is in
 * no process's account.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/sched.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench.h"

#define EACH 25 /* processes of a case and round */

/* All of a VM's but the network's, which VMs of a daemon share. */
#define NAMESPACES \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static void *thread_main(void *arg)
{
	return arg;
}

static int run_nothing(int kvm_fd)
{
	(void)kvm_fd;
	return 0;
}

static int run_thread(int kvm_fd)
{
	pthread_t t;

	(void)kvm_fd;
	return pthread_create(&t, NULL, thread_main, NULL) == 0 ? pthread_join(t, NULL) : 1;
}

/* Ended by the end of the process. */
static int run_kvm(int kvm_fd)
{
	int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);

	return ioctl(vm_fd, KVM_CREATE_VCPU, 0) < 0 || run_thread(kvm_fd);
}

static const struct {
	const char *title;
	uint64_t flags;
	int (*run)(int kvm_fd);
} cases[] = {
	{ "an empty process", 0, run_nothing },
	{ "in six namespaces", NAMESPACES, run_nothing },
	{ "in six namespaces, with a thread", NAMESPACES, run_thread },
	{ "in six namespaces, with a thread and a VM of KVM", NAMESPACES, run_kvm },
};

static double cpu_ms(void)
{
	struct rusage self, children;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return bench_rusage_ms(&self) + bench_rusage_ms(&children);
}

/* @return whether a process was made, did it and ended */
static bool one(size_t at, int kvm_fd)
{
	struct clone_args args = { .flags = cases[at].flags, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int status;

	if (pid == 0) {
		_exit(cases[at].run(kvm_fd));
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static double time_case(size_t at, int kvm_fd)
{
	double before_ms = cpu_ms();

	for (int i = 0; i < EACH; i++) {
		if (!one(at, kvm_fd)) {
			return NAN;
		}
	}
	return (cpu_ms() - before_ms) / EACH;
}

int main(int argc, char **argv)
{
	struct bench_series ms[ARRAY_SIZE(cases)] = { 0 };
	struct bench_table t = { 0 };
	struct bench_env env;
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	char c[32];

	if (!bench_args(argc, argv, &env)) {
		return EXIT_FAILURE;
	}
	for (int round = 0; round < (env.is_quick ? 7 : 31); round++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			bench_add(&ms[i], time_case(i, kvm_fd));
		}
	}
	printf("made, ended and waited for, CPU ms of maker and child together\n");
	bench_row(&t, "process|CPU ms");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bench_row(&t, "%s|%s", cases[i].title, bench_figure(c, bench_median(&ms[i]), 3));
	}
	bench_print(&t);
	return EXIT_SUCCESS;
}
