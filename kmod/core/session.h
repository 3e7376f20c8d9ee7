/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A dialogue with a person at a terminal: bytes in, text out (docs/guard.md). One thread uses a session;
 * several sessions share one guard. A session needs no memory but its struct, holds no lock while it
 * calls an op, and in each call executes one step of one command at most.
 *
 *	session_begin(&s, &actor, "chord", &out);
 *	for (goes_on = true; goes_on; send out)
 *		wait for a byte, but no longer than session_deadline_ns();
 *		goes_on = byte ? session_byte(&s, byte, &out) : session_tick(&s, &out);
 *	session_end(&s, why);
 */
#ifndef PINFOLD_GUARD_SESSION_H
#define PINFOLD_GUARD_SESSION_H

#include "action.h"
#include "auth.h"
#include "command.h"
#include "guard.h"
#include "line.h"
#include "listing.h"

/* One call writes less than this: a text of this size is never cut. Newlines are '\n' alone. */
#define SESSION_OUT_BYTES 4096

enum session_state {
	SESSION_PROMPT,	    /* a command is awaited */
	SESSION_ANSWER,	    /* the answer to a challenge */
	SESSION_YES,	    /* a yes, from who logged in with the token */
	SESSION_PASSPHRASE, /* for the token */
	SESSION_MORE,	    /* a key, for the next page */
	SESSION_ACTS,	    /* nothing but Ctrl-C: session_tick() does the next step of a command */
	SESSION_OVER,
};

struct session {
	struct guard_actor who;
	u8 state;      /* enum session_state */
	bool may_read; /* logged in */
	u64 token;     /* by which it logged in (guard_ops.token); 0: by an answer, or not at all */
	u64 token_asked; /* whose passphrase is awaited */
	u64 input_ns;	 /* of the last byte, boot_ns */
	u64 expires_ns;	 /* when an answer or a yes comes too late, boot_ns */
	const char *why; /* it is over: a constant */
	struct line line;
	struct command command; /* that waits for an answer, a yes or a passphrase */
	struct auth_challenge challenge;
	struct action action;
	struct listing listing;
};

/**
 * Begin: greeting and prompt. Writes WAKE.
 * @param source how it was woken; a constant
 */
void session_begin(struct session *s, const struct guard_actor *who, const char *source,
		   struct text *out);

/**
 * Take one byte that was typed. May call an op, and then takes as long as that does.
 * @param out empty, SESSION_OUT_BYTES
 * @return whether the dialogue goes on
 */
bool session_byte(struct session *s, u8 byte, struct text *out);

/** Time has passed: the next step of a command, an expired challenge, idleness. As session_byte(). */
bool session_tick(struct session *s, struct text *out);

/** When session_tick() is next wanted, boot_ns; may be in the past: now. ~0: never. */
u64 session_deadline_ns(const struct session *s);

/** The prompt again, with what was typed so far. */
void session_show(const struct session *s, struct text *out);

/**
 * End: secrets are wiped, SLEEP is written. To be called also for a dialogue that ended by itself, and by a
 * thread that was given up and came back: nothing is written then.
 * @param why a constant, for the log; NULL: the dialogue's own reason
 */
void session_end(struct session *s, const char *why);

#endif
