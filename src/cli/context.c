/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saving a VM's context: into a temporary file beside the target, then renamed over it. */
#include "cli/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static int save_to(struct launch_vm *vm, const char *path, const char *temporary, int fd,
		   struct errmsg *e)
{
	int r = launch_vm_request(vm, PROTO_SAVE_CONTEXT, NULL, 0, fd, NULL, 0, NULL, e);

	if (r < 0) {
		return r;
	}
	if (fsync(fd) < 0 && errno != EINVAL) {
		return errmsg_set(e, -errno, "%s", strerror(errno));
	}
	if (rename(temporary, path) < 0) {
		return errmsg_set(e, -errno, "%s", strerror(errno));
	}
	return 0;
}

/* A temporary file beside the target. @param ret_name for free() */
static int open_temporary(const char *path, char **ret_name, struct errmsg *e)
{
	char *name;
	int fd;

	if (asprintf(&name, "%s.XXXXXX", path) < 0) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	fd = mkostemp(name, O_CLOEXEC); /* mode 0600 */
	if (fd < 0) {
		int r = -errno;

		free(name);
		return errmsg_set(e, r, "--save-context: %s: %s", path, strerror(-r));
	}
	*ret_name = name;
	return fd;
}

int context_check(const char *path, struct errmsg *e)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		return errmsg_set(e, -EISDIR, "--save-context: %s is a directory", path);
	}
	fd = open_temporary(path, &temporary, e);
	if (fd < 0) {
		return fd;
	}
	unlink(temporary);
	return 0;
}

int context_save(struct launch_vm *vm, const char *path, struct errmsg *e)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = open_temporary(path, &temporary, e);
	int r;

	if (fd < 0) {
		return fd;
	}
	r = save_to(vm, path, temporary, fd, e);
	if (r < 0) {
		unlink(temporary);
		errmsg_prefix(e, "--save-context: %s: ", path);
	}
	return r;
}
