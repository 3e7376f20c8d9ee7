/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of commands. */
#include "cli/commands.h"

#include "base/bits.h"

const struct command commands[] = {
	{ "run", "run a guest program in its own jailed process", cmd_run },
	{ "doctor", "say what this host offers, what is missing and what that costs", cmd_doctor },
	{ "help", "show this text, or the help of a command", cmd_help },
	{ "version", "show the version", cmd_version },
};
const size_t commands_count = ARRAY_SIZE(commands);
