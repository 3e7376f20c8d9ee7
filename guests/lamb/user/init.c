/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first process: keeps a shell running, and buries processes whose parents have died. */
#include "user.h"

static int start_shell(void)
{
	char *argv[] = { "sh", NULL };
	int pid = fork();

	if (pid == 0) {
		fail("/bin/sh", exec("/bin/sh", argv));
	}
	return pid;
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (;;) {
		int shell = start_shell();
		int status;

		if (shell < 0) {
			fail("init", shell);
		}
		while (wait(&status) != shell) {
		}
		print("init: the shell has ended, here is another one\n");
	}
}
