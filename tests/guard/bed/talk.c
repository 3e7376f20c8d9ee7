// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See talk.h. A reply has come when what a place shows ends with a prompt or a question. On the screen the line that was typed
 * is waited for before Enter is pressed: the old prompt is not taken for the new one.
 */
#include "talk.h"

#include <stdio.h>
#include <string.h>

/* What a command may take at the utmost on a busy host; the guard's own limit is 2 s of the guest's clock. */
#define REPLY_MS 30000

static char reply_text[1 << 16];

void wake_by_chord(struct bed *b)
{
	bed_key(b, "ctrl-alt-shift-g");
}

void wake_by_sysrq(struct bed *b)
{
	bed_key(b, "alt-sysrq-x");
}

void wake_by_command(struct bed *b)
{
	bed_line_send(b, "guard\r", 6);
}

void wake_by_break(struct bed *b)
{
	bed_line_break(b);
}

const char *shown(struct bed *b, enum place where)
{
	static char screen[SCREEN_ROWS * (SCREEN_COLS + 1) + 1];

	if (where == SERIAL) {
		bed_line_poll(b, 10);
		return b->line.text ? b->line.text : "";
	}
	bed_screen(b, screen);
	return screen;
}

/* Whether a text ends with this, blanks aside. Returns where it begins. */
static const char *ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	while (n && strchr(" \r\n", text[n - 1])) {
		n--;
	}
	return n >= m && memcmp(text + n - m, end, m) == 0 ? text + n - m : NULL;
}

/* The prompt that the text ends with; its terminal in *ret_terminal. */
static const char *prompt_at_end(const char *text, char *ret_terminal)
{
	static const char *const prompts[] = { "guard A>", "guard B>", "guard A (no key)>",
					       "guard B (no key)>" };

	for (size_t i = 0; i < sizeof(prompts) / sizeof(prompts[0]); i++) {
		const char *at = ends_with(text, prompts[i]);

		if (at) {
			*ret_terminal = prompts[i][strlen("guard ")];
			return at;
		}
	}
	return NULL;
}

char expect_prompt(struct bed *b, enum place where, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	const char *text;
	char terminal;

	for (;;) {
		text = shown(b, where);
		if (prompt_at_end(text, &terminal)) {
			return terminal;
		}
		need(now_ms() < end, "no prompt in %d ms, but: %s", timeout_ms, text);
	}
}

char dialogue_begin(struct bed *b)
{
	bed_line_drop(b);
	wake_by_command(b);
	return expect_prompt(b, SERIAL, 20000);
}

void expect_text(struct bed *b, enum place where, const char *text, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	const char *all;

	while (!strstr(all = shown(b, where), text)) {
		need(now_ms() < end, "\"%s\" was not shown in %d ms, but: %s", text, timeout_ms,
		     all);
	}
}

/* Type what is shown as it is typed. */
static void type_line(struct bed *b, enum place where, const char *line)
{
	if (where == SERIAL) {
		bed_line_drop(b);
		bed_line_send(b, line, strlen(line));
		bed_line_send(b, "\r", 1);
		return;
	}
	bed_type(b, line);
	for (int64_t end = now_ms() + REPLY_MS; *line && !ends_with(shown(b, where), line);) {
		need(now_ms() < end, "the screen does not show what is typed: %s", shown(b, where));
	}
	bed_type(b, "\n");
}

/*
 * Where the answer begins in what is shown: after a line that ends with what was typed. On the screen the last one, for there are
 * older ones above; on the serial line the first, for what it said before was dropped.
 */
static const char *answer_begin(const char *text, enum place where, const char *line)
{
	const char *begin = text, *at = text;

	while (*line && (at = strstr(at, line))) {
		at += strlen(line);
		if (*at == '\r' || *at == '\n') {
			begin = at + strspn(at, "\r\n");
		}
		if (begin != text && where == SERIAL) {
			break;
		}
	}
	return begin;
}

/* Whether what follows the line that was typed is a whole reply. */
static bool is_reply(const char *text, enum place where, const char *line, enum reply *ret)
{
	const char *begin = answer_begin(text, where, line), *end;
	char terminal;

	if (*line && begin == text) {
		return false;
	}
	if ((end = prompt_at_end(begin, &terminal))) {
		*ret = REPLY_PROMPT;
	} else if ((end = ends_with(begin, "gives up):"))) {
		*ret = REPLY_ANSWER;
	} else if ((end = ends_with(begin, "passphrase (is not shown):"))) {
		*ret = REPLY_PASSPHRASE;
	} else if ((end = ends_with(begin, "-- any key goes on, q ends --"))) {
		*ret = REPLY_MORE;
	} else {
		return false;
	}
	snprintf(reply_text, sizeof(reply_text), "%.*s", (int)(end - begin), begin);
	return true;
}

/* Wait for the reply to what was typed. */
static enum reply await(struct bed *b, enum place where, const char *line)
{
	int64_t end = now_ms() + REPLY_MS;
	enum reply reply;
	const char *text;

	while (!is_reply(text = shown(b, where), where, line, &reply)) {
		need(now_ms() < end, "no reply to \"%s\" in %d ms, but: %s", line, REPLY_MS, text);
	}
	return reply;
}

enum reply say(struct bed *b, enum place where, const char *line)
{
	type_line(b, where, line);
	return await(b, where, line);
}

enum reply say_hidden(struct bed *b, const char *line)
{
	bed_line_drop(b);
	bed_line_send(b, line, strlen(line));
	bed_line_send(b, "\r", 1);
	return await(b, SERIAL, "");
}

const char *said(void)
{
	return reply_text;
}

const char *command(struct bed *b, enum place where, const char *line)
{
	need(say(b, where, line) == REPLY_PROMPT, "\"%s\" wants an answer: %s", line, said());
	return said();
}

const char *answer(struct bed *b, enum place where)
{
	char challenge[128], text[16];

	challenge_in(said(), challenge);
	answer_to(challenge, text);
	return command(b, where, text);
}

const char *authorised(struct bed *b, enum place where, const char *line)
{
	need(say(b, where, line) == REPLY_ANSWER, "\"%s\" wants no answer: %s", line, said());
	return answer(b, where);
}

void leave(struct bed *b, enum place where)
{
	type_line(b, where, "exit");
}
