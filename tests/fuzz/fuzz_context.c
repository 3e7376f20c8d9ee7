/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The context file reader on any bytes. The checksum is mended first, or no input would get past it;
 * whatever is accepted is then read through the view, to its last byte.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fuzz.h"
#include "vm/context_file.h"

/* Makes the reads below count as used. */
static volatile unsigned int bytes_seen;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct context_view v;
	uint8_t *copy = malloc(size + 1); /* an exact size would be NULL for 0 */
	unsigned int sum = 0;

	if (!copy) {
		return 0;
	}
	memcpy(copy, data, size);
	if (size >= sizeof(struct context_head) + sizeof(struct context_tail)) {
		uint64_t checksum = XXH3_64bits(copy, size - 8);

		memcpy(copy + size - 8, &checksum, 8);
	}
	if (context_parse(copy, size, false, &v, NULL) == 0) {
		for (uint64_t i = 0; i < v.head.state_bytes; i++) {
			sum += v.state[i];
		}
		for (uint64_t i = 0; i < v.head.device_bytes; i++) {
			sum += v.devices[i];
		}
		for (uint32_t i = 0; i < v.head.n_regions; i++) {
			sum += (unsigned int)context_region_at(&v, i).perm;
		}
		for (uint64_t i = 0; i < v.n_pages; i++) {
			sum += context_page_bytes(&v, i)[PAGE_BYTES - 1];
		}
	}
	free(copy);
	bytes_seen = sum;
	return 0;
}
