/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A progress bar; see progress.h. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"
#include "host/timer.h"

#define STEP_NS	  (100 * NS_PER_MS)
#define BAR_CELLS 24

void progress_begin(struct progress *p, const char *verb, const char *name, bool is_quiet)
{
	char safe[48];

	memset(p, 0, sizeof(*p));
	p->is_shown = !is_quiet && isatty(STDERR_FILENO);
	p->last_ns = host_clock_monotonic_ns();
	snprintf(p->what, sizeof(p->what), "%s %s", verb, text_safe_to(name, safe, sizeof(safe)));
}

void progress_step(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	uint64_t now = host_clock_monotonic_ns();
	char bar[BAR_CELLS + 1];
	char of[TEXT_FIGURE_BYTES];
	char so_far[TEXT_FIGURE_BYTES];
	size_t cells;

	if (!p->is_shown || now - p->last_ns < STEP_NS) {
		return;
	}
	p->last_ns = now;
	p->is_drawn = true;
	text_size(done, so_far);
	if (total == 0) {
		fprintf(stderr, "\r\033[K%s: %s", p->what, so_far);
		return;
	}
	done = done > total ? total : done;
	cells = (size_t)((double)done / (double)total * BAR_CELLS);
	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', cells);
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "\r\033[K%s: [%s] %3.0f%%, %s of %s", p->what, bar,
		(double)done / (double)total * 100, so_far, text_size(total, of));
}

void progress_end(struct progress *p)
{
	if (p->is_drawn) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
}
