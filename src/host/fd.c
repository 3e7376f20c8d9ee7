/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole reads and writes, descriptor flags, sealed memory files (docs/design.md, section 4). */
#include "host/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int host_fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		return -errno;
	}
	return 0;
}

int host_fd_lift(int *fd, int min)
{
	int high;

	if (*fd >= min) {
		return 0;
	}
	high = fcntl(*fd, F_DUPFD_CLOEXEC, min);
	if (high < 0) {
		return -errno;
	}
	close(*fd);
	*fd = high;
	return 0;
}

ssize_t host_fd_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int host_fd_write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		done += (size_t)n;
	}
	return 0;
}

/* A memory file that never becomes executable by exec, where the kernel (6.3) can promise that. */
static int memfd_new(const char *name)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd;

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
	fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) {
		fd = memfd_create(name, flags);
	}
	return fd < 0 ? -errno : fd;
}

/* The size is taken from what was copied, not from fstat(): the file may grow meanwhile. */
static int64_t copy_file(int out, int in, uint64_t max_bytes)
{
	uint64_t done = 0;

	for (;;) {
		uint64_t want = max_bytes + 1 - done;
		ssize_t n = sendfile(out, in, NULL, want < 1U << 30 ? (size_t)want : 1U << 30);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -errno;
		}
		done += (uint64_t)n;
		if (n == 0 || done > max_bytes) {
			return (int64_t)done;
		}
	}
}

static int check_source(const char *path, int fd, uint64_t max_bytes, struct errmsg *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (S_ISDIR(st.st_mode)) {
		return errmsg_set(e, -EISDIR, "%s is a directory, not a file", path);
	}
	if (!S_ISREG(st.st_mode)) {
		return errmsg_set(e, -EINVAL, "%s is not a regular file", path);
	}
	if (st.st_size == 0) {
		return errmsg_set(e, -ENODATA, "%s is empty", path);
	}
	if ((uint64_t)st.st_size > max_bytes) {
		return errmsg_set(e, -EFBIG,
				  "%s has %lld bytes, more than the %llu that are accepted", path,
				  (long long)st.st_size, (unsigned long long)max_bytes);
	}
	return 0;
}

int host_fd_seal_file(const char *path, uint64_t max_bytes, int *ret_fd, uint64_t *ret_bytes,
		      struct errmsg *e)
{
	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	_cleanup_close_ int in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_close_ int out = -1;
	int64_t n;
	int r;

	if (in < 0) {
		return errmsg_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	r = check_source(path, in, max_bytes, e);
	if (r < 0) {
		return r;
	}
	out = memfd_new("pinfold-image");
	if (out < 0) {
		return errmsg_set(e, out, "no memory file for %s: %s", path, strerror(-out));
	}
	n = copy_file(out, in, max_bytes);
	if (n < 0) {
		return errmsg_set(e, (int)n, "%s: %s", path, strerror((int)-n));
	}
	if (n == 0 || (uint64_t)n > max_bytes) {
		return errmsg_set(e, n ? -EFBIG : -ENODATA, "%s changed while it was read", path);
	}
	if (lseek(out, 0, SEEK_SET) < 0 || fcntl(out, F_ADD_SEALS, SEALS) < 0) {
		return errmsg_set(e, -errno, "can't seal a copy of %s: %s", path, strerror(errno));
	}
	if (ret_bytes) {
		*ret_bytes = (uint64_t)n;
	}
	*ret_fd = steal_fd(&out);
	return 0;
}

int host_fd_check_sealed(int fd, uint64_t *ret_bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0) {
		return -errno;
	}
	if ((seals & SEALS) != SEALS) {
		return -EPERM;
	}
	if (fstat(fd, &st) < 0) {
		return -errno;
	}
	if (ret_bytes) {
		*ret_bytes = (uint64_t)st.st_size;
	}
	return 0;
}
