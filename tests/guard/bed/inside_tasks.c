// SPDX-License-Identifier: GPL-2.0-or-later
/* See inside.h. System calls that the C library has no functions for. */
#include <err.h>
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

int inside_deadline(char **args)
{
	/* Of a core's 95 %. */
	static const struct deadline_attr attr = { .size = sizeof(attr),
						   .policy = SCHED_DEADLINE,
						   .runtime_ns = 94000000,
						   .deadline_ns = 100000000,
						   .period_ns = 100000000 };

	for (uint64_t i = inside_number(args[0], 10); i > 0; i--) {
		if (fork() != 0) {
			continue;
		}
		if (syscall(SYS_sched_setattr, 0, &attr, 0)) {
			err(1, "deadline");
		}
		prctl(PR_SET_NAME, "deadline");
		pause();
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
