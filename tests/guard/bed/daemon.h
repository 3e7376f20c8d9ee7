/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pinfoldd in the machine, and VMs of user 1000 that run an endless guest. */
#ifndef PINFOLD_TESTS_GUARD_BED_DAEMON_H
#define PINFOLD_TESTS_GUARD_BED_DAEMON_H

#include "setup.h"

/** What the daemon logs. */
#define DAEMON_LOG "/tmp/pinfoldd.log"

/** Wait until a command of the shell succeeds; notes how long that took by the machine's clock. */
void expect_command(struct bed *b, const char *yes);

/** Start the daemon, and wait until it answers. */
void daemon_start(struct bed *b);

/** The command that starts it, without waiting. */
extern const char daemon_command[];

/** End it. @param how "-TERM" or "-KILL" */
void daemon_stop(struct bed *b, const char *how);

/** Forget all VMs and bans, and end the daemon. */
void daemon_end(struct bed *b);

/** Make a VM and start it. @return its number at a terminal */
unsigned int daemon_vm(struct bed *b, const char *name);

#endif
