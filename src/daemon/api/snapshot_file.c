/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The head of a snapshot file: made by us, read as hostile. docs/snapshot.md. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/api/api_internal.h"

#define SNAPSHOT_MAGIC	 0x50414e5344464e50ULL /* "PNFDSNAP" */
#define SNAPSHOT_VERSION 1u
#define VERSION_DISKS	 2u

/* Where the fields stand. */
enum {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_SPEC_BYTES = 12,
	AT_CONTEXT_BYTES = 16,
	AT_CREATED = 24,
	AT_CONTEXT_HASH = 32,
};

static void sum_of(const uint8_t *p, size_t n, uint8_t ret[SNAPSHOT_SUM_BYTES])
{
	crypto_generichash(ret, SNAPSHOT_SUM_BYTES, p, n, NULL, 0);
}

int snapshot_head_make(const char *spec, const struct snapshot_head *h, uint8_t **ret,
		       size_t *ret_bytes)
{
	size_t spec_bytes = strlen(spec), sum_at = SNAPSHOT_HEAD_BYTES + spec_bytes;
	uint8_t *p;

	if (spec_bytes > SNAPSHOT_SPEC_MAX) {
		return -E2BIG;
	}
	p = calloc(1, sum_at + SNAPSHOT_SUM_BYTES);
	if (!p) {
		return -ENOMEM;
	}
	store_le(p + AT_MAGIC, SNAPSHOT_MAGIC, 8);
	store_le(p + AT_VERSION, h->has_disks ? VERSION_DISKS : SNAPSHOT_VERSION, 4);
	store_le(p + AT_SPEC_BYTES, spec_bytes, 4);
	store_le(p + AT_CONTEXT_BYTES, h->context_bytes, 8);
	store_le(p + AT_CREATED, h->created_ns, 8);
	memcpy(p + AT_CONTEXT_HASH, h->context_hash, sizeof(h->context_hash));
	memcpy(p + SNAPSHOT_HEAD_BYTES, spec, spec_bytes);
	sum_of(p, sum_at, p + sum_at);
	*ret = p;
	*ret_bytes = sum_at + SNAPSHOT_SUM_BYTES;
	return 0;
}

static int read_at(int fd, uint64_t at, void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = pread(fd, (uint8_t *)buf + done, n - done, (off_t)(at + done));

		if (k < 0 && errno == EINTR) {
			continue;
		}
		if (k <= 0) {
			return k < 0 ? -errno : -ENODATA;
		}
		done += (size_t)k;
	}
	return 0;
}

static int check_fields(const uint8_t *head, uint64_t file_bytes, struct errmsg *e)
{
	uint64_t version = load_le(head + AT_VERSION, 4);
	uint64_t spec_bytes = load_le(head + AT_SPEC_BYTES, 4);
	uint64_t context_bytes = load_le(head + AT_CONTEXT_BYTES, 8);
	uint64_t whole_bytes;

	if (load_le(head + AT_MAGIC, 8) != SNAPSHOT_MAGIC) {
		return errmsg_set(e, -EINVAL, "this is not a snapshot of a VM");
	}
	if (version != SNAPSHOT_VERSION && version != VERSION_DISKS) {
		return errmsg_set(e, -EINVAL,
				  "this snapshot has version %" PRIu64
				  ", and only versions up to %u can be read",
				  version, VERSION_DISKS);
	}
	if (spec_bytes == 0 || spec_bytes > SNAPSHOT_SPEC_MAX || context_bytes == 0 ||
	    context_bytes > IMAGES_MAX_BYTES) {
		return errmsg_set(e, -EBADMSG, "the head of this snapshot is damaged: a length");
	}
	whole_bytes = SNAPSHOT_HEAD_BYTES + spec_bytes + SNAPSHOT_SUM_BYTES + context_bytes;
	if (version == VERSION_DISKS ? file_bytes < whole_bytes : file_bytes != whole_bytes) {
		return errmsg_set(e, -EBADMSG,
				  "this snapshot was cut short, or something is behind it");
	}
	return 0;
}

int snapshot_head_read(int fd, uint64_t file_bytes, struct snapshot_head *ret, char **ret_spec,
		       uint64_t *ret_at, struct errmsg *e)
{
	_cleanup_free_ uint8_t *p =
		malloc(SNAPSHOT_HEAD_BYTES + SNAPSHOT_SPEC_MAX + SNAPSHOT_SUM_BYTES);
	uint8_t sum[SNAPSHOT_SUM_BYTES];
	size_t spec_bytes, sum_at;
	char *spec;
	int r;

	if (!p) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	r = read_at(fd, 0, p, SNAPSHOT_HEAD_BYTES);
	r = r < 0 ? errmsg_set(e, -EINVAL, "this is not a snapshot of a VM: too short")
		  : check_fields(p, file_bytes, e);
	if (r < 0) {
		return r;
	}
	spec_bytes = (size_t)load_le(p + AT_SPEC_BYTES, 4);
	sum_at = SNAPSHOT_HEAD_BYTES + spec_bytes;
	r = read_at(fd, SNAPSHOT_HEAD_BYTES, p + SNAPSHOT_HEAD_BYTES,
		    spec_bytes + SNAPSHOT_SUM_BYTES);
	if (r < 0) {
		return errmsg_set(e, r, "the snapshot can't be read: %s", strerror(-r));
	}
	sum_of(p, sum_at, sum);
	if (sodium_memcmp(sum, p + sum_at, sizeof(sum)) != 0) {
		return errmsg_set(e, -EBADMSG,
				  "the head of this snapshot is damaged: its checksum");
	}
	spec = strndup((const char *)p + SNAPSHOT_HEAD_BYTES, spec_bytes);
	if (!spec) {
		return errmsg_set(e, -ENOMEM, "out of memory");
	}
	ret->spec_bytes = (uint32_t)spec_bytes;
	ret->has_disks = load_le(p + AT_VERSION, 4) == VERSION_DISKS;
	ret->context_bytes = load_le(p + AT_CONTEXT_BYTES, 8);
	ret->created_ns = load_le(p + AT_CREATED, 8);
	memcpy(ret->context_hash, p + AT_CONTEXT_HASH, sizeof(ret->context_hash));
	*ret_spec = spec;
	*ret_at = sum_at + SNAPSHOT_SUM_BYTES;
	return 0;
}
