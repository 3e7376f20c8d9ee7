/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the person or the journal: one sentence, then key=value. */
#ifndef PINFOLD_BASE_LOG_H
#define PINFOLD_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/**
 * Takes one line.
 * @param line the text without program name and newline, not terminated
 * @param n    its length
 * Thread: any, several at a time. Must not wait for a disk, nor log.
 */
typedef void log_writer_fn(enum log_level level, const char *line, size_t n);

/**
 * Set what is printed and under which name.
 * @param program name in front of every line; must live as long as the process
 * @param max     most detailed level that is printed
 */
void log_setup(const char *program, enum log_level max);

/** Hand lines to a writer instead of stderr. @param writer NULL: stderr again */
void log_writer_set(log_writer_fn *writer);

/** Print one line to stderr, or hand it over, if @p level is wanted. Any thread. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)   log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
