/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzzers of requests share: choices that a seed repeats, and text that grows. */
#ifndef PINFOLD_TESTS_DAEMON_FUZZ_TEXT_H
#define PINFOLD_TESTS_DAEMON_FUZZ_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TEXT_MAX 200000u

/** What grows while a request is made up; what does not fit is left out. */
struct text {
	char bytes[TEXT_MAX];
	size_t n;
};

/** One of @p n choices. @param random the state, not 0 */
static inline uint64_t pick_from(uint64_t *random, uint64_t n)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random % n;
}

static inline void put_bytes(struct text *t, const void *bytes, size_t n)
{
	n = n < TEXT_MAX - t->n ? n : TEXT_MAX - t->n;
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
}

static inline void put(struct text *t, const char *text)
{
	put_bytes(t, text, strlen(text));
}

#endif
