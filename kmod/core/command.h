/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands: one table of what they are called, take and need. A parser as strict as it can be:
 * a command and its argument have exactly one written form, which the challenge and the log use.
 */
#ifndef PINFOLD_GUARD_COMMAND_H
#define PINFOLD_GUARD_COMMAND_H

#include "port.h"
#include "text.h"

enum command_id {
	COMMAND_HELP,
	COMMAND_STATUS,
	COMMAND_LOGIN,
	COMMAND_VMS,
	COMMAND_SHOW,
	COMMAND_CORES,
	COMMAND_USERS,
	COMMAND_LOG,
	COMMAND_KILL,
	COMMAND_KILL_CORE,
	COMMAND_KILL_USER,
	COMMAND_BAN,
	COMMAND_UNBAN,
	COMMAND_RECLAIM,
	COMMAND_FREEZE,
	COMMAND_THAW,
	COMMAND_EXIT,
	COMMANDS_COUNT,
};

enum command_argument { ARGUMENT_NONE, ARGUMENT_VM, ARGUMENT_CORE, ARGUMENT_USER, ARGUMENT_COUNT };

enum command_kind {
	COMMAND_FREE,	 /* needs nothing */
	COMMAND_OPENS,	 /* login */
	COMMAND_SHOWS,	 /* needs a login, unless reading is open */
	COMMAND_CHANGES, /* needs an answer of its own */
};

struct command_entry {
	const char *name;
	u8 argument; /* enum command_argument */
	u8 kind;     /* enum command_kind */
	const char *help;
};

/* A request. */
struct command {
	u8 id;	    /* enum command_id */
	u64 number; /* its argument; 0: none */
};

/** What the table says of a command. */
const struct command_entry *command_entry(u8 id);

/**
 * Read a line.
 * @param shown  gets one line for the person, that may quote the line
 * @param logged gets a reason for the log, that does not
 * @return 0; -ENODATA: an empty line; -EINVAL: no request, see @p shown
 */
int command_parse(const char *line, struct command *ret, struct text *shown, struct text *logged);

/** The one written form of a request: "kill 7". */
void command_write(const struct command *c, struct text *out);

/** The line of "help" about a command. */
void command_help(u8 id, struct text *out);

#endif
