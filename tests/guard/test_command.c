/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request has one written form; everything else gets one line that says what was wrong. */
#include "core/command.h"

#include "test.h"

static char shown_buf[256], logged_buf[256], form_buf[256];

static int parse(const char *line, struct command *ret)
{
	struct text shown, logged;

	text_init(&shown, shown_buf, sizeof(shown_buf));
	text_init(&logged, logged_buf, sizeof(logged_buf));
	return command_parse(line, ret, &shown, &logged);
}

static const char *written(const struct command *c)
{
	struct text t;

	text_init(&t, form_buf, sizeof(form_buf));
	command_write(c, &t);
	return form_buf;
}

static void reads_requests(void)
{
	static const struct {
		const char *line, *form;
		u8 id;
		u64 number;
	} cases[] = {
		{ "vms", "vms", COMMAND_VMS, 0 },
		{ "  KILL   7  ", "kill 7", COMMAND_KILL, 7 },
		{ "kill 18446744073709551615", "kill 18446744073709551615", COMMAND_KILL, ~0ull },
		{ "kill-core 0", "kill-core 0", COMMAND_KILL_CORE, 0 },
		{ "kill-core 1023", "kill-core 1023", COMMAND_KILL_CORE, 1023 },
		{ "ban 4294967294", "ban 4294967294", COMMAND_BAN, 4294967294ull },
		{ "log", "log", COMMAND_LOG, 0 },
		{ "log 5", "log 5", COMMAND_LOG, 5 },
		{ "reclaim 3", "reclaim 3", COMMAND_RECLAIM, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct command c;

		CHECK_INT(parse(cases[i].line, &c), 0);
		CHECK_INT(c.id, cases[i].id);
		CHECK(c.number == cases[i].number);
		CHECK_STR(written(&c), cases[i].form);
		CHECK_STR(shown_buf, "");
		CHECK_STR(logged_buf, "");
	}
}

static void says_what_was_wrong(void)
{
	static const char *const cases[][3] = {
		{ "kill 7x", "kill: '7x' is not a VM number", "kill: not a number that it takes" },
		{ "kill 0", "kill: '0' is not a VM number", "kill: not a number that it takes" },
		{ "kill 07", "kill: '07' is not a VM number", "kill: not a number that it takes" },
		{ "kill -1", "kill: '-1' is not a VM number", "kill: not a number that it takes" },
		{ "kill 18446744073709551616", "kill: '18446744073709551616' is not a VM number",
		  "kill: not a number that it takes" },
		{ "kill 18446744073709551620", "kill: '18446744073709551620' is not a VM number",
		  "kill: not a number that it takes" },
		{ "kill-core 1024", "kill-core: '1024' is not a core number",
		  "kill-core: not a number that it takes" },
		{ "ban 4294967295", "ban: '4294967295' is not a user number",
		  "ban: not a number that it takes" },
		{ "log x", "log: 'x' is not a number of records",
		  "log: not a number that it takes" },
		{ "log 16385", "log: '16385' is not a number of records",
		  "log: not a number that it takes" },
		{ "kill", "kill: a VM number must follow; 'vms' lists them", "kill: no number" },
		{ "ban", "ban: a user number must follow; 'users' lists them", "ban: no number" },
		{ "kill 7 8", "kill: '8' is too much; write 'kill ID'", "kill: too many words" },
		{ "vms all", "vms: 'all' is too much; write 'vms'", "vms: too many words" },
		{ "kil 7", "'kil' is not a command; 'help' lists them", "not a command" },
		{ "kills 7", "'kills' is not a command; 'help' lists them", "not a command" },
		{ "secret-thing-much-too-long-to-show 1",
		  "'secret-thing-much-to...' is not a command; 'help' lists them",
		  "not a command" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct command c = { .id = 99, .number = 99 };

		CHECK_INT(parse(cases[i][0], &c), -EINVAL);
		CHECK_INT(c.id, 99);
		CHECK_INT(c.number, 99);
		CHECK_STR(shown_buf, cases[i][1]);
		CHECK_STR(logged_buf, cases[i][2]);
	}
}

static void knows_an_empty_line(void)
{
	struct command c;

	CHECK_INT(parse("", &c), -ENODATA);
	CHECK_INT(parse("   ", &c), -ENODATA);
}

/* Whatever the form is made of, reading it gives the same request. */
static void forms_are_read_back(void)
{
	static const u64 numbers[] = { 1, 9, 10, 1023 };

	for (u8 id = 0; id < COMMANDS_COUNT; id++) {
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			struct command c = { id, numbers[i] }, again;

			if (command_entry(id)->argument == ARGUMENT_NONE) {
				c.number = 0;
			}
			CHECK_INT(parse(written(&c), &again), 0);
			CHECK_INT(again.id, c.id);
			CHECK(again.number == c.number);
		}
	}
}

static void help_fits_a_line(void)
{
	struct text t;

	for (u8 id = 0; id < COMMANDS_COUNT; id++) {
		text_init(&t, form_buf, sizeof(form_buf));
		command_help(id, &t);
		CHECK(t.used > 20 && t.used < 80);
		CHECK(!strchr(form_buf, '\n'));
	}
	text_init(&t, form_buf, sizeof(form_buf));
	command_help(COMMAND_KILL_USER, &t);
	CHECK_STR(form_buf, "  kill-user UID   kill every VM of a user");
	text_init(&t, form_buf, sizeof(form_buf));
	command_help(COMMAND_LOG, &t);
	CHECK_STR(form_buf, "  log [N]         the last N records of the log (20)");
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "reads requests", reads_requests },
		{ "says what was wrong", says_what_was_wrong },
		{ "knows an empty line", knows_an_empty_line },
		{ "forms are read back", forms_are_read_back },
		{ "help fits a line", help_fits_a_line },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
