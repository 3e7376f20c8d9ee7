/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into pinfoldd: while the file $PINFOLD_CHAOS_EIO holds a digit other than 0, what is written
 * to or synchronised with files below $PINFOLD_CHAOS_DIR fails with EIO, as on a disk that breaks.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static const volatile char *flag;
static const char *dir;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PINFOLD_CHAOS_EIO");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0) {
		close(fd);
	}
	flag = p == MAP_FAILED ? NULL : p;
	dir = getenv("PINFOLD_CHAOS_DIR");
}

static int fails(int fd)
{
	char link[64], path[512];
	ssize_t n;

	if (!flag || !dir || *flag == '0') {
		return 0;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (strncmp(path, dir, strlen(dir)) != 0) {
		return 0;
	}
	errno = EIO;
	return 1;
}

/* The C library's own function of that name. */
#define REAL(ret, name, ...)                                        \
	static ret (*real)(__VA_ARGS__);                            \
	if (!real) {                                                \
		real = (ret(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name); \
	}

ssize_t write(int fd, const void *buf, size_t n)
{
	REAL(ssize_t, "write", int, const void *, size_t)
	return fails(fd) ? -1 : real(fd, buf, n);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
	REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)
	return fails(fd) ? -1 : real(fd, buf, n, at);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)
	return fails(fd) ? -1 : real(fd, buf, n, at);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	REAL(ssize_t, "writev", int, const struct iovec *, int)
	return fails(fd) ? -1 : real(fd, iov, n);
}

int fsync(int fd)
{
	REAL(int, "fsync", int)
	return fails(fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
	REAL(int, "fdatasync", int)
	return fails(fd) ? -1 : real(fd);
}
