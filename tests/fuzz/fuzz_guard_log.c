/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what reads a copy of the guard's log: any bytes; bytes whose hashes are repaired, so that they get past
 * those; a true copy of which some bits change, which must be found where the first one did.
 */
#include <endian.h>
#include <string.h>

#include "cli/guard_chain.h"
#include "fuzz.h"
#include "guard_record.h"

#define N 6u

/* @return how many records are good */
static size_t walk(const struct pinfold_guard_record *r, size_t n, const struct guard_anchor *a,
		   size_t n_anchors)
{
	struct guard_chain c = {
		.has_instance = true, .instance = 1, .anchors = a, .n_anchors = n_anchors
	};
	size_t i = 0;

	while (i < n && guard_chain_step(&c, &r[i]) == GUARD_INTACT) {
		BUG_ON(le64toh(r[i].seq) != c.last || c.last != c.first + i);
		for (size_t k = 0; k < sizeof(r[i].text); k++) {
			BUG_ON(r[i].text[k] != '\0' && (r[i].text[k] < ' ' || r[i].text[k] > '~'));
		}
		i++;
	}
	BUG_ON(c.n_records != i || c.proven > c.last);
	(void)guard_chain_end(&c);
	return i;
}

static void spoil(struct fuzz_in in)
{
	struct pinfold_guard_record r[N];
	struct guard_anchor a = { .instance = 1, .seq = 3 };
	uint8_t prev[32];
	size_t first = sizeof(r);

	guard_record_begin(1, prev);
	guard_record_chain(r, N, 1, prev);
	memcpy(a.hash, r[2].hash, sizeof(a.hash));
	BUG_ON(walk(r, N, &a, 1) != N);
	while (in.n > 0) {
		size_t where = fuzz_take(&in, 2) % sizeof(r);
		uint8_t mask = (uint8_t)fuzz_take(&in, 1) | 1;

		if (where < first) { /* only before the first change, so that none is undone */
			((uint8_t *)r)[where] ^= mask;
			first = where;
		}
	}
	BUG_ON(walk(r, N, &a, 1) != first / sizeof(r[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pinfold_guard_record r[N];
	struct guard_anchor a = { .instance = 1 };
	struct fuzz_in in = { data, n };
	uint64_t what = fuzz_take(&in, 1) % 3;
	size_t n_records;

	if (what == 0) {
		spoil(in);
		return 0;
	}
	a.seq = fuzz_take(&in, 1);
	memset(r, 0, sizeof(r));
	memcpy(r, in.p, in.n < sizeof(r) ? in.n : sizeof(r));
	n_records = in.n / sizeof(r[0]) < N ? in.n / sizeof(r[0]) : N;
	for (size_t i = 0; what == 1 && i < n_records; i++) {
		if (i > 0) {
			memcpy(r[i].prev, r[i - 1].hash, sizeof(r[i].prev));
		}
		guard_record_seal(&r[i]);
	}
	(void)walk(r, n_records, &a, 1);
	return 0;
}
