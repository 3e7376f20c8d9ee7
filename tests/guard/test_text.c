/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text of the guard stays in its buffer, ends, and holds only what a terminal may be sent. */
#include "core/text.h"

#include "test.h"

static void adds_columns(void)
{
	char buf[64];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add_right(&t, 7, 4);
	text_add(&t, " ");
	text_add_left(&t, "web", 5);
	text_add_left(&t, "longer", 3);
	text_add_u64(&t, UINT64_MAX);
	text_add_n(&t, "abc", 2);
	CHECK_STR(buf, "   7 web  lon18446744073709551615ab");
	CHECK(!text_is_cut(&t));
}

static void replaces_what_a_terminal_would_obey(void)
{
	char buf[16];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "a\x1b[2J\x80\r\n");
	CHECK_STR(buf, "a?[2J??\n");
}

static void erases(void)
{
	char buf[16];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "ab");
	text_add_erase(&t, 2);
	CHECK_STR(buf, "ab\b \b\b \b");
}

static void breaks_lines_at_blanks(void)
{
	char buf[64];
	struct text t;

	CHECK_INT(text_break("kill VM 7", 9), 9);
	CHECK_INT(text_break("kill VM 7", 8), 7);
	CHECK_INT(text_break("kill VM 7", 3), 3); /* no blank: in the word */
	CHECK_INT(text_break("", 3), 0);
	text_init(&t, buf, sizeof(buf));
	text_add_line(&t, "kill VM 7 of user 12345678901?", 10);
	CHECK_STR(buf, "kill VM 7\n  of user\n  12345678\n  901?\n");
	text_init(&t, buf, sizeof(buf));
	text_add_line(&t, "", 10);
	CHECK_STR(buf, "\n");
}

static void stays_in_its_buffer(void)
{
	char buf[8] = "1234567";
	struct text t;

	text_init(&t, buf, 4);
	text_add(&t, "ab");
	text_add_u64(&t, 12345);
	CHECK_STR(buf, "ab1");
	CHECK(text_is_cut(&t));
	CHECK_INT(buf[4], '5');
	text_init(&t, buf, 1);
	text_add_left(&t, "x", 9);
	CHECK_STR(buf, "");
	CHECK(text_is_cut(&t));
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "adds columns", adds_columns },
		{ "replaces what a terminal would obey", replaces_what_a_terminal_would_obey },
		{ "erases", erases },
		{ "breaks lines at blanks", breaks_lines_at_blanks },
		{ "stays in its buffer", stays_in_its_buffer },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
