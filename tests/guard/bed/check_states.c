// SPDX-License-Identifier: GPL-2.0-or-later
/* Commands to VMs that do not simply run: dead, dying, stopped by somebody else. No daemon runs. */
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define WAIT_MS 30000

/* What deadline tasks have reserved of the cores. */
static long bandwidth(struct bed *b)
{
	return atol(bed_run(b, NULL,
			    "sed -n 's/.*dl_bw->total_bw *: *//p' /sys/kernel/debug/sched/debug |"
			    " head -n 1 | grep ."));
}

/* It is given back some time after a task has ended. */
static void expect_bandwidth(struct bed *b, long want)
{
	long is;

	for (int64_t end_ms = now_ms() + WAIT_MS; (is = bandwidth(b)) != want;) {
		need(now_ms() < end_ms, "deadline tasks have reserved %ld, not %ld", is, want);
	}
}

/* What is left of it is killed again, as "ban" does after "kill-user" while nobody collects the dead. */
void check_kill_again(struct bed *b)
{
	long had;
	int pid;

	commands_begin(b);
	had = bandwidth(b);
	pid = vm_new(b, 60, 1000, "kept=1", "0");
	for (int i = 0; i < 6; i++) {
		authorised(b, SERIAL, "kill 60");
		need(strstr(said(), "is gone after"), "\"kill 60\" says: %s", said());
		expect_gone(b, pid);
	}
	expect_bandwidth(b, had);
	bed_run(b, NULL, "guard_inside unregister 60");
	commands_end(b);
}
