/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that people type: sizes, addresses, durations, numbers. Strict: no sign, no blanks,
 * nothing after the value, no overflow. */
#ifndef PINFOLD_BASE_PARSE_H
#define PINFOLD_BASE_PARSE_H

#include "base/bits.h"
#include "base/errmsg.h"

/**
 * An unsigned number, decimal or 0x hexadecimal.
 * @return 0; -EINVAL when it is not one; -ERANGE when it does not fit in 64 bits
 */
int parse_u64(const char *text, uint64_t *ret, struct errmsg *e);

/**
 * A size or address: a number, optionally followed by K, M, G or T (1024 based; an added B or iB is
 * accepted).
 * @return 0; -EINVAL; -ERANGE
 */
int parse_size_bytes(const char *text, uint64_t *ret_bytes, struct errmsg *e);

/**
 * A duration: a number with at most nine decimals and a unit ns, us, ms, s, m or h; no unit means
 * seconds.
 * @return 0; -EINVAL; -ERANGE
 */
int parse_duration_ns(const char *text, ns_t *ret_ns, struct errmsg *e);

#endif
