/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Challenges and answers (docs/guard.md, Authority). What outlives a thread is in struct auth, one per
 * terminal: the counter that makes each nonce new, and the back-off after wrong answers. A challenge
 * belongs to one dialogue, for one request, and counts once.
 *
 * Nothing is locked while the key is used: that may hang.
 */
#ifndef PINFOLD_GUARD_AUTH_H
#define PINFOLD_GUARD_AUTH_H

#include "ops.h"
#include "port.h"

#define AUTH_NONCE_CHARS   16
#define AUTH_ANSWER_CHARS  12
#define AUTH_REQUEST_BYTES 48 /* the longest canonical text of a request, with its NUL */
#define AUTH_LIFE_NS	   30000000000ull
#define AUTH_FREE_TRIES	   2  /* wrong answers in a row without consequences */
#define AUTH_WAIT_MAX_S	   60 /* the longest back-off */

struct auth {
	struct port_lock lock;
	u8 terminal;	    /* 0 A, 1 B */
	u32 next_counter;   /* odd for A, even for B; 0: used up */
	u32 wrong;	    /* answers in a row */
	u64 closed_till_ns; /* boot_ns */
};

struct auth_challenge {
	bool is_open;
	u64 expires_ns; /* boot_ns */
	char nonce[AUTH_NONCE_CHARS];
	char request[AUTH_REQUEST_BYTES];
};

/** Begin for terminal @p terminal: 0 A, 1 B. Once per loading of the module: counters begin here. */
void auth_init(struct auth *a, u8 terminal);

/** How long from now the terminal gives no challenge; 0: it does. */
u64 auth_wait_ns(struct auth *a, u64 now_ns);

/** How many wrong answers there were in a row. */
u32 auth_wrong(struct auth *a);

/**
 * Make a challenge for a request.
 * @param request its canonical text (command.h)
 * @return 0; -EAGAIN: back-off, see auth_wait_ns(); -ENOKEY: no key is loaded; -EOVERFLOW: counters are used up
 */
int auth_ask(struct auth *a, const struct guard_ops *ops, void *ctx, const char *request,
	     struct auth_challenge *ret);

/**
 * Judge an answer. Whatever comes out, except for -EINVAL, closes the challenge.
 * @return 0: right; -EINVAL: not the form of an answer; -ETIMEDOUT: too late; -EKEYREJECTED: wrong;
 *	   -ENOKEY; -ENOENT: no open challenge
 */
int auth_answer(struct auth *a, const struct guard_ops *ops, void *ctx, struct auth_challenge *c,
		const char *typed);

/**
 * Judge a passphrase; wrong ones count like wrong answers.
 * @return 0; -EAGAIN: back-off; -EKEYREJECTED; -ENOKEY: none was set
 */
int auth_passphrase(struct auth *a, const struct guard_ops *ops, void *ctx, const char *typed,
		    size_t n);

/** Forget a challenge. */
void auth_drop(struct auth_challenge *c);

/** The challenge as a person reads it: "A kill 7 0000-00DX-...". */
void auth_show(const struct auth *a, const struct auth_challenge *c, struct text *out);

#endif
