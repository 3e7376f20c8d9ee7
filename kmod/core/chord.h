/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The key chord that wakes a terminal. Codes are those of Linux' input layer. A repeat is told as pressed
 * again. No clock, no memory but the struct.
 */
#ifndef PINFOLD_GUARD_CHORD_H
#define PINFOLD_GUARD_CHORD_H

#include "port.h"

#define CHORD_KEY_G 34 /* Ctrl + Alt + Shift + G unless another final key is set */

struct chord {
	u16 final_key;
	u8 down; /* bits of chord.c */
};

/** Begin with all keys released. */
void chord_init(struct chord *c, u16 final_key);

/**
 * A key was pressed, repeated or released.
 * @return whether Ctrl, Alt, Shift (either side) and the final key are all down as of this event, in
 *	   whatever order they were pressed: once until one of them is let go
 */
bool chord_event(struct chord *c, u16 code, bool is_pressed);

#endif
