// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. All share one open file: there is one registrar. */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inside.h"

#define FIRST_ID    100000
#define THREADS_MAX 64

/* What one thread registers: ids of its own. */
struct part {
	pthread_t thread;
	int fd;
	uint64_t first_id, count, failed;
};

static void *part_run(void *arg)
{
	struct part *p = arg;

	for (uint64_t i = 0; i < p->count; i++) {
		pid_t pid = fork();
		struct pinfold_guard_vm vm;

		if (pid == 0) {
			pause();
			_exit(0);
		}
		vm = inside_described(p->first_id + i, pid, "crowd", 1000);
		vm.cores[0] = 2;
		p->failed += ioctl(p->fd, PINFOLD_GUARD_REGISTER, &vm) != 0;
	}
	return NULL;
}

/* One process. Returns how many VMs were refused. */
static uint64_t process_run(int fd, uint64_t threads, uint64_t first_id, uint64_t each)
{
	struct part parts[THREADS_MAX];
	uint64_t failed = 0;

	for (uint64_t i = 0; i < threads; i++) {
		parts[i] =
			(struct part){ .fd = fd, .first_id = first_id + i * each, .count = each };
		errno = pthread_create(&parts[i].thread, NULL, part_run, &parts[i]);
		if (errno) {
			err(1, "thread");
		}
	}
	for (uint64_t i = 0; i < threads; i++) {
		pthread_join(parts[i].thread, NULL);
		failed += parts[i].failed;
	}
	return failed;
}

int inside_crowd(char **args)
{
	uint64_t processes = inside_number(args[1], 10), threads = inside_number(args[2], 10), each,
		 failed = 0;
	int fd = inside_device(true);

	if (!processes || !threads || threads > THREADS_MAX || setpgid(0, 0)) {
		errx(1, "too many or too few");
	}
	each = inside_number(args[0], 10) / processes / threads;
	for (uint64_t i = 0; i < processes; i++) {
		if (fork() == 0) {
			_exit(process_run(fd, threads, FIRST_ID + i * threads * each, each) != 0);
		}
	}
	for (uint64_t i = 0; i < processes; i++) {
		int status;

		failed += wait(&status) < 0 || status != 0;
	}
	inside_print_state(NULL);
	printf("processes that were refused something: %" PRIu64 "\n", failed);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return failed != 0;
}
