/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Crockford's base32: 5 bits per character, most significant first, digits and capital letters without
 * I, L, O, U. Read in either case, O as 0, I and L as 1; dashes and blanks don't count.
 */
#ifndef PINFOLD_GUARD_BASE32_H
#define PINFOLD_GUARD_BASE32_H

#include "port.h"

/** Write the first 5 * @p count bits of @p bytes as @p count characters, without a NUL. */
void base32_encode(const u8 *bytes, size_t count, char *ret);

/**
 * Read a string that holds exactly @p count characters, as capital digits of base32 with a NUL.
 * @param ret count + 1 bytes; undefined on failure
 * @return 0; -EINVAL: another number of them, or something else between them
 */
int base32_canonical(const char *s, size_t count, char *ret);

#endif
