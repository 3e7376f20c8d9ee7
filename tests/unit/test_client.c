/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of the daemon print: harmless text, widths, figures, times, tables, paths. */
#include <string.h>

#include "base/bits.h"
#include "cli/client.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/vm_end.h"
#include "test.h"

static void test_safe(void)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ "a\tb\nc", "a b c" },
		{ "\033[2J", "?[2J" },
		{ "\x7f\r\b", "???" },
		{ "\xc2\x9b", "?" },		/* CSI of eight bits */
		{ "\xe2\x80\xae", "?" },	/* writing direction */
		{ "\xef\xbb\xbf", "?" },	/* byte order mark */
		{ "\xc0\xaf", "??" },		/* overlong */
		{ "\xed\xa0\x80", "???" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond Unicode */
		{ "\xe6\x97", "??" },		/* cut off */
		{ "\xc3\xa9\xe6\x97\xa5", "\xc3\xa9\xe6\x97\xa5" },
	};
	char buf[4];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *safe = text_safe(cases[i].in);

		CHECK_STR(safe, cases[i].out);
		free(safe);
	}
	CHECK_STR(text_safe_to("abcdef", buf, sizeof(buf)), "abc");
	CHECK_STR(text_safe_to("ab\xc3\xa9", buf, sizeof(buf)), "ab"); /* not half a character */
}

static void test_width(void)
{
	CHECK_INT(text_width(""), 0);
	CHECK_INT(text_width("abc"), 3);
	CHECK_INT(text_width("\xc3\xa9"), 1);
	CHECK_INT(text_width("\xe6\x97\xa5"), 2);
	CHECK_INT(text_width("e\xcc\x81"), 1); /* a combining accent */
}

static void test_figures(void)
{
	char b[TEXT_FIGURE_BYTES];

	CHECK_STR(text_size(0, b), "0");
	CHECK_STR(text_size(1023, b), "1023");
	CHECK_STR(text_size(1536, b), "1.5K");
	CHECK_STR(text_size(64u << 20, b), "64M");
	CHECK_STR(text_size(UINT64_MAX, b), "16777215T");
	CHECK_STR(text_time(0, b), "0");
	CHECK_STR(text_time(999, b), "999ns");
	CHECK_STR(text_time(1500, b), "1.5us");
	CHECK_STR(text_time(35 * NS_PER_MS, b), "35ms");
	CHECK_STR(text_time(1234 * NS_PER_MS, b), "1.2s");
	CHECK_STR(text_time(125 * NS_PER_S, b), "2m05s");
	CHECK_STR(text_time(7500 * NS_PER_S, b), "2h05m");
	CHECK_STR(text_time(UINT64_MAX, b), "5124095h34m");
	CHECK_STR(text_duration(0, b), "less than a second");
	CHECK_STR(text_duration(NS_PER_S, b), "1 second");
	CHECK_STR(text_duration(59 * NS_PER_S, b), "59 seconds");
	CHECK_STR(text_duration(60 * NS_PER_S, b), "1 minute");
	CHECK_STR(text_duration(100 * NS_PER_S, b), "100 seconds");
	CHECK_STR(text_duration(185 * NS_PER_S, b), "3 minutes");
	CHECK_STR(text_duration(40 * 3600 * NS_PER_S, b), "40 hours");
	CHECK_STR(text_duration(3 * 86400 * NS_PER_S, b), "3 days");
	CHECK_STR(text_duration(30 * 86400 * NS_PER_S, b), "4 weeks");
}

static void test_times(void)
{
	char b[TEXT_FIGURE_BYTES];

	CHECK_INT(text_parse_time("1970-01-01T00:00:10Z"), 10 * NS_PER_S);
	CHECK_INT(text_parse_time("1970-01-01T01:00:10.123456789+01:00"), 10123456789);
	CHECK_INT(text_parse_time("1969-12-31T23:30:10.5-00:30"), 10500000000);
	CHECK_INT(text_parse_time("1969-12-31T23:59:59Z"), -1);
	CHECK_INT(text_parse_time("9999-12-31T23:59:59Z"), -1);
	CHECK_INT(text_parse_time("2026-11-20T16:00:00Z"), 1795190400 * NS_PER_S);
	CHECK_INT(text_parse_time(""), -1);
	CHECK_INT(text_parse_time("yesterday"), -1);
	CHECK_INT(text_parse_time("2026-11-20T16:00:00"), -1);
	CHECK_STR(text_ago("never", b), "-");
	CHECK(strstr(text_ago("2020-01-01T00:00:00Z", b), " weeks ago"));
}

static void test_table(void)
{
	struct table *t = table_new("A_B >N LAST");
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);

	table_add(t, "\xe6\x97\xa5");
	table_add(t, "7");
	table_add(t, "x\033");
	table_add(t, "longer");
	table_add(t, NULL);
	table_add(t, "");
	table_add(t, "half a row");
	table_print(t, f);
	table_free(t);
	fclose(f);
	CHECK_STR(text, "A B         N  LAST\n"
			"\xe6\x97\xa5          7  x?\n"
			"longer      -  -\n");
	free(text);
}

static void test_paths(void)
{
	static const struct {
		const char *name, *path;
	} cases[] = {
		{ "web", "/v1/vms/web/start" },
		{ "ann/web", "/v1/vms/ann%2Fweb/start" },
		{ "a b?c#d&e", "/v1/vms/a%20b%3Fc%23d%26e/start" },
		{ ".", "/v1/vms/%2e/start" },
		{ "..", "/v1/vms/%2e%2e/start" },
		{ "", "/v1/vms//start" },
		{ "\r\nX: y", "/v1/vms/%0D%0AX%3A%20y/start" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = client_path("/v1/vms/", cases[i].name, "/start");

		CHECK_STR(path, cases[i].path);
		free(path);
	}
}

static void test_end(void)
{
	static const struct {
		const char *vm;
		int status;
		bool has_ended;
	} cases[] = {
		{ "{'state':'stopped','exit':{'kind':'exit','code':7}}", 7, true },
		{ "{'state':'stopped','exit':{'kind':'exit','code':256}}", 255, true },
		{ "{'state':'stopped','exit':{'kind':'halt','code':0}}", 0, true },
		{ "{'state':'stopped','exit':{'kind':'limit','code':124}}", 124, true },
		{ "{'state':'stopped','exit_code':9}", 9, true },
		{ "{'state':'faulted'}", 126, true },
		{ "{'state':'killed','exit':null}", 137, true },
		{ "{'state':'running'}", 0, false },
		{ "{'state':7}", 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		json_t *vm;

		strcpy(text, cases[i].vm);
		for (char *p = text; *p; p++) {
			*p = *p == '\'' ? '"' : *p;
		}
		vm = json_loads(text, 0, NULL);
		CHECK(vm);
		CHECK_INT(vm_end_has(vm), cases[i].has_ended);
		if (cases[i].has_ended) {
			CHECK_INT(vm_end_status(vm), cases[i].status);
		}
		json_decref(vm);
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "text is made harmless", test_safe },
		{ "widths on a terminal", test_width },
		{ "sizes and times", test_figures },
		{ "points in time", test_times },
		{ "tables", test_table },
		{ "names in paths", test_paths },
		{ "how a VM ended", test_end },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
