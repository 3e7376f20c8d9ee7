/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in few columns; see top_format.h. */
#include "cli/top/top_format.h"

#include <inttypes.h>
#include <stdio.h>

#define MINUTE_S 60u
#define HOUR_S	 3600u
#define DAY_S	 86400u

void top_format_duration(ns_t ns, char ret[TOP_FORMAT_SIZE])
{
	uint64_t s = ns / NS_PER_S;

	if (ns == 0) {
		snprintf(ret, TOP_FORMAT_SIZE, "0");
	} else if (ns < NS_PER_MS) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 "us", (uint64_t)(ns / NS_PER_US));
	} else if (ns < NS_PER_S) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 "ms", (uint64_t)(ns / NS_PER_MS));
	} else if (s < MINUTE_S) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 ".%" PRIu64 "s", s,
			 (uint64_t)(ns % NS_PER_S / (100 * NS_PER_MS)));
	} else if (s < HOUR_S) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 "m%02" PRIu64 "s", s / MINUTE_S,
			 s % MINUTE_S);
	} else if (s < DAY_S) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 "h%02" PRIu64 "m", s / HOUR_S,
			 s % HOUR_S / MINUTE_S);
	} else {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 "d", s / DAY_S);
	}
}

void top_format_size(uint64_t bytes, char ret[TOP_FORMAT_SIZE])
{
	static const char unit[] = "BKMGTPE";
	uint64_t whole = bytes;
	uint64_t rest = 0;
	size_t i = 0;

	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		i++;
	}
	if (i == 0) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64, whole);
	} else if (whole < 10) {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 ".%" PRIu64 "%c", whole, rest * 10 / 1024,
			 unit[i]);
	} else {
		snprintf(ret, TOP_FORMAT_SIZE, "%" PRIu64 "%c", whole, unit[i]);
	}
}

void top_format_permille(uint32_t permille, char ret[TOP_FORMAT_SIZE])
{
	if (permille < 1000) {
		snprintf(ret, TOP_FORMAT_SIZE, "%u.%u", permille / 10, permille % 10);
	} else {
		snprintf(ret, TOP_FORMAT_SIZE, "%u", permille / 10);
	}
}
