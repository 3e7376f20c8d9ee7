/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Formatting of errors that a person will read. */
#include "base/errmsg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int errmsg_set(struct errmsg *e, int err, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		va_start(ap, fmt);
		vsnprintf(e->text, sizeof(e->text), fmt, ap);
		va_end(ap);
	}
	return err;
}

void errmsg_prefix(struct errmsg *e, const char *fmt, ...)
{
	char prefix[ERRMSG_SIZE];
	size_t prefix_bytes;
	size_t text_bytes;
	va_list ap;

	if (!e) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	prefix_bytes = strlen(prefix);
	text_bytes = strlen(e->text);
	if (text_bytes > sizeof(e->text) - 1 - prefix_bytes) {
		text_bytes = sizeof(e->text) - 1 - prefix_bytes;
	}
	memmove(e->text + prefix_bytes, e->text, text_bytes);
	memcpy(e->text, prefix, prefix_bytes);
	e->text[prefix_bytes + text_bytes] = '\0';
}
