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

/** Where a command stands in the help text. */
enum command_group {
	GROUP_HERE,   /* without the daemon */
	GROUP_DAEMON, /* the daemon itself */
	GROUP_VM,     /* life of a VM */
	GROUP_LOOK,   /* looking at VMs */
	GROUP_TUNE,   /* changing them while they run */
	GROUP_ADMIN,  /* users, audit */
	GROUP_HELP,
	GROUPS,
};

/** One command. */
struct command {
	enum command_group group;
	const char *name;
	const char *summary;
	/** argv[0] is the full name ("pinfold run"). @return exit status */
	int (*main)(int argc, char **argv);
};

/** All commands, group by group, in the order of the help text. */
extern const struct command commands[];
extern const size_t commands_count;

/** Run one guest in the foreground. @return exit status */
int cmd_run(int argc, char **argv);

/** Say what the host offers. @return exit status */
int cmd_doctor(int argc, char **argv);

/** Copy-on-write disks. @return exit status */
int cmd_disk(int argc, char **argv);

/** Start the daemon. @return exit status */
int cmd_up(int argc, char **argv);

/** End the daemon. @return exit status */
int cmd_down(int argc, char **argv);

/** Show the daemon's health. @return exit status */
int cmd_status(int argc, char **argv);

/** Make a VM under the daemon. @return exit status */
int cmd_create(int argc, char **argv);

/** Start VMs. @return exit status */
int cmd_start(int argc, char **argv);

/** Pause VMs. @return exit status */
int cmd_pause(int argc, char **argv);

/** Let VMs go on. @return exit status */
int cmd_resume(int argc, char **argv);

/** Ask guests to end, then end them. @return exit status */
int cmd_stop(int argc, char **argv);

/** End VMs at once. @return exit status */
int cmd_kill(int argc, char **argv);

/** Remove VMs. @return exit status */
int cmd_rm(int argc, char **argv);

/** Wait for the end of VMs. @return exit status */
int cmd_wait(int argc, char **argv);

/** Save a VM to a file. @return exit status */
int cmd_snapshot(int argc, char **argv);

/** Make a VM from such a file. @return exit status */
int cmd_restore(int argc, char **argv);

/** List VMs. @return exit status */
int cmd_ps(int argc, char **argv);

/** Show everything about VMs. @return exit status */
int cmd_inspect(int argc, char **argv);

/** Print what a guest has printed. @return exit status */
int cmd_logs(int argc, char **argv);

/** Attach to a guest's console. @return exit status */
int cmd_console(int argc, char **argv);

/** Show what VMs use. @return exit status */
int cmd_stats(int argc, char **argv);

/** The fault queue. @return exit status */
int cmd_faults(int argc, char **argv);

/** Print events. @return exit status */
int cmd_events(int argc, char **argv);

/** List past runs. @return exit status */
int cmd_history(int argc, char **argv);

/** Show the host's cores. @return exit status */
int cmd_cores(int argc, char **argv);

/** Give a VM a core of its own. @return exit status */
int cmd_pin(int argc, char **argv);

/** Let VMs share cores again. @return exit status */
int cmd_unpin(int argc, char **argv);

/** Change slice, priority, limits. @return exit status */
int cmd_update(int argc, char **argv);

/** Users and quotas. @return exit status */
int cmd_user(int argc, char **argv);

/** The audit log. @return exit status */
int cmd_audit(int argc, char **argv);

/** The emergency terminals in the kernel. @return exit status */
int cmd_guard(int argc, char **argv);

/** Who holds which core, live. @return exit status */
int cmd_top(int argc, char **argv);

/** Print the commands, or a command's own help. @return exit status */
int cmd_help(int argc, char **argv);

/** Print name and version. @return exit status */
int cmd_version(int argc, char **argv);

#endif
