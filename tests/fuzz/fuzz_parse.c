/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The readers of values that people type: what is accepted must survive being written again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "fuzz.h"

typedef int parse_fn(const char *text, uint64_t *ret, struct errmsg *e);

static void one(parse_fn *fn, const char *text, const char *unit)
{
	struct errmsg e = { 0 };
	uint64_t v = 0x5a5a5a5a;
	uint64_t again = 0;
	char out[32];
	int r = fn(text, &v, &e);

	if (r < 0) {
		BUG_ON((r != -EINVAL && r != -ERANGE) || !e.text[0] || v != 0x5a5a5a5a);
		return;
	}
	BUG_ON(r != 0 || e.text[0]);
	/* A number starts with a digit and holds nothing unprintable. */
	BUG_ON(text[0] < '0' || text[0] > '9');
	snprintf(out, sizeof(out), "%" PRIu64 "%s", v, unit);
	BUG_ON(fn(out, &again, NULL) != 0 || again != v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	BUG_ON(!text);
	memcpy(text, data, n);
	text[n] = '\0';
	one(parse_u64, text, "");
	one(parse_size_bytes, text, "");
	one(parse_duration_ns, text, "ns");
	free(text);
	return 0;
}
