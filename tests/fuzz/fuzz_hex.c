/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Intel HEX parser with a limit that inputs can reach, and the detection of formats. */
#include "fuzz_plan.h"

#define LIMIT_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct image_plan plan = { 0 };
	struct errmsg e = { 0 };
	int r = image_parse_hex(data, n, LIMIT_BYTES, &plan, &e);

	image_detect(data, n);
	if (r == 0) {
		BUG_ON(plan.decoded_bytes > LIMIT_BYTES);
		fuzz_plan_check(&plan, plan.decoded, plan.decoded_bytes);
	} else {
		BUG_ON(!e.text[0] || plan.n_segs || plan.decoded);
	}
	image_plan_done(&plan);
	return 0;
}
