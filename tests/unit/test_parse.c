/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that people type are read strictly: what is accepted, what is refused, and with which words. */
#include "base/parse.h"

#include <errno.h>

#include "test.h"

struct row {
	const char *text;
	int result;
	uint64_t value;
};

static void check_rows(int (*parse)(const char *, uint64_t *, struct errmsg *),
		       const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct errmsg e = { "" };
		uint64_t v = 77;
		int r = parse(rows[i].text, &v, &e);

		if (r != rows[i].result || v != (r ? 77 : rows[i].value) || (r && !e.text[0])) {
			printf("'%s' gives %d, %" PRIu64 " (%s)\n", rows[i].text, r, v, e.text);
			test_failures++;
		}
	}
}

static void numbers(void)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "010", 0, 10 },
		{ "0x7b", 0, 123 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "0x", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1k", -EINVAL, 0 },
		{ "0x1g", -EINVAL, 0 },
	};

	check_rows(parse_u64, rows, ARRAY_SIZE(rows));
}

static void sizes(void)
{
	static const struct row rows[] = {
		{ "4096", 0, 4096 },
		{ "64K", 0, 65536 },
		{ "64k", 0, 65536 },
		{ "16M", 0, 16 << 20 },
		{ "1GiB", 0, 1 << 30 },
		{ "2TB", 0, 2ULL << 40 },
		{ "0x10K", 0, 16384 },
		{ "16777216T", -ERANGE, 0 },
		{ "1X", -EINVAL, 0 },
		{ "1.5M", -EINVAL, 0 },
		{ "K", -EINVAL, 0 },
		{ "1KK", -EINVAL, 0 },
	};

	check_rows(parse_size_bytes, rows, ARRAY_SIZE(rows));
}

static void durations(void)
{
	static const struct row rows[] = {
		{ "10ms", 0, 10000000 },
		{ "1.5s", 0, 1500000000 },
		{ "2", 0, 2000000000 },
		{ "0.5", 0, 500000000 },
		{ "500us", 0, 500000 },
		{ "3ns", 0, 3 },
		{ "2m", 0, 120000000000 },
		{ "1h", 0, 3600000000000 },
		{ "0.000000001s", 0, 1 },
		{ "0.0000000001s", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "1.5.5s", -EINVAL, 0 },
		{ "5124096h", -ERANGE, 0 },
		{ "10 ms", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
	};

	check_rows(parse_duration_ns, rows, ARRAY_SIZE(rows));
}

static void sentences(void)
{
	struct errmsg e = { "" };
	uint64_t v;

	CHECK_INT(parse_size_bytes("12Q", &v, &e), -EINVAL);
	CHECK_STR(e.text, "'12Q' is not a size; write 4096, 64K, 16M, 1G or 0x1000");
	errmsg_prefix(&e, "--mem: ");
	CHECK_STR(e.text, "--mem: '12Q' is not a size; write 4096, 64K, 16M, 1G or 0x1000");
	CHECK_INT(parse_size_bytes("12Q", &v, NULL), -EINVAL);
}

static void long_context_is_cut(void)
{
	struct errmsg e = { "" };

	errmsg_set(&e, -1, "%0300d", 7);
	errmsg_prefix(&e, "%0200d", 1);
	CHECK_INT(strlen(e.text), ERRMSG_SIZE - 1);
	CHECK_INT(e.text[199], '1');
}

static const struct test_case cases[] = {
	{ "numbers", numbers },
	{ "sizes", sizes },
	{ "durations", durations },
	{ "sentences", sentences },
	{ "long context is cut", long_context_is_cut },
};

TEST_MAIN(cases)
