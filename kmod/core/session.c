// SPDX-License-Identifier: GPL-2.0
#include "session_internal.h"

#define NEVER_NS    (~0ull)
#define MORE_PROMPT "-- any key goes on, q ends --"

enum { KEY_STOP = 3, KEY_END = 4 };

/* What was asked for, as the challenge and the log have it. */
void session_write_request(const struct session *s, char buf[AUTH_REQUEST_BYTES])
{
	struct text t;

	text_init(&t, buf, AUTH_REQUEST_BYTES);
	command_write(&s->command, &t);
}

/* "kill 7: wrong answer" */
void session_log(const struct session *s, enum pinfold_guard_kind kind, int result,
		 const char *what)
{
	char request[AUTH_REQUEST_BYTES], buf[AUTH_REQUEST_BYTES + 40];
	struct text t;

	session_write_request(s, request);
	text_init(&t, buf, sizeof(buf));
	text_add(&t, request);
	text_add(&t, what);
	guard_log(&s->who, kind, result, buf);
}

static u64 seconds_left_ns(const struct session *s)
{
	u64 now = session_now_ns(s);

	return s->expires_ns > now ? s->expires_ns - now : 0;
}

static void add_prompt(const struct session *s, struct text *out)
{
	switch (s->state) {
	case SESSION_PROMPT:
		text_add(out, s->who.terminal ? "guard B" : "guard A");
		text_add(out, session_ops(s)->is_keyed(session_ctx(s)) ? "> " : " (no key)> ");
		break;
	case SESSION_ANSWER:
		session_add_seconds(out, "answer within ", seconds_left_ns(s),
				    " s (an empty line gives up): ");
		break;
	case SESSION_YES:
		session_add_seconds(out, "type 'yes' within ", seconds_left_ns(s),
				    " s (anything else gives up): ");
		break;
	case SESSION_PASSPHRASE:
		text_add(out, "passphrase (is not shown): ");
		break;
	case SESSION_MORE:
		text_add(out, MORE_PROMPT);
		break;
	case SESSION_ACTS:
		text_add(out, "under way, Ctrl-C stops it\n");
		break;
	default:
		break;
	}
}

/* Wait for a line in this state. */
void session_await(struct session *s, enum session_state state, struct text *out)
{
	s->state = (u8)state;
	line_begin(&s->line, state == SESSION_PASSPHRASE);
	add_prompt(s, out);
}

/* Back to the prompt; what waited for an answer is dropped. */
void session_settle(struct session *s, struct text *out)
{
	auth_drop(&s->challenge);
	session_await(s, SESSION_PROMPT, out);
}

/* The same, having said why. */
void session_settle_saying(struct session *s, const char *line, struct text *out)
{
	session_say(out, line);
	session_settle(s, out);
}

static void end(struct session *s, const char *why)
{
	s->state = SESSION_OVER;
	s->why = why;
}

static void add_page(struct session *s, struct text *out)
{
	bool has_more = listing_page(&s->listing, &s->who, out);

	session_await(s, has_more ? SESSION_MORE : SESSION_PROMPT, out);
}

/* Whether the person may see what session.command shows; says so if not. Asked for each page. */
static bool may_see(struct session *s, struct text *out)
{
	session_look_at_token(s);
	if (command_entry(s->command.id)->kind != COMMAND_SHOWS || s->may_read ||
	    s->who.guard->open_reads)
		return true;
	session_log(s, PINFOLD_GUARD_LOG_REFUSED, -EACCES, ": not logged in");
	session_settle_saying(s, "that needs a login: type 'login'", out);
	return false;
}

static void show(struct session *s, struct text *out)
{
	if (!may_see(s, out))
		return;
	session_log(s, PINFOLD_GUARD_LOG_SHOWN, 0, "");
	listing_begin(&s->listing, &s->who, &s->command);
	add_page(s, out);
}

static void run(struct session *s, struct text *out)
{
	session_look_at_token(s);
	if (s->command.id == COMMAND_EXIT) {
		session_say(out, "asleep until it is woken again");
		end(s, "exit");
		return;
	}
	if (command_entry(s->command.id)->kind == COMMAND_CHANGES)
		session_ask_change(s, out);
	else if (command_entry(s->command.id)->kind != COMMAND_OPENS)
		show(s, out);
	else
		session_ask_login(s, out);
}

static void take_command(struct session *s, struct text *out)
{
	char shown_buf[LISTING_COLUMNS + 1], logged_buf[LISTING_COLUMNS + 1];
	struct text shown, logged;
	int r;

	text_init(&shown, shown_buf, sizeof(shown_buf));
	text_init(&logged, logged_buf, sizeof(logged_buf));
	r = command_parse(s->line.buf, &s->command, &shown, &logged);
	if (!r) {
		run(s, out);
		return;
	}
	if (r != -ENODATA) {
		guard_log(&s->who, PINFOLD_GUARD_LOG_BAD_INPUT, 0, logged_buf);
		session_say(out, shown_buf);
	}
	session_settle(s, out);
}

static void take_line(struct session *s, struct text *out)
{
	if (s->state == SESSION_PROMPT)
		take_command(s, out);
	else
		session_take_reply(s, out);
}

/* A line that can't be one. In a passphrase it counts as nothing. */
static void take_no_line(struct session *s, enum line_event event, struct text *out)
{
	bool is_long = event == LINE_TOO_LONG;

	if (s->state == SESSION_ANSWER) {
		session_not_an_answer(s, out);
		return;
	}
	guard_log(&s->who, PINFOLD_GUARD_LOG_BAD_INPUT, 0,
		  is_long ? "line too long" : "line with bytes that are no text");
	session_say(out, is_long ? "that was too long: a line has at most 80 characters"
				 : "that had characters that are no text: type it again");
	session_settle(s, out);
}

/* Ctrl-C, or Ctrl-D. */
static void leave_line(struct session *s, enum line_event event, struct text *out)
{
	if (s->state != SESSION_PROMPT)
		session_give_up(s, out);
	else if (event == LINE_END)
		end(s, "end of input");
	else
		session_settle(s, out);
}

static void type(struct session *s, u8 byte, struct text *out)
{
	enum line_event event = line_byte(&s->line, byte, out);

	switch (event) {
	case LINE_NONE:
		break;
	case LINE_DONE:
		take_line(s, out);
		break;
	case LINE_TOO_LONG:
	case LINE_SPOILT:
		take_no_line(s, event, out);
		break;
	default:
		leave_line(s, event, out);
	}
}

static void press_for_more(struct session *s, u8 byte, struct text *out)
{
	u8 key = line_key(&s->line, byte);

	if (!key)
		return;
	text_add_erase(out, sizeof(MORE_PROMPT) - 1);
	if (key == 'q' || key == 'Q' || key == KEY_STOP || key == KEY_END)
		session_settle(s, out);
	else if (may_see(s, out))
		add_page(s, out);
}

static void press_while_acting(struct session *s, u8 byte, struct text *out)
{
	char buf[ACTION_TOLD_BYTES];
	struct text told;

	if (line_key(&s->line, byte) != KEY_STOP)
		return;
	text_init(&told, buf, sizeof(buf));
	action_stop(&s->action, &s->who, &told);
	session_settle_saying(s, buf, out);
}

/* A thread that was given up has nothing to say, whatever it was about to do. */
static bool goes_on(struct session *s, struct text *out)
{
	if (!guard_is_current(&s->who)) {
		text_init(out, out->buf, out->size);
		end(s, "given up");
	}
	return s->state != SESSION_OVER;
}

void session_begin(struct session *s, const struct guard_actor *who, const char *source,
		   struct text *out)
{
	memset(s, 0, sizeof(*s));
	s->who = *who;
	s->why = "ended";
	s->line.had_cr = true; /* of the line that woke us */
	s->input_ns = session_now_ns(s);
	guard_log(who, PINFOLD_GUARD_LOG_WAKE, 0, source);
	text_add(out, "\nPinfold guard. 'help' lists the commands.\n");
	if (!session_ops(s)->is_keyed(session_ctx(s)))
		session_say(out, "No key is loaded: nothing can be changed from here.");
	session_settle(s, out);
}

bool session_byte(struct session *s, u8 byte, struct text *out)
{
	if (!goes_on(s, out))
		return false;
	s->input_ns = session_now_ns(s);
	if (s->state == SESSION_MORE)
		press_for_more(s, byte, out);
	else if (s->state == SESSION_ACTS)
		press_while_acting(s, byte, out);
	else
		type(s, byte, out);
	return goes_on(s, out);
}

static bool is_expiring(const struct session *s)
{
	return s->state == SESSION_ANSWER || s->state == SESSION_YES;
}

static u64 idle_end_ns(const struct session *s)
{
	u32 idle_s = s->who.guard->idle_s;

	return idle_s ? s->input_ns + idle_s * SESSION_NS_PER_S : NEVER_NS;
}

bool session_tick(struct session *s, struct text *out)
{
	u64 now = session_now_ns(s);

	if (!goes_on(s, out))
		return false;
	if (s->state == SESSION_ACTS) {
		session_step(s, out);
	} else if (now >= idle_end_ns(s)) {
		text_add(out, "\n");
		session_say(out, "nobody typed anything for long: asleep until it is woken again");
		end(s, "idle");
	} else if (is_expiring(s) && now >= s->expires_ns) {
		text_add(out, "\n");
		session_come_too_late(s, out);
	}
	return goes_on(s, out);
}

u64 session_deadline_ns(const struct session *s)
{
	u64 idle_ns = idle_end_ns(s);

	if (s->state == SESSION_ACTS)
		return 0;
	return is_expiring(s) && s->expires_ns < idle_ns ? s->expires_ns : idle_ns;
}

void session_show(const struct session *s, struct text *out)
{
	text_add(out, "\n");
	if (s->state == SESSION_ANSWER) {
		text_add(out, "challenge: ");
		auth_show(session_auth(s), &s->challenge, out);
		text_add(out, "\n");
	}
	add_prompt(s, out);
	line_show(&s->line, out);
}

void session_end(struct session *s, const char *why)
{
	if (why)
		end(s, why);
	if (guard_log(&s->who, PINFOLD_GUARD_LOG_SLEEP, 0, s->why))
		chain_flush(&s->who.guard->chain);
	auth_drop(&s->challenge);
	line_begin(&s->line, false);
	s->may_read = false;
	s->token = 0;
	end(s, s->why);
}
