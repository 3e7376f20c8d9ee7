/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: guest arguments arrive by semihosting. Prints the command line between brackets. */
#include "guest.h"
#include "semihost.h"

int main(void)
{
	char text[256] = "";
	uintptr_t block[2] = { (uintptr_t)text, sizeof(text) };

	if (semihost(SYS_GET_CMDLINE, (uintptr_t)block) != 0) {
		guest_puts("no command line\n");
		return 1;
	}
	guest_puts("command line [");
	guest_puts(text);
	guest_puts("]\n");
	guest_line_dec("length", (uint32_t)block[1]);
	return 0;
}
