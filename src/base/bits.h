/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers on integers and byte arrays: alignment, masks, byte order, checked sums. */
#ifndef PINFOLD_BASE_BITS_H
#define PINFOLD_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)	      (1ULL << (n))

/** Guest physical and guest virtual addresses, and nanoseconds. */
typedef uint64_t gpa_t;
typedef uint64_t gva_t;
typedef uint64_t ns_t;

#define PAGE_BYTES 4096ULL
#define NS_PER_S   1000000000ULL
#define NS_PER_MS  1000000ULL
#define NS_PER_US  1000ULL

/** @p align must be a power of two. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/** Round up; false, and @p ret untouched, when the result does not fit. */
static inline bool align_up_checked(uint64_t v, uint64_t align, uint64_t *ret)
{
	uint64_t t;

	if (__builtin_add_overflow(v, align - 1, &t)) {
		return false;
	}
	*ret = t & ~(align - 1);
	return true;
}

/** Whether [base, base+len) fits in 64 bits and lies inside [lo, lo+size). */
static inline bool range_within(uint64_t base, uint64_t len, uint64_t lo, uint64_t size)
{
	return base >= lo && len <= size && base - lo <= size - len;
}

/** Whether [a, a+alen) and [b, b+blen) share a byte. Neither range wraps. */
static inline bool range_overlaps(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return alen && blen && (a < b ? b - a < alen : a - b < blen);
}

/** The low @p bytes (1..8) of @p v. */
static inline uint64_t low_bytes(uint64_t v, unsigned int bytes)
{
	return bytes >= 8 ? v : v & (BIT(bytes * 8) - 1);
}

/** Little-endian load of 1..8 bytes. */
static inline uint64_t load_le(const void *p, unsigned int bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes);
	return v;
}

/** Little-endian store of 1..8 bytes. */
static inline void store_le(void *p, uint64_t v, unsigned int bytes)
{
	memcpy(p, &v, bytes);
}

/** Big-endian load of 1..8 bytes. */
static inline uint64_t load_be(const void *p, unsigned int bytes)
{
	return __builtin_bswap64(load_le(p, bytes)) >> (64 - bytes * 8);
}

/** Big-endian store of 1..8 bytes. */
static inline void store_be(void *p, uint64_t v, unsigned int bytes)
{
	store_le(p, __builtin_bswap64(v << (64 - bytes * 8)), bytes);
}

#endif
