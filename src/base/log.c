/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One write() per line, so that lines of several threads don't mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *log_program = "pinfold";
static enum log_level log_max = LOG_LEVEL_INFO;

void log_setup(const char *program, enum log_level max)
{
	log_program = program;
	log_max = max;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const tags[] = { "", "warning: ", "", "debug: " };
	char line[1024];
	va_list ap;
	size_t len;

	if (level > log_max) {
		return;
	}
	snprintf(line, sizeof(line), "%s: %s", log_program, tags[level]);
	len = strlen(line);
	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		return; /* stderr is gone; there is no other place to say so */
	}
}
