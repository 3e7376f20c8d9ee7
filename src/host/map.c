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

int host_map_shared_ram(uint64_t bytes, uint8_t **ret, int *ret_fd, struct errmsg *e)
{
	int fd = memfd_create("pinfold-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p = MAP_FAILED;
	int r = 0;

	BUG_ON(bytes == 0 || bytes % PAGE_BYTES != 0);
	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		r = -errno;
	}
	if (r == 0) {
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
		r = p == MAP_FAILED ? -errno : 0;
	}
	if (r < 0) {
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
