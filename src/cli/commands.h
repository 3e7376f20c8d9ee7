/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of pinfold. Adding one means one file cmd_NAME.c and one line in commands.c. */
#ifndef PINFOLD_CLI_COMMANDS_H
#define PINFOLD_CLI_COMMANDS_H

#include <stddef.h>

/** Exit statuses of pinfold itself; every other one is the guest's own. */
enum exit_status {
	EXIT_STATUS_LIMIT = 124,  /* the guest reached a limit */
	EXIT_STATUS_ERROR = 125,  /* Pinfold could not do what was asked */
	EXIT_STATUS_FAULT = 126,  /* the guest faulted */
	EXIT_STATUS_KILLED = 137, /* the VM was killed */
};

/** One command. */
struct command {
	const char *name;
	const char *summary;
	/** argv[0] is the full name ("pinfold run"). @return exit status */
	int (*main)(int argc, char **argv);
};

/** All commands, in the order of the help text. */
extern const struct command commands[];
extern const size_t commands_count;

/** Run one guest in the foreground. @return exit status */
int cmd_run(int argc, char **argv);

/** Say what the host offers. @return exit status */
int cmd_doctor(int argc, char **argv);

/** Print the commands, or a command's own help. @return exit status */
int cmd_help(int argc, char **argv);

/** Print name and version. @return exit status */
int cmd_version(int argc, char **argv);

#endif
