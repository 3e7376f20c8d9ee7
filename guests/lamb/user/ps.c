/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ps: all processes, their memory in KiB, and ticks of processor time. */
#include "user.h"

int main(int argc, char **argv)
{
	static const char *const states[] = { "free", "ready", "running", "sleeping", "zombie" };
	struct process_info p;

	(void)argc;
	(void)argv;
	print("  pid parent state    memory ticks name\n");
	for (unsigned int i = 0; process(i, &p) == 1; i++) {
		if (p.pid) {
			print("%5d %6d %-8s %6u %5lu %s\n", p.pid, p.parent, states[p.state],
			      p.pages * 4, p.ticks, p.name);
		}
	}
	print("%ld KiB free\n", memory() * 4);
	return 0;
}
