/* SPDX-License-Identifier: GPL-2.0 */
/* Between session.c, which reads and shows, and session_ask.c, which asks for authority and acts. */
#ifndef PINFOLD_GUARD_SESSION_INTERNAL_H
#define PINFOLD_GUARD_SESSION_INTERNAL_H

#include "session.h"

#define SESSION_NS_PER_S 1000000000ull

static inline struct auth *session_auth(const struct session *s)
{
	return &s->who.guard->auth[s->who.terminal];
}

static inline const struct guard_ops *session_ops(const struct session *s)
{
	return s->who.guard->ops;
}

static inline void *session_ctx(const struct session *s)
{
	return s->who.guard->ctx;
}

static inline u64 session_now_ns(const struct session *s)
{
	return session_ops(s)->boot_ns(session_ctx(s));
}

static inline void session_say(struct text *out, const char *line)
{
	text_add_line(out, line, LISTING_COLUMNS);
}

/* Seconds, rounded up. */
static inline void session_add_seconds(struct text *out, const char *before, u64 ns,
				       const char *behind)
{
	text_add(out, before);
	text_add_u64(out, (ns + SESSION_NS_PER_S - 1) / SESSION_NS_PER_S);
	text_add(out, behind);
}

/* In session.c */

/* What was asked for (session.command), as the challenge and the log have it. */
void session_write_request(const struct session *s, char buf[AUTH_REQUEST_BYTES]);
/* Write it to the log, with what became of it: "kill 7: wrong answer". */
void session_log(const struct session *s, enum pinfold_guard_kind kind, int result,
		 const char *what);
/* Show the prompt of a state and wait for a line, or a key. */
void session_await(struct session *s, enum session_state state, struct text *out);
/* Back to the prompt; what waited for an answer is dropped. */
void session_settle(struct session *s, struct text *out);
/* The same, having said why. */
void session_settle_saying(struct session *s, const char *line, struct text *out);

/* In session_ask.c */

/* What the token opened is closed when it was pulled. */
void session_look_at_token(struct session *s);
/* Ask for what session.command needs. */
void session_ask_change(struct session *s, struct text *out);
void session_ask_login(struct session *s, struct text *out);
/* A line that was asked for: answer, yes or passphrase. */
void session_take_reply(struct session *s, struct text *out);
/* What was typed can't be one; the person may try again. */
void session_not_an_answer(struct session *s, struct text *out);
void session_give_up(struct session *s, struct text *out);
void session_come_too_late(struct session *s, struct text *out);
/* Do the next step of a command that was authorised. */
void session_step(struct session *s, struct text *out);

#endif
