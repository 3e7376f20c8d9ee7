/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strict readers for values that people type. */
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* clang-format off */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", BIT(10) }, { "KB", BIT(10) }, { "KiB", BIT(10) },
	{ "M", BIT(20) }, { "MB", BIT(20) }, { "MiB", BIT(20) },
	{ "G", BIT(30) }, { "GB", BIT(30) }, { "GiB", BIT(30) },
	{ "T", BIT(40) }, { "TB", BIT(40) }, { "TiB", BIT(40) },
};

static const struct unit time_units[] = {
	{ "", NS_PER_S },
	{ "ns", 1 },
	{ "us", NS_PER_US },
	{ "ms", NS_PER_MS },
	{ "s", NS_PER_S },
	{ "m", 60 * NS_PER_S }, { "min", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
};
/* clang-format on */

static const struct unit *unit_find(const struct unit *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(table[i].name, name) == 0) {
			return &table[i];
		}
	}
	return NULL;
}

/* Read the leading digits of text. The result points behind them. */
static int digits(const char *text, const char **ret_end, uint64_t *ret)
{
	char *end;
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	const char *first = base == 16 ? text + 2 : text;
	unsigned long long v;

	/* strtoull would take blanks, a sign and an octal prefix. */
	if (base == 16 ? !isxdigit((unsigned char)*first) : !isdigit((unsigned char)*first)) {
		return -EINVAL;
	}
	errno = 0;
	v = strtoull(first, &end, base);
	if (errno == ERANGE) {
		return -ERANGE;
	}
	*ret = v;
	*ret_end = end;
	return 0;
}

static int fail(int r, const char *what, const char *text, const char *form, struct errmsg *e)
{
	if (r == -ERANGE) {
		return errmsg_set(e, r, "%s '%.64s' is too large", what, text);
	}
	return errmsg_set(e, r, "'%.64s' is not a %s; write %s", text, what, form);
}

int parse_u64(const char *text, uint64_t *ret, struct errmsg *e)
{
	const char *end;
	uint64_t v;
	int r;

	r = digits(text, &end, &v);
	if (r == 0 && *end) {
		r = -EINVAL;
	}
	if (r < 0) {
		return fail(r, "number", text, "123 or 0x7b", e);
	}
	*ret = v;
	return 0;
}

int parse_size_bytes(const char *text, uint64_t *ret_bytes, struct errmsg *e)
{
	const struct unit *u = NULL;
	const char *end;
	uint64_t v;
	int r;

	r = digits(text, &end, &v);
	if (r == 0) {
		u = unit_find(size_units, ARRAY_SIZE(size_units), end);
		if (!u) {
			r = -EINVAL;
		} else if (__builtin_mul_overflow(v, u->factor, &v)) {
			r = -ERANGE;
		}
	}
	if (r < 0) {
		return fail(r, "size", text, "4096, 64K, 16M, 1G or 0x1000", e);
	}
	*ret_bytes = v;
	return 0;
}

/* The digits behind a decimal point as a fraction of unit_ns, rounded down. */
static int fraction_ns(const char *text, const char **ret_end, uint64_t unit_ns, ns_t *ret_ns)
{
	unsigned __int128 value = 0;
	uint64_t scale = 1;
	int n = 0;

	for (; isdigit((unsigned char)text[n]); n++) {
		if (n == 9) {
			return -EINVAL;
		}
		value = value * 10 + (unsigned int)(text[n] - '0');
		scale *= 10;
	}
	if (n == 0) {
		return -EINVAL;
	}
	*ret_ns = (ns_t)(value * unit_ns / scale);
	*ret_end = text + n;
	return 0;
}

/* The unit stands behind the fraction: find it first. */
static const struct unit *duration_unit(const char *end)
{
	if (*end == '.') {
		end++;
		while (isdigit((unsigned char)*end)) {
			end++;
		}
	}
	return unit_find(time_units, ARRAY_SIZE(time_units), end);
}

int parse_duration_ns(const char *text, ns_t *ret_ns, struct errmsg *e)
{
	const struct unit *u = NULL;
	const char *end;
	uint64_t v;
	ns_t part_ns = 0;
	int r;

	r = digits(text, &end, &v);
	if (r == 0) {
		u = duration_unit(end);
		r = u ? 0 : -EINVAL;
	}
	if (r == 0 && *end == '.') {
		r = fraction_ns(end + 1, &end, u->factor, &part_ns);
	}
	if (r == 0 &&
	    (__builtin_mul_overflow(v, u->factor, &v) || __builtin_add_overflow(v, part_ns, &v))) {
		r = -ERANGE;
	}
	if (r < 0) {
		return fail(r, "duration", text, "10ms, 1.5s, 2m or 500us", e);
	}
	*ret_ns = v;
	return 0;
}
