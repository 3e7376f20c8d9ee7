/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Harmless text and readable figures; see text.h. */
#include "cli/text.h"

#include <inttypes.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "base/bits.h"

#define LINE_COLUMNS  80
#define LABEL_COLUMNS 14

/* Widths of characters must not depend on the environment, which may name no locale at all. */
static void use_utf8(void)
{
	static bool is_done;

	if (!is_done) {
		is_done = true;
		setlocale(LC_CTYPE, "C.UTF-8");
	}
}

/* One character in UTF-8, strictly. @return its bytes; 0: it is none */
static size_t decode(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (n == 0 || s[0] > 0xf4) {
		return 0;
	}
	c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			return 0;
		}
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		return 0;
	}
	*ret = c;
	return n;
}

static bool is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
		return false;
	}
	/* Marks that turn the direction of writing, and separators of lines. */
	if ((c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || c == 0x61c || c == 0xfeff) {
		return false;
	}
	return wcwidth((wchar_t)c) >= 0;
}

char *text_safe_to(const char *s, char *buf, size_t size)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t used = 0;

	use_utf8();
	while (*p) {
		uint32_t c = 0;
		size_t n = decode(p, &c);
		bool is_kept = n > 0 && is_harmless(c);
		size_t out = is_kept ? n : 1;

		if (used + out + 1 > size) {
			break;
		}
		if (is_kept) {
			memcpy(buf + used, p, n);
		} else {
			buf[used] = *p == '\n' || *p == '\t' ? ' ' : '?';
		}
		used += out;
		p += n > 0 ? n : 1;
	}
	buf[used] = '\0';
	return buf;
}

char *text_safe(const char *s)
{
	size_t size = strlen(s) + 1;
	char *buf = malloc(size);

	return buf ? text_safe_to(s, buf, size) : NULL;
}

size_t text_width(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t width = 0;

	use_utf8();
	while (*p) {
		uint32_t c = 0;
		size_t n = decode(p, &c);
		int columns = n > 0 ? wcwidth((wchar_t)c) : 1;

		width += columns > 0 ? (size_t)columns : 0;
		p += n > 0 ? n : 1;
	}
	return width;
}

/* Words behind a label: @p indent columns are taken, in this line and in those that follow. */
static void print_words(FILE *f, char *words, size_t indent)
{
	size_t used = indent;
	char *rest;

	for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		size_t width = text_width(w);

		if (used > indent && used + 1 + width > LINE_COLUMNS) {
			fprintf(f, "\n%*s", (int)indent, "");
			used = indent;
		}
		used += (size_t)fprintf(f, used > indent ? " " : "");
		fputs(w, f);
		used += width;
	}
	putc('\n', f);
}

void text_print(FILE *f, const char *label, const char *text)
{
	char *safe = text_safe(text);
	int columns = fprintf(f, "%-*s ", LABEL_COLUMNS, label);

	if (safe && columns > 0) {
		print_words(f, safe, (size_t)columns);
	}
	free(safe);
}

/* VALUE/UNIT with one decimal below 10, none where it is whole. */
static char *scaled(uint64_t value, uint64_t unit, const char *suffix, char *buf)
{
	uint64_t tenths = (value % unit) * 10 / unit;

	if (value / unit < 10 && tenths > 0) {
		snprintf(buf, TEXT_FIGURE_BYTES, "%" PRIu64 ".%" PRIu64 "%s", value / unit, tenths,
			 suffix);
	} else {
		snprintf(buf, TEXT_FIGURE_BYTES, "%" PRIu64 "%s", value / unit, suffix);
	}
	return buf;
}

char *text_size(uint64_t bytes, char buf[TEXT_FIGURE_BYTES])
{
	static const char suffixes[][2] = { "T", "G", "M", "K" };
	uint64_t unit = BIT(40);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++, unit >>= 10) {
		if (bytes >= unit) {
			return scaled(bytes, unit, suffixes[i], buf);
		}
	}
	snprintf(buf, TEXT_FIGURE_BYTES, "%" PRIu64, bytes);
	return buf;
}

char *text_time(uint64_t ns, char buf[TEXT_FIGURE_BYTES])
{
	uint64_t s = ns / NS_PER_S;

	if (s >= 3600) {
		snprintf(buf, TEXT_FIGURE_BYTES, "%" PRIu64 "h%02um", s / 3600,
			 (unsigned int)(s / 60 % 60));
	} else if (s >= 60) {
		snprintf(buf, TEXT_FIGURE_BYTES, "%um%02us", (unsigned int)(s / 60),
			 (unsigned int)(s % 60));
	} else if (s > 0) {
		snprintf(buf, TEXT_FIGURE_BYTES, "%u.%us", (unsigned int)s,
			 (unsigned int)(ns / (100 * NS_PER_MS) % 10));
	} else if (ns >= NS_PER_MS) {
		return scaled(ns, NS_PER_MS, "ms", buf);
	} else if (ns >= NS_PER_US) {
		return scaled(ns, NS_PER_US, "us", buf);
	} else {
		snprintf(buf, TEXT_FIGURE_BYTES, ns ? "%" PRIu64 "ns" : "%" PRIu64, ns);
	}
	return buf;
}

char *text_duration(uint64_t ns, char buf[TEXT_FIGURE_BYTES])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { UINT64_C(86400) * 7, "week" },
		      { 86400, "day" },
		      { 3600, "hour" },
		      { 60, "minute" },
		      { 1, "second" } };
	uint64_t s = ns / NS_PER_S;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		uint64_t n = s / units[i].seconds;

		/* "40 hours" rather than "1 day". */
		if (n >= 2 || (n == 1 && 2 * s < 3 * units[i].seconds)) {
			snprintf(buf, TEXT_FIGURE_BYTES, "%" PRIu64 " %s%s", n, units[i].name,
				 n == 1 ? "" : "s");
			return buf;
		}
	}
	snprintf(buf, TEXT_FIGURE_BYTES, "less than a second");
	return buf;
}

/* ".123" behind the seconds. @return what follows */
static const char *parse_fraction(const char *p, int64_t *ret_ns)
{
	int64_t unit = (int64_t)NS_PER_S / 10;

	*ret_ns = 0;
	if (*p != '.') {
		return p;
	}
	for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10) {
		*ret_ns += (*p - '0') * unit;
	}
	return p;
}

int64_t text_parse_time(const char *rfc3339)
{
	struct tm tm = { 0 };
	int hours = 0;
	int minutes = 0;
	char sign = '+';
	int64_t fraction_ns;
	int64_t t;
	const char *p = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!p) {
		return -1;
	}
	p = parse_fraction(p, &fraction_ns);
	if (strcmp(p, "Z") != 0 && sscanf(p, "%c%2d:%2d", &sign, &hours, &minutes) != 3) {
		return -1;
	}
	hours = hours * 60 + minutes;
	t = (int64_t)timegm(&tm) + (sign == '-' ? 60 : -60) * (int64_t)hours;
	if (t < 0 || t > INT64_MAX / (int64_t)NS_PER_S - 1) {
		return -1;
	}
	return t * (int64_t)NS_PER_S + fraction_ns;
}

char *text_ago(const char *rfc3339, char buf[TEXT_FIGURE_BYTES])
{
	int64_t t = text_parse_time(rfc3339);
	char length[TEXT_FIGURE_BYTES];
	struct timespec ts;
	int64_t now;

	if (t < 0) {
		snprintf(buf, TEXT_FIGURE_BYTES, "-");
		return buf;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	now = (int64_t)ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
	text_duration((uint64_t)(now > t ? now - t : 0), length);
	snprintf(buf, TEXT_FIGURE_BYTES, "%.40s ago", length);
	return buf;
}
