/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The terminal while a guest has it: every key goes to the guest at once and is not echoed, except
 * those that make signals (Ctrl-C, Ctrl-Z, Ctrl-\), unless it is taken raw. It is given back on every way out of the
 * program, also when it dies by a signal.
 */
#ifndef PINFOLD_CLI_TERMINAL_H
#define PINFOLD_CLI_TERMINAL_H

#include <stdbool.h>

/** Whether standard input is a terminal. */
bool terminal_is_input(void);

/** Whether the program may read from the terminal now: it is in its foreground. */
bool terminal_is_foreground(void);

/** Take the terminal, if standard input is one and it is ours to take. Main thread. */
void terminal_take(void);

/** The same, and the keys that make signals or hold output go to the guest, too. */
void terminal_take_raw(void);

/** Give it back as it was. Async-signal-safe; nothing happens when it is not taken. */
void terminal_give_back(void);

#endif
