/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving up rights: ids, capabilities, the file system, limits. Nothing here can be undone. */
#ifndef PINFOLD_HOST_PRIV_H
#define PINFOLD_HOST_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/errmsg.h"

/** Whether the calling thread has this capability (CAP_*) in its effective set. */
bool host_priv_has_cap(int cap);

/**
 * Whether a thread of this process has any capability.
 * @param tid its number in the caller's pid namespace
 * @return 0 or 1; -ESRCH: there is none of that number
 */
int host_priv_thread_has_caps(pid_t tid);

/**
 * Give up all capabilities of the calling thread but these, and carry them over the next exec.
 * Async-signal-safe.
 * @param caps bit n: capability number n, below 64; must be held
 * @return 0; negative errno
 */
int host_priv_keep_caps(uint64_t caps);

/** As host_priv_keep_caps(), for a program that executes no other. */
int host_priv_set_caps(uint64_t caps);

/**
 * Empty the calling thread's bounding set if it may (CAP_SETPCAP). Where it may not, the set stays:
 * it only matters to an exec, which no_new_privs robs of its gain.
 */
void host_priv_empty_bounding_set(void);

/**
 * Empty the effective, permitted, inheritable and ambient sets of the calling thread.
 * @return 0; negative errno
 */
int host_priv_drop_caps(struct errmsg *e);

/**
 * Become this user and group for good, without supplementary groups where the kernel allows that.
 * Whole process (all threads), as glibc does it.
 * @return 0; negative errno
 */
int host_priv_set_ids(uid_t uid, gid_t gid, struct errmsg *e);

/**
 * The same without glibc, for the only thread of a child of host_proc_clone(). Capabilities stay as
 * they are. Async-signal-safe.
 * @return 0; negative errno
 */
int host_priv_set_ids_keep_caps(uid_t uid, gid_t gid);

/** No exec gives rights any more, for all later seccomp filters too. */
int host_priv_no_new_privs(struct errmsg *e);

/** No core dump, and no attaching or /proc access by processes of the same user. */
int host_priv_set_undumpable(struct errmsg *e);

/**
 * In a mount namespace of one's own: make an empty, read-only, immutable file system the root and
 * drop every other mount. A process cloned from one that has done it has it already, also in a
 * mount namespace of its own, which is a copy; then this does nothing.
 * @return 0; negative errno
 */
int host_priv_empty_root(struct errmsg *e);

/** Whether host_priv_empty_root() has done it. */
bool host_priv_is_root_empty(void);

/**
 * Lower both limits of a resource (RLIMIT_*) to @p max; a lower hard limit stays.
 * @return 0; negative errno
 */
int host_priv_limit(int resource, uint64_t max, struct errmsg *e);

#endif
