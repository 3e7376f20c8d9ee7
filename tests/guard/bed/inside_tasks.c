// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. System calls that the C library has no functions for. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"

/* As linux/sched/types.h has it, which does not go together with the C library's sched.h. */
struct deadline_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

/* @return whether there was so much left; then a child has it */
static bool take_percent(unsigned int percent)
{
	struct deadline_attr attr = { .size = sizeof(attr),
				      .policy = SCHED_DEADLINE,
				      .runtime_ns = percent * 1000000ULL,
				      .deadline_ns = 100000000,
				      .period_ns = 100000000 };
	int answer[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(answer, O_CLOEXEC) || (pid = fork()) < 0) {
		err(1, "fork");
	}
	if (pid == 0) {
		if (syscall(SYS_sched_setattr, 0, &attr, 0)) {
			_exit(errno == EBUSY ? 0 : 1);
		}
		prctl(PR_SET_NAME, "deadline");
		_exit(write(answer[1], "y", 1) == 1 ? pause() : 1);
	}
	close(answer[1]);
	if (read(answer[0], &byte, 1) < 0) {
		err(1, "read");
	}
	close(answer[0]);
	return byte == 'y';
}

/* How much there is the kernel knows, and its fair server has some of it. */
int inside_deadline(char **args)
{
	static const unsigned int percents[] = { 50, 10, 1 };

	(void)args;
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		while (take_percent(percents[i])) {
		}
	}
	return 0;
}

int inside_logon(char **args)
{
	FILE *f = fopen(args[1], "re");
	char text[4096];
	size_t n;

	if (!f || !(n = fread(text, 1, sizeof(text), f))) {
		err(1, "%s", args[1]);
	}
	fclose(f);
	if (syscall(SYS_add_key, "logon", args[0], text, n, KEY_SPEC_USER_KEYRING) < 0) {
		err(1, "%s", args[0]);
	}
	return 0;
}
