/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon made on the host, in run_dir/partition, so that its next start can undo it:
 *
 *   pinfold-partition 1
 *   backend isolated
 *   dir /sys/fs/cgroup/pinfold-pool-1a2b3c4d
 *   home -
 *   enabled 1
 *   dynmods 0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/partition/partition_internal.h"
#include "host/fd.h"
#include "host/text.h"

#define FORMAT "pinfold-partition 1\nbackend %s\ndir %s\nhome %s\nenabled %d\ndynmods %d"

static void path_of(const struct partition *p, const char *suffix, char ret[PARTITION_TEXT_BYTES])
{
	snprintf(ret, PARTITION_TEXT_BYTES, "%s/partition%s", p->run_dir, suffix);
}

int partition_record_save(const struct partition *p, struct errmsg *e)
{
	const struct partition_record *m = &p->made;
	char text[PARTITION_TEXT_BYTES];
	char path[PARTITION_TEXT_BYTES];
	char tmp[PARTITION_TEXT_BYTES];
	_cleanup_close_ int fd = -1;
	int r;

	path_of(p, "", path);
	path_of(p, ".new", tmp);
	snprintf(text, sizeof(text), FORMAT "\n", partition_backend_name(m->backend), m->dir,
		 m->home[0] ? m->home : "-", m->has_enabled, m->has_dynmods);
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : host_fd_write_full(fd, text, strlen(text));
	if (r == 0 && rename(tmp, path) < 0) {
		r = -errno;
	}
	return r < 0 ? errmsg_set(e, r, "%.160s can't be written: %s", path, strerror(-r)) : 0;
}

/* An absolute path that goes nowhere else. */
static bool is_plain_path(const char *path)
{
	return path[0] == '/' && !strstr(path, "/..") && !strstr(path, "//");
}

/* Only groups whose name is made from our run_dir are ours to undo. */
static bool is_own(const struct partition *p, const struct partition_record *m)
{
	const char *base = strrchr(m->dir, '/');

	return is_plain_path(m->dir) && base && base != m->dir && strcmp(base + 1, p->name) == 0 &&
	       (m->backend == PARTITION_ISOLATED || is_plain_path(m->home));
}

int partition_record_load(const struct partition *p, struct partition_record *ret)
{
	struct partition_record m = { 0 };
	char text[PARTITION_TEXT_BYTES];
	char again[PARTITION_TEXT_BYTES];
	char name[16];
	int enabled;
	int dynmods;
	ssize_t n = host_text_read(text, sizeof(text), "%s/partition", p->run_dir);

	if (n < 0) {
		return n == -ENOENT ? -ENOENT : -EBADMSG;
	}
	if (sscanf(text,
		   "pinfold-partition 1\nbackend %15s\ndir %255s\nhome %255s\nenabled %d\n"
		   "dynmods %d",
		   name, m.dir, m.home, &enabled, &dynmods) != 5) {
		return -EBADMSG;
	}
	/* Strict: what was read must be what we would write. */
	snprintf(again, sizeof(again), FORMAT, name, m.dir, m.home, enabled, dynmods);
	if (strcmp(text, again) != 0 || ((enabled | dynmods) & ~1)) {
		return -EBADMSG;
	}
	m.has_enabled = enabled;
	m.has_dynmods = dynmods;
	if (strcmp(name, partition_backend_name(PARTITION_ISOLATED)) == 0) {
		m.backend = PARTITION_ISOLATED;
	} else if (strcmp(name, partition_backend_name(PARTITION_CPUSET)) == 0) {
		m.backend = PARTITION_CPUSET;
	} else {
		return -EBADMSG;
	}
	if (!is_own(p, &m)) {
		return -EBADMSG;
	}
	*ret = m;
	return 0;
}

void partition_record_remove(const struct partition *p)
{
	char path[PARTITION_TEXT_BYTES];

	path_of(p, "", path);
	unlink(path);
}
