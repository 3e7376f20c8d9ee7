/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved states, field by field: what put() wrote, take() reads in the same order. */
#ifndef PINFOLD_DEV_VIRTIO_BYTES_H
#define PINFOLD_DEV_VIRTIO_BYTES_H

#include "base/bits.h"

/** Append the low @p n bytes (1 to 8) of a number and move on. */
static inline void bytes_put(uint8_t **to, uint64_t v, unsigned int n)
{
	store_le(*to, v, n);
	*to += n;
}

/** @return the next @p n bytes (1 to 8) as a number; moves on */
static inline uint64_t bytes_take(const uint8_t **from, unsigned int n)
{
	uint64_t v = load_le(*from, n);

	*from += n;
	return v;
}

/** @return whether @p n bytes are all zero */
static inline bool bytes_are_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return !n;
}

#endif
