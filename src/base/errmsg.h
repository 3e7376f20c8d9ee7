/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An error that a person will read: one clear sentence in a fixed buffer.
 *
 * The callee that knows what is wrong writes the sentence; callers on the way up may put
 * context in front of it. A NULL errmsg means that nobody will read it.
 */
#ifndef PINFOLD_BASE_ERRMSG_H
#define PINFOLD_BASE_ERRMSG_H

#define ERRMSG_SIZE 384

/** The sentence; always NUL-terminated. Zero-initialise before first use. */
struct errmsg {
	char text[ERRMSG_SIZE];
};

/**
 * Write the sentence and hand back the error code, so that `return errmsg_set(...)` reads well.
 * @param e   receives the text; may be NULL
 * @param err negative errno to return
 * @param fmt printf format of one sentence: what was wrong, where, what to do
 * @return @p err
 */
int errmsg_set(struct errmsg *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Put context in front of the sentence ("FILE: ...").
 * @param e   the sentence to extend; may be NULL; text that no longer fits is cut at the end
 * @param fmt printf format of the prefix
 */
void errmsg_prefix(struct errmsg *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
