/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's challenges, and the answers to them, as docs/guard.md ("Authority") lays them down. Shares no
 * code with the module: what one computes is a check of the other.
 */
#ifndef PINFOLD_CLI_GUARD_ANSWER_H
#define PINFOLD_CLI_GUARD_ANSWER_H

#include <stdint.h>

#include "base/errmsg.h"

#define GUARD_NONCE_CHARS 16u
/** "7K2M-Q9XA-03PD" and its NUL. */
#define GUARD_ANSWER_BYTES 15u

/** A challenge, in the one form that is authenticated. */
struct guard_challenge {
	char terminal;			   /**< 'A' or 'B' */
	char command[40];		   /**< "kill 7" */
	char meaning[80];		   /**< "kill VM 7" */
	char nonce[GUARD_NONCE_CHARS + 1]; /**< capitals, no dashes */
};

/**
 * Read a challenge as a person types it: "A kill 7 0000-00Q2-9XKM-PA3C", in any case, with blanks and
 * dashes anywhere in the nonce, O for 0, I and L for 1.
 * @return 0; -EINVAL with a sentence that says which part is wrong
 */
int guard_challenge_parse(const char *text, struct guard_challenge *ret, struct errmsg *e);

/** The answer. @param key of GUARD_KEY_BYTES. @param ret GUARD_ANSWER_BYTES */
void guard_challenge_answer(const struct guard_challenge *c, const uint8_t *key, char *ret);

#endif
