/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making and ending processes: clone3, id maps, pidfds. */
#ifndef PINFOLD_HOST_PROC_H
#define PINFOLD_HOST_PROC_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/errmsg.h"

/**
 * Like fork(), with new namespaces.
 * @param ns_flags  CLONE_NEW*
 * @param ret_pidfd in the parent: readable when the child has ended; close-on-exec; may be NULL
 * @return pid in the parent; 0 in the child; negative errno
 * The child may call only async-signal-safe functions when the caller has threads.
 */
pid_t host_proc_clone(uint64_t ns_flags, int *ret_pidfd);

/**
 * As host_proc_clone(), into a cgroup.
 * @param cgroup_fd a cgroup v2 folder; -1: where the caller is
 */
pid_t host_proc_clone_into(uint64_t ns_flags, int cgroup_fd, int *ret_pidfd);

/**
 * As host_proc_clone_into(), but the child is a brother: it has the caller's parent, who reaps it.
 * @param ret_pidfd never NULL: it is for the parent
 */
pid_t host_proc_clone_brother(uint64_t ns_flags, int cgroup_fd, int *ret_pidfd);

/**
 * Map one user and one group id into the new user namespace of a child.
 * @param uid_in  user id inside
 * @param uid_out the same outside
 * @param gid_in  group id inside
 * @param gid_out the same outside
 * @return 0; negative errno (-EPERM when the caller may not map that id)
 */
int host_proc_map_ids(pid_t pid, uid_t uid_in, uid_t uid_out, gid_t gid_in, gid_t gid_out);

/** Send a signal through a pidfd, so never to a stranger. @return 0; -ESRCH; negative errno */
int host_proc_kill(int pidfd, int signo);

/**
 * Reap a child.
 * @param timeout_ms -1: wait for ever
 * @param ret_usage may be NULL
 * @return 0; -ETIMEDOUT; -ECHILD when it is reaped already; negative errno
 */
int host_proc_wait(int pidfd, pid_t pid, int timeout_ms, int *ret_status, struct rusage *ret_usage);

/** Close every descriptor from @p first up. Async-signal-safe. @return 0; -errno */
int host_proc_close_from(unsigned int first);

/**
 * Be killed when the thread that made this process ends. Lost when ids change or rights are gained,
 * so after that; an exec that gains nothing keeps it. Async-signal-safe. @return 0; -errno
 */
int host_proc_die_with_parent(void);

/**
 * Execute an open program file. It may lie where the process can no longer look.
 * Async-signal-safe.
 * @param fd   opened for reading or O_PATH; not a script
 * @param name argv[0]
 * @param arg  argv[1], or NULL: no argument
 * @param env  all of the environment, NAME=VALUE; NULL: it is empty
 * @return only on failure: negative errno
 */
int host_proc_exec_fd(int fd, const char *name, const char *arg, const char *env);

#endif
