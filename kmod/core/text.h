/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Text built into a buffer of fixed size. What does not fit is cut off, and text_is_cut() says so; the
 * buffer always ends with a NUL. Only printable ASCII, newlines and what the caller's constants hold
 * goes in: anything else becomes '?'.
 */
#ifndef PINFOLD_GUARD_TEXT_H
#define PINFOLD_GUARD_TEXT_H

#include "port.h"

struct text {
	char *buf;
	size_t size, used; /* bytes; used < size */
	bool cut;
};

/** Begin an empty text in @p buf, which stays the caller's. @param size bytes, at least 1 */
void text_init(struct text *t, char *buf, size_t size);

/** Add a string up to its NUL. */
void text_add(struct text *t, const char *s);

/** Add at most @p max bytes of a string that may lack a NUL. */
void text_add_n(struct text *t, const char *s, size_t max);

/** Add a number in decimal. */
void text_add_u64(struct text *t, u64 n);

/** The same between two strings. */
void text_add_number(struct text *t, const char *before, u64 n, const char *behind);

/** Add a number in decimal with blanks before it, at least @p width characters. */
void text_add_right(struct text *t, u64 n, size_t width);

/** Add a string with blanks after it, exactly @p width characters: a longer one loses its end. */
void text_add_left(struct text *t, const char *s, size_t width);

/** Add what makes a terminal take back the last @p n characters of its line. */
void text_add_erase(struct text *t, size_t n);

/** Where to break @p s so that @p columns are not exceeded: how many characters go on this line. */
size_t text_break(const char *s, size_t columns);

/** Add a string and a newline; lines of more than @p columns go on in the next line, after blanks. */
void text_add_line(struct text *t, const char *s, size_t columns);

static inline bool text_is_cut(const struct text *t)
{
	return t->cut;
}

#endif
