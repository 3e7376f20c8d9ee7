/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two halves of the console channel: keys.c, whose part this is, and screen.c, which has the rest of
 * the channel.
 */
#ifndef PINFOLD_GUARD_CONSOLE_H
#define PINFOLD_GUARD_CONSOLE_H

#include "channel.h"

/* Take up to n bytes that were typed in the dialogue. */
size_t keys_read(u8 *buf, size_t n);
/* Drop what was typed and not read. */
void keys_forget(void);

#endif
