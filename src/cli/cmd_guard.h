/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members of the commands "guard" and "audit" that have a file of their own. */
#ifndef PINFOLD_CLI_CMD_GUARD_H
#define PINFOLD_CLI_CMD_GUARD_H

#include "cli/cmd.h"

/** Show what the guard has logged. @return exit status */
int cmd_guard_log(int argc, char **argv);

/** Show the guard's state. @return exit status */
int cmd_guard_status(int argc, char **argv);

/**
 * Verify copies of the guard's log: the operand, a file or folder, or those of the system's daemon.
 * @return exit status
 */
int cmd_guard_verify(struct cmd_run *cmd);

#endif
