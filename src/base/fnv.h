/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FNV-1a: a hash for tables and short names of what is trusted, or bounded; not against people. */
#ifndef PINFOLD_BASE_FNV_H
#define PINFOLD_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Where a hash starts. */
#define FNV32_START UINT32_C(0x811c9dc5)
#define FNV64_START UINT64_C(0xcbf29ce484222325)

/** Go on with @p n bytes. @param h a start, or the hash of what came before */
static inline uint32_t fnv32(uint32_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ p[i]) * UINT32_C(0x01000193);
	}
	return h;
}

/** The same in 64 bits. */
static inline uint64_t fnv64(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) {
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

/** Go on with a text, without its end. */
static inline uint32_t fnv32_text(uint32_t h, const char *text)
{
	return fnv32(h, text, strlen(text));
}

/** The same in 64 bits. */
static inline uint64_t fnv64_text(uint64_t h, const char *text)
{
	return fnv64(h, text, strlen(text));
}

#endif
