/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of guard_inside: inside.c has the commands. */
#ifndef PINFOLD_TESTS_GUARD_BED_INSIDE_H
#define PINFOLD_TESTS_GUARD_BED_INSIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "uapi/pinfold_guard.h"

/** A whole number, or the end of the program. */
uint64_t inside_number(const char *text, int base);

/** Seconds of a clock. */
double inside_now_s(void);

/** Write a text into a file of the kernel's. */
void inside_put(const char *path, const char *text);

/** Open the guard's device. */
int inside_device(bool is_registrar);

/** What it says of itself. */
void inside_state(int fd, struct pinfold_guard_state *ret);

/** The same, printed: one "name value" per line. @param args none */
int inside_print_state(char **args);

/** A process as it is registered, without cores. */
struct pinfold_guard_vm inside_described(uint64_t id, pid_t pid, const char *name, uint32_t uid);

/** A thousand VMs that come at once. @param args how many, from how many processes, of how many threads each */
int inside_crowd(char **args);

/**
 * Load and unload the guard, now and then with VMs and somebody at a terminal, and while somebody wakes one.
 * @param args how many times; its parameters
 */
int inside_cycles(char **args);

/**
 * Load the guard while one allocation fails, another one each time, and unload it where it loaded all the same. Prints how often it
 * did what, and the number of the allocation to go on with; 0: there are no more of them.
 * @param args whose: "self", or "kthreadd", which makes the guard's threads; the first, how many on, how many times; parameters
 */
int inside_failing(char **args);

/** Print what the kernel's log complains of since the last call, whoever has cleared it meanwhile. Status 1: it does. @param args none */
int inside_reports(char **args);

/** Copy all records of the log into a file. @param args its name */
int inside_log_copy(char **args);

/** Print a copy, one line per record. @param args its name */
int inside_log_print(char **args);

/**
 * How long terminals needed from the record of a death to that of the next greeting: "N deaths, N returns, N later than MS ms, longest
 * T ms". A thread that dies before its greeting is a death without a return.
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
