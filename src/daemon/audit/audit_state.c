/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state file of the audit log: two halves, 4 KiB apart, so that a torn write spoils one only.
 *
 *   0 "PFAUST01"   8 seq   16 end bytes   24 oldest seq   32 file   36 oldest file   40 hash
 *   72 key   104 SHA-256 of all before
 *
 * A half is written durable before the other one, with the older key, is wiped (docs/audit.md).
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "daemon/audit/audit_internal.h"

#define HALF_BYTES  4096u
#define STATE_BYTES 136u
#define SUM_AT	    104u
#define STATE_NAME  "state"

static const char state_magic[8] = "PFAUST01";

static void pack(const struct audit_head *h, uint8_t *p)
{
	memcpy(p, state_magic, sizeof(state_magic));
	store_le(p + 8, h->seq, 8);
	store_le(p + 16, h->end_bytes, 8);
	store_le(p + 24, h->oldest_seq, 8);
	store_le(p + 32, h->file, 4);
	store_le(p + 36, h->oldest_file, 4);
	memcpy(p + 40, h->hash, AUDIT_HASH_BYTES);
	memcpy(p + 72, h->key, AUDIT_KEY_BYTES);
	crypto_hash_sha256(p + SUM_AT, p, SUM_AT);
}

static bool unpack(const uint8_t *p, struct audit_head *h)
{
	uint8_t sum[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(sum, p, SUM_AT);
	if (memcmp(p, state_magic, sizeof(state_magic)) != 0 ||
	    sodium_memcmp(sum, p + SUM_AT, sizeof(sum)) != 0) {
		return false;
	}
	h->seq = load_le(p + 8, 8);
	h->end_bytes = load_le(p + 16, 8);
	h->oldest_seq = load_le(p + 24, 8);
	h->file = (uint32_t)load_le(p + 32, 4);
	h->oldest_file = (uint32_t)load_le(p + 36, 4);
	memcpy(h->hash, p + 40, AUDIT_HASH_BYTES);
	memcpy(h->key, p + 72, AUDIT_KEY_BYTES);
	return h->file != 0 && h->oldest_file != 0 && h->oldest_file <= h->file &&
	       h->end_bytes <= INT64_MAX;
}

int audit_state_create(int dir, const struct audit_head *head, struct errmsg *e)
{
	uint8_t both[2 * HALF_BYTES] = { 0 };
	int r;

	pack(head, both);
	r = store_file_create(dir, STATE_NAME, both, sizeof(both), 0600, e);
	sodium_memzero(both, sizeof(both));
	return r;
}

/* @return 1 good, 0 not, negative errno */
static int half_read(int fd, unsigned int slot, struct audit_head *ret)
{
	uint8_t buf[STATE_BYTES] = { 0 };
	ssize_t n;
	int r;

	do {
		n = pread(fd, buf, sizeof(buf), (off_t)slot * HALF_BYTES);
	} while (n < 0 && errno == EINTR);
	r = n < 0 ? -errno : n == (ssize_t)sizeof(buf) && unpack(buf, ret);
	sodium_memzero(buf, sizeof(buf));
	return r;
}

int audit_state_read(int fd, struct audit_head *ret, unsigned int *ret_slot, struct errmsg *e)
{
	struct audit_head heads[2] = { 0 };
	unsigned int slot;
	int good[2], r = 0;

	for (unsigned int i = 0; i < 2; i++) {
		good[i] = half_read(fd, i, &heads[i]);
		if (good[i] < 0) {
			r = errmsg_set(e, good[i], "state: %s", strerror(-good[i]));
		}
	}
	if (r == 0 && !good[0] && !good[1]) {
		r = errmsg_set(e, -EUCLEAN, "the state of the log is damaged");
	}
	if (r == 0) {
		slot = good[1] && (!good[0] || heads[1].seq > heads[0].seq);
		*ret = heads[slot];
		if (ret_slot) {
			*ret_slot = slot;
		}
	}
	sodium_memzero(heads, sizeof(heads));
	return r;
}

static int write_at(int fd, const uint8_t *p, size_t n, unsigned int slot)
{
	ssize_t done;

	do {
		done = pwrite(fd, p, n, (off_t)slot * HALF_BYTES);
	} while (done < 0 && errno == EINTR);
	if (done < 0) {
		return -errno;
	}
	return done == (ssize_t)n ? 0 : -ENOSPC;
}

int audit_state_write(int fd, const struct audit_head *head, unsigned int *slot)
{
	unsigned int other = *slot ^ 1;
	uint8_t buf[STATE_BYTES];
	int r;

	pack(head, buf);
	r = write_at(fd, buf, sizeof(buf), other);
	sodium_memzero(buf, sizeof(buf));
	if (r == 0 && fdatasync(fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		return r;
	}
	/* When this fails the older key stays until its half is written next. */
	write_at(fd, buf, sizeof(buf), *slot);
	*slot = other;
	return 0;
}
