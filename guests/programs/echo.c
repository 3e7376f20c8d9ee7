/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves: console input. Sends back what it reads until Ctrl-D (4) or end of file, then the
 * count.
 */
#include "guest.h"

int main(void)
{
	uint32_t count = 0;

	for (;;) {
		int c = guest_getc();

		if (c < 0 || c == 4) {
			break;
		}
		guest_putc((char)c);
		count++;
	}
	guest_line_dec("echoed", count);
	return 0;
}
