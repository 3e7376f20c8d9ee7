// SPDX-License-Identifier: GPL-2.0
#include "chord.h"

#define KEY_IS_FINAL 0x40u
#define KEYS_CTRL    0x03u
#define KEYS_ALT     0x0cu
#define KEYS_SHIFT   0x30u

/* Modifiers as bits, left and right. */
static u8 modifier_of(u16 code)
{
	switch (code) {
	case 29:
		return 0x01;
	case 97:
		return 0x02;
	case 56:
		return 0x04;
	case 100:
		return 0x08;
	case 42:
		return 0x10;
	case 54:
		return 0x20;
	default:
		return 0;
	}
}

void chord_init(struct chord *c, u16 final_key)
{
	c->final_key = final_key;
	c->down = 0;
}

static bool is_complete(u8 down)
{
	return (down & KEYS_CTRL) && (down & KEYS_ALT) && (down & KEYS_SHIFT) &&
	       (down & KEY_IS_FINAL);
}

static u8 changed(u8 down, u8 key, bool is_pressed)
{
	return (u8)(is_pressed ? down | key : down & ~key);
}

bool chord_event(struct chord *c, u16 code, bool is_pressed)
{
	u8 key = code == c->final_key ? KEY_IS_FINAL : modifier_of(code);
	bool was_complete = is_complete(c->down);

	c->down = changed(c->down, key, is_pressed);
	return is_complete(c->down) && !was_complete;
}
