/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a copy of the guard's log is what the guard wrote; see guard_chain.h. */
#include "cli/guard_chain.h"

#include <endian.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

#define ERRNO_MAX 4095u

_Static_assert(sizeof(struct pinfold_guard_record) == 256, "the format of the log");

static int compare(const struct guard_anchor *a, uint64_t instance, uint64_t seq)
{
	return a->instance != instance ? (a->instance < instance ? -1 : 1)
	       : a->seq != seq	       ? (a->seq < seq ? -1 : 1)
				       : 0;
}

static int by_place(const void *a, const void *b)
{
	const struct guard_anchor *y = b;

	return compare(a, y->instance, y->seq);
}

void guard_anchors_sort(struct guard_anchor *anchors, size_t n)
{
	if (n > 0) {
		qsort(anchors, n, sizeof(*anchors), by_place);
	}
}

/* The first anchor that does not belong before this place. */
static const struct guard_anchor *find(const struct guard_chain *c, uint64_t seq)
{
	size_t lo = 0;
	size_t hi = c->n_anchors;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&c->anchors[mid], c->instance, seq) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return &c->anchors[lo];
}

static bool is_end(const struct guard_chain *c, const struct guard_anchor *a)
{
	return a == c->anchors + c->n_anchors || a->instance != c->instance;
}

static bool is_text(const char *text)
{
	size_t n = strnlen(text, PINFOLD_GUARD_TEXT_BYTES);

	for (size_t i = 0; i < PINFOLD_GUARD_TEXT_BYTES; i++) {
		if (i < n ? text[i] < ' ' || text[i] > '~' : text[i] != '\0') {
			return false;
		}
	}
	return true;
}

/* What the guard writes has this form; so nothing else is shown to anybody. */
static bool is_record(const struct pinfold_guard_record *r)
{
	static const uint8_t zeros[sizeof(r->reserved)];

	return le32toh(r->magic) == PINFOLD_GUARD_RECORD_MAGIC &&
	       le16toh(r->revision) == PINFOLD_GUARD_REVISION && r->kind != 0 && r->seq != 0 &&
	       r->count != 0 && le32toh(r->result) <= ERRNO_MAX &&
	       (r->terminal == 0 || r->terminal == 'A' || r->terminal == 'B') &&
	       (r->channel == 0 || r->channel == 's' || r->channel == 'c') &&
	       memcmp(r->reserved, zeros, sizeof(zeros)) == 0 && is_text(r->text);
}

/* What record 1 has in the place of a hash. */
static bool begins(const struct pinfold_guard_record *r, uint64_t instance)
{
	uint64_t bytes = htole64(instance);
	uint8_t hash[GUARD_HASH_BYTES];

	crypto_hash_sha256(hash, (const uint8_t *)&bytes, sizeof(bytes));
	return memcmp(r->prev, hash, sizeof(hash)) == 0;
}

/* The copy does not say whose it is: record 1 may. */
static void guess_instance(struct guard_chain *c, const struct pinfold_guard_record *r)
{
	for (size_t i = 0; i < c->n_anchors && !c->has_instance; i++) {
		if ((i == 0 || c->anchors[i].instance != c->anchors[i - 1].instance) &&
		    begins(r, c->anchors[i].instance)) {
			c->has_instance = true;
			c->instance = c->anchors[i].instance;
		}
	}
}

static enum guard_finding follows(const struct guard_chain *c, const struct pinfold_guard_record *r,
				  uint64_t seq)
{
	if (c->n_records == 0) {
		return seq == 1 && c->has_instance && !begins(r, c->instance) ? GUARD_OTHER_INSTANCE
									      : GUARD_INTACT;
	}
	if (seq <= c->last) {
		return GUARD_BAD_SEQ;
	}
	if (seq != c->last + 1) {
		return GUARD_MISSING;
	}
	return memcmp(r->prev, c->head, sizeof(c->head)) != 0 ? GUARD_BAD_CHAIN : GUARD_INTACT;
}

/* Compare with all anchors of one place. @return whether none contradicts */
static bool agrees(struct guard_chain *c, uint64_t seq, const uint8_t *hash)
{
	for (const struct guard_anchor *a = find(c, seq); !is_end(c, a) && a->seq == seq; a++) {
		if (memcmp(a->hash, hash, GUARD_HASH_BYTES) != 0) {
			return false;
		}
		c->proven = seq;
		c->is_live = a->is_live;
	}
	return true;
}

enum guard_finding guard_chain_step(struct guard_chain *c, const struct pinfold_guard_record *r)
{
	struct guard_chain next = *c;
	uint64_t seq = le64toh(r->seq);
	uint8_t hash[GUARD_HASH_BYTES];
	enum guard_finding finding;

	if (!is_record(r)) {
		return GUARD_NO_RECORD;
	}
	crypto_hash_sha256(hash, (const uint8_t *)r, offsetof(struct pinfold_guard_record, hash));
	if (memcmp(hash, r->hash, sizeof(hash)) != 0) {
		return GUARD_BAD_HASH;
	}
	if (c->n_records == 0 && seq == 1) {
		guess_instance(&next, r);
	}
	finding = follows(&next, r, seq);
	if (finding != GUARD_INTACT) {
		return finding;
	}
	/* An anchor of the record before the first one speaks of it, too. */
	if (next.has_instance && ((c->n_records == 0 && !agrees(&next, seq - 1, r->prev)) ||
				  !agrees(&next, seq, r->hash))) {
		return GUARD_REPLACED;
	}
	next.first = c->n_records == 0 ? seq : c->first;
	next.last = seq;
	next.n_records++;
	memcpy(next.head, r->hash, sizeof(next.head));
	*c = next;
	return GUARD_INTACT;
}

enum guard_finding guard_chain_end(const struct guard_chain *c)
{
	if (!c->has_instance) {
		return GUARD_INTACT;
	}
	for (const struct guard_anchor *a = find(c, c->last + 1); !is_end(c, a); a++) {
		if (!a->is_live) {
			return GUARD_CUT;
		}
	}
	return GUARD_INTACT;
}

const char *guard_finding_text(enum guard_finding finding)
{
	static const char *const texts[] = {
		[GUARD_INTACT] = "is good",
		[GUARD_NO_RECORD] = "is not a record of the guard",
		[GUARD_BAD_HASH] = "was changed",
		[GUARD_BAD_SEQ] = "is not where it belongs: an earlier one is",
		[GUARD_MISSING] = "is missing: removed, or overwritten before it was copied",
		[GUARD_BAD_CHAIN] = "does not follow from the one before it",
		[GUARD_OTHER_INSTANCE] = "begins the log of another loading of the module",
		[GUARD_REPLACED] = "is not the one that was anchored",
		[GUARD_CUT] = "and later ones were cut off: an anchor knows them",
		[GUARD_UNFINISHED] = "is not whole: the copy ends within it",
	};

	return texts[finding];
}

const char *guard_chain_place(const struct guard_chain *c, char buf[GUARD_PLACE_BYTES])
{
	if (c->n_records == 0) {
		return "the first record";
	}
	snprintf(buf, GUARD_PLACE_BYTES, "record %" PRIu64, c->last + 1);
	return buf;
}
