/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The child's half of making a VM process, from its clone to the state in which the VM program is
 * executed or, in a child of a zygote, goes on: descriptors, order of the parent, cgroups, session,
 * signals, ids, capabilities. The parent's half is launch/launch_spawn.c.
 */
#ifndef PINFOLD_HOST_BIRTH_H
#define PINFOLD_HOST_BIRTH_H

#include <stdint.h>

/** Where the socket to the parent is afterwards; below it are /dev/null twice and stderr. */
#define HOST_BIRTH_SOCKET 3

/** Most descriptors that come with an order: files "tasks" of cgroups v1 to join. */
#define HOST_BIRTH_JOINS 4

/** What the parent decides once it knows the child's pid: the first packet on the socket. */
struct host_birth_order {
	uint64_t caps; /**< capabilities to keep, over an exec too */
	uint32_t uid, gid;
	uint32_t has_ids;  /**< switch to them */
	uint32_t outlives; /**< the parent */
};

/** What the child needs, opened before the clone. */
struct host_birth_fds {
	int program; /**< to be executed, or -1 */
	int socket;
	int null; /**< -1: 0 and 1 are /dev/null already, as a zygote's are */
	int err;
};

/**
 * Become what a VM process is at its start. Only for the single thread of a new child; ends the
 * process when that fails, with a line on its stderr. Async-signal-safe.
 * @return descriptor of the program (just above the socket, close-on-exec), or -1
 */
int host_birth(const struct host_birth_fds *fds);

/**
 * All signals at their default but SIGPIPE, which is ignored; none blocked. host_birth() does it for who
 * executes a program; a zygote has done it for its children.
 */
void host_birth_signals_reset(void);

/** End a child that can't become a VM process: one line, exit status 127. Async-signal-safe. */
_Noreturn void host_birth_fail(const char *what, int r);

#endif
