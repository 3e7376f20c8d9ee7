/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: a loop that ignores everything is ended by each limit and by force_stop. */
#include "guest.h"

int main(void)
{
	guest_puts("looping\n");
	for (;;) {
		__asm__ volatile("");
	}
}
