/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chord wakes in every order and on either side, once, and never without all its keys. */
#include "core/chord.h"

#include "test.h"

enum { L_CTRL = 29, R_CTRL = 97, L_ALT = 56, R_ALT = 100, L_SHIFT = 42, R_SHIFT = 54 };

static const u16 sides[][2] = { { L_CTRL, R_CTRL }, { L_ALT, R_ALT }, { L_SHIFT, R_SHIFT } };

static void press_in_order(const u16 keys[4], const u8 order[4])
{
	struct chord c;

	chord_init(&c, CHORD_KEY_G);
	for (size_t i = 0; i < 4; i++) {
		CHECK_INT(chord_event(&c, keys[order[i]], true), i == 3);
		CHECK(!chord_event(&c, keys[order[i]], true)); /* repeats */
	}
	for (size_t i = 0; i < 4; i++) {
		CHECK(!chord_event(&c, keys[i], false));
		CHECK(chord_event(&c, keys[i], true));
	}
}

static void wakes_in_every_order(void)
{
	for (u8 side = 0; side < 8; side++) {
		u16 keys[4] = { sides[0][side & 1], sides[1][side >> 1 & 1], sides[2][side >> 2],
				CHORD_KEY_G };

		for (u8 n = 0; n < 4 * 4 * 4; n++) {
			u8 order[4] = { n & 3, n >> 2 & 3, (u8)(n >> 4), 0 };

			if (order[0] == order[1] || order[0] == order[2] || order[1] == order[2]) {
				continue;
			}
			order[3] = (u8)(6 - order[0] - order[1] - order[2]);
			press_in_order(keys, order);
		}
	}
}

/* Against a plain record of which keys are down. */
static void wakes_when_all_are_down(void)
{
	static const u16 codes[] = { L_CTRL,  R_CTRL, L_ALT,	   R_ALT, L_SHIFT,
				     R_SHIFT, 25,     CHORD_KEY_G, 0,	  700 };
	bool down[1024] = { false };
	bool before = false;
	u32 seed = 7, wakes = 0;
	struct chord c;

	chord_init(&c, 25); /* another final key */
	for (u32 i = 0; i < 200000; i++) {
		u16 code;
		bool all;

		seed = seed * 1103515245u + 12345u;
		code = codes[(seed >> 16) % ARRAY_SIZE(codes)];
		down[code] = seed >> 28 > 4;
		all = (down[L_CTRL] || down[R_CTRL]) && (down[L_ALT] || down[R_ALT]) &&
		      (down[L_SHIFT] || down[R_SHIFT]) && down[25];
		CHECK_INT(chord_event(&c, code, down[code]), all && !before);
		wakes += all && !before;
		before = all;
	}
	CHECK(wakes > 1000);
}

int main(void)
{
	static const struct test_case cases[] = {
		{ "wakes in every order", wakes_in_every_order },
		{ "wakes when all are down", wakes_when_all_are_down },
	};

	return test_main(cases, sizeof(cases) / sizeof(cases[0]));
}
