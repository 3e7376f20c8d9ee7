/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Audit records as bytes (docs/audit.md, "Record").
 *
 *    0 "PFA1"   4 total bytes   8 seq   16 time_ns   24 uid   28 pid   32 kind   34 operation bytes
 *   36 argument bytes   40 result   44 zero   48 hash of the record before   80 operation, arguments
 *   then the MAC, over everything before it. All numbers little-endian.
 */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/bug.h"
#include "daemon/audit/audit_internal.h"

#define MAGIC	      0x31414650u /* "PFA1" */
#define FILE_PREFIX   "log."
#define FILE_DIGITS   6
#define ANCHOR_PREFIX "pinfold-audit-anchor "

/* Offsets in a record. */
enum {
	AT_MAGIC = 0,
	AT_BYTES = 4,
	AT_SEQ = 8,
	AT_TIME = 16,
	AT_UID = 24,
	AT_PID = 28,
	AT_KIND = 32,
	AT_OPERATION_BYTES = 34,
	AT_ARGUMENTS_BYTES = 36,
	AT_RESULT = 40,
	AT_ZERO = 44,
	AT_HASH = 48,
};

size_t audit_record_bytes(const struct audit_entry *entry)
{
	return AUDIT_HEADER_BYTES + strlen(entry->operation) + strlen(entry->arguments) +
	       AUDIT_MAC_BYTES;
}

void audit_key_evolve(uint8_t *key)
{
	static const char label[] = "pinfold audit next key";
	uint8_t next[AUDIT_KEY_BYTES];

	crypto_auth_hmacsha256(next, (const uint8_t *)label, sizeof(label) - 1, key);
	memcpy(key, next, sizeof(next));
	sodium_memzero(next, sizeof(next));
}

void audit_record_make(struct audit_head *head, enum audit_kind kind, uint64_t time_ns,
		       const struct audit_entry *entry, uint8_t *buf)
{
	size_t n_op = strlen(entry->operation), n_args = strlen(entry->arguments);
	size_t n = audit_record_bytes(entry);

	BUG_ON(n_op > AUDIT_OPERATION_MAX || n_args > AUDIT_ARGUMENTS_MAX);
	memset(buf, 0, AUDIT_HEADER_BYTES);
	store_le(buf + AT_MAGIC, MAGIC, 4);
	store_le(buf + AT_BYTES, n, 4);
	store_le(buf + AT_SEQ, head->seq, 8);
	store_le(buf + AT_TIME, time_ns, 8);
	store_le(buf + AT_UID, entry->uid, 4);
	store_le(buf + AT_PID, entry->pid, 4);
	store_le(buf + AT_KIND, kind, 2);
	store_le(buf + AT_OPERATION_BYTES, n_op, 2);
	store_le(buf + AT_ARGUMENTS_BYTES, n_args, 4);
	store_le(buf + AT_RESULT, (uint32_t)entry->result, 4);
	memcpy(buf + AT_HASH, head->hash, AUDIT_HASH_BYTES);
	memcpy(buf + AUDIT_HEADER_BYTES, entry->operation, n_op);
	memcpy(buf + AUDIT_HEADER_BYTES + n_op, entry->arguments, n_args);
	crypto_auth_hmacsha256(buf + n - AUDIT_MAC_BYTES, buf, n - AUDIT_MAC_BYTES, head->key);
	crypto_hash_sha256(head->hash, buf, n);
	audit_key_evolve(head->key);
	head->seq++;
	head->end_bytes += n;
}

/* Lengths and constants. @return AUDIT_INTACT, AUDIT_STEP_SHORT, AUDIT_BAD_RECORD */
static int shape_check(const uint8_t *p, size_t n, struct audit_record *rec, size_t *ret_bytes)
{
	uint64_t bytes, n_op, n_args, kind;

	if (n < AUDIT_HEADER_BYTES) {
		return AUDIT_STEP_SHORT;
	}
	bytes = load_le(p + AT_BYTES, 4);
	kind = load_le(p + AT_KIND, 2);
	n_op = load_le(p + AT_OPERATION_BYTES, 2);
	n_args = load_le(p + AT_ARGUMENTS_BYTES, 4);
	if (load_le(p + AT_MAGIC, 4) != MAGIC || load_le(p + AT_ZERO, 4) != 0 || kind == 0 ||
	    kind >= AUDIT_KINDS_END || n_op > AUDIT_OPERATION_MAX || n_args > AUDIT_ARGUMENTS_MAX ||
	    bytes != AUDIT_HEADER_BYTES + n_op + n_args + AUDIT_MAC_BYTES) {
		return AUDIT_BAD_RECORD;
	}
	if (n < bytes) {
		return AUDIT_STEP_SHORT;
	}
	*rec = (struct audit_record){
		.kind = (enum audit_kind)kind,
		.seq = load_le(p + AT_SEQ, 8),
		.time_ns = load_le(p + AT_TIME, 8),
		.uid = (uint32_t)load_le(p + AT_UID, 4),
		.pid = (uint32_t)load_le(p + AT_PID, 4),
		.result = (int32_t)(uint32_t)load_le(p + AT_RESULT, 4),
		.operation = (const char *)p + AUDIT_HEADER_BYTES,
		.operation_bytes = n_op,
		.arguments = (const char *)p + AUDIT_HEADER_BYTES + n_op,
		.arguments_bytes = n_args,
	};
	*ret_bytes = bytes;
	return AUDIT_INTACT;
}

int audit_walk_step(struct audit_walk *w, const uint8_t *p, size_t n, struct audit_record *ret,
		    size_t *ret_bytes)
{
	struct audit_record rec;
	size_t bytes = 0;
	int step;

	step = shape_check(p, n, &rec, &bytes);
	if (step != AUDIT_INTACT) {
		return step;
	}
	if (w->has_key && crypto_auth_hmacsha256_verify(p + bytes - AUDIT_MAC_BYTES, p,
							bytes - AUDIT_MAC_BYTES, w->key) != 0) {
		return rec.seq == w->seq ? AUDIT_BAD_MAC : AUDIT_BAD_SEQ;
	}
	if (rec.seq != w->seq) {
		return AUDIT_BAD_SEQ;
	}
	if (w->has_hash && sodium_memcmp(p + AT_HASH, w->hash, AUDIT_HASH_BYTES) != 0) {
		return AUDIT_BAD_CHAIN;
	}
	crypto_hash_sha256(rec.hash, p, bytes);
	memcpy(w->hash, rec.hash, AUDIT_HASH_BYTES);
	w->has_hash = true;
	w->seq++;
	if (w->has_key) {
		audit_key_evolve(w->key);
	}
	*ret = rec;
	*ret_bytes = bytes;
	return AUDIT_INTACT;
}

uint64_t audit_record_claimed_seq(const uint8_t *header)
{
	return load_le(header + AT_SEQ, 8);
}

void audit_file_name(uint32_t number, char *ret)
{
	snprintf(ret, AUDIT_NAME_BYTES, FILE_PREFIX "%0*" PRIu32, FILE_DIGITS, number);
}

uint32_t audit_file_number(const char *name)
{
	char again[AUDIT_NAME_BYTES];
	unsigned long n;

	if (strncmp(name, FILE_PREFIX, strlen(FILE_PREFIX)) != 0) {
		return 0;
	}
	n = strtoul(name + strlen(FILE_PREFIX), NULL, 10);
	if (n == 0 || n > UINT32_MAX) {
		return 0;
	}
	audit_file_name((uint32_t)n, again);
	return strcmp(again, name) == 0 ? (uint32_t)n : 0;
}

bool audit_continue_parse(const struct audit_record *rec, uint64_t *ret_oldest_seq)
{
	char text[48];
	uint32_t file;
	uint64_t seq;
	int end = 0;

	if (rec->kind != AUDIT_CONTINUE || rec->arguments_bytes >= sizeof(text)) {
		return false;
	}
	memcpy(text, rec->arguments, rec->arguments_bytes);
	text[rec->arguments_bytes] = '\0';
	/* Only ours get here with a key; without one a wrong number is no worse than a wrong text. */
	if (sscanf(text, "file=%" SCNu32 " oldest=%" SCNu64 "%n", &file, &seq, &end) != 2 ||
	    (size_t)end != rec->arguments_bytes) {
		return false;
	}
	*ret_oldest_seq = seq;
	return true;
}

void audit_anchor_print(const struct audit_anchor *anchor, char *buf)
{
	char hex[2 * AUDIT_HASH_BYTES + 1];

	sodium_bin2hex(hex, sizeof(hex), anchor->hash, sizeof(anchor->hash));
	snprintf(buf, AUDIT_ANCHOR_BYTES, ANCHOR_PREFIX "%" PRIu64 " %s", anchor->seq, hex);
}

int audit_anchor_parse(const char *text, struct audit_anchor *ret)
{
	char again[AUDIT_ANCHOR_BYTES];
	struct audit_anchor a = { 0 };
	const char *hex, *end;
	size_t n;

	if (strncmp(text, ANCHOR_PREFIX, strlen(ANCHOR_PREFIX)) != 0) {
		return -EINVAL;
	}
	a.seq = strtoull(text + strlen(ANCHOR_PREFIX), NULL, 10);
	hex = strchr(text + strlen(ANCHOR_PREFIX), ' ');
	if (!hex ||
	    sodium_hex2bin(a.hash, sizeof(a.hash), hex + 1, strlen(hex + 1), NULL, &n, &end) != 0 ||
	    n != sizeof(a.hash)) {
		return -EINVAL;
	}
	/* Exactly what we print, so that there is one text per anchor. */
	audit_anchor_print(&a, again);
	n = strlen(again);
	if (strncmp(text, again, n) != 0 || (text[n] != '\0' && strcmp(text + n, "\n") != 0)) {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}
