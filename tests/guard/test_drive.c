/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A million lines at two terminals, some of them with authority: the same ones each time. */
#include <sodium.h>

#include "drive.h"

#include "test.h"

#define LINES	    1000000
#define INPUT_BYTES 65536

static void a_million_lines(void)
{
	static unsigned char input[INPUT_BYTES];
	unsigned char seed[randombytes_SEEDBYTES] = "lines";
	struct drive_counts counts = { 0 };

	for (unsigned int round = 0; counts.lines < LINES; round++) {
		memcpy(seed + 16, &round, sizeof(round));
		randombytes_buf_deterministic(input, sizeof(input), seed);
		drive(input, sizeof(input), &counts);
	}
	printf("%" PRIu64 " lines, %" PRIu64 " right answers, %" PRIu64 " deeds, %" PRIu64
	       " threads replaced\n",
	       counts.lines, counts.answers, counts.deeds, counts.replaced);
	CHECK(counts.deeds > LINES / 1000);
	CHECK(counts.answers > LINES / 1000);
	CHECK(counts.replaced > LINES / 1000);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "a million lines", a_million_lines },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
