/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for terminals: what comes from the daemon, a guest or another user is made harmless, figures
 * are made readable.
 */
#ifndef PINFOLD_CLI_TEXT_H
#define PINFOLD_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Room for any of the figures below. */
#define TEXT_FIGURE_BYTES 48

/**
 * A copy that does nothing to a terminal: control characters, bytes that are no UTF-8, and marks that
 * turn the writing direction become '?'; newlines and tabs become blanks.
 * @return on the heap; NULL: out of memory
 */
char *text_safe(const char *s);

/** The same, into a buffer; what does not fit is cut between characters. @return @p buf */
char *text_safe_to(const char *s, char *buf, size_t size);

/** Columns that a harmless text takes on a terminal. */
size_t text_width(const char *s);

/**
 * Print "LABEL  text", made harmless; a text that is longer than a line goes on below its beginning,
 * broken between words.
 * @param label takes at least 14 columns
 */
void text_print(FILE *f, const char *label, const char *text);

/** A size, as "64M" or "1.5G". @return @p buf */
char *text_size(uint64_t bytes, char buf[TEXT_FIGURE_BYTES]);

/** A time that was used, as "1.2s", "35ms" or "2h05m". @return @p buf */
char *text_time(uint64_t ns, char buf[TEXT_FIGURE_BYTES]);

/** A length of time in words, as "3 minutes". @return @p buf */
char *text_duration(uint64_t ns, char buf[TEXT_FIGURE_BYTES]);

/**
 * A point in time, read.
 * @param rfc3339 "2026-11-20T16:00:00Z", with or without a fraction, or an offset "+01:00"
 * @return ns since 1970; -1 when it is not one, or before that
 */
int64_t text_parse_time(const char *rfc3339);

/** How long ago a point in time is, as "3 minutes ago"; "-" when it is not one. @return @p buf */
char *text_ago(const char *rfc3339, char buf[TEXT_FIGURE_BYTES]);

#endif
