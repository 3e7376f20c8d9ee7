// SPDX-License-Identifier: GPL-2.0
#include "line.h"

enum line_escape {
	ESCAPE_NONE,
	ESCAPE_BEGUN,	 /* after ESC */
	ESCAPE_SEQUENCE, /* after ESC [: up to a letter or ~ */
	ESCAPE_FUNCTION, /* after ESC O: one byte */
};

enum {
	KEY_STOP = 3,
	KEY_END = 4,
	KEY_BACKSPACE = 8,
	KEY_ERASE_LINE = 21,
	KEY_ESCAPE = 27,
	KEY_DELETE = 127
};

void line_begin(struct line *l, bool is_hidden)
{
	memzero_explicit(l->buf, sizeof(l->buf));
	l->typed = 0;
	l->is_hidden = is_hidden;
	l->is_spoilt = false;
}

/* Whether the byte is part of an escape sequence. A control character breaks one off and counts itself. */
static bool is_escape(struct line *l, u8 byte)
{
	u8 state = l->in_escape;

	if (byte == KEY_ESCAPE) {
		l->in_escape = ESCAPE_BEGUN;
		return true;
	}
	l->in_escape = ESCAPE_NONE;
	if (state == ESCAPE_NONE || byte < ' ')
		return false;
	if (state == ESCAPE_BEGUN && byte == '[')
		l->in_escape = ESCAPE_SEQUENCE;
	else if (state == ESCAPE_BEGUN && byte == 'O')
		l->in_escape = ESCAPE_FUNCTION;
	else if (state == ESCAPE_SEQUENCE && (byte < '@' || byte > '~'))
		l->in_escape = ESCAPE_SEQUENCE;
	return true;
}

u8 line_key(struct line *l, u8 byte)
{
	bool had_cr = l->had_cr;

	l->had_cr = byte == '\r';
	if (is_escape(l, byte) || (byte == '\n' && had_cr))
		return 0;
	return byte == '\r' ? '\n' : byte;
}

/* How many characters are there to be seen. */
static u32 shown_chars(const struct line *l)
{
	if (l->is_hidden)
		return 0;
	return l->typed < LINE_CHARS_MAX ? l->typed : LINE_CHARS_MAX;
}

static void add(struct line *l, u8 key, struct text *echo)
{
	if (l->typed < LINE_CHARS_MAX) {
		l->buf[l->typed] = (char)key;
		if (!l->is_hidden)
			text_add_n(echo, &l->buf[l->typed], 1);
	}
	if (l->typed < ~0u)
		l->typed++;
}

static void take_back(struct line *l, struct text *echo)
{
	u32 before = shown_chars(l);

	if (!l->typed)
		return;
	l->typed--;
	text_add_erase(echo, before - shown_chars(l));
	if (l->typed < LINE_CHARS_MAX)
		l->buf[l->typed] = '\0';
}

static enum line_event finish(struct line *l, struct text *echo)
{
	text_add(echo, "\n");
	if (l->is_spoilt)
		return LINE_SPOILT;
	return l->typed > LINE_CHARS_MAX ? LINE_TOO_LONG : LINE_DONE;
}

enum line_event line_byte(struct line *l, u8 byte, struct text *echo)
{
	u8 key = line_key(l, byte);

	switch (key) {
	case 0:
		return LINE_NONE;
	case '\n':
		return finish(l, echo);
	case KEY_STOP:
		text_add(echo, "^C\n");
		return LINE_STOP;
	case KEY_END:
		return l->typed || l->is_spoilt ? LINE_NONE : LINE_END;
	case KEY_BACKSPACE:
	case KEY_DELETE:
		take_back(l, echo);
		return LINE_NONE;
	case KEY_ERASE_LINE:
		text_add_erase(echo, shown_chars(l));
		line_begin(l, l->is_hidden);
		return LINE_NONE;
	default:
		if (key < ' ' || key > '~')
			l->is_spoilt = true;
		else
			add(l, key, echo);
		return LINE_NONE;
	}
}

void line_show(const struct line *l, struct text *out)
{
	text_add_n(out, l->buf, shown_chars(l));
}
