/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a user may change things. Every change is a durable record in a log that all users share and that
 * forgets its oldest records, so nobody may write it as fast as he likes: a bucket of tokens per user, one
 * token per change. The caller says what time it is.
 */
#ifndef PINFOLD_DAEMON_API_RATE_H
#define PINFOLD_DAEMON_API_RATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bits.h"

/** Users whose buckets are kept apart at a time; the rest share one. */
#define API_RATE_USERS	   4096u
#define API_RATE_PER_S	   50u
#define API_RATE_BURST	   2000u
#define API_RATE_PER_S_MAX 1000000u
#define API_RATE_BURST_MAX 1000000u

struct api_rate;

/**
 * @param per_s tokens per second; 0: no bound
 * @param burst tokens in a full bucket, 1 or more
 * @return NULL: out of memory
 */
struct api_rate *api_rate_new(uint32_t per_s, uint32_t burst);

/** Accepts NULL. */
void api_rate_free(struct api_rate *r);

/** Other numbers from now on; what was taken stays taken. Thread: any. */
void api_rate_set(struct api_rate *r, uint32_t per_s, uint32_t burst);

/**
 * Take a token.
 * @param now_ns monotonic
 * @return whether there was one; if not, there is within a second
 * Thread: any.
 */
bool api_rate_take(struct api_rate *r, uid_t uid, ns_t now_ns);

#endif
