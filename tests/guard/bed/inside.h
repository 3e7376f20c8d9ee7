/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of guard_inside: inside.c, inside_log.c, which is about the guard's log, and inside_stall.c. */
#ifndef PINFOLD_TESTS_GUARD_BED_INSIDE_H
#define PINFOLD_TESTS_GUARD_BED_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "uapi/pinfold_guard.h"

/** A whole number, or the end of the program. */
uint64_t inside_number(const char *text, int base);

/** Copy all records of the log into a file. @param args its name */
int inside_log_copy(char **args);

/** Print a copy, one line per record. @param args its name */
int inside_log_print(char **args);

/**
 * How long terminals needed from the record of a death to that of the next greeting: "N deaths, N later than MS ms, longest T ms".
 * @param args name of a copy, limit in milliseconds
 */
int inside_log_returns(char **args);

/**
 * Judge a copy: says how many records it has, of which numbers, or which one is wrong. Written from the header in kmod/uapi, without a
 * line of the guard's own code.
 * @param args its name
 */
int inside_log_verify(char **args);

/** Try, as root, whatever might change the log or its past. Names each attempt that was not refused. */
int inside_log_attack(char **args);

/** So many tasks of SCHED_DEADLINE, each with nearly all that a core has for such tasks, that sleep. @param args how many */
int inside_deadline(char **args);

/** A key of type "logon" in root's keyring. @param args its description, the file with what it holds */
int inside_logon(char **args);

/**
 * Wait until pinfoldd says all of it in one round; prints when it had said it, in nanoseconds since boot.
 * @param args the longest wait in seconds, then pairs of a path of its interface and a text in what it says there, without
 *	       blanks; "!TEXT": it does not say that
 */
int inside_agrees(char **args);

/** Be a registrar whose argument can't be read, and see whether another process gets an answer meanwhile. */
int inside_stall(char **args);

#endif
