/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes from a terminal become lines, whatever comes: what is echoed is what is there. */
#include "core/line.h"

#include "test.h"

static struct line line;
static char echoed[1 << 16];
static struct text echo;

/* Feed all bytes; the event of the last one. */
static enum line_event feed_n(const char *bytes, size_t n)
{
	enum line_event e = LINE_NONE;

	text_init(&echo, echoed, sizeof(echoed));
	for (size_t i = 0; i < n; i++) {
		CHECK_INT(e, LINE_NONE);
		e = line_byte(&line, (u8)bytes[i], &echo);
	}
	return e;
}

static enum line_event feed(const char *bytes)
{
	return feed_n(bytes, strlen(bytes));
}

static void begin(bool is_hidden)
{
	memset(&line, 0, sizeof(line));
	line_begin(&line, is_hidden);
}

static void takes_a_line(void)
{
	begin(false);
	CHECK_INT(feed("kill 7\r"), LINE_DONE);
	CHECK_STR(line.buf, "kill 7");
	CHECK_STR(echoed, "kill 7\n");
}

static void knows_every_line_end(void)
{
	static const char *const ends[] = { "\r", "\n", "\r\n" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		begin(false);
		feed("a");
		CHECK_INT(line_byte(&line, (u8)ends[i][0], &echo), LINE_DONE);
		line_begin(&line, false);
		if (ends[i][1]) {
			CHECK_INT(line_byte(&line, (u8)ends[i][1], &echo), LINE_NONE);
		}
		CHECK_INT(feed("b\n"), LINE_DONE);
		CHECK_STR(line.buf, "b");
	}
	begin(false);
	CHECK_INT(feed("\n"), LINE_DONE);
	line_begin(&line, false);
	CHECK_INT(feed("\n"), LINE_DONE); /* two LF are two lines */
}

static void takes_back(void)
{
	begin(false);
	CHECK_INT(feed("ax\x7f\bkill\b\b\b\bb\n"), LINE_DONE);
	CHECK_STR(line.buf, "b");
	CHECK_STR(echoed, "ax\b \b\b \bkill\b \b\b \b\b \b\b \bb\n");
	begin(false);
	CHECK_INT(feed("\b\bab\x15\x15"
		       "c\n"),
		  LINE_DONE);
	CHECK_STR(line.buf, "c");
	CHECK_STR(echoed, "ab\b \b\b \bc\n");
}

static void gives_up_and_ends(void)
{
	begin(false);
	CHECK_INT(feed("ab\x03"), LINE_STOP);
	CHECK_STR(echoed, "ab^C\n");
	begin(false);
	CHECK_INT(feed("ab\x04"), LINE_NONE);
	begin(false);
	CHECK_INT(feed("\x04"), LINE_END);
}

static void refuses_what_is_too_long(void)
{
	char bytes[LINE_CHARS_MAX + 20];

	memset(bytes, 'x', sizeof(bytes));
	begin(false);
	CHECK_INT(feed_n(bytes, LINE_CHARS_MAX), LINE_NONE);
	CHECK_INT(feed("\n"), LINE_DONE);
	CHECK_INT(strlen(line.buf), LINE_CHARS_MAX);
	begin(false);
	CHECK_INT(feed_n(bytes, LINE_CHARS_MAX + 1), LINE_NONE);
	CHECK_INT(echo.used, LINE_CHARS_MAX);
	CHECK_INT(feed("\n"), LINE_TOO_LONG);
	begin(false);
	feed_n(bytes, LINE_CHARS_MAX + 2);
	CHECK_INT(feed("\b\b"), LINE_NONE); /* they were not to be seen */
	CHECK_STR(echoed, "");
	CHECK_INT(feed("\by\n"), LINE_DONE);
	CHECK_STR(echoed, "\b \by\n");
	CHECK_INT(line.buf[LINE_CHARS_MAX - 1], 'y');
}

static void refuses_what_is_no_text(void)
{
	static const char *const bytes[] = { "a\x01", "\xff", "k\xc3\xa4", "\t", "\x1b\x01" };

	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
		begin(false);
		CHECK_INT(feed(bytes[i]), LINE_NONE);
		CHECK_INT(feed("\n"), LINE_SPOILT);
	}
	begin(false);
	feed("\xff\x15");
	CHECK_INT(feed("a\n"), LINE_DONE);
}

static void swallows_escape_sequences(void)
{
	begin(false);
	CHECK_INT(feed("a\x1b[A\x1b[1;5C\x1bOP\x1b[3~\x1bxb\x1b[20\n"), LINE_DONE);
	CHECK_STR(line.buf, "ab");
	CHECK_STR(echoed, "ab\n");
	begin(false);
	CHECK_INT(feed_n("a\0b\n", 4), LINE_DONE); /* BREAK */
	CHECK_STR(line.buf, "ab");
	begin(false);
	CHECK_INT(feed("\x1b\x1b[Ba\n"), LINE_DONE);
	CHECK_STR(line.buf, "a");
}

static void hides_and_forgets(void)
{
	static const char zeros[sizeof(line.buf)];

	begin(true);
	CHECK_INT(feed("secret\b\n"), LINE_DONE);
	CHECK_STR(line.buf, "secre");
	CHECK_STR(echoed, "\n");
	text_init(&echo, echoed, sizeof(echoed));
	line_show(&line, &echo);
	CHECK_STR(echoed, "");
	line_begin(&line, false);
	CHECK(!memcmp(line.buf, zeros, sizeof(zeros)));
	begin(true);
	feed("ab");
	CHECK_INT(feed("\x15"), LINE_NONE);
	CHECK_STR(echoed, "");
	CHECK(!memcmp(line.buf, zeros, sizeof(zeros)));
}

/* What a screen shows after the echo is the line that was taken. */
static void echo_is_the_line(void)
{
	static const char pool[] = "ab \b\b\x7f\x15\x1b[OA~;1\x01\xffz";
	u32 seed = 1;

	for (u32 round = 0; round < 2000; round++) {
		char screen[LINE_CHARS_MAX + 1] = "";
		size_t at = 0;

		begin(false);
		text_init(&echo, echoed, sizeof(echoed));
		for (u32 i = 0; i < round % 300; i++) {
			seed = seed * 1103515245u + 12345u;
			(void)line_byte(&line, (u8)pool[(seed >> 16) % (sizeof(pool) - 1)], &echo);
		}
		for (size_t i = 0; i < echo.used; i++) {
			if (echoed[i] == '\b') {
				at--;
			} else {
				screen[at++] = echoed[i];
			}
		}
		CHECK_INT(at, line.typed < LINE_CHARS_MAX ? line.typed : LINE_CHARS_MAX);
		CHECK(!memcmp(screen, line.buf, at));
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "takes a line", takes_a_line },
		{ "knows every line end", knows_every_line_end },
		{ "takes back", takes_back },
		{ "gives up and ends", gives_up_and_ends },
		{ "refuses what is too long", refuses_what_is_too_long },
		{ "refuses what is no text", refuses_what_is_no_text },
		{ "swallows escape sequences", swallows_escape_sequences },
		{ "hides and forgets", hides_and_forgets },
		{ "echo is the line", echo_is_the_line },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
