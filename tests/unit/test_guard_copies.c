/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of the guard's log that somebody had in hands: each is found, at the right record. */
#include "cli/guard_chain.h"

#include "base/bits.h"
#include "guard_record.h"
#include "test.h"

#define N	 12u
#define INSTANCE 0x1122334455667788u
#define OTHER	 0x99aabbccddeeff00u

typedef struct pinfold_guard_record record;

/* What was found, and at the how manyeth record. */
struct verdict {
	enum guard_finding finding;
	size_t at;
	struct guard_chain chain;
};

static void make(record *r, size_t n, uint64_t instance)
{
	uint8_t prev[32];

	guard_record_begin(instance, prev);
	guard_record_chain(r, n, 1, prev);
}

static struct verdict walk(const record *r, size_t n, bool has_instance,
			   const struct guard_anchor *anchors, size_t n_anchors)
{
	struct verdict v = { .chain = { .has_instance = has_instance,
					.instance = INSTANCE,
					.anchors = anchors,
					.n_anchors = n_anchors } };

	for (; v.at < n; v.at++) {
		v.finding = guard_chain_step(&v.chain, &r[v.at]);
		if (v.finding != GUARD_INTACT) {
			return v;
		}
	}
	v.finding = guard_chain_end(&v.chain);
	return v;
}

static struct guard_anchor anchor_at(const record *r, uint64_t instance, bool is_live)
{
	struct guard_anchor a = { .instance = instance,
				  .seq = le64toh(r->seq),
				  .is_live = is_live };

	memcpy(a.hash, r->hash, sizeof(a.hash));
	return a;
}

static void a_true_copy(void)
{
	record r[N];
	struct verdict v;

	make(r, N, INSTANCE);
	v = walk(r, N, true, NULL, 0);
	CHECK_INT(v.finding, GUARD_INTACT);
	CHECK_INT(v.chain.first, 1);
	CHECK_INT(v.chain.last, N);
	CHECK_INT(v.chain.n_records, N);
	CHECK_INT(v.chain.proven, 0);
	CHECK(memcmp(v.chain.head, r[N - 1].hash, 32) == 0);
	v = walk(r + 5, N - 5, true, NULL, 0);
	CHECK_INT(v.finding, GUARD_INTACT);
	CHECK_INT(v.chain.first, 6);
	CHECK_INT(walk(NULL, 0, true, NULL, 0).finding, GUARD_INTACT);
}

/* Every bit of a copy, one after the other. */
static void every_bit(void)
{
	record r[N];
	size_t wrong = 0;

	make(r, N, INSTANCE);
	for (size_t bit = 0; bit < sizeof(r) * 8; bit++) {
		struct verdict v;

		((uint8_t *)r)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		v = walk(r, N, true, NULL, 0);
		wrong += v.finding == GUARD_INTACT || v.at != bit / 8 / sizeof(r[0]);
		((uint8_t *)r)[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	CHECK_INT(wrong, 0);
}

/* Any run of records taken out but at the ends; any two swapped; any one twice. */
static void removed_swapped_repeated(void)
{
	record r[N];
	record copy[N + 1];

	make(r, N, INSTANCE);
	for (size_t i = 1; i < N - 1; i++) {
		for (size_t k = i + 1; k < N; k++) {
			struct verdict v;

			memcpy(copy, r, sizeof(r));
			memmove(copy + i, copy + k, (N - k) * sizeof(r[0]));
			v = walk(copy, N - (k - i), true, NULL, 0);
			CHECK_INT(v.finding, GUARD_MISSING);
			CHECK_INT(v.at, i);
			memcpy(copy, r, sizeof(r));
			copy[i] = r[k];
			copy[k] = r[i];
			v = walk(copy, N, true, NULL, 0);
			CHECK_INT(v.finding, GUARD_MISSING);
			CHECK_INT(v.at, i);
		}
		memcpy(copy, r, i * sizeof(r[0]));
		copy[i] = r[i - 1];
		memcpy(copy + i + 1, r + i, (N - i) * sizeof(r[0]));
		CHECK_INT(walk(copy, N + 1, true, NULL, 0).finding, GUARD_BAD_SEQ);
		CHECK_INT(walk(copy, N + 1, true, NULL, 0).at, i);
	}
}

/* Records of another loading, from the beginning or from the middle on. */
static void another_instance(void)
{
	record r[N];
	record other[N];

	make(other, N, OTHER);
	for (size_t i = 0; i < N; i++) {
		struct verdict v;

		make(r, N, INSTANCE);
		memcpy(r + i, other + i, (N - i) * sizeof(r[0]));
		v = walk(r, N, true, NULL, 0);
		CHECK_INT(v.finding, i == 0 ? GUARD_OTHER_INSTANCE : GUARD_BAD_CHAIN);
		CHECK_INT(v.at, i);
	}
	CHECK_INT(walk(other, N, false, NULL, 0).finding, GUARD_INTACT);
}

/* Somebody writes the copy anew from a record on, with hashes that are right: anchors before it, at it, after it. */
static void forged(void)
{
	record r[N];
	record f[N];

	make(r, N, INSTANCE);
	for (size_t from = 0; from < N; from++) {
		for (size_t at = 0; at < N; at++) {
			struct guard_anchor a = anchor_at(&r[at], INSTANCE, false);
			struct verdict v;

			memcpy(f, r, sizeof(r));
			memcpy(f[from].text, "unban 7", 8);
			for (size_t i = from; i < N; i++) {
				memcpy(f[i].prev, i ? f[i - 1].hash : f[i].prev, 32);
				guard_record_seal(&f[i]);
			}
			v = walk(f, N, true, &a, 1);
			CHECK_INT(v.finding, at < from ? GUARD_INTACT : GUARD_REPLACED);
			CHECK_INT(v.at, at < from ? N : at);
			CHECK_INT(v.chain.proven, at < from ? at + 1 : 0);
		}
	}
}

/* Cut off at a record: seen when an anchor lies behind it; the module may be ahead of a copy. */
static void cut_off(void)
{
	record r[N];
	struct guard_anchor a;

	make(r, N, INSTANCE);
	for (size_t n = 0; n <= N; n++) {
		CHECK_INT(walk(r, n, true, NULL, 0).finding, GUARD_INTACT);
		a = anchor_at(&r[N / 2], INSTANCE, false);
		CHECK_INT(walk(r, n, true, &a, 1).finding, n <= N / 2 ? GUARD_CUT : GUARD_INTACT);
		a.is_live = true;
		CHECK_INT(walk(r, n, true, &a, 1).finding, GUARD_INTACT);
		a = anchor_at(&r[N / 2], OTHER, false);
		CHECK_INT(walk(r, n, true, &a, 1).finding, GUARD_INTACT);
	}
}

/* An anchor of the record before the first one; several of one record; instances that are told by record 1. */
static void anchors_and_instances(void)
{
	record r[N];
	struct guard_anchor a[4];
	struct verdict v;

	make(r, N, INSTANCE);
	a[0] = anchor_at(&r[4], INSTANCE, true);
	v = walk(r + 5, N - 5, true, a, 1);
	CHECK_INT(v.finding, GUARD_INTACT);
	CHECK_INT(v.chain.proven, 5); /* the record before the first one: nothing of the copy yet */
	a[0].hash[0] ^= 1;
	v = walk(r + 5, N - 5, true, a, 1);
	CHECK_INT(v.finding, GUARD_REPLACED);
	CHECK_INT(v.at, 0);

	a[0] = anchor_at(&r[N - 1], INSTANCE, true);
	a[1] = anchor_at(&r[3], INSTANCE, false);
	a[2] = anchor_at(&r[3], OTHER, false);
	a[3] = anchor_at(&r[3], INSTANCE, false);
	guard_anchors_sort(a, 4);
	v = walk(r, N, false, a, 4);
	CHECK_INT(v.finding, GUARD_INTACT);
	CHECK(v.chain.has_instance);
	CHECK_INT(v.chain.proven, N);
	CHECK(v.chain.is_live);
	v = walk(r + 1, N - 1, false, a, 4);
	CHECK(!v.chain.has_instance);
	CHECK_INT(v.chain.proven, 0);
	for (size_t i = 0; i < 4; i++) {
		a[i].hash[31] ^= (uint8_t)(a[i].instance == INSTANCE && a[i].seq == 4 && i % 2);
	}
	v = walk(r, N, true, a, 4);
	CHECK_INT(v.finding, GUARD_REPLACED);
	CHECK_INT(v.at, 3);
}

/* A hash that is right does not make a record of what the guard never writes: it could end up on a terminal. */
static void forms(void)
{
	record r;
	uint8_t prev[32];
	size_t n = 0;

#define SPOILED(change)                                                     \
	do {                                                                \
		guard_record_begin(INSTANCE, prev);                         \
		guard_record_chain(&r, 1, 1, prev);                         \
		change;                                                     \
		guard_record_seal(&r);                                      \
		n += walk(&r, 1, true, NULL, 0).finding == GUARD_NO_RECORD; \
	} while (0)

	SPOILED(r.magic ^= 1);
	SPOILED(r.revision = htole16(2));
	SPOILED(r.kind = 0);
	SPOILED(r.seq = 0);
	SPOILED(r.count = 0);
	SPOILED(r.result = htole32(4096));
	SPOILED(r.terminal = 'C');
	SPOILED(r.channel = 'x');
	SPOILED(r.reserved[5] = 1);
	SPOILED(r.text[0] = '\x1b');
	SPOILED(r.text[0] = (char)0xc3);
	SPOILED(r.text[7] = 'x');
	CHECK_INT(n, 12);
	n = 0;
	SPOILED(memset(r.text, 'x', sizeof(r.text)));
	SPOILED(r.kind = htole16(999));
	CHECK_INT(n, 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "a true copy", a_true_copy },
		{ "every bit", every_bit },
		{ "removed, swapped, repeated", removed_swapped_repeated },
		{ "another instance", another_instance },
		{ "forged", forged },
		{ "cut off", cut_off },
		{ "anchors and instances", anchors_and_instances },
		{ "forms", forms },
	};

	return test_main(cases, ARRAY_SIZE(cases));
}
