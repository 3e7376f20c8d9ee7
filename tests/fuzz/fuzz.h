/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every fuzz target shares: the entry point, and reading the input piece by piece. */
#ifndef PINFOLD_TESTS_FUZZ_FUZZ_H
#define PINFOLD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/bug.h"

/** Called by libFuzzer for every input. @return 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/** The rest of an input. */
struct fuzz_in {
	const uint8_t *p;
	size_t n;
};

/** Take a little-endian number of @p bytes; zero behind the end. */
static inline uint64_t fuzz_take(struct fuzz_in *in, unsigned int bytes)
{
	uint64_t v = 0;

	if (in->n >= bytes) {
		v = load_le(in->p, bytes);
		in->p += bytes;
		in->n -= bytes;
	} else {
		in->n = 0;
	}
	return v;
}

#endif
