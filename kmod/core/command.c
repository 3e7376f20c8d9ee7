// SPDX-License-Identifier: GPL-2.0
#include "command.h"

#define NUMBER_DIGITS 20 /* of the largest number */
#define QUOTED_CHARS  20 /* of what was typed, in an error */
#define HELP_COLUMN   16

/* What a kind of argument is called, where it can be looked up, and what it may be. */
struct argument {
	const char *placeholder, *noun, *see;
	bool is_optional;
	u64 min, max;
};

static const struct argument arguments[] = {
	[ARGUMENT_NONE] = { "", "", "", true, 0, 0 },
	[ARGUMENT_VM] = { "ID", "a VM number", "'vms' lists them", false, 1, ~0ull },
	[ARGUMENT_CORE] = { "N", "a core number", "'cores' lists them", false, 0, 1023 },
	[ARGUMENT_USER] = { "UID", "a user number", "'users' lists them", false, 0, 4294967294ull },
	[ARGUMENT_COUNT] = { "[N]", "a number of records", "", true, 1, 16384 },
};

static const struct command_entry table[COMMANDS_COUNT] = {
	[COMMAND_HELP] = { "help", ARGUMENT_NONE, COMMAND_FREE, "this list" },
	[COMMAND_STATUS] = { "status", ARGUMENT_NONE, COMMAND_FREE, "how the guard itself is" },
	[COMMAND_LOGIN] = { "login", ARGUMENT_NONE, COMMAND_OPENS,
			    "open the commands that show something, until 'exit'" },
	[COMMAND_VMS] = { "vms", ARGUMENT_NONE, COMMAND_SHOWS, "list the VMs" },
	[COMMAND_SHOW] = { "show", ARGUMENT_VM, COMMAND_SHOWS, "all about one VM" },
	[COMMAND_CORES] = { "cores", ARGUMENT_NONE, COMMAND_SHOWS, "what runs on each core now" },
	[COMMAND_USERS] = { "users", ARGUMENT_NONE, COMMAND_SHOWS,
			    "who has VMs, and who is banned" },
	[COMMAND_LOG] = { "log", ARGUMENT_COUNT, COMMAND_SHOWS,
			  "the last N records of the log (20)" },
	[COMMAND_KILL] = { "kill", ARGUMENT_VM, COMMAND_CHANGES, "kill a VM" },
	[COMMAND_KILL_CORE] = { "kill-core", ARGUMENT_CORE, COMMAND_CHANGES,
				"kill every VM that is on this core" },
	[COMMAND_KILL_USER] = { "kill-user", ARGUMENT_USER, COMMAND_CHANGES,
				"kill every VM of a user" },
	[COMMAND_BAN] = { "ban", ARGUMENT_USER, COMMAND_CHANGES,
			  "kill every VM of a user, and let no new one start" },
	[COMMAND_UNBAN] = { "unban", ARGUMENT_USER, COMMAND_CHANGES,
			    "let a banned user start VMs again" },
	[COMMAND_RECLAIM] = { "reclaim", ARGUMENT_CORE, COMMAND_CHANGES,
			      "take an exclusive core away from its VM" },
	[COMMAND_FREEZE] = { "freeze", ARGUMENT_VM, COMMAND_CHANGES, "stop a VM, but keep it" },
	[COMMAND_THAW] = { "thaw", ARGUMENT_VM, COMMAND_CHANGES, "let a frozen VM go on" },
	[COMMAND_EXIT] = { "exit", ARGUMENT_NONE, COMMAND_FREE, "end this dialogue" },
};

/* Words of a line, without copies. */
struct word {
	const char *at;
	size_t n;
};

const struct command_entry *command_entry(u8 id)
{
	BUG_ON(id >= COMMANDS_COUNT);
	return &table[id];
}

/* The next word; n is 0 when there is none. Moves *s behind it. */
static struct word next_word(const char **s)
{
	struct word w;

	while (**s == ' ')
		(*s)++;
	w.at = *s;
	while (**s && **s != ' ')
		(*s)++;
	w.n = (size_t)(*s - w.at);
	return w;
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Names are read in either case: caps lock may be on. */
static bool word_is(struct word w, const char *name)
{
	for (size_t i = 0; i < w.n; i++) {
		if (small(w.at[i]) != name[i])
			return false;
	}
	return !name[w.n];
}

/* Decimal, without sign or leading zeros, so that a number is written in one way only. */
static bool word_number(struct word w, const struct argument *a, u64 *ret)
{
	u64 n = 0;

	if (!w.n || w.n > NUMBER_DIGITS || (w.at[0] == '0' && w.n > 1))
		return false;
	for (size_t i = 0; i < w.n; i++) {
		u64 digit = (u64)(w.at[i] - '0');

		if (w.at[i] < '0' || w.at[i] > '9' || n > (~0ull - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (n < a->min || n > a->max)
		return false;
	*ret = n;
	return true;
}

static void add_quoted(struct text *t, struct word w)
{
	text_add(t, "'");
	text_add_n(t, w.at, w.n < QUOTED_CHARS ? w.n : QUOTED_CHARS);
	text_add(t, w.n > QUOTED_CHARS ? "...'" : "'");
}

/* Both begin "NAME: ", and the log gets the reason. */
static int refuse(const struct command_entry *e, const char *why, struct text *shown,
		  struct text *logged)
{
	text_add(shown, e->name);
	text_add(shown, ": ");
	text_add(logged, e->name);
	text_add(logged, ": ");
	text_add(logged, why);
	return -EINVAL;
}

static int refuse_missing(const struct command_entry *e, struct text *shown, struct text *logged)
{
	const struct argument *a = &arguments[e->argument];

	refuse(e, "no number", shown, logged);
	text_add(shown, a->noun);
	text_add(shown, " must follow; ");
	text_add(shown, a->see);
	return -EINVAL;
}

static int refuse_number(const struct command_entry *e, struct word w, struct text *shown,
			 struct text *logged)
{
	refuse(e, "not a number that it takes", shown, logged);
	add_quoted(shown, w);
	text_add(shown, " is not ");
	text_add(shown, arguments[e->argument].noun);
	return -EINVAL;
}

static int refuse_more(const struct command_entry *e, struct word w, struct text *shown,
		       struct text *logged)
{
	refuse(e, "too many words", shown, logged);
	add_quoted(shown, w);
	text_add(shown, " is too much; write '");
	text_add(shown, e->name);
	if (e->argument != ARGUMENT_NONE) {
		text_add(shown, " ");
		text_add(shown, arguments[e->argument].placeholder);
	}
	text_add(shown, "'");
	return -EINVAL;
}

static int refuse_name(struct word w, struct text *shown, struct text *logged)
{
	add_quoted(shown, w);
	text_add(shown, " is not a command; 'help' lists them");
	text_add(logged, "not a command");
	return -EINVAL;
}

static u8 find_name(struct word w)
{
	u8 id = 0;

	while (id < COMMANDS_COUNT && !word_is(w, table[id].name))
		id++;
	return id;
}

int command_parse(const char *line, struct command *ret, struct text *shown, struct text *logged)
{
	struct word name = next_word(&line), number = { 0 }, more;
	const struct command_entry *e;
	struct command c = { 0 };

	if (!name.n)
		return -ENODATA;
	c.id = find_name(name);
	if (c.id == COMMANDS_COUNT)
		return refuse_name(name, shown, logged);
	e = &table[c.id];
	if (e->argument != ARGUMENT_NONE)
		number = next_word(&line);
	more = next_word(&line);
	if (!number.n && !arguments[e->argument].is_optional)
		return refuse_missing(e, shown, logged);
	if (number.n && !word_number(number, &arguments[e->argument], &c.number))
		return refuse_number(e, number, shown, logged);
	if (more.n)
		return refuse_more(e, more, shown, logged);
	*ret = c;
	return 0;
}

void command_write(const struct command *c, struct text *out)
{
	const struct command_entry *e = command_entry(c->id);

	text_add(out, e->name);
	if (arguments[e->argument].is_optional && !c->number)
		return;
	text_add(out, " ");
	text_add_u64(out, c->number);
}

void command_help(u8 id, struct text *out)
{
	const struct command_entry *e = command_entry(id);
	char buf[HELP_COLUMN];
	struct text form;

	text_init(&form, buf, sizeof(buf));
	text_add(&form, e->name);
	text_add(&form, " ");
	text_add(&form, arguments[e->argument].placeholder);
	text_add(out, "  ");
	text_add_left(out, buf, HELP_COLUMN);
	text_add(out, e->help);
}
