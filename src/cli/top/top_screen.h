/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal, through ncurses: shows a canvas, reads keys, and is given back on every way out. */
#ifndef PINFOLD_CLI_TOP_SCREEN_H
#define PINFOLD_CLI_TOP_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/errmsg.h"
#include "cli/top/top_canvas.h"

/** Not a key: the size has changed. */
#define TOP_SCREEN_RESIZED 0x300000
/** No key waits. */
#define TOP_SCREEN_NO_KEY -1

/**
 * Whether the locale's characters are UTF-8; sets the program's locale.
 */
bool top_screen_is_utf8(void);

/**
 * Take the terminal. Once per program.
 * @return 0; -ENOTTY standard input or output is none; -ENOTSUP it can't place its cursor
 */
int top_screen_open(struct errmsg *e);

/** Give it back as it was. Also when it is not taken. */
void top_screen_close(void);

/** Its size now. */
void top_screen_size(uint32_t *ret_rows, uint32_t *ret_cols);

/** Show a canvas; only what has changed is sent. */
void top_screen_show(const struct top_canvas *c);

/** @return a character, enum top_key, TOP_SCREEN_RESIZED, or TOP_SCREEN_NO_KEY */
int top_screen_key(void);

#endif
