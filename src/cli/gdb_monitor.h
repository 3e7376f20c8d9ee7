/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands behind gdb's `monitor`. */
#ifndef PINFOLD_CLI_GDB_MONITOR_H
#define PINFOLD_CLI_GDB_MONITOR_H

#include <stddef.h>

#include "cli/regs.h"
#include "launch/launch.h"

/** Longest answer; longer ones are cut. */
#define GDB_MONITOR_TEXT_MAX 16384u

/** What the commands show. */
struct gdb_monitor {
	struct launch_vm *vm;
	const char *name;
	enum proto_vm_state state;
	const struct proto_stopped *last; /* or NULL */
	const struct regs *regs;	  /* with fresh values */
	size_t n_points;
};

/**
 * Carry out a line ("info", "regs", "help").
 * @param ret the answer, to be freed by the caller; an unknown command is answered by the help
 * @return 0; -ENOMEM; errors of launch_vm_request()
 */
int gdb_monitor_run(const struct gdb_monitor *m, const char *line, char **ret, size_t *ret_len);

#endif
