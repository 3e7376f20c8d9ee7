/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ELF parser, and the detection of formats. */
#include "fuzz_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct image_plan plan = { 0 };
	struct errmsg e = { 0 };
	int r = image_parse_elf(data, n, &plan, &e);

	if (r == 0) {
		BUG_ON(image_detect(data, n) != IMAGE_ELF || !plan.has_arch || plan.decoded);
		fuzz_plan_check(&plan, data, n);
	} else {
		BUG_ON(!e.text[0] || plan.n_segs);
	}
	return 0;
}
