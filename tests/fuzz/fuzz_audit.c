/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what reads an audit log: the walk along records, with and without a key, and the anchor
 * parser. The first byte chooses. One choice repairs the MACs, so that the input gets past them;
 * another makes a true log out of the input and spoils it, which must be found where it was done.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/audit/audit_internal.h"
#include "fuzz.h"

/* Every accepted record lies inside the input and in order. */
static uint64_t walk(const uint8_t *p, size_t n, bool has_key)
{
	struct audit_walk w = { .has_hash = true, .has_key = has_key };
	struct audit_record rec;
	size_t at = 0, bytes = 0;
	uint64_t seq = 0, oldest;

	while (audit_walk_step(&w, p + at, n - at, &rec, &bytes) == AUDIT_INTACT) {
		BUG_ON(bytes < AUDIT_HEADER_BYTES + AUDIT_MAC_BYTES || bytes > n - at);
		BUG_ON(rec.seq != seq || w.seq != seq + 1);
		BUG_ON((const uint8_t *)rec.operation != p + at + AUDIT_HEADER_BYTES);
		BUG_ON(AUDIT_HEADER_BYTES + rec.operation_bytes + rec.arguments_bytes +
			       AUDIT_MAC_BYTES !=
		       bytes);
		(void)audit_continue_parse(&rec, &oldest);
		at += bytes;
		seq++;
	}
	return seq;
}

/* Make numbers, hashes and MACs right wherever the lengths are. */
static void repair(uint8_t *p, size_t n)
{
	uint8_t key[AUDIT_KEY_BYTES] = { 0 }, hash[AUDIT_HASH_BYTES] = { 0 };
	uint64_t seq = 0;
	size_t at = 0;

	while (n - at >= AUDIT_HEADER_BYTES) {
		uint64_t bytes = load_le(p + at + 4, 4);

		if (bytes < AUDIT_HEADER_BYTES + AUDIT_MAC_BYTES || bytes > n - at) {
			return;
		}
		store_le(p + at + 8, seq++, 8);
		memcpy(p + at + 48, hash, sizeof(hash));
		crypto_auth_hmacsha256(p + at + bytes - AUDIT_MAC_BYTES, p + at,
				       bytes - AUDIT_MAC_BYTES, key);
		crypto_hash_sha256(hash, p + at, bytes);
		audit_key_evolve(key);
		at += bytes;
	}
}

#define N_TRUE 4u

/* A log of N_TRUE records with texts from the input; then some of its bytes change. */
static void spoil(struct fuzz_in in)
{
	static uint8_t log_bytes[N_TRUE * AUDIT_RECORD_MAX];
	struct audit_head head = { 0 };
	size_t first = SIZE_MAX, at[N_TRUE + 1] = { 0 };

	for (size_t i = 0; i < N_TRUE; i++) {
		char texts[2][9] = { "", "" };
		struct audit_entry entry = { .operation = texts[0], .arguments = texts[1] };

		store_le(texts[0], fuzz_take(&in, 8), 8);
		store_le(texts[1], fuzz_take(&in, 4), 4);
		entry.result = (int32_t)fuzz_take(&in, 1);
		audit_record_make(&head, AUDIT_REQUEST + (enum audit_kind)(i % 3), i, &entry,
				  log_bytes + at[i]);
		at[i + 1] = at[i] + audit_record_bytes(&entry);
	}
	BUG_ON(walk(log_bytes, at[N_TRUE], true) != N_TRUE);
	BUG_ON(walk(log_bytes, at[N_TRUE], false) != N_TRUE);
	while (in.n) {
		size_t where = fuzz_take(&in, 2) % at[N_TRUE];
		uint8_t mask = (uint8_t)fuzz_take(&in, 1) | 1;

		if (where >= first) {
			continue; /* only before the first change, so that none is undone */
		}
		log_bytes[where] ^= mask;
		first = where;
	}
	if (first != SIZE_MAX) {
		size_t rec = 0;

		while (first >= at[rec + 1]) {
			rec++;
		}
		BUG_ON(walk(log_bytes, at[N_TRUE], true) != rec);
	}
}

static void anchors(const uint8_t *p, size_t n)
{
	struct audit_anchor a;
	char text[256], again[AUDIT_ANCHOR_BYTES];

	n = n < sizeof(text) - 1 ? n : sizeof(text) - 1;
	memcpy(text, p, n);
	text[n] = '\0';
	if (audit_anchor_parse(text, &a) == 0) {
		audit_anchor_print(&a, again);
		BUG_ON(strncmp(text, again, strlen(again)) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fuzz_in in = { data, n };
	uint64_t what = fuzz_take(&in, 1) % 5;
	uint8_t *copy;

	if (what == 0) {
		anchors(in.p, in.n);
		return 0;
	}
	if (what == 4) {
		spoil(in);
		return 0;
	}
	copy = malloc(in.n + 1); /* its own size, so that a read past the end is seen */
	BUG_ON(!copy);
	memcpy(copy, in.p, in.n);
	if (what == 1) {
		repair(copy, in.n);
	}
	(void)walk(copy, in.n, what != 2);
	free(copy);
	return 0;
}
