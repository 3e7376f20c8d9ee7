/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small text files of /proc, /sys and cgroups: read bounded, written in one go. */
#ifndef PINFOLD_HOST_TEXT_H
#define PINFOLD_HOST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * Read a whole file; the newline at its end is dropped.
 * @param dirfd where a relative @p path starts, or AT_FDCWD
 * @param buf   receives the text and a NUL; untouched when the file can't be opened
 * @return its length; -EFBIG when it does not fit; -EBADMSG when it holds a NUL; negative errno
 */
ssize_t host_text_read_at(int dirfd, const char *path, char *buf, size_t size);

/** The same, by the path that @p fmt makes. @return also -ENAMETOOLONG */
ssize_t host_text_read(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * Write @p text over a file that is there, in one write, as /proc and cgroups want it.
 * @return 0; -ENAMETOOLONG; negative errno
 */
int host_text_write(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Whether @p word is one of the words of @p list, which @p sep separates. */
bool host_text_has_word(const char *list, const char *word, char sep);

#endif
