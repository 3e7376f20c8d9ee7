/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves: SYS_EXIT_EXTENDED carries an exit code. Known answer: 43. */
#include "semihost.h"

#include "guest.h"

int main(void)
{
	guest_puts("leaving by semihosting with 43\n");
	semihost_exit(43);
}
