/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the person or the journal: one sentence, then key=value. */
#ifndef PINFOLD_BASE_LOG_H
#define PINFOLD_BASE_LOG_H

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/**
 * Set what is printed and under which name.
 * @param program name in front of every line; must live as long as the process
 * @param max     most detailed level that is printed
 */
void log_setup(const char *program, enum log_level max);

/** Print one line to stderr if @p level is wanted. Any thread. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)   log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
