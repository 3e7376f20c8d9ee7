/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of commands. */
#include "cli/commands.h"

#include "base/bits.h"

const struct command commands[] = {
	{ GROUP_HERE, "run", "run a guest program in its own jailed process", cmd_run },
	{ GROUP_HERE, "doctor", "say what this host offers, what is missing and what that costs",
	  cmd_doctor },
	{ GROUP_HERE, "disk", "overlays of disks: look, commit, export", cmd_disk },

	{ GROUP_DAEMON, "up", "start the daemon", cmd_up },
	{ GROUP_DAEMON, "down", "end it", cmd_down },
	{ GROUP_DAEMON, "status", "its health, its cores, which guarantees hold", cmd_status },

	{ GROUP_VM, "create", "make a VM", cmd_create },
	{ GROUP_VM, "start", "start VMs", cmd_start },
	{ GROUP_VM, "pause", "let them stand still", cmd_pause },
	{ GROUP_VM, "resume", "let them go on", cmd_resume },
	{ GROUP_VM, "stop", "ask guests to end, then end them", cmd_stop },
	{ GROUP_VM, "kill", "end VMs at once", cmd_kill },
	{ GROUP_VM, "rm", "remove VMs that have ended", cmd_rm },
	{ GROUP_VM, "wait", "wait until VMs have ended", cmd_wait },
	{ GROUP_VM, "snapshot", "save a VM to a file", cmd_snapshot },
	{ GROUP_VM, "restore", "make a VM from such a file", cmd_restore },

	{ GROUP_LOOK, "ps", "list VMs", cmd_ps },
	{ GROUP_LOOK, "top", "who holds which core, live", cmd_top },
	{ GROUP_LOOK, "inspect", "show everything about VMs", cmd_inspect },
	{ GROUP_LOOK, "logs", "print what a guest has printed", cmd_logs },
	{ GROUP_LOOK, "console", "attach to a guest's console", cmd_console },
	{ GROUP_LOOK, "stats", "show what VMs use, live", cmd_stats },
	{ GROUP_LOOK, "faults", "VMs that stopped by their own fault", cmd_faults },
	{ GROUP_LOOK, "events", "print what happens, as it happens", cmd_events },
	{ GROUP_LOOK, "history", "list runs that have ended", cmd_history },

	{ GROUP_TUNE, "cores", "show the host's cores and who holds them", cmd_cores },
	{ GROUP_TUNE, "pin", "give a VM a core of its own", cmd_pin },
	{ GROUP_TUNE, "unpin", "let VMs share cores again", cmd_unpin },
	{ GROUP_TUNE, "update", "change slice, priority or limits of VMs that run", cmd_update },

	{ GROUP_ADMIN, "user", "users, quotas, bans", cmd_user },
	{ GROUP_ADMIN, "audit", "the log of every change, and whether it is whole", cmd_audit },
	{ GROUP_ADMIN, "guard", "the emergency terminals in the kernel: keys, answers, state",
	  cmd_guard },

	{ GROUP_HELP, "help", "show this text, or the help of a command", cmd_help },
	{ GROUP_HELP, "version", "show the version", cmd_version },
};
const size_t commands_count = ARRAY_SIZE(commands);
