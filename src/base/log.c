/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One write() per line, so that lines of several threads don't mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 1024

static const char *log_program = "pinfold";
static _Atomic(enum log_level) log_max = LOG_LEVEL_INFO;
static _Atomic(log_writer_fn *) log_writer;

void log_setup(const char *program, enum log_level max)
{
	log_program = program;
	atomic_store(&log_max, max);
}

void log_writer_set(log_writer_fn *writer)
{
	atomic_store(&log_writer, writer);
}

static void to_stderr(enum log_level level, const char *text)
{
	static const char *const tags[] = { "", "warning: ", "", "debug: " };
	char line[LINE_BYTES + 64];
	int n = snprintf(line, sizeof(line) - 1, "%s: %s%s", log_program, tags[level], text);
	size_t len = n < (int)sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;

	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		return; /* stderr is gone; there is no other place to say so */
	}
}

void log_write(enum log_level level, const char *fmt, ...)
{
	log_writer_fn *writer = atomic_load(&log_writer);
	char text[LINE_BYTES];
	va_list ap;

	if (level > atomic_load(&log_max)) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (writer) {
		writer(level, text, strlen(text));
	} else {
		to_stderr(level, text);
	}
}
