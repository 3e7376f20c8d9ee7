/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes to lines. CR, LF and CR LF end a line; backspace and DEL take a character back, Ctrl-U all of
 * them; Ctrl-C gives the line up; Ctrl-D in an empty line is the end. Escape sequences (arrows, function
 * keys) and NUL (BREAK) are swallowed. Any other byte that is not printable ASCII spoils the line.
 */
#ifndef PINFOLD_GUARD_LINE_H
#define PINFOLD_GUARD_LINE_H

#include "port.h"
#include "text.h"

#define LINE_CHARS_MAX 80

enum line_event {
	LINE_NONE,     /* goes on */
	LINE_DONE,     /* line.buf is a line */
	LINE_TOO_LONG, /* ended, but had more than LINE_CHARS_MAX characters */
	LINE_SPOILT,   /* ended, but had bytes that are no text */
	LINE_STOP,     /* Ctrl-C */
	LINE_END,      /* Ctrl-D */
};

struct line {
	char buf[LINE_CHARS_MAX + 1]; /* ends with a NUL whenever an event says so */
	u32 typed;		      /* characters, also those beyond LINE_CHARS_MAX */
	bool is_hidden;		      /* nothing is echoed */
	bool is_spoilt;
	bool had_cr;  /* an LF now belongs to it */
	u8 in_escape; /* enum line_escape */
};

/** Begin a line; what was in it is wiped. How far an escape sequence is, and CR LF, survive. */
void line_begin(struct line *l, bool is_hidden);

/**
 * What a byte means as a key by itself: for "press any key".
 * @return the byte, '\n' for any line end, 0 for what is swallowed
 */
u8 line_key(struct line *l, u8 byte);

/** Take a byte; what is to be seen of it goes to @p echo. After any event but LINE_NONE: line_begin(). */
enum line_event line_byte(struct line *l, u8 byte, struct text *echo);

/** What was typed so far, as it was echoed. */
void line_show(const struct line *l, struct text *out);

#endif
