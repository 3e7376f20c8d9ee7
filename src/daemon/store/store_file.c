/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Folders and files that only the daemon may touch (docs/store.md, "Files"). */
#include "daemon/store/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/fd.h"

#define ASIDE_TRIES 1000

static const char key_magic[8] = "PFKEY01\n";
#define KEY_FILE_BYTES (sizeof(key_magic) + STORE_KEY_BYTES)

int store_dir_open(const char *path, int *ret_fd, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
		return errmsg_set(e, -EPERM,
				  "%s: must belong to uid %u and be writable by nobody else "
				  "(it belongs to uid %u, mode %04o): chown and chmod it",
				  path, geteuid(), st.st_uid, st.st_mode & 07777);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int store_dir_lock(int fd, const char *path, struct errmsg *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int err = errno == EWOULDBLOCK ? EBUSY : errno;

		return errmsg_set(e, -err, "%s: %s", path,
				  err == EBUSY ? "another daemon uses this folder" : strerror(err));
	}
	return 0;
}

int store_dir_enter(int parent, const char *name, int *ret_fd, bool *ret_is_new, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	bool is_new = false;
	struct stat st;

	if (mkdirat(parent, name, 0700) == 0) {
		is_new = true;
		if (fsync(parent) < 0) {
			return errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
		}
	} else if (errno != EEXIST) {
		return errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
		return errmsg_set(e, -EUCLEAN, "%s is not a folder", name);
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		return errmsg_set(e, -EUCLEAN, "folder %s belongs to uid %u with mode %04o", name,
				  st.st_uid, st.st_mode & 07777);
	}
	*ret_fd = steal_fd(&fd);
	if (ret_is_new) {
		*ret_is_new = is_new;
	}
	return 0;
}

/* What is wrong with the file that @st describes; NULL when nothing is. */
static const char *stat_fault(const struct stat *st)
{
	if (!S_ISREG(st->st_mode)) {
		return S_ISLNK(st->st_mode) ? "is a symbolic link" : "is not a regular file";
	}
	if (st->st_uid != geteuid()) {
		return "belongs to another user";
	}
	if ((st->st_mode & 077) != 0) {
		return "may be opened by other users";
	}
	return st->st_nlink == 1 ? NULL : "has a second name (hard link)";
}

int store_file_check(int dir, const char *name, struct errmsg *e)
{
	const char *fault;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? -ENOENT
				       : errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	fault = stat_fault(&st);
	return fault ? errmsg_set(e, -EUCLEAN, "%s %s", name, fault) : 0;
}

int store_file_create(int dir, const char *name, const void *data, size_t n, unsigned int mode,
		      struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	char temp[NAME_MAX + 1];
	int r;

	if (snprintf(temp, sizeof(temp), ".%s.new", name) >= (int)sizeof(temp)) {
		return errmsg_set(e, -ENAMETOOLONG, "%s: name too long", name);
	}
	/* What a crash left behind; nothing refers to it. */
	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT) {
		return errmsg_set(e, -errno, "%s: %s", temp, strerror(errno));
	}
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		return errmsg_set(e, -errno, "%s: %s", temp, strerror(errno));
	}
	r = host_fd_write_full(fd, data, n);
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	if (r == 0 && renameat2(dir, temp, dir, name, RENAME_NOREPLACE) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlinkat(dir, temp, 0);
		return errmsg_set(e, r, "%s: %s", name, strerror(-r));
	}
	if (fsync(dir) < 0) {
		return errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	return 0;
}

int store_file_set_aside(int dir, const char *name, char *ret_name, struct errmsg *e)
{
	char stamp[24], to[STORE_ASIDE_BYTES];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned int i = 0; i < ASIDE_TRIES; i++) {
		if (snprintf(to, sizeof(to), "%s.aside-%s-%u", name, stamp, i) >= (int)sizeof(to)) {
			return errmsg_set(e, -ENAMETOOLONG, "%s: name too long", name);
		}
		if (renameat2(dir, name, dir, to, RENAME_NOREPLACE) == 0) {
			if (fsync(dir) < 0) {
				return errmsg_set(e, -errno, "%s: %s", to, strerror(errno));
			}
			memcpy(ret_name, to, sizeof(to));
			return 0;
		}
		if (errno != EEXIST) {
			break;
		}
	}
	return errmsg_set(e, -errno, "cannot set %s aside: %s", name, strerror(errno));
}

static int key_read(int dir, const char *name, uint8_t *buf, struct errmsg *e)
{
	_cleanup_close_ int fd = -1;
	const char *fault;
	struct stat st;
	ssize_t n;

	/* O_NONBLOCK: a FIFO in its place must not stop the start. */
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP) {
		return errmsg_set(e, -EUCLEAN, "%s is a symbolic link", name);
	}
	if (fd < 0 && errno == ENOENT) {
		return -ENOENT; /* ordinary: the first start */
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", name, strerror(errno));
	}
	fault = stat_fault(&st);
	if (fault) {
		return errmsg_set(e, -EUCLEAN, "%s %s", name, fault);
	}
	if (st.st_size != (off_t)KEY_FILE_BYTES) {
		return errmsg_set(e, -EUCLEAN, "%s is not a key file", name);
	}
	n = host_fd_read_full(fd, buf, KEY_FILE_BYTES);
	if (n < 0) {
		return errmsg_set(e, (int)n, "%s: %s", name, strerror((int)-n));
	}
	if (n != (ssize_t)KEY_FILE_BYTES || memcmp(buf, key_magic, sizeof(key_magic)) != 0) {
		return errmsg_set(e, -EUCLEAN, "%s is not a key file", name);
	}
	return 0;
}

int store_key_load(int dir, const char *name, uint8_t *key, bool *ret_is_new, struct errmsg *e)
{
	uint8_t buf[KEY_FILE_BYTES];
	bool is_new = false;
	int r;

	r = key_read(dir, name, buf, e);
	if (r == -ENOENT) {
		is_new = true;
		memcpy(buf, key_magic, sizeof(key_magic));
		randombytes_buf(buf + sizeof(key_magic), STORE_KEY_BYTES);
		r = store_file_create(dir, name, buf, sizeof(buf), 0600, e);
	}
	if (r == 0) {
		memcpy(key, buf + sizeof(key_magic), STORE_KEY_BYTES);
		*ret_is_new = is_new;
	}
	sodium_memzero(buf, sizeof(buf));
	return r;
}

int store_key_read(int dir, const char *name, uint8_t *key, struct errmsg *e)
{
	uint8_t buf[KEY_FILE_BYTES];
	int r;

	r = key_read(dir, name, buf, e);
	if (r == 0) {
		memcpy(key, buf + sizeof(key_magic), STORE_KEY_BYTES);
	} else if (r == -ENOENT) {
		errmsg_set(e, r, "%s: %s", name, strerror(-r));
	}
	sodium_memzero(buf, sizeof(buf));
	return r;
}
