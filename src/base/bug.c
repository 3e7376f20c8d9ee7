/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Last words of a process whose invariant is broken. */
#include "base/bug.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void bug_report(const char *what, const char *file, int line)
{
	char text[256];
	int n;

	n = snprintf(text, sizeof(text), "pinfold: BUG: %s at %s:%d\n", what, file, line);
	if (n > 0) {
		size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;

		if (write(STDERR_FILENO, text, len) < 0) {
			abort(); /* nobody to tell */
		}
	}
	abort();
}
