// SPDX-License-Identifier: GPL-2.0
/* How a dialogue asks for authority, judges what it gets, and acts on it. */
#include "session_internal.h"

#define ASK_ANEW "; type the command again to be asked anew"

/* Reading and yes are open as long as the token that opened them stays plugged in. */
void session_look_at_token(struct session *s)
{
	if (!s->token || session_ops(s)->token(session_ctx(s)) == s->token)
		return;
	s->token = 0;
	s->may_read = false;
}

static void say_wait(struct session *s, struct text *out)
{
	session_add_seconds(out, "too many wrong answers here: wait ",
			    auth_wait_ns(session_auth(s), session_now_ns(s)),
			    " s, or wake the other terminal\n");
}

/* Whether there were too many wrong answers; says so. */
static bool is_closed(struct session *s, struct text *out)
{
	if (!auth_wait_ns(session_auth(s), session_now_ns(s)))
		return false;
	session_log(s, PINFOLD_GUARD_LOG_REFUSED, -EAGAIN, ": back-off");
	say_wait(s, out);
	return true;
}

static const char *refusal(int r)
{
	if (r == -ENOKEY)
		return "no key is loaded: nothing can be authorised";
	if (r == -EAGAIN) /* a thread that was given up has just answered wrong */
		return "too many wrong answers here: wait";
	return "no challenges are left: the module must be loaded anew";
}

/* Show the challenge for session.command and wait for the answer. */
static void ask_answer(struct session *s, struct text *out)
{
	char request[AUTH_REQUEST_BYTES];
	int r;

	session_write_request(s, request);
	r = auth_ask(session_auth(s), session_ops(s), session_ctx(s), request, &s->challenge);
	if (r) {
		session_log(s, PINFOLD_GUARD_LOG_REFUSED, r, ": no challenge");
		session_settle_saying(s, refusal(r), out);
		return;
	}
	session_log(s, PINFOLD_GUARD_LOG_CHALLENGE, 0, "");
	s->expires_ns = s->challenge.expires_ns;
	text_add(out, "challenge: ");
	auth_show(session_auth(s), &s->challenge, out);
	text_add(out, "\n");
	session_await(s, SESSION_ANSWER, out);
}

static void ask_yes(struct session *s, struct text *out)
{
	session_log(s, PINFOLD_GUARD_LOG_CHALLENGE, 0, ": yes or no");
	s->expires_ns = session_now_ns(s) + AUTH_LIFE_NS;
	session_await(s, SESSION_YES, out);
}

static void ask_passphrase(struct session *s, u64 token, struct text *out)
{
	s->token_asked = token;
	session_await(s, SESSION_PASSPHRASE, out);
}

static bool has_place(const struct session *s, struct text *out)
{
	if (chain_can_begin(&s->who.guard->chain))
		return true;
	session_log(s, PINFOLD_GUARD_LOG_REFUSED, -ENOSPC, ": the log is full");
	session_say(out,
		    "refused: the log is full; nothing can be changed until pinfoldd has saved it");
	return false;
}

void session_ask_change(struct session *s, struct text *out)
{
	char buf[ACTION_TOLD_BYTES];
	struct text told;
	int r;

	if (!has_place(s, out) || (!s->token && is_closed(s, out))) {
		session_settle(s, out);
		return;
	}
	text_init(&told, buf, sizeof(buf));
	r = action_prepare(&s->action, &s->who, &s->command, &told);
	session_say(out, buf);
	if (r) {
		session_log(s, PINFOLD_GUARD_LOG_BAD_INPUT, r, ": can't be done");
		session_settle(s, out);
	} else if (s->token) {
		ask_yes(s, out);
	} else {
		ask_answer(s, out);
	}
}

/* The next step of a command that was authorised. */
void session_step(struct session *s, struct text *out)
{
	char buf[ACTION_TOLD_BYTES];
	struct text told;

	text_init(&told, buf, sizeof(buf));
	if (action_step(&s->action, &s->who, &told))
		return;
	s->input_ns = session_now_ns(s);
	session_settle_saying(s, buf, out);
}

static void log_in(struct session *s, u64 token, const char *how)
{
	s->may_read = true;
	s->token = token;
	session_log(s, PINFOLD_GUARD_LOG_COMMAND, 0, "");
	session_log(s, PINFOLD_GUARD_LOG_RESULT, 0, how);
}

/* The answer, or the yes, was right. */
static void proceed(struct session *s, struct text *out)
{
	if (s->command.id == COMMAND_LOGIN) {
		log_in(s, 0, ": by an answer");
		session_settle_saying(s, "logged in until 'exit'", out);
		return;
	}
	auth_drop(&s->challenge);
	if (action_begin(&s->action, &s->who)) {
		(void)has_place(s, out);
		session_settle(s, out);
		return;
	}
	s->state = SESSION_ACTS;
	session_step(s, out);
	if (s->state == SESSION_ACTS)
		session_await(s, SESSION_ACTS, out);
}

static bool is_blank(const char *line)
{
	while (*line == ' ')
		line++;
	return !*line;
}

void session_give_up(struct session *s, struct text *out)
{
	session_log(s, PINFOLD_GUARD_LOG_REFUSED, -ECANCELED, ": given up");
	session_settle_saying(s, "given up: nothing was done", out);
}

void session_come_too_late(struct session *s, struct text *out)
{
	session_log(s, PINFOLD_GUARD_LOG_REFUSED, -ETIMEDOUT, ": too late");
	session_settle_saying(s, "too late: nothing was done" ASK_ANEW, out);
}

/* A try was wrong. */
static void refuse_try(struct session *s, const char *logged, const char *line, struct text *out)
{
	session_log(s, PINFOLD_GUARD_LOG_REFUSED, -EKEYREJECTED, logged);
	session_say(out, line);
	if (auth_wait_ns(session_auth(s), session_now_ns(s)))
		say_wait(s, out);
	session_settle(s, out);
}

void session_not_an_answer(struct session *s, struct text *out)
{
	session_log(s, PINFOLD_GUARD_LOG_BAD_INPUT, -EINVAL, ": not an answer");
	session_say(out, "that is not an answer: it has 12 letters and digits");
	session_await(s, SESSION_ANSWER, out);
}

static void take_answer(struct session *s, struct text *out)
{
	int r;

	if (is_blank(s->line.buf)) {
		session_give_up(s, out);
		return;
	}
	r = auth_answer(session_auth(s), session_ops(s), session_ctx(s), &s->challenge,
			s->line.buf);
	line_begin(&s->line, false);
	switch (r) {
	case 0:
		proceed(s, out);
		break;
	case -EINVAL:
		session_not_an_answer(s, out);
		break;
	case -EKEYREJECTED:
		refuse_try(s, ": wrong answer", "wrong answer: nothing was done" ASK_ANEW, out);
		break;
	case -ETIMEDOUT:
		session_come_too_late(s, out);
		break;
	default:
		session_log(s, PINFOLD_GUARD_LOG_REFUSED, r, ": no key");
		session_settle_saying(s, refusal(-ENOKEY), out);
	}
}

static void take_yes(struct session *s, struct text *out)
{
	bool is_late = session_now_ns(s) >= s->expires_ns;

	session_look_at_token(s);
	if (!s->token) {
		session_log(s, PINFOLD_GUARD_LOG_REFUSED, -EKEYREJECTED, ": the token was pulled");
		session_settle_saying(s, "the token was pulled: nothing was done", out);
	} else if (is_late) {
		session_come_too_late(s, out);
	} else if (strcmp(s->line.buf, "yes") == 0) {
		proceed(s, out);
	} else {
		session_give_up(s, out);
	}
}

static void take_passphrase(struct session *s, struct text *out)
{
	static const char none[] =
		"no passphrase was set: pull the token, then 'login' asks for an answer";
	int r;

	r = auth_passphrase(session_auth(s), session_ops(s), session_ctx(s), s->line.buf,
			    strlen(s->line.buf));
	line_begin(&s->line, false);
	if (r == -EKEYREJECTED) {
		refuse_try(s, ": wrong passphrase", "wrong passphrase", out);
	} else if (r) {
		session_log(s, PINFOLD_GUARD_LOG_REFUSED, r, ": no passphrase");
		session_settle_saying(s, none, out);
	} else if (session_ops(s)->token(session_ctx(s)) != s->token_asked) {
		session_log(s, PINFOLD_GUARD_LOG_REFUSED, -EKEYREJECTED, ": the token was pulled");
		session_settle_saying(s, "the token was pulled: not logged in", out);
	} else {
		log_in(s, s->token_asked, ": by token and passphrase");
		session_settle_saying(s, "logged in until 'exit' or until the token is pulled",
				      out);
	}
}

void session_ask_login(struct session *s, struct text *out)
{
	u64 token = session_ops(s)->token(session_ctx(s));

	if (is_closed(s, out))
		session_settle(s, out);
	else if (token)
		ask_passphrase(s, token, out);
	else
		ask_answer(s, out);
}

void session_take_reply(struct session *s, struct text *out)
{
	if (s->state == SESSION_ANSWER)
		take_answer(s, out);
	else if (s->state == SESSION_YES)
		take_yes(s, out);
	else
		take_passphrase(s, out);
}
