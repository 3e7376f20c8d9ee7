/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of the guard's log share: a ring in memory, and a verifier of copies that was written from the
 * words in uapi/pinfold_guard.h alone, with another SHA-256.
 */
#ifndef PINFOLD_TESTS_GUARD_CHAIN_WORLD_H
#define PINFOLD_TESTS_GUARD_CHAIN_WORLD_H

#include "core/chain.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#define INSTANCE 0x1122334455667788ull

static struct pinfold_guard_record ring[CHAIN_SIZE_MAX];
static struct chain chain;
static u64 clock_ns;

static inline void store(void *ctx, u32 index, const struct pinfold_guard_record *r)
{
	((struct pinfold_guard_record *)ctx)[index] = *r;
}

static inline void load(void *ctx, u32 index, struct pinfold_guard_record *ret)
{
	*ret = ((struct pinfold_guard_record *)ctx)[index];
}

static inline void sha256(const void *bytes, size_t n, u8 ret[32])
{
	crypto_hash_sha256(ret, bytes, n);
}

static inline u64 boot_ns(void *ctx)
{
	(void)ctx;
	return ++clock_ns;
}

static inline u64 real_ns(void *ctx)
{
	(void)ctx;
	return 1000000000 + clock_ns;
}

static const struct chain_ops chain_world_ops = { store, load, sha256, boot_ns, real_ns };

static inline u64 le64_at(const u8 *p)
{
	u64 n = 0;

	for (int i = 7; i >= 0; i--) {
		n = n << 8 | p[i];
	}
	return n;
}

/** What the header says of one record by itself. */
static inline bool is_record(const u8 *r)
{
	static const u8 magic[4] = { 'P', 'F', 'G', 'L' };
	static const u8 zeros[6] = { 0 };
	u8 hash[32];
	bool is_text_over = false;
	u32 kind = r[6] + 256u * r[7], count = (u32)le64_at(r + 32);

	crypto_hash_sha256(hash, r, 224);
	if (memcmp(r, magic, 4) != 0 || r[4] != 1 || r[5] != 0 || kind < 1 ||
	    kind >= PINFOLD_GUARD_LOG_KINDS_END || count < 1 || memcmp(r + 42, zeros, 6) != 0 ||
	    memcmp(r + 224, hash, 32) != 0) {
		return false;
	}
	for (size_t i = 48; i < 48 + PINFOLD_GUARD_TEXT_BYTES; i++) {
		is_text_over = is_text_over || r[i] == 0;
		if (is_text_over ? r[i] != 0 : r[i] < 0x20 || r[i] > 0x7e) {
			return false;
		}
	}
	return true;
}

/** @return the place of the first record of the copy that is wrong; n: none, and it ends with the anchor */
static inline size_t verify(const struct pinfold_guard_record *records, size_t n,
			    const u8 anchor[32])
{
	u8 instance[8], prev[32];

	for (size_t i = 0; i < 8; i++) {
		instance[i] = (u8)(INSTANCE >> (8 * i));
	}
	crypto_hash_sha256(prev, instance, 8);
	for (size_t i = 0; i < n; i++) {
		const u8 *r = (const u8 *)&records[i];
		u64 seq = le64_at(r + 8);

		if (!is_record(r) || (i == 0 && seq == 0) ||
		    (i > 0 && seq != le64_at(r - 256 + 8) + 1) ||
		    ((i > 0 || seq == 1) && memcmp(r + 192, prev, 32) != 0)) {
			return i;
		}
		memcpy(prev, r + 224, 32);
	}
	return n > 0 && memcmp(prev, anchor, 32) == 0 ? n : n - 1;
}

/** How many events a record stands for, with those that it says were lost. */
static inline u64 events_of(const struct pinfold_guard_record *r)
{
	u64 lost;

	return le32toh(r->count) + (sscanf(r->text, "(%" SCNu64 " lost)", &lost) == 1 ? lost : 0);
}

#endif
