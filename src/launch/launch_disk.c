/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of a VM's disks: opened, locked against other VMs, overlays made and compared with their bases. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/overlay.h"
#include "launch/launch_internal.h"

int launch_give_fd(int fd, int *ret, struct errmsg *e)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 1);
	return *ret < 0 ? errmsg_set(e, -errno, "no descriptor is left: %s", strerror(errno)) : 0;
}

/* An image file or a block device, used by this VM alone if it is written to. */
static int open_file(const char *path, bool is_ro, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int fd =
		open(path, (is_ro ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "disk %s: %s", path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		return errmsg_set(e, -EINVAL,
				  "disk %s is neither a regular file nor a block device", path);
	}
	if (flock(fd, (is_ro ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0) {
		return errmsg_set(e, -EBUSY,
				  "disk %s is used by another VM; give it --disk %s,ro or "
				  "--disk %s,overlay=FILE in both to share it",
				  path, path, path);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Over this base, and of the size that was asked for. */
static int check_overlay(int fd, const struct launch_disk *d, int base_fd, struct errmsg *e)
{
	struct overlay_form f;
	int r = overlay_form_read(fd, &f, e);

	if (r == 0 && ((d->bytes && d->bytes != f.disk_bytes) ||
		       (d->room_bytes && d->room_bytes != f.room_bytes))) {
		return errmsg_set(e, -EINVAL,
				  "it was made with another size or room, which can't be changed");
	}
	return r < 0 || f.is_half_committed ? r : overlay_base_check(&f, base_fd, e);
}

static int fill_overlay(int fd, const struct launch_disk *d, int base_fd, struct errmsg *e)
{
	struct overlay_form f;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		return errmsg_set(e, -EINVAL, "it is not a regular file");
	}
	if (st.st_size > 0) {
		return check_overlay(fd, d, base_fd, e);
	}
	r = overlay_form_fill(base_fd, d->bytes, d->room_bytes, &f, e);
	return r < 0 ? r : overlay_make(fd, &f, e);
}

/* Where programs keep large files for a while. */
static int open_nameless(void)
{
	const char *dir = secure_getenv("TMPDIR");

	return open(dir && *dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int open_overlay(const struct launch_disk *d, int base_fd, int *ret_fd, struct errmsg *e)
{
	const char *name = d->is_snapshot ? "for a snapshot" : d->overlay_path;
	_cleanup_close_ int fd =
		d->is_snapshot ? open_nameless()
			       : open(d->overlay_path,
				      O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	int r;

	if (fd < 0) {
		return errmsg_set(e, -errno, "overlay %s: %s", name, strerror(errno));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		return errmsg_set(e, -EBUSY, "overlay %s is used by another VM", name);
	}
	r = fill_overlay(fd, d, base_fd, e);
	if (r < 0) {
		errmsg_prefix(e, "overlay %s: ", name);
		return r;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int launch_disk_open(const struct launch_disk *d, bool is_ro, int *ret_fd, int *ret_overlay_fd,
		     struct errmsg *e)
{
	bool has_overlay = d->overlay_path || d->is_snapshot;
	int r;

	if (d->fd >= 0) {
		r = launch_give_fd(d->fd, ret_fd, e);
		return r < 0 || d->overlay_fd < 0
			       ? r
			       : launch_give_fd(d->overlay_fd, ret_overlay_fd, e);
	}
	if (!d->path) {
		return 0;
	}
	if ((d->bytes || d->room_bytes) && !has_overlay) {
		return errmsg_set(e, -EINVAL,
				  "disk %s: size and room are for changes kept elsewhere; add "
				  "overlay=FILE or snapshot",
				  d->path);
	}
	r = open_file(d->path, is_ro || has_overlay, ret_fd, e);
	return r < 0 || !has_overlay ? r : open_overlay(d, *ret_fd, ret_overlay_fd, e);
}
