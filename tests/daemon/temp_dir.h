/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders to test in: in memory where that exists, so that syncs cost nothing. */
#ifndef PINFOLD_TESTS_DAEMON_TEMP_DIR_H
#define PINFOLD_TESTS_DAEMON_TEMP_DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bug.h"

/** A new empty folder, 0700. */
static inline void temp_dir_make(char *ret, size_t n)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

	BUG_ON(snprintf(ret, n, "%s/pinfold-store-XXXXXX", base ? base : "/tmp") >= (int)n);
	BUG_ON(!mkdtemp(ret));
}

static inline void temp_dir_remove(const char *path)
{
	char cmd[4200];

	BUG_ON(snprintf(cmd, sizeof(cmd), "rm -rf -- '%s'", path) >= (int)sizeof(cmd));
	BUG_ON(system(cmd) != 0); /* NOLINT(cert-env33-c): a path that this test made */
}

#endif
