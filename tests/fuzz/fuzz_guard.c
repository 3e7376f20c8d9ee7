/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the guard's dialogues: bytes and events at two terminals, clock jumps, VMs that come and go. The
 * harness (tests/guard/drive.h) has the key and knows who has authority for what. How much was typed and done
 * is said at the end.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "drive.h"
#include "fuzz.h"

static struct drive_counts counts;
static bool is_counting;

static void say_counts(void)
{
	fprintf(stderr, "lines %" PRIu64 ", right answers %" PRIu64 ", deeds %" PRIu64 "\n",
		counts.lines, counts.answers, counts.deeds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!is_counting) {
		is_counting = true;
		(void)atexit(say_counts);
	}
	drive(data, n, &counts);
	return 0;
}
