/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Refusals in the audit log, without a way to flood it: of each user and each reason the first is recorded at
 * once, those that follow within a minute are counted, and their number is one record more. The caller
 * says what time it is and does the recording.
 */
#ifndef PINFOLD_DAEMON_API_REFUSALS_H
#define PINFOLD_DAEMON_API_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bits.h"

#define API_REFUSALS_EVERY_NS (60 * NS_PER_S)
/** Pairs of user and reason that are counted apart at a time. */
#define API_REFUSALS_MAX 256u
/** The user in counts of those that found no room. */
#define API_REFUSALS_REST ((uid_t)-1)

/** Why. */
enum api_refusal {
	API_REFUSED_BANNED,
	API_REFUSED_UNKNOWN, /**< must be added first */
	API_REFUSED_RIGHT,   /**< for administrators */
	API_REFUSED_QUOTA,
	API_REFUSED_RATE, /**< too many changes */
	API_REFUSED_COUNT,
};

/** What was counted and not recorded one by one. */
struct api_refused {
	uid_t uid;
	enum api_refusal why;
	uint64_t n;
	const char *operation; /**< the last one */
};

struct api_refusals;

/** @return NULL: out of memory */
struct api_refusals *api_refusals_new(void);

/** Accepts NULL. What is not taken is lost. */
void api_refusals_free(struct api_refusals *r);

/** "banned", "quota" ... */
const char *api_refusal_name(enum api_refusal why);

/**
 * Somebody was refused.
 * @param operation a text that stays
 * @param now_ns    monotonic
 * @return whether to record it by itself
 * Thread: any.
 */
bool api_refusals_note(struct api_refusals *r, uid_t uid, enum api_refusal why,
		       const char *operation, ns_t now_ns);

/**
 * Forget what is older than a minute.
 * @param ret what it counted, when it did
 * @return whether there is something in @p ret: ask again
 * Thread: any.
 */
bool api_refusals_take(struct api_refusals *r, ns_t now_ns, struct api_refused *ret);

#endif
