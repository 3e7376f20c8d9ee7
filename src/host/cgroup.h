/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cgroups of both versions: where they are mounted, where the caller is in them, standing still as a whole. */
#ifndef PINFOLD_HOST_CGROUP_H
#define PINFOLD_HOST_CGROUP_H

#include <stdbool.h>

#define HOST_CGROUP_PATH_BYTES 256

/**
 * Find the mount of a hierarchy: the first that fits.
 * @param root       in front of /proc and of the result: "" but in tests
 * @param version    1, or 2
 * @param controller that a hierarchy of version 1 must have; ignored for version 2
 * @param ret        untouched on failure
 * @return false: there is none, or its path is too long
 */
bool host_cgroup_mount(const char *root, int version, const char *controller,
		       char ret[HOST_CGROUP_PATH_BYTES]);

/**
 * The caller's own group below that mount: "" for the root group, else "/...".
 * @return false: it can't be found, or is too long
 */
bool host_cgroup_own(const char *root, int version, const char *controller,
		     char ret[HOST_CGROUP_PATH_BYTES]);

/**
 * Freeze or thaw a folder of version 2.
 * @return 0: asked for; -errno
 */
int host_cgroup_freeze(const char *dir, bool is_frozen);

/** Whether the kernel says that everything in a folder of version 2 is frozen. */
bool host_cgroup_is_frozen(const char *dir);

#endif
