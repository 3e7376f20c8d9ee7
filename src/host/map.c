/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reservations and private file views. */
#include "host/map.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

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
