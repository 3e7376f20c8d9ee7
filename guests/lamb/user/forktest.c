/* SPDX-License-Identifier: GPL-2.0-or-later */
/* forktest: as many processes as there can be, twice; all of them must come back. */
#include "user.h"

static int round_of(void)
{
	int n = 0;
	int status;
	int pid;

	while ((pid = fork()) > 0) {
		n++;
	}
	if (pid == 0) {
		sleep(20);
		exit(7);
	}
	if (pid != -E_AGAIN) {
		fail("forktest", pid);
	}
	for (int i = 0; i < n; i++) {
		if (wait(&status) < 0 || status != 7) {
			print("forktest: a child is lost\n");
			exit(1);
		}
	}
	if (wait(&status) != -E_CHILD) {
		print("forktest: a child too many\n");
		exit(1);
	}
	return n;
}

int main(int argc, char **argv)
{
	int first = round_of();
	int second = round_of();

	(void)argc;
	(void)argv;
	print("forktest: %s\n", first > 30 && first == second ? "ok" : "not the same twice");
	return first != second;
}
