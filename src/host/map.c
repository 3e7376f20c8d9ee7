/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations and private file views. */
#include "host/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; glibc 2.37 */
#endif

/* Address space in which nothing is accessible, from a border of huge pages on. @return NULL with errno */
static uint8_t *reserve(uint64_t bytes)
{
	const uint64_t align = HOST_MAP_JOIN_BYTES;
	uint8_t *p = mmap(NULL, bytes + align, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before = -(uintptr_t)p & (align - 1);

	if (p == MAP_FAILED) {
		return NULL;
	}
	host_map_free(before ? p : NULL, before);
	host_map_free(p + before + bytes, align - before);
	return p + before;
}

/* Memory of zeroes at an address, or anywhere when @at is NULL. @return MAP_FAILED with errno */
static void *map_zeroes(uint8_t *at, uint64_t bytes)
{
	static const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p = mmap(at, bytes, PROT_READ | PROT_WRITE, at ? flags | MAP_FIXED : flags, -1, 0);

	if (p != MAP_FAILED) {
		/* Both are refinements: a kernel without them maps just as well. */
		madvise(p, bytes, MADV_NOHUGEPAGE);
		madvise(p, bytes, MADV_DONTDUMP);
	}
	return p;
}

int host_map_ram(uint64_t bytes, uint8_t **ret, struct errmsg *e)
{
	void *p;

	if (bytes == 0 || bytes % PAGE_BYTES != 0) {
		return errmsg_set(e, -EINVAL, "memory of %llu bytes is not a number of pages",
				  (unsigned long long)bytes);
	}
	p = map_zeroes(NULL, bytes);
	if (p == MAP_FAILED) {
		return errmsg_set(e, -errno, "can't reserve %llu MiB of memory: %s",
				  (unsigned long long)bytes >> 20, strerror(errno));
	}
	*ret = p;
	return 0;
}

/* A memory file that keeps its size. @return it, or negative errno */
static int memory_file(const char *name, uint64_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	BUG_ON(bytes == 0 || bytes % PAGE_BYTES != 0);
	if (fd < 0) {
		return -errno;
	}
	if (ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int host_map_shared_ram(uint64_t bytes, uint8_t **ret, int *ret_fd, struct errmsg *e)
{
	uint8_t *p = NULL;
	int fd = memory_file("pinfold-ram", bytes);
	int r = fd < 0 ? fd : 0;

	if (r == 0) {
		p = reserve(bytes);
		r = !p || mmap(p, bytes, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) == MAP_FAILED
			    ? -errno
			    : 0;
	}
	if (r < 0) {
		host_map_free(p, bytes);
		if (fd >= 0) {
			close(fd);
		}
		return errmsg_set(e, r, "can't reserve %llu MiB of memory: %s",
				  (unsigned long long)bytes >> 20, strerror(-r));
	}
	madvise(p, bytes, MADV_DONTDUMP);
	*ret = p;
	*ret_fd = fd;
	return 0;
}

int host_map_code(uint64_t bytes, uint8_t **ret_rw, const uint8_t **ret_rx, struct errmsg *e)
{
	int fd = memory_file("pinfold-code", bytes);
	void *rw = MAP_FAILED;
	void *rx = MAP_FAILED;
	int r = fd < 0 ? fd : 0;

	if (r == 0) {
		rw = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		rx = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
		r = rw == MAP_FAILED || rx == MAP_FAILED ? -errno : 0;
		close(fd);
	}
	if (r < 0) {
		host_map_free(rw == MAP_FAILED ? NULL : rw, bytes);
		host_map_free(rx == MAP_FAILED ? NULL : rx, bytes);
		return errmsg_set(e, r, "no memory for translated code: %s", strerror(-r));
	}
	*ret_rw = rw;
	*ret_rx = rx;
	return 0;
}

static const int space_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

uint8_t *host_map_space(uint64_t bytes)
{
	return reserve(bytes);
}

int host_map_space_clear(uint8_t *at, uint64_t bytes)
{
	return mmap(at, bytes, PROT_NONE, space_flags | MAP_FIXED, -1, 0) == MAP_FAILED ? -errno
											: 0;
}

int host_map_space_view(uint8_t *at, uint64_t bytes, int fd, uint64_t offset_bytes,
			bool is_readable, bool is_writable, bool is_touched)
{
	int flags = MAP_SHARED | MAP_FIXED | (is_touched ? MAP_POPULATE : 0);
	int prot = (is_readable ? PROT_READ : 0) | (is_writable ? PROT_WRITE : 0);

	return mmap(at, bytes, prot, flags, fd, (off_t)offset_bytes) == MAP_FAILED ? -errno : 0;
}

void host_map_shared_join(uint8_t *at)
{
	madvise(at, HOST_MAP_JOIN_BYTES, MADV_COLLAPSE);
}

int host_map_shared_clear(uint8_t *at, uint64_t bytes, struct errmsg *e)
{
	if (madvise(at, bytes, MADV_REMOVE) < 0) {
		return errmsg_set(e, -errno, "can't clear %llu MiB of memory: %s",
				  (unsigned long long)bytes >> 20, strerror(errno));
	}
	return 0;
}

int host_map_file(uint8_t *at, uint64_t bytes, int fd, uint64_t offset_bytes, bool is_writable,
		  struct errmsg *e)
{
	int prot = PROT_READ | (is_writable ? PROT_WRITE : 0);
	void *p;

	if (bytes == 0 || bytes % PAGE_BYTES != 0 || offset_bytes % PAGE_BYTES != 0 ||
	    (uintptr_t)at % PAGE_BYTES != 0 || offset_bytes > INT64_MAX - bytes) {
		return errmsg_set(e, -EINVAL, "a file view does not lie on page borders");
	}
	p = mmap(at, bytes, prot, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset_bytes);
	if (p == MAP_FAILED) {
		return errmsg_set(e, -errno, "can't map %llu KiB of a file: %s",
				  (unsigned long long)bytes >> 10, strerror(errno));
	}
	madvise(p, bytes, MADV_DONTDUMP);
	return 0;
}

int host_map_clear(uint8_t *at, uint64_t bytes, struct errmsg *e)
{
	if (!at || bytes == 0 || bytes % PAGE_BYTES != 0 || (uintptr_t)at % PAGE_BYTES != 0) {
		return errmsg_set(e, -EINVAL, "memory to be cleared does not lie on page borders");
	}
	if (map_zeroes(at, bytes) == MAP_FAILED) {
		return errmsg_set(e, -errno, "can't clear %llu MiB of memory: %s",
				  (unsigned long long)bytes >> 20, strerror(errno));
	}
	return 0;
}

void host_map_free(uint8_t *at, uint64_t bytes)
{
	if (at) {
		BUG_ON(munmap(at, bytes) < 0);
	}
}
